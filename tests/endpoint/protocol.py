"""The REST-JSON protocol from the service's side, driven by botocore's service model: requests in, answers out."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import botocore.session
from botocore.exceptions import ClientError
from botocore.model import OperationModel, ServiceModel
from botocore.utils import parse_timestamp


@dataclass(frozen=True)
class HttpRequest:
    method: str
    target: str
    """Path and query, as they came over the wire."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes = b""


@dataclass
class HttpAnswer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Call:
    """One decoded request: the API operation and its members, as boto3's caller wrote them."""

    operation: str
    members: dict[str, Any]


class UnknownRoute(Exception):
    """No operation of the model has this method and path."""


@cache
def service_model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("lambda")


@cache
def _routes() -> list[tuple[str, re.Pattern[str], OperationModel]]:
    names = [name for name in service_model().operation_names if "Durable" in name or name == "Invoke"]
    models = [service_model().operation_model(name) for name in names]
    return [(model.http["method"], _pattern(model.http["requestUri"]), model) for model in models]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    labels = (f"(?P<{part}>[^/]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    return re.compile("".join(labels))


# --- requests ---


def decode(request: HttpRequest) -> Call:
    """The call that a request stands for."""
    url = urlsplit(request.target)
    for method, pattern, model in _routes():
        found = pattern.fullmatch(url.path)
        if method == request.method and found:
            labels = {name: unquote(value) for name, value in found.groupdict().items()}
            return Call(model.name, _members(model, labels, parse_qs(url.query, keep_blank_values=True), request))
    raise UnknownRoute(f"{request.method} {request.target}")


def _members(
    model: OperationModel, labels: dict[str, str], query: dict[str, list[str]], request: HttpRequest
) -> dict[str, Any]:
    shape = model.input_shape
    payload = shape.serialization.get("payload")
    document = json.loads(request.body) if payload is None and request.body else {}
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri" and wire_name in labels:
            found[name] = _from_text(member, labels[wire_name])
        elif location == "querystring" and wire_name in query:
            found[name] = _from_query(member, query[wire_name])
        elif location == "header" and wire_name.lower() in request.headers:
            found[name] = _from_text(member, request.headers[wire_name.lower()])
        elif name == payload and request.body:
            found[name] = request.body if member.type_name == "blob" else _from_json(member, json.loads(request.body))
        elif location is None and wire_name in document:
            found[name] = _from_json(member, document[wire_name])
    return found


def _from_query(shape: Any, values: list[str]) -> Any:
    if shape.type_name == "list":
        return [_from_text(shape.member, value) for value in values]
    return _from_text(shape, values[0])


def _from_text(shape: Any, text: str) -> Any:
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name in ("integer", "long"):
        return int(text)
    return parse_timestamp(text) if shape.type_name == "timestamp" else text


def _from_json(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure":
        known = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        present = {name: wire_name for name, wire_name in known.items() if value.get(wire_name) is not None}
        return {name: _from_json(shape.members[name], value[wire_name]) for name, wire_name in present.items()}
    if shape.type_name == "list":
        return [_from_json(shape.member, item) for item in value]
    if shape.type_name == "blob":
        return base64.b64decode(value)
    return parse_timestamp(value) if shape.type_name == "timestamp" else value


# --- answers ---


def encode(operation: str, output: dict[str, Any]) -> HttpAnswer:
    """The answer that carries these members; a member that the model does not know is a mistake of the test."""
    model = service_model().operation_model(operation)
    shape = model.output_shape
    unknown = set(output) - set(shape.members)
    if unknown:
        raise ValueError(f"{operation} has no output members {sorted(unknown)}")
    answer = HttpAnswer(model.http.get("responseCode", 200), {"Content-Type": "application/json"})
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
    return HttpAnswer(status, {"Content-Type": "application/json", "x-amzn-ErrorType": code}, body)


def refusal_of(error: ClientError) -> HttpAnswer:
    """The answer from which boto3 makes this very error."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return refusal(status, error.response["Error"]["Code"], error.response["Error"]["Message"])
