"""How long something took and when it happened: exact in virtual time, lower bounds in real time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from durabletest.assertions.check import Claim
from durabletest.assertions.facts import Timed
from durabletest.assertions.text import show, units
from durabletest.errors import UsageError
from durabletest.model import times
from durabletest.model.enums import OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.model.records import OperationRecord
from durabletest.model.times import span, stamp, utc

__unittest = True
__tracebackhide__ = True

Unit = float | None
Units = float | Sequence[float] | None


def parts_given(days: Unit, hours: Unit, minutes: Unit, seconds: Unit) -> dict[str, Unit]:
    """The units of a check, by name."""
    return {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}


def duration_given(check: str, duration: object, parts: Mapping[str, Unit]) -> object:
    """What a check was given: a ``timedelta``, a number of seconds, some units, or a matcher for a ``timedelta``."""
    given = {name: value for name, value in parts.items() if value is not None}
    if (duration is None) is (not given):
        raise UsageError(
            f"{check}() takes one duration: a timedelta, a number of seconds, or some of days=, hours=, minutes=, "
            "seconds="
        )
    if isinstance(duration, str | bytes | int | float):
        return times.duration(duration, f"the duration of {check}()")
    return of_units(check, given) if duration is None else duration


def of_units(check: str, given: Mapping[str, float]) -> timedelta:
    """A duration that was given in units; True is a number to Python, and a slip here."""
    if not any(isinstance(value, bool) for value in given.values()):
        with suppress(TypeError, ValueError, OverflowError):
            return timedelta(**given)
    code = ", ".join(f"{name}={value!r}" for name, value in given.items())
    raise UsageError(f"{check}({code}) is no duration; give numbers")


def lasted(verb: str, outcome: Timed, expected: object, actual: timedelta | None, early: timedelta | None) -> Claim:
    """The claim that something took that long; ``verb`` is the check. ``early`` is that of :func:`leeway`."""
    story = outcome.story if actual is None else f"{verb} {span(actual)}: {outcome.story}"
    instead = outcome.instead if actual is None else f".{verb}({units(actual)})"
    if early is None or not isinstance(expected, timedelta):
        return Claim(bool(expected == actual), f"{verb} {_shown(expected)}", story, instead, outcome.remedy)
    holds = actual is not None and actual + early >= expected
    return Claim(holds, f"{verb} at least {span(expected)} (real time)", story, instead, outcome.remedy)


def happened(verb: str, outcome: Timed, expected: object, actual: datetime | None) -> Claim:
    """The claim that something started or ended at a moment, or so long after the execution's start."""
    zero = outcome.view.history().execution.started_at
    if actual is None or zero is None:
        return Claim(False, f"{verb} {_moment(expected)}", outcome.story, outcome.instead, outcome.remedy)
    offset = actual - zero
    story = f"{verb} {stamp(actual)}, {span(offset)} after the execution's start"
    instead = f".{verb.replace(' ', '_')}({units(offset)})"
    if not isinstance(expected, timedelta):
        _needs_virtual_time(outcome, verb, expected)
        return Claim(bool(expected == utc(actual)), f"{verb} {_moment(expected)}", story, instead)
    early = leeway(outcome.view)
    if early is None:
        return Claim(offset == expected, f"{verb} {_moment(expected)}", story, instead)
    return Claim(offset + early >= expected, f"{verb} {_moment(expected)} or later (real time)", story, instead)


def leeway(view: ExecutionView) -> timedelta | None:
    """By how much things may have come early: ``None`` in virtual time, which is exact.

    In real time scripted answers are given at once, so that whatever follows one of them comes that much earlier.
    """
    if view.exact_time:
        return None
    callbacks = [record for record in view.history().operations if record.type is OperationType.CALLBACK]
    return sum(map(view.delay_left_out, callbacks), timedelta(0))


def moment_given(check: str, moment: object, parts: Mapping[str, Unit]) -> object:
    """What a check was given: a datetime in UTC, a ``timedelta``, or a matcher for a datetime."""
    if isinstance(moment, datetime):
        return utc(moment)
    return duration_given(check, moment, parts)


def delays_given(delays: Sequence[object], parts: Mapping[str, Units]) -> list[object]:
    """The delays between attempts, one by one, or several in one unit."""
    given = {name: value for name, value in parts.items() if value is not None}
    series = {name: value for name, value in given.items() if isinstance(value, Sequence)}
    if bool(delays) is bool(given) or (series and len(given) > 1):
        msg = (
            "retried_after() takes either timedeltas or units: retried_after(minutes=5) for one delay, "
            "retried_after(minutes=[1, 2, 4]) for several"
        )
        raise UsageError(msg)
    for name, values in series.items():
        return [of_units("retried_after", {name: value}) for value in values]
    single = {name: value for name, value in given.items() if not isinstance(value, Sequence)}
    return [duration_given("retried_after", delay, {}) for delay in delays or [of_units("retried_after", single)]]


def retried(outcome: Timed, record: OperationRecord, expected: list[object]) -> Claim:
    """The claim that these were the delays between the attempts; the service records them, so they are exact."""
    actual = [timedelta(seconds=seconds) for seconds in record.retry_delays]
    story = f"retried after {_listed(actual)}" if actual else "never retried"
    instead = f".retried_after({_series(actual)})" if actual else ".attempts(1)"
    return Claim(expected == actual, f"retried after {_listed(expected)}", f"{story}: {outcome.story}", instead)


def _listed(delays: Sequence[object]) -> str:
    return ", ".join(map(_shown, delays))


def _series(delays: list[timedelta]) -> str:
    """Delays as the arguments of the check, in the largest unit that shows them all as whole numbers."""
    if len(delays) == 1:
        return units(delays[0])
    name, unit = next((name, unit) for name, unit in _UNITS.items() if not any(delay % unit for delay in delays))
    return f"{name}={[delay // unit for delay in delays]}"


def _shown(duration: object) -> str:
    return span(duration) if isinstance(duration, timedelta) else f"== {show(duration)}"


def _moment(moment: object) -> str:
    if isinstance(moment, timedelta):
        return f"{span(moment)} after the execution's start"
    return stamp(moment) if isinstance(moment, datetime) else f"== {show(moment)}"


def _needs_virtual_time(outcome: Timed, verb: str, moment: object) -> None:
    if isinstance(moment, datetime) and not outcome.view.exact_time:
        check = verb.replace(" ", "_")
        raise outcome.view.unavailable(
            f"{check}({moment!r}) needs virtual time; in real time say how long after the execution's start: "
            f"{check}(hours=1)"
        )


_UNITS = {
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
}
