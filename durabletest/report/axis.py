"""The time axis of a timeline: which column an instant has, and the labels above."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from durabletest.model.times import span

_PER_GAP = 14


class Axis:
    """Where more time lies between two instants there are more columns, but never so many that others vanish.

    Virtual time jumps: a retry after five minutes and a wait of a month stand next to each other. So the columns follow
    the logarithm of each gap, and every instant (there is one at least) has a column of its own while there are enough.
    """

    def __init__(self, instants: Iterable[datetime], widest: int) -> None:
        self._instants = sorted(set(instants))
        gaps = [later - earlier for earlier, later in pairwise(self._instants)]
        self.width = min(widest, 1 + _PER_GAP * len(gaps))
        self._columns = dict(zip(self._instants, _columns(gaps, self.width), strict=True))

    def column(self, instant: datetime) -> int:
        return self._columns[instant]

    def labels(self) -> str:
        """How long after the first the instants are: the last, and from the left those for which there is room."""
        first, last = self._instants[0], self._instants[-1]
        end = span(last - first)
        right = max(self.width - len(end), 0)
        line = ""
        for instant in self._instants[:-1]:
            label, at = span(instant - first), self.column(instant)
            fits = at >= len(line) + 2 * bool(line) and at + len(label) + 2 <= right
            line = line.ljust(at) + label if fits else line
        return line.ljust(right) + end


def _columns(gaps: list[timedelta], width: int) -> list[int]:
    """The column of each instant; those around a gap are one column apart at least, if there are enough columns."""
    weights = [1 + math.log10(1 + gap.total_seconds()) for gap in gaps]
    room, total = width - 1 - len(gaps), sum(weights) or 1.0
    if room < 0:
        return [round(i * (width - 1) / len(gaps)) for i in range(len(gaps) + 1)]
    columns, behind = [0], 0.0
    for i, weight in enumerate(weights, 1):
        behind += weight
        columns.append(i + round(room * behind / total))
    return columns
