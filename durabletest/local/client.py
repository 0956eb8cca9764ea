"""The Lambda client of an environment: boto3's methods for durable executions, answered by the local server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Event, current_thread
from typing import Any, Concatenate, TypeAlias

from botocore.exceptions import ClientError

from durabletest.local.deployment import Lease
from durabletest.local.faults import FaultInjector
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.service_model import exceptions, modelled_error
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.tasks import current_task

Use: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Entered for each request, with the name of its method; raises if the client may not be used any more."""
AwaitRest: TypeAlias = Callable[[AbstractContextManager[object]], None]
"""Returns when no handler code runs; the use of the client is entered to ask for it."""
ApiOperation: TypeAlias = Callable[Concatenate[CheckpointServer, ...], dict[str, Any]]
"""The server's method for an operation of the API."""


class LocalLambdaClient:
    """Same keyword arguments, same answers and same modelled errors as ``boto3.client("lambda")``.

    ``checkpoint_delay`` is a latency in real seconds that every checkpoint gets. ``await_rest`` is called before a
    request that changes something, so that it always has the same place in the order of events.
    """

    def __init__(
        self,
        server: CheckpointWorkerManager,
        checkpoint_delay: float = 0.0,
        use: Use = nullcontext,
        await_rest: AwaitRest = lambda _: None,
    ) -> None:
        self._server = server
        self._use = use
        self._await_rest = await_rest
        self._checkpoint_delay = checkpoint_delay

    @property
    def exceptions(self) -> Any:
        """The modelled exception classes, as on a client of boto3."""
        return exceptions()

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Record a batch of operation updates."""
        if self._checkpoint_delay:
            Event().wait(self._checkpoint_delay)
        return self._call(CheckpointServer.checkpoint_durable_execution, request)

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        """One page of an execution's operations."""
        return self._call(CheckpointServer.get_durable_execution_state, request)

    def get_durable_execution(self, **request: Any) -> dict[str, Any]:
        """An execution's status, input, result or error."""
        return self._call(CheckpointServer.get_durable_execution, request)

    def get_durable_execution_history(self, **request: Any) -> dict[str, Any]:
        """One page of an execution's history."""
        return self._call(CheckpointServer.get_durable_execution_history, request)

    def list_durable_executions_by_function(self, **request: Any) -> dict[str, Any]:
        """The executions of a function."""
        return self._call(CheckpointServer.list_durable_executions_by_function, request)

    def stop_durable_execution(self, **request: Any) -> dict[str, Any]:
        """End an execution with STOPPED."""
        return self._call(CheckpointServer.stop_durable_execution, request, changes=True)

    def pause_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Pause a running execution."""
        return self._call(CheckpointServer.pause_durable_execution, request, changes=True)

    def resume_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Resume a paused execution."""
        return self._call(CheckpointServer.resume_durable_execution, request, changes=True)

    def delete_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Forget an execution that has ended."""
        return self._call(CheckpointServer.delete_durable_execution, request, changes=True)

    def send_durable_execution_callback_success(self, **request: Any) -> dict[str, Any]:
        """Complete a callback."""
        return self._call(CheckpointServer.send_durable_execution_callback_success, request, changes=True)

    def send_durable_execution_callback_failure(self, **request: Any) -> dict[str, Any]:
        """Fail a callback."""
        return self._call(CheckpointServer.send_durable_execution_callback_failure, request, changes=True)

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> dict[str, Any]:
        """Keep a callback alive."""
        return self._call(CheckpointServer.send_durable_execution_callback_heartbeat, request, changes=True)

    def _call(self, operation: ApiOperation, request: dict[str, Any], changes: bool = False) -> dict[str, Any]:
        """Ask the server; ``changes`` marks requests by which a test changes what happens next."""
        task = current_task()
        if task is None:
            if changes:
                self._await_rest(self._use(operation.__name__))
            return self._answer(operation, request)
        task.busy = True
        try:
            return self._answer(operation, request)
        finally:
            task.busy = False

    def _answer(self, operation: ApiOperation, request: dict[str, Any]) -> dict[str, Any]:
        """Hold the lease to send the request, not to wait for the answer: the answering thread may end the lease."""
        if current_thread() is self._server.thread:
            return self._server.call(operation, **request)
        with self._use(operation.__name__):
            sent = self._server.send(operation, **request)
        answer: dict[str, Any] = self._server.receive(sent)
        return answer

    def leased(self, use: Use, await_rest: AwaitRest = lambda _: None) -> LocalLambdaClient:
        """Such a client with a lease of its own."""
        return LocalLambdaClient(self._server, self._checkpoint_delay, use, await_rest)


class RunnerClient(LocalLambdaClient):
    """The client of one runner: it can also invoke the functions that the runner knows."""

    def __init__(
        self,
        server: CheckpointWorkerManager,
        checkpoint_delay: float,
        use: Use,
        await_rest: AwaitRest,
        deployment: int,
    ) -> None:
        super().__init__(server, checkpoint_delay, use, await_rest)
        self._deployment = deployment

    def invoke(self, **request: Any) -> dict[str, Any]:
        """Start an execution of a durable function, with ``InvocationType="Event"``."""
        return self._call(CheckpointServer.invoke, {"deployment": self._deployment, **request}, changes=True)


class InvocationClient:
    """The client of one invocation, with the part of the API that the SDK uses, until it is revoked."""

    def __init__(self, client: LocalLambdaClient, faults: FaultInjector | None = None) -> None:
        self._lease = Lease()
        self._client = client.leased(self._lease.use)
        self._faults = faults

    def revoke(self) -> None:
        """Refuse every later request of this invocation."""
        self._lease.end(_invalid_token)

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Record a batch of operation updates."""
        if self._faults is not None:
            return self._faults.checkpoint(self._client.checkpoint_durable_execution, request)
        return self._client.checkpoint_durable_execution(**request)

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        """One page of the execution's operations."""
        if self._faults is not None:
            return self._faults.state_read(self._client.get_durable_execution_state, request)
        return self._client.get_durable_execution_state(**request)


def _invalid_token(method: str) -> ClientError:
    api_operation = method.title().replace("_", "")
    return modelled_error("InvalidParameterValueException", "Invalid checkpoint token", api_operation)
