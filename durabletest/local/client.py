"""Lambda clients that the local server answers: one with boto3's methods for durable executions, and boto3's own.

A request of a boto3 client is taken when botocore has validated and serialised it (its event ``before-call``), with the
members that its caller gave (its event ``before-parameter-build``). What is returned there takes the place of the
parsed response, from which botocore raises the client's exceptions. Nothing is signed, sent, retried or parsed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from io import BytesIO
from threading import Event
from typing import Any, Concatenate, TypeAlias
from uuid import UUID
from weakref import WeakSet

import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.utils import parse_to_aware_datetime

from durabletest.errors import NotAvailableError, RunnerClosedError, UsageError
from durabletest.local.deployment import Lease
from durabletest.local.faults import FaultInjector
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import REGION
from durabletest.local.server.service_model import exceptions, modelled_error
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.tasks import current_task, may_serve
from durabletest.routes import Route

Use: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""``Lease.use``: entered for each request, with the name of its method; raises if that may not be used any more."""
AwaitRest: TypeAlias = Callable[[AbstractContextManager[object]], None]
"""``TestExecutionOrchestrator.await_rest``: returns when no handler code runs; the lease is entered to ask for it."""
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
        if self._checkpoint_delay:
            Event().wait(self._checkpoint_delay)
        return self._call(CheckpointServer.checkpoint_durable_execution, request)

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.get_durable_execution_state, request)

    def get_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.get_durable_execution, request)

    def get_durable_execution_history(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.get_durable_execution_history, request)

    def list_durable_executions_by_function(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.list_durable_executions_by_function, request)

    def stop_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.stop_durable_execution, request, changes=True)

    def pause_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.pause_durable_execution, request, changes=True)

    def resume_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.resume_durable_execution, request, changes=True)

    def delete_durable_execution(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.delete_durable_execution, request, changes=True)

    def send_durable_execution_callback_success(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.send_durable_execution_callback_success, request, changes=True)

    def send_durable_execution_callback_failure(self, **request: Any) -> dict[str, Any]:
        return self._call(CheckpointServer.send_durable_execution_callback_failure, request, changes=True)

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> dict[str, Any]:
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
        if self._server.is_mine:
            return self._server.call(operation, **request)
        with self._use(operation.__name__):
            sent = (self._server.take if may_serve() else self._server.send)(operation, **request)
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
    """The client of one invocation, with the part of the API that the SDK uses, until it is revoked.

    The SDK calls its methods: ``LambdaClient`` (in ``lambda_service.py``), which :class:`durabletest.sdk.HandlerEvent`
    makes of it, ``checkpoint_durable_execution`` in ``checkpoint`` for each batch that the SDK's loop of checkpoints
    sends, and ``get_durable_execution_state`` in ``get_execution_state`` for all pages of the state after the first.

    ``refused`` gives the error with which the next checkpoint is refused by a stub, None if it is not.
    """

    def __init__(
        self,
        client: LocalLambdaClient,
        faults: FaultInjector | None = None,
        refused: Callable[[], Exception | None] = lambda: None,
    ) -> None:
        self._lease = Lease()
        self._client = client.leased(self._lease.use)
        self._faults = faults
        self._refused = refused

    def revoke(self) -> None:
        """Refuse every later request of this invocation."""
        self._lease.end(_invalid_token)

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        if self._faults is not None:
            return self._faults.checkpoint(self._checkpoint, request)
        return self._checkpoint(**request)

    def _checkpoint(self, **request: Any) -> dict[str, Any]:
        error = self._refused()
        if error is not None:
            raise error
        return self._client.checkpoint_durable_execution(**request)

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        if self._faults is not None:
            return self._faults.state_read(self._client.get_durable_execution_state, request)
        return self._client.get_durable_execution_state(**request)


def _invalid_token(method: str) -> ClientError:
    api_operation = method.title().replace("_", "")
    return modelled_error("InvalidParameterValueException", "Invalid checkpoint token", api_operation)


# --- clients of boto3 ---

API_OPERATIONS = (
    "CheckpointDurableExecution",
    "DeleteDurableExecution",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "GetDurableExecutionState",
    "Invoke",
    "ListDurableExecutionsByFunction",
    "PauseDurableExecution",
    "ResumeDurableExecution",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "StopDurableExecution",
)
"""The operations that the local server answers."""
_REQUEST_SPACE = 3 << 96
"""Request ids are UUIDs that count from here."""
_BUILD = "before-parameter-build.lambda"
_CALL = "before-call.lambda"
_MEMBERS = "durabletest_members"
"""The key in the context of a request under which its members are kept from the first event to the second."""

_routed: WeakSet[Any] = WeakSet()


class Router:
    """Routes clients to one runner; ``target`` has a method for each operation, named as on a client of boto3."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._routes: list[Route] = []
        self._own: Any = None
        self._closed = False
        self._request_ids = (str(UUID(int=_REQUEST_SPACE + number)) for number in itertools.count(1))

    def client(self) -> Any:
        """A client of boto3 made for this purpose, the same each time; nothing has to be configured."""
        if self._own is None:
            self._own = _offline_client()
            self._register(self._own)
        return self._own

    def route(self, client: Any) -> Route:
        """Route an existing client, until the route is closed."""
        _check(client)
        self._register(client)
        _routed.add(client)
        route = Route(client, lambda: self._unregister(client))
        self._routes.append(route)
        return route

    def close(self) -> None:
        """Close all routes; the client that was made here is never connected to anything else."""
        self._closed = True
        for route in self._routes:
            route.close()

    def _register(self, client: Any) -> None:
        client.meta.events.register_last(_BUILD, _keep_members)
        client.meta.events.register_last(_CALL, self._answer)

    def _unregister(self, client: Any) -> None:
        client.meta.events.unregister(_BUILD, _keep_members)
        client.meta.events.unregister(_CALL, self._answer)
        _routed.discard(client)

    def _answer(self, model: Any, context: dict[str, Any], **_details: Any) -> tuple[AWSResponse, dict[str, Any]]:
        """The HTTP response and the parsed one; anything raised here but refusals reaches the caller as it is."""
        if self._closed:
            raise RunnerClosedError("this Lambda client belongs to a closed runner: get one from a runner that is open")
        method = self._method(model.name)
        parsed: dict[str, Any]
        try:
            parsed = _copied(model.output_shape, method(**_copied(model.input_shape, context[_MEMBERS])))
            status = parsed.get("StatusCode", model.http.get("responseCode", 200))
            if model.has_streaming_output:
                member = model.output_shape.serialization["payload"]
                parsed[member] = StreamingBody(BytesIO(parsed[member]), len(parsed[member]))
        except ClientError as error:
            response: Any = error.response
            parsed, status = {**response}, response["ResponseMetadata"]["HTTPStatusCode"]
        request_id = next(self._request_ids)
        headers = {"x-amzn-requestid": request_id}
        parsed["ResponseMetadata"] = {
            "RequestId": request_id,
            "HTTPStatusCode": status,
            "HTTPHeaders": headers,
            "RetryAttempts": 0,
        }
        return AWSResponse("https://lambda.local/", status, headers, BytesIO()), parsed

    def _method(self, api_operation: str) -> Callable[..., Any]:
        name = xform_name(api_operation)
        if api_operation not in API_OPERATIONS:
            raise NotAvailableError(
                f"{name} is not answered locally: of Lambda's API there is what concerns durable executions (to read, "
                "list, stop, pause, resume and delete them, to answer their callbacks) and invoke. Replace this call "
                "in the test"
            )
        method: Callable[..., Any] = getattr(self._target, name)  # a method of RunnerClient
        return method


def _keep_members(params: dict[str, Any], context: dict[str, Any], **_details: Any) -> None:
    context[_MEMBERS] = params


def _copied(shape: Any, value: Any) -> Any:
    """A copy that shares no dictionary or list with caller or server; its datetimes are aware, as those of botocore."""
    if shape.type_name == "structure":
        return {name: _copied(shape.members[name], member) for name, member in value.items()}
    if shape.type_name == "list":
        return [_copied(shape.member, item) for item in value]
    return parse_to_aware_datetime(value) if shape.type_name == "timestamp" else value


def _check(client: Any) -> None:
    service = getattr(getattr(getattr(client, "meta", None), "service_model", None), "service_name", None)
    if service is None:
        raise UsageError(f"route({client!r}): give a client of boto3, such as boto3.client('lambda')")
    if service != "lambda":
        raise UsageError(f"route(client): this is a client for {service}; only clients for lambda can be routed")
    if client in _routed:
        raise UsageError("route(client): this client is routed already; close its route before you route it anew")


# --- a client that needs nothing ---


@cache
def _session() -> Any:
    """A session that reads neither environment variables nor files, kept because it holds the service model."""
    known = botocore.session.Session.SESSION_VARIABLES
    variables = {name: (None, None, default, convert) for name, (_, _, default, convert) in known.items()}
    nowhere = (None, None, os.devnull, None)
    return botocore.session.Session(session_vars={**variables, "config_file": nowhere, "credentials_file": nowhere})


def _offline_client() -> Any:
    return _session().create_client(
        "lambda", region_name=REGION, aws_access_key_id="durabletest", aws_secret_access_key="durabletest"
    )
