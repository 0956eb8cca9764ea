"""Runs that end with an error of the test tool instead of the execution's outcome, and the texts of these errors."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from durabletest.errors import (
    DurableTestError,
    EndlessExecutionError,
    ExecutionStuckError,
    OperationNotFoundError,
    RunnerClosedError,
    UsageError,
)
from durabletest.local.deployment import Deployment, Deployments
from durabletest.local.invocations import Call, ExternalHandler, HandlerInvocation
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import split_name
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.stubbing import stub_for
from durabletest.model.history import History, as_written, execution_title
from durabletest.model.records import ExecutionStatus, OperationRecord, OperationType
from durabletest.model.wait_for_data import Watch
from durabletest.scripts import CallbackScript


class RunErrors:
    """Aborts runs, and keeps the errors: a stuck handler, an unknown function, a handler that is not durable."""

    def __init__(self, server: CheckpointWorkerManager, client: Any, deployments: Deployments) -> None:
        self._server = server
        self._client = client
        self._deployments = deployments
        self._aborted: dict[str, Exception] = {}

    def abort(self, arn: str, error: Exception) -> None:
        """End the whole run that this execution belongs to; the error is raised in every thread that waits for it."""
        while (parent := self._server.call(CheckpointServer.parent_of, arn)) is not None:
            self._client.stop_durable_execution(DurableExecutionArn=arn)
            arn = parent
        self._aborted[arn] = error
        self._client.stop_durable_execution(DurableExecutionArn=arn)

    def of(self, arn: str) -> Exception | None:
        return self._aborted.get(arn)

    def stuck(self, arn: str, watch: Watch | None) -> DurableTestError:
        """The error for a thread that waits for an execution, or for an operation of it, that nothing can move."""
        deployment = self._deployments.of(arn)
        if deployment is None:
            return RunnerClosedError(f"{execution_title(arn)} does not exist any more: its runner was closed or reset")
        return stuck_execution(
            arn, History(self._server.call(CheckpointServer.events_after, arn, 0)), deployment, watch
        )

    def forget(self, arn: str) -> None:
        self._aborted.pop(arn, None)


_WAITED_FOR = (OperationType.CALLBACK, OperationType.CHAINED_INVOKE, OperationType.WAIT)


def stuck_execution(
    arn: str, history: History, deployment: Deployment, watch: Watch | None = None
) -> ExecutionStuckError:
    """The error for an execution that nothing can move; with a ``watch``, for a wait for one of its operations."""
    waiting = [one for one in history.operations if one.type in _WAITED_FOR and not one.status.is_terminal]
    lines = [_waiting_for(record, history, deployment) for record in waiting]
    if history.execution.status is ExecutionStatus.PAUSED:
        lines.insert(0, "the end of its pause: write execution.resume() before you wait for its result")
    reasons = "\n".join(f"  - {line}" for line in lines) or "  - nothing: no operation is open"
    text = (
        f"{execution_title(arn)} is stuck: nothing runs, and no timer is left that could change that. It waits for\n"
        f"{reasons}"
    )
    try:
        if watch is not None:
            history.find(watch.path, watch.index)
    except OperationNotFoundError as error:
        missing, listing = str(error).split("\n", maxsplit=1)
        text = f"the test waits for an operation that does not exist: {missing}\n{text}\n{listing}"
    return ExecutionStuckError(text)


def _waiting_for(record: OperationRecord, history: History, deployment: Deployment) -> str:
    if record.type is not OperationType.CALLBACK:
        return f"{record.type} {history.path_of(record)!r} since {record.started_at:%Y-%m-%d %H:%M:%S}"
    named = as_written(history, record)
    name = named.name or record.id
    line = f"callback {history.path_of(named)!r}, which has no timeout and no scripted answer"
    script = deployment.scripts.find((name,))
    if script is not None:
        line = f"callback {history.path_of(named)!r}: {_why_open(script, record)}"
    return (
        f"{line}: write self.on_callback({name!r}).succeed(...) before the run, or start() it and call "
        "send_callback_success on its operation; on_callback(...).never() needs a timeout in the workflow"
    )


def _why_open(script: CallbackScript, callback: OperationRecord) -> str:
    """Why a callback that has a script still waits."""
    use = next((use for use in script.uses if use.callback.callback_id == callback.callback_id), None)
    if use is None:
        return "its script's answers are used up" if script.answers else "its script says nothing"
    if use.refused:
        return f"its script's answer was refused: {use.refused[0][1]}"
    if use.answer.closed:
        return "its script says .never(), and it has no timeout"
    return "its script sends heartbeats and no answer"


def not_registered(function: str, deployment: Deployment) -> str:
    reason = deployment.missing.get(split_name(function)[0])
    if reason is not None:
        return f"the workflow invokes {function!r}, which is not registered, as {reason}"
    known = [*deployment.durable_functions, *deployment.functions]
    close = get_close_matches(function, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listing = ", ".join(map(repr, known)) or "none"
    stub = stub_for(deployment.stubs, function)
    used_up = ""
    if stub is not None:
        used_up = f". The stub {stub} is there, and {'says nothing' if stub.is_silent else 'used up'}"
    return (
        f"the workflow invokes {function!r}, which is not registered.{hint} Registered: {listing}. Write "
        f"durable_functions = {{{function!r}: handler}} or functions = {{{function!r}: handler}} on the test class, or "
        f"register_durable_function({function!r}, handler) / register_function({function!r}, handler); or, for a "
        f"function that need not run, stub_invoke({function!r}).succeeds(...){used_up}"
    )


def without_end(arn: str, bound: str) -> EndlessExecutionError:
    """The error for an execution whose invokes exceed a bound of the server's."""
    return EndlessExecutionError(
        f"{execution_title(arn)} has no end: {bound}\nIf the payload says when to stop, see that it changes with each "
        "invoke; stub_invoke(name).succeeds(...) ends a chain at a target of your choice"
    )


def called_by_handler(call: str) -> UsageError:
    """The error for a call from handler code that would wait for handler code to end."""
    return UsageError(
        f"{call} was called by handler code, whose own invocation has to end before another one can run: it would wait "
        "for itself. To run another durable function, write context.invoke(name, payload) and durable_functions = "
        "{name: handler} on the test class; what belongs to the test goes before or after the run"
    )


def stuck_handler(call: Call, deployment: Deployment, stacks: str) -> str:
    begin = f"{call.name} made no progress for {deployment.watchdog:g} real seconds in {execution_title(call.arn)}: "
    handler = call.handler if isinstance(call, HandlerInvocation) else None
    if isinstance(handler, ExternalHandler):
        return f"{begin}{handler.progress()}. If it only needs longer, set watchdog (real seconds)"
    return (
        f"{begin}no checkpoint, no end. It may block, wait for real time, poll a clock that stands still while it "
        "runs, or return more from a step than the SDK sends at once (768,000 bytes), which then waits for ever. "
        f"Its threads:\n\n{stacks}\n\nIf it only needs longer, set watchdog on the test class (real seconds)"
    )
