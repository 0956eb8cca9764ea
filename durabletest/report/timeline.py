"""The timeline of an execution: one line an operation, with what it did when, in the time of the execution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.fold import details_of
from durabletest.model.history import History
from durabletest.model.records import OperationRecord
from durabletest.model.times import span
from durabletest.report.axis import Axis
from durabletest.report.glyphs import BOX, Glyphs
from durabletest.report.table import one_line
from durabletest.report.tree import Placed, tree_order

WIDTH = 100
_NAMES = 36
_NOTES = 24

Placement = Placed[OperationRecord]


def timeline(history: History, glyphs: Glyphs = BOX, records: Sequence[OperationRecord] | None = None) -> str:
    """At most 100 columns; the same text for the same history. ``records`` are the operations to show, if not all."""
    rows = tree_order(history.operations if records is None else records)
    if not rows:
        return "(no operations)"
    names = [_name(row) for row in rows]
    notes = [_note(row.node) for row in rows]
    room = WIDTH - max(map(len, names)) - max(map(len, notes)) - 4
    axis = Axis(_instants(history), room)
    margin = max(map(len, names))
    lines = [f"{'':{margin}}  {axis.labels()}"]
    for row, name, note in zip(rows, names, notes, strict=True):
        lines.append(f"{name:{margin}}  {_bar(row.node, axis, glyphs):{axis.width}}  {note}")
    return "\n".join(line.rstrip() for line in [*lines, _legend(rows, glyphs)])


@dataclass(frozen=True)
class _Attempt:
    """One attempt of a step; ``ended_at`` is ``None`` while it runs."""

    started_at: datetime
    ended_at: datetime | None
    failed: bool


def _attempts(record: OperationRecord) -> list[_Attempt]:
    attempts: list[_Attempt] = []
    for event in record.events:
        at = event["EventTimestamp"]
        if event["EventType"].endswith("Started"):
            attempts.append(_Attempt(at, None, False))
        else:
            started_at = attempts.pop().started_at if attempts and attempts[-1].ended_at is None else at
            attempts.append(_Attempt(started_at, at, "Error" in details_of(event)))
    return attempts


def _instants(history: History) -> list[datetime]:
    """Every moment at which something happened or, while the execution goes on, is due."""
    ends = [end for record in history.operations if (end := _end(record)) is not None]
    return [event["EventTimestamp"] for event in history.events] + ends


def _end(record: OperationRecord) -> datetime | None:
    """When it ended or is due to go on, ``None`` if nobody knows."""
    return record.ended_at or record.next_attempt_at or record.scheduled_end


def _bar(record: OperationRecord, axis: Axis, glyphs: Glyphs) -> str:
    """From the start to the end, or to the end of the timeline if there is none yet."""
    start = axis.column(record.started_at)
    ended_at = _end(record)
    end = axis.width - 1 if ended_at is None else axis.column(ended_at)
    cells = dict.fromkeys(range(start, end), glyphs.bars[record.type])
    cells[start] = glyphs.context_start if record.type is OperationType.CONTEXT else glyphs.start
    if record.type is OperationType.STEP:
        cells.update(_attempt_cells(_attempts(record), end, axis, glyphs))
    cells[end] = glyphs.marks[record.status]
    return "".join(cells.get(column, " ") for column in range(axis.width))


def _attempt_cells(attempts: Sequence[_Attempt], end: int, axis: Axis, glyphs: Glyphs) -> dict[int, str]:
    """The pauses between attempts, and where each failed."""
    cells: dict[int, str] = {}
    followed_by = [axis.column(attempt.started_at) for attempt in attempts[1:]]
    for attempt, next_start in zip(attempts, [*followed_by, end], strict=True):
        if attempt.ended_at is not None:
            at = axis.column(attempt.ended_at)
            cells.update(dict.fromkeys(range(at, next_start), glyphs.pause))
            cells[at] = glyphs.failed_attempt if attempt.failed else glyphs.poll
    return cells


def _name(row: Placement) -> str:
    text = "  " * len(row.ancestors) + one_line(row.node.name)
    return text if len(text) <= _NAMES else f"{text[: _NAMES - 3]}..."


def _note(record: OperationRecord) -> str:
    """What bar and marks do not tell."""
    attempts = f"{record.attempts} attempts" if record.attempts > 1 else ""
    duration = span(record.duration) if record.duration else ""
    status = "" if record.status is OperationStatus.SUCCEEDED else str(record.status)
    return ", ".join(part for part in (status, duration, attempts) if part)[:_NOTES]


def _legend(rows: Sequence[Placement], glyphs: Glyphs) -> str:
    """What the marks mean, of those that were drawn."""
    drawn = {row.node.status for row in rows}
    meanings: dict[str, list[str]] = {}
    for status, mark in glyphs.marks.items():
        if status in drawn:
            meanings.setdefault(mark, []).append(_meaning(status))
    legend = [f"{mark} {' or '.join(dict.fromkeys(words))}" for mark, words in meanings.items()]
    if any(row.node.retry_delays for row in rows):
        legend.append(f"{glyphs.pause} until the next attempt")
    return "   ".join(legend)


def _meaning(status: OperationStatus) -> str:
    return str(status).lower().replace("_", " ") if status.is_terminal else "not ended"
