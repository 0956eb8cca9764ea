"""The journal of one execution: its operations as they stand, and its history, event by event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

Operation: TypeAlias = dict[str, Any]
"""An operation as the API's ``Operation`` shape has it."""
Update: TypeAlias = Mapping[str, Any]
"""A change to an operation, as the API's ``OperationUpdate`` shape has it."""
ErrorObject: TypeAlias = Mapping[str, Any]

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"})
DETAILS = {
    "EXECUTION": "ExecutionDetails",
    "CONTEXT": "ContextDetails",
    "STEP": "StepDetails",
    "WAIT": "WaitDetails",
    "CALLBACK": "CallbackDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
}
"""The key of an operation's details, by its type."""
_OF_EVENTS = ("Id", "Name", "ParentId", "SubType")
_OF_OPERATIONS = ("Id", "ParentId", "Name", "Type", "SubType")
_PAYLOAD_WRAPPERS = ("Input", "Result", "Error", "Reason")

MadeT = TypeVar("MadeT")


class Journal:
    """Operations and events, which others read; ``put`` and ``record`` alone change them.

    ``operations`` are in the order in which they started, by id. An operation that changes is replaced by a new
    dictionary. ``events`` are in the order in which things happened, as ``get_durable_execution_history`` answers them,
    and ``CheckpointServer.events_after`` hands them to the model; an event never changes. ``pending`` are the ids of
    operations that wait for something from outside the handler.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.operations: dict[str, Operation] = {}
        self.events: list[dict[str, Any]] = []
        self._changed: dict[str, None] = {}
        self.pending: set[str] = set()

    def put(
        self, operation: Operation, status: str, details: dict[str, Any], ended_at: datetime | None = None
    ) -> Operation:
        """Give the operation this status, and these details on top of its own; a detail that is None is removed."""
        operation_id, key = operation["Id"], DETAILS[operation["Type"]]
        merged = {name: value for name, value in (operation[key] | details).items() if value is not None}
        new = operation | {"Status": status, key: merged}
        if ended_at is not None:
            new["EndTimestamp"] = ended_at
        self.operations[operation_id] = new
        self._changed[operation_id] = None
        (self.pending.add if _is_pending(new) else self.pending.discard)(operation_id)
        return new

    def take_changed(self) -> list[Operation]:
        """The operations that have changed since the last call."""
        changed = [self.operations[key] for key in self._changed]
        self._changed.clear()
        return changed

    def record(self, event_type: str, details: dict[str, Any], operation: Operation | None = None) -> None:
        """Append an event; ``details`` go under the service model's key for its type. ``EventId`` counts from 1."""
        event: dict[str, Any] = {
            "EventType": event_type,
            "EventId": len(self.events) + 1,
            "EventTimestamp": self._now(),
            _details_key(event_type): details,
        }
        if operation is not None:
            event |= {key: operation[key] for key in _OF_EVENTS if key in operation}
        self.events.append(event)


class OperationCache(Generic[MadeT]):
    """Values made from operations, each made once for as long as its operation does not change."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Operation, MadeT]] = {}

    def of(self, operation: Operation, make: Callable[[Operation], MadeT]) -> MadeT:
        """The value that ``make`` returns for this operation."""
        made = self._made.get(operation["Id"])
        if made is None or made[0] is not operation:
            made = self._made[operation["Id"]] = operation, make(operation)
        return made[1]


def new_operation(update: Update, now: datetime) -> Operation:
    """The operation that an update speaks of for the first time."""
    operation = {key: update[key] for key in _OF_OPERATIONS if key in update}
    return operation | {"StartTimestamp": now, "Status": "STARTED", DETAILS[update["Type"]]: {}}


def _is_pending(operation: Operation) -> bool:
    if operation["Type"] == "STEP":
        return bool(operation["Status"] == "PENDING")
    return operation["Type"] in {"WAIT", "CALLBACK", "CHAINED_INVOKE"} and operation["Status"] == "STARTED"


# --- what events carry ---


def _details_key(event_type: str) -> str:
    """``StepSucceededDetails`` for ``StepSucceeded``, as the API has it; ``details_of`` of the model reads it."""
    return f"{event_type}Details"


def result_of(payload: str | None) -> dict[str, Any]:
    """The wrapper in which events carry a payload; an absent payload leaves only the flag."""
    return {"Truncated": False} if payload is None else {"Payload": payload, "Truncated": False}


def error_of(error: ErrorObject | None) -> dict[str, Any]:
    """The wrapper in which events carry an error object."""
    return {"Truncated": False} if error is None else {"Payload": dict(error), "Truncated": False}


def copied(value: Any) -> Any:
    """A deep copy of an event, so that callers who change an answer do not change the history."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def without_execution_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the event without payloads and errors, for requests without ``IncludeExecutionData``."""
    key = _details_key(event["EventType"])
    details = {
        name: ({"Truncated": True} if name in _PAYLOAD_WRAPPERS else value) for name, value in event[key].items()
    }
    return {**event, key: details}
