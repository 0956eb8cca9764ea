"""The records of one execution: its operations with their details, its invocations, and its log.

The service's statuses and types are enums whose members equal its strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any


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


@dataclass(frozen=True, repr=False)
class ErrorDetails:
    """An error as the service recorded it; fields that were not recorded are ``None`` (or empty)."""

    type: str | None = None
    message: str | None = None
    data: str | None = None
    stack_trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> ErrorDetails:
        """Convert the service's ``ErrorObject``."""
        lines = tuple(error.get("StackTrace") or ())
        return cls(error.get("ErrorType"), error.get("ErrorMessage"), error.get("ErrorData"), lines)

    def __repr__(self) -> str:
        known = {name: value for name, value in vars(self).items() if value is not None and value != ()}
        return f"ErrorDetails({', '.join(f'{name}={value!r}' for name, value in known.items())})"

    def __str__(self) -> str:
        """One line: ``PaymentDeclined: card expired``."""
        return ": ".join(part for part in (self.type, self.message) if part) or "an error without type and message"


# --- details by type of operation: ``result`` is decoded, ``payload`` is the raw string behind it ---


@dataclass(frozen=True)
class StepDetails:
    """A STEP, including that of a ``wait_for_condition``: there an attempt is one poll, and ``result`` its state.

    ``attempts`` counts from 1 and includes a running one. ``retry_delays`` are the pauses between the attempts.
    ``error`` is the error of the last attempt, ``None`` once one has succeeded.
    """

    attempts: int
    result: Any
    error: ErrorDetails | None
    payload: str | None = None
    retry_delays: tuple[timedelta, ...] = ()
    next_attempt_at: datetime | None = None


@dataclass(frozen=True)
class WaitDetails:
    """A WAIT: the duration that was requested, and when it ends or ended."""

    duration: timedelta | None
    scheduled_end: datetime | None


@dataclass(frozen=True)
class CallbackDetails:
    """A CALLBACK, or the one inside a ``wait_for_callback``; a timeout is ``None`` unless it was configured."""

    callback_id: str | None
    result: Any
    error: ErrorDetails | None
    payload: str | None = None
    timeout: timedelta | None = None
    heartbeat_timeout: timedelta | None = None


@dataclass(frozen=True)
class InvokeDetails:
    """A CHAINED_INVOKE; ``input`` is the raw payload that was sent, ``child_arn`` the execution it started."""

    function_name: str | None
    result: Any
    error: ErrorDetails | None
    payload: str | None = None
    input: str | None = None
    child_arn: str | None = None
    executed_version: str | None = None
    tenant_id: str | None = None


@dataclass(frozen=True)
class ContextDetails:
    """A CONTEXT: a child context, a map or parallel, one of their branches, or a ``wait_for_callback``."""

    result: Any
    error: ErrorDetails | None
    payload: str | None = None


class OperationId(str):
    """An operation's id where a path is expected; unnamed operations can be found in no other way."""

    __slots__ = ()


@dataclass
class OperationRecord:
    """One operation, as far as the history has been read; :class:`~durabletest.model.history.History` updates it.

    ``result`` and ``input`` are raw payloads. Timeouts, delays and waits are in seconds. ``attempts`` counts the
    attempts of a STEP, including a running one; it is 0 for other types. ``next_attempt_at`` is set while a retry is
    pending.
    """

    id: str
    type: OperationType
    started_at: datetime
    name: str | None = None
    sub_type: str | None = None
    parent_id: str | None = None
    status: OperationStatus = OperationStatus.STARTED
    ended_at: datetime | None = None
    events: list[dict[str, Any]] = field(default_factory=list, repr=False)
    attempts: int = 0
    retry_delays: list[int] = field(default_factory=list)
    next_attempt_at: datetime | None = None
    result: str | None = None
    error: ErrorDetails | None = None
    wait_seconds: int | None = None
    scheduled_end: datetime | None = None
    callback_id: str | None = None
    timeout: int | None = None
    heartbeat_timeout: int | None = None
    function_name: str | None = None
    input: str | None = None
    child_arn: str | None = None
    executed_version: str | None = None
    tenant_id: str | None = None

    @property
    def duration(self) -> timedelta | None:
        """From the first start to the end; ``None`` until it has ended."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    @property
    def first_event(self) -> int:
        """The id of its first event."""
        return int(self.events[0]["EventId"])

    @property
    def is_wait_for_callback(self) -> bool:
        return self.type is OperationType.CONTEXT and self.sub_type == WAIT_FOR_CALLBACK


@dataclass
class ExecutionRecord:
    """The execution itself; ``input`` and ``result`` are raw payloads, ``timeout`` is in seconds."""

    status: ExecutionStatus = ExecutionStatus.RUNNING
    id: str | None = None
    name: str | None = None
    input: str | None = None
    result: str | None = None
    error: ErrorDetails | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    timeout: int | None = None

    @property
    def ended(self) -> bool:
        return self.status.is_terminal

    @property
    def duration(self) -> timedelta | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at


@dataclass(frozen=True)
class Injected:
    """Something that a test has put into an execution, in words: a fault, or a schedule.

    ``at`` is the moment at which a fault has come; ``None`` if it has not, and for a schedule.
    """

    words: str
    at: datetime | None = None


@dataclass(frozen=True)
class Invocation:
    """One completed invocation of the handler; ``index`` counts from 1, ``error`` is set if it crashed."""

    index: int
    request_id: str
    started_at: datetime
    ended_at: datetime
    error: ErrorDetails | None = None

    @property
    def duration(self) -> timedelta:
        return self.ended_at - self.started_at


@dataclass(frozen=True)
class LogEntry:
    """One log record of an execution: written by its handler, by the SDK for it, or by a plain function it invoked.

    ``invocation`` counts from 1, as in :meth:`~durabletest.TestResult.get_invocations`; a plain function logs in the
    invocation that invoked it. ``level`` is the level's name, ``time`` the time of the environment, ``traceback`` the
    text of the exception that was logged with it. ``extra`` holds the record's other attributes: the SDK's own loggers
    add ``executionArn``, ``operationName`` and ``attempt``.
    """

    invocation: int
    level: str
    logger: str
    message: str
    time: datetime
    traceback: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        """One line, followed by the traceback if there is one."""
        when = f"{self.time:%Y-%m-%d %H:%M:%S}"
        line = f"{when} invocation {self.invocation} {self.level} {self.logger}: {self.message}"
        return line if self.traceback is None else f"{line}\n{self.traceback}"
