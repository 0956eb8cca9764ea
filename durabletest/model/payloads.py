"""Payloads: encoding values as JSON, as a callback's result or as an error object.

The payloads of operations are decoded by ``durabletest.serialisers.decode``, which knows the SDK's serialisers.
"""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from durabletest.errors import PayloadError, UsageError

ErrorSource = str | type[BaseException] | BaseException | None
"""An error's type name, an exception class, or an exception, which has a message and a stack trace too."""

# The first match counts: every datetime is a date too.
_SEND_INSTEAD: tuple[tuple[type, str, str], ...] = (
    (datetime, "datetime", "its isoformat()"),
    (date, "date", "its isoformat()"),
    (time, "time", "its isoformat()"),
    (timedelta, "timedelta", "its total_seconds()"),
    (Decimal, "Decimal", "str() or float() of it"),
    (UUID, "UUID", "str() of it"),
    (Enum, "", "its value"),
    (set, "set", "a sorted list"),
    (frozenset, "frozenset", "a sorted list"),
    (bytes, "bytes", "its decode()"),
    (bytearray, "bytearray", "its decode()"),
    (Coroutine, "coroutine", "what it returns: handlers and steps are plain functions, written with def"),
)
_SCALARS = (str, int, bool, type(None))
_SURROGATE = re.compile("[\ud800-\udfff]")


class TruncatedPayload(str):
    """A payload that the service has cut because of its size; what is left of it, maybe nothing."""

    __slots__ = ()


def encode(value: Any, what: str = "payload") -> str:
    """Encode a value as JSON text; ``what`` is its name in errors: ``payload['order']['at'] is a datetime; ...``.

    Raises ``PayloadError`` for the first part of the value that is not JSON.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except RecursionError:
        raise PayloadError(f"{what} is nested too deeply for JSON") from None
    except (TypeError, ValueError) as error:
        reason = next(_faults(value, what, ()), None) or f"{what} cannot be written as JSON: {error}"
        raise PayloadError(reason) from None


def readable_json(value: Any, default: Callable[[Any], Any] | None = None) -> str:
    """JSON for people, as a file has it; ``default`` is that of ``json.dumps``.

    What UTF-8 has no bytes for, as a name of a file that was not UTF-8 itself, is escaped.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, default=default)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def result_argument(value: Any) -> dict[str, bytes]:
    """The argument with a callback's result: none for ``None``, text and bytes as they are, other values as JSON."""
    if value is None:
        return {}
    if isinstance(value, bytes | bytearray):
        return {"Result": bytes(value)}
    try:
        return {"Result": (value if isinstance(value, str) else encode(value, "result")).encode()}
    except UnicodeEncodeError as error:
        raise PayloadError(f"result cannot be sent: {error}") from None


def json_or_text(payload: str | None, record: object = None) -> Any:  # noqa: ARG001 - the signature of decoders
    """Decode a payload that is JSON or else plain text; ``durabletest.serialisers.decode`` decodes all others."""
    try:
        return None if payload is None else json.loads(payload)
    except ValueError:
        return payload


def words_of(error: BaseException) -> str:
    """The message of an exception; if it fails to give one, what tracebacks show in its place."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def error_object(
    error: object,
    message: str | None = None,
    data: Any = None,
    stack_trace: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The service's ``ErrorObject`` with the fields that are known; an exception has all of them but the data.

    Raises ``UsageError`` unless ``error`` is an ``ErrorSource``.
    """
    if isinstance(error, BaseException):
        message = words_of(error) if message is None else message
        stack_trace = traceback.format_tb(error.__traceback__) if stack_trace is None else stack_trace
        error = type(error)
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error.__qualname__
    if error is not None and not isinstance(error, str):
        raise UsageError(f"{error!r} is no error type: give its name, an exception, or an exception class")
    fields = {
        "ErrorType": error,
        "ErrorMessage": message,
        "ErrorData": data if data is None or isinstance(data, str) else encode(data, "data"),
        "StackTrace": list(stack_trace or ()) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def with_real_names(text: str) -> str:
    """An error's text with ``datetime`` and ``date`` in place of the names of freezegun's substitutes."""
    return text.replace("FakeDatetime", "datetime").replace("FakeDate", "date")


def refused_place(value: Any, path: str, writes: Callable[[Any], object], inside: tuple[int, ...] = ()) -> str:
    """The innermost part of a value that a serialiser refuses, and its type: ``result['items'][0] is a Money``.

    ``writes`` raises for values that the serialiser refuses; ``inside`` are the ids of the containers around ``value``.
    """
    if id(value) in inside:
        return f"{path} contains itself"
    items: Iterable[tuple[Any, Any]] = enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in value.items() if isinstance(value, dict) else items:
        try:
            writes(item)
        except Exception:
            return refused_place(item, f"{path}[{key!r}]", writes, (*inside, id(value)))
    return f"{path} is {_with_article(value)}"


def _faults(value: Any, path: str, inside: tuple[int, ...]) -> Iterator[str]:
    """The parts of a value that are not JSON; ``inside`` are the ids of the containers around ``value``."""
    if id(value) in inside:
        yield f"{path} contains itself; JSON has no references"
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not None and not isinstance(key, str | int | float):
                yield f"{path} has the key {key!r}, a {type(key).__name__}; the keys of JSON objects are strings"
            yield from _faults(item, f"{path}[{key!r}]", (*inside, id(value)))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", (*inside, id(value)))
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{path} is {value!r}; JSON has no such number: send None or a string"
    elif not isinstance(value, _SCALARS):
        instead = "dataclasses.asdict() of it" if is_dataclass(value) else "its fields as a dict"
        instead = next((remedy for type_, _, remedy in _SEND_INSTEAD if isinstance(value, type_)), instead)
        yield f"{path} is {_with_article(value)}; JSON has no such type: send {instead}"


def _with_article(value: Any) -> str:
    """``a datetime``: the type's own name; for freezegun's substitutes, that of the original."""
    names = (name for type_, name, _ in _SEND_INSTEAD if isinstance(value, type_))
    name = next(names, "") or type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
