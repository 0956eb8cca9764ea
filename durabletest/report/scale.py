"""Where an instant stands on the time axis of a page: to scale, and with idle time squeezed."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from durabletest.model.times import span

_BUSY_SHARE = 0.6
"""The part of the squeezed axis that the time of invocations has, which is to scale there too."""
_LEAST_DISTANCE = 12.0
"""Per cent of the axis between two labels."""


@dataclass(frozen=True)
class Position:
    """Per cent of the axis before an instant: ``true`` to scale, ``squeezed`` with idle time squeezed."""

    true: float
    squeezed: float


@dataclass(frozen=True)
class Tick:
    """A label of the axis; one with ``true`` belongs to the axis to scale, else to the squeezed one."""

    place: float
    label: str
    true: bool


class Scale:
    """The axis from the first of ``instants`` to the last; ``busy`` are the times of invocations.

    In virtual time invocations take no time at all, and every stretch is idle. A squeezed stretch grows with the
    logarithm of its time, so that a month and a minute can be seen beside each other.
    """

    def __init__(self, instants: Iterable[datetime], busy: Iterable[tuple[datetime, datetime]] = ()) -> None:
        self._instants = sorted(set(instants))
        self.start, self.end = self._instants[0], self._instants[-1]
        gaps = [later - earlier for earlier, later in pairwise(self._instants)]
        self._squeezed = _positions(gaps, _busy(self._instants, busy))

    def at(self, instant: datetime) -> Position:
        total = (self.end - self.start).total_seconds()
        true = (instant - self.start).total_seconds() / total * 100 if total else 0.0
        at = min(max(bisect_right(self._instants, instant) - 1, 0), len(self._squeezed) - 1)
        return Position(round(min(max(true, 0.0), 100.0), 3), round(self._squeezed[at], 3))

    def ticks(self) -> list[Tick]:
        """The labels of both axes: the first and the last instant, and between them those that have room."""
        places = [(instant, self.at(instant)) for instant in self._instants]
        true = self._labels([(instant, place.true) for instant, place in places], true=True)
        return true + self._labels([(instant, place.squeezed) for instant, place in places], true=False)

    def _labels(self, places: Sequence[tuple[datetime, float]], *, true: bool) -> list[Tick]:
        ticks: list[Tick] = []
        for instant, place in places:
            first = not ticks
            if first or ticks[-1].place + _LEAST_DISTANCE <= place <= 100 - _LEAST_DISTANCE or instant == self.end:
                ticks.append(Tick(place, span(instant - self.start), true))
        return ticks


def _busy(instants: Sequence[datetime], busy: Iterable[tuple[datetime, datetime]]) -> list[bool]:
    """Of each stretch between two instants, whether an invocation runs in it."""
    spans = sorted(set(busy))
    flags: list[bool] = []
    until: datetime | None = None
    following = 0
    for begin, _ in pairwise(instants):
        while following < len(spans) and spans[following][0] <= begin:
            until = max(until or spans[following][1], spans[following][1])
            following += 1
        flags.append(until is not None and begin < until)
    return flags


def _positions(gaps: Sequence[timedelta], busy: Sequence[bool]) -> list[float]:
    """The squeezed place of each instant."""
    seconds = [gap.total_seconds() for gap in gaps]
    working = sum(length for length, runs in zip(seconds, busy, strict=True) if runs)
    idle = sum(1 + math.log10(1 + length) for length, runs in zip(seconds, busy, strict=True) if not runs)
    share = _BUSY_SHARE if working and idle else 1.0
    places = [0.0]
    for length, runs in zip(seconds, busy, strict=True):
        part = length / working * share if runs else (1 + math.log10(1 + length)) / idle * (1 - share if working else 1)
        places.append(places[-1] + 100 * part)
    return places
