"""What an invocation's end means for its execution: done, suspended, failed, or to be repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from durabletest.local.server.executions import Execution, ExecutionManager
from durabletest.local.server.messages import Announce, InvocationDue, Timer, TimerCancelled, TimerKind
from durabletest.local.server.rules import MAX_EXECUTION_PAYLOAD, MAX_INVOKE_PAYLOAD, too_large_result

MAX_FAILED_INVOCATIONS = 5
MAX_EMPTY_PENDINGS = 3
NOTHING_PENDING = "Cannot return PENDING status with no pending operations."


class InvocationOutcomes:
    """Applies what the handler answered, or how its invocation failed, to the execution.

    A failed invocation is repeated after 1, 2, 4 and 8 seconds of virtual time; the fifth failure in a row fails the
    execution. The service documents neither figure; both are chosen here, once.
    """

    def __init__(self, executions: ExecutionManager, now: Callable[[], datetime], announce: Announce) -> None:
        self._executions = executions
        self._now = now
        self._announce = announce

    def began(self, execution: Execution) -> None:
        """The handler is invoked: if something came before the repetition that was due, this is that repetition."""
        if execution.failures:
            self._announce(TimerCancelled(TimerKind.INVOCATION_RETRY, execution.arn))

    def answered(self, execution: Execution, output: Mapping[str, Any]) -> None:
        """The handler answered ``{"Status": ..., "Result": ..., "Error": ...}``."""
        if not execution.running:
            return
        execution.failures = 0
        if output["Status"] == "PENDING" and execution.checkpoints.outcome is None:
            self._suspended(execution)
        else:
            self._completed(execution, output)

    def failed(self, execution: Execution, error: Mapping[str, Any]) -> None:
        """The invocation itself failed: the handler raised, or its process ended."""
        if not execution.running:
            return
        execution.checkpoints.end_invocation(error)
        if execution.checkpoints.outcome is not None:
            self._completed(execution, {})
            return
        execution.failures += 1
        if execution.failures >= MAX_FAILED_INVOCATIONS:
            self._executions.fail(execution, error)
            return
        due = self._now() + timedelta(seconds=2 ** (execution.failures - 1))
        self._announce(Timer(due, TimerKind.INVOCATION_RETRY, execution.arn))

    def _completed(self, execution: Execution, output: Mapping[str, Any]) -> None:
        """A checkpointed outcome (it was too large to be answered) wins over the answer, which is empty then."""
        checkpointed = execution.checkpoints.outcome
        if checkpointed is not None:
            succeeded, result, error = (
                checkpointed["Action"] == "SUCCEED",
                checkpointed.get("Payload"),
                checkpointed.get("Error"),
            )
        else:
            succeeded, result, error = output["Status"] == "SUCCEEDED", output.get("Result"), output.get("Error")
        execution.checkpoints.end_invocation()
        if succeeded and result is not None:
            error = too_large_result(result, MAX_INVOKE_PAYLOAD if execution.request.parent else MAX_EXECUTION_PAYLOAD)
            succeeded = error is None
        if succeeded:
            self._executions.succeed(execution, result)
        else:
            self._executions.fail(execution, error or {})

    def _suspended(self, execution: Execution) -> None:
        checkpoints = execution.checkpoints
        if checkpoints.has_news:
            checkpoints.end_invocation()
            self._announce(InvocationDue(execution.arn))
        elif checkpoints.operations.pending:
            execution.empty_pendings = 0
            checkpoints.end_invocation()
        else:
            self._refuse_pending(execution)

    def _refuse_pending(self, execution: Execution) -> None:
        error = {"ErrorType": "InvalidParameterValueException", "ErrorMessage": NOTHING_PENDING}
        execution.checkpoints.end_invocation(error)
        execution.empty_pendings += 1
        if execution.empty_pendings >= MAX_EMPTY_PENDINGS:
            self._executions.fail(execution, error)
        else:
            self._announce(InvocationDue(execution.arn))
