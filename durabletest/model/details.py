"""What is known about one operation, by its type. ``result`` is decoded, ``payload`` is the raw string behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, repr=False)
class ErrorDetails:
    """An error as the service recorded it; what was not recorded is ``None`` (no lines for the stack trace)."""

    type: str | None = None
    message: str | None = None
    data: str | None = None
    stack_trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: Mapping[str, Any]) -> ErrorDetails:
        """From the service's ``ErrorObject``."""
        lines = tuple(error.get("StackTrace") or ())
        return cls(error.get("ErrorType"), error.get("ErrorMessage"), error.get("ErrorData"), lines)

    def __repr__(self) -> str:
        known = {name: value for name, value in vars(self).items() if value is not None and value != ()}
        return f"ErrorDetails({', '.join(f'{name}={value!r}' for name, value in known.items())})"

    def __str__(self) -> str:
        """One line: ``PaymentDeclined: card expired``."""
        return ": ".join(part for part in (self.type, self.message) if part) or "an error without type and message"


@dataclass(frozen=True)
class StepDetails:
    """A STEP, of a ``wait_for_condition`` too: then an attempt is one poll and ``result`` the state it left.

    ``attempts`` counts from 1 and includes a running one. ``retry_delays`` are the pauses between the attempts.
    ``error`` is what the last attempt failed with, ``None`` once one has succeeded.
    """

    attempts: int
    result: Any
    error: ErrorDetails | None
    payload: str | None = None
    retry_delays: tuple[timedelta, ...] = ()
    next_attempt_at: datetime | None = None


@dataclass(frozen=True)
class WaitDetails:
    """A WAIT: the duration that was asked for, and when it is or was due."""

    duration: timedelta | None
    scheduled_end: datetime | None


@dataclass(frozen=True)
class CallbackDetails:
    """A CALLBACK, or the one inside a ``wait_for_callback``; a timeout is ``None`` where none was configured."""

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
    """A CONTEXT: child context, map, parallel, one of their branches, or a ``wait_for_callback``."""

    result: Any
    error: ErrorDetails | None
    payload: str | None = None
