"""What is known about an execution or an operation at the moment of a claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from durabletest.assertions.text import brief, call, short_type
from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History
from durabletest.model.naming import callback_of
from durabletest.model.records import ErrorDetails, ExecutionRecord, OperationRecord
from durabletest.model.times import plain, stamp

__unittest = True
__tracebackhide__ = True

_STILL_RUNNING = "It has not ended yet: wait for it with execution.result(timeout=...) first."


class Timed(Protocol):
    """Something that starts and ends."""

    @property
    def view(self) -> ExecutionView: ...
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

    @property
    def instead(self) -> str:
        """The check that tells where it stands."""
        ...


class Outcome(Timed, Protocol):
    """Something that ends with a result or an error."""

    @property
    def status(self) -> str: ...
    @property
    def error(self) -> ErrorDetails | None: ...
    def has(self, status: str) -> bool: ...
    def result(self) -> object: ...
    @property
    def is_unread(self) -> bool:
        """Whether the result is the text that was recorded, because nothing that is known here reads it."""
        ...


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
        return f"{self.status} with {_told(self.error, self.view)}" if self.error else self.status

    @property
    def remedy(self) -> str:
        return "" if self.record.ended else _STILL_RUNNING

    @property
    def instead(self) -> str:
        return _status_check(self.status, self.error)

    def has(self, status: str) -> bool:
        return self.status == status

    def result(self) -> object:
        return self.view.decode(self.record.result, None)

    @property
    def is_unread(self) -> bool:
        return False


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
        error = f" with {_told(record.error, self.view)}" if record.error else ""
        if record.next_attempt_at is not None:
            last = f"attempt {record.attempts} {'failed' if record.error else 'ended'}{error}"
            return f"{record.status}: {last}, the next is due {stamp(record.next_attempt_at)}"
        attempt = f" on attempt {record.attempts}" if record.attempts > 1 else ""
        if not record.status.is_terminal:
            return f"{record.status}{attempt} since {stamp(record.started_at)}"
        inside = " (its callback TIMED_OUT)" if self._timed_out_inside else ""
        return f"{record.status}{attempt}{error}{inside}"

    @property
    def remedy(self) -> str:
        running = not self.history.execution.ended and not self.record.status.is_terminal
        return _STILL_RUNNING.replace("It has", "The execution has") if running else ""

    @property
    def instead(self) -> str:
        return ".timed_out()" if self._timed_out_inside else _status_check(self.status, self.error)

    @property
    def _timed_out_inside(self) -> bool:
        """A ``wait_for_callback`` FAILED because the callback inside it has TIMED_OUT."""
        callback = self.callback
        timed_out = callback is not None and callback.status is OperationStatus.TIMED_OUT
        return timed_out and self.record.status is OperationStatus.FAILED

    @property
    def callback(self) -> OperationRecord | None:
        """The CALLBACK that it is or stands for."""
        return callback_of(self.history, self.record)

    def has(self, status: str) -> bool:
        """A ``wait_for_callback`` has TIMED_OUT if the callback inside it has: it FAILED itself then."""
        return self.record.status == status or (status == OperationStatus.TIMED_OUT and self._timed_out_inside)

    def result(self) -> object:
        record = self.record
        return None if record.result is None else plain(self.view.decode(record.result, record))

    @property
    def is_unread(self) -> bool:
        """The result of a callback is text by itself; all others are written by a serialiser."""
        return self.record.type is not OperationType.CALLBACK and self.result() == self.record.result is not None


def _told(error: ErrorDetails, view: ExecutionView) -> str:
    """The error, and what is known of it beside what was recorded."""
    place = view.refused_place(error)
    return brief(error) if place is None else f"{brief(error)} ({place})"


def error_check(check: str, error: ErrorDetails | None) -> str:
    """A check that takes an error, with an error as it is: ``.failed('CardDeclined', 'card expired')``."""
    error = error or ErrorDetails()
    type_ = None if error.type is None else short_type(error.type)
    if error.message is None:
        return call(check) if type_ is None else call(check, type_)
    return call(check, type_, error.message)


def _status_check(status: str, error: ErrorDetails | None) -> str:
    return error_check("failed", error) if status == "FAILED" else call(status.lower())
