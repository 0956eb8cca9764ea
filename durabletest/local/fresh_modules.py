"""Handlers in freshly imported modules, as in a new sandbox of Lambda: nothing is left of earlier invocations."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from threading import RLock
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, ClassVar
from unittest import TestCase

from durabletest.errors import UsageError
from durabletest.local.deployment import module_of, name_of
from durabletest.local.handler_threads import is_authored, is_third_party

_TEST_NAMES = ("test", "tests", "conftest", "__main__")
_NAMED = (FunctionType, BuiltinFunctionType, type)
_MISSING: Any = object()


class _Renewal:
    """The modules that are set aside while new ones are in their place."""

    current: ClassVar[_Renewal | None] = None
    """The one whose new modules are in place. One that an abandoned invocation has left is undone by the next."""
    lock: ClassVar[RLock] = RLock()

    def __init__(self) -> None:
        with self.lock:
            self.aside = {name: module for name, module in list(sys.modules.items()) if _is_renewed(module)}
            for name in self.aside:
                del sys.modules[name]
            _Renewal.current = self

    @classmethod
    def undo_current(cls) -> None:
        """Undo what an abandoned invocation has left."""
        with cls.lock:
            if cls.current is not None:
                cls.current.undo()

    def undo(self) -> None:
        """Put the modules back that were set aside, and forget the new ones."""
        with self.lock:
            if _Renewal.current is not self:
                return
            _Renewal.current = None
            for name in [name for name, module in list(sys.modules.items()) if _is_renewed(module)]:
                del sys.modules[name]
            sys.modules.update(self.aside)
            for name, module in self.aside.items():  # modules are attributes of their packages, too
                package, _, own = name.rpartition(".")
                if package in sys.modules:
                    setattr(sys.modules[package], own, module)


@contextmanager
def freshly_imported(handler: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """In the block, the project's modules are new ones, and what is given is the handler of these.

    Only what the handler's module imports comes again, the modules of tests excepted. What tests have put into the
    modules in place of their own functions, classes and objects is put into the new ones. Afterwards the old modules
    are back. Raises :class:`UsageError` if the handler cannot be had again.
    """
    home, attribute = place_of(handler)
    renewal = _Renewal()
    try:
        yield _imported(home, attribute, renewal.aside)
    finally:
        renewal.undo()


def can_be_fresh(handler: Callable[..., Any]) -> bool:
    """Whether the handler can be had again from freshly imported modules; no invocation runs meanwhile."""
    try:
        place_of(handler)
    except UsageError:
        return False
    return True


def place_of(handler: Callable[..., Any]) -> tuple[str, str]:
    """The module of a handler, and the attribute that it is there.

    Raises :class:`UsageError` if the handler cannot be had again from freshly imported modules.
    """
    _Renewal.undo_current()
    home = module_of(handler)
    module = sys.modules.get(home)
    attribute = next((name for name, value in vars(module).items() if value is handler), None) if module else None
    if module is None or attribute is None:
        raise UsageError(
            f"cold=True: {name_of(handler)} is no attribute of its module {home!r}, and cannot be imported again: "
            "define it at the top of a module"
        )
    if not _is_renewed(module):
        raise UsageError(
            f"cold=True: the module {home!r} of {name_of(handler)} is one of tests or of an installed package, which "
            "are not imported again: put the handler into a module of its own"
        )
    return home, attribute


def _imported(home: str, attribute: str, before: Mapping[str, ModuleType]) -> Callable[..., Any]:
    try:
        handler: Callable[..., Any] = getattr(importlib.import_module(home), attribute)
    except Exception as error:
        raise UsageError(f"cold=True: the module {home!r} cannot be imported again: {error!r}") from error
    for name, module in before.items():
        if name in sys.modules:
            _replace_again(module, sys.modules[name], before, set())
    return handler


def _is_renewed(module: object) -> bool:
    """Whether it is a module of the project, and none of tests; lazy modules are not asked for what they have not."""
    if not isinstance(module, ModuleType):  # anything can be in sys.modules
        return False
    name = str(vars(module).get("__name__"))
    return _is_projects(str(vars(module).get("__file__")), name) and not any(
        isinstance(value, type) and issubclass(value, TestCase) and value.__module__ == name
        for value in list(vars(module).values())
    )


@cache
def _is_projects(file: str, name: str) -> bool:
    parts = name.split(".")
    of_tests = (
        any(part in _TEST_NAMES for part in parts) or parts[-1].startswith("test_") or parts[-1].endswith("_test")
    )
    return file.endswith(".py") and not of_tests and is_authored(file) and not is_third_party(file)


# --- what tests have replaced ---


def _replace_again(old: Any, new: Any, modules: Container[str], seen: set[int]) -> None:
    """Put into a new module, class or object what a test has put into the old one."""
    if id(old) in seen:
        return
    seen.add(id(old))
    for name, value in list(vars(old).items()):
        made = vars(new).get(name, _MISSING)
        if value is made or (name.startswith("__") and name.endswith("__")):
            continue
        if _comes_from_elsewhere(value, made, modules):
            setattr(new, name, value)
        elif _kind(value) == _kind(made) and _kind(made)[0] in modules and _has_attributes(made):
            _replace_again(value, made, modules, seen)


def _comes_from_elsewhere(value: Any, made: Any, modules: Container[str]) -> bool:
    """Whether it is a test's, and not what the module has made, or what handlers have left in it.

    State of modules is plain data, collections, objects of the standard library and of the project's own classes.
    """
    mock = sys.modules.get("unittest.mock")  # slow to import, and not needed where nobody has imported it
    if mock is not None and isinstance(value, mock.NonCallableMock):
        return True
    if isinstance(value, MethodType | partial):
        return _comes_from_elsewhere(value.__func__ if isinstance(value, MethodType) else value.func, made, modules)
    if isinstance(value, ModuleType):
        return value.__name__ not in modules
    if isinstance(value, _NAMED):
        return _kind(value)[0] not in modules and _kind(value) != _kind(made)
    origin = type(value).__module__
    file = getattr(sys.modules.get(origin), "__file__", None) or ""
    if origin in modules or not is_authored(file):
        return False
    return not (is_third_party(file) and isinstance(value, Container))


def _has_attributes(value: Any) -> bool:
    return hasattr(value, "__dict__") and not isinstance(value, FunctionType)


def _kind(value: Any) -> tuple[str, str]:
    """The module and name of a function or class, or of the class of an object."""
    named = value if isinstance(value, _NAMED) else type(value)
    return str(getattr(named, "__module__", "")), named.__qualname__
