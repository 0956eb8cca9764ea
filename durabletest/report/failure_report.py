"""The report about an execution that failure messages end with: operations, timeline, errors, and log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TextIO

from durabletest.model.enums import OperationStatus
from durabletest.model.history import History
from durabletest.model.records import LogEntry, OperationRecord
from durabletest.model.times import stamp
from durabletest.report.table import operation_table
from durabletest.report.timeline import glyphs_for, timeline

MOST_OPERATIONS = 60
MOST_LOG_RECORDS = 20
_LONGEST_ERROR = 300


def failure_report(
    history: History,
    title: str,
    logs: Sequence[LogEntry] | None,
    stream: TextIO | None,
    spoken_of: Collection[str] = (),
) -> str:
    """The report as text; sections that would be empty are left out.

    ``title`` is that of the execution. ``logs`` is ``None`` if log records are not available. ``stream`` is where the
    report will be written: its encoding decides how the timeline is drawn. ``spoken_of`` are ids of operations that the
    failed claims are about; see :func:`most_relevant`.
    """
    shown = most_relevant(history, MOST_OPERATIONS, spoken_of)
    number = len(history.operations)
    some = "" if len(shown) == number else f" ({len(shown)} of {number}; result.print() shows all)"
    sections = [f"Operations of {title}{some}\n{operation_table(shown)}"]
    start = history.execution.started_at
    if start is not None and any(event["EventTimestamp"] != start for event in history.events):
        drawn = timeline(history, glyphs_for(stream), shown)
        sections.append(f"Timeline from {stamp(start)}{some.replace('print', 'timeline')}\n{drawn}")
    errors = _errors(history, shown)
    if errors:
        sections.append("\n".join([f"Errors of {title}", *errors]))
    if logs:
        sections.append(_log(title, logs))
    return "\n\n".join(sections)


def most_relevant(history: History, most: int, spoken_of: Collection[str] = ()) -> list[OperationRecord]:
    """About ``most`` operations of a long execution, in execution order, with the contexts around them.

    Those in ``spoken_of`` are chosen first, then those that did not simply succeed, then the last of the others.
    """
    if len(history.operations) <= most:
        return history.operations
    first = [record for record in history.operations if record.id in spoken_of]
    eventful = [record for record in history.operations if not _is_uneventful(record)]
    last = [record for record in reversed(history.operations) if _is_uneventful(record)]
    chosen: set[str] = set()
    candidates = iter([*first, *eventful, *last])
    while len(chosen) < most:
        record = next(candidates)
        chosen.update(one.id for one in [record, *history.ancestors(record)])
    return [record for record in history.operations if record.id in chosen]


def _is_uneventful(record: OperationRecord) -> bool:
    return record.status is OperationStatus.SUCCEEDED and record.attempts <= 1


def _errors(history: History, shown: Sequence[OperationRecord]) -> list[str]:
    """One line for each error, with the paths of the operations that have it.

    A context that only passes on the error of an operation inside it is left out.
    """
    paths: dict[str, list[str]] = {}
    for record in shown:
        if record.error is not None and not _is_passed_on(history, record):
            text = " ".join(str(record.error).split())
            short = text if len(text) <= _LONGEST_ERROR else f"{text[:_LONGEST_ERROR]}..."
            paths.setdefault(short, []).append(history.path_of(record))
    lines = []
    for error, where in paths.items():
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        lines.append(f"{', '.join(where[:3])}{more}: {error}")
    return lines


def _is_passed_on(history: History, record: OperationRecord) -> bool:
    own = (record.error.message if record.error is not None else None) or ""
    inner = [child.error.message for child in history.children(record) if child.error is not None]
    return any(message and message in own for message in inner)


def _log(title: str, logs: Sequence[LogEntry]) -> str:
    shown = logs[-MOST_LOG_RECORDS:]
    some = "" if len(shown) == len(logs) else f" (the last {len(shown)} of {len(logs)}; result.logs has all)"
    return "\n".join([f"Log of {title}{some}, #n is the invocation", *map(_log_line, shown)])


def _log_line(entry: LogEntry) -> str:
    """One line, and of a traceback its last line, which is the exception."""
    when = f"{entry.time:%Y-%m-%d %H:%M:%S}"
    line = f"{when} #{entry.invocation} {entry.level} {entry.logger}: {' '.join(entry.message.split())}"
    return line if entry.traceback is None else f"{line}\n    {entry.traceback.rstrip().splitlines()[-1]}"
