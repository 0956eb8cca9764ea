"""Histories without what customers have written: payloads keep their shape, and lose their texts and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from durabletest import sdk

_SHORT = 2
"""Texts of so many characters stay; the SDK marks the types of values by such."""
_DIGITS = 4
"""Numbers of so many digits stay: they are counts and positions, rather than what identifies a person."""
_DATE_LENGTH = len("2000-01-01")
_FREE_TEXTS = ("ErrorMessage", "ErrorData", "Reason")


def redacted(event: Mapping[str, Any]) -> dict[str, Any]:
    """The event with redacted payloads, error messages and reasons, and without stack traces.

    Names, types of errors, ids, times, keys of objects, truth values and null stay as they are.
    """
    return {key: _member(key, value) for key, value in event.items() if key != "StackTrace"}


def _member(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return redacted(value)
    if isinstance(value, str) and key == "Payload":
        return _payload(value)
    return _text(value) if isinstance(value, str) and key in _FREE_TEXTS else value


def _payload(text: str) -> str:
    """JSON with redacted values; what is no JSON is one text."""
    try:
        value = json.loads(text)
    except ValueError:
        return _text(text)
    return json.dumps(_value(value))


def _value(value: Any) -> Any:
    match value:
        case dict():
            return {key: _value(item) for key, item in value.items()}
        case list():
            return [_value(item) for item in value]
        case str():
            return _text(value)
        case bool() | None:
            return value
        case int() if len(str(abs(value))) > _DIGITS:
            return 10 ** (len(str(abs(value))) - 1) * (1 if value > 0 else -1)
        case float() if sum(map(str.isdigit, repr(value))) > _DIGITS:
            return 0.0
    return value


def _text(text: str) -> str:
    """The text with each letter an x and each digit a 0; dates, times and UUIDs stay such."""
    if len(text) <= _SHORT or text in sdk.written_constants():
        return text
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        pass
    else:
        return "2000-01-01" if len(text) <= _DATE_LENGTH else datetime(2000, 1, 1, tzinfo=instant.tzinfo).isoformat()
    try:
        return str(UUID(int=0)) if UUID(text) else text
    except ValueError:
        return re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "x", text))
