"""``time.sleep`` in handler code, passing in virtual time."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from operator import index
from threading import Event, Thread, current_thread
from types import ModuleType
from typing import Any

from durabletest import sdk
from durabletest.local.blocking import pool_threads, sight_of, waits_for_a_thread
from durabletest.local.call_queue import CallQueue, Post
from durabletest.local.handler_threads import current_frames, has_queued_work
from durabletest.local.tasks import Task, current_task
from durabletest.local.timers import Clock, Scheduler
from durabletest.patches import PatchGroup

SAMPLE_SECONDS = 0.002
"""Real seconds between two looks at the threads of a handler of which one sleeps."""

_MONOTONIC = {"monotonic": 1.0, "monotonic_ns": 10**9, "perf_counter": 1.0, "perf_counter_ns": 10**9}
"""The monotonic clocks of :mod:`time`, and how many of their units a second has."""
_SLEEP = "sleep"
_LONGEST_SLEEP = 2**63 / 10**9
"""Seconds: ``time.sleep`` refuses to sleep longer, as it counts nanoseconds in 64 bits."""


@dataclass(frozen=True, slots=True, eq=False)
class Sleeper:
    """A thread that sleeps for so many virtual seconds, until ``awake`` is set."""

    thread: Thread
    seconds: float
    task: Task | None = None
    awake: Event = field(default_factory=Event)

    def wait(self) -> None:
        """Return when it is awake, with the turn if the thread takes turns."""
        if self.task is None:
            self.awake.wait()
        else:
            while not self.awake.is_set():
                self.task.turns.park(self.task)

    def wake(self) -> None:
        self.awake.set()
        if self.task is not None:
            self.task.turns.wake(self.task)


class Sleepers:
    """The threads of the running invocation that sleep in virtual time.

    Time moves while an invocation runs if it is at rest: at least one of its threads sleeps, and each other one waits
    for another thread. A thread that computes, reads or waits in any other way keeps time from moving, and so does the
    SDK's checkpoint thread while it holds updates. That a thread waits is seen in two looks at its stack. All methods
    but ``sleep`` belong to the orchestrator's thread.

    An invocation that sleeps past its deadline has timed out, as in Lambda.
    """

    def __init__(self, post: Post, scheduler: Scheduler, clock: Clock, calls: CallQueue) -> None:
        self._post = post
        self._scheduler = scheduler
        self._clock = clock
        self._calls = calls
        self._asleep: dict[Thread, Sleeper] = {}
        self._waking: set[Thread] = set()
        self._numbers = itertools.count()
        self.all_asleep = False
        """Whether the running invocation was at rest when it was last looked at."""

    def __bool__(self) -> bool:
        return bool(self._asleep)

    def sleep(self, seconds: float) -> None:
        """Block the calling thread until virtual time has moved by so many seconds."""
        sleeper = Sleeper(current_thread(), seconds, current_task())
        self._post(lambda: self._fall_asleep(sleeper))
        sleeper.wait()
        self._post(lambda: self._waking.discard(sleeper.thread))

    def at_rest(self) -> bool:
        """Whether an invocation runs of which nothing goes on by itself until time moves."""
        self.all_asleep = not self._calls.idle and self._is_at_rest()
        return self.all_asleep

    def _is_at_rest(self) -> bool:
        if not self._asleep or self._waking:
            return False
        turns = self._calls.turns
        if turns is not None and not turns.resting:
            return False
        first = self._waiting_threads()
        if not first:
            return first is not None
        Event().wait(SAMPLE_SECONDS)
        return first == self._waiting_threads()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Keep all threads from going on while time moves; gives False if one does go on."""
        turns = self._calls.turns
        if turns is None:
            yield True
            return
        held = turns.hold()
        try:
            yield held
        finally:
            if held:
                turns.time_moved()
                turns.let_go()

    def wake_all(self) -> None:
        """The invocation was given up: wake its threads, so that they end."""
        for sleeper in self._asleep.values():
            sleeper.wake()
        self._asleep.clear()
        self._waking.clear()
        self._scheduler.flush(lambda key: isinstance(key, tuple) and key[0] == _SLEEP)

    def _fall_asleep(self, sleeper: Sleeper) -> None:
        running = self._calls.running
        if running is None or running.crashed is not None or not self._calls.invoker.runs(sleeper.thread):
            sleeper.wake()
            return
        self._asleep[sleeper.thread] = sleeper
        self._calls.arm_deadline()
        due = self._clock.now() + timedelta(seconds=sleeper.seconds)
        self._scheduler.schedule((_SLEEP, None, next(self._numbers)), due, lambda: self._wake(sleeper))

    def _wake(self, sleeper: Sleeper) -> None:
        del self._asleep[sleeper.thread]
        if sleeper.task is None:
            self._waking.add(sleeper.thread)
        sleeper.wake()

    def _waiting_threads(self) -> dict[Thread, object] | None:
        """The place of each thread that does not sleep; None if one of them does not wait for another.

        Threads that take turns need no look, except those that have lost theirs while they waited elsewhere.
        """
        places: dict[Thread, object] = {thread: sight_of(thread) for thread in self._about_to_begin()}
        if None in places.values():
            return None
        frames = current_frames()
        for thread in self._threads_to_look_at():
            frame = frames.get(thread.ident or 0)
            if frame is None or not waits_for_a_thread(thread, frame) or sdk.is_about_to_send(frame):
                return None
            places[thread] = (id(frame), frame.f_lasti)
        return places

    def _about_to_begin(self) -> list[Thread]:
        """Pool threads that may be about to begin with work of the handler's, if there is such work."""
        if not has_queued_work():
            return []
        return [thread for thread in pool_threads() if not self._calls.invoker.runs(thread)]

    def _threads_to_look_at(self) -> Iterable[Thread]:
        threads = [thread for thread in self._calls.invoker.threads if thread not in self._asleep]
        turns = self._calls.turns
        if turns is None:
            return threads
        known = turns.parked_threads()
        return [thread for thread in threads if thread not in known and thread is not self._calls.invoker.thread]


class VirtualSleep(PatchGroup):
    """Replaces ``time.sleep``, also where modules hold it under a name of their own.

    In those threads for which ``applies`` returns true it sleeps by ``sleep``, in all others as ever. In those threads
    the monotonic clocks, which are real, are ahead by the virtual seconds that ``passed`` returns: code that sleeps
    until a deadline by ``time.monotonic`` gets there.
    """

    def __init__(
        self, sleep: Callable[[float], None], applies: Callable[[], bool], passed: Callable[[], float]
    ) -> None:
        self._sleep = sleep
        self._applies = applies
        self._passed = passed
        super().__init__()
        self._replaced: list[tuple[Any, Any]] = []

    @property
    def installed(self) -> bool:
        return bool(self._replaced)

    def install(self) -> None:
        # ``from time import sleep`` copies the reference, so that patching ``time`` alone would miss most handlers:
        # every module that holds one of these functions is patched, as freezegun does it with the clocks, which leaves
        # ``sleep`` alone. Checked with Python 3.11.
        self._replaced = [(time.sleep, self._patched_sleep(time.sleep))]
        for name, per_second in _MONOTONIC.items():
            real = getattr(time, name)
            self._replaced.append((real, self._ahead(real, per_second)))
        for module, name, replacement in _holders(self._replaced):
            self._patches.replace(module, name, replacement)

    def remove(self) -> None:
        super().remove()
        # Modules that were imported since have taken the replacements from those that were patched.
        for module, name, real in _holders([(replacement, real) for real, replacement in self._replaced]):
            vars(module)[name] = real
        self._replaced = []

    def _patched_sleep(self, real: Callable[[float], None]) -> Callable[[float], None]:
        def sleep(seconds: float, /) -> None:
            length = seconds if isinstance(seconds, float) else index(seconds)  # what the real one takes
            if 0 < length <= _LONGEST_SLEEP and self._applies():
                self._sleep(length)
            else:
                real(seconds)

        return sleep

    def _ahead(self, real: Callable[[], Any], per_second: int | float) -> Callable[[], Any]:
        exact = type(per_second)

        def clock() -> Any:
            if self._applies():
                return real() + exact(self._passed() * per_second)
            return real()

        return clock


_TIMED_WAITS = ("queue", "threading", "concurrent", "multiprocessing", "selectors", "asyncio")
"""Packages whose waits count by the monotonic clock, and end in real time: a clock that is ahead, and real again once
the invocation is given up, would make them last for the whole difference."""


def _holders(pairs: Iterable[tuple[Any, Any]]) -> list[tuple[ModuleType, str, Any]]:
    """The global names of all modules that hold the first object of a pair, each with the second one."""
    others = {id(held): (held, other) for held, other in pairs}
    modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    holders = [module for module in modules if not others.keys().isdisjoint(map(id, list(vars(module).values())))]
    return [
        (module, name, others[id(value)][1])
        for module in holders
        if module.__name__.partition(".")[0] not in _TIMED_WAITS
        for name, value in list(vars(module).items())
        if id(value) in others
    ]
