"""Values in messages: always some text, the same in every run."""

from __future__ import annotations

import re
from datetime import timedelta

from durabletest.model.times import plain

__unittest = True
__tracebackhide__ = True

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 2000
_LONGEST_CODE = 60


def show(value: object) -> str:
    """The ``repr`` without memory addresses and stand-in datetimes; a broken one must not hide the failure itself."""
    try:
        text = _ADDRESS.sub("", repr(plain(value)))
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def counted(number: int, noun: str) -> str:
    """``1 attempt``, ``2 attempts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def call(check: str, *arguments: object) -> str:
    """A check as it is written, ``.failed('CardDeclined', 'card expired')``; long arguments are left out."""
    texts = [show(argument) for argument in arguments]
    while len(", ".join(texts)) > _LONGEST_CODE:
        texts[-1:] = [] if texts[-1] == "..." else ["..."]
    return f".{check}({', '.join(texts)})"


def units(duration: timedelta) -> str:
    """A duration as the keyword arguments of a check: ``hours=1, minutes=30``."""
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    whole = {"days": duration.days, "hours": hours, "minutes": minutes}
    parts = [f"{unit}={number}" for unit, number in whole.items() if number]
    exact = seconds + duration.microseconds / 1_000_000
    if exact or not parts:
        parts.append(f"seconds={exact:g}" if duration.microseconds else f"seconds={seconds}")
    return ", ".join(parts)
