"""Handlers that were given up and go on computing: they are ended where that can do no harm, or told of.

Python can raise an exception in another thread. It comes up at the next point at which that thread looks for such
things, and where that is, is chance: in a library that has just taken a lock, nobody gets the lock ever again. But a
thread that is at an unconditional jump back can only be between two rounds of that loop: the jump does nothing that
could take its turn but to look. If the loop is its author's, the exception comes up there as if the loop raised it.
"""

from __future__ import annotations

import ctypes
import dis
import gc
import sys
import threading
from collections import Counter
from functools import cache, partial
from threading import Event, Thread
from types import CodeType, FrameType

from durabletest.local.stacks import current_frames, is_authored, stacks_of

_LOOKS = 40
_BETWEEN_LOOKS = 0.005
"""Real seconds."""


class LoopEnder:
    """Ends loops of author's code by ``SystemExit``, each call of a function at most once: it may be caught."""

    def __init__(self) -> None:
        self._ended: list[FrameType] = []

    def end(self, threads: list[Thread]) -> None:
        """Look at each thread once, and end those that are between two rounds."""
        enabled = gc.isenabled()
        gc.disable()  # a collection runs finalisers on top of the loop
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
        # No call lies between the look and the exception, so that no other thread gets a turn there.
        if frame.f_lasti in between_rounds:
            end()
            self._ended.append(frame)

    def complaint(self, threads: list[Thread]) -> str | None:
        """End the loops of these threads; what there is to say of those that go on computing all the same."""
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
    """Where this code jumps back, without a condition: that could be an object with code of its own."""
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
    """Those that are at another place than a moment ago, or at the same one of a loop."""
    before = _places(threads)
    Event().wait(_BETWEEN_LOOKS)
    return [thread for thread, place in _places(threads).items() if thread in before and _moves(before[thread], place)]


def _places(threads: list[Thread]) -> dict[Thread, tuple[FrameType, int]]:
    frames = current_frames()
    return {
        t: (frame, frame.f_lasti) for t in threads if t.is_alive() and (frame := frames.get(t.ident or 0)) is not None
    }


def _moves(before: tuple[FrameType, int], after: tuple[FrameType, int]) -> bool:
    """A thread that waits for others, and looks for them now and then, does not."""
    if after[0].f_code.co_filename == threading.__file__:
        return False
    return before != after or after[1] in _jumps_back(after[0].f_code)
