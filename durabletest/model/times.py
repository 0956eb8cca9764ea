"""Times and durations: conversion to real ``datetime`` objects in UTC, text for messages, validation of arguments."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from time import monotonic
from typing import Any, TypeAlias

from durabletest.errors import UsageError

_clock = [monotonic]
"""In a list, where freezegun does not look for it."""
Duration: TypeAlias = timedelta | float
"""A timedelta, or a number of seconds."""
_SCALARS = frozenset({str, int, bool, type(None)})


class _Real:
    """The real classes, even while freezegun replaces them.

    freezegun replaces module globals, so a class holds them. If this module is first imported under a frozen clock, the
    globals are fakes already; the real class is then the first of their bases that has no metaclass.
    """

    DATETIME: type[datetime] = next(c for c in datetime.__mro__ if type(c) is type)
    DATE: type[date] = next(c for c in date.__mro__ if type(c) is type)


def real_seconds() -> float:
    """The time of the real monotonic clock, even while time is frozen."""
    return _clock[0]()


def utc(moment: datetime) -> datetime:
    """The same moment as a plain ``datetime`` in UTC, never a subclass."""
    if moment.tzinfo is None:
        raise UsageError(f"{moment.isoformat()} has no time zone; times of executions are aware, as in boto3's answers")
    if type(moment) is _Real.DATETIME and moment.tzinfo is UTC:
        return moment
    return _unfrozen(moment.astimezone(UTC))


def plain(value: Any) -> Any:
    """A copy with real ``datetime`` and ``date`` objects in place of freezegun's, at any depth; time zones are kept."""
    kind = type(value)
    if kind is dict:
        return {plain(key): plain(item) for key, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        return kind(map(plain, value))
    if kind in _SCALARS or kind in (_Real.DATETIME, _Real.DATE):
        return value
    if isinstance(value, datetime):
        return _unfrozen(value)
    if isinstance(value, date):
        return _Real.DATE(value.year, value.month, value.day)
    return value


def plain_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of an event, with its times in UTC."""
    return {key: value if type(value) in _SCALARS else _plain_field(value) for key, value in event.items()}


def _plain_field(value: Any) -> Any:
    if isinstance(value, dict):
        return plain_event(value)
    if isinstance(value, list):
        return [_plain_field(item) for item in value]
    return utc(value) if isinstance(value, datetime) else value


def _unfrozen(moment: datetime) -> datetime:
    return _Real.DATETIME.combine(moment, moment.timetz())


def stamp(moment: datetime) -> str:
    """Format a moment: ``2026-01-01 02:00:00 UTC``, with milliseconds if there are any."""
    return f"{utc(moment).replace(tzinfo=None).isoformat(' ', precision(moment))} UTC"


def precision(*moments: datetime) -> str:
    """The coarsest ``timespec`` of ``isoformat`` that suits all these moments."""
    return "milliseconds" if any(moment.microsecond for moment in moments) else "seconds"


def span(duration: timedelta) -> str:
    """Format a duration: ``1h 30m``, ``2d``, ``0.25s``, ``0s``."""
    if duration < timedelta():
        return f"-{span(-duration)}"
    return " ".join(f"{number}{unit[0]}" for unit, number in units_of(duration).items())


def units_of(duration: timedelta) -> dict[str, str]:
    """The numbers of days, hours, minutes and seconds that are not zero: ``{"hours": "1", "seconds": "0.25"}``."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{duration.microseconds:06d}".rstrip("0").rstrip(".")
    numbers = {"days": duration.days, "hours": hours, "minutes": minutes, "seconds": f"{seconds}{fraction}"}
    return {unit: str(number) for unit, number in numbers.items() if number not in (0, "0")} or {"seconds": "0"}


def duration(value: object, where: str) -> timedelta:
    """Convert a :data:`Duration`; ``where`` is the name of the argument in the ``UsageError``."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return timedelta(seconds=value)
    raise UsageError(f"{where} is {value!r}: give a timedelta, or a number of seconds")


def delay(value: object, where: str) -> timedelta:
    """Convert a :data:`Duration` from now on: not negative, and within the years that a datetime can have."""
    length = duration(value, where)
    if length < timedelta(0):
        raise UsageError(f"{where} is {value!r}: time does not go back; give a duration that is not negative")
    if length > _LONGEST:
        raise UsageError(f"{where} is {value!r}: give {_LONGEST.days} days at most")
    return length


_LONGEST = timedelta(days=366_000)
