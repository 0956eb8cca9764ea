"""The configuration of a test case class: read once, checked before anything starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import StrEnum
from itertools import takewhile
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn

from durabletest import settings
from durabletest.errors import ConfigurationError

MODE_VARIABLE = "DURABLETEST_MODE"


class Mode(StrEnum):
    """Where the functions under test run."""

    LOCAL = "local"
    CLOUD = "cloud"


_CHECKS: Mapping[str, Callable[[object, str], None]] = {
    "handler": settings.optional(settings.check_handler),
    "durable_functions": settings.check_functions,
    "functions": settings.check_functions,
    "function_name": settings.optional(settings.check_name),
    "skip_time": settings.check_flag,
    "skip_sleep": settings.check_flag,
    "start_time": settings.check_start_time,
    "clock": settings.check_clock,
    "execution_timeout": settings.check_execution_timeout,
    "watchdog": settings.check_seconds,
    "state_page_size": settings.check_page_size,
    "cloud": settings.check_choice("skip", "strict"),
    "cloud_timeout": settings.check_duration,
    "poll_interval": settings.check_duration,
    "abstract": settings.check_flag,
}
"""The class attributes that are configuration, beside ``mode``; they are checked in this order."""
_KNOWN = (*_CHECKS, "mode")
_FOR_A_TEST = {
    "handler": "for one test, make a runner of its own: with LocalDurableTestRunner(my_function) as runner: ...",
    "durable_functions": "for one test, call self.register_durable_function(name, my_function)",
    "functions": "for one test, call self.register_function(name, my_function)",
    "start_time": "a test moves time with self.start(payload).advance(timedelta(...))",
}
"""What to do instead of changing a setting in a test."""
_OF_RUNNERS = (
    "handler",
    "durable_functions",
    "functions",
    "execution_timeout",
    "watchdog",
    "state_page_size",
    "skip_sleep",
)
"""What is read when a test's runner is made; all else is read once for the class."""


class NoFunctions(dict[str, Callable[..., Any]]):
    """The default of ``functions`` and ``durable_functions``: all classes share it, so nothing can be put in."""

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


def validate(cls: type[Any], base: type[Any]) -> None:
    """Raise :class:`ConfigurationError`, naming the class and the attribute, for the first thing that cannot work.

    ``base`` is the class that has the settings; what its subclasses define beside them is searched for misspelt ones.
    ``handler`` may be missing: the cloud needs none.
    """
    name = cls.__qualname__
    for attribute, check in _CHECKS.items():
        check(getattr(cls, attribute), f"{name}.{attribute}")
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
    """Raise :class:`ConfigurationError` if ``self.attribute = ...`` would set what only the class can say."""
    if attribute in _KNOWN:
        raise ConfigurationError(f"self.{attribute} = ... of {cls.__qualname__} comes too late: {_remedy(attribute)}")


def values_of(cls: type[Any]) -> dict[str, Any]:
    """The settings of the class as they are now."""
    values = {name: getattr(cls, name) for name in _KNOWN}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def refuse_late_changes(cls: type[Any], before: Mapping[str, Any], *, runner: bool) -> None:
    """Raise :class:`ConfigurationError` if a setting is not what it was when it was read: ``before``.

    With ``runner`` it is about what a test's runner was made of, otherwise about what the class was set up with.
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
    """Raise :class:`ConfigurationError` if there is nothing to run in this process."""
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
    """The setting that was meant: the name is almost the same, and the value would do for it (methods do for none)."""
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
