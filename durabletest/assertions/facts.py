"""What is known about an execution or an operation at the moment of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from durabletest.assertions.text import call
from durabletest.model.details import ErrorDetails
from durabletest.model.enums import OperationStatus
from durabletest.model.history import History
from durabletest.model.records import ExecutionRecord, OperationRecord
from durabletest.model.times import plain, stamp
from durabletest.model.traits import callback_of
from durabletest.model.view import ExecutionView

__unittest = True
__tracebackhide__ = True

_STILL_RUNNING = "It has not ended yet: wait for it with execution.result(timeout=...) first."


class Outcome(Protocol):
    """Something that starts and ends, with a result or an error."""

    @property
    def view(self) -> ExecutionView: ...
    @property
    def status(self) -> str: ...
    @property
    def error(self) -> ErrorDetails | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def duration(self) -> timedelta | None: ...
    @property
    def story(self) -> str:
        """Where it stands, in words."""
        ...

    @property
    def remedy(self) -> str:
        """What to do before anything can be claimed about its end; empty once it has ended."""
        ...

    def has(self, status: str) -> bool: ...
    def result(self) -> object: ...


@dataclass(frozen=True)
class ExecutionFacts:
    """One execution."""

    view: ExecutionView

    @property
    def record(self) -> ExecutionRecord:
        return self.view.history().execution

    @property
    def status(self) -> str:
        return str(self.record.status)

    @property
    def error(self) -> ErrorDetails | None:
        return self.record.error

    @property
    def started_at(self) -> datetime | None:
        return self.record.started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.record.ended_at

    @property
    def duration(self) -> timedelta | None:
        return self.record.duration

    @property
    def story(self) -> str:
        return f"{self.status} with {self.error}" if self.error else self.status

    @property
    def remedy(self) -> str:
        return "" if self.record.ended else _STILL_RUNNING

    def has(self, status: str) -> bool:
        return self.status == status

    def result(self) -> object:
        return plain(self.view.decode(self.record.result, None))


@dataclass(frozen=True)
class OperationFacts:
    """One operation."""

    view: ExecutionView
    record: OperationRecord

    @property
    def history(self) -> History:
        return self.view.history()

    @property
    def status(self) -> str:
        return str(self.record.status)

    @property
    def error(self) -> ErrorDetails | None:
        return self.record.error

    @property
    def started_at(self) -> datetime | None:
        return self.record.started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.record.ended_at

    @property
    def duration(self) -> timedelta | None:
        return self.record.duration

    @property
    def story(self) -> str:
        """``FAILED on attempt 3 with PaymentDeclined: card expired``."""
        record = self.record
        error = f" with {record.error}" if record.error else ""
        if record.next_attempt_at is not None:
            last = f"attempt {record.attempts} {'failed' if record.error else 'ended'}{error}"
            return f"{record.status}: {last}, the next is due {stamp(record.next_attempt_at)}"
        attempt = f" on attempt {record.attempts}" if record.attempts > 1 else ""
        if not record.status.is_terminal:
            return f"{record.status}{attempt} since {stamp(record.started_at)}"
        return f"{record.status}{attempt}{error}"

    @property
    def remedy(self) -> str:
        running = not self.history.execution.ended and not self.record.status.is_terminal
        return _STILL_RUNNING.replace("It has", "The execution has") if running else ""

    @property
    def callback(self) -> OperationRecord | None:
        """The CALLBACK that it is or stands for."""
        return callback_of(self.history, self.record)

    def has(self, status: str) -> bool:
        """A ``wait_for_callback`` has TIMED_OUT if the callback inside it has: it FAILED itself then."""
        if self.record.status == status:
            return True
        return status == OperationStatus.TIMED_OUT and self.callback is not None and self.callback.status == status

    def result(self) -> object:
        record = self.record
        return None if record.result is None else plain(self.view.decode(record.result, record))


def as_check(outcome: Outcome) -> str:
    """The check that tells its status as it is: ``.failed('CardDeclined', 'card expired')``."""
    if outcome.status == "FAILED":
        error = outcome.error or ErrorDetails()
        return call("failed", *_given(error.type, error.message))
    return call(outcome.status.lower())


def error_check(error: ErrorDetails) -> str:
    """The check for an error as it is."""
    return call("error", *_given(error.type, error.message))


def _given(type_: str | None, message: str | None) -> list[object]:
    if message is None:
        return [] if type_ is None else [type_]
    return [type_, message]
