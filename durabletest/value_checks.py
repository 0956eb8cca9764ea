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

from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.times import duration

FREEZEGUN, TIME_MACHINE = "freezegun", "time-machine"
EVENT, REQUEST_RESPONSE = "Event", "RequestResponse"
MAX_EXECUTION_TIMEOUT = timedelta(days=366)
"""The longest execution timeout that the service allows."""
MAX_SYNCHRONOUS_TIMEOUT = timedelta(minutes=15)
"""The longest timeout of an execution that is invoked synchronously."""
MAX_FUNCTION_TIMEOUT = timedelta(minutes=15)
"""The longest timeout of a function that Lambda allows."""
DEFAULT_RETENTION_DAYS = 14
"""The days that the service keeps an execution after its end, if the function does not say."""
MAX_RETENTION_DAYS = 90
"""The longest that the service keeps an execution after its end."""
DEFAULT_MEMORY_SIZE = 128
"""The memory in MB of a function for which none was chosen; Lambda allows no less."""
MAX_MEMORY_SIZE = 10_240
_LATEST_START = 9000
_SECOND = timedelta(seconds=1)
_NAME = re.compile(r"[A-Za-z0-9_.:$-]+")


def check_handler(value: object, where: str) -> None:
    """A callable ``(event, context)``; a class or an async function is none."""
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


def is_set(variable: str, advice: str) -> bool:
    """Whether an environment variable is 1, and not 0, empty or missing; ``advice`` ends the complaint about others."""
    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise ConfigurationError(f"the environment variable {variable} is {value!r}: {advice}")
    return value == "1"


def check_flag(value: object, where: str) -> None:
    """True or False; a value that is only truthy or falsy is refused."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} is {value!r}: write True or False")


def check_start_time(value: object, where: str) -> None:
    """An aware datetime, from which virtual time can move on for centuries."""
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{where} is {value!r}: give a datetime, like datetime(2026, 1, 1, tzinfo=UTC)")
    if value.tzinfo is None:
        raise ConfigurationError(f"{where} is {value!r}, without a time zone: write datetime(..., tzinfo=UTC)")
    if value.year > _LATEST_START:
        raise ConfigurationError(f"{where} is {value!r}: give a year up to {_LATEST_START}; time moves on from it")


def check_execution_timeout(value: object, where: str) -> None:
    """A timedelta or number of seconds, as the service allows: whole seconds, up to 366 days."""
    if value is not None and not _is_timeout(value, MAX_EXECUTION_TIMEOUT):
        raise ConfigurationError(
            f"{where} is {value!r}: give a timedelta, or a number of seconds: whole seconds, from 1 second to 366 "
            "days, as the service allows"
        )


def check_function_timeout(value: object, where: str) -> None:
    """A timedelta or number of seconds, as Lambda allows: whole seconds, up to 15 minutes."""
    if not _is_timeout(value, MAX_FUNCTION_TIMEOUT):
        raise ConfigurationError(
            f"{where} is {value!r}: give a timedelta, or a number of seconds: whole seconds, from 1 second to 15 "
            "minutes, as Lambda allows"
        )


def _is_timeout(value: object, maximum: timedelta) -> bool:
    try:
        length = duration(value, "")
    except UsageError:
        return False
    return _SECOND <= length <= maximum and not length % _SECOND


def check_seconds(value: object, where: str) -> None:
    """A positive number of real seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigurationError(f"{where} is {value!r}: give a positive number of real seconds")


def check_memory_size(value: object, where: str) -> None:
    """A whole number of MB that Lambda allows."""
    if isinstance(value, bool) or not isinstance(value, int) or not DEFAULT_MEMORY_SIZE <= value <= MAX_MEMORY_SIZE:
        raise ConfigurationError(
            f"{where} is {value!r}: give a whole number of MB, from {DEFAULT_MEMORY_SIZE} to {MAX_MEMORY_SIZE}, as "
            "Lambda allows"
        )


def check_environment(value: object, where: str) -> None:
    """Environment variables: strings by name."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}: write a dictionary of strings, {{'TABLE': 'orders'}}")
    for name, text in value.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise ConfigurationError(f"{where}[{name!r}] is {text!r}: environment variables are strings")


def check_template(value: object, where: str) -> None:
    """The path of a template, or of a folder with one."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ConfigurationError(f"{where} is {value!r}: give the path of a template, 'template.yaml', or of 'cdk.out'")


def check_template_function(value: object, where: str) -> None:
    """The function of a template, with an alias or without."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(
            f"{where} is {value!r}: give the logical id of a function in the template, 'OrderFunction', or with an "
            "alias, 'OrderFunction:live'"
        )


def check_delay(value: object, where: str) -> None:
    """A number of real seconds from 0 on, or None."""
    if value is not None and value != 0:
        check_seconds(value, where)


def check_page_size(value: object, where: str) -> None:
    """A positive number of operations, or None."""
    valid = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if value is not None and not valid:
        raise ConfigurationError(f"{where} is {value!r}: give the number of operations in a page, at least 1, or None")


def check_limit(value: object, where: str) -> None:
    """A positive whole number, or None."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigurationError(
            f"{where} is {value!r}: give a whole number, at least 1, or None for the service's own"
        )


def check_retention(value: object, where: str) -> None:
    """A whole number of days that the service allows."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_RETENTION_DAYS:
        raise ConfigurationError(
            f"{where} is {value!r}: give a whole number of days, from 1 to {MAX_RETENTION_DAYS}, as the service allows"
        )


def check_attempts(value: object, where: str) -> None:
    """A positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{where} is {value!r}: give a whole number, at least 1")


def check_duration(value: object, where: str) -> None:
    """A positive timedelta or number of seconds."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise ConfigurationError(f"{where} is {value!r}: give a timedelta, or a positive number of seconds")


def check_choice(*choices: str) -> Callable[[object, str], None]:
    """A check for one of those strings."""

    def check(value: object, where: str) -> None:
        if value not in choices:
            raise ConfigurationError(f"{where} is {value!r}: write {' or '.join(map(repr, choices))}")

    return check


def check_clock(value: object, where: str) -> None:
    """The tool that shows virtual time to handler code."""
    check_choice(FREEZEGUN, TIME_MACHINE)(value, where)


def check_invocation_type(value: object, where: str) -> None:
    """The type of the invocation that starts executions."""
    check_choice(EVENT, REQUEST_RESPONSE)(value, where)


def check_cloud_logs(value: object, where: str) -> None:
    """True or False, or the name of a log group."""
    if not isinstance(value, bool) and (not isinstance(value, str) or not value):
        raise ConfigurationError(f"{where} is {value!r}: write True or False, or the name of the function's log group")


def optional(check: Callable[[object, str], None]) -> Callable[[object, str], None]:
    """A check for None, or for what ``check`` accepts."""
    return lambda value, where: None if value is None else check(value, where)


def _check_callable(value: object, where: str) -> None:
    if isinstance(value, type):
        raise ConfigurationError(f"{where} is the class {value.__qualname__}: give a function, or an object of it")
    if inspect.iscoroutinefunction(value):
        raise ConfigurationError(
            f"{where} is {value.__qualname__}, an async function: Lambda calls plain functions, so write it with def"
        )
