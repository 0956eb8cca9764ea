"""Tests that belong to one mode only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from durabletest.configuration import MODE_VARIABLE, Mode, mode_of
from durabletest.errors import UsageError

Marked = TypeVar("Marked", bound=Callable[..., Any])

_MARK = "__durabletest_only__"


def local_only(item: Marked) -> Marked:
    """Decorate a test method or a test class of ``DurableTestCase``: in the cloud it is skipped."""
    _mark(item, Mode.LOCAL)
    return item


def cloud_only(item: Marked) -> Marked:
    """Decorate a test method or a test class of ``DurableTestCase``: locally it is skipped."""
    _mark(item, Mode.CLOUD)
    return item


def why_left_out(cls: type[Any], method: object = None) -> str | None:
    """Why the class, or a test method of it, is not run in this mode; None if it is."""
    mode = mode_of(cls)
    for item in (cls, method):
        only = getattr(item, _MARK, mode)
        if only is not mode:
            return f"{only} only: {MODE_VARIABLE} or the class says {mode}"
    return None


def _mark(item: object, mode: Mode) -> None:
    if isinstance(item, type) and not hasattr(item, "mode"):
        raise UsageError(
            f"@{mode}_only on {item.__qualname__}: it means nothing but on a DurableTestCase and its methods"
        )
    setattr(item, _MARK, mode)
