"""The two drivers of the clock that handler code sees, freezegun and time-machine, and the choice between them."""

from __future__ import annotations

import datetime as datetime_module
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import freezegun.api
import freezegun.config

from durabletest import value_checks
from durabletest.errors import ConfigurationError
from durabletest.local import clock_references
from durabletest.local.clock_references import Found, configured, is_in, left_out
from durabletest.local.foreign_clocks import ClockDriver, travellers
from durabletest.local.late_imports import LateImports

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

_Names: TypeAlias = tuple[int, str | None]
_CLOCKS: WeakKeyDictionary[ModuleType, tuple[_Names, tuple[str, ...]]] = WeakKeyDictionary()
"""What was seen when a module was scanned: which names it had, and those of them that held a clock, real or virtual."""


def _names_of(module: ModuleType) -> _Names:
    """The number of its names, and the last one; both stay if and only if the names do, as new ones are put last."""
    names = vars(module)
    try:
        return len(names), next(reversed(names), None)
    except RuntimeError:  # another thread adds a name between these two calls
        return _names_of(module)


def _replace(module: ModuleType, names: Iterable[str], others: Mapping[int, Any]) -> None:
    """Let each of the names hold the other one of what it holds, by its id; some may be gone.

    A module may refuse that its attributes are set, and do more than that when they are.
    """
    for name in names:
        value = vars(module).get(name)
        if id(value) in others:
            vars(module)[name] = others[id(value)]


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
        self._clocks: set[int] = set()
        self._patched: WeakKeyDictionary[ModuleType, tuple[str, ...]] = WeakKeyDictionary()
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
        self._clocks = {*self._fakes, *self._reals}
        for module in list(sys.modules.values()):
            if issubclass(type(module), ModuleType) and _CLOCKS.get(module) != (_names_of(module), ()):
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
        clocks = self._clocks_of(module)
        if clocks and module not in _REALS and not is_in(str(vars(module).get("__name__")), self._left_out):
            self._patched[module] = clocks
            _replace(module, clocks, self._fakes)

    def _clocks_of(self, module: ModuleType) -> tuple[str, ...]:
        """The names that hold one; they are looked for once, and again when the module has got or lost a name."""
        names = _names_of(module)
        known = _CLOCKS.get(module)
        if known is None or known[0] != names:
            held = [name for name, value in list(vars(module).items()) if id(value) in self._clocks]
            _CLOCKS[module] = known = names, tuple(held)
        return known[1]

    def _restore_modules(self) -> None:
        """Also names that those which were imported late have taken from modules which were patched before."""
        for module in filter(None, map(sys.modules.get, self._imports.late)):
            _replace(module, list(vars(module)), self._reals)
        for module, clocks in self._patched.items():
            _replace(module, clocks, self._reals)
