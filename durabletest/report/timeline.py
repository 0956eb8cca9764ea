"""The timeline of an execution: one line an operation, with a bar from its start to its end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TextIO, TypeAlias

from durabletest.model.history import History, details_of
from durabletest.model.records import OperationRecord, OperationStatus, OperationType
from durabletest.model.times import span
from durabletest.report.table import WIDTH, Row, one_line, shortened, tree_order

_WIDEST_NAME = 0.36
"""The part of the width that names may take."""
_WIDEST_NOTE = 24
_WIDEST_GAP = 14
_PAUSED = "(paused)"


@dataclass(frozen=True)
class Glyphs:
    """The characters of a timeline: ``bars`` by type of operation, ``marks`` at their ends by status.

    A ``pause`` is drawn between two attempts of a step; ``poll`` marks an attempt of a condition that did not fail.
    """

    start: str
    context_start: str
    bars: Mapping[OperationType, str]
    pause: str
    failed_attempt: str
    poll: str
    marks: Mapping[OperationStatus, str]

    @property
    def text(self) -> str:
        marks = [self.pause, self.failed_attempt, self.poll, *self.marks.values()]
        return "".join([self.start, self.context_start, *self.bars.values(), *marks])


def _bars(step: str, wait: str, callback: str, context: str) -> Mapping[OperationType, str]:
    return {
        OperationType.STEP: step,
        OperationType.WAIT: wait,
        OperationType.CALLBACK: callback,
        OperationType.CHAINED_INVOKE: callback,
        OperationType.CONTEXT: context,
    }


def _marks(succeeded: str, failed: str, timed_out: str, stopped: str, running: str) -> Mapping[OperationStatus, str]:
    return {
        OperationStatus.SUCCEEDED: succeeded,
        OperationStatus.FAILED: failed,
        OperationStatus.TIMED_OUT: timed_out,
        OperationStatus.STOPPED: stopped,
        OperationStatus.CANCELLED: stopped,
        OperationStatus.STARTED: running,
        OperationStatus.PENDING: running,
        OperationStatus.READY: running,
    }


BOX = Glyphs("├", "╞", _bars("━", "─", "┄", "═"), "╌", "✗", "○", _marks("●", "✗", "◷", "■", "▶"))
ASCII = Glyphs("|", "[", _bars("#", "-", "~", "="), ".", "x", ":", _marks("o", "x", "!", "s", ">"))


def glyphs_for(stream: TextIO | None) -> Glyphs:
    """Box characters if the stream's encoding has them, otherwise plain ASCII."""
    try:
        BOX.text.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BOX


class Axis:
    """The time axis: the column of each instant (at least one), and the labels above the columns.

    Virtual time jumps: a retry after five minutes may stand next to a wait of a month. So the columns between two
    instants grow with the logarithm of the time between them, and each instant has a column of its own as long as there
    are enough columns.
    """

    def __init__(self, instants: Iterable[datetime], widest: int) -> None:
        self._instants = sorted(set(instants))
        gaps = [later - earlier for earlier, later in pairwise(self._instants)]
        self.width = min(widest, 1 + _WIDEST_GAP * len(gaps))
        self._columns = dict(zip(self._instants, _columns(gaps, self.width), strict=True))

    def column(self, instant: datetime) -> int:
        return self._columns[instant]

    def labels(self) -> str:
        """The times since the first instant: that of the last, and from the left those that have room."""
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
    """The column of each instant; adjacent instants are at least one column apart if there are enough columns."""
    weights = [1 + math.log10(1 + gap.total_seconds()) for gap in gaps]
    room, total = width - 1 - len(gaps), sum(weights) or 1.0
    if room < 0:
        return [round(i * (width - 1) / len(gaps)) for i in range(len(gaps) + 1)]
    columns, behind = [0], 0.0
    for i, weight in enumerate(weights, 1):
        behind += weight
        columns.append(i + round(room * behind / total))
    return columns


def timeline(
    history: History, glyphs: Glyphs = BOX, records: Sequence[OperationRecord] | None = None, width: int = WIDTH
) -> str:
    """Draw the timeline, at most ``width`` columns wide; ``records`` are the operations to show, by default all."""
    rows = tree_order(history.operations if records is None else records)
    if not rows:
        return "(no operations)"
    names = [
        shortened("  " * len(row.ancestors) + one_line(row.operation.name), int(_WIDEST_NAME * width)) for row in rows
    ]
    notes = [_note(row.operation) for row in rows]
    pauses = pauses_of(history)
    if pauses:
        length = sum((end - start for start, end in pauses if end is not None), timedelta(0))
        names.append(_PAUSED)
        notes.append(str(history.execution.status) if pauses[-1][1] is None else span(length))
    margin = max(map(len, names))
    ends = [end for record in history.operations if (end := end_of(record)) is not None]
    instants = [event["EventTimestamp"] for event in history.events] + ends
    axis = Axis(instants, width - margin - max(map(len, notes)) - 4)
    lines = [f"{'':{margin}}  {axis.labels()}"]
    if pauses:
        cells = _pause_cells(pauses, axis, glyphs)
        lines.append(f"{names.pop():{margin}}  {cells:{axis.width}}  {notes.pop()}")
    for row, name, note in zip(rows, names, notes, strict=True):
        lines.append(f"{name:{margin}}  {_bar(row.operation, axis, glyphs):{axis.width}}  {note}")
    return "\n".join(line.rstrip() for line in [*lines, *_legend(rows, glyphs, width)])


Interval: TypeAlias = tuple[datetime, datetime | None]
"""The beginning and the end of a pause; ``None`` if the execution is still paused."""


def pauses_of(history: History) -> list[Interval]:
    """The pauses of an execution, the last of which ends with the execution at the latest."""
    pauses: list[Interval] = []
    for event in history.events:
        if event["EventType"] == "ExecutionPaused":
            pauses.append((event["EventTimestamp"], history.execution.ended_at))
        elif event["EventType"] == "ExecutionResumed" and pauses:
            pauses[-1] = pauses[-1][0], event["EventTimestamp"]
    return pauses


def _pause_cells(pauses: Sequence[Interval], axis: Axis, glyphs: Glyphs) -> str:
    cells = [" "] * axis.width
    for start, end in pauses:
        for column in range(axis.column(start), axis.width if end is None else axis.column(end) + 1):
            cells[column] = glyphs.pause
    return "".join(cells)


def _note(record: OperationRecord) -> str:
    attempts = f"{record.attempts} attempts" if record.attempts > 1 else ""
    duration = span(record.duration) if record.duration else ""
    status = "" if record.status is OperationStatus.SUCCEEDED else str(record.status)
    return shortened(", ".join(part for part in (status, duration, attempts) if part), _WIDEST_NOTE)


def end_of(record: OperationRecord) -> datetime | None:
    """When it ended or is due to go on, ``None`` if that is not known."""
    return record.ended_at or record.next_attempt_at or record.scheduled_end


def _bar(record: OperationRecord, axis: Axis, glyphs: Glyphs) -> str:
    """From the start to the end, or if that is not known to the end of the axis."""
    start = axis.column(record.started_at)
    ended_at = end_of(record)
    end = axis.width - 1 if ended_at is None else axis.column(ended_at)
    cells = dict.fromkeys(range(start, end), glyphs.bars[record.type])
    cells[start] = glyphs.context_start if record.type is OperationType.CONTEXT else glyphs.start
    if record.type is OperationType.STEP:
        cells.update(_attempt_cells(attempts_of(record), end, axis, glyphs))
    cells[end] = glyphs.marks[record.status]
    return "".join(cells.get(column, " ") for column in range(axis.width))


@dataclass(frozen=True)
class Attempt:
    """One attempt of a step; ``ended_at`` is ``None`` while it runs."""

    started_at: datetime
    ended_at: datetime | None
    failed: bool


def attempts_of(record: OperationRecord) -> list[Attempt]:
    """The attempts of a step, of which the last may still run."""
    attempts: list[Attempt] = []
    for event in record.events:
        at = event["EventTimestamp"]
        if event["EventType"].endswith("Started"):
            attempts.append(Attempt(at, None, False))
        else:
            started_at = attempts.pop().started_at if attempts and attempts[-1].ended_at is None else at
            attempts.append(Attempt(started_at, at, "Error" in details_of(event)))
    return attempts


def _attempt_cells(attempts: Sequence[Attempt], end: int, axis: Axis, glyphs: Glyphs) -> dict[int, str]:
    """The end of each attempt, and the pause until the next one."""
    cells: dict[int, str] = {}
    next_starts = [axis.column(attempt.started_at) for attempt in attempts[1:]]
    for attempt, next_start in zip(attempts, [*next_starts, end], strict=True):
        if attempt.ended_at is not None:
            at = axis.column(attempt.ended_at)
            cells.update(dict.fromkeys(range(at, next_start), glyphs.pause))
            cells[at] = glyphs.failed_attempt if attempt.failed else glyphs.poll
    return cells


def _legend(rows: Sequence[Row], glyphs: Glyphs, width: int) -> list[str]:
    """The meanings of the marks that were drawn, in as many lines as that takes."""
    drawn = {row.operation.status for row in rows}
    meanings: dict[str, list[str]] = {}
    for status, mark in glyphs.marks.items():
        if status in drawn:
            meaning = str(status).lower().replace("_", " ") if status.is_terminal else "not ended"
            meanings.setdefault(mark, []).append(meaning)
    legend = [f"{mark} {' or '.join(dict.fromkeys(words))}" for mark, words in meanings.items()]
    if any(row.operation.retry_delays for row in rows):
        legend.append(f"{glyphs.pause} until the next attempt")
    lines = [legend[0]]
    for entry in legend[1:]:
        if len(lines[-1]) + 3 + len(entry) <= width:
            lines[-1] += f"   {entry}"
        else:
            lines.append(entry)
    return lines
