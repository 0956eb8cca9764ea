"""Stubs of steps: what stands in for a step's function, by the step's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from durabletest.errors import UsageError
from durabletest.stubs.copies import fresh
from durabletest.stubs.plan import Plan, checked


@dataclass(frozen=True, slots=True)
class StepCall:
    """One use of a step's stub: ``path`` leads to the step, ``attempt`` counts from 1, ``arn`` is the execution's."""

    path: str
    attempt: int
    arn: str


StepAct = Callable[..., Any]


@dataclass(slots=True, eq=False)
class StepStub:
    """Stands in for the function of the steps of one name or path; all else of the step is real.

    The SDK retries, serialises and checkpoints as it does for the step's own function. ``returns``, ``raises`` and
    ``calls`` say what happens, ``then_returns`` and so on what happens afterwards::

        self.stub_step("charge").raises(CardDeclined, times=2).then_returns({"id": 1})

    Each is for one call, or for as many as ``times`` says; the last one is for all further calls. If the last one has
    ``times`` of its own, the step's own function runs after it. ``received`` holds the calls so far.
    """

    name: str
    optional: bool = False
    received: list[StepCall] = field(default_factory=list, init=False)
    _plan: Plan[StepAct] = field(default_factory=Plan, init=False)

    def returns(self, value: Any, times: int | None = None) -> Self:
        """The step's function returns this value."""
        return self._begin(_returning(value), times)

    def raises(self, error: BaseException | type[BaseException], times: int | None = None) -> Self:
        """The step's function raises a copy of this exception, or a new one of this class.

        ``SystemExit`` and ``KeyboardInterrupt`` crash the invocation, as they do in a step's own code.
        """
        return self._begin(self._raising(error), times)

    def calls(self, function: StepAct, times: int | None = None) -> Self:
        """This function is called with the step's arguments: its ``StepContext``.

        For a check of ``wait_for_condition`` it is called with the state and the check's context.
        """
        return self._begin(self._calling(function), times)

    def then_returns(self, value: Any, times: int | None = None) -> Self:
        """After what was said before, the step's function returns this value."""
        return self._then(_returning(value), times, "returns")

    def then_raises(self, error: BaseException | type[BaseException], times: int | None = None) -> Self:
        """After what was said before, the step's function raises this exception."""
        return self._then(self._raising(error), times, "raises")

    def then_calls(self, function: StepAct, times: int | None = None) -> Self:
        """After what was said before, this function is called with the step's arguments."""
        return self._then(self._calling(function), times, "calls")

    def stand_in(self, call: StepCall) -> StepAct | None:
        """What to call for this call; None if the stub is used up."""
        act = self._plan.take()
        if act is not None:
            self.received.append(call)
        return act

    def __str__(self) -> str:
        return f"stub_step({self.name!r})"

    def _begin(self, act: StepAct, times: int | None) -> Self:
        self._plan.begin(act, checked(times, self))
        return self

    def _then(self, act: StepAct, times: int | None, first: str) -> Self:
        if not self._plan.add(act, checked(times, self)):
            raise UsageError(f"{self}.then_{first}(...) follows nothing: begin with {self}.{first}(...)")
        return self

    def _raising(self, error: BaseException | type[BaseException]) -> StepAct:
        if not isinstance(error, BaseException) and not (isinstance(error, type) and issubclass(error, BaseException)):
            raise UsageError(f"{self}.raises({error!r}): give an exception, or a class of exceptions")

        def act(*_: Any) -> None:
            raise fresh(error) if isinstance(error, BaseException) else error

        return act

    def _calling(self, function: StepAct) -> StepAct:
        if not callable(function):
            raise UsageError(
                f"{self}.calls({function!r}): give a function; to return a value write {self}.returns(...)"
            )
        return function


def _returning(value: Any) -> StepAct:
    return lambda *_: value
