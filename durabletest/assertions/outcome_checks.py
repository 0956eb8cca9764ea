"""Checks of how something ended, for executions and operations alike: its status, its result and its error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

from durabletest.assertions.check import Claim, LazyText, brief, call, evaluate, short_type, show
from durabletest.assertions.compare import equals
from durabletest.assertions.error_pattern import ErrorPattern, ErrorType, Message
from durabletest.assertions.time_checks import Timed, TimedSubject
from durabletest.model.execution_view import ExecutionView
from durabletest.model.records import ErrorDetails, ExecutionRecord, OperationRecord

__unittest = True
__tracebackhide__ = True

UNSET: object = type("_Unset", (), {"__repr__": lambda _: "<not given>"})()
"""The default of values to compare with, since ``None`` is one of them."""

_UNREAD = (
    "This is the text that was recorded, as the operation's own serialiser wrote it, which nothing that is known here "
    "reads: compare with the text, or assert on what is made of the value."
)


class Outcome(Timed, Protocol):
    """The facts about something that ends with a result or an error."""

    @property
    def record(self) -> ExecutionRecord | OperationRecord: ...
    def has(self, status: str) -> bool: ...
    def result(self) -> object: ...
    @property
    def is_undecoded(self) -> bool:
        """Whether the result is still the recorded text, because its serialiser is not known here."""
        ...


OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OutcomeSubject(TimedSubject[OutcomeT]):
    """Something that ends with a status, and with a result or an error."""

    def succeeded(self, result: object = UNSET) -> Self:
        """It SUCCEEDED, with this result if one is given. Values are compared with ``==``, so matchers work."""
        return self._check(lambda facts: _succeeded(facts, result))

    def failed(self, error: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """It FAILED, with an error of this type, message and data, as far as they are given.

        ``error`` is an exception class, which includes its subclasses, or the recorded name of the type or its last
        dotted part, or a tuple of those. ``message`` is a part of the message or a compiled pattern. ``data`` is
        compared with the recorded text and, if that is JSON, with its value.
        """
        pattern = ErrorPattern(error, message, data)
        return self._check(lambda facts: _failed(facts, pattern))

    def timed_out(self) -> Self:
        """It TIMED_OUT. So did a ``wait_for_callback`` that FAILED because the callback inside it TIMED_OUT."""
        return self._has_status("TIMED_OUT")

    def stopped(self) -> Self:
        """It was STOPPED."""
        return self._has_status("STOPPED")

    def result(self, value: object) -> Self:
        """It SUCCEEDED with this result, compared with ``==``."""
        return self._check(lambda facts: _has_result(facts, value))

    def error(self, type: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """Its last error, which a step has between two attempts too, is of this type, message and data.

        The arguments are those of ``failed``; without any, it has an error of whatever kind.
        """
        pattern = ErrorPattern(type, message, data)
        return self._check(lambda facts: _has_error(facts, pattern))

    def _has_status(self, status: str) -> Self:
        return self._check(lambda facts: _claim(facts, facts.has(status), status))


def _succeeded(facts: Outcome, result: object) -> Claim:
    if result is UNSET:
        return _claim(facts, facts.has("SUCCEEDED"), "SUCCEEDED")
    if not facts.has("SUCCEEDED"):
        return _claim(facts, False, lambda: f"SUCCEEDED with result == {show(result)}")
    return _result_equals(facts, result, "succeeded")


def _has_result(facts: Outcome, value: object) -> Claim:
    if not facts.has("SUCCEEDED"):
        return _claim(facts, False, lambda: f"result == {show(value)}")
    return _result_equals(facts, value, "result")


def _result_equals(facts: Outcome, value: object, check: str) -> Claim:
    actual = facts.result()
    claim = equals(value, actual, "result", lambda: call(check, actual))
    return replace(claim, remedy=_UNREAD) if not claim.holds and facts.is_undecoded else claim


def _failed(facts: Outcome, pattern: ErrorPattern) -> Claim:
    error = facts.record.error
    holds = facts.has("FAILED") and pattern.matches(error)
    return _claim(facts, holds, lambda: f"FAILED{pattern}", lambda: pattern.details(error))


def _has_error(facts: Outcome, pattern: ErrorPattern) -> Claim:
    error = facts.record.error
    holds = error is not None and pattern.matches(error)
    claim = _claim(facts, holds, lambda: f"an error{pattern}", lambda: pattern.details(error))
    return claim if error is None else replace(claim, instead=lambda: error_check("error", error))


def _claim(facts: Outcome, holds: bool, expected: LazyText, details: LazyText = "") -> Claim:
    error = facts.record.error
    return Claim(
        holds,
        expected,
        lambda: facts.story + evaluate(details),
        lambda: facts.instead,
        lambda: facts.remedy,
        trace=error.stack_trace if error else (),
    )


def described(error: ErrorDetails, view: ExecutionView) -> str:
    """The error in one line, with the place of a value that its serialiser refused, which is not recorded."""
    place = view.refused_place(error)
    return brief(error) if place is None else f"{brief(error)} ({place})"


def status_check(status: str, error: ErrorDetails | None) -> str:
    """The check that passes for this status, as code."""
    return error_check("failed", error) if status == "FAILED" else call(status.lower())


def error_check(check: str, error: ErrorDetails | None) -> str:
    """A check that takes an error, with this one as its arguments: ``.failed('CardDeclined', 'card expired')``."""
    error = error or ErrorDetails()
    type_ = None if error.type is None else short_type(error.type)
    if error.message is None:
        return call(check) if type_ is None else call(check, type_)
    return call(check, type_, error.message)


@dataclass(frozen=True)
class ExecutionFacts:
    """The facts about an execution. They are read from its history each time, since it may go on."""

    view: ExecutionView

    @property
    def record(self) -> ExecutionRecord:
        return self.view.history().execution

    @property
    def story(self) -> str:
        error = self.record.error
        return f"{self.record.status} with {described(error, self.view)}" if error else str(self.record.status)

    @property
    def remedy(self) -> str:
        if self.record.ended:
            return ""
        return "It has not ended yet: wait for it with execution.result(timeout=...) first."

    @property
    def instead(self) -> str:
        return status_check(self.record.status, self.record.error)

    def has(self, status: str) -> bool:
        return self.record.status == status

    def result(self) -> object:
        return self.view.decode(self.record.result, None)

    @property
    def is_undecoded(self) -> bool:
        return False
