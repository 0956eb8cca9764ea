"""Patches of modules and classes that belong to others, and the one policy by which they are undone.

A patch is undone only if it is still in place. Another tool may have patched the same attribute on top in the meantime;
its patch calls ours and remembers it as the original. Restoring the attribute underneath would silently switch that
tool off, so its patch keeps its place. That leaves our replacement reachable after ``undo``: a replacement must do no
more than call the original once what it reports to has stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

_MISSING: Any = object()
"""Stands for an attribute that the owner itself does not have: it has inherited it."""


class Patches:
    """Attributes that are replaced until ``undo``, which the end of a ``with`` block calls."""

    def __init__(self) -> None:
        self._patched: list[tuple[Any, str, Any, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def replace(self, owner: Any, name: str, replacement: Any) -> None:
        """Set an attribute of a module, class or object, which has to exist."""
        getattr(owner, name)
        original = vars(owner).get(name, _MISSING)
        _assign(owner, name, replacement)
        self._patched.append((owner, name, original, vars(owner)[name]))

    def wrap(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        """Replace an attribute by what ``make`` returns for its present value."""
        self.replace(owner, name, make(getattr(owner, name)))

    def undo(self) -> None:
        """Restore each attribute that still has the value set here, the last one first."""
        while self._patched:
            owner, name, original, replacement = self._patched.pop()
            if vars(owner).get(name, _MISSING) is not replacement:
                continue
            if original is _MISSING:
                delattr(owner, name)
            else:
                _assign(owner, name, original)


def _assign(owner: Any, name: str, value: Any) -> None:
    """Set an attribute; that of a module in its dictionary, as a module may refuse it, or do more when it is set."""
    if isinstance(owner, ModuleType):
        vars(owner)[name] = value
    else:
        setattr(owner, name, value)


class PatchGroup(ABC):
    """Patches that are in place from ``install`` to ``remove``."""

    def __init__(self) -> None:
        self._patches = Patches()

    @abstractmethod
    def install(self) -> None:
        """Put them in place."""

    def remove(self) -> None:
        """Undo them."""
        self._patches.undo()
