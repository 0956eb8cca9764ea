"""The REST-JSON protocol from the service's side, driven by botocore's service model: requests in, answers out."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.exceptions import ClientError
from botocore.utils import parse_timestamp

from durabletest.local.client import API_OPERATIONS
from durabletest.local.server.service_model import service_model

_JSON = "application/json"


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came: ``target`` is path and query, still percent-encoded; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class HttpAnswer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class ApiCall:
    """One decoded request: the API operation and its members, as boto3's caller wrote them."""

    operation: str
    members: dict[str, Any]


class RequestRefusedError(Exception):
    """A request that is none of the API's: with the status, the error code and the words of its answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


@cache
def _routes() -> list[tuple[str, re.Pattern[str], Any]]:
    model: Any = service_model()
    models = [model.operation_model(name) for name in API_OPERATIONS if name in model.operation_names]
    return [(each.http["method"], _pattern(each.http["requestUri"]), each) for each in models]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    labels = (f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile("".join(labels))


# --- requests ---


def decode(request: HttpRequest) -> ApiCall:
    """The call for which a request stands; raises :class:`RequestRefusedError` if it is none that the model describes.

    Types are checked as far as the wire needs it; the rest is for the validation of the members.
    """
    path, _, query = request.target.partition("?")
    for method, pattern, model in _routes():
        found = pattern.fullmatch(path)
        if method == request.method and found:
            return ApiCall(model.name, _members(model, found.groupdict(), query, request))
    raise RequestRefusedError(
        404,
        "UnknownOperationException",
        f"{request.method} {path} is no operation that is served here: of Lambda's API there is Invoke, and what "
        "concerns durable executions",
    )


def _members(model: Any, labels: Mapping[str, str], query: str, request: HttpRequest) -> dict[str, Any]:
    shape: Any = model.input_shape
    payload = shape.serialization.get("payload")
    document = {} if payload is not None or not request.body else _document(request)
    values = parse_qs(query, keep_blank_values=True)
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri" and wire_name in labels:
            found[name] = _parsed(name, partial(_from_label, member), labels[wire_name])
        elif location == "querystring" and wire_name in values:
            found[name] = _parsed(name, partial(_from_query, member), values[wire_name])
        elif location == "header" and wire_name.lower() in request.headers:
            found[name] = _parsed(name, partial(_from_text, member), request.headers[wire_name.lower()])
        elif name == payload and request.body:
            found[name] = _payload(model, member, name, request)
        elif location is None and document.get(wire_name) is not None:
            found[name] = _from_json(member, document[wire_name], name)
    return found


def _payload(model: Any, shape: Any, name: str, request: HttpRequest) -> Any:
    """The member that the whole body stands for; that of ``Invoke`` is JSON, which botocore sends without a type."""
    if shape.type_name != "blob":
        return _from_json(shape, _document(request), name)
    if model.name == "Invoke":
        _check_content_type(request, _JSON, "application/octet-stream")
    return request.body


def _check_content_type(request: HttpRequest, *allowed: str) -> None:
    kind = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if kind not in allowed:
        raise RequestRefusedError(415, "UnsupportedMediaTypeException", f"the Content-Type is {kind}, not {_JSON}")


def _document(request: HttpRequest) -> dict[str, Any]:
    """The body, which has to be a JSON object."""
    _check_content_type(request, _JSON)
    try:
        document = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _unreadable(f"the body is a JSON {type(document).__name__}, not an object")
    return document


def _unreadable(message: str) -> RequestRefusedError:
    return RequestRefusedError(400, "SerializationException", message)


def _parsed(name: str, parse: Callable[[Any], Any], text: Any) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise _unreadable(f"{name} cannot be read: {error}") from error


def _from_label(shape: Any, text: str) -> Any:
    return _from_text(shape, unquote(text, errors="strict"))


def _from_query(shape: Any, values: list[str]) -> Any:
    if shape.type_name == "list":
        return [_from_text(shape.member, value) for value in values]
    return _from_text(shape, values[0])


def _from_text(shape: Any, text: str) -> Any:
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text == "true"
    if shape.type_name in ("integer", "long"):
        return int(text)
    return _timestamp(text) if shape.type_name == "timestamp" else text


def _timestamp(value: Any) -> datetime:
    """What botocore makes of it; raises ``ValueError`` too for a number that no calendar has."""
    try:
        instant: datetime = parse_timestamp(value)
    except (RuntimeError, OverflowError) as error:
        raise ValueError(str(error)) from error
    return instant


def _from_json(shape: Any, value: Any, path: str) -> Any:
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            raise _unreadable(f"{path} is not an object")
        known = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        present = {name: wire_name for name, wire_name in known.items() if value.get(wire_name) is not None}
        return {
            name: _from_json(shape.members[name], value[wire_name], f"{path}.{name}")
            for name, wire_name in present.items()
        }
    if shape.type_name == "list":
        if not isinstance(value, list):
            raise _unreadable(f"{path} is not an array")
        return [_from_json(shape.member, item, f"{path}[{index}]") for index, item in enumerate(value)]
    try:
        if shape.type_name == "blob":
            return base64.b64decode(value, validate=True)
        return _timestamp(value) if shape.type_name == "timestamp" else value
    except (ValueError, TypeError, binascii.Error) as error:
        raise _unreadable(f"{path} cannot be read: {error}") from error


# --- answers ---


def encode(operation: str, output: Mapping[str, Any]) -> HttpAnswer:
    """The answer that carries these members; one that the model does not know is an error of the caller."""
    model = service_model().operation_model(operation)
    shape: Any = model.output_shape
    unknown = set(output) - set(shape.members)
    if unknown:
        raise ValueError(f"{operation} has no output members {sorted(unknown)}")
    answer = HttpAnswer(model.http.get("responseCode", 200), {"Content-Type": _JSON})
    payload, document = shape.serialization.get("payload"), {}
    for name, value in output.items():
        member = shape.members[name]
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "statusCode":
            answer.status = value
        elif location == "header":
            answer.headers[wire_name] = _to_header(value)
        elif name == payload:
            answer.body = value
        else:
            document[wire_name] = _to_json(member, value)
    if payload is None:
        answer.body = json.dumps(document).encode()
    return answer


def _to_header(value: Any) -> str:
    return format_datetime(value) if isinstance(value, datetime) else str(value)


def _to_json(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        return {
            shape.members[name].serialization.get("name", name): _to_json(shape.members[name], item)
            for name, item in value.items()
        }
    if shape.type_name == "list":
        return [_to_json(shape.member, item) for item in value]
    if shape.type_name == "blob":
        return base64.b64encode(value).decode()
    return value.timestamp() if shape.type_name == "timestamp" else value


def refusal(status: int, code: str, message: str) -> HttpAnswer:
    """An error as the service words it."""
    kind = "User" if status < 500 else "Service"
    body = json.dumps({"Type": kind, "Message": message, "message": message}).encode()
    return HttpAnswer(status, {"Content-Type": _JSON, "x-amzn-ErrorType": code}, body)


def refusal_of(error: ClientError) -> HttpAnswer:
    """The answer from which boto3 makes this very error."""
    response: Any = error.response
    return refusal(
        response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]
    )
