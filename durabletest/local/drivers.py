"""The two drivers of the clock that handler code sees, and which of them is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from durabletest import configuration as settings
from durabletest.local.freezing import FrozenTime
from durabletest.local.travelling import TravelledTime

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
    """The clock that the environment variable, or else ``clock`` chooses."""
    variable = os.environ.get(CLOCK_VARIABLE)
    if variable:
        settings.check_clock(variable, f"the environment variable {CLOCK_VARIABLE}")
        return variable
    return settings.FREEZEGUN if clock is None else clock


def driver(clock: str, before_reading: Callable[[], None]) -> ClockDriver:
    """The driver of that name; ``before_reading`` is called in every thread that reads the virtual time."""
    return (TravelledTime if clock == settings.TIME_MACHINE else FrozenTime)(before_reading)
