"""The queue of timers, for a virtual clock and for the real one, and the two clocks."""

from __future__ import annotations

import heapq
import itertools
import sys
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

import freezegun.api

from durabletest.local.foreign_clocks import travellers
from durabletest.model.times import utc

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)


def real_now() -> datetime:
    """The real time, whatever is frozen, in whole milliseconds as the service keeps it."""
    hatch: Any = sys.modules["time_machine"].escape_hatch.datetime if travellers() else None
    now = utc(hatch.datetime.now(UTC) if hatch else freezegun.api.real_datetime.now(UTC))
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


_monotonic: list[Callable[[], float]] = [freezegun.api.real_monotonic]
"""In a list, where tools that replace the clocks in modules do not look for it."""


def monotonic() -> float:
    """Seconds by the real monotonic clock, whatever is frozen."""
    return _monotonic[0]()


class RealClock:
    """The real time."""

    def now(self) -> datetime:
        return real_now()


class VirtualClock:
    """A time that stands still until ``move_to``; it knows no timers and no tasks.

    ``followers`` are called with every new time, so that other clocks (the one that handler code sees) show the same.
    """

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now = start
        self.timestamp = start.timestamp()
        """The time in seconds since the epoch."""
        self.followers: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Go forward to that instant; going back is a defect of the caller, except by ``restart``."""
        if instant < self._now:
            raise ValueError(f"virtual time cannot go back from {self._now} to {instant}")
        self.restart(instant)

    def restart(self, instant: datetime) -> None:
        """Set the time, forwards or backwards; if a follower raises, it stays what it was."""
        for follow in self.followers:
            follow(instant)
        self._now = instant
        self.timestamp = instant.timestamp()


Clock: TypeAlias = RealClock | VirtualClock
"""The clock of an environment; its times are aware datetimes in UTC."""


@dataclass(order=True, slots=True)
class Scheduled:
    """A timer: ``update`` is called at ``due``. Timers are ordered by due time, then by arrival."""

    due: datetime
    sequence: int
    key: Hashable = field(compare=False)
    update: Callable[[], None] = field(compare=False)
    owner: Hashable = field(compare=False, default=None)
    cancelled: bool = field(compare=False, default=False)


class Scheduler(ABC):
    """An ordered queue of updates (R17). Subclasses decide when an entry's time has come."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[Scheduled] = []
        self._by_key: dict[Hashable, Scheduled] = {}
        self._keys_of: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        self._sequence = itertools.count()
        self.choose: Callable[[list[Scheduled]], int] | None = None
        """Returns the index of the timer that fires first, of several that are due at one instant; None: the oldest."""

    def schedule(self, key: Hashable, due: datetime, update: Callable[[], None], owner: Hashable = None) -> None:
        """Put an update in the queue; one with the same key is replaced, and loses its place.

        All updates of one ``owner`` can be dropped together.
        """
        self.cancel(key)
        entry = Scheduled(due, next(self._sequence), key, update, owner)
        self._by_key[key] = entry
        self._keys_of[owner].add(key)
        heapq.heappush(self._heap, entry)

    def cancel(self, key: Hashable) -> None:
        """Take an update out of the queue, if it is there."""
        entry = self._by_key.get(key)
        if entry is not None:
            self._forget(entry)
            entry.cancelled = True

    def drop(self, owner: Hashable) -> None:
        """Drop every update of this owner, without running it."""
        for key in list(self._keys_of.get(owner, ())):
            self.cancel(key)

    def flush(self, condition: Callable[[Hashable], bool] = lambda _key: True) -> None:
        """Drop every update whose key fulfils the condition, without running it (R17.5)."""
        for key in [key for key in self._by_key if condition(key)]:
            self.cancel(key)

    def has_scheduled_function(self) -> bool:
        """Whether an update is still to come (R17.4)."""
        return self.next_due() is not None

    def next_due(self) -> datetime | None:
        """When the earliest update is due; None if there is none."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].due if self._heap else None

    def scheduled(self) -> list[Scheduled]:
        return sorted(self._by_key.values())

    @abstractmethod
    def run_due(self) -> bool:
        """Run the updates whose time has come, in order; tell whether there were any."""

    @abstractmethod
    def seconds_until_next(self) -> float | None:
        """The real seconds until ``run_due`` can find something; None if virtual time has to move for it."""

    def _run_until(self, instant: datetime) -> bool:
        ran = False
        while (due := self.next_due()) is not None and due <= instant:
            entry = self._pop(due)
            self._forget(entry)
            entry.update()
            ran = True
        return ran

    def _forget(self, entry: Scheduled) -> None:
        del self._by_key[entry.key]
        keys = self._keys_of[entry.owner]
        keys.discard(entry.key)
        if not keys:
            del self._keys_of[entry.owner]

    def _pop(self, due: datetime) -> Scheduled:
        """Take the entry out that comes next, of those that are due at this instant."""
        if self.choose is None:
            return heapq.heappop(self._heap)
        together = sorted(entry for entry in self._heap if entry.due == due and not entry.cancelled)
        entry = together[self.choose(together)]
        self._heap.remove(entry)
        heapq.heapify(self._heap)
        return entry


class QueueScheduler(Scheduler):
    """Virtual time: the clock is moved to the earliest entry, and all entries of that instant run, first in first out.

    An entry that is added for the same instant while they run is run with them.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self._virtual = clock

    def run_due(self) -> bool:
        """Jump to the next instant and run what is due then."""
        due = self.next_due()
        if due is None:
            return False
        self._virtual.move_to(max(due, self._virtual.now()))
        return self._run_until(due)

    def seconds_until_next(self) -> float | None:
        return None


class TimerScheduler(Scheduler):
    """Real time: entries run when the real clock has reached them."""

    def run_due(self) -> bool:
        return self._run_until(self._clock.now())

    def seconds_until_next(self) -> float | None:
        due = self.next_due()
        return None if due is None else max(0.0, (due - self._clock.now()).total_seconds())
