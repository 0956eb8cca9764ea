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


def _answered_by(operation: ApiOperation, changes: bool = False) -> Callable[..., dict[str, Any]]:
    """The client's method for an operation; ``changes`` marks those by which a test changes what happens next."""

    def method(client: LocalLambdaClient, **request: Any) -> dict[str, Any]:
        return client._call(operation, request, changes)

    return method


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
        if self._checkpoint_delay:
            Event().wait(self._checkpoint_delay)
        return self._call(CheckpointServer.checkpoint_durable_execution, request)

    get_durable_execution_state = _answered_by(CheckpointServer.get_durable_execution_state)
    get_durable_execution = _answered_by(CheckpointServer.get_durable_execution)
    get_durable_execution_history = _answered_by(CheckpointServer.get_durable_execution_history)
    list_durable_executions_by_function = _answered_by(CheckpointServer.list_durable_executions_by_function)
    stop_durable_execution = _answered_by(CheckpointServer.stop_durable_execution, changes=True)
    pause_durable_execution = _answered_by(CheckpointServer.pause_durable_execution, changes=True)
    resume_durable_execution = _answered_by(CheckpointServer.resume_durable_execution, changes=True)
    delete_durable_execution = _answered_by(CheckpointServer.delete_durable_execution, changes=True)
    send_durable_execution_callback_success = _answered_by(
        CheckpointServer.send_durable_execution_callback_success, changes=True
    )
    send_durable_execution_callback_failure = _answered_by(
        CheckpointServer.send_durable_execution_callback_failure, changes=True
    )
    send_durable_execution_callback_heartbeat = _answered_by(
        CheckpointServer.send_durable_execution_callback_heartbeat, changes=True
    )

    def _call(self, operation: ApiOperation, request: dict[str, Any], changes: bool = False) -> dict[str, Any]:
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
        if self._faults is not None:
            return self._faults.checkpoint(self._client.checkpoint_durable_execution, request)
        return self._client.checkpoint_durable_execution(**request)

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        if self._faults is not None:
            return self._faults.state_read(self._client.get_durable_execution_state, request)
        return self._client.get_durable_execution_state(**request)


def _invalid_token(method: str) -> ClientError:
    api_operation = method.title().replace("_", "")
    return modelled_error("InvalidParameterValueException", "Invalid checkpoint token", api_operation)
