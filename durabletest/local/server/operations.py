"""The operations of one execution, as the service keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from durabletest.local.server.events import Operation

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"})
DETAILS = {
    "EXECUTION": "ExecutionDetails",
    "CONTEXT": "ContextDetails",
    "STEP": "StepDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
}


MadeT = TypeVar("MadeT")


class Kept(Generic[MadeT]):
    """What is made of each operation of an execution, made once for as long as the operation does not change.

    An operation that changes gets a new dictionary, so that the same one always gives the same.
    """

    def __init__(self, make: Callable[[Operation], MadeT]) -> None:
        self._make = make
        self._kept: dict[str, tuple[Operation, MadeT]] = {}

    def of(self, operation: Operation) -> MadeT:
        """What is made of it."""
        kept = self._kept.get(operation["Id"])
        if kept is None or kept[0] is not operation:
            kept = self._kept[operation["Id"]] = operation, self._make(operation)
        return kept[1]


def is_pending(operation: Operation) -> bool:
    """Whether something outside the handler still has to happen to this operation."""
    if operation["Type"] == "STEP":
        return bool(operation["Status"] == "PENDING")
    return operation["Type"] in {"WAIT", "CALLBACK", "CHAINED_INVOKE"} and operation["Status"] == "STARTED"


class OperationTable:
    """Operations by id, in the order in which they came to be.

    An operation's dictionary has the shape of the service model's ``Operation`` and is never changed: each change puts
    a new dictionary in its place, so that one that was given to the SDK stays what it was.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Operation] = {}
        self._changed: dict[str, None] = {}
        self._pending: set[str] = set()

    def __getitem__(self, operation_id: str) -> Operation:
        return self._by_id[operation_id]

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._by_id.values())

    @property
    def by_id(self) -> Mapping[str, Operation]:
        """All operations, by id."""
        return self._by_id

    @property
    def pending(self) -> Iterable[Operation]:
        """The operations for which something outside the handler still has to happen."""
        return [self._by_id[key] for key in self._by_id.keys() & self._pending]

    def ensure(self, update: Mapping[str, Any], now: datetime) -> Operation:
        """The operation that the update speaks of, made STARTED if it does not exist yet."""
        existing = self._by_id.get(update["Id"])
        if existing is not None:
            return existing
        operation = {key: update[key] for key in ("Id", "ParentId", "Name", "Type", "SubType") if key in update}
        operation |= {"StartTimestamp": now, "Status": "STARTED", DETAILS[update["Type"]]: {}}
        return self._put(operation)

    def change(
        self, operation_id: str, status: str, details: Mapping[str, Any], ended_at: datetime | None = None
    ) -> Operation:
        """Put a new status and new details (laid over the old ones; None removes a key) in place."""
        old = self._by_id[operation_id]
        key = DETAILS[old["Type"]]
        merged = {name: value for name, value in {**old.get(key, {}), **details}.items() if value is not None}
        new = {**old, "Status": status, key: merged}
        if ended_at is not None:
            new["EndTimestamp"] = ended_at
        return self._put(new)

    def take_changed(self) -> list[Operation]:
        """The operations that changed since this was asked last (R10.4: the dirty flags are cleared)."""
        changed = [self._by_id[key] for key in self._changed]
        self._changed.clear()
        return changed

    def _put(self, operation: Operation) -> Operation:
        key = operation["Id"]
        self._by_id[key] = operation
        self._changed[key] = None
        (self._pending.add if is_pending(operation) else self._pending.discard)(key)
        return operation
