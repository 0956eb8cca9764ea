"""Checks of the values of settings, which runners take as arguments and test case classes as attributes.

A check takes a value and its name for the message, ``where``; it raises :class:`ConfigurationError`.
"""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from durabletest import sdk
from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.times import duration, plain

FREEZEGUN, TIME_MACHINE = "freezegun", "time-machine"
EVENT, REQUEST_RESPONSE = "Event", "RequestResponse"
MAX_EXECUTION_TIMEOUT = timedelta(days=366)
MAX_SYNCHRONOUS_TIMEOUT = timedelta(minutes=15)
"""The longest timeout of an execution that is invoked synchronously."""
MAX_FUNCTION_TIMEOUT = timedelta(minutes=15)
DEFAULT_RETENTION_DAYS = 14
"""The days that the service keeps an execution after its end, if the function does not say."""
MAX_RETENTION_DAYS = 90
"""The longest that the service keeps an execution after its end."""
DEFAULT_MEMORY_SIZE = 128
"""The memory in MB of a function for which none was chosen; Lambda allows no less."""
MAX_MEMORY_SIZE = 10_240
Check: TypeAlias = Callable[[object, str], None]
_LATEST_START = 9000
_SECOND = timedelta(seconds=1)
_NAME = re.compile(r"[A-Za-z0-9_.:$-]+")


def is_count(value: object, least: int = 1, most: float = math.inf) -> bool:
    """Whether it is a whole number within these bounds; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def check_handler(value: object, where: str) -> None:
    """A callable ``(event, context)``; a class or an async function is none, decorated or not."""
    _check_callable(value, where, "the function decorated with @durable_execution")
    _check_plain(sdk.decorated(value), where)


def check_functions(value: object, where: str) -> None:
    """Functions by name."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}: write a dictionary, {{'function-name': function}}")
    for name, function in value.items():
        check_name(name, f"a name in {where}")
        check_function(function, f"{where}[{name!r}]")


def check_function(value: object, where: str) -> None:
    """The target of an invoke."""
    _check_callable(value, where, "a function (event, context)")


def _check_callable(value: Any, where: str, what: str) -> None:
    if not callable(value):
        raise ConfigurationError(f"{where} is {value!r}, which cannot be called: give {what}")
    if inspect.isclass(value):
        raise ConfigurationError(f"{where} is the class {value.__qualname__}: give a function, or an object of it")
    _check_plain(value, where)


def _check_plain(value: Any, where: str) -> None:
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError(
            f"{where} is {value.__qualname__}, an async function: Lambda calls plain functions, so write it with def"
        )


def is_set(variable: str, advice: str) -> bool:
    """Whether an environment variable is 1, and not 0, empty or missing; ``advice`` ends the complaint about others."""
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise ConfigurationError(f"the environment variable {variable} is {value!r}: {advice}")
    return value == "1"


def check_start_time(value: object, where: str) -> None:
    """An aware datetime, from which virtual time can move on for centuries."""
    value = plain(value)
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{where} is {value!r}: give a datetime, like datetime(2026, 1, 1, tzinfo=UTC)")
    if value.tzinfo is None:
        raise ConfigurationError(f"{where} is {value!r}, without a time zone: write datetime(..., tzinfo=UTC)")
    if value.year > _LATEST_START:
        raise ConfigurationError(f"{where} is {value!r}: give a year up to {_LATEST_START}; time moves on from it")


def check_environment(value: object, where: str) -> None:
    """Environment variables: strings by name."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}: write a dictionary of strings, {{'TABLE': 'orders'}}")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ConfigurationError(f"{where}[{name!r}] is {text!r}: environment variables are strings")
        if not name or "=" in name or "\0" in name + text:
            raise ConfigurationError(f"{where}[{name!r}] is {text!r}: the system takes no such environment variable")


def _check(accepts: Callable[[Any], bool], remedy: str) -> Check:
    """A check for the values that ``accepts`` is true for; ``remedy`` says what to write."""

    def check(value: object, where: str) -> None:
        if not accepts(value):
            raise ConfigurationError(f"{where} is {value!r}: {remedy}")

    return check


def optional(check: Check) -> Check:
    """A check for None, or for what ``check`` accepts."""
    return lambda value, where: None if value is None else check(value, where)


def check_choice(*choices: str) -> Check:
    """A check for one of those strings."""
    return _check(lambda value: value in choices, f"write {' or '.join(map(repr, choices))}")


def _is_timeout(value: object, maximum: timedelta) -> bool:
    try:
        length = duration(value, "")
    except UsageError:
        return False
    return _SECOND <= length <= maximum and not length % _SECOND


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_positive_duration(value: object) -> bool:
    return _is_positive(value.total_seconds() if isinstance(value, timedelta) else value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_A_TIMEOUT = "give a timedelta, or a number of seconds: whole seconds, from 1 second to"

check_name = _check(
    lambda value: isinstance(value, str) and _NAME.fullmatch(value) is not None,
    "give a function's name, like 'orders' or 'orders:live', or its ARN",
)
check_flag = _check(lambda value: isinstance(value, bool), "write True or False")
"""A value that is only truthy or falsy is refused."""
check_clock = check_choice(FREEZEGUN, TIME_MACHINE)
check_invocation_type = check_choice(EVENT, REQUEST_RESPONSE)
check_execution_timeout = optional(
    _check(lambda value: _is_timeout(value, MAX_EXECUTION_TIMEOUT), f"{_A_TIMEOUT} 366 days, as the service allows")
)
check_function_timeout = _check(
    lambda value: _is_timeout(value, MAX_FUNCTION_TIMEOUT), f"{_A_TIMEOUT} 15 minutes, as Lambda allows"
)
check_seconds = _check(_is_positive, "give a positive number of real seconds")
check_delay = _check(
    lambda value: value is None or value == 0 or _is_positive(value), "give a positive number of real seconds"
)
"""A number of real seconds from 0 on, or None."""
check_duration = _check(_is_positive_duration, "give a timedelta, or a positive number of seconds")
check_memory_size = _check(
    lambda value: is_count(value, DEFAULT_MEMORY_SIZE, MAX_MEMORY_SIZE),
    f"give a whole number of MB, from {DEFAULT_MEMORY_SIZE} to {MAX_MEMORY_SIZE}, as Lambda allows",
)
check_retention = _check(
    lambda value: is_count(value, 1, MAX_RETENTION_DAYS),
    f"give a whole number of days, from 1 to {MAX_RETENTION_DAYS}, as the service allows",
)
check_page_size = optional(_check(is_count, "give the number of operations in a page, at least 1, or None"))
check_limit = optional(_check(is_count, "give a whole number, at least 1, or None for the service's own"))
check_attempts = _check(is_count, "give a whole number, at least 1")
check_template = _check(
    lambda value: isinstance(value, str | os.PathLike) and bool(os.fspath(value)),
    "give the path of a template, 'template.yaml', or of 'cdk.out'",
)
check_template_function = _check(
    _is_text,
    "give the logical id of a function in the template, 'OrderFunction', or with an alias, 'OrderFunction:live'",
)
check_cloud_logs = _check(
    lambda value: isinstance(value, bool) or _is_text(value),
    "write True or False, or the name of the function's log group",
)
