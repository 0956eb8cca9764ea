"""The mode of a test case class, local or cloud, and the tests that belong to one mode only."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from durabletest.errors import ConfigurationError, UsageError

MODE_VARIABLE = "DURABLETEST_MODE"
_MARK = "__durabletest_only__"

Marked = TypeVar("Marked", bound=Callable[..., Any])


class Mode(StrEnum):
    """Where the functions under test run."""

    LOCAL = "local"
    CLOUD = "cloud"


def mode_of(cls: type[Any]) -> Mode:
    """The mode of a class: the environment variable wins over the class attribute."""
    variable = os.environ.get(MODE_VARIABLE)
    if variable:
        return _mode(variable, f"the environment variable {MODE_VARIABLE}")
    return _mode(cls.mode, f"{cls.__qualname__}.mode")


def _mode(value: object, where: str) -> Mode:
    known = [mode.value for mode in Mode]
    if value in known:
        return Mode(str(value))
    close = get_close_matches(str(value).lower(), known, n=1, cutoff=0.4)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise ConfigurationError(f"{where} is {value!r}: write 'local' or 'cloud'{hint}")


def local_only(item: Marked) -> Marked:
    """Decorate a test method or a test class of ``DurableTestCase``: in the cloud it is skipped.

    With the plugin for pytest a test function can be decorated, too."""
    _mark(item, Mode.LOCAL)
    return item


def cloud_only(item: Marked) -> Marked:
    """Decorate a test method or a test class of ``DurableTestCase``: locally it is skipped.

    With the plugin for pytest a test function can be decorated, too."""
    _mark(item, Mode.CLOUD)
    return item


def reason_to_skip(cls: type[Any], method: object = None) -> str | None:
    """The reason to skip a class, or a test method of it, in the present mode; None if it is run."""
    mode = mode_of(cls)
    for item in (cls, method):
        only = only_mode(item)
        if only not in (None, mode):
            return f"{only} only: {MODE_VARIABLE} or the class says {mode}"
    return None


def only_mode(item: object) -> Mode | None:
    """The mode that a decorator has marked a class or function for, None if it is for both."""
    mode: Mode | None = getattr(item, _MARK, None)
    return mode


def _mark(item: object, mode: Mode) -> None:
    if isinstance(item, type) and not hasattr(item, "mode"):
        raise UsageError(
            f"@{mode}_only on {item.__qualname__}: it means nothing but on a DurableTestCase and its methods, "
            "and on test functions of pytest"
        )
    setattr(item, _MARK, mode)
