"""The configuration of a test case class: read once, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from durabletest.errors import ConfigurationError

MODE_VARIABLE = "DURABLETEST_MODE"


class Mode(StrEnum):
    """Where the functions under test run."""

    LOCAL = "local"
    CLOUD = "cloud"


def mode_of(cls: type[Any]) -> Mode:
    """The mode that the environment variable or else the class chooses."""
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


def validate(cls: type[Any]) -> None:
    """Raise :class:`ConfigurationError`, naming the class and the attribute, for the first thing that cannot work."""
    name = cls.__qualname__
    if cls.handler is None:
        raise ConfigurationError(
            f"{name} has no handler: write `handler = my_function`, the function decorated with @durable_execution"
        )
    if not callable(cls.handler):
        raise ConfigurationError(
            f"{name}.handler is {cls.handler!r}, which cannot be called: name the durable function"
        )
    for attribute in ("durable_functions", "functions"):
        _check_functions(name, attribute, getattr(cls, attribute))
    _check_type(name, "skip_time", cls.skip_time, bool)
    _check_type(name, "start_time", cls.start_time, datetime)
    if cls.start_time.tzinfo is None:
        raise ConfigurationError(f"{name}.start_time is {cls.start_time!r}, without a time zone: add tzinfo=UTC")
    if cls.execution_timeout is not None:
        _check_type(name, "execution_timeout", cls.execution_timeout, timedelta)
    _check_type(name, "watchdog", cls.watchdog, (int, float))
    if cls.watchdog <= 0:
        raise ConfigurationError(f"{name}.watchdog is {cls.watchdog!r}: give a positive number of real seconds")
    check_page_size(cls.state_page_size, f"{name}.state_page_size")


def check_page_size(size: object, where: str) -> None:
    """Refuse a number of operations that no page of state can have."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ConfigurationError(f"{where} is {size!r}: give the number of operations in a page, at least 1, or None")


def _check_functions(name: str, attribute: str, functions: object) -> None:
    if not isinstance(functions, Mapping):
        raise ConfigurationError(
            f"{name}.{attribute} is {functions!r}: write a dictionary, {attribute} = {{'function-name': function}}"
        )
    for key, function in functions.items():
        if not callable(function):
            raise ConfigurationError(f"{name}.{attribute}[{key!r}] is {function!r}, which cannot be called")


def _check_type(name: str, attribute: str, value: object, expected: type | tuple[type, ...]) -> None:
    if not isinstance(value, expected):
        kinds = expected if isinstance(expected, tuple) else (expected,)
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigurationError(f"{name}.{attribute} is {value!r}: give a {wanted}")
