"""Chained invokes: an operation of one execution that another execution, or a plain function, completes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from durabletest.local.server.events import ErrorObject, Operation, error_of, result_of
from durabletest.local.server.executions import Execution, ExecutionManager, StartRequest
from durabletest.local.server.functions import FunctionDirectory, FunctionSpec, executed_version, split_name
from durabletest.local.server.messages import Announce, Changed, FunctionCallDue, FunctionUnknown, Timer
from durabletest.local.server.rules import MAX_INVOKE_PAYLOAD, too_large_result
from durabletest.local.server.stubbed import StubbedInvoke, StubbedInvokes
from durabletest.local.server.transitions import InvokeStarter, Update

_OUTCOMES = {
    "SUCCEEDED": "ChainedInvokeSucceeded",
    "FAILED": "ChainedInvokeFailed",
    "TIMED_OUT": "ChainedInvokeTimedOut",
    "STOPPED": "ChainedInvokeStopped",
}


class InvokeManager:
    """Starts the targets of chained invokes, and completes the invoking operation when they end."""

    def __init__(
        self,
        executions: ExecutionManager,
        directories: Mapping[int, FunctionDirectory],
        scopes: dict[str, int],
        stubbed: StubbedInvokes,
        now: Callable[[], datetime],
        announce: Announce,
    ) -> None:
        self._executions = executions
        self._directories = directories
        self._scopes = scopes
        self._stubbed = stubbed
        self._now = now
        self._announce = announce
        executions.invoke_starter = self._starter
        executions.on_ended = self._child_ended

    def function_answered(self, arn: str, operation_id: str, result: str | None, error: ErrorObject | None) -> None:
        """Complete the chained invoke of a plain function; more than 1 MiB of result is a failure."""
        if error is None and result is not None:
            error = too_large_result(result, MAX_INVOKE_PAYLOAD)
        self.complete(arn, operation_id, "FAILED" if error else "SUCCEEDED", None if error else result, error)

    def complete(self, arn: str, operation_id: str, status: str, result: str | None, error: ErrorObject | None) -> None:
        """Complete a chained invoke; one whose execution has ended, or that was cancelled, stays as it is."""
        execution = self._executions.get(arn, "CheckpointDurableExecution")
        operation = execution.checkpoints.operations[operation_id]
        if not execution.running or operation["Status"] != "STARTED":
            return
        details = {"Result": result, "Error": error}
        operation = execution.checkpoints.operations.change(operation_id, status, details, self._now())
        outcome = {"Result": result_of(result)} if status == "SUCCEEDED" else {"Error": error_of(error)}
        execution.checkpoints.events.record(_OUTCOMES[status], outcome, operation)
        execution.checkpoints.changed_outside(operation_id)

    def end_stubbed(self, timer: Timer) -> None:
        """The end that a stub told is due."""
        end, operation_id = self._stubbed.take(timer), timer.operation_id or ""
        if end.status == "SUCCEEDED":
            self.function_answered(timer.arn, operation_id, end.result, None)
        else:
            self.complete(timer.arn, operation_id, end.status, None, end.error)

    def _starter(self, execution: Execution) -> InvokeStarter:
        def start(operation: Operation, update: Update) -> None:
            target = update["ChainedInvokeOptions"]["FunctionName"]
            scope = self._scopes[execution.arn]
            found = self._directories[scope].find(target)
            invoke = StubbedInvoke(execution.arn, operation["Id"], target, update.get("Payload"))
            end = self._stubbed.decide(scope, invoke)
            if end is not None:
                self._record_start(execution, operation, update, {"ExecutedVersion": _version_of(target)})
                self._stubbed.arm(invoke, end)
            elif found is None:
                self._refuse(execution, operation, update)
            elif found[1].durable:
                self._start_child(execution, operation, update, *found)
            else:
                self._call_function(execution, operation, update, *found)

        return start

    def _start_child(
        self, parent: Execution, operation: Operation, update: Update, target: str, spec: FunctionSpec
    ) -> None:
        options = update["ChainedInvokeOptions"]
        child = self._executions.start(
            StartRequest(
                replace(spec, version=_version_of(options["FunctionName"])),
                update.get("Payload"),
                timeout=spec.timeout,
                tenant_id=options.get("TenantId"),
                parent=(parent.arn, operation["Id"]),
                page_size=parent.request.page_size,
                target=target,
                scope=parent.request.scope,
            )
        )
        parent.children.append(child.arn)
        self._scopes[child.arn] = self._scopes[parent.arn]
        version = child.request.function.version
        self._record_start(parent, operation, update, {"ExecutedVersion": version, "DurableExecutionArn": child.arn})

    def _call_function(
        self, execution: Execution, operation: Operation, update: Update, function: str, spec: FunctionSpec
    ) -> None:
        options = update["ChainedInvokeOptions"]
        version = _version_of(options["FunctionName"])
        self._record_start(execution, operation, update, {"ExecutedVersion": version})
        self._announce(
            FunctionCallDue(
                execution.arn,
                operation["Id"],
                function,
                spec.name,
                version,
                update.get("Payload"),
                options.get("TenantId"),
            )
        )

    def _refuse(self, execution: Execution, operation: Operation, update: Update) -> None:
        """The service fails such an invoke; its error type is not documented, so the API's own is taken."""
        target = update["ChainedInvokeOptions"]["FunctionName"]
        self._record_start(execution, operation, update, {})
        error = {"ErrorType": "ResourceNotFoundException", "ErrorMessage": f"Function not found: {target}"}
        self.complete(execution.arn, operation["Id"], "FAILED", None, error)
        self._announce(FunctionUnknown(execution.arn, operation["Id"], target))

    def _record_start(
        self, execution: Execution, operation: Operation, update: Update, recorded: Mapping[str, Any]
    ) -> None:
        options = update["ChainedInvokeOptions"]
        details = {"FunctionName": options["FunctionName"], "Input": result_of(update.get("Payload")), **recorded}
        if "TenantId" in options:
            details["TenantId"] = options["TenantId"]
        execution.checkpoints.events.record("ChainedInvokeStarted", details, operation)
        self._announce(Changed(execution.arn))

    def _child_ended(self, child: Execution) -> None:
        if child.request.parent is not None:
            arn, operation_id = child.request.parent
            error = _timed_out(child) if child.status == "TIMED_OUT" else child.error
            self.complete(arn, operation_id, child.status, child.result, error)


def _version_of(target: str) -> str:
    """The version that runs, by the qualifier in the invoke."""
    return executed_version(split_name(target)[1])


def _timed_out(child: Execution) -> ErrorObject:
    """What the invoking execution is told of a child's timeout: an error type of its own, as callbacks have theirs.

    A child that was stopped or has failed hands on its own error instead.
    """
    seconds = child.request.timeout
    return {"ErrorType": "ChainedInvoke.Timeout", "ErrorMessage": f"CHAINED_INVOKE timed out after {seconds} seconds."}
