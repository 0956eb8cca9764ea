"""boto3 clients that the local server answers: with their own validation and exceptions, and without a connection.

A request is taken when botocore has validated and serialised it (its event ``before-call``), with the members that its
caller gave (its event ``before-parameter-build``). What is returned there takes the place of the parsed response, from
which botocore raises the client's exceptions. Nothing is signed, sent, retried or parsed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import cache
from io import BytesIO
from typing import Any
from uuid import UUID
from weakref import WeakSet

import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.utils import parse_to_aware_datetime

from durabletest.errors import NotAvailableError, RunnerClosedError, UsageError
from durabletest.local.server.identifiers import REGION
from durabletest.routes import Route

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
            status = parsed.get("StatusCode", 200)
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
        method: Callable[..., Any] = getattr(self._target, name)
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
