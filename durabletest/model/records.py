"""What the fold of a history produces: one record an operation, one an invocation, one for the execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from durabletest.model.details import ErrorDetails
from durabletest.model.enums import WAIT_FOR_CALLBACK, ExecutionStatus, OperationStatus, OperationType


class OperationId(str):
    """Marks a path as being the id of an operation: unnamed operations can be reached by nothing else."""

    __slots__ = ()


@dataclass
class OperationRecord:
    """One operation, as far as the history has been read; the fold keeps it up to date.

    ``result`` and ``input`` are raw payloads. ``attempts`` counts the attempts of a STEP, a running one included, and
    is 0 for other types. ``next_attempt_at`` is set while a retry is outstanding. Timeouts and waits are in seconds.
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
        """From the first start to the end, ``None`` while it has not ended."""
        return None if self.ended_at is None else self.ended_at - self.started_at

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
class Invocation:
    """One completed call of the handler; ``index`` counts from 1, ``error`` is set if it crashed."""

    index: int
    request_id: str
    started_at: datetime
    ended_at: datetime
    error: ErrorDetails | None = None

    @property
    def duration(self) -> timedelta:
        return self.ended_at - self.started_at
