"""Test case classes that are only the base of others: nothing collects them."""

from __future__ import annotations

import unittest
from typing import Any, NoReturn


def mark(cls: type[Any]) -> None:
    """Let ``abstract`` be what the class itself says, never what its base says; pytest goes by ``__test__``."""
    own = vars(cls)
    if "abstract" not in own:
        cls.abstract = False
    if cls.abstract is True:
        cls.__test__ = False
    elif "__test__" not in own and any(vars(base).get("abstract") is True for base in cls.__mro__):
        cls.__test__ = True


class NoTests(unittest.TestSuite):
    """What unittest's loaders get for each test of an abstract class: a suite without tests."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self._name = cls.__qualname__

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self._name} is abstract: its tests are run in its subclasses only, so is {name}")
