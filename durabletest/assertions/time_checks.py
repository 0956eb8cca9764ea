"""The checks of everything that takes time: how long, and when."""

from __future__ import annotations

from typing import Self, TypeVar

from durabletest.assertions.durations import (
    Unit,
    duration_given,
    happened,
    lasted,
    leeway,
    moment_given,
    parts_given,
)
from durabletest.assertions.facts import Timed
from durabletest.assertions.subject import Subject

__unittest = True
__tracebackhide__ = True

TimedT = TypeVar("TimedT", bound=Timed)


class TimedSubject(Subject[TimedT]):
    """Something that takes time. In virtual time durations are exact; in real time they are lower bounds."""

    def took(
        self,
        duration: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It has ended this long after its start; several attempts and the pauses between them count together."""
        expected = duration_given("took", duration, parts_given(days, hours, minutes, seconds))
        return self._check(lambda facts: lasted("took", facts, expected, facts.duration, leeway(facts.view)))

    def started_at(
        self,
        moment: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It started at this virtual time: an aware datetime, or how long after the start of the execution."""
        expected = moment_given("started_at", moment, parts_given(days, hours, minutes, seconds))
        return self._check(lambda facts: happened("started at", facts, expected, facts.started_at))

    def ended_at(
        self,
        moment: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """It ended at this virtual time: an aware datetime, or how long after the start of the execution."""
        expected = moment_given("ended_at", moment, parts_given(days, hours, minutes, seconds))
        return self._check(lambda facts: happened("ended at", facts, expected, facts.ended_at))
