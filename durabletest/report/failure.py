"""What a failure shows of an execution, after its message: the operations, when they happened, errors, and the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TextIO

from durabletest.model.enums import OperationStatus
from durabletest.model.history import History
from durabletest.model.logs import LogEntry
from durabletest.model.records import OperationRecord
from durabletest.model.times import stamp
from durabletest.report.glyphs import glyphs_for
from durabletest.report.table import operation_table
from durabletest.report.timeline import timeline

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
    """The sections that have something to say. ``logs`` is ``None`` where nobody can tell what was logged.

    Of a long execution only some operations are shown: those that were ``spoken_of`` (ids), those that did not simply
    succeed, and the last of the others.
    ``stream`` is where the report will be read: its encoding decides what the timeline is drawn with.
    """
    shown = telling(history, MOST_OPERATIONS, spoken_of)
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


def telling(history: History, most: int, spoken_of: Collection[str] = ()) -> list[OperationRecord]:
    """Some of the operations of a long execution, in execution order, with the contexts around them."""
    if len(history.operations) <= most:
        return history.operations
    meant = [record for record in history.operations if record.id in spoken_of]
    special = [record for record in history.operations if not _uneventful(record)]
    last = [record for record in reversed(history.operations) if _uneventful(record)]
    chosen: set[str] = set()
    waiting = iter([*meant, *special, *last])
    while len(chosen) < most:
        record = next(waiting)
        chosen.update(one.id for one in [record, *_around(history, record)])
    return [record for record in history.operations if record.id in chosen]


def _uneventful(record: OperationRecord) -> bool:
    return record.status is OperationStatus.SUCCEEDED and record.attempts <= 1


def _around(history: History, record: OperationRecord) -> list[OperationRecord]:
    around: list[OperationRecord] = []
    parent = history.parent(record)
    while parent is not None:
        around.append(parent)
        parent = history.parent(parent)
    return around


def _errors(history: History, shown: Sequence[OperationRecord]) -> list[str]:
    """One line for each error; a context that only hands on the error of what is inside it is left out."""
    paths: dict[str, list[str]] = {}
    for record in shown:
        if record.error is not None and not _is_handed_on(history, record):
            paths.setdefault(_short(str(record.error)), []).append(history.path_of(record))
    return [f"{', '.join(where[:3])}{_more(len(where) - 3)}: {error}" for error, where in paths.items()]


def _short(error: str) -> str:
    line = " ".join(error.split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}..."


def _is_handed_on(history: History, record: OperationRecord) -> bool:
    inside = [child.error.message for child in history.children(record) if child.error is not None]
    said = (record.error.message if record.error is not None else None) or ""
    return any(message and message in said for message in inside)


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""


def _log(title: str, logs: Sequence[LogEntry]) -> str:
    shown = logs[-MOST_LOG_RECORDS:]
    some = "" if len(shown) == len(logs) else f" (the last {len(shown)} of {len(logs)}; result.logs has all)"
    return "\n".join([f"Log of {title}{some}, #n is the invocation", *map(_entry, shown)])


def _entry(entry: LogEntry) -> str:
    """Of a traceback only its end, the exception; ``result.logs`` has the rest."""
    when = f"{entry.time:%Y-%m-%d %H:%M:%S}"
    line = f"{when} #{entry.invocation} {entry.level} {entry.logger}: {' '.join(entry.message.split())}"
    return line if entry.traceback is None else f"{line}\n    {entry.traceback.rstrip().splitlines()[-1]}"
