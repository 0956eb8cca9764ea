"""All executions: how they start, what timers and the ends of invocations do to them, and how they end."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from durabletest.local.server.announcements import Announcements, TimerKind
from durabletest.local.server.callback_registry import TIMEOUTS, CallbackRegistry
from durabletest.local.server.checkpoints import CheckpointManager
from durabletest.local.server.execution_state import DurableExecution, PauseManager, StartRequest
from durabletest.local.server.identifiers import IdSource
from durabletest.local.server.journal import ErrorObject, Journal
from durabletest.local.server.operation_changes import OperationChanges
from durabletest.local.server.quotas import MAX_EXECUTION_PAYLOADS, InvokeTree, too_large_result
from durabletest.local.server.service_model import RefusedError

if TYPE_CHECKING:
    from durabletest.local.server.function_invokes import InvokeManager

LONGEST_BACKOFF = 300
"""Seconds between two attempts of an invocation."""
MAX_EMPTY_PENDINGS = 3
NOTHING_PENDING = "Cannot return PENDING status with no pending operations."
_TIMED_OUT = {"ErrorType": "ExecutionTimedOut", "ErrorMessage": "Execution timed out"}
"""Not documented by the service; chosen here, once."""
_STOPPED = {"ErrorType": "ExecutionStopped", "ErrorMessage": "Execution stopped"}


class ExecutionManager:
    """Starts executions, each with a checkpoint manager of its own, and ends them.

    A failed invocation is repeated after 1, 2, 4, 8 seconds and so on of virtual time; after as many failures in a row
    as the runner says, the execution fails. The service documents neither figure; both are chosen here, once.
    """

    invokes: InvokeManager
    """Set by that manager itself, which needs this one."""

    def __init__(
        self, callbacks: CallbackRegistry, ids: IdSource, now: Callable[[], datetime], announcements: Announcements
    ) -> None:
        self.pauses = PauseManager(self.arm_timeout, now, announcements)
        self._callbacks = callbacks
        self._ids = ids
        self._now = now
        self._announcements = announcements
        self._by_arn: dict[str, DurableExecution] = {}
        self._by_name: dict[tuple[int, str, str], DurableExecution] = {}
        self._by_function: defaultdict[str, dict[str, DurableExecution]] = defaultdict(dict)

    def get(self, arn: str) -> DurableExecution:
        """The execution of that ARN; an unknown one is refused with the service's own error."""
        execution = self.find(arn)
        if execution is None:
            raise RefusedError("ResourceNotFoundException", f"Durable execution not found: {arn}")
        return execution

    def find(self, arn: str) -> DurableExecution | None:
        return self._by_arn.get(arn)

    def of_function(self, name: str) -> list[DurableExecution]:
        """Every execution of the function of that bare name, in the order in which they started."""
        return list(self._by_function[name].values())

    def of_deployment(self, deployment: int) -> list[str]:
        """The ARNs of a runner's executions, invoked ones included, in the order in which they started."""
        return [arn for arn, execution in self._by_arn.items() if execution.request.deployment == deployment]

    def drop(self, arn: str) -> None:
        execution = self._by_arn.pop(arn)
        del self._by_function[execution.request.function.name][arn]
        del self._by_name[execution.request.identity(execution.name)]
        self._callbacks.drop(arn)

    # --- start ---

    def start(self, request: StartRequest) -> DurableExecution:
        """Start an execution; if one of that name exists and has the same input, return it (idempotent)."""
        existing = None if request.name is None else self._by_name.get(request.identity(request.name))
        if existing is not None:
            if existing.request.payload == request.payload:
                return existing
            text = f"Durable execution {existing.name!r} was already started with another input"
            raise RefusedError("DurableExecutionAlreadyStartedException", text)
        execution = self._create(request)
        self._by_arn[execution.arn] = self._by_name[request.identity(execution.name)] = execution
        self._by_function[request.function.name][execution.arn] = execution
        execution.checkpoints.changes.apply(
            {"Id": execution.execution_id, "Type": "EXECUTION", "Action": "START", "Payload": request.payload},
            {"ExecutionTimeout": execution.timeout},
        )
        self.arm_timeout(execution)
        self._announcements.invocation_due(execution.arn)
        bound = execution.invoke_tree.add(execution.depth)
        if bound is not None:
            self._announcements.endless(execution.arn, bound)
        return execution

    def _create(self, request: StartRequest) -> DurableExecution:
        execution_id = self._ids.execution()
        name = request.name or self._new_name(request)
        arn = f"{request.function.qualified_arn}/durable-execution/{name}/{execution_id}"
        changes = OperationChanges(arn, Journal(self._now), self._callbacks, self._now, self._announcements)
        checkpoints = CheckpointManager(execution_id, request, changes, self.invokes, self._ids)
        checkpoints.exceeded = lambda error: self._end(self._by_arn[arn], "FAIL", error=error)
        checkpoints.interrupted = lambda: self._interrupt(self._by_arn[arn])
        parent = None if request.parent is None else self._by_arn[request.parent[0]]
        tree, depth = (InvokeTree(), 0) if parent is None else (parent.invoke_tree, parent.depth + 1)
        return DurableExecution(execution_id, name, arn, request, self._now(), checkpoints, tree, depth)

    def arm_timeout(self, execution: DurableExecution) -> None:
        """Announce when the execution times out, in place of what was announced before.

        The service's own timeout is no timer: time does not move to it for a callback that nobody answers.
        """
        due, timer = execution.times_out_at, TimerKind.EXECUTION_TIMEOUT
        if execution.request.timeout is None:
            self._announcements.service_timeout_armed(execution.arn, due)
        elif execution.pause is not None and execution.pause.timeout_paused:
            self._announcements.timer_cancelled(execution.arn, timer)
            self._announcements.service_timeout_armed(execution.arn, due)
        else:
            self._announcements.timer_armed(execution.arn, timer, due)

    def _new_name(self, request: StartRequest) -> str:
        names = (f"execution-{number}" for number in itertools.count(len(self._by_arn) + 1))
        return next(name for name in names if request.identity(name) not in self._by_name)

    # --- changes from outside the handler ---

    def change(
        self, arn: str, operation_id: str, action: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """Change an operation that is pending; one that was cancelled, or of an ended execution, stays as it is."""
        execution = self.find(arn)
        if execution is None:
            return
        journal = execution.checkpoints.journal
        if execution.running and operation_id in journal.pending:
            outcome = {"Action": action, "Payload": result, "Error": error}
            operation_type = journal.operations[operation_id]["Type"]
            execution.checkpoints.change_from_outside({"Id": operation_id, "Type": operation_type, **outcome})

    def fire(self, arn: str, kind: TimerKind, operation_id: str | None) -> None:
        """Do what is due; nothing, if its execution has ended."""
        execution = self.get(arn)
        change = partial(self.change, arn, operation_id or "")
        match kind:
            case TimerKind.WAIT:
                change("SUCCEED")
            case TimerKind.STEP_RETRY:
                change("READY")
            case TimerKind.CALLBACK_TIMEOUT | TimerKind.HEARTBEAT_TIMEOUT:
                change("TIME_OUT", error=TIMEOUTS[kind])
            case TimerKind.EXECUTION_TIMEOUT if execution.running:
                self._end(execution, "TIME_OUT", error=_TIMED_OUT)
            case TimerKind.INVOCATION_RETRY if execution.running:
                self._announcements.invocation_due(execution.arn)

    # --- invocations ---

    def begin_invocation(self, arn: str) -> dict[str, Any] | None:
        """The event to invoke the handler with, and what goes into its context; None if it has ended or is paused.

        ``Target`` is the name under which the function was registered, None for the runner's own handler.
        """
        execution = self.get(arn)
        if not execution.running:
            return None
        if execution.status == "PAUSED" and execution.pause is not None:
            execution.pause.invocation_due = True
            return None
        error = execution.checkpoints.usage.invoked()
        if error is not None:
            self._end(execution, "FAIL", error=error)
            return None
        if execution.failures:  # this invocation takes the place of the repetition that is due
            self._announcements.timer_cancelled(arn, TimerKind.INVOCATION_RETRY)
        request = execution.request
        return {
            **execution.checkpoints.begin_invocation(),
            "FunctionName": request.function.name,
            "Version": request.function.version,
            "TenantId": request.tenant_id,
            "Target": request.target,
        }

    def invocation_answered(self, arn: str, output: Mapping[str, Any]) -> None:
        """The handler answered ``{"Status": ..., "Result": ..., "Error": ...}``."""
        execution = self.get(arn)
        if not execution.running:
            return
        execution.failures = 0
        if execution.interrupted:
            self._repeat(execution)
        elif output["Status"] == "PENDING" and execution.checkpoints.outcome is None:
            self._suspend(execution)
        else:
            self._complete(execution, output["Status"] == "SUCCEEDED", output.get("Result"), output.get("Error"))

    def invocation_failed(self, arn: str, error: ErrorObject) -> None:
        """The invocation itself failed: the handler raised, or its process ended."""
        execution = self.get(arn)
        if not execution.running:
            return
        if execution.interrupted:
            self._repeat(execution, error)
            return
        execution.checkpoints.end_invocation(error)
        if execution.checkpoints.outcome is not None:
            self._complete(execution, False, None, None)
            return
        execution.failures += 1
        if execution.failures >= execution.request.quotas.invocation_attempts:
            self._end(execution, "FAIL", error=error)
            return
        due = self._now() + timedelta(seconds=min(2 ** (execution.failures - 1), LONGEST_BACKOFF))
        self._announcements.timer_armed(arn, TimerKind.INVOCATION_RETRY, due)
        self._pause_after_invocation(execution)

    def _interrupt(self, execution: DurableExecution) -> None:
        execution.interrupted = True
        self.pauses.begin(execution)

    def _repeat(self, execution: DurableExecution, error: ErrorObject | None = None) -> None:
        """An invocation has ended that a pause had interrupted: another one is due, at the latest after the pause."""
        execution.interrupted = False
        execution.checkpoints.end_invocation(error)
        self._announcements.invocation_due(execution.arn)
        self._pause_after_invocation(execution)

    def _pause_after_invocation(self, execution: DurableExecution) -> None:
        if execution.status == "PAUSING":
            self.pauses.begin(execution)

    def _suspend(self, execution: DurableExecution) -> None:
        checkpoints = execution.checkpoints
        if checkpoints.has_unseen_changes:
            checkpoints.end_invocation()
            self._announcements.invocation_due(execution.arn)
        elif checkpoints.journal.pending:
            execution.empty_pendings = 0
            checkpoints.end_invocation()
        else:
            error = {"ErrorType": "InvalidParameterValueException", "ErrorMessage": NOTHING_PENDING}
            checkpoints.end_invocation(error)
            execution.empty_pendings += 1
            if execution.empty_pendings >= MAX_EMPTY_PENDINGS:
                self._end(execution, "FAIL", error=error)
            else:
                self._announcements.invocation_due(execution.arn)
        self._pause_after_invocation(execution)

    def _complete(
        self, execution: DurableExecution, succeeded: bool, result: str | None, error: ErrorObject | None
    ) -> None:
        """End the execution; a checkpointed outcome (too large to be returned) wins over the returned, empty one."""
        checkpointed = execution.checkpoints.outcome
        if checkpointed is not None:
            succeeded = checkpointed["Action"] == "SUCCEED"
            result, error = checkpointed.get("Payload"), checkpointed.get("Error")
        execution.checkpoints.end_invocation()
        if succeeded and result is not None:
            error = too_large_result(result, MAX_EXECUTION_PAYLOADS[execution.request.invocation_type])
            succeeded = error is None
        if succeeded:
            self._end(execution, "SUCCEED", result)
        else:
            self._end(execution, "FAIL", error=error or {})

    # --- end ---

    def stop(self, execution: DurableExecution, error: ErrorObject | None) -> None:
        """Stop a running execution; ``error`` is the reason that the caller of the API gave."""
        self._end(execution, "STOP", error=error or _STOPPED)

    def _end(
        self, execution: DurableExecution, action: str, result: str | None = None, error: ErrorObject | None = None
    ) -> None:
        """End the execution: by an outcome of its handler, or (TIME_OUT, STOP) with all that is open in it."""
        checkpoints = execution.checkpoints
        checkpoints.release()
        checkpoints.end_invocation()
        outcome = {"Action": action, "Payload": result, "Error": error}
        operation = checkpoints.changes.apply({"Id": execution.execution_id, "Type": "EXECUTION", **outcome})
        execution.status, execution.pause = operation["Status"], None
        execution.result, execution.error, execution.ended_at = result, error, self._now()
        self._callbacks.close_all(execution.arn, f"its execution is {execution.status}")
        self._announcements.changed(execution.arn)
        self._announcements.ended(execution.arn)
        if execution.request.parent is not None:
            self._complete_invoke(execution, action, *execution.request.parent)
        if action in ("TIME_OUT", "STOP"):
            checkpoints.changes.end_open(execution.status)
            reason = {"ErrorType": "ExecutionStopped", "ErrorMessage": f"its invoking execution is {execution.status}"}
            for child in map(self.find, execution.children):
                if child is not None and child.running:
                    self.stop(child, reason)

    def _complete_invoke(self, child: DurableExecution, action: str, parent_arn: str, operation_id: str) -> None:
        """Complete the operation that invoked this execution; a timeout has an error type of its own there."""
        error = child.error
        if action == "TIME_OUT":
            message = f"CHAINED_INVOKE timed out after {child.request.timeout} seconds."
            error = {"ErrorType": "ChainedInvoke.Timeout", "ErrorMessage": message}
        self.change(parent_arn, operation_id, action, child.result, error)
