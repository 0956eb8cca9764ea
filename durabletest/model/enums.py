"""The names that the service gives to states and types, as enums whose members are those very strings."""

from __future__ import annotations

from enum import StrEnum


class _Named(StrEnum):
    """In the messages of failing tests a member reads as in code, ``OperationStatus.FAILED``."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"


class OperationStatus(_Named):
    """The state of one operation.

    READY (a retry that is due) leaves no event, so a history never shows it: such a step reads as PENDING.
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
    """The kind of one operation; what a STEP or CONTEXT is used for is its sub-type, a plain string."""

    EXECUTION = "EXECUTION"
    CONTEXT = "CONTEXT"
    STEP = "STEP"
    WAIT = "WAIT"
    CALLBACK = "CALLBACK"
    CHAINED_INVOKE = "CHAINED_INVOKE"


class ExecutionStatus(_Named):
    """The state of a whole execution."""

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
    """What ``wait_for_data`` waits for.

    STARTED: the operation exists. SUBMITTED: a callback can be answered, for a ``wait_for_callback`` once its submitter
    has succeeded. COMPLETED: the operation has ended, however it ended.
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
"""Sub-types of contexts whose children run in threads: their events come in any order."""
