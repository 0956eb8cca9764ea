"""The two clocks: a virtual one that only moves when it is told to, and the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import freezegun.api

from durabletest.local.foreign import travellers
from durabletest.model.times import utc

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)


def real_now() -> datetime:
    """The real time, whatever is frozen, to the millisecond as the service keeps it."""
    hatch: Any = sys.modules["time_machine"].escape_hatch.datetime if travellers() else None
    now = utc(hatch.datetime.now(UTC) if hatch else freezegun.api.real_datetime.now(UTC))
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Clock(Protocol):
    """Tells the time of an environment, as an aware datetime in UTC."""

    def now(self) -> datetime:
        """The time now."""
        ...


class RealClock:
    """The time that it is."""

    def now(self) -> datetime:
        """The real time."""
        return real_now()


class VirtualClock:
    """A time that stands still until ``move_to``; it knows no timers and no tasks.

    ``followers`` are told of every move, so that other clocks (the one that handler code sees) show the same time.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now = start
        self.followers: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        """The virtual time."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Go forward to that instant; going back is a defect of the caller, except by ``restart``."""
        if instant < self._now:
            raise ValueError(f"virtual time cannot go back from {self._now} to {instant}")
        self.restart(instant)

    def restart(self, instant: datetime) -> None:
        """Begin anew at that instant; if a follower refuses, the time stays what it was."""
        for follow in self.followers:
            follow(instant)
        self._now = instant
