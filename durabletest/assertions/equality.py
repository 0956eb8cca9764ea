"""How ``assertEqual`` shows that two of our records differ: field by field."""

from __future__ import annotations

from durabletest.assertions.compare import differences
from durabletest.assertions.text import counted
from durabletest.execution import Pending
from durabletest.model.records import (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    Invocation,
    InvokeDetails,
    LogEntry,
    StepDetails,
    WaitDetails,
)

__unittest = True
__tracebackhide__ = True

RECORDS: tuple[type, ...] = (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    Invocation,
    InvokeDetails,
    LogEntry,
    Pending,
    StepDetails,
    WaitDetails,
)
"""The public dataclasses that tests may compare."""


def difference(first: object, second: object) -> str:
    """What differs between two records of one type; empty if they are equal."""
    found = list(differences(first, second, ""))
    if not found:
        return ""
    fields = [one.path.removeprefix(".") for one in found]
    ones = [f"{field} {one.expected}".lstrip() for field, one in zip(fields, found, strict=True)]
    others = [f"{field} {one.actual}".lstrip() for field, one in zip(fields, found, strict=True)]
    head = f"two {type(first).__name__} differ in {counted(len(found), 'place')}"
    return "\n".join([head, " First: " + "\n        ".join(ones), "Second: " + "\n        ".join(others)])
