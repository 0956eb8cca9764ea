"""Stubs: what stands in for the work of a step, by the step's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Generic, Self, TypeVar

from durabletest.errors import UsageError

ActT = TypeVar("ActT")


class Plan(Generic[ActT]):
    """Acts in order, each for a number of times; the last one for ever, unless its number was given.

    Once all are used up, ``take`` gives None: it is the turn of what the stub stands in for. Any thread may take.
    """

    def __init__(self) -> None:
        self._acts: list[tuple[ActT, int | None]] = []
        self._position = 0
        self._taken = 0
        self._lock = Lock()

    def begin(self, act: ActT, times: int | None) -> None:
        """Begin anew with this act."""
        with self._lock:
            self._acts = [(act, times)]
            self._position = self._taken = 0

    def add(self, act: ActT, times: int | None) -> bool:
        """Go on with this act; False if there is none that it could follow."""
        with self._lock:
            self._acts += [(act, times)] if self._acts else []
            return bool(self._acts)

    def take(self) -> ActT | None:
        """The act for the next use."""
        with self._lock:
            while self._position < len(self._acts):
                act, times = self._acts[self._position]
                last = self._position == len(self._acts) - 1
                if (last and times is None) or self._taken < (times or 1):
                    self._taken += 1
                    return act
                self._position, self._taken = self._position + 1, 0
            return None


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
        """The step's function raises this exception, or a new one of this class.

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
            raise error.with_traceback(None) if isinstance(error, BaseException) else error

        return act

    def _calling(self, function: StepAct) -> StepAct:
        if not callable(function):
            raise UsageError(
                f"{self}.calls({function!r}): give a function; to return a value write {self}.returns(...)"
            )
        return function


class StubBook:
    """The stubs of one runner."""

    def __init__(self) -> None:
        self._steps: dict[str, StepStub] = {}

    def stub_step(self, name: str, optional: bool = False) -> StepStub:
        """The stub of that name, new or begun."""
        check_name(name, "stub_step", "the name of a step, or a path like 'order/charge'")
        stub = self._steps.setdefault(name, StepStub(name))
        stub.optional = optional
        return stub

    @property
    def steps(self) -> Mapping[str, StepStub]:
        """The stubs of steps, by name or path."""
        return self._steps

    def for_step(self, path: str) -> StepStub | None:
        """The stub for the step at this full path; of several that match the most exact one."""
        found = [stub for name, stub in self._steps.items() if f"/{path}".endswith(f"/{name}")]
        return max(found, key=lambda stub: len(stub.name), default=None)

    def clear(self) -> None:
        """Forget every stub."""
        self._steps.clear()


def check_name(name: object, method: str, what: str) -> None:
    """Refuse what can be no name."""
    if not isinstance(name, str) or not name:
        raise UsageError(f"{method}({name!r}): give {what}")


def checked(times: object, stub: object) -> int | None:
    """A number of uses, or None."""
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise UsageError(f"{stub}: times={times!r} means nothing; give a number from 1 on, or leave it out")
    return times if isinstance(times, int) else None


def _returning(value: Any) -> StepAct:
    return lambda *_: value
