"""The two drivers of the clock that handler code sees, freezegun and time-machine, and the choice between them."""

from __future__ import annotations

import datetime as datetime_module
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import freezegun.api
import freezegun.config

from durabletest import value_checks
from durabletest.errors import ConfigurationError
from durabletest.local import clock_references
from durabletest.local.clock_references import Found, configured, is_in, left_out
from durabletest.local.foreign_clocks import ClockDriver, travellers
from durabletest.patches import Patches

CLOCK_VARIABLE = "DURABLETEST_CLOCK"


def chosen(clock: str | None = None) -> str:
    """The name of the clock: that of the environment variable, or else ``clock``, or else freezegun."""
    variable = os.environ.get(CLOCK_VARIABLE)
    if variable:
        value_checks.check_clock(variable, f"the environment variable {CLOCK_VARIABLE}")
        return variable
    return value_checks.FREEZEGUN if clock is None else clock


def driver(clock: str, before_reading: Callable[[], None]) -> ClockDriver:
    """The driver of that name; ``before_reading`` is called in every thread that reads the virtual time."""
    return (TravelledTime if clock == value_checks.TIME_MACHINE else FrozenTime)(before_reading)


# --- time-machine ---

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTALL = "pip install 'time-machine>=3'"


class TravelledTime(ClockDriver):
    """The clock of this process by time-machine; local time is UTC meanwhile, as it is in Lambda.

    Monotonic clocks are real. To tell of every reading, the traveller's method ``time_ns`` is replaced, which
    time-machine calls for each; checked with 3.6.0.
    """

    def __init__(self, before_reading: Callable[[], None]) -> None:
        super().__init__(before_reading)
        self._time_machine = _require()
        self._nanoseconds = 0
        self._travel: Any = None

    def _begin(self, instant: datetime) -> None:
        self._show(instant)
        self._travel = self._time_machine.travel(_EPOCH, tick=False)
        self._own = self._travel.start()
        self._own.time_ns = self._read
        if time.time_ns() != self._nanoseconds:
            self._travel.stop()
            raise ConfigurationError(
                f"this version of time-machine does not ask its traveller for the time: {_INSTALL}, or take freezegun"
            )

    def _show(self, instant: datetime) -> None:
        self._nanoseconds = (instant - _EPOCH) // _MICROSECOND * 1000

    def _end(self) -> None:
        self._end_frozen()
        while travellers()[-1] is not self._own:
            self._travel.stop()
        self._travel.stop()

    def _read(self) -> int:
        self._before_reading()
        return self._nanoseconds


def _require() -> Any:
    """The module, of a version that leaves monotonic clocks alone."""
    try:
        import time_machine
    except ImportError as error:
        raise ConfigurationError(f"clock is 'time-machine', which is not installed: {_INSTALL}") from error
    if not hasattr(time_machine, "traveller_stack"):
        raise ConfigurationError(
            f"clock is 'time-machine', and its installed version is too old, as it freezes monotonic clocks: {_INSTALL}"
        )
    return time_machine


# --- freezegun ---

# freezegun's ignore list serves two purposes: modules on it are left out of the scan that replaces time functions, and
# calls of ``time.time()`` from one of the five nearest frames of such a module get the real time. Here the frames' list
# is short, while the scan leaves out all: it lists and sorts the names of every module. ``FrozenTime`` scans by itself,
# and leaves out test runners and this package, which keep real clocks, while whatever they call sees virtual time.
_NO_SCAN = ("",)
_REAL_IN_FRAMES_OF = ("multiprocessing.",)
# freezegun keeps the properties of its clocks in private stacks, whose last entries belong to the clock that is
# shown: ``freeze_factories`` gives the time, ``tz_offsets`` the local time zone, ``ignore_lists`` the prefixes of
# modules whose calls get the real time, ``tick_flags`` whether the time goes on by itself. ``freeze_time.stop`` takes
# off whatever is last. Two things are done here for which freezegun has no interface: the factory is replaced by one
# that tells of every reading, and entries that another tool has left on top are taken off at the end. Checked with
# freezegun 1.5.5.
_FREEZEGUN_STACKS = ("freeze_factories", "tz_offsets", "ignore_lists", "tick_flags")
_MONOTONIC = ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
_REAL_MONOTONIC = {name: getattr(freezegun.api, f"real_{name}") for name in _MONOTONIC}
REPLACED = {datetime_module: ("date", "datetime"), time: ("time", "time_ns", "localtime", "gmtime", "strftime")}
"""The functions and classes that freezegun replaces, without the monotonic clocks."""
_REALS: dict[ModuleType, dict[str, Any]] = {
    module: {name: getattr(freezegun.api, f"real_{name}") for name in names} for module, names in REPLACED.items()
}

_WITHOUT_CLOCKS: WeakKeyDictionary[ModuleType, tuple[int, str | None]] = WeakKeyDictionary()
"""Modules of which no name held a clock when they were scanned, with their names of then."""


def _names_of(module: ModuleType) -> tuple[int, str | None]:
    """The number of its names, and the last one; both stay if and only if the names do, as new ones are put last."""
    names = vars(module)
    try:
        return len(names), next(reversed(names), None)
    except RuntimeError:  # another thread adds a name between these two calls
        return _names_of(module)


class _Readings(freezegun.api.FrozenDateTimeFactory):
    """freezegun's source of the time, which calls ``before`` in the thread that reads it."""

    def __init__(self, instant: datetime, before: Callable[[], None]) -> None:
        super().__init__(instant)
        self._before = before

    def __call__(self) -> datetime:
        self._before()
        now: datetime = super().__call__()
        return now


class FrozenTime(ClockDriver):
    """The time that ``datetime.now()``, ``date.today()`` and ``time.time()`` return, from ``start`` to ``stop``.

    Monotonic clocks stay real: frozen, they would make timeouts of ``subprocess``, ``as_completed`` and loops over
    ``time.monotonic()`` endless, and tests without a duration.
    """

    def __init__(self, before_reading: Callable[[], None]) -> None:
        super().__init__(before_reading)
        self._imports = LateImports(_REALS, self._patch)
        self._left_out: tuple[str, ...] = ()
        self._fakes: dict[int, Any] = {}
        self._reals: dict[int, Any] = {}
        self._patched: WeakSet[ModuleType] = WeakSet()
        self._escaped: list[Found] = []
        self._freezer: Any = None

    def _begin(self, instant: datetime) -> None:
        self._left_out = left_out()
        self._freezer = freezegun.freeze_time(instant, real_asyncio=True)
        self._freezer.ignore = _NO_SCAN
        self._own = _Readings(self._freezer.start().time_to_freeze, self._before_reading)
        freezegun.api.freeze_factories[-1] = self._own
        freezegun.api.ignore_lists[-1] = (*_REAL_IN_FRAMES_OF, *configured())
        for name, real in _REAL_MONOTONIC.items():
            setattr(time, name, real)
        replaced = [(real, getattr(m, name)) for m, reals in _REALS.items() for name, real in reals.items()]
        self._fakes = {id(real): fake for real, fake in replaced}
        self._reals = {id(fake): real for real, fake in replaced}
        for module in list(sys.modules.values()):
            if issubclass(type(module), ModuleType) and _WITHOUT_CLOCKS.get(module) != _names_of(module):
                self._patch(module)
        self._imports.install()

    def _show(self, instant: datetime) -> None:
        self._own.move_to(instant)

    def stop(self) -> None:
        super().stop()
        clock_references.tell(self._escaped)

    def _end(self) -> None:
        while freezegun.api.freeze_factories[-1] is not self._own:
            for stack in _FREEZEGUN_STACKS:
                getattr(freezegun.api, stack).pop()
        self._imports.remove()
        self._escaped = [] if self._imports.inherited else clock_references.search(self._imports.late)
        self._restore_modules()
        self._freezer.stop()

    def _patch(self, module: ModuleType) -> None:
        """Replace the clocks that its names hold."""
        names = _names_of(module)
        if self._fakes.keys().isdisjoint(map(id, list(vars(module).values()))):
            _WITHOUT_CLOCKS[module] = names
            return
        if is_in(str(vars(module).get("__name__")), self._left_out) or module in _REALS:
            return
        for name, value in list(vars(module).items()):
            if id(value) in self._fakes:
                setattr(module, name, self._fakes[id(value)])
                self._patched.add(module)

    def _restore_modules(self) -> None:
        """Also names that those which were imported late have taken from modules which were patched before."""
        for module in [*filter(None, map(sys.modules.get, self._imports.late)), *self._patched]:
            for name, value in list(vars(module).items()):
                if id(value) in self._reals:
                    setattr(module, name, self._reals[id(value)])


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
