"""The REST-JSON protocol from the service's side, as botocore's model has it: requests in, answers out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.utils import parse_timestamp

from durabletest.local.server.service_model import service_model

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
