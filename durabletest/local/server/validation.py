"""Requests, answers and events against the service model, including what botocore's own validator leaves out.

botocore checks types, required and unknown members and lower bounds, but neither enums nor upper bounds nor patterns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias

from botocore.model import Shape
from botocore.validate import ParamValidator

from durabletest.local.server.modelled import modelled_error, service_model

Check: TypeAlias = Callable[[Any, str], Iterator[str]]
Fits: TypeAlias = Callable[[Any], bool]

_SHOWN = 100


def validate_request(api_operation: str, request: Mapping[str, Any]) -> None:
    """Raise ``InvalidParameterValueException`` for a request that the model does not allow."""
    found = findings(_input_shape(api_operation), request)
    if found:
        raise modelled_error("InvalidParameterValueException", "; ".join(found), api_operation)


@cache
def _input_shape(api_operation: str) -> Shape | None:
    """Kept, because a shape resolves its members anew in every operation model that is asked for it."""
    operation: Any = service_model().operation_model(api_operation)
    shape: Shape | None = operation.input_shape
    return shape


def response_findings(api_operation: str, response: Mapping[str, Any]) -> list[str]:
    """What is wrong with an answer, or nothing."""
    operation: Any = service_model().operation_model(api_operation)
    return findings(operation.output_shape, response)


def event_findings(event: Mapping[str, Any]) -> list[str]:
    """What is wrong with one event of a history, or nothing."""
    return findings(service_model().shape_for("Event"), event)


def findings(shape: Shape | None, value: Any) -> list[str]:
    """Every way in which ``value`` is not what the shape says, each with its path; an empty list if there is none."""
    if shape is None:
        return [] if not value else [f"nothing is expected, and {_show(value)} was given"]
    if _fits(shape)(value):
        return []
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [line.strip() for line in report.generate_report().splitlines()]
    return list(_check_of(shape)(value, ""))


# --- what is right beyond doubt, so that botocore, which takes its time, is not asked; compiled once for each shape ---


def _fits(shape: Shape) -> Fits:
    return _compiled_fit(shape.name)


@cache
def _compiled_fit(shape_name: str) -> Fits:
    """Tells that a value is what the shape says; a no only means that it has to be looked at more closely."""
    shape: Any = service_model().shape_for(shape_name)
    make: dict[str, Callable[[Any], Fits]] = {
        "structure": _fitting_structure,
        "list": _fitting_list,
        "string": _fitting_string,
        "integer": _fitting_integer,
        "boolean": lambda _: lambda value: type(value) is bool,
        "timestamp": lambda _: lambda value: isinstance(value, datetime),
    }
    return make.get(shape.type_name, _never)(shape)


def _fitting_structure(shape: Any) -> Fits:
    if getattr(shape, "is_tagged_union", False) or getattr(shape, "is_document_type", False):
        return _never(shape)
    members = {name: _fits(member) for name, member in shape.members.items()}
    required = frozenset(shape.required_members)

    def fits(value: Any) -> bool:
        if type(value) is not dict or not required <= value.keys():
            return False
        return all(name in members and members[name](member) for name, member in value.items())

    return fits


def _fitting_list(shape: Any) -> Fits:
    in_bounds, member = _bounds(shape), _fits(shape.member)
    return lambda value: type(value) in (list, tuple) and in_bounds(len(value)) and all(map(member, value))


def _fitting_string(shape: Any) -> Fits:
    if shape.serialization.get("jsonvalue"):
        return _never(shape)
    in_bounds, allowed = _bounds(shape), frozenset(getattr(shape, "enum", None) or ())
    pattern = re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None

    def fits(value: Any) -> bool:
        if type(value) is not str or not in_bounds(len(value)) or (allowed and value not in allowed):
            return False
        return pattern is None or pattern.fullmatch(value) is not None

    return fits


def _fitting_integer(shape: Any) -> Fits:
    in_bounds = _bounds(shape)
    return lambda value: type(value) is int and in_bounds(value)


def _bounds(shape: Any) -> Callable[[int], bool]:
    lower, upper = shape.metadata.get("min", -math.inf), shape.metadata.get("max", math.inf)
    return lambda number: bool(lower <= number <= upper)


def _never(_shape: Any) -> Fits:
    return lambda _value: False


# --- what botocore's validator leaves out, compiled once for each shape ---


def _check_of(shape: Shape) -> Check:
    return _compiled(shape.name)


@cache
def _compiled(shape_name: str) -> Check:
    shape = service_model().shape_for(shape_name)
    make = {"structure": _structure, "list": _list, "string": _string, "blob": _blob, "integer": _bounded}
    return make.get(shape.type_name, _anything)(shape)


def _structure(shape: Any) -> Check:
    members = {name: _check_of(member) for name, member in shape.members.items()}

    def check(value: Mapping[str, Any], path: str) -> Iterator[str]:
        for name, member in value.items():
            yield from members[name](member, f"{path}.{name}" if path else name)

    return check


def _list(shape: Any) -> Check:
    bounded, member = _bounded(shape), _check_of(shape.member)

    def check(value: Any, path: str) -> Iterator[str]:
        yield from bounded(value, path)
        for index, item in enumerate(value):
            yield from member(item, f"{path}[{index}]")

    return check


def _string(shape: Any) -> Check:
    bounded, allowed = _bounded(shape), frozenset(getattr(shape, "enum", None) or ())
    pattern = re.compile(shape.metadata["pattern"]) if "pattern" in shape.metadata else None

    def check(value: str, path: str) -> Iterator[str]:
        yield from bounded(value, path)
        if allowed and value not in allowed:
            yield f"{path} is {_show(value)}: it must be one of {', '.join(sorted(allowed))}"
        if pattern is not None and pattern.fullmatch(value) is None:
            yield f"{path} is {_show(value)}: it must match {pattern.pattern}"

    return check


def _bounded(shape: Any) -> Check:
    upper = shape.metadata.get("max")
    if upper is None:
        return _anything(shape)

    def check(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, int):
            if value > upper:
                yield f"{path} is {value}: it must be at most {upper}"
        elif len(value) > upper:
            yield f"{path} has length {len(value)}: it must be at most {upper}"

    return check


def _blob(shape: Any) -> Check:
    """A file is a blob too; how long it is shows when it is read."""
    bounded = _bounded(shape)
    return lambda value, path: iter(()) if hasattr(value, "read") else bounded(value, path)


def _anything(_shape: Any) -> Check:
    return lambda _value, _path: iter(())


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
