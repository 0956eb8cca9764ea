"""The result of an execution, as tests get it: outcome, operations, invocations, logs and reports."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from durabletest.errors import ExecutionFailedError, ExecutionNotCompletedError
from durabletest.histories import write_history
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import execution_title
from durabletest.model.lookup import member
from durabletest.model.metering import Cost, Prices, cost_of
from durabletest.model.operation import DurableOperation
from durabletest.model.records import (
    ErrorDetails,
    ExecutionRecord,
    ExecutionStatus,
    Invocation,
    LogEntry,
    OperationId,
    OperationRecord,
    OperationStatus,
)
from durabletest.model.times import Duration, delay
from durabletest.report.table import operation_table, printable, width_of
from durabletest.report.timeline import glyphs_for, timeline
from durabletest.value_checks import DEFAULT_MEMORY_SIZE, DEFAULT_RETENTION_DAYS, check_memory_size, check_retention

_ENDINGS = {
    ExecutionStatus.FAILED: "FAILED",
    ExecutionStatus.TIMED_OUT: "TIMED_OUT",
    ExecutionStatus.STOPPED: "was STOPPED",
}
_FRAME = re.compile(r'^  File "(?P<file>[^"\n]+)", line \d+, in .*\n(?:    .*\n)*', re.MULTILINE)
_FRAMEWORK = re.compile(r"[\\/](?:aws_durable_execution_sdk_python|concurrent[\\/]futures)[\\/]")
_OURS = f"{Path(__file__).parent}{os.sep}"
"""The folder of this package; a folder of the author's may have the same name."""


class OperationGetters:
    """The look-ups of operations in an execution: results have them, and runners for their last execution."""

    def _searched_view(self) -> ExecutionView:
        raise NotImplementedError

    def get_operation(self, path: str, index: int = 0) -> DurableOperation:
        """The operation with that name at any depth, or at that path; ``index`` chooses among several (R4.1)."""
        view = self._searched_view()
        return _handle(view, view.history().find(path, index))

    def get_operation_by_index(self, index: int) -> DurableOperation:
        """The operation at that position in execution order, from 0 (R4.2)."""
        view = self._searched_view()
        return _handle(view, view.history().by_index(index))

    def get_operation_by_name_and_index(self, name: str, index: int) -> DurableOperation:
        """The operation at that position among those of the name, from 0 (R4.3)."""
        return self.get_operation(name, index)

    def get_operation_by_id(self, operation_id: str) -> DurableOperation:
        """The operation with that id (R4.4)."""
        return self.get_operation(OperationId(operation_id))


def _handle(view: ExecutionView, record: OperationRecord) -> DurableOperation:
    return DurableOperation(view, OperationId(record.id))


class TestResult(OperationGetters):
    """The outcome and the history of one execution; while it is running, each call reads the current state."""

    __test__ = False

    def __init__(self, view: ExecutionView) -> None:
        self._view = view

    @property
    def arn(self) -> str:
        return self._view.arn

    @property
    def view(self) -> ExecutionView:
        """The execution behind this result."""
        return self._view

    @property
    def history(self) -> list[dict[str, Any]]:
        """The events in chronological order, as dictionaries exactly as boto3 gives them."""
        return list(self._view.history().events)

    def save_history(self, path: str | os.PathLike[str]) -> None:
        """Write the history to a file, for ``assertReplays``; a relative path is one from the current directory."""
        write_history(path, self.history)

    def get_history_events(self) -> list[dict[str, Any]]:
        return self.history

    def get_status(self) -> ExecutionStatus:
        return self._execution.status

    def get_result(self) -> Any:
        """The value that the handler returned.

        Raises ``ExecutionFailedError`` if the execution ended otherwise, ``ExecutionNotCompletedError`` while it runs.
        """
        execution = self._ended()
        if execution.status is not ExecutionStatus.SUCCEEDED:
            raise _failed(self._view, execution)
        return self._view.decode(execution.result, None)

    def get_error(self) -> ErrorDetails | None:
        """The error of the execution, ``None`` if it succeeded or ended without an error."""
        return self._ended().error

    def get_operations(self, status: OperationStatus | str | None = None) -> list[DurableOperation]:
        """All operations in execution order, or those with this status."""
        wanted = None if status is None else member(OperationStatus, status, "operation status")
        records = self._view.history().operations
        return [_handle(self._view, record) for record in records if wanted is None or record.status is wanted]

    def get_invocations(self) -> list[Invocation]:
        """The completed invocations of the handler, including those that crashed."""
        return list(self._view.history().invocations)

    @property
    def logs(self) -> tuple[LogEntry, ...]:
        """The log records of handler, SDK and plain functions, in order; child executions have theirs in their results.

        These are the records that pass the levels and filters of their loggers, whichever handlers they go to. In the
        cloud, records stay in CloudWatch, and this skips the test, as does everything that is local only, unless
        ``cloud_logs`` is set.
        """
        logs = self._view.logs()
        if logs is None:
            raise self._view.unavailable(
                "result.logs is local: what a deployed function logs is in CloudWatch; set cloud_logs = True, or mark "
                "the test @local_only"
            )
        return tuple(logs)

    def cost(
        self,
        memory: int = DEFAULT_MEMORY_SIZE,
        *,
        retention_days: int = DEFAULT_RETENTION_DAYS,
        invocation_duration: Duration | None = None,
        prices: Prices | None = None,
    ) -> Cost:
        """The cost of the execution so far, by the published metering; see :class:`durabletest.Cost`.

        ``memory`` is the function's, in MB. Virtual time passes while a handler sleeps, not while it computes: with
        ``invocation_duration`` (a timedelta, or seconds) each invocation is taken to have lasted that long. ``prices``
        take the place of those of US East (N. Virginia).
        """
        check_memory_size(memory, "memory")
        check_retention(retention_days, "retention_days")
        length = None if invocation_duration is None else delay(invocation_duration, "invocation_duration")
        return cost_of(self._view.history(), memory, retention_days, length, prices or Prices())

    def print(self, columns: Sequence[str] | None = None) -> None:
        """Write a table of all operations to stdout; see :data:`durabletest.report.table.COLUMNS` for the columns.

        On a terminal, errors are cut to fit into its width, elsewhere to fit into 100 columns.
        """
        history = self._view.history()
        width = width_of(sys.stdout)
        table = operation_table(history.operations, columns, width=width, start=history.execution.started_at)
        print(printable(table, sys.stdout))

    def timeline(self) -> str:
        """A timeline as text: one line an operation, contexts before the operations in them.

        It is as wide as the terminal if stdout is one, otherwise at most 100 columns.
        It is drawn with box characters if stdout can show them, otherwise in plain ASCII.
        """
        return timeline(self._view.history(), glyphs_for(sys.stdout), width=width_of(sys.stdout))

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a page about this execution and those that it has invoked to a file, and return its path.

        The page is one file for any browser, which loads nothing from a network: timeline, operations, attempts, events
        with their payloads, and log lines. It needs Jinja2: ``pip install 'durabletest[report]'``. Folders that do not
        exist are made.
        """
        from durabletest.report.page import page_of, recorded  # few tests need pages

        text = page_of(recorded(self._view))
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def __repr__(self) -> str:
        count = len(self._view.history().operations)
        operations = "1 operation" if count == 1 else f"{count} operations"
        return f"<TestResult of {execution_title(self.arn)}: {self.get_status()}, {operations}>"

    @property
    def _execution(self) -> ExecutionRecord:
        return self._view.history().execution

    def _searched_view(self) -> ExecutionView:
        return self._view

    def _ended(self) -> ExecutionRecord:
        execution = self._execution
        if not execution.ended:
            raise ExecutionNotCompletedError(
                f"{execution_title(self.arn)} is {execution.status}: it has no outcome yet; wait for execution.result()"
            )
        return execution


def _failed(view: ExecutionView, execution: ExecutionRecord) -> ExecutionFailedError:
    error = execution.error or ErrorDetails()
    place = view.refused_place(error)
    reason = (f" with {error}" if execution.error else "") + (f" ({place})" if place else "")
    stack_trace = error.stack_trace or logged_trace(view.logs(), error)
    trace = "".join(f"\n{indent(line.rstrip(), '  ')}" for line in stack_trace)
    return ExecutionFailedError(
        f"{execution_title(view.arn)} has no result: it {_ENDINGS[execution.status]}{reason}{trace}",
        status=execution.status,
        error_type=error.type,
        error_message=error.message,
        error_data=error.data,
        stack_trace=list(stack_trace) or None,
    )


def logged_trace(logs: Sequence[LogEntry] | None, error: ErrorDetails) -> tuple[str, ...]:
    """The author's frames in tracebacks of an error that the last invocation logged, the outermost first.

    The service records no stack trace when a handler raises, but the SDK logs it: first that of the step that failed,
    then that of the handler.
    """
    if not logs or not error.message:
        return ()
    tracebacks = [entry.traceback or "" for entry in logs if entry.invocation == logs[-1].invocation]
    matching = [text for text in reversed(tracebacks) if text.rstrip().endswith(f": {error.message}")]
    return tuple(dict.fromkeys(frame for text in matching for frame in own_frames(text)))


def own_frames(traceback: str) -> Iterator[str]:
    """The frames in the text of a traceback that belong neither to the SDK nor to this package."""
    for frame in _FRAME.finditer(traceback):
        if not frame["file"].startswith(_OURS) and _FRAMEWORK.search(frame["file"]) is None:
            yield frame[0].rstrip()
