"""The configuration of runners and test case classes, checked before anything starts.

A check takes a value, of an argument or a class attribute, and its name for the message, ``where``; it raises
:class:`ConfigurationError`. What a class as a whole can get wrong comes after.
"""

from __future__ import annotations

import inspect
import math
import re
import unittest
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from difflib import get_close_matches
from itertools import takewhile
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.times import duration

FREEZEGUN, TIME_MACHINE = "freezegun", "time-machine"
EVENT, REQUEST_RESPONSE = "Event", "RequestResponse"
MAX_EXECUTION_TIMEOUT = timedelta(days=366)
_LATEST_START = 9000
"""The longest execution timeout that the service allows."""
MAX_SYNCHRONOUS_TIMEOUT = timedelta(minutes=15)
"""The longest timeout of an execution that is invoked synchronously."""
MAX_FUNCTION_TIMEOUT = timedelta(minutes=15)
"""The longest timeout of a function that Lambda allows."""
_SECOND = timedelta(seconds=1)
_NAME = re.compile(r"[A-Za-z0-9_.:$-]+")


# --- checks of one value ----------------------------------------------------------------------------------------------


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


# --- the settings of a class ------------------------------------------------------------------------------------------

_CHECKS: Mapping[str, Callable[[object, str], None]] = {
    "handler": optional(check_handler),
    "durable_functions": check_functions,
    "functions": check_functions,
    "function_name": optional(check_name),
    "skip_time": check_flag,
    "skip_sleep": check_flag,
    "check_determinism": check_flag,
    "start_time": check_start_time,
    "clock": check_clock,
    "execution_timeout": check_execution_timeout,
    "function_timeout": check_function_timeout,
    "invocation_attempts": check_attempts,
    "invocation_type": check_invocation_type,
    "operation_limit": check_limit,
    "storage_limit": check_limit,
    "watchdog": check_seconds,
    "state_page_size": check_page_size,
    "cloud": check_choice("skip", "strict"),
    "cloud_timeout": check_duration,
    "poll_interval": check_duration,
    "cloud_logs": check_cloud_logs,
    "abstract": check_flag,
}
"""The class attributes that are settings, apart from ``mode``, in the order in which they are checked."""
_KNOWN = (*_CHECKS, "mode")
_FOR_A_TEST = {
    "handler": "for one test, make a runner of its own: with LocalDurableTestRunner(my_function) as runner: ...",
    "durable_functions": "for one test, call self.register_durable_function(name, my_function)",
    "functions": "for one test, call self.register_function(name, my_function)",
    "start_time": "a test moves time with self.start(payload).advance(timedelta(...))",
}
"""The ways to get the effect of a changed setting in one test, for messages."""
_OF_RUNNERS = (
    "handler",
    "durable_functions",
    "functions",
    "execution_timeout",
    "function_timeout",
    "invocation_attempts",
    "invocation_type",
    "operation_limit",
    "storage_limit",
    "watchdog",
    "state_page_size",
    "skip_sleep",
)
"""The settings that are read for each test, when its runner is made; all others are read once for the class."""


class NoFunctions(dict[str, Callable[..., Any]]):
    """The default of ``functions`` and ``durable_functions``, read-only because all classes share it."""

    def __init__(self, setting: str) -> None:
        self._setting = setting
        super().__init__()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise ConfigurationError(
            f"what is put into the default of {self._setting} would be there for all classes: write {self._setting} = "
            f"{{name: my_function}} in the class; {_FOR_A_TEST[self._setting]}"
        )

    if not TYPE_CHECKING:  # to a type checker it is a dictionary like any other
        __setitem__ = update = setdefault = __ior__ = _refuse


def check_arguments(**arguments: object) -> None:
    """Check the arguments of a runner that are settings of a class, too."""
    for name, value in arguments.items():
        _CHECKS[name](value, name)
    _check_synchronous(arguments["invocation_type"], arguments["execution_timeout"], "execution_timeout")


def _check_synchronous(invocation_type: object, execution_timeout: Any, where: str) -> None:
    """An execution that is invoked synchronously has a shorter timeout, or the service refuses the invocation."""
    if invocation_type != REQUEST_RESPONSE or execution_timeout is None:
        return
    if duration(execution_timeout, "") > MAX_SYNCHRONOUS_TIMEOUT:
        raise ConfigurationError(
            f"{where} is {execution_timeout!r}, and an execution that is started synchronously may take 15 minutes: "
            f"give less, or leave out invocation_type = {REQUEST_RESPONSE!r}"
        )


def validate(cls: type[Any], base: type[Any]) -> None:
    """Check all settings of a class, and search its other attributes for misspelt ones.

    ``base`` is the class that declares the settings. ``handler`` may be None, as the cloud needs none.
    """
    name = cls.__qualname__
    for attribute, check in _CHECKS.items():
        check(getattr(cls, attribute), f"{name}.{attribute}")
    _check_synchronous(cls.invocation_type, cls.execution_timeout, f"{name}.execution_timeout")
    both = sorted(set(cls.durable_functions) & set(cls.functions))
    if both:
        raise ConfigurationError(f"{both[0]!r} is in {name}.durable_functions and in {name}.functions: leave one out")
    for attribute, value in _own_attributes(cls, base):
        meant = _misspelt(attribute, value)
        if meant is not None:
            raise ConfigurationError(
                f"{name}.{attribute} is not a setting: did you mean {meant!r}? If it is something of your own, give it "
                "a name that is less like one"
            )


def refuse_on_instance(cls: type[Any], attribute: str) -> None:
    """Refuse ``self.attribute = ...`` for a setting, which only the class can have."""
    if attribute in _KNOWN:
        raise ConfigurationError(f"self.{attribute} = ... of {cls.__qualname__} comes too late: {_remedy(attribute)}")


def values_of(cls: type[Any]) -> dict[str, Any]:
    """The present settings of the class; dictionaries are copied."""
    values = {name: getattr(cls, name) for name in _KNOWN}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def refuse_late_changes(cls: type[Any], before: Mapping[str, Any], *, runner: bool) -> None:
    """Refuse settings that have changed since they were read: ``before``, from :func:`values_of`.

    With ``runner`` those of a test's runner are compared, otherwise those that the class was set up with.
    """
    for name, value in values_of(cls).items():
        if (name in _OF_RUNNERS) is not runner or value is before[name] or value == before[name]:
            continue
        if runner:
            text = f"was changed too late: {_remedy(name)}"
        else:
            text = "was changed after super().setUpClass() had read it: assign it before"
        raise ConfigurationError(f"{cls.__qualname__}.{name} {text}")


def _remedy(attribute: str) -> str:
    more = _FOR_A_TEST.get(attribute)
    return (
        f"the test's runner is made before setUp, from the class. Write {attribute} = ... in the class, or "
        f"cls.{attribute} = ... in setUpClass{'' if more is None else f'; {more}'}"
    )


def require_handler(cls: type[Any], base: type[Any]) -> None:
    """Refuse a class without a handler, which only the cloud can do without."""
    if cls.handler is not None:
        return
    own = list(_own_attributes(cls, base))
    similar = [name for name, value in own if callable(value) and _close(name) == "handler"]
    hint = f" ({cls.__qualname__}.{similar[0]} is not it)" if similar else ""
    late = " (or cls.handler = my_function, before super().setUpClass())" if "setUpClass" in dict(own) else ""
    raise ConfigurationError(
        f"{cls.__qualname__} has no handler{hint}: write `handler = my_function`{late}, the function decorated with "
        "@durable_execution; or `abstract = True`, if it is only the base of classes that have one"
    )


def _own_attributes(cls: type[Any], base: type[Any]) -> Iterator[tuple[str, Any]]:
    for owner in takewhile(lambda owner: owner is not base, cls.__mro__):
        yield from vars(owner).items()


def _misspelt(attribute: str, value: object) -> str | None:
    """The setting that was probably meant: one of a similar name that accepts the value, which is no method."""
    meant = _close(attribute)
    if meant is None or meant in ("handler", "mode") or isinstance(value, FunctionType) or value is None:
        return None
    try:
        _CHECKS[meant](value, attribute)
    except ConfigurationError:
        return None
    return meant


def _close(attribute: str) -> str | None:
    if attribute in _KNOWN or attribute.startswith("_"):
        return None
    return next(iter(get_close_matches(attribute, _KNOWN, n=1, cutoff=0.85)), None)


# --- abstract classes -------------------------------------------------------------------------------------------------


def set_abstract(cls: type[Any]) -> None:
    """Set ``abstract`` to False unless the class itself says otherwise, and ``__test__`` for pytest accordingly."""
    own = vars(cls)
    if "abstract" not in own:
        cls.abstract = False
    if cls.abstract is True:
        cls.__test__ = False
    elif "__test__" not in own and any(vars(base).get("abstract") is True for base in cls.__mro__):
        cls.__test__ = True


class NoTests(unittest.TestSuite):
    """The empty suite that unittest's loaders get in place of each test of an abstract class."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self._name = cls.__qualname__

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self._name} is abstract: its tests are run in its subclasses only, so is {name}")
