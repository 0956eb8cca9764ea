"""Tells from outside whether a thread waits, by its innermost frame and by what the operating system says of it.

A thread cannot be asked whether it waits, nor does Python keep a list of waiting threads. But a thread that waits in
Python code of the standard library has as its innermost frame a call of one of few functions, known by their code
objects (``WAITING``): a frame's ``f_code`` is the very ``__code__`` of the function, whatever the function is called or
patched with. One that waits in C (a lock, ``SimpleQueue.get``) has the frame of its caller, which says nothing; on
Linux the number of the system call in which it is tells a lock (``futex``) from other waits. Checked with Python 3.11,
whose ``Thread.join`` waits in ``_wait_for_tstate_lock``, which 3.13 does not have.
"""

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
    """The threads of all pools of :mod:`concurrent.futures` in this process."""
    return [thread for thread in list(getattr(futures_thread, "_threads_queues", ())) if thread.is_alive()]


def waits_for_a_thread(thread: Thread, frame: FrameType) -> bool:
    """Whether the thread waits for another thread of this process: for a lock, an event, a queue, or its end.

    ``frame`` is its innermost one. On systems other than Linux only waits in Python code of :mod:`threading` are
    recognised. A thread that starts another one does not count: the new one only has to come to life.
    """
    if _starts_another(frame):
        return False
    if frame.f_code in WAITING:
        return _is_parked(frame)
    return _FUTEX is not None and _task_file(thread, "syscall").partition(" ")[0] == _FUTEX


def _starts_another(frame: FrameType) -> bool:
    around = frame.f_back and frame.f_back.f_back
    return around is not None and around.f_code is _START


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
