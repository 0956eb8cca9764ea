"""Values in messages: always some text, the same in every run."""

from __future__ import annotations

import re

from durabletest.model.times import plain

__unittest = True
__tracebackhide__ = True

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 2000


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
