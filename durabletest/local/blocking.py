"""Whether a thread is seen to wait for something: told from outside, by where it is and by what the system says."""

from __future__ import annotations

import threading
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass
from pathlib import Path
from platform import machine
from threading import Thread
from types import CodeType, FrameType

from durabletest.local.handler_threads import current_frames

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
"""Where a thread is that waits for another one: for an event, a queue, a future, the end of a thread, or for work."""

_START = threading.Thread.start.__code__
"""Where a thread is, two frames further out, that waits for the thread it has started to come to life."""
_FUTEX = {"x86_64": "202", "AMD64": "202", "aarch64": "98", "arm64": "98"}.get(machine())
"""The number of the system call in which a thread waits for a lock, in Linux."""


@dataclass(frozen=True, slots=True)
class Sight:
    """Where a thread was when it was looked at: its innermost frame and instruction.

    ``computed`` is what the system tells of its computing so far, empty where it does not; ``for_thread`` tells that it
    waits for another thread. Of a thread that has done nothing in between two sights are equal.
    """

    frame: int
    instruction: int
    computed: str
    for_thread: bool


def sight_of(thread: Thread | None) -> Sight | None:
    """Where the thread is now; None if it has not begun, has ended, or runs at this moment."""
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
    """The threads of all pools of :mod:`concurrent.futures`, whoever made them and when."""
    return [thread for thread in list(getattr(futures_thread, "_threads_queues", ())) if thread.is_alive()]


def waits_for_a_thread(thread: Thread, frame: FrameType) -> bool:
    """Whether what the thread waits for is another thread of this process: a lock, an event, a queue, its end.

    ``frame`` is its innermost one. Where the system does not tell, only those are known that wait in Python code of
    :mod:`threading`. A thread that starts another one goes on by itself: the new one only has to come to life.
    """
    if _starts_another(frame):
        return False
    if frame.f_code in WAITING:
        return _is_parked(frame)
    return _FUTEX is not None and _system_call(thread) == _FUTEX


def _starts_another(frame: FrameType) -> bool:
    around = frame.f_back and frame.f_back.f_back
    return around is not None and around.f_code is _START


def _is_parked(frame: FrameType) -> bool:
    """Whether a thread in a waiting function has not been notified (its lock would be free then)."""
    waiter = frame.f_locals.get("waiter") if frame.f_code is threading.Condition.wait.__code__ else None
    return waiter is None or waiter.locked()


def _runs(thread: Thread) -> bool:
    """Whether the system has the thread down as running, or as ready to run on a machine that is busy."""
    fields = _task_file(thread, "stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] == "R"


def _system_call(thread: Thread) -> str:
    return _task_file(thread, "syscall").partition(" ")[0]


def _task_file(thread: Thread, name: str) -> str:
    """What Linux says of the thread; empty on other systems, and once it has ended."""
    try:
        return Path(f"/proc/self/task/{thread.native_id}/{name}").read_text(encoding="ascii")
    except OSError:
        return ""
