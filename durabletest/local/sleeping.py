"""``time.sleep`` in handler code, passing in virtual time."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event, Thread, current_thread
from types import CodeType, FrameType, ModuleType
from typing import Any

from durabletest import sdk
from durabletest.local.clock import Clock
from durabletest.local.runs import Post, RunQueue
from durabletest.local.scheduler import Scheduler
from durabletest.local.stacks import current_frames

SAMPLE = 0.002
"""Real seconds between two looks at the threads of a handler of which one sleeps."""

_SLEEP = "sleep"

_WAITING: set[CodeType] = {
    function.__code__
    for function in (
        threading.Condition.wait,
        threading.Thread.join,
        getattr(threading.Thread, "_wait_for_tstate_lock", None),
        getattr(futures_thread, "_worker", None),
    )
    if function is not None
}
"""Where a thread is that waits for another one: for an event, a queue, a future, the end of a thread, or for work."""


@dataclass(frozen=True, slots=True, eq=False)
class Sleeper:
    """A thread that sleeps until ``awake`` is set."""

    thread: Thread
    seconds: float
    awake: Event = field(default_factory=Event)


class Sleepers:
    """Those threads of the running invocation that sleep in virtual time.

    Time moves on while an invocation runs if it is at rest: at least one of its threads sleeps, and each other one
    waits for another thread. One that computes, reads or waits in any other way keeps time standing, and so does the
    SDK's checkpoint thread while it holds updates. Whether a thread waits cannot be asked; it is seen in two looks at
    its stack. All but ``sleep`` belongs to the orchestrator's thread.

    An invocation that sleeps past its deadline, 15 minutes after it began, has timed out, as in Lambda.
    """

    def __init__(self, post: Post, scheduler: Scheduler, clock: Clock, runs: RunQueue) -> None:
        self._post = post
        self._scheduler = scheduler
        self._clock = clock
        self._runs = runs
        self._asleep: dict[Thread, Sleeper] = {}
        self._waking: set[Thread] = set()
        self._numbers = itertools.count()

    def __bool__(self) -> bool:
        """Whether anybody sleeps."""
        return bool(self._asleep)

    def sleep(self, seconds: float) -> None:
        """Return when virtual time has moved by so many seconds; called by the thread that sleeps."""
        sleeper = Sleeper(current_thread(), seconds)
        self._post(lambda: self._fall_asleep(sleeper))
        sleeper.awake.wait()
        self._post(lambda: self._waking.discard(sleeper.thread))

    def at_rest(self) -> bool:
        """Whether nothing of the running invocation goes on by itself until time moves."""
        if not self._asleep or self._waking:
            return False
        first = self._waiting_threads()
        if first is None:
            return False
        Event().wait(SAMPLE)
        return first == self._waiting_threads()

    def wake_all(self) -> None:
        """The invocation was given up: its threads go on, and end."""
        for sleeper in self._asleep.values():
            sleeper.awake.set()
        self._asleep.clear()
        self._waking.clear()
        self._scheduler.flush(lambda key: isinstance(key, tuple) and key[0] == _SLEEP)

    def _fall_asleep(self, sleeper: Sleeper) -> None:
        active = self._runs.active
        if active is None or active.crashed is not None or not self._runs.invoker.runs(sleeper.thread):
            sleeper.awake.set()
            return
        self._asleep[sleeper.thread] = sleeper
        self._runs.limit(self.wake_all)
        due = self._clock.now() + timedelta(seconds=sleeper.seconds)
        self._scheduler.schedule((_SLEEP, None, next(self._numbers)), due, lambda: self._wake(sleeper))

    def _wake(self, sleeper: Sleeper) -> None:
        del self._asleep[sleeper.thread]
        self._waking.add(sleeper.thread)
        sleeper.awake.set()

    def _waiting_threads(self) -> dict[Thread, tuple[int, int]] | None:
        """Where each thread is that does not sleep; None if one of them does not wait for another."""
        frames = current_frames()
        places = {}
        for thread in self._runs.invoker.threads:
            if thread not in self._asleep:
                frame = frames.get(thread.ident or 0)
                if frame is None or not _waits(frame) or sdk.is_about_to_send(frame):
                    return None
                places[thread] = (id(frame), frame.f_lasti)
        return places


def _waits(frame: FrameType) -> bool:
    """Whether the frame is one that waits, and has not been notified (its lock would be free then)."""
    if frame.f_code not in _WAITING:
        return False
    waiter = frame.f_locals.get("waiter") if frame.f_code is threading.Condition.wait.__code__ else None
    return waiter is None or waiter.locked()


class VirtualSleep:
    """Puts a replacement in the place of ``time.sleep``, also where modules hold it under a name of their own.

    It sleeps by ``sleep`` in those threads for which ``applies`` holds, and as ever in all others.
    """

    def __init__(self, sleep: Callable[[float], None], applies: Callable[[Thread], bool]) -> None:
        self._sleep = sleep
        self._applies = applies
        self._real: Any = None
        self._replacement: Any = None

    @property
    def installed(self) -> bool:
        """Whether it is in place."""
        return self._replacement is not None

    def install(self) -> None:
        """Put it in place."""
        real = self._real = time.sleep

        def sleep(seconds: float, /) -> None:
            if seconds > 0 and self._applies(current_thread()):
                self._sleep(seconds)
            else:
                real(seconds)

        self._replacement = sleep
        _replace(real, sleep)

    def remove(self) -> None:
        """Put the real one back, also in modules that were imported since."""
        _replace(self._replacement, self._real)
        self._replacement = None


def _replace(old: Any, new: Any) -> None:
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            for name in [name for name, value in list(vars(module).items()) if value is old]:
                setattr(module, name, new)
