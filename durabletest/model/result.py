"""What became of an execution: the object that tests get back and ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import indent
from typing import Any

from durabletest.errors import ExecutionFailedError, ExecutionNotCompletedError
from durabletest.model.details import ErrorDetails
from durabletest.model.enums import ExecutionStatus, OperationStatus
from durabletest.model.logs import LogEntry
from durabletest.model.operation import DurableOperation
from durabletest.model.records import ExecutionRecord, Invocation, OperationId, OperationRecord
from durabletest.model.suggest import member
from durabletest.model.traces import logged_trace
from durabletest.model.view import ExecutionView, execution_title
from durabletest.report.glyphs import glyphs_for
from durabletest.report.table import print_operations
from durabletest.report.timeline import timeline


class TestResult:
    """The outcome and the history of one execution; of one that is still running, the state at each question."""

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
        """The raw material: the events as boto3 gives them, in chronological order."""
        return list(self._view.history().events)

    def get_history_events(self) -> list[dict[str, Any]]:
        return self.history

    def get_status(self) -> ExecutionStatus:
        return self._execution.status

    def get_result(self) -> Any:
        """The value that the handler returned; unless the execution has SUCCEEDED there is none, and this raises."""
        execution = self._ended()
        if execution.status is not ExecutionStatus.SUCCEEDED:
            raise _failed(self._view, execution)
        return self._view.decode(execution.result, None)

    def get_error(self) -> ErrorDetails | None:
        """What the execution failed with, ``None`` if it succeeded or ended without an error."""
        return self._ended().error

    def get_operations(self, status: OperationStatus | str | None = None) -> list[DurableOperation]:
        """All operations in execution order, or those that have this status."""
        wanted = None if status is None else member(OperationStatus, status, "operation status")
        records = self._view.history().operations
        return [self._handle(record) for record in records if wanted is None or record.status is wanted]

    def get_operation(self, path: str, index: int = 0) -> DurableOperation:
        """The operation with that name at any depth, or at that path; ``index`` picks among several."""
        return self._handle(self._view.history().find(path, index))

    def get_operation_by_index(self, index: int) -> DurableOperation:
        """The operation at that place in execution order."""
        return self._handle(self._view.history().by_index(index))

    def get_operation_by_name_and_index(self, name: str, index: int) -> DurableOperation:
        return self.get_operation(name, index)

    def get_operation_by_id(self, operation_id: str) -> DurableOperation:
        return self._handle(self._view.history().by_id(operation_id))

    def get_invocations(self) -> list[Invocation]:
        """The completed calls of the handler, crashed ones included."""
        return list(self._view.history().invocations)

    @property
    def logs(self) -> tuple[LogEntry, ...]:
        """What handler, SDK and plain functions have logged, in order; a child execution's is in its own result.

        These are the records that have passed the levels and filters of their loggers, wherever these send them. In
        the cloud records go to CloudWatch and do not come back: this then skips the test, as all that is local only.
        """
        logs = self._view.logs()
        if logs is None:
            raise self._view.unavailable(
                "result.logs is local: what a deployed function logs is in CloudWatch; mark the test @local_only"
            )
        return tuple(logs)

    def print(self, columns: Sequence[str] | None = None) -> None:
        """Write a table of all operations to stdout; see :data:`durabletest.report.table.COLUMNS` for the columns."""
        print_operations(self._view.history().operations, columns)

    def timeline(self) -> str:
        """What happened when, as text of at most 100 columns: one line an operation, contexts before what is in them.

        It is drawn with box characters if stdout can show them, otherwise in plain ASCII.
        """
        return timeline(self._view.history(), glyphs_for(sys.stdout))

    def __repr__(self) -> str:
        count = len(self._view.history().operations)
        operations = "1 operation" if count == 1 else f"{count} operations"
        return f"<TestResult of {execution_title(self.arn)}: {self.get_status()}, {operations}>"

    @property
    def _execution(self) -> ExecutionRecord:
        return self._view.history().execution

    def _handle(self, record: OperationRecord) -> DurableOperation:
        return DurableOperation(self._view, OperationId(record.id))

    def _ended(self) -> ExecutionRecord:
        execution = self._execution
        if not execution.ended:
            msg = (
                f"{execution_title(self.arn)} is {execution.status}: it has no outcome yet; wait for execution.result()"
            )
            raise ExecutionNotCompletedError(msg)
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


_ENDINGS = {
    ExecutionStatus.FAILED: "FAILED",
    ExecutionStatus.TIMED_OUT: "TIMED_OUT",
    ExecutionStatus.STOPPED: "was STOPPED",
}
