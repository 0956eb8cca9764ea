"""Finds the tests that a name on the command line means."""

from __future__ import annotations

import importlib
import sys
import traceback
import unittest
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from durabletest.case import DurableTestCase
from durabletest.errors import ConfigurationError


def module_named(name: str) -> ModuleType:
    """The module of that dotted name, or in that file below the current directory."""
    dotted = ".".join(Path(name).with_suffix("").parts) if name.endswith(".py") else name
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{dotted}.".startswith(f"{error.name}."):
            raise ConfigurationError(_no_module(name, dotted)) from None
        raise ConfigurationError(_not_importable(name, error)) from error
    except Exception as error:
        raise ConfigurationError(_not_importable(name, error)) from error


def tests_in(module: ModuleType) -> list[DurableTestCase]:
    """All tests of all ``DurableTestCase`` classes in the module, in the order in which unittest runs them."""
    tests = _flat(unittest.defaultTestLoader.loadTestsFromModule(module))
    found = [test for test in tests if isinstance(test, DurableTestCase)]
    if not found:
        raise ConfigurationError(
            f"{module.__name__} has no tests of a DurableTestCase: name the module with the test case classes "
            "whose handlers are deployed"
        )
    return found


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _not_importable(name: str, error: Exception) -> str:
    [*_, last] = traceback.format_exception_only(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name!r} cannot be imported: {last.rstrip()} ({where.filename}, line {where.lineno})"


def _no_module(name: str, dotted: str) -> str:
    here = [path.stem for path in Path.cwd().glob("*.py")]
    close = get_close_matches(dotted, here, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"there is no module {name!r}, seen from {Path.cwd()}{hint}"
