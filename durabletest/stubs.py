"""Stubs: responses in place of the functions of steps, by step name, and of invoked functions, by function name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Generic, NoReturn, Self, TypeVar

from durabletest.errors import UsageError, copy_of
from durabletest.model.payloads import ErrorSource, encode, error_object
from durabletest.model.times import Duration, delay
from durabletest.value_checks import is_count

NO_DELAY = timedelta(0)
TIMEOUT_TYPE = "ChainedInvoke.Timeout"
"""The error type of a chained invoke that times out, formed like that of a callback."""

_ANY_TIME = datetime.min.replace(tzinfo=UTC)

CallT = TypeVar("CallT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class _Phase(Generic[ResponseT]):
    """One response: for so many calls, for so long from the first of them, for one call, or for good if it is last."""

    response: ResponseT
    times: int | None
    lasting: timedelta | None

    def is_over(self, taken: int, passed: timedelta, last: bool) -> bool:
        if self.lasting is not None:
            return passed >= self.lasting
        return not (last and self.times is None) and taken >= (self.times or 1)


class ResponseQueue(Generic[ResponseT]):
    """Responses in order, each for a number of calls or a length of time.

    The last one is for all further calls, unless it has a number or length, too. ``stub`` is named in messages. Any
    thread may take.
    """

    def __init__(self, stub: object) -> None:
        self._stub = stub
        self._phases: list[_Phase[ResponseT]] = []
        self._first: list[ResponseT] = []
        self._firsts_taken = 0
        self._position = 0
        self._taken = 0
        self._since: datetime | None = None
        self._lock = Lock()

    @property
    def is_empty(self) -> bool:
        """Whether no response was ever given, so that none can be taken."""
        return not self._phases and not self._first

    def begin(self, response: ResponseT, times: int | None, lasting: timedelta | None = None) -> None:
        """Forget all responses but this one."""
        phase = _Phase(response, self.checked(times), lasting)
        with self._lock:
            self._phases = [phase]
            self._go_to(0)

    def add(self, first: str, response: ResponseT, times: int | None, lasting: timedelta | None = None) -> None:
        """Append a response; ``first`` is the stub's method for the first one."""
        phase = _Phase(response, self.checked(times), lasting)
        with self._lock:
            if not self._phases:
                raise UsageError(
                    f"{self._stub}.then_{first}(...) follows nothing: begin with {self._stub}.{first}(...)"
                )
            self._phases.append(phase)

    def put_first(self, response: ResponseT, times: int) -> None:
        """Put a response before all others, also those of a later beginning."""
        count = self.checked(times) or 1
        with self._lock:
            self._first += [response] * count

    def rewind(self) -> None:
        """Begin with the first response again."""
        with self._lock:
            self._firsts_taken = 0
            self._go_to(0)

    def take(self, now: datetime = _ANY_TIME) -> ResponseT | None:
        """The response to the next call; None once all are used up. ``now`` is needed for lengths of time."""
        with self._lock:
            if self._firsts_taken < len(self._first):
                self._firsts_taken += 1
                return self._first[self._firsts_taken - 1]
            while self._position < len(self._phases):
                phase = self._phases[self._position]
                self._since = self._since or now
                if not phase.is_over(self._taken, now - self._since, self._position == len(self._phases) - 1):
                    self._taken += 1
                    return phase.response
                self._go_to(self._position + 1)
            return None

    def _go_to(self, position: int) -> None:
        self._position, self._taken, self._since = position, 0, None

    def checked(self, times: int | None) -> int | None:
        """Raise :class:`UsageError` if it is neither a positive number nor None."""
        if times is not None and not is_count(times):
            raise UsageError(f"{self._stub}: times={times!r} means nothing; give a number from 1 on, or leave it out")
        return times


@dataclass(slots=True, eq=False)
class Stub(Generic[CallT, ResponseT]):
    """What stubs of steps and of invoked functions have in common; ``received`` holds the calls so far."""

    name: str
    optional: bool = False
    received: list[CallT] = field(default_factory=list, init=False)
    _responses: ResponseQueue[ResponseT] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._responses = ResponseQueue(self)

    def respond(self, call: CallT) -> ResponseT | None:
        """The response to this call; None if the stub is used up, and the stubbed function itself has to answer."""
        response = self._responses.take()
        if response is not None:
            self.received.append(call)
        return response

    def rewind(self) -> None:
        """Forget the calls so far: the next one gets the first response."""
        self._responses.rewind()
        self.received.clear()

    @property
    def is_silent(self) -> bool:
        """Whether it has no response, as nothing was said after ``stub_step(name)`` or ``stub_invoke(name)``."""
        return self._responses.is_empty

    @property
    def is_unused(self) -> bool:
        """Whether it was never called, and should have been."""
        return not self.received and not self.optional

    def _begin(self, response: ResponseT, times: int | None) -> Self:
        self._responses.begin(response, times)
        return self

    def _then(self, first: str, response: ResponseT, times: int | None) -> Self:
        self._responses.add(first, response, times)
        return self


# --- steps ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepCall:
    """A call of a stubbed step: ``path`` leads to the step, ``attempt`` counts from 1, ``arn`` is the execution's."""

    path: str
    attempt: int
    arn: str


StepFunction = Callable[..., Any]


@dataclass(slots=True, eq=False)
class StepStub(Stub[StepCall, StepFunction]):
    """Replaces the function of the steps of one name or path; all else of the step is real.

    The SDK retries, serialises and checkpoints as it does for the step's own function. ``returns``, ``raises`` and
    ``calls`` say what happens, ``then_returns`` and so on what happens afterwards::

        self.stub_step("charge").raises(CardDeclined, times=2).then_returns({"id": 1})

    Each is for one call, or for as many as ``times`` says; the last one is for all further calls. If the last one has
    ``times`` of its own, the step's own function runs after it. ``crashes`` and ``times_out`` end the whole invocation,
    which is repeated; that costs the step none of its attempts. ``received`` holds the calls so far.
    """

    def returns(self, value: Any, times: int | None = None) -> Self:
        """The step's function returns this value."""
        return self._begin(_returning(value), times)

    def raises(self, error: BaseException | type[BaseException], times: int | None = None) -> Self:
        """The step's function raises a copy of this exception, or a new one of this class.

        ``SystemExit`` and ``KeyboardInterrupt`` crash the invocation, as they do in a step's own code.
        """
        return self._begin(self._raising(error), times)

    def first_raises(self, error: BaseException | type[BaseException], times: int = 1) -> Self:
        """So many times, before whatever else is said and before its own code, the step's function raises this."""
        self._responses.put_first(self._raising(error), times)
        return self

    def calls(self, function: StepFunction, times: int | None = None) -> Self:
        """This function is called with the step's arguments: its ``StepContext``.

        For a check of ``wait_for_condition`` it is called with the state and the check's context.
        """
        return self._begin(self._calling(function), times)

    def crashes(self, times: int | None = None) -> Self:
        """The process of the function dies in the step, so that the invocation fails with ``Runtime.ExitError``."""
        return self._begin(_crashing, times)

    def times_out(self, times: int | None = None) -> Self:
        """The step goes on until the function times out, so that the invocation fails with ``Sandbox.Timedout``.

        That takes as long as ``function_timeout`` leaves.
        """
        return self._begin(timing_out, times)

    def then_returns(self, value: Any, times: int | None = None) -> Self:
        """Afterwards the step's function returns this value."""
        return self._then("returns", _returning(value), times)

    def then_raises(self, error: BaseException | type[BaseException], times: int | None = None) -> Self:
        """Afterwards the step's function raises this exception."""
        return self._then("raises", self._raising(error), times)

    def then_calls(self, function: StepFunction, times: int | None = None) -> Self:
        """Afterwards this function is called with the step's arguments."""
        return self._then("calls", self._calling(function), times)

    def then_crashes(self, times: int | None = None) -> Self:
        """Afterwards the process of the function dies in the step."""
        return self._then("crashes", _crashing, times)

    def then_times_out(self, times: int | None = None) -> Self:
        """Afterwards the step goes on until the function times out."""
        return self._then("times_out", timing_out, times)

    def __str__(self) -> str:
        return f"stub_step({self.name!r})"

    def _raising(self, error: BaseException | type[BaseException]) -> StepFunction:
        if not isinstance(error, BaseException) and not (isinstance(error, type) and issubclass(error, BaseException)):
            raise UsageError(f"{self}.raises({error!r}): give an exception, or a class of exceptions")

        def raising(*_: Any) -> None:
            raise copy_of(error) if isinstance(error, BaseException) else error

        return raising

    def _calling(self, function: StepFunction) -> StepFunction:
        if not callable(function):
            raise UsageError(
                f"{self}.calls({function!r}): give a function; to return a value write {self}.returns(...)"
            )
        return function


def _returning(value: Any) -> StepFunction:
    return lambda *_: value


def _crashing(*_: Any) -> NoReturn:
    raise SystemExit(1)


def timing_out(*_: Any) -> NoReturn:
    """Stands for a step that ends with its invocation: only the environment can let that happen."""
    raise AssertionError("the environment lets the function time out")


# --- invoked functions ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvokeCall:
    """An invoke of a stubbed function.

    ``function`` is the target as the workflow wrote it, ``payload`` the decoded payload, ``arn`` the invoking
    execution's.
    """

    function: str
    payload: Any
    arn: str


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """The status with which an invoke ends, ``after`` its start; ``result`` is JSON text."""

    status: str
    after: timedelta
    result: str | None = None
    error: Mapping[str, Any] | None = None


@dataclass(slots=True, eq=False)
class InvokeStub(Stub[InvokeCall, InvokeResponse]):
    """Replaces a function that workflows invoke; it need not be registered, and if it is, the stub wins.

    ``succeeds``, ``fails`` and ``times_out`` say how the invoke ends, ``after`` how much virtual time (a timedelta, or
    seconds); ``then_succeeds`` and so on how the next ones end::

        self.stub_invoke("charge-card").fails("CardDeclined", "no funds").then_succeeds({"id": 1}, after=HOUR)

    Each is for one invoke, or for as many as ``times`` says; the last one is for all further ones. If the last one has
    ``times`` of its own, the registered function is invoked after it. ``received`` holds the invokes so far.
    """

    def succeeds(self, value: Any = None, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """The function returns this JSON-able value."""
        return self._begin(self._success(value, after), times)

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
        return self._begin(InvokeResponse("FAILED", self._delay(after), error=body), times)

    def times_out(self, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """The function's execution times out."""
        return self._begin(self._timeout(after), times)

    def then_succeeds(self, value: Any = None, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """Afterwards the function returns this value."""
        return self._then("succeeds", self._success(value, after), times)

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
        """Afterwards the function fails."""
        body = error_object(error, message, data, stack_trace)
        return self._then("fails", InvokeResponse("FAILED", self._delay(after), error=body), times)

    def then_times_out(self, after: Duration = NO_DELAY, times: int | None = None) -> Self:
        """Afterwards the function's execution times out."""
        return self._then("times_out", self._timeout(after), times)

    def __str__(self) -> str:
        return f"stub_invoke({self.name!r})"

    def _success(self, value: Any, after: Duration) -> InvokeResponse:
        return InvokeResponse("SUCCEEDED", self._delay(after), result=encode(value, "result"))

    def _timeout(self, after: Duration) -> InvokeResponse:
        length = self._delay(after)
        seconds = length.total_seconds()
        text = f"CHAINED_INVOKE timed out after {seconds:g} seconds." if seconds else "CHAINED_INVOKE timed out."
        return InvokeResponse("TIMED_OUT", length, error={"ErrorType": TIMEOUT_TYPE, "ErrorMessage": text})

    def _delay(self, after: Duration) -> timedelta:
        return delay(after, f"after of {self}")
