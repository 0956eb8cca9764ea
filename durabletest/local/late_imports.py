"""Modules that are first imported while time is frozen: executed with the real clock, and patched like all others."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from durabletest.patches import Patches

_bootstrap: Any = sys.modules["importlib._bootstrap"]
_ENTRIES = ("_find_and_load", "_exec")
"""Its functions that each import of a module that is not loaded, and each reload, calls in the importing thread."""


class _Here(threading.local):
    """The number of nested imports that go on in the calling thread."""

    depth = 0


class LateImports:
    """While installed, a thread that imports sees the real ``datetime`` and ``time``, and no other thread does.

    ``reals`` maps these modules to what is real in them, by name. When the outermost import of a thread has ended, each
    module that it brought is given to ``patch``, also if it failed in the end. ``late`` are the names of all these. An
    import that outlasts the frozen time has nothing to be patched with.
    """

    def __init__(self, reals: Mapping[ModuleType, Mapping[str, Any]], patch: Callable[[ModuleType], None]) -> None:
        self._reals = reals
        self._patch = patch
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._known: set[str] = set()
        self._loading: dict[int, set[str]] = {}
        self._here = _Here()
        self._patches = Patches()
        self._classes: dict[ModuleType, type[ModuleType]] = {}
        self._installed = False
        self.late: set[str] = set()

    def install(self) -> None:
        """Begin; all modules that are loaded are patched already."""
        self._known = set(sys.modules)
        self._installed = True
        # The beginning and end of an import, in its thread: finders on ``sys.meta_path`` are asked before a module is
        # executed, and told of no end; ``builtins.__import__`` is not called by ``importlib``. Both functions are
        # private, with these names and parameters since Python 3.4; checked with Python 3.11.
        for name in _ENTRIES:
            self._patches.wrap(_bootstrap, name, self._patched_import)
        # A module's attributes can depend on the thread only by properties, which its class has to have: Python lets
        # the class of a module be set (since 3.5).
        for module, reals in self._reals.items():
            attributes = {name: self._attribute(name, real) for name, real in reals.items()}
            module.__class__ = self._classes[module] = type("ModuleWithRealClock", (ModuleType,), attributes)

    def remove(self) -> None:
        """Give imports and both modules back as they were, also in a child that was forked during an import."""
        if self.inherited:
            self._lock = threading.Lock()
        with self._lock:
            self._installed = False
        for module, cls in self._classes.items():
            if type(module) is cls:
                module.__class__ = ModuleType
        self._patches.undo()

    @property
    def inherited(self) -> bool:
        """Whether this is another process than the one in which it was made."""
        return os.getpid() != self._process

    def _patched_import(self, original: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def importing(name_or_spec: Any, other: Any) -> Any:
            if isinstance(name_or_spec, str) and name_or_spec in self._known and name_or_spec in sys.modules:
                return original(name_or_spec, other)
            here, thread = self._here, threading.get_ident()
            here.depth += 1
            with self._lock:
                self._loading.setdefault(thread, set()).add(getattr(name_or_spec, "name", name_or_spec))
            try:
                return original(name_or_spec, other)
            finally:
                here.depth -= 1
                if not here.depth:
                    self._patch_loaded_by(thread)

        return importing

    def _patch_loaded_by(self, thread: int) -> None:
        """Modules that other threads load are left to these; what came without an import belongs to the first."""
        with self._lock:
            mine = self._loading.pop(thread)
            if not self._installed:
                return
            others: set[str] = set().union(*self._loading.values())
            names = (mine | (set(sys.modules) - self._known)) - others
            self._known |= names
            self.late |= names
            for name in names:
                module = sys.modules.get(name)
                if module is not None and issubclass(type(module), ModuleType):
                    self._patch(module)

    def _attribute(self, name: str, real: Any) -> property:
        def get(module: ModuleType) -> Any:
            return real if self._here.depth else vars(module)[name]

        def put(module: ModuleType, value: Any) -> None:
            vars(module)[name] = value

        return property(get, put)
