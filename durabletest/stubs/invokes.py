"""Stubs of chained invokes: how an invoke ends that no function answers, by the function's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

from durabletest.errors import UsageError
from durabletest.model.payloads import ErrorSource, encode, error_object
from durabletest.model.times import Duration, delay
from durabletest.stubs.plan import Plan, checked

NO_DELAY = timedelta(0)
TIMEOUT_TYPE = "ChainedInvoke.Timeout"
"""What the error of a chained invoke's timeout has as its type; chosen as callbacks have theirs."""


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """One use of an invoke's stub.

    ``function`` is the target as the workflow wrote it, ``payload`` the decoded payload, ``arn`` the invoking
    execution's.
    """

    function: str
    payload: Any
    arn: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an invoke ends, ``after`` its start; ``result`` is JSON text."""

    status: str
    after: timedelta
    result: str | None = None
    error: Mapping[str, Any] | None = None


@dataclass(slots=True, eq=False)
class InvokeStub:
    """Stands in for a function that workflows invoke; it need not be registered, and if it is the stub wins.

    ``succeeds``, ``fails`` and ``times_out`` say how the invoke ends, ``after`` how much virtual time (a timedelta, or
    seconds);
    ``then_succeeds`` and so on how the next ones end::

        self.stub_invoke("charge-card").fails("CardDeclined", "no funds").then_succeeds({"id": 1}, after=HOUR)

    Each is for one invoke, or for as many as ``times`` says; the last one is for all further ones. If the last one has
    ``times`` of its own, the registered function is invoked after it. ``received`` holds the invokes so far.
    """

    name: str
    optional: bool = False
    received: list[InvokeCall] = field(default_factory=list, init=False)
    _plan: Plan[Ending] = field(default_factory=Plan, init=False)

    def succeeds(self, value: Any = None, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """The function returns this JSON-able value."""
        return self._begin(_success(value, self._delay(after)), times)

    def fails(
        self,
        error: ErrorSource = None,
        message: str | None = None,
        *,
        data: str | None = None,
        stack_trace: list[str] | None = None,
        after: Duration = NO_DELAY,
        times: int | None = None,
    ) -> Self:
        """The function fails with an error type and message, or with those of an exception."""
        body = error_object(error, message, data, stack_trace)
        return self._begin(Ending("FAILED", self._delay(after), error=body), times)

    def times_out(self, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """The function's execution times out."""
        return self._begin(_timeout(self._delay(after)), times)

    def then_succeeds(self, value: Any = None, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """After what was said before, the function returns this value."""
        return self._then("succeeds", _success(value, self._delay(after)), times)

    def then_fails(
        self,
        error: ErrorSource = None,
        message: str | None = None,
        *,
        data: str | None = None,
        stack_trace: list[str] | None = None,
        after: Duration = NO_DELAY,
        times: int | None = None,
    ) -> Self:
        """After what was said before, the function fails."""
        body = error_object(error, message, data, stack_trace)
        return self._then("fails", Ending("FAILED", self._delay(after), error=body), times)

    def then_times_out(self, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """After what was said before, the function's execution times out."""
        return self._then("times_out", _timeout(self._delay(after)), times)

    def ending(self, call: InvokeCall) -> Ending | None:
        """How this invoke ends; None if the stub is used up."""
        ending = self._plan.take()
        if ending is not None:
            self.received.append(call)
        return ending

    def __str__(self) -> str:
        return f"stub_invoke({self.name!r})"

    def _begin(self, ending: Ending, times: int | None) -> Self:
        self._plan.begin(ending, checked(times, self))
        return self

    def _then(self, first: str, ending: Ending, times: int | None) -> Self:
        if not self._plan.add(ending, checked(times, self)):
            raise UsageError(f"{self}.then_{first}(...) follows nothing: begin with {self}.{first}(...)")
        return self

    def _delay(self, after: Duration) -> timedelta:
        return delay(after, f"after of {self}")


def _success(value: Any, after: timedelta) -> Ending:
    return Ending("SUCCEEDED", after, result=encode(value, "result"))


def _timeout(after: timedelta) -> Ending:
    seconds = after.total_seconds()
    text = f"CHAINED_INVOKE timed out after {seconds:g} seconds." if seconds else "CHAINED_INVOKE timed out."
    return Ending("TIMED_OUT", after, error={"ErrorType": TIMEOUT_TYPE, "ErrorMessage": text})
