"""Choosing one of several known names, with a helpful refusal of all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from durabletest.errors import UsageError

EnumT = TypeVar("EnumT", bound=StrEnum)
_LISTED = 20


def member(enum: type[EnumT], value: str, what: str) -> EnumT:
    """The member that has exactly this value."""
    try:
        return enum(value)
    except ValueError:
        raise unknown(value, enum, what) from None


def unknown(value: object, valid: Iterable[str], what: str) -> UsageError:
    """The error for a name that is not one of ``valid``: the closest one, then all of them."""
    names = {str(name).lower(): str(name) for name in valid}
    near = get_close_matches(str(value).lower(), names, n=1)
    hint = f"; did you mean {names[near[0]]!r}?" if near else "."
    return UsageError(f"{value!r} is no {what}{hint} There are {', '.join(names.values())}.")


def nearest(name: str, names: Sequence[str]) -> str:
    """``; did you mean 'charge'?``, or nothing."""
    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def listed(names: Sequence[str]) -> str:
    """``'charge', 'ship'``; the last of many are left out."""
    return ", ".join(map(repr, names[:_LISTED])) + (", ..." if len(names) > _LISTED else "")
