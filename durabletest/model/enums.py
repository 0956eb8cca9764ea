"""The service's statuses and types: enums whose members equal its strings, sub-types, and the types of events."""

from __future__ import annotations

from enum import StrEnum
from functools import cache


class _Named(StrEnum):
    """Its members have the repr ``OperationStatus.FAILED``, so that failure messages read like code."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class OperationStatus(_Named):
    """The status of one operation.

    READY (a retry that is due) leaves no event: a history shows such a step as PENDING.
    """

    STARTED = "STARTED"
    PENDING = "PENDING"
    READY = "READY"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"

    @property
    def is_terminal(self) -> bool:
        return self not in _OPEN_OPERATION


class OperationType(_Named):
    """The type of one operation; sub-types (``WaitForCallback``, ``Map``, ...) are plain strings."""

    EXECUTION = "EXECUTION"
    CONTEXT = "CONTEXT"
    STEP = "STEP"
    WAIT = "WAIT"
    CALLBACK = "CALLBACK"
    CHAINED_INVOKE = "CHAINED_INVOKE"


class ExecutionStatus(_Named):
    """The status of an execution."""

    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    STOPPED = "STOPPED"
    DELETING = "DELETING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"

    @property
    def is_terminal(self) -> bool:
        return self in _ENDED_EXECUTION


class WaitingStatus(_Named):
    """The progress that ``wait_for_data`` waits for.

    STARTED: the operation exists. SUBMITTED: the callback can be answered; for a ``wait_for_callback``, its submitter
    has succeeded. COMPLETED: the operation has ended, with any outcome.
    """

    STARTED = "STARTED"
    SUBMITTED = "SUBMITTED"
    COMPLETED = "COMPLETED"


_OPEN_OPERATION = frozenset({OperationStatus.STARTED, OperationStatus.PENDING, OperationStatus.READY})
_ENDED_EXECUTION = frozenset(
    {ExecutionStatus.SUCCEEDED, ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT, ExecutionStatus.STOPPED}
)

WAIT_FOR_CALLBACK = "WaitForCallback"
WAIT_FOR_CONDITION = "WaitForCondition"
SIDE_BY_SIDE = frozenset({"Map", "Parallel"})
"""Sub-types of contexts whose children run concurrently: their events come in any order."""


@cache
def event_types() -> tuple[str, ...]:
    """All types of history events, in the order of botocore's model of the service."""
    import botocore.session  # it is slow to import, and few tests need it

    model = botocore.session.get_session().get_service_model("lambda")
    return tuple(model.shape_for("EventType").enum)
