"""Values on their way out: as JSON, or as the bytes that answer a callback."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
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
)
_SCALARS = (str, int, bool, type(None))


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
    name, instead = type(value).__name__, "its fields as a dict"
    for type_, type_name, remedy in _SEND_INSTEAD:
        if isinstance(value, type_):
            name, instead = type_name or name, remedy
            break
    else:
        if is_dataclass(value):
            instead = "dataclasses.asdict() of it"
    article = "an" if name[0] in "AEIOUaeiou" else "a"
    return f"{article} {name}; JSON has no such type: send {instead}"
