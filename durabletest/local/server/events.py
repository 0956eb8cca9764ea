"""The history of one execution, recorded as things happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

Operation: TypeAlias = dict[str, Any]
ErrorObject: TypeAlias = Mapping[str, Any]


def result_of(payload: str | None) -> dict[str, Any]:
    """The wrapper in which events carry a payload; an absent payload leaves only the flag."""
    return {"Truncated": False} if payload is None else {"Payload": payload, "Truncated": False}


def error_of(error: ErrorObject | None) -> dict[str, Any]:
    """The wrapper in which events carry an error object."""
    return {"Truncated": False} if error is None else {"Payload": dict(error), "Truncated": False}


class EventProcessor:
    """Appends events as the service records them; ``EventId`` counts from 1 without gaps.

    ``events`` is what ``get_durable_execution_history`` answers with, in the order in which things happened (R12.5). An
    event is never changed after it was recorded.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.events: list[dict[str, Any]] = []

    def record(self, event_type: str, details: Mapping[str, Any], operation: Operation | None = None) -> None:
        """Append one event; ``details`` go under the key that the service model has for this type."""
        event: dict[str, Any] = {
            "EventType": event_type,
            "EventId": len(self.events) + 1,
            "EventTimestamp": self._now(),
            f"{event_type}Details": dict(details),
        }
        if operation is not None:
            event |= {key: operation[key] for key in ("Id", "Name", "ParentId", "SubType") if key in operation}
        self.events.append(event)

    def invocation_completed(self, request_id: str, started_at: datetime, error: ErrorObject | None = None) -> None:
        """Record the end of one invocation; ``error`` is what made it fail, if anything did (R10.5, R12.2)."""
        details: dict[str, Any] = {
            "StartTimestamp": started_at,
            "EndTimestamp": self._now(),
            "RequestId": request_id,
        }
        if error is not None:
            details["Error"] = error_of(error)
        self.record("InvocationCompleted", details)


def copied(value: Any) -> Any:
    """A copy of an event, down to its smallest parts: what a caller does to an answer is no business of the server."""
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


_PAYLOAD_WRAPPERS = ("Input", "Result", "Error", "Reason")


def without_execution_data(event: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the event as it is given when ``IncludeExecutionData`` was not asked for.

    Payloads and errors left out.
    """
    key = f"{event['EventType']}Details"
    details = {
        name: ({"Truncated": True} if name in _PAYLOAD_WRAPPERS else value) for name, value in event[key].items()
    }
    return {**event, key: details}
