"""The threads that run handler code: invoker threads, which call handlers, and those that work for them; stacks."""

from __future__ import annotations

import functools
import gc
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import dropwhile
from os import sep
from pathlib import Path
from threading import Thread, current_thread
from traceback import FrameSummary, StackSummary
from types import FrameType
from typing import Any
from weakref import WeakSet

from durabletest import sdk
from durabletest.local.foreign_clocks import TOOLS
from durabletest.patches import PatchGroup

_INVOKER = "_durabletest_invoker"
"""The attribute of a thread that names the invoker thread that it works for."""


_lent: WeakSet[Future[Any]] = WeakSet()
"""Futures of what handler code has submitted to pools, until a thread has begun with it."""


def mark_invoker_thread(thread: Thread) -> None:
    """The thread calls handlers: threads that it starts, and that these start, work for it."""
    setattr(thread, _INVOKER, thread)


def invoker_thread_of(thread: Thread) -> Thread | None:
    """The invoker thread that the thread works for, maybe itself; None for a thread that runs no handler code."""
    invoker_thread: Thread | None = getattr(thread, _INVOKER, None)
    return invoker_thread


def unmark(thread: Thread) -> None:
    vars(thread).pop(_INVOKER, None)


def threads_of(invoker_thread: Thread) -> list[Thread]:
    """The living threads that work for an invoker thread, itself included, in the order in which they started."""
    return [thread for thread in threading.enumerate() if invoker_thread_of(thread) is invoker_thread]


class HandlerThreads(PatchGroup):
    """While installed, marks the threads that work for an invoker thread.

    These are the threads that its threads start and, while they run what one of its threads has submitted, the threads
    of pools that were there before.
    """

    def install(self) -> None:
        # Both run in the thread whose mark is passed on, before the new thread or task begins; nothing that Python
        # offers for it (``threading.settrace``, a subclass) is called there, or reaches threads that others make.
        # Checked with Python 3.11; both have had this signature since 3.9.
        self._patches.wrap(Thread, "start", _patched_start)
        self._patches.wrap(ThreadPoolExecutor, "submit", _patched_submit)


def _patched_start(original: Callable[[Thread], None]) -> Callable[[Thread], None]:
    @functools.wraps(original)
    def start(thread: Thread) -> None:
        invoker_thread = invoker_thread_of(current_thread())
        if invoker_thread is not None and invoker_thread_of(thread) is None:
            setattr(thread, _INVOKER, invoker_thread)
        original(thread)

    return start


def _patched_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(pool: Any, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        invoker_thread = invoker_thread_of(current_thread())
        if invoker_thread is None:
            return original(pool, call, *arguments, **named)
        future = original(pool, _work_for, invoker_thread, call, arguments, named)
        _lent.add(future)
        return future

    return submit


def has_queued_work() -> bool:
    """Whether handler code has submitted work to a pool with which no thread has begun."""
    for future in list(_lent):
        if future.running() or future.done():
            _lent.discard(future)
    return bool(_lent)


def _work_for(invoker_thread: Thread, call: Callable[..., Any], arguments: Any, named: Any) -> Any:
    thread = current_thread()
    before = invoker_thread_of(thread)
    setattr(thread, _INVOKER, invoker_thread)
    try:
        return call(*arguments, **named)
    finally:
        if before is None:
            unmark(thread)
        else:
            setattr(thread, _INVOKER, before)


_THIRD_PARTY = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_STANDARD_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OURS = str(Path(sdk.__file__).parent)
_CLOCKS = (_OURS, *TOOLS)
"""The files of all frames between a handler that asks for the time and this module."""


def current_frames() -> dict[int, FrameType]:
    """The innermost frame of each thread, by its ident.

    A garbage collection during the call can end in a deadlock in Python 3.11
    (https://github.com/python/cpython/issues/106883).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if enabled:
            gc.enable()


def stacks_of(threads: Iterable[Thread]) -> str:
    """The stacks of the threads that run code of the author's, without the frames of the SDK and of this package.

    If none does, the handler is stuck in the SDK, and all stacks are given as they are.
    """
    frames = current_frames()
    stacks = {t.name: traceback.extract_stack(frames[t.ident]) for t in threads if t.ident in frames}
    authored = {name: authored_part(stack) for name, stack in stacks.items()}
    chosen = {name: stack for name, stack in authored.items() if stack} or stacks
    texts = {name: "".join(traceback.format_list(list(stack))).rstrip() for name, stack in chosen.items()}
    return "\n\n".join(f"Thread {name!r}:\n{text}" for name, text in texts.items())


def authored_part(stack: StackSummary) -> list[FrameSummary]:
    """The frames from the first one that the author wrote; empty if there is none."""
    own = (frame for frame in stack if not _is_machinery(frame.filename))
    return list(dropwhile(lambda frame: _is_standard_library(frame.filename), own))


def clock_read_by_author() -> bool:
    """Whether code of the author's reads the clock in the calling thread, rather than Python's or the SDK's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_CLOCKS):  # a loop: it is asked for every reading
        frame = frame.f_back
    return frame is not None and is_authored(frame.f_code.co_filename)


def is_authored(file: str) -> bool:
    """Whether the file belongs to a user's project or its packages, and not to Python, the SDK or this package.

    Nor to the tools that show the clock: the SDK's threads are in their code whenever they read the time.
    """
    return bool(file) and not _is_machinery(file) and not _is_standard_library(file)


def is_third_party(file: str) -> bool:
    return file.startswith(_THIRD_PARTY)


def _is_machinery(file: str) -> bool:
    return file.startswith((f"{_OURS}{sep}", f"{sdk.folder()}{sep}", *TOOLS, "<frozen "))


def _is_standard_library(file: str) -> bool:
    return file.startswith(_STANDARD_LIBRARY) and not file.startswith(_THIRD_PARTY)
