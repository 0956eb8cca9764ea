"""What botocore's service model of Lambda says: errors as boto3 raises them, and the validation of requests.

botocore's own validator checks types, required and unknown members and lower bounds, but neither enums nor upper bounds
nor patterns; those are checked here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

import botocore
import botocore.session
from botocore import xform_name
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

from durabletest.errors import NotAvailableError

Fits: TypeAlias = Callable[[Any], bool]

_SHOWN = 100


@cache
def service_model() -> ServiceModel:
    model: ServiceModel = botocore.session.get_session().get_service_model("lambda")
    return model


# --- errors ---


@cache
def exceptions() -> Any:
    """The modelled exception classes, as a client's ``exceptions`` holds them."""
    return ClientExceptionsFactory().create_client_exceptions(service_model())


def modelled_error(code: str, message: str, api_operation: str) -> ClientError:
    """The error that boto3 raises when the service refuses with ``code``; the HTTP status is the model's own.

    Its ``response`` holds what boto3 parses: ``Error``, ``ResponseMetadata``, and the error's own modelled members.
    """
    shape: Any = _error_shapes()[code]
    status: int = shape.metadata.get("error", {}).get("httpStatusCode", 500 if shape.metadata.get("fault") else 400)
    texts = {"Type": "User" if status < 500 else "Service", "message": message, "Message": message}
    response = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0},
        **{name: texts[name] for name in shape.members if name in texts},
    }
    error: ClientError = exceptions().from_code(code)(response, api_operation)
    return error


class RefusedError(Exception):
    """The service refuses a request, with one of the model's error codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


@contextmanager
def refusals_of(api_operation: str) -> Iterator[None]:
    """Raise what is refused in the block as boto3 does for that operation."""
    try:
        yield
    except RefusedError as refused:
        raise modelled_error(refused.code, refused.message, api_operation) from refused.__cause__


@cache
def _error_shapes() -> dict[str, Any]:
    model: Any = service_model()
    return {shape.error_code: shape for shape in model.error_shapes}


# --- validation ---


def validate_request(api_operation: str, request: Mapping[str, Any]) -> None:
    """Raise ``InvalidParameterValueException`` for a request that the model does not allow."""
    found = findings(_input_shape(api_operation), request)
    if found:
        raise modelled_error("InvalidParameterValueException", "; ".join(found), api_operation)


@cache
def _input_shape(api_operation: str) -> Shape | None:
    """Cached because every operation model resolves the members of its shapes again."""
    names: Any = service_model().operation_names
    if api_operation not in names:
        raise NotAvailableError(
            f"{xform_name(api_operation)} is not known to botocore {botocore.__version__}, which is older than that "
            "part of the API: pip install -U boto3"
        )
    operation: Any = service_model().operation_model(api_operation)
    shape: Shape | None = operation.input_shape
    return shape


def response_findings(api_operation: str, response: Mapping[str, Any]) -> list[str]:
    operation: Any = service_model().operation_model(api_operation)
    return findings(operation.output_shape, response)


def event_findings(event: Mapping[str, Any]) -> list[str]:
    return findings(service_model().shape_for("Event"), event)


def error_findings(error: object) -> list[str]:
    return findings(service_model().shape_for("ErrorObject"), error)


def findings(shape: Shape | None, value: Any) -> list[str]:
    """Each violation of the shape by ``value``, with its path; an empty list if there are none."""
    if shape is None:
        return [] if not value else [f"nothing is expected, and {_show(value)} was given"]
    if _fits(shape)(value):
        return []
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines()]
    return list(_violations(shape, value, ""))


# --- a fast check, compiled once for each shape: botocore's validator is slow, and only asked if this one says no ---


def _fits(shape: Shape) -> Fits:
    return _compiled_fit(shape.name)


@cache
def _compiled_fit(shape_name: str) -> Fits:
    """A check that says yes only to values without violations; a no means that they must be looked for."""
    shape: Any = service_model().shape_for(shape_name)
    make: dict[str, Callable[[Any], Fits]] = {
        "structure": _structure_fits,
        "list": _list_fits,
        "string": _string_fits,
        "integer": _integer_fits,
        "boolean": lambda _: lambda value: type(value) is bool,
        "timestamp": lambda _: lambda value: isinstance(value, datetime),
    }
    return make.get(shape.type_name, _never)(shape)


def _structure_fits(shape: Any) -> Fits:
    if getattr(shape, "is_tagged_union", False) or getattr(shape, "is_document_type", False):
        return _never(shape)
    members = {name: _fits(member) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)

    def fits(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        for name, member in value.items():  # a loop: it is called for every request, and generators are slow
            check = members.get(name)
            if check is None or not check(member):
                return False
        return True

    return fits


def _list_fits(shape: Any) -> Fits:
    (lower, upper), member = _bounds(shape), _fits(shape.member)
    return lambda value: type(value) in (list, tuple) and lower <= len(value) <= upper and all(map(member, value))


def _string_fits(shape: Any) -> Fits:
    if shape.serialization.get("jsonvalue"):
        return _never(shape)
    lower, upper = _bounds(shape)
    pattern = re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None

    def fits(value: Any) -> bool:
        if type(value) is not str or not lower <= len(value) <= upper:
            return False
        return pattern is None or pattern.fullmatch(value) is not None

    allowed = frozenset(filter(fits, getattr(shape, "enum", None) or ()))
    return (lambda value: type(value) is str and value in allowed) if allowed else fits


def _integer_fits(shape: Any) -> Fits:
    lower, upper = _bounds(shape)
    return lambda value: type(value) is int and lower <= value <= upper


def _bounds(shape: Any) -> tuple[float, float]:
    """The least and the greatest number, or length."""
    return shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)


def _never(_shape: Any) -> Fits:
    return lambda _value: False


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    """The violations that botocore's validator leaves out: of upper bounds, enums and patterns."""
    upper = shape.metadata.get("max", math.inf)
    match shape.type_name:
        case "structure":
            for name, member in value.items():
                yield from _violations(shape.members[name], member, f"{path}.{name}" if path else name)
        case "integer" if value > upper:
            yield f"{path} is {value}: it must be at most {upper}"
        case "list" | "string" | "blob" if not hasattr(value, "read") and len(value) > upper:
            yield f"{path} has length {len(value)}: it must be at most {upper}"
    if shape.type_name == "list":
        for index, item in enumerate(value):
            yield from _violations(shape.member, item, f"{path}[{index}]")
    if shape.type_name == "string":
        allowed, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
        if allowed and value not in allowed:
            yield f"{path} is {_show(value)}: it must be one of {', '.join(sorted(allowed))}"
        if pattern is not None and re.fullmatch(pattern, value) is None:
            yield f"{path} is {_show(value)}: it must match {pattern}"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
