"""A page about executions as one HTML file, for any browser, without a network."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView, children_of
from durabletest.model.history import History, execution_title
from durabletest.model.records import LogEntry, OperationStatus
from durabletest.model.times import span, stamp
from durabletest.report.lanes import FAULT, PAUSED, Recorded, Scale, css, lanes
from durabletest.report.table import error_text, visible
from durabletest.report.timeline import BOX, attempts_of, end_of, pauses_of

_TEMPLATES = Path(__file__).with_name("templates")
_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "critical"}


def recorded(view: ExecutionView) -> list[Recorded]:
    """An execution as it is now, and those that it and they have invoked."""
    children = [
        Recorded(child.arn, child.history, child.view.logs(), child.parent_arn, child.invoke.id)
        for child in children_of(view)
    ]
    return [Recorded(view.arn, view.history(), view.logs(), injected=view.injected()), *children]


@dataclass(frozen=True)
class HandlerCall:
    """An invocation with its log lines."""

    title: str
    when: str
    error: str
    logs: list[LogEntry]


def page_of(
    executions: Sequence[Recorded],
    title: str | None = None,
    failure: str | None = None,
    summary: str | None = None,
    index: str | None = None,
    index_title: str = "All failing tests",
) -> str:
    """The page of these executions as HTML; without a title, it has that of the first one.

    ``failure`` is the text of a failed test, ``summary`` its beginning, ``index`` the page that links to this one, with
    its title.
    """
    busy = [(one.started_at, one.ended_at) for execution in executions for one in execution.history.invocations]
    instants = [*_instants(executions), *(moment for times in busy for moment in times)]
    scale = Scale(instants, busy) if executions else None
    rows = [] if scale is None else list(lanes(executions, scale))
    roots = [execution for execution in executions if execution.parent_arn is None]
    facts = [f"{execution_title(root.arn)}: {_outcome(root.history)}" for root in roots]
    if title is None:
        title, facts = execution_title(executions[0].arn), [_outcome(executions[0].history)]
    facts += [f"Injected: {injected.words}" for root in roots for injected in root.injected]
    values = {
        "title": title,
        "facts": facts,
        "failure": failure,
        "summary": summary,
        "index": index,
        "index_title": index_title,
        "count": counted(sum(not row.is_execution for row in rows), "operation"),
        "ticks": [] if scale is None else scale.ticks(),
        "rows": rows,
        "runs": [_run(execution) for execution in executions],
        "legend": _legend(executions),
    }
    return rendered("page.html", values)


def require_jinja() -> None:
    """Raise ``UsageError`` if Jinja2 cannot be imported."""
    _environment()


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """A template with these values, each of them escaped."""
    return str(_environment().get_template(template).render(values))


@functools.cache
def _environment() -> Any:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise UsageError(
            f"pages are written with Jinja2, which cannot be imported ({error}): pip install 'durabletest[report]'"
        ) from error
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    style, script = ((_TEMPLATES / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.filters |= {"stamp": stamp, "level": lambda level: _LEVELS.get(level, "other")}
    environment.globals |= {"style": Markup(style), "script": Markup(script), "script_hash": f"sha256-{digest}"}
    environment.globals["counted"] = counted
    return environment


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _outcome(history: History) -> str:
    execution = history.execution
    parts = [f"{execution.status}" + (f" with {error_text(execution.error)}" if execution.error else "")]
    if execution.duration is not None:
        parts.append(f"took {span(execution.duration)}")
    if execution.started_at is not None:
        parts.append(f"started at {stamp(execution.started_at)}")
    parts.append(counted(len(history.invocations), "invocation"))
    return ", ".join(parts)


def _instants(executions: Sequence[Recorded]) -> list[datetime]:
    """The times of events, of faults, and of what is due."""
    moments: list[datetime] = []
    for execution in executions:
        history = execution.history
        moments += (event["EventTimestamp"] for event in history.events)
        moments += (end for record in history.operations if (end := end_of(record)) is not None)
        moments += (fault.at for fault in execution.injected if fault.at is not None)
    return moments


def _run(execution: Recorded) -> tuple[str, list[HandlerCall], str]:
    """The title of an execution, its invocations, and why their log lines are missing."""
    by_invocation: dict[int, list[LogEntry]] = {}
    for entry in execution.logs or ():
        by_invocation.setdefault(entry.invocation, []).append(entry)
    calls = []
    for invocation in execution.history.invocations:
        lines = by_invocation.pop(invocation.index, [])
        when = f"{stamp(invocation.started_at)}" + (f", {span(invocation.duration)}" if invocation.duration else "")
        error = f"crashed: {error_text(invocation.error)}" if invocation.error else ""
        calls.append(HandlerCall(f"#{invocation.index}", when, error, lines))
    calls += [HandlerCall(f"#{number}", "not completed", "", lines) for number, lines in sorted(by_invocation.items())]
    return execution_title(execution.arn), calls, execution.no_logs if execution.logs is None else ""


def _legend(executions: Sequence[Recorded]) -> list[tuple[str, str, str]]:
    """The class in the style sheet, the mark and the meaning of each mark that the page shows."""
    statuses = {record.status for execution in executions for record in execution.history.operations}
    seen = [status for status in OperationStatus if status in statuses]
    entries = list(dict.fromkeys((css(status), BOX.marks[status], css(status).replace("_", " ")) for status in seen))
    retried = [record for execution in executions for record in execution.history.operations if record.retry_delays]
    ends = [(attempts_of(record), None if record.next_attempt_at else -1) for record in retried]
    earlier = {attempt.failed for attempts, last in ends for attempt in attempts[:last]}
    entries += [("failed", BOX.failed_attempt, "failed attempt")] * (True in earlier)
    entries += [("poll", BOX.poll, "poll")] * (False in earlier)
    entries += [("poll", BOX.pause * 2, "until the next attempt")] * bool(retried)
    if any(pauses_of(execution.history) for execution in executions):
        entries.append(("paused", PAUSED, "execution paused"))
    if any(injected.at for execution in executions for injected in execution.injected):
        entries.append(("fault", FAULT, "injected fault"))
    return entries
