"""Values on their way out: as JSON, or as the bytes that answer a callback."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from durabletest.errors import PayloadError

# The first entry that fits is used: every datetime is a date too.
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


class TruncatedPayload(str):
    """A payload that the service has cut because of its size; what is left of it, maybe nothing."""

    __slots__ = ()


def encode(value: Any, what: str = "payload") -> str:
    """``value`` as JSON text; what is not JSON is refused with its place, ``payload['order']['at'] is a datetime``."""
    try:
        return json.dumps(value, allow_nan=False)
    except RecursionError:
        msg = f"{what} is nested too deeply for JSON"
        raise PayloadError(msg) from None
    except (TypeError, ValueError) as error:
        reason = next(_faults(value, what, ()), None) or f"{what} cannot be written as JSON: {error}"
        raise PayloadError(reason) from None


def with_real_names(said: str) -> str:
    """The text of an error in which types that stand in for others while time is frozen have the names of those."""
    return said.replace("FakeDatetime", "datetime").replace("FakeDate", "date")


def refused_place(value: Any, what: str, writes: Callable[[Any], object]) -> str:
    """The place inside a value that a serialiser has refused, and what is there: ``result['items'][0] is a Money``.

    ``writes`` raises for what cannot be written.
    """
    return _refused_place(value, what, writes, ())


def _refused_place(value: Any, path: str, writes: Callable[[Any], object], inside: tuple[int, ...]) -> str:
    """The innermost place that is refused by itself."""
    if id(value) in inside:
        return f"{path} contains itself"
    for key, item in _items(value):
        try:
            writes(item)
        except Exception:
            return _refused_place(item, f"{path}[{key!r}]", writes, (*inside, id(value)))
    return f"{path} is {_article(_type_name(value))}"


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list | tuple) else ()


def encode_callback_result(value: Any) -> bytes | None:
    """A callback's answer: nothing for ``None``, text and bytes as they are, any other value as JSON."""
    if value is None:
        return None
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    return (value if isinstance(value, str) else encode(value, "result")).encode()


def _faults(value: Any, path: str, inside: tuple[int, ...]) -> Iterator[str]:
    """What is not JSON, the first place first; ``inside`` are the containers around ``value``."""
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
        yield f"{path} is {_kind(value)}"


def _kind(value: Any) -> str:
    instead = "dataclasses.asdict() of it" if is_dataclass(value) else "its fields as a dict"
    instead = next((remedy for type_, _, remedy in _SEND_INSTEAD if isinstance(value, type_)), instead)
    return f"{_article(_type_name(value))}; JSON has no such type: send {instead}"


def _type_name(value: Any) -> str:
    """The type's own name, or that of the type which a tool for clocks stands in for."""
    names = (name for type_, name, _ in _SEND_INSTEAD if isinstance(value, type_))
    return next(names, "") or type(value).__name__


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
