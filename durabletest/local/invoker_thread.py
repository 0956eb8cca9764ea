"""The daemon thread in which handlers are called: how their calls end there, and how those that were given up do."""

from __future__ import annotations

import ctypes
import dis
import gc
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass
from functools import cache, partial
from queue import SimpleQueue
from threading import Event, Thread, current_thread
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from durabletest.errors import HandlerStillRunsWarning
from durabletest.local.handler_threads import (
    clock_read_by_author,
    current_frames,
    invoker_thread_of,
    is_authored,
    mark_invoker_thread,
    stacks_of,
    threads_of,
)

if TYPE_CHECKING:
    from durabletest.local.call_queue import CallQueue, RunningCall

_GRACE_SECONDS = 1.0
"""Real seconds that all threads that were given up have to end; those that are not stuck need milliseconds."""
_threads_queues: Any = getattr(futures_thread, "_threads_queues", {})
"""The threads that ``concurrent.futures`` joins when the interpreter exits; private, checked with Python 3.11."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The call returned ``value``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised ``error``; ``crashed`` means that in Lambda the process would have ended."""

    error: BaseException
    crashed: bool


class Invoker:
    """Runs one call at a time in a thread of its own.

    The thread is a daemon, and so are the pool threads that the SDK starts from it. A call that never returns is
    abandoned: its threads are forgotten by :mod:`concurrent.futures`, which would otherwise wait for them when the
    interpreter exits, and the next call gets a new one. ``thread`` is the current one, if there is one.
    """

    def __init__(self, calls: CallQueue) -> None:
        self._calls = calls
        self._inbox: SimpleQueue[RunningCall | None] = SimpleQueue()
        self.thread: Thread | None = None
        self._abandoned: list[Thread] = []
        self._loops = LoopEnder()
        self._still_running: str | None = None

    def invoke(self, running: RunningCall) -> None:
        """Run the call in that thread, and pass its outcome to the queue of calls there."""
        if self._abandoned:
            self._loops.end(self._left_over())
        if self.thread is None:
            self._inbox = SimpleQueue()
            self.thread = Thread(target=_work, args=(self._calls, self._inbox), name="durabletest-invoker", daemon=True)
            mark_invoker_thread(self.thread)
            self.thread.start()
        self._inbox.put(running)

    @property
    def threads(self) -> list[Thread]:
        """The living threads of the current call, the invoker thread included."""
        return [] if self.thread is None else threads_of(self.thread)

    def runs(self, thread: Thread) -> bool:
        """Whether that thread works for the current call; False for threads of abandoned ones."""
        return self.thread is not None and invoker_thread_of(thread) is self.thread

    def abandon(self) -> None:
        """Give the current call up, so that neither the next call nor the end of the process waits for it.

        A thread that reads the virtual clock ends there (``end_if_abandoned``), one in a loop of the author's between
        two rounds (:class:`LoopEnder`), and one that is blocked with its process.
        """
        if self.thread is None:
            return
        self._abandoned.append(self.thread)
        self._loops.end(self.threads)
        for thread in self.threads:
            _threads_queues.pop(thread, None)
        self._inbox.put(None)
        self.thread = None

    def end_if_abandoned(self) -> None:
        """End the calling thread by ``SystemExit`` if its call was given up and its author's code reads the clock.

        A handler that polls a clock which stands still would slow down everything that follows. Threads of the SDK end
        by themselves, and have to wake the threads that wait for them before.
        """
        if self._abandoned and invoker_thread_of(current_thread()) in self._abandoned and clock_read_by_author():
            raise SystemExit

    def stop(self, timeout: float = 1.0) -> None:
        """End the invoker thread once it is idle, for at most ``timeout`` real seconds; forget threads left behind.

        Calls that were given up get a moment to end, so that they neither log nor print during later tests.
        """
        if self.thread is not None:
            for thread in self.threads:
                _threads_queues.pop(thread, None)
            self._inbox.put(None)
            self.thread.join(timeout)
            self.thread = None
        deadline = time.monotonic() + _GRACE_SECONDS
        self._loops.end(self._left_over())
        for thread in self._left_over():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._still_running = self._loops.complaint(self._left_over())
        self._abandoned.clear()

    def warn(self) -> None:
        """After ``stop``: warn of handlers that go on computing and could not be ended."""
        if self._still_running is not None:
            warnings.warn(self._still_running, HandlerStillRunsWarning, stacklevel=2)

    def _left_over(self) -> list[Thread]:
        return [member for invoker_thread in self._abandoned for member in threads_of(invoker_thread)]


def forget_pools() -> None:
    """Keep the interpreter's exit from waiting for pool threads of handlers that still run."""
    for thread in threading.enumerate():
        if invoker_thread_of(thread) is not None:
            _threads_queues.pop(thread, None)


_register_atexit: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
if _register_atexit is not None:
    _register_atexit(forget_pools)
    # Called before ``concurrent.futures`` joins its threads, as the last function registered is called first. The
    # registration is private to Python (since 3.9); checked with 3.11.


def _work(calls: CallQueue, inbox: SimpleQueue[RunningCall | None]) -> None:
    while (running := inbox.get()) is not None:
        calls.ended(running, _outcome(calls, running))


def _outcome(calls: CallQueue, running: RunningCall) -> Answered | Raised:
    try:
        return Answered(calls.run(running))
    except Exception as error:
        return Raised(error, crashed=False)
    except (SystemExit, KeyboardInterrupt) as error:
        return Raised(error, crashed=True)
    except BaseException as error:
        return Raised(error, crashed=False)


_LOOKS = 40
"""The number of looks at a thread before it is said to be still running."""
_LOOK_SECONDS = 0.005
"""Real seconds between two looks."""


class LoopEnder:
    """Ends loops of author's code by ``SystemExit``, each call of a function at most once, as it may catch it.

    Python can raise an exception in another thread (``PyThreadState_SetAsyncExc``), but at any instruction: also
    between the acquisition of a lock and the ``try`` that releases it, or inside a finaliser, where it is swallowed.
    A thread that does not run is at a place where the interpreter lets another one in: a call, a blocking function, or
    the jump back of a loop. At an unconditional jump back (``JUMP_BACKWARD``) a round is over and the next one has not
    begun; the exception is raised there, before any other code of the thread runs. So the thread is looked at from
    outside, and the exception is set only if its innermost frame is the author's and its last instruction such a jump.
    Checked with the bytecode of Python 3.11.
    """

    def __init__(self) -> None:
        self._ended: list[FrameType] = []

    def end(self, threads: list[Thread]) -> None:
        """Look at each thread once, and end those that are between two rounds."""
        enabled = gc.isenabled()
        gc.disable()  # a collection would run finalisers on top of the loop, which is seen as a frame of its own
        try:
            frames = current_frames()
            for thread in threads:
                frame = frames.get(thread.ident or 0)
                if frame is not None and frame not in self._ended and is_authored(frame.f_code.co_filename):
                    self._end(thread, frame)
        finally:
            if enabled:
                gc.enable()

    def _end(self, thread: Thread, frame: FrameType) -> None:
        between_rounds = frozenset() if _is_observed(frame) else _jumps_back(frame.f_code)
        end = partial(
            ctypes.pythonapi.PyThreadState_SetAsyncExc,
            ctypes.c_ulong(thread.ident or 0),
            ctypes.py_object(SystemExit),
        )
        # ``frame`` is live: ``f_lasti`` is where the thread is now. Neither a call nor a jump back lies between this
        # look and the exception, so that the thread cannot go on in between. ``end`` is a C function.
        if frame.f_lasti in between_rounds:
            end()
            self._ended.append(frame)

    def complaint(self, threads: list[Thread]) -> str | None:
        """End the loops of these threads; return the text of a warning about those that go on computing, or None."""
        seen: Counter[Thread] = Counter()
        for _ in range(_LOOKS):
            if not any(thread.is_alive() for thread in threads):
                return None
            running = _running(threads)
            seen.update(running)
            self.end(running)
        running = [thread for thread, times in seen.items() if times > _LOOKS // 4 and thread.is_alive()]
        if not running:
            return None
        return (
            "a handler that was given up still runs, and slows down all that follows: it computes where it cannot be "
            "ended without harm. Have it come to an end, or run its tests in a process of their own:\n\n"
            f"{stacks_of(running)}"
        )


@cache
def _jumps_back(code: CodeType) -> frozenset[int]:
    """The offsets of jumps back without a condition: the object of a condition could run code of its own."""
    return frozenset(i.offset for i in dis.get_instructions(code) if i.opname == "JUMP_BACKWARD")


def _is_observed(frame: FrameType) -> bool:
    """Whether a debugger, a profiler or the like may run Python code on top of any instruction.

    The tracer that ``coverage`` has in C runs none at a jump.
    """
    monitoring = getattr(sys, "monitoring", None)
    tools = () if monitoring is None else map(monitoring.get_tool, range(6))
    traced = frame.f_trace is not None and type(frame.f_trace).__name__ != "CTracer"
    return traced or any(tool is not None for tool in tools)


def _running(threads: list[Thread]) -> list[Thread]:
    """The threads that are at another place than a moment ago, or at the jump of a loop."""
    before = _places(threads)
    Event().wait(_LOOK_SECONDS)
    return [thread for thread, place in _places(threads).items() if thread in before and _moves(before[thread], place)]


def _places(threads: list[Thread]) -> dict[Thread, tuple[FrameType, int]]:
    frames = current_frames()
    return {
        t: (frame, frame.f_lasti) for t in threads if t.is_alive() and (frame := frames.get(t.ident or 0)) is not None
    }


def _moves(before: tuple[FrameType, int], after: tuple[FrameType, int]) -> bool:
    """Whether a thread runs; one that waits in :mod:`threading`, with timeouts in a loop, does not."""
    if after[0].f_code.co_filename == threading.__file__:
        return False
    return before != after or after[1] in _jumps_back(after[0].f_code)
