"""The checks of everything that ends: executions and operations."""

from __future__ import annotations

from dataclasses import replace
from typing import Self, TypeVar

from durabletest.assertions.check import Claim, Text, text_of
from durabletest.assertions.compare import equals
from durabletest.assertions.error_pattern import ErrorPattern, ErrorType, Message
from durabletest.assertions.facts import Outcome, error_check
from durabletest.assertions.text import call, show
from durabletest.assertions.time_checks import TimedSubject

__unittest = True
__tracebackhide__ = True

UNSET: object = type("_Unset", (), {"__repr__": lambda _: "<not given>"})()
"""The default of a value to compare with: ``None`` is a value."""

_UNREAD = (
    "This is the text that was recorded, as the operation's own serialiser wrote it, which nothing that is known here "
    "reads: compare with the text, or assert on what is made of the value."
)

OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OutcomeSubject(TimedSubject[OutcomeT]):
    """Something that ``succeeded``, ``failed``, ``timed_out`` or was ``stopped``."""

    def succeeded(self, result: object = UNSET) -> Self:
        """It has SUCCEEDED, and with this result if one is given (compared with ``==``, matchers welcome)."""
        return self._check(lambda facts: succeeded(facts, result))

    def failed(self, error: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """It has FAILED, with this type of error and a message that contains or matches ``message``.

        ``error`` is an exception class, which stands for its subclasses too, or the recorded name or its last dotted
        part, or a tuple of those. ``data`` is the error's data, as recorded or, where that is JSON, as the value it
        stands for.
        """
        pattern = ErrorPattern(error, message, data)
        return self._check(lambda facts: failed(facts, pattern))

    def timed_out(self) -> Self:
        """It has TIMED_OUT; a ``wait_for_callback`` has if the callback inside it has (it FAILED itself then)."""
        return self._has_status("TIMED_OUT")

    def stopped(self) -> Self:
        """It was STOPPED."""
        return self._has_status("STOPPED")

    def result(self, value: object) -> Self:
        """It has a result, and this one (compared with ``==``)."""
        return self._check(lambda facts: has_result(facts, value))

    def error(self, type: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """Its last error is this one, also between two attempts of a step; the arguments are those of ``failed``."""
        pattern = ErrorPattern(type, message, data)
        return self._check(lambda facts: has_error(facts, pattern))

    def _has_status(self, status: str) -> Self:
        return self._check(lambda facts: has_status(facts, status))


def has_status(outcome: Outcome, status: str) -> Claim:
    return _claim(outcome, outcome.has(status), status)


def succeeded(outcome: Outcome, result: object) -> Claim:
    if result is UNSET:
        return has_status(outcome, "SUCCEEDED")
    if not outcome.has("SUCCEEDED"):
        return _claim(outcome, False, lambda: f"SUCCEEDED with result == {show(result)}")
    actual = outcome.result()
    return _read(outcome, equals(result, actual, "result", lambda: call("succeeded", actual)))


def has_result(outcome: Outcome, value: object) -> Claim:
    if not outcome.has("SUCCEEDED"):
        return _claim(outcome, False, lambda: f"result == {show(value)}")
    actual = outcome.result()
    return _read(outcome, equals(value, actual, "result", lambda: call("result", actual)))


def _read(outcome: Outcome, claim: Claim) -> Claim:
    """A claim about a result, which says so if it could only be compared as it was recorded."""
    return replace(claim, remedy=_UNREAD) if not claim.holds and outcome.is_unread else claim


def failed(outcome: Outcome, pattern: ErrorPattern) -> Claim:
    holds = outcome.has("FAILED") and pattern.matches(outcome.error)
    return _claim(outcome, holds, lambda: f"FAILED{pattern}", lambda: pattern.details(outcome.error))


def has_error(outcome: Outcome, pattern: ErrorPattern) -> Claim:
    holds = outcome.error is not None and pattern.matches(outcome.error)
    claim = _claim(outcome, holds, lambda: f"an error{pattern}", lambda: pattern.details(outcome.error))
    return claim if outcome.error is None else replace(claim, instead=lambda: error_check("error", outcome.error))


def _claim(outcome: Outcome, holds: bool, expected: Text, more: Text = "") -> Claim:
    trace = outcome.error.stack_trace if outcome.error else ()
    story = lambda: outcome.story + text_of(more)  # noqa: E731
    return Claim(holds, expected, story, lambda: outcome.instead, lambda: outcome.remedy, trace)
