"""boto3 clients whose requests end here: their own serialiser, parser and exceptions, and no connection."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID
from weakref import WeakSet

import botocore
import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.utils import parse_timestamp

from durabletest.errors import NotAvailableError, RunnerClosedError, UsageError
from durabletest.local.server.identifiers import REGION
from durabletest.local.server.service_model import service_model
from durabletest.routes import Route

API_OPERATIONS = (
    "CheckpointDurableExecution",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "GetDurableExecutionState",
    "Invoke",
    "ListDurableExecutionsByFunction",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "StopDurableExecution",
)
"""What the local server answers."""
_REQUEST_SPACE = 3 << 96
_SEND = "before-send.lambda"
_SIGN = "choose-signer.lambda"

_routed: WeakSet[Any] = WeakSet()


class Router:
    """Routes clients to one runner; ``target`` has a method for each operation, named as on a client of boto3.

    Requests are taken where boto3 would send them, and not signed before: everything else is boto3's own.
    """

    def __init__(self, target: Any) -> None:
        self._target = target
        self._routes: list[Route] = []
        self._own: Any = None
        self._closed = False
        self._request_ids = (str(UUID(int=_REQUEST_SPACE + number)) for number in itertools.count(1))

    def client(self) -> Any:
        """A client of boto3's that was made for this purpose, the same each time; nothing has to be configured."""
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
        """Put back every client that was routed; the one that was made here stays off the network for ever."""
        self._closed = True
        for route in self._routes:
            route.close()

    def _register(self, client: Any) -> None:
        client.meta.events.register_first(_SIGN, _unsigned)
        client.meta.events.register_first(_SEND, self._answer)

    def _unregister(self, client: Any) -> None:
        client.meta.events.unregister(_SIGN, _unsigned)
        client.meta.events.unregister(_SEND, self._answer)
        _routed.discard(client)

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_details: Any) -> AWSResponse:
        """Called by boto3 in place of a connection; what it raises other than refusals reaches the caller as it is."""
        if self._closed:
            raise RunnerClosedError("this Lambda client belongs to a closed runner: get one from a runner that is open")
        api_operation = event_name.rpartition(".")[2]
        method = self._method(api_operation)
        request_id = next(self._request_ids)
        try:
            members = method(**members_of(api_operation, request))
        except ClientError as error:
            return refusal(error, request_id)
        return answer(api_operation, members, request_id)

    def _method(self, api_operation: str) -> Callable[..., Any]:
        name = xform_name(api_operation)
        if api_operation not in API_OPERATIONS:
            raise NotAvailableError(
                f"{name} is not answered locally: of Lambda's API there is what concerns durable executions (to read, "
                "list and stop them, to answer their callbacks) and invoke. Replace this call in the test"
            )
        method: Callable[..., Any] = getattr(self._target, name)
        return method


def _unsigned(**_details: Any) -> Any:
    return botocore.UNSIGNED


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


REQUEST_ID_HEADER = "x-amzn-RequestId"


@cache
def operation_model(api_operation: str) -> OperationModel:
    """The model of one operation; kept, because its shapes are resolved anew in each model that is made."""
    model: OperationModel = service_model().operation_model(api_operation)
    return model


# --- requests ---


def members_of(api_operation: str, request: AWSPreparedRequest) -> dict[str, Any]:
    """The members of a request that boto3 is about to send, as its caller wrote them.

    JSON bodies of these operations hold neither timestamps nor blobs, so that they are what they say. A blob that is
    sent as the whole body is bytes; an empty body is no member, for the wire cannot tell the two apart.
    """
    shape: Any = operation_model(api_operation).input_shape
    url = urlsplit(request.url)
    sent = {
        "uri": _labels(api_operation, url.path),
        "querystring": parse_qs(url.query, keep_blank_values=True),
        "header": request.headers,
    }
    found = _body(shape, _bytes(request.body))
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location is not None and wire_name in sent[location]:
            found[name] = _from_text(member, sent[location][wire_name])
    return found


@cache
def _path(api_operation: str) -> re.Pattern[str]:
    """The path may have something before it: the client's endpoint may be one with a path."""
    parts = re.split(r"\{(\w+)\}", operation_model(api_operation).http["requestUri"])
    labels = (f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile(".*" + "".join(labels))


def _labels(api_operation: str, path: str) -> dict[str, str]:
    match = _path(api_operation).fullmatch(path)
    assert match is not None, f"botocore has built the path {path!r} for {api_operation}"
    return {name: unquote(value) for name, value in match.groupdict().items()}


def _bytes(body: Any) -> bytes:
    """The body; of a file, what is left of it."""
    if hasattr(body, "read"):
        body = body.read()
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def _body(shape: Any, body: bytes) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if not body:
        return {}
    if payload is None:
        document: dict[str, Any] = json.loads(body)
        return document
    return {payload: body if shape.members[payload].type_name == "blob" else json.loads(body)}


def _from_text(shape: Any, text: Any) -> Any:
    if shape.type_name == "list":
        return [_from_text(shape.member, item) for item in text]
    if isinstance(text, list):
        (text,) = text
    text = text.decode() if isinstance(text, bytes) else text
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name == "integer":
        return int(text)
    return parse_timestamp(text) if shape.type_name == "timestamp" else text


# --- answers ---


class _Raw(BytesIO):
    """A body as botocore reads it from a connection."""

    def stream(self, amt: int | None = None, decode_content: bool | None = None) -> Iterator[bytes]:  # noqa: ARG002
        """All of it."""
        yield self.read()


def answer(api_operation: str, members: Mapping[str, Any], request_id: str) -> AWSResponse:
    """The answer from which botocore parses these members."""
    shape: Any = operation_model(api_operation).output_shape
    payload, status, headers = shape.serialization.get("payload"), 200, {}
    document = dict(members)
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is not None and name in document:
            value = document.pop(name)
            if location == "statusCode":
                status = value
            else:
                headers[member.serialization["name"]] = value
    body = document[payload] if payload is not None else json.dumps(document, default=_seconds).encode()
    return _response(status, headers, body, request_id)


def refusal(error: ClientError, request_id: str) -> AWSResponse:
    """The answer from which botocore makes this very error, of the client's own exception class."""
    response: Any = error.response
    members = {name: value for name, value in response.items() if isinstance(value, str)}
    headers = {"x-amzn-ErrorType": response["Error"]["Code"]}
    body = json.dumps({"message": response["Error"]["Message"], **members}).encode()
    return _response(response["ResponseMetadata"]["HTTPStatusCode"], headers, body, request_id)


def _response(status: int, headers: Mapping[str, str], body: bytes, request_id: str) -> AWSResponse:
    sent = {"Content-Type": "application/json", "Content-Length": str(len(body)), REQUEST_ID_HEADER: request_id}
    return AWSResponse("https://lambda.local/", status, {**sent, **headers}, _Raw(body))


def _seconds(value: datetime) -> float:
    """Timestamps are seconds on the wire."""
    return value.timestamp()
