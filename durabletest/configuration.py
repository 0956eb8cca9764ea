"""The configuration of test case classes, checked before anything starts, and their mode, local or cloud.

Each value is checked by itself; what a class as a whole can get wrong comes after.
"""

from __future__ import annotations

import os
import unittest
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from itertools import takewhile
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from durabletest import value_checks
from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.times import duration
from durabletest.value_checks import MAX_SYNCHRONOUS_TIMEOUT, REQUEST_RESPONSE, Check, optional

# --- the settings of a class ------------------------------------------------------------------------------------------

OF_RUNNERS: Mapping[str, Check] = {
    "handler": optional(value_checks.check_handler),
    "durable_functions": value_checks.check_functions,
    "functions": value_checks.check_functions,
    "skip_sleep": value_checks.check_flag,
    "execution_timeout": value_checks.check_execution_timeout,
    "function_timeout": value_checks.check_function_timeout,
    "invocation_attempts": value_checks.check_attempts,
    "invocation_type": value_checks.check_invocation_type,
    "operation_limit": value_checks.check_limit,
    "storage_limit": value_checks.check_limit,
    "retention_days": value_checks.check_retention,
    "memory_size": value_checks.check_memory_size,
    "environment": value_checks.check_environment,
    "watchdog": value_checks.check_seconds,
    "state_page_size": value_checks.check_page_size,
}
"""The settings that are read for each test, when its runner is made; all others are read once for the class."""
_CHECKS: Mapping[str, Check] = {
    **OF_RUNNERS,
    "template": optional(value_checks.check_template),
    "template_function": optional(value_checks.check_template_function),
    "function_name": optional(value_checks.check_name),
    "skip_time": value_checks.check_flag,
    "check_determinism": value_checks.check_flag,
    "start_time": value_checks.check_start_time,
    "clock": value_checks.check_clock,
    "cloud": value_checks.check_choice("skip", "strict"),
    "cloud_timeout": value_checks.check_duration,
    "poll_interval": value_checks.check_duration,
    "cloud_logs": value_checks.check_cloud_logs,
    "abstract": value_checks.check_flag,
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
    for attribute, value in own_attributes(cls, base):
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
        if (name in OF_RUNNERS) is not runner or value is before[name] or value == before[name]:
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
    own = list(own_attributes(cls, base))
    similar = [name for name, value in own if callable(value) and _close(name) == "handler"]
    hint = f" ({cls.__qualname__}.{similar[0]} is not it)" if similar else ""
    late = " (or cls.handler = my_function, before super().setUpClass())" if "setUpClass" in dict(own) else ""
    raise ConfigurationError(
        f"{cls.__qualname__} has no handler{hint}: write `handler = my_function`{late}, the function decorated with "
        "@durable_execution, or `template = 'template.yaml'`; or `abstract = True`, if it is only the base of classes "
        "that have one"
    )


def own_attributes(cls: type[Any], base: type[Any]) -> Iterator[tuple[str, Any]]:
    """The attributes of a class and its bases, up to ``base``, which is left out."""
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


# --- the mode, and the tests that belong to one mode only -------------------------------------------------------------

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
