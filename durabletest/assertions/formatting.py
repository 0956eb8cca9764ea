"""Values, counts and checks as text for messages, the same in every run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from durabletest.model.records import ErrorDetails
from durabletest.model.times import plain

__unittest = True
__tracebackhide__ = True

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 2000
_LONGEST_CODE = 60


def show(value: object) -> str:
    """The ``repr``, without memory addresses and freezegun's datetimes. One that raises must not hide the failure."""
    try:
        text = _ADDRESS.sub("", repr(plain(value)))
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def short_type(recorded: str) -> str:
    """The type of a recorded error without its module, which only some versions of the SDK record."""
    return recorded.rpartition(".")[2]


def brief(error: ErrorDetails) -> str:
    """An error in one line, ``CardDeclined: card expired``."""
    return str(error if error.type is None else replace(error, type=short_type(error.type)))


def counted(number: int, noun: str) -> str:
    """``1 attempt``, ``2 attempts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shortened(texts: Sequence[str], most: int = 20, noun: str = "") -> list[str]:
    """The first ``most`` texts, then ``... and 3 more``, or ``... and 3 more differences`` with a ``noun``."""
    more = len(texts) - most
    if more <= 0:
        return list(texts)
    return [*texts[:most], f"... and {counted(more, f'more {noun}') if noun else f'{more} more'}"]


def listed(texts: Sequence[str]) -> str:
    """``a, b, c``"""
    return ", ".join(shortened(texts, 12))


def call(check: str, *arguments: object) -> str:
    """A check as code, ``.failed('CardDeclined', 'card expired')``; long arguments become ``...``."""
    texts = [show(argument) for argument in arguments]
    while len(", ".join(texts)) > _LONGEST_CODE:
        texts[-1:] = [] if texts[-1] == "..." else ["..."]
    return f".{check}({', '.join(texts)})"


def units_of(duration: timedelta) -> str:
    """A duration as the keyword arguments of a check: ``hours=1, minutes=30``."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    whole = {"days": duration.days, "hours": hours, "minutes": minutes}
    parts = [f"{unit}={number}" for unit, number in whole.items() if number]
    exact = seconds + duration.microseconds / 1_000_000
    if exact or not parts:
        parts.append(f"seconds={exact:g}" if duration.microseconds else f"seconds={seconds}")
    return ", ".join(parts)
