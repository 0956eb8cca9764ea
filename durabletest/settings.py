"""What a setting may be, whether it is a class attribute or an argument; ``where`` is how messages name it."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.times import duration

MAX_EXECUTION_TIMEOUT = timedelta(days=366)
"""What the service allows at most, and what an execution has when no timeout was set (which then is no timer)."""
_SECOND = timedelta(seconds=1)
FREEZEGUN, TIME_MACHINE = "freezegun", "time-machine"
_NAME = re.compile(r"[A-Za-z0-9_.:$-]+")


def check_handler(value: object, where: str) -> None:
    """Something that is called with event and context."""
    if not callable(value):
        raise ConfigurationError(
            f"{where} is {value!r}, which cannot be called: give the function decorated with @durable_execution"
        )
    _check_callable(value, where)


def check_functions(value: object, where: str) -> None:
    """Functions by name."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}: write a dictionary, {{'function-name': function}}")
    for name, function in value.items():
        check_name(name, f"a name in {where}")
        check_function(function, f"{where}[{name!r}]")


def check_function(value: object, where: str) -> None:
    """The target of an invoke."""
    if not callable(value):
        raise ConfigurationError(f"{where} is {value!r}, which cannot be called: give a function (event, context)")
    _check_callable(value, where)


def check_name(value: object, where: str) -> None:
    """The name of a function."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise ConfigurationError(
            f"{where} is {value!r}: give a function's name, like 'orders' or 'orders:live', or its ARN"
        )


def check_flag(value: object, where: str) -> None:
    """True or False, and nothing that is merely true or false."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} is {value!r}: write True or False")


def check_start_time(value: object, where: str) -> None:
    """An aware datetime."""
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{where} is {value!r}: give a datetime, like datetime(2026, 1, 1, tzinfo=UTC)")
    if value.tzinfo is None:
        raise ConfigurationError(f"{where} is {value!r}, without a time zone: write datetime(..., tzinfo=UTC)")


def check_execution_timeout(value: object, where: str) -> None:
    """As the service allows: whole seconds, up to 366 days."""
    if value is not None and not _is_execution_timeout(value):
        raise ConfigurationError(
            f"{where} is {value!r}: give a timedelta, or a number of seconds: whole seconds, from 1 second to 366 "
            "days, as the service allows"
        )


def _is_execution_timeout(value: object) -> bool:
    try:
        length = duration(value, "")
    except UsageError:
        return False
    return _SECOND <= length <= MAX_EXECUTION_TIMEOUT and not length % _SECOND


def check_seconds(value: object, where: str) -> None:
    """A number of real seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{where} is {value!r}: give a positive number of real seconds")


def check_delay(value: object, where: str) -> None:
    """A number of real seconds, or none."""
    if value is not None and value != 0:
        check_seconds(value, where)


def check_page_size(value: object, where: str) -> None:
    """A number of operations."""
    valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value is not None and not valid:
        raise ConfigurationError(f"{where} is {value!r}: give the number of operations in a page, at least 1, or None")


def check_duration(value: object, where: str) -> None:
    """A positive timedelta, or a number of seconds."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ConfigurationError(f"{where} is {value!r}: give a timedelta, or a positive number of seconds")


def check_choice(*choices: str) -> Callable[[object, str], None]:
    """One of a few words."""

    def check(value: object, where: str) -> None:
        if value not in choices:
            raise ConfigurationError(f"{where} is {value!r}: write {' or '.join(map(repr, choices))}")

    return check


def check_clock(value: object, where: str) -> None:
    """The tool that shows virtual time to handler code."""
    check_choice(FREEZEGUN, TIME_MACHINE)(value, where)


def optional(check: Callable[[object, str], None]) -> Callable[[object, str], None]:
    """None, or what ``check`` lets pass."""
    return lambda value, where: None if value is None else check(value, where)


def _check_callable(value: object, where: str) -> None:
    if isinstance(value, type):
        raise ConfigurationError(f"{where} is the class {value.__qualname__}: give a function, or an object of it")
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError(
            f"{where} is {value.__qualname__}, an async function: Lambda calls plain functions, so write it with def"
        )
