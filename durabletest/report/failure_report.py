"""The report about an execution that failure messages end with: operations, timeline, errors, and log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TextIO

from durabletest.model.execution_view import Child
from durabletest.model.history import History, execution_title
from durabletest.model.records import LogEntry, OperationRecord, OperationStatus
from durabletest.model.times import stamp
from durabletest.report.table import report_table, shortened, visible, width_of, wrapped
from durabletest.report.timeline import glyphs_for, timeline

MOST_OPERATIONS = 60
MOST_CHILDREN = 3
MOST_OPERATIONS_OF_A_CHILD = 20
MOST_LOG_RECORDS = 20
_LONGEST_ERROR = 300


def failure_report(
    history: History,
    title: str,
    logs: Sequence[LogEntry] | None,
    stream: TextIO | None,
    spoken_of: Collection[str] = (),
    children: Iterable[Child] = (),
) -> str:
    """The report as text; sections that would be empty are left out.

    ``title`` is that of the execution. ``logs`` is ``None`` if log records are not available. ``stream`` is where the
    report will be written: its encoding decides how the timeline is drawn, its width how much of names and errors is
    shown. ``spoken_of`` are ids of operations that the failed claims are about; see :func:`most_relevant`.
    ``children`` are the executions that failed chained invokes have started; their operations and errors are shown.
    """
    width = width_of(stream)
    shown = most_relevant(history, MOST_OPERATIONS, spoken_of)
    number = len(history.operations)
    some = "" if len(shown) == number else f" ({len(shown)} of {number}; result.print() shows all)"
    start = history.execution.started_at
    sections = [f"Operations of {title}{some}\n{report_table(shown, width, start)}"]
    if start is not None and any(event["EventTimestamp"] != start for event in history.events):
        drawn = timeline(history, glyphs_for(stream), shown, width)
        sections.append(f"Timeline from {stamp(start)}{some.replace('print', 'timeline')}\n{drawn}")
    sections += _errors(history, title, shown, width)
    if logs:
        sections.append(_log(title, logs, width))
    for child in children:
        sections += _child_sections(child, width)
    return "\n\n".join(sections)


def _child_sections(child: Child, width: int) -> list[str]:
    history = child.history
    title = execution_title(child.arn)
    shown = most_relevant(history, MOST_OPERATIONS_OF_A_CHILD)
    number = len(history.operations)
    some = "" if len(shown) == number else f" ({len(shown)} of {number})"
    head = f"Operations of {title}{some}, invoked by {child.path!r}: it is {history.execution.status}"
    table = report_table(shown, width, history.execution.started_at)
    return [f"{head}\n{table}", *_errors(history, title, shown, width)]


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


def _errors(history: History, title: str, shown: Sequence[OperationRecord], width: int) -> list[str]:
    """The section with one entry for each error, with the paths of the operations that have it; none without errors.

    A context that only passes on the error of an operation inside it is left out.
    """
    paths: dict[str, list[str]] = {}
    for record in shown:
        if record.error is not None and not _is_passed_on(history, record):
            text = shortened(visible(" ".join(str(record.error).split())), _LONGEST_ERROR)
            paths.setdefault(text, []).append(history.path_of(record))
    lines = []
    for error, where in paths.items():
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        lines += wrapped(f"{', '.join(where[:3])}{more}: {error}", width)
    return ["\n".join([f"Errors of {title}", *lines])] if lines else []


def _is_passed_on(history: History, record: OperationRecord) -> bool:
    own = (record.error.message if record.error is not None else None) or ""
    inner = [child.error.message for child in history.children(record) if child.error is not None]
    return any(message and message in own for message in inner)


def _log(title: str, logs: Sequence[LogEntry], width: int) -> str:
    shown = logs[-MOST_LOG_RECORDS:]
    some = "" if len(shown) == len(logs) else f" (the last {len(shown)} of {len(logs)}; result.logs has all)"
    lines = [f"Log of {title}{some}, #n is the invocation"]
    for entry in shown:
        head = f"{entry.time:%Y-%m-%d %H:%M:%S} #{entry.invocation} {entry.level} {entry.logger}"
        lines += wrapped(f"{head}: {visible(' '.join(entry.message.split()))}", width)
        if entry.traceback is not None:  # its last line is the exception
            lines += wrapped(f"    {visible(entry.traceback.rstrip().splitlines()[-1])}", width)
    return "\n".join(lines)
