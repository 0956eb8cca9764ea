"""Checks of durations and moments, exact in virtual time and lower bounds in real time, and what comes before what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Generic, Protocol, Self, TypeVar

from durabletest.assertions.check import Claim, Subject, arguments_of, show
from durabletest.errors import UsageError
from durabletest.model import times
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, details_of
from durabletest.model.records import SIDE_BY_SIDE, ExecutionRecord, Invocation, OperationRecord, OperationType
from durabletest.model.times import span, stamp, utc

__unittest = True
__tracebackhide__ = True

Unit = float | None
Units = float | Sequence[float] | None


class Timed(Protocol):
    """The facts about something that starts and ends: an execution, an operation or an invocation.

    ``story`` is its state in words, ``FAILED on attempt 3 with PaymentDeclined: card expired``, and ``instead`` the
    check of its state that passes, ``.failed('PaymentDeclined', 'card expired')``. ``remedy`` is what to do before its
    end can be checked, empty if it has ended.
    """

    @property
    def view(self) -> ExecutionView: ...
    @property
    def record(self) -> ExecutionRecord | OperationRecord | Invocation: ...
    @property
    def story(self) -> str: ...
    @property
    def remedy(self) -> str: ...
    @property
    def instead(self) -> str: ...


TimedT = TypeVar("TimedT", bound=Timed)


class TimedSubject(Subject[TimedT]):
    """Something that takes time."""

    def took(
        self,
        duration: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It ended this long after its start, all attempts and the pauses between them included.

        In real time it took at least this long.
        """
        expected = given_duration("took", duration, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._check(lambda facts: lasted("took", facts, expected, facts.record.duration, _leeway(facts.view)))

    def started_at(
        self,
        moment: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It started at this virtual time: an aware datetime, or a duration after the start of the execution.

        In real time it started that long after the start of the execution, or later.
        """
        expected = _given_moment("started_at", moment, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._check(lambda facts: _happened("started at", facts, expected, facts.record.started_at))

    def ended_at(
        self,
        moment: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It ended at this virtual time: an aware datetime, or a duration after the start of the execution.

        In real time it ended that long after the start of the execution, or later.
        """
        expected = _given_moment("ended_at", moment, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._check(lambda facts: _happened("ended at", facts, expected, facts.record.ended_at))


def given_duration(check: str, duration: object, **units: Unit) -> object:
    """The duration that a check was given, as a ``timedelta`` or a matcher.

    ``duration`` is one of these or a number of seconds; otherwise some ``units`` are given, as for a ``timedelta``.
    """
    given = {unit: value for unit, value in units.items() if value is not None}
    if (duration is None) is (not given):
        raise UsageError(
            f"{check}() takes one duration: a timedelta, a number of seconds, or some of days=, hours=, minutes=, "
            "seconds="
        )
    if isinstance(duration, str | bytes | int | float) or hasattr(duration, "to_seconds"):  # the SDK's Duration
        return times.duration(duration, f"the duration of {check}()")
    return _sum_of(check, given) if duration is None else duration


def _given_moment(check: str, moment: object, **units: Unit) -> object:
    """The moment that a check was given: a datetime in UTC, a matcher for one, or a ``timedelta``."""
    return utc(moment) if isinstance(moment, datetime) else given_duration(check, moment, **units)


def given_delays(delays: Sequence[object], **units: Units) -> list[object]:
    """The delays that ``retried_after`` was given, one by one or as several of one unit."""
    given = {unit: value for unit, value in units.items() if value is not None}
    series = {unit: values for unit, values in given.items() if isinstance(values, Sequence)}
    if bool(delays) is bool(given) or (series and len(given) > 1):
        raise UsageError(
            "retried_after() takes either timedeltas or units: retried_after(minutes=5) for one delay, "
            "retried_after(minutes=[1, 2, 4]) for several"
        )
    for unit, values in series.items():
        return [_sum_of("retried_after", {unit: value}) for value in values]
    single = {unit: value for unit, value in given.items() if not isinstance(value, Sequence)}
    return [given_duration("retried_after", delay) for delay in delays or [_sum_of("retried_after", single)]]


def _sum_of(check: str, units: Mapping[str, float]) -> timedelta:
    if not any(isinstance(value, bool) for value in units.values()):
        with suppress(TypeError, ValueError, OverflowError):
            return timedelta(**units)
    code = ", ".join(f"{unit}={value!r}" for unit, value in units.items())
    raise UsageError(f"{check}({code}) is no duration; give numbers")


def lasted(check: str, facts: Timed, expected: object, actual: timedelta | None, leeway: timedelta | None) -> Claim:
    """The claim that something took ``expected``; with a ``leeway``, at least that long less the leeway."""
    story = facts.story if actual is None else f"{check} {span(actual)}: {facts.story}"
    instead = facts.instead if actual is None else f".{check}({arguments_of(actual)})"
    if leeway is None or not isinstance(expected, timedelta):
        return Claim(bool(expected == actual), f"{check} {duration_text(expected)}", story, instead, facts.remedy)
    holds = actual is not None and actual + leeway >= expected
    return Claim(holds, f"{check} at least {span(expected)} (real time)", story, instead, facts.remedy)


def _happened(verb: str, facts: Timed, expected: object, actual: datetime | None) -> Claim:
    """The claim that something started or ended at a moment, or so long after the start of the execution."""
    zero = facts.view.history().execution.started_at
    if actual is None or zero is None:
        return Claim(False, f"{verb} {_moment(expected)}", facts.story, facts.instead, facts.remedy)
    check, offset = verb.replace(" ", "_"), actual - zero
    story = f"{verb} {stamp(actual)}, {span(offset)} after the execution's start"
    instead = f".{check}({arguments_of(offset)})"
    if isinstance(expected, datetime) and not facts.view.exact_time:
        raise facts.view.unavailable(
            f"{check}({expected!r}) needs virtual time; in real time say how long after the execution's start: "
            f"{check}(hours=1)"
        )
    if not isinstance(expected, timedelta):
        return Claim(bool(expected == utc(actual)), f"{verb} {_moment(expected)}", story, instead)
    leeway = _leeway(facts.view)
    if leeway is None:
        return Claim(offset == expected, f"{verb} {_moment(expected)}", story, instead)
    return Claim(offset + leeway >= expected, f"{verb} {_moment(expected)} or later (real time)", story, instead)


def _leeway(view: ExecutionView) -> timedelta | None:
    """The time by which events may have come early; ``None`` in virtual time, which is exact.

    In real time the scripted answers to callbacks are given at once instead of after their delay, so that everything
    after them comes earlier by as much.
    """
    if view.exact_time:
        return None
    callbacks = [record for record in view.history().operations if record.type is OperationType.CALLBACK]
    return sum(map(view.delay_left_out, callbacks), timedelta(0))


def duration_text(duration: object) -> str:
    return span(duration) if isinstance(duration, timedelta) else f"== {show(duration)}"


def _moment(moment: object) -> str:
    if isinstance(moment, timedelta):
        return f"{span(moment)} after the execution's start"
    return stamp(moment) if isinstance(moment, datetime) else f"== {show(moment)}"


# --- order, which in parallel branches is undecided where operations or events come at the same instant ---

T = TypeVar("T")

UNDECIDED = "They are in parallel branches: which comes first at one instant is open, so claim nothing of it."
"""The remedy for claims about such an order."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Order(Enum):
    """The order of one operation and another. UNDECIDED: one ended, in a parallel branch, when the other started."""

    BEFORE = "ended before"
    AFTER = "started after the end of"
    OVERLAPS = "overlaps"
    UNDECIDED = "at the same instant as"


def order_of(history: History, one: OperationRecord, other: OperationRecord) -> Order:
    """Compares the ends and starts of two operations: in parallel branches by time, otherwise by their events."""
    if in_parallel(history, one, other):
        return _order_in_time(one, other)
    if _last_event(one) < other.first_event:
        return Order.BEFORE
    return Order.AFTER if _last_event(other) < one.first_event else Order.OVERLAPS


def started_before(history: History, one: OperationRecord, other: OperationRecord) -> bool | None:
    """``None`` if that is undecided."""
    if not in_parallel(history, one, other):
        return one.first_event < other.first_event
    return None if one.started_at == other.started_at else one.started_at < other.started_at


def in_parallel(history: History, one: OperationRecord, other: OperationRecord) -> bool:
    """Whether two operations are in different branches of a parallel or map."""
    ones, others = ([*reversed(history.ancestors(record)), record] for record in (one, other))
    shared = [record for record, opposite in zip(ones, others, strict=False) if record is opposite]
    around = shared[-1] if shared else None
    return around is not None and around.sub_type in SIDE_BY_SIDE and around is not one and around is not other


@dataclass(frozen=True)
class OrderBreak(Generic[T]):
    """Where things are not in the claimed order: none named ``name`` comes after ``last``, which is named ``after``.

    ``last`` and ``after`` are ``None`` if the first name is missing. ``candidates`` are all things named ``name``.
    ``undecided`` is true if one of them comes at the instant of ``last`` in a parallel branch.
    """

    name: str
    after: str | None
    last: T | None
    candidates: Sequence[T]
    undecided: bool


def first_break(
    names: Iterable[str], named: Callable[[str], Sequence[T]], precedes: Callable[[T, T], bool | None]
) -> OrderBreak[T] | None:
    """Find a thing of each name after the one of the name before; others may come in between.

    The things of a name are in the order of their events; each is looked at once, as what comes before one that was
    found cannot come after a later one. ``precedes`` returns ``None`` if the order of two things is undecided. The
    result is ``None`` if there is no break.
    """
    last: T | None = None
    after: str | None = None
    begin: dict[str, int] = {}
    for name in names:
        candidates = named(name)
        for index in range(begin.get(name, 0), len(candidates)):
            if last is None or precedes(last, candidates[index]):
                break
        else:
            undecided = last is not None and any(precedes(last, thing) is None for thing in candidates)
            return OrderBreak(name, after, last, candidates, undecided)
        last, after, begin[name] = candidates[index], name, index + 1
    return None


def _order_in_time(one: OperationRecord, other: OperationRecord) -> Order:
    one_end, other_end = one.ended_at or _NEVER, other.ended_at or _NEVER
    if one_end < other.started_at:
        return Order.BEFORE
    if other_end < one.started_at:
        return Order.AFTER
    touching = one_end == other.started_at or other_end == one.started_at
    return Order.UNDECIDED if touching else Order.OVERLAPS


def _last_event(record: OperationRecord) -> float:
    """The id of the event that ended the operation, infinity if there is none.

    An operation that was in progress when its execution was stopped has an end without such an event.
    """
    last = record.events[-1]
    retried = "NextAttemptDelaySeconds" in (details_of(last).get("RetryDetails") or {})
    ended_by_it = record.ended_at is not None and not retried and not last["EventType"].endswith("Started")
    return int(last["EventId"]) if ended_by_it else float("inf")
