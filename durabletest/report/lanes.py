"""The lanes of a page: executions and their operations on one time axis, with their events."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from durabletest.model.history import History, details_of, execution_name, word_for
from durabletest.model.records import (
    ErrorDetails,
    ExecutionStatus,
    Injected,
    LogEntry,
    OperationRecord,
    OperationStatus,
    OperationType,
)
from durabletest.model.times import span, stamp
from durabletest.report.table import Row, error_text, shortened, tree_order
from durabletest.report.timeline import BOX, attempts_of, end_of, pauses_of

FAULT, PAUSED = "↯", "‖"
"""The marks at a fault that was injected, and at the beginning of a pause."""
_LONGEST_ERROR = 300
_LONGEST_LINE = 100
_BARS = {
    OperationType.WAIT: "wait",
    OperationType.CALLBACK: "outside",
    OperationType.CHAINED_INVOKE: "outside",
    OperationType.CONTEXT: "context",
}
_STATUSES = {ExecutionStatus.RUNNING: OperationStatus.STARTED, ExecutionStatus.PAUSED: OperationStatus.STARTED}
"""The operation statuses that look like those of executions; the others have the same names."""


@dataclass(frozen=True)
class Recorded:
    """An execution on a page; ``invoke`` is the id of the operation that has started it, in that of ``parent_arn``.

    ``logs`` is ``None`` if log records are not available, and ``no_logs`` says why. ``injected`` is what the test has
    put into it.
    """

    arn: str
    history: History
    logs: Sequence[LogEntry] | None = None
    parent_arn: str | None = None
    invoke: str | None = None
    injected: Sequence[Injected] = ()
    no_logs: str = "A history has no log lines: what a deployed function logs is in CloudWatch."


@dataclass(frozen=True)
class Bar:
    css: str
    start: Position
    end: Position


@dataclass(frozen=True)
class Mark:
    css: str
    glyph: str
    at: Position


@dataclass(frozen=True)
class Field:
    """A labelled text; a long one, or one of several lines, is a ``block``."""

    label: str
    text: str

    @property
    def block(self) -> bool:
        return "\n" in self.text or len(self.text) > _LONGEST_LINE


@dataclass(frozen=True)
class Event:
    """``when`` is the time after the start of the execution, and the moment."""

    type: str
    when: str
    fields: list[Field]


@dataclass(frozen=True)
class Lane:
    """An operation or an execution; those inside it are on the lanes that follow, one deeper."""

    depth: int
    name: str
    kind: str
    status: str
    css: str
    glyph: str
    error: str
    notes: list[str]
    facts: list[Field]
    bars: list[Bar]
    marks: list[Mark]
    events: list[Event]
    inside: bool
    is_execution: bool = False


def lanes(executions: Sequence[Recorded], scale: Scale) -> Iterator[Lane]:
    """The lanes in the order of the page: an execution that another one has invoked follows the invoke."""
    known = {execution.arn for execution in executions}
    invoked = {(execution.parent_arn, execution.invoke): execution for execution in executions}
    for execution in executions:
        if execution.parent_arn not in known:
            yield from _lanes_of(execution, invoked, scale, 0)


def _lanes_of(
    execution: Recorded, invoked: Mapping[tuple[str | None, str | None], Recorded], scale: Scale, depth: int
) -> Iterator[Lane]:
    history = execution.history
    rows = tree_order(history.operations)
    yield _execution_lane(execution, scale, depth, inside=bool(rows))
    parents = {row.ancestors[-1].id for row in rows if row.ancestors}
    for row in rows:
        child = invoked.get((execution.arn, row.operation.id))
        below = depth + 1 + len(row.ancestors)
        inside = child is not None or row.operation.id in parents
        yield _operation_lane(history, row, scale, below, inside=inside)
        if child is not None:
            yield from _lanes_of(child, invoked, scale, below + 1)


def _execution_lane(execution: Recorded, scale: Scale, depth: int, *, inside: bool) -> Lane:
    history, record = execution.history, execution.history.execution
    start = record.started_at or scale.start
    end = scale.at(record.ended_at or scale.end)
    status = _STATUSES.get(record.status) or OperationStatus(record.status)
    bars = [Bar(f"context {css(status)}", scale.at(start), end)]
    for invocation in history.invocations:
        failed = " failed" if invocation.error else ""
        bars.append(Bar(f"invocation{failed}", scale.at(invocation.started_at), scale.at(invocation.ended_at)))
    marks = [Mark("fault", FAULT, scale.at(fault.at)) for fault in execution.injected if fault.at is not None]
    pauses = pauses_of(history)
    for began, over in pauses:
        bars.append(Bar("paused", scale.at(began), end if over is None else scale.at(over)))
        marks.append(Mark("paused", PAUSED, scale.at(began)))
    return Lane(
        depth,
        name=execution_name(execution.arn),
        kind="execution",
        status=record.status,
        css=css(status),
        glyph=BOX.marks[status],
        error=shortened(error_text(record.error), _LONGEST_ERROR),
        notes=[] if record.duration is None else [span(record.duration)],
        facts=_fields(
            ARN=execution.arn if execution.arn.startswith("arn:") else None,
            Started=record.started_at,
            Ended=record.ended_at,
            Paused="; ".join(f"{stamp(began)} to {stamp(over) if over else 'now'}" for began, over in pauses) or None,
            Injected="; ".join(injected.words for injected in execution.injected) or None,
        ),
        bars=bars,
        marks=marks,
        events=[_event(event, start) for event in history.events if history.operation_of(event) is None],
        inside=inside,
        is_execution=True,
    )


def _operation_lane(history: History, row: Row, scale: Scale, depth: int, *, inside: bool) -> Lane:
    record = row.operation
    start = history.execution.started_at or record.started_at
    bars, marks = _drawn(record, scale)
    path = "/".join(operation.name or "(unnamed)" for operation in (*row.ancestors, record))
    return Lane(
        depth,
        name=record.name or "(unnamed)",
        kind=word_for(record.sub_type, record.type),
        status=record.status,
        css=css(record.status),
        glyph=BOX.marks[record.status],
        error=shortened(error_text(record.error), _LONGEST_ERROR),
        notes=[
            *([] if record.duration is None else [span(record.duration)]),
            *([f"{record.attempts} attempts"] if record.attempts > 1 else []),
        ],
        facts=_fields(
            Path=path,
            Id=record.id,
            Next_attempt=record.next_attempt_at,
            Function=record.function_name,
            Callback_id=record.callback_id,
            Timeout=_seconds(record.timeout),
            Heartbeat_timeout=_seconds(record.heartbeat_timeout),
        ),
        bars=bars,
        marks=marks,
        events=[_event(event, start) for event in record.events],
        inside=inside,
    )


def _drawn(record: OperationRecord, scale: Scale) -> tuple[list[Bar], list[Mark]]:
    """Bars and marks of an operation; one whose end is not known reaches to the end of the axis."""
    end = scale.at(end_of(record) or scale.end)
    bars: list[Bar] = []
    marks: list[Mark] = []
    if record.type is not OperationType.STEP:
        bars.append(Bar(f"{_BARS[record.type]} {css(record.status)}", scale.at(record.started_at), end))
    attempts = attempts_of(record) if record.type is OperationType.STEP else []
    for number, attempt in enumerate(attempts, 1):
        last = number == len(attempts)
        ended = end if attempt.ended_at is None else scale.at(attempt.ended_at)
        look = "failed" if attempt.failed else css(record.status) if last else "poll"
        bars.append(Bar(f"step {look}", scale.at(attempt.started_at), ended))
        if not last or record.next_attempt_at is not None:
            following = end if last else scale.at(attempts[number].started_at)
            bars.append(Bar("pause", ended, following))
            marks.append(Mark(look, BOX.failed_attempt if attempt.failed else BOX.poll, ended))
    marks.append(Mark(css(record.status), BOX.marks[record.status], end))
    return [bar for bar in bars if bar.start != bar.end], marks


def css(status: OperationStatus) -> str:
    """The class of a status in the style sheet."""
    return status.lower() if status.is_terminal else "running"


def _event(event: Mapping[str, Any], start: datetime) -> Event:
    at = event["EventTimestamp"]
    fields = [_event_field(label, value) for label, value in details_of(event).items()]
    return Event(event["EventType"], f"{span(max(at - start, timedelta()))} · {stamp(at)}", fields)


def _event_field(label: str, value: Any) -> Field:
    """A detail of an event; payloads that are JSON are indented, errors are shown as in a traceback."""
    if isinstance(value, Mapping) and "Payload" in value:
        label = f"{label} (truncated)" if value.get("Truncated") else label
        value = value["Payload"]
    if isinstance(value, Mapping) and ("ErrorType" in value or "ErrorMessage" in value):
        error = ErrorDetails.of(value)
        data = [] if error.data is None else [f"Data: {error.data}"]
        return Field(label, "\n".join([*(line.rstrip() for line in error.stack_trace), str(error), *data]))
    return Field(label, _text(value))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping) and all(type(item) in (int, bool) for item in value.values()):
        return ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, str):
        try:
            value = json.loads(value) if value[:1] in ("{", "[") else value
        except ValueError:
            return str(value)
    if isinstance(value, Mapping | list):
        return json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return str(value)


def _fields(**facts: str | datetime | None) -> list[Field]:
    """The facts that are known, labelled with their names."""
    return [
        Field(name.replace("_", " "), stamp(value) if isinstance(value, datetime) else value)
        for name, value in facts.items()
        if value is not None
    ]


def _seconds(seconds: int | None) -> str | None:
    return span(timedelta(seconds=seconds)) if seconds else None


# --- where an instant stands on the axis: to scale, and with idle time squeezed ---

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
            if not ticks or ticks[-1].place + _LEAST_DISTANCE <= place <= 100 - _LEAST_DISTANCE or instant == self.end:
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
