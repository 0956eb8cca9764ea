"""The two drivers of the clock that handler code sees, freezegun and time-machine, and the choice between them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from durabletest import value_checks
from durabletest.errors import ConfigurationError, ForeignClockError
from durabletest.local.foreign_clocks import ForeignClockWatch, begin_time_based_identifiers_again, travellers
from durabletest.local.freezing import FrozenTime

CLOCK_VARIABLE = "DURABLETEST_CLOCK"


class ClockDriver(Protocol):
    """Shows virtual time to this process."""

    def start(self, instant: datetime) -> None:
        """Show that instant from now on."""
        ...

    def move_to(self, instant: datetime) -> None:
        """Show another one."""
        ...

    def check(self) -> None:
        """Raise :class:`ForeignClockError` if another tool has put its own time on top."""
        ...

    def stop(self) -> None:
        """Give the real time back."""
        ...


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


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTALL = "pip install 'time-machine>=3'"


class TravelledTime:
    """The clock of this process by time-machine; local time is UTC meanwhile, as it is in Lambda.

    Monotonic clocks are real. ``before_reading`` is called in every thread that reads the virtual time. For that, the
    traveller's method ``time_ns`` is replaced, which time-machine calls for each reading; checked with 3.6.0.
    """

    def __init__(self, before_reading: Callable[[], None]) -> None:
        self._time_machine = _require()
        self._before_reading = before_reading
        self._nanoseconds = 0
        self._watch = ForeignClockWatch()
        self._travel: Any = None
        self._traveller: Any = None

    def start(self, instant: datetime) -> None:
        """Show that instant; raises :class:`ForeignClockError` if another tool holds a clock."""
        self._watch.refuse(None)
        self._nanoseconds = _nanoseconds(instant)
        self._travel = self._time_machine.travel(_EPOCH, tick=False)
        self._traveller = self._travel.start()
        self._traveller.time_ns = self._read
        if time.time_ns() != self._nanoseconds:
            self._travel.stop()
            raise ConfigurationError(
                f"this version of time-machine does not ask its traveller for the time: {_INSTALL}, or take freezegun"
            )
        self._watch.install()

    def move_to(self, instant: datetime) -> None:
        """Show another time."""
        self.check()
        nanoseconds = _nanoseconds(instant)
        if nanoseconds < self._nanoseconds:
            begin_time_based_identifiers_again()
        self._nanoseconds = nanoseconds

    def check(self) -> None:
        """Refuse to go on if another tool has put its own time on top."""
        self._watch.refuse(self._traveller)

    def stop(self) -> None:
        """Give the real time back; a clock that was left active on top of this one is stopped, and then raised for."""
        left_active = self._watch.complaint(self._traveller)
        self._watch.end_frozen()
        while travellers()[-1] is not self._traveller:
            self._travel.stop()
        self._travel.stop()
        self._watch.remove()
        if left_active is not None:
            raise ForeignClockError(f"it was not stopped again: {left_active}")

    def _read(self) -> int:
        self._before_reading()
        return self._nanoseconds


def _nanoseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND * 1000


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
