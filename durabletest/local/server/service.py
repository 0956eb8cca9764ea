"""The server object that lives in the server's thread: the API, and what only the orchestrator may ask of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from durabletest.local.server.api import LambdaApi
from durabletest.local.server.callbacks import CallbackManager
from durabletest.local.server.executions import Execution, ExecutionManager, Services, StartRequest
from durabletest.local.server.functions import (
    FunctionDirectory,
    FunctionSpec,
    check_durable_name,
    executed_version,
    split_name,
)
from durabletest.local.server.ids import IdSource
from durabletest.local.server.invocations import Caller, Invocations
from durabletest.local.server.invokes import InvokeManager
from durabletest.local.server.lifecycle import InvocationOutcomes
from durabletest.local.server.messages import Announce, Timer
from durabletest.local.server.rules import check_input_size
from durabletest.local.server.stubbed import Decide, StubbedInvokes
from durabletest.local.server.timers import TimerActions
from durabletest.local.server.validation import validate_request


class CheckpointServer(LambdaApi):
    """All managers, wired together; every method runs in the one server thread."""

    def __init__(self, now: Callable[[], datetime], announce: Announce) -> None:
        services = Services(now, announce, IdSource())
        callbacks = CallbackManager(services.ids, now, announce)
        executions = ExecutionManager(services, callbacks)
        super().__init__(executions, callbacks, now, self._knows)
        self._directories: dict[int, FunctionDirectory] = {}
        self._callers: dict[int, Caller] = {}
        self._scopes: dict[str, int] = {}
        self._invocations = Invocations(self._directories, self._start)
        self._stubbed = StubbedInvokes(now, announce)
        self._invokes = InvokeManager(executions, self._directories, self._scopes, self._stubbed, now, announce)
        self._outcomes = InvocationOutcomes(executions, now, announce)
        self._ids = services.ids
        self._timers = TimerActions(executions, callbacks, now, announce, self._invokes.end_stubbed)

    def declare(self, caller: Caller) -> None:
        """A runner, and the function that it runs."""
        self._callers[caller.scope] = caller
        self._directories.setdefault(caller.scope, FunctionDirectory())

    def _knows(self, function: str) -> bool:
        """Whether there is a function of that bare name, be it that it was never invoked."""
        own = any(caller.own.name == function for caller in self._callers.values())
        return own or any(directory.has(function) for directory in self._directories.values())

    def register(self, scope: int, name: str, durable: bool, timeout: int | None = None) -> None:
        """Register a function for the executions of one runner (``scope``).

        ``timeout`` is its executions', in seconds.
        """
        self._directories.setdefault(scope, FunctionDirectory()).register(name, durable=durable, timeout=timeout)

    def stub_invokes(self, scope: int, decide: Decide) -> None:
        """Before anything else ask this function, in the server's thread, about the chained invokes of one runner."""
        self._stubbed.ask(scope, decide)

    def start(
        self,
        scope: int,
        function: str,
        payload: str | None,
        name: str | None = None,
        timeout: int | None = None,
        tenant_id: str | None = None,
        page_size: int | None = None,
    ) -> str:
        """Start an execution and give its ARN; ``page_size`` bounds the operations in one page of its state."""
        check_input_size(payload)
        given = {"FunctionName": function, "DurableExecutionName": name, "TenantId": tenant_id}
        validate_request("Invoke", {key: value for key, value in given.items() if value is not None})
        self._directories.setdefault(scope, FunctionDirectory())
        bare, qualifier = split_name(function)
        check_durable_name(bare)
        spec = FunctionSpec(bare, version=executed_version(qualifier))
        request = StartRequest(spec, payload, name, timeout, tenant_id, page_size=page_size, scope=scope)
        return self._start(request).arn

    def _start(self, request: StartRequest) -> Execution:
        execution = self._executions.start(request)
        self._scopes[execution.arn] = request.scope
        return execution

    def invoke(self, scope: int, **request: Any) -> dict[str, Any]:
        """The API's ``Invoke``, by code that runs in or beside the executions of a runner."""
        return self._invocations.invoke(self._callers[scope], request)

    def begin_invocation(self, arn: str) -> dict[str, Any] | None:
        """The event to invoke the handler with, and what goes into its context; None if the execution has ended.

        ``Target`` is the name under which the function was registered, None for the runner's own handler.
        """
        execution = self._executions.get(arn, "Invoke")
        if not execution.running:
            return None
        self._outcomes.began(execution)
        request = execution.request
        return {
            **execution.checkpoints.begin_invocation(),
            "FunctionName": request.function.name,
            "Version": request.function.version,
            "TenantId": request.tenant_id,
            "Target": request.target,
        }

    def invocation_answered(self, arn: str, output: Mapping[str, Any]) -> None:
        """The handler answered."""
        self._outcomes.answered(self._executions.get(arn, "Invoke"), output)

    def invocation_failed(self, arn: str, error: Mapping[str, Any]) -> None:
        """The invocation failed."""
        self._outcomes.failed(self._executions.get(arn, "Invoke"), error)

    def revoke(self, arn: str) -> None:
        """The invocation of this execution is dead from this moment on."""
        execution = self._executions.find(arn)
        if execution is not None:
            execution.checkpoints.revoke()

    def function_answered(
        self, arn: str, operation_id: str, result: str | None, error: Mapping[str, Any] | None
    ) -> None:
        """A plain function that a chained invoke named has ended."""
        self._invokes.function_answered(arn, operation_id, result, error)

    def request_id(self) -> str:
        """The request id for one call of a plain function."""
        return self._ids.request()

    def fire(self, timer: Timer) -> None:
        """A timer is due."""
        self._timers.fire(timer)

    def forget(self, scope: int) -> list[str]:
        """Drop every execution of one runner without a trace in any history; their ARNs are given."""
        arns = [arn for arn, number in self._scopes.items() if number == scope]
        for arn in arns:
            self._executions.drop(arn)
            self._callbacks.drop(arn)
            self._stubbed.drop(arn)
            del self._scopes[arn]
        return arns

    def restart_ids(self) -> None:
        """Number everything from the beginning again."""
        self._ids.restart()

    def scope_of(self, arn: str) -> int | None:
        """The runner whose execution this is, or whose execution invoked it; None if it was forgotten."""
        return self._scopes.get(arn)

    def executions_of(self, scope: int) -> list[str]:
        """The ARNs of a runner's executions, invoked ones included, in the order in which they started."""
        return [arn for arn, number in self._scopes.items() if number == scope]

    def parent_of(self, arn: str) -> str | None:
        """The ARN of the execution that invoked this one, if one did."""
        parent = self._executions.get(arn, "Invoke").request.parent
        return None if parent is None else parent[0]

    def events_after(self, arn: str, event_id: int) -> list[dict[str, Any]]:
        """The history's events after that one."""
        return self._executions.get(arn, "GetDurableExecutionHistory").checkpoints.events.events[event_id:]

    def heartbeats(self, callback_id: str) -> int:
        """How many heartbeats a callback was sent."""
        return self._callbacks.heartbeats(callback_id)
