"""The history of one execution, folded into operations as its events arrive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from durabletest.model import fold, lookup
from durabletest.model.records import ExecutionRecord, Invocation, OperationId, OperationRecord
from durabletest.model.times import plain_event


class History:
    """The only place where events become operations.

    ``extend`` takes any pages in any order: an event is told by its ``EventId``, and seen ones are ignored. Types of
    event that are not known yet stay in ``events`` and change nothing else. ``operations`` are in execution order, that
    is the order of their first events.
    """

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        self.events: list[dict[str, Any]] = []
        self._seen: set[int] = set()
        self._clear()
        self.extend(events)

    def extend(self, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Read more events, and give those that are new; they are copies: the caller's dictionaries stay its own."""
        new = {event["EventId"]: event for event in events if event["EventId"] not in self._seen}
        if not new:
            return []
        late = bool(self.events) and min(new) < self.events[-1]["EventId"]
        self._seen.update(new)
        added = [plain_event(dict(new[event_id])) for event_id in sorted(new)]
        self.events.extend(added)
        if late:
            self.events.sort(key=lambda event: int(event["EventId"]))
            self._clear()
        for event in self.events if late else added:
            self._fold(event)
        return added

    def find(self, path: str, index: int = 0) -> OperationRecord:
        """The operation with that name or path, or whose id it is (an :class:`OperationId`)."""
        if isinstance(path, OperationId):
            return self.by_id(path)
        found = self.places.at(lookup.checked_name(path))
        lookup.check_index(index)
        try:
            return found[index]
        except IndexError:
            raise lookup.not_found(self, path, index, len(found)) from None

    def get(self, path: str, index: int = 0) -> OperationRecord | None:
        """What ``find`` gives, ``None`` where it would explain at length that there is no such operation."""
        if isinstance(path, OperationId):
            return self._by_id.get(path)
        found = self.places.at(lookup.checked_name(path))
        lookup.check_index(index)
        return found[index] if -len(found) <= index < len(found) else None

    def find_all(self, path: str) -> list[OperationRecord]:
        """All operations that a name or path means, in execution order.

        A bare name matches at any depth. In ``order/charge`` the parents must be the nearest named ones.
        """
        return list(self.places.at(lookup.checked_name(path)))

    def named(self, name: str) -> Sequence[OperationRecord]:
        """All operations whose name is literally this one; the sequence grows with the history."""
        return self._by_name.get(name, ())

    def by_index(self, index: int) -> OperationRecord:
        lookup.check_index(index)
        try:
            return self.operations[index]
        except IndexError:
            raise lookup.no_such_index(self, index) from None

    def by_id(self, operation_id: str) -> OperationRecord:
        try:
            return self._by_id[operation_id]
        except KeyError:
            raise lookup.no_such_id(self, operation_id) from None

    def parent(self, record: OperationRecord) -> OperationRecord | None:
        return self._by_id.get(record.parent_id) if record.parent_id is not None else None

    def operation_of(self, event: Mapping[str, Any]) -> OperationRecord | None:
        """The operation that an event is about, ``None`` where that is the execution or an invocation."""
        return self._by_id.get(event.get("Id"))

    def children(self, record: OperationRecord) -> list[OperationRecord]:
        """The operations directly inside a context."""
        return list(self._by_parent.get(record.id, ()))

    def path_of(self, record: OperationRecord) -> str:
        """What to write to find this operation; an unnamed one shows as ``(unnamed)`` and is found by its id only."""
        return lookup.path_of(self, record)

    def _clear(self) -> None:
        self.operations: list[OperationRecord] = []
        self.invocations: list[Invocation] = []
        self.execution = ExecutionRecord()
        self._by_id: dict[str | None, OperationRecord] = {}
        self._by_name: dict[str | None, list[OperationRecord]] = {}
        self._by_parent: dict[str | None, list[OperationRecord]] = {}
        self.places = lookup.Places(self)

    def _fold(self, event: dict[str, Any]) -> None:
        kind = event.get("EventType")
        if kind in fold.OPERATION_EVENTS and "Id" in event:
            fold.fold_operation(self._record(event), event)
        elif kind in fold.EXECUTION_EVENTS:
            fold.fold_execution(self.execution, event)
            for record in self.operations:
                fold.end_with_execution(record, self.execution)
        elif kind == "InvocationCompleted":
            self.invocations.append(fold.invocation(len(self.invocations) + 1, event))
        if event.get("Id") in self._by_id:
            self._by_id[event["Id"]].events.append(event)

    def _record(self, event: dict[str, Any]) -> OperationRecord:
        record = self._by_id.get(event["Id"])
        if record is None:
            record = self._by_id[event["Id"]] = fold.new_operation(event)
            self.operations.append(record)
            self._by_name.setdefault(record.name, []).append(record)
            self._by_parent.setdefault(record.parent_id, []).append(record)
        return record
