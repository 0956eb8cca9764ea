"""What the live page shows: time, functions, and executions with what each of them waits for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

from durabletest.execution_handle import Execution
from durabletest.local.execution import LocalExecution
from durabletest.model.history import History, as_written, execution_name
from durabletest.model.records import OperationType
from durabletest.report.page import page_of, recorded
from durabletest.report.table import error_text, visible
from durabletest.serve.lambda_endpoint import LambdaEndpoint, Pace

SHOWN = 100
"""So many executions are shown, those that started last, with all others that have not ended."""
_CLIPPED = 300
"""The most characters of a payload or error that are shown."""


class Overview:
    """Reads the executions of an endpoint; its methods block for a moment, so they are not for its event loop."""

    def __init__(self, endpoint: LambdaEndpoint) -> None:
        self._endpoint = endpoint
        self._runner = endpoint.runner
        self._lock = Lock()
        self._views: dict[str, LocalExecution] = {}
        self._ended: dict[str, dict[str, Any]] = {}

    def state(self) -> dict[str, Any]:
        """All that the page shows, as JSON; times are ISO texts in UTC.

        ``now``, and ``due``, the time of the earliest timer; ``pace``; ``functions``, by their names; the ``total`` of
        executions, and the ``executions`` that are shown, the newest first, with ``callbacks`` to be answered and what
        else they are ``waiting`` for.
        """
        with self._lock:
            arns = self._runner.executions().result()
            for arn in self._views.keys() - set(arns):
                del self._views[arn]
                self._ended.pop(arn, None)
            found = [row for arn in reversed(arns) if (row := self._row(arn)) is not None]
        rows = [row for place, row in enumerate(found) if place < SHOWN or row["ended"] is None]
        dues = [waiting["due"] for row in rows for waiting in row["waiting"] if waiting["due"] is not None]
        return {
            "now": _iso(self._runner.now),
            "due": min(dues, default=None),
            "pace": self._endpoint.pace.value,
            "held": self._endpoint.pace is Pace.SKIP and any(row["callbacks"] for row in rows),
            "functions": self._runner.names,
            "total": len(arns),
            "executions": rows,
        }

    def page(self, execution_id: str) -> str | None:
        """The page of one execution, and of those that it has invoked; None if there is none of that id."""
        arns = self._runner.executions().result()
        arn = next((arn for arn in arns if arn.rpartition("/")[2] == execution_id), None)
        if arn is None:
            return None
        view = self._runner.view(arn)
        return page_of(recorded(view), index="/", index_title="All executions")

    def _row(self, arn: str) -> dict[str, Any] | None:
        if arn in self._ended:
            return self._ended[arn]
        view = self._views.setdefault(arn, self._runner.view(arn))
        try:
            row = self._read(view)
        except ClientError:  # it was deleted a moment ago
            return None
        if row["ended"] is not None:
            self._ended[arn] = row
        return row

    def _read(self, view: LocalExecution) -> dict[str, Any]:
        history, pending = view.history(), Execution(view).pending()
        execution, failure = history.execution, self._runner.failure(view.arn)
        outcome = error_text(execution.error) if execution.error else execution.result
        return {
            "arn": view.arn,
            "id": view.arn.rpartition("/")[2],
            "name": execution_name(view.arn),
            "function": view.arn.split(":")[6],
            "status": str(execution.status),
            "started": _iso(execution.started_at),
            "ended": _iso(execution.ended_at),
            "outcome": _clipped(outcome if failure is None else f"{type(failure).__name__}: {failure}"),
            "callbacks": list(_callbacks(history)),
            "waiting": [
                {"operation": each.operation, "reason": each.reason, "due": _iso(each.due)}
                for each in pending
                if each.reason != "callback"
            ],
        }


def _callbacks(history: History) -> Iterator[dict[str, Any]]:
    """The callbacks that wait for an answer, by the paths that their author knows."""
    for record in history.operations:
        if record.type is OperationType.CALLBACK and not record.status.is_terminal:
            yield {"id": record.callback_id, "name": history.path_of(as_written(history, record))}


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _clipped(text: str | None) -> str | None:
    if text is None:
        return None
    return visible(text if len(text) <= _CLIPPED else f"{text[:_CLIPPED]}…")
