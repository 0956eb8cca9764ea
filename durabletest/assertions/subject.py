"""What executions and operations have in common: they end, with a result or an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from durabletest.assertions.check import About, Claim, check
from durabletest.assertions.compare import equals
from durabletest.assertions.error_pattern import ErrorPattern, ErrorType, Message
from durabletest.assertions.text import show
from durabletest.model.details import ErrorDetails

__unittest = True
__tracebackhide__ = True

UNSET: object = type("_Unset", (), {"__repr__": lambda _: "<not given>"})()
"""The default of a result to compare with: ``None`` is a result."""


@dataclass(frozen=True)
class Outcome:
    """How far a subject got. ``story`` is that in words, ``result`` decodes the result when somebody asks for it."""

    status: str
    error: ErrorDetails | None
    story: str
    result: Callable[[], object]
    remedy: str = ""


@dataclass(frozen=True, repr=False)
class Subject:
    """The checks of everything that ends. Each returns the subject itself, so that claims can be chained."""

    _about: About
    _outcome: Outcome

    def succeeded(self, result: object = UNSET) -> Self:
        """It has SUCCEEDED, and with this result if one is given (compared with ``==``, matchers welcome)."""
        expected = "SUCCEEDED" if result is UNSET else f"SUCCEEDED with result == {show(result)}"
        return self._check(self._with_result(result, expected))

    def failed(self, error: ErrorType | None = None, message: Message | None = None) -> Self:
        """It has FAILED, with this type of error and a message that contains or matches ``message``.

        ``error`` is an exception class, or the recorded name or its last dotted part.
        """
        pattern = ErrorPattern(error, message)
        holds = self._outcome.status == "FAILED" and pattern.matches(self._outcome.error)
        return self._check(self._claim(holds, f"FAILED{pattern}"))

    def timed_out(self) -> Self:
        return self._has_status("TIMED_OUT")

    def stopped(self) -> Self:
        return self._has_status("STOPPED")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._about.title}>"

    def _has_status(self, status: str) -> Self:
        return self._check(self._claim(self._outcome.status == status, status))

    def _with_result(self, result: object, expected: str) -> Claim:
        status = self._claim(self._outcome.status == "SUCCEEDED", expected)
        if result is UNSET or not status.holds:
            return status
        return equals(result, self._outcome.result(), "result")

    def _claim(self, holds: bool, expected: str) -> Claim:
        trace = self._outcome.error.stack_trace if self._outcome.error else ()
        return Claim(holds, expected, self._outcome.story, self._outcome.remedy, trace)

    def _check(self, claim: Claim) -> Self:
        check(self._about, claim)
        return self
