"""Tells from outside whether a thread waits, by its innermost frame and by what the operating system says of it.

A thread cannot be asked whether it waits, nor does Python keep a list of waiting threads. But a thread that waits in
Python code of the standard library has as its innermost frame a call of one of few functions, known by their code
objects (``WAITING``): a frame's ``f_code`` is the very ``__code__`` of the function, whatever the function is called or
patched with. One that waits in C (a lock, ``SimpleQueue.get``) has the frame of its caller, which says nothing; on
Linux the number of the system call in which it is tells a lock (``futex``) from other waits. Checked with Python 3.11,
whose ``Thread.join`` waits in ``_wait_for_tstate_lock``, which 3.13 does not have.

A task that is seen waiting elsewhere than in the SDK loses its turn, by the ``Onlooker``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass
from pathlib import Path
from platform import machine
from threading import Thread
from types import CodeType, FrameType
from typing import TYPE_CHECKING

from durabletest.local.handler_threads import current_frames

if TYPE_CHECKING:
    from durabletest.local.tasks import Task
    from durabletest.local.turns import Turns

WAITING: frozenset[CodeType] = frozenset(
    function.__code__
    for function in (
        threading.Condition.wait,
        threading.Thread.join,
        getattr(threading.Thread, "_wait_for_tstate_lock", None),
        getattr(futures_thread, "_worker", None),
    )
    if function is not None
)
"""The code in which a thread waits for another one: for an event, a queue, a future, the end of a thread, or work."""

_START = threading.Thread.start.__code__
"""The code two frames further out in a thread that waits for the thread it has started to come to life."""
_FUTEX = {"x86_64": "202", "AMD64": "202", "aarch64": "98", "arm64": "98"}.get(machine())
"""The number of the system call in which a thread waits for a lock, in Linux."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A look at a thread that waits: the id of its innermost frame, and the offset of the instruction there.

    ``computed`` is the scheduling statistics of the system (``/proc/.../schedstat``: the time it has run), empty where
    there are none; ``for_thread`` tells that it waits for another thread. Two sights are equal if the thread has done
    nothing in between.
    """

    frame: int
    instruction: int
    computed: str
    for_thread: bool


def sight_of(thread: Thread | None) -> Sight | None:
    """A look at the thread; None if it has not begun, has ended, or runs at this moment."""
    if thread is None or thread.ident is None:
        return None
    frame = current_frames().get(thread.ident)
    if frame is None or _runs(thread):
        return None
    return Sight(id(frame), frame.f_lasti, _task_file(thread, "schedstat"), waits_for_a_thread(thread, frame))


def another_runs(thread: Thread | None) -> bool:
    """Whether a thread of this process runs, or is ready to run, other than that one and the calling one."""
    left_out = (thread, threading.current_thread())
    return any(_runs(other) for other in threading.enumerate() if other not in left_out)


def pool_threads() -> list[Thread]:
    return [thread for thread in list(getattr(futures_thread, "_threads_queues", ())) if thread.is_alive()]


def waits_for_a_thread(thread: Thread, frame: FrameType) -> bool:
    """Whether the thread waits for another thread of this process: for a lock, an event, a queue, or its end.

    ``frame`` is its innermost one. On systems other than Linux only waits in Python code of :mod:`threading` are
    recognised. A thread that starts another one does not count: the new one only has to come to life.
    """
    around = frame.f_back and frame.f_back.f_back
    if around is not None and around.f_code is _START:
        return False
    if frame.f_code in WAITING:
        return _is_parked(frame)
    return _FUTEX is not None and _task_file(thread, "syscall").partition(" ")[0] == _FUTEX


def _is_parked(frame: FrameType) -> bool:
    """Whether a thread in a waiting function has not been notified yet.

    ``Condition.wait`` waits for a lock of its own, its local variable ``waiter``, which ``notify`` releases.
    """
    waiter = frame.f_locals.get("waiter") if frame.f_code is threading.Condition.wait.__code__ else None
    return waiter is None or waiter.locked()


def _runs(thread: Thread) -> bool:
    """Whether the system says that the thread runs, or is ready to run on a busy machine (state R)."""
    fields = _task_file(thread, "stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] == "R"


def _task_file(thread: Thread, name: str) -> str:
    """A file of the thread in Linux's ``/proc``; empty on other systems, and once the thread has ended."""
    try:
        return Path(f"/proc/self/task/{thread.native_id}/{name}").read_text(encoding="ascii")
    except OSError:
        return ""


# --- taking the turn from tasks that wait ---

LOOK_SECONDS = 0.002
"""Real seconds between two looks at a task that has the turn while others could go on."""
LONGEST_LOOK_SECONDS = 0.008
"""The same while the turn moves on: each look keeps the threads that take turns from running."""
LOOKS = 3
"""The looks in a row at which it has to be seen waiting for another thread, at one place, before it loses the turn."""
IO_LOOKS = 25
"""The looks if it waits for something else, which may come by itself: short real waits then keep their order."""
BUSY_LOOKS = 50
"""The looks while any other thread of the process runs: it may hold a lock for a moment, on a busy machine."""
HELPER_LOOKS = 500
"""The looks while another thread computes that may work for it, one of a pool for example."""


def watch_until(turns: Turns, done: Callable[[float], bool]) -> None:
    """Wait in the calling thread, which takes no turns; tasks that wait elsewhere lose their turn meanwhile.

    ``done`` waits for at most so many real seconds, and returns whether the wait is over.
    """
    onlooker, seconds, handovers = Onlooker(turns), LOOK_SECONDS, 0
    while not done(seconds):
        onlooker.look()
        seconds = LOOK_SECONDS if turns.handovers == handovers else min(2 * seconds, LONGEST_LOOK_SECONDS)
        handovers = turns.handovers


class Onlooker:
    """Looks at the task that has the turn; one that is seen waiting elsewhere for a while loses it.

    While no task has the turn, it looks at tasks outside that seem about to get in line, for which the turns wait.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._seen: object = None
        self._stint: object = None
        self._sight: object = None
        self._times = 0
        self._helping: list[Sight | None] = []

    def look(self) -> None:
        turns, holder = self._turns, self._turns.holder
        if holder is None:
            self._look_outside()
        elif not holder.busy and turns.wanted():
            self._look_at(holder)
        else:
            self._sight = None

    def _look_at(self, holder: Task) -> None:
        stint = self._turns.stint_of(holder)
        if stint != self._seen:  # it has just got the turn: not worth a look at its stack
            self._seen = stint
            return
        sight = sight_of(holder.thread)
        self._count(stint, sight)
        if sight is not None and self._times >= self._enough(holder, sight):
            self._sight = None
            self._turns.take_turn_from(holder, stint, sight)

    def _count(self, stint: object, sight: object) -> None:
        if sight is None or (stint, sight) != (self._stint, self._sight):
            self._stint, self._sight, self._times = stint, sight, 0
        self._times += 1

    def _enough(self, holder: Task, sight: Sight) -> int:
        """The looks at which the task has to be seen there: more if another thread seems to work for it."""
        if self._times < LOOKS - 1:
            return LOOKS
        before, self._helping = self._helping, [sight_of(thread) for thread in self._turns.helpers()]
        if self._times < LOOKS:
            return LOOKS
        if None in self._helping or before != self._helping:
            return HELPER_LOOKS
        if another_runs(holder.thread):
            return BUSY_LOOKS
        threads_only = sight.for_thread and all(helper is not None and helper.for_thread for helper in self._helping)
        return LOOKS if threads_only else IO_LOOKS

    def _look_outside(self) -> None:
        sights = self._turns.sights_outside()
        if sights is None:
            self._sight = None
            return
        self._count("outside", sights)
        if self._times >= LOOKS:
            self._sight = None
            self._turns.leave_outside(sights)
