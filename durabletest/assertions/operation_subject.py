"""Claims about one operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from durabletest.assertions.check import About, Claim, require
from durabletest.assertions.error_pattern import ErrorPattern, ErrorType, Message
from durabletest.assertions.subject import Outcome, Subject
from durabletest.assertions.text import counted, show
from durabletest.errors import UsageError
from durabletest.model.enums import WAIT_FOR_CONDITION, OperationStatus, OperationType
from durabletest.model.records import OperationRecord
from durabletest.model.suggest import member
from durabletest.model.times import plain, span, stamp
from durabletest.model.titles import title
from durabletest.model.traits import callback_of
from durabletest.model.view import ExecutionView, execution_title

__unittest = True
__tracebackhide__ = True


@dataclass(frozen=True, repr=False)
class OperationSubject(Subject):
    """One operation. Claims that mean nothing for its type fail, and say of which type it is."""

    _record: OperationRecord

    def timed_out(self) -> Self:
        """It has TIMED_OUT; a ``wait_for_callback`` has if the callback inside it has (it then FAILED itself)."""
        callback = callback_of(self._about.view.history(), self._record)
        timed_out = OperationStatus.TIMED_OUT in (self._record.status, callback.status if callback else None)
        return self._check(self._claim(timed_out, "TIMED_OUT"))

    def cancelled(self) -> Self:
        return self._has_status("CANCELLED")

    def started(self) -> Self:
        """It is STARTED: running, and neither pending nor ended."""
        return self._has_status("STARTED")

    def pending(self) -> Self:
        """It is PENDING: between two attempts."""
        return self._has_status("PENDING")

    def attempts(self, number: int) -> Self:
        """A step took that many attempts, a running one included; of a ``wait_for_condition``, that many polls."""
        self._of_types("a STEP, which has attempts", self._record.type is OperationType.STEP)
        expected = counted(number, "attempt") if isinstance(number, int) else f"attempts == {show(number)}"
        story = f"{counted(self._record.attempts, 'attempt')}: {self._outcome.story}"
        return self._check(Claim(number == self._record.attempts, expected, story))

    def result(self, value: object) -> Self:
        """It has a result, and this one (compared with ``==``)."""
        return self._check(self._with_result(value, f"result == {show(value)}"))

    def error(self, type: ErrorType | None = None, message: Message | None = None) -> Self:
        """Its last error is this one, also while it is between attempts; the arguments are those of ``failed``."""
        pattern = ErrorPattern(type, message)
        holds = self._record.error is not None and pattern.matches(self._record.error)
        return self._check(self._claim(holds, f"an error{pattern}"))

    def waited(
        self,
        duration: timedelta | None = None,
        *,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
    ) -> Self:
        """A wait, a callback or a condition has ended after exactly this (virtual) time.

        Of a wait that succeeded this is the duration it was given, in the cloud too; of all else the time from start to
        end.
        """
        expected = _duration(duration, {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds})
        self._of_types("a WAIT, a callback or a condition, which can wait", _can_wait(self._record))
        actual = _waited(self._record)
        story = self._outcome.story if actual is None else f"waited {span(actual)}: {self._outcome.story}"
        return self._check(Claim(actual == expected, f"waited {span(expected)}", story))

    def of_type(self, type: OperationType | str) -> Self:
        """It is a STEP, WAIT, CALLBACK, CHAINED_INVOKE or CONTEXT."""
        wanted = member(OperationType, type, "operation type")
        return self._check(Claim(self._record.type is wanted, f"a {wanted}", f"a {self._record.type}"))

    def _of_types(self, expected: str, holds: bool) -> None:
        sub_type = f" ({self._record.sub_type})" if self._record.sub_type else ""
        require(self._about, Claim(holds, expected, f"a {self._record.type}{sub_type}"))


def operation_subject(view: ExecutionView, record: OperationRecord, fail: type[AssertionError]) -> OperationSubject:
    def result() -> object:
        return None if record.result is None else plain(view.decode(record.result, record))

    about = About(f"{title(view.history(), record)} of {execution_title(view.arn)}", view, fail)
    return OperationSubject(about, Outcome(record.status, record.error, operation_story(record), result), record)


def operation_story(record: OperationRecord) -> str:
    """Where an operation stands, in words: ``FAILED on attempt 3 with PaymentDeclined: card expired``."""
    error = f" with {record.error}" if record.error else ""
    if record.next_attempt_at is not None:
        last = f"attempt {record.attempts} {'failed' if record.error else 'ended'}{error}"
        return f"{record.status}: {last}, the next is due {stamp(record.next_attempt_at)}"
    attempt = f" on attempt {record.attempts}" if record.attempts > 1 else ""
    if not record.status.is_terminal:
        return f"{record.status}{attempt} since {stamp(record.started_at)}"
    return f"{record.status}{attempt}{error}"


def _can_wait(record: OperationRecord) -> bool:
    plain_wait = record.type in (OperationType.WAIT, OperationType.CALLBACK)
    return plain_wait or record.is_wait_for_callback or record.sub_type == WAIT_FOR_CONDITION


def _waited(record: OperationRecord) -> timedelta | None:
    """The time from start to end in the cloud is never exact; the duration that the service confirmed is."""
    confirmed = record.type is OperationType.WAIT and record.status is OperationStatus.SUCCEEDED
    if confirmed and record.wait_seconds is not None:
        return timedelta(seconds=record.wait_seconds)
    return record.duration


def _duration(duration: object, parts: dict[str, float | None]) -> timedelta:
    given = {name: value for name, value in parts.items() if value is not None}
    if duration is not None and not isinstance(duration, timedelta):
        msg = f"waited({duration!r}) has no unit; write a timedelta, or for example waited(seconds={duration!r})"
        raise UsageError(msg)
    if (duration is None) is (not given):
        msg = "waited() takes either a timedelta or some of days=, hours=, minutes=, seconds="
        raise UsageError(msg)
    return duration or timedelta(**given)
