"""Which threads run handler code: those that call handlers, all that these start, and pools that work for them."""

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

_WORKER = "_durabletest_worker"
"""The attribute of a thread that names the thread which its family began with."""


_lent: WeakSet[Future[Any]] = WeakSet()
"""What handler code has given to pools, until it has begun."""


def mark_worker(thread: Thread) -> None:
    """A family begins with this thread; whatever thread it starts belongs to it, and so on."""
    setattr(thread, _WORKER, thread)


def worker_of(thread: Thread) -> Thread | None:
    """The thread that the family began with; None for a thread that runs no handler code."""
    worker: Thread | None = getattr(thread, _WORKER, None)
    return worker


def unmark(thread: Thread) -> None:
    """The thread runs no handler code any more."""
    vars(thread).pop(_WORKER, None)


def threads_of(worker: Thread) -> list[Thread]:
    """The living threads of a family, in the order in which they started."""
    return [thread for thread in threading.enumerate() if worker_of(thread) is worker]


class HandlerThreads:
    """While installed, notes which threads work for a family: those that its threads start, and the threads of pools
    that were there before, for as long as they run what a thread of the family has submitted.
    """

    def __init__(self) -> None:
        self._patches: list[tuple[Any, str, Any, Any]] = []

    def install(self) -> None:
        """Begin to note."""
        self._patch(Thread, "start", _noting)
        self._patch(ThreadPoolExecutor, "submit", _lending)

    def remove(self) -> None:
        """Stop noting; a tool that has put itself on top in the meantime keeps its place."""
        for owner, name, original, patched in self._patches:
            if getattr(owner, name) is patched:
                setattr(owner, name, original)
        self._patches.clear()

    def _patch(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        original = getattr(owner, name)
        patched = make(original)
        self._patches.append((owner, name, original, patched))
        setattr(owner, name, patched)


def _noting(original: Callable[[Thread], None]) -> Callable[[Thread], None]:
    @functools.wraps(original)
    def start(thread: Thread) -> None:
        worker = worker_of(current_thread())
        if worker is not None:
            setattr(thread, _WORKER, worker)
        original(thread)

    return start


def _lending(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(pool: Any, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        worker = worker_of(current_thread())
        if worker is None:
            return original(pool, call, *arguments, **named)
        future = original(pool, _work_for, worker, call, arguments, named)
        _lent.add(future)
        return future

    return submit


def has_queued_work() -> bool:
    """Whether a pool has been given work by handler code that no thread of it has begun."""
    for future in list(_lent):
        if future.running() or future.done():
            _lent.discard(future)
    return bool(_lent)


def _work_for(worker: Thread, call: Callable[..., Any], arguments: Any, named: Any) -> Any:
    thread = current_thread()
    before = worker_of(thread)
    setattr(thread, _WORKER, worker)
    try:
        return call(*arguments, **named)
    finally:
        if before is None:
            unmark(thread)
        else:
            setattr(thread, _WORKER, before)


_THIRD_PARTY = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
_STANDARD_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_OURS = str(Path(sdk.__file__).parent)
_CLOCKS = (_OURS, *TOOLS)
"""Between a handler that asks for the time and this module there are only frames of these."""


def current_frames() -> dict[int, FrameType]:
    """The innermost frame of each thread, by its ident.

    A garbage collection meanwhile would end in a deadlock in Python 3.11 (https://github.com/python/cpython/issues/106883).
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if enabled:
            gc.enable()


def stacks_of(threads: Iterable[Thread]) -> str:
    """The stacks of those threads that are in code of the author's, from there on, without the frames in between.

    If none is, the handler is stuck in the SDK, and all stacks are given as they are.
    """
    frames = current_frames()
    stacks = {t.name: traceback.extract_stack(frames[t.ident]) for t in threads if t.ident in frames}
    authored = {name: authored_part(stack) for name, stack in stacks.items()}
    chosen = {name: stack for name, stack in authored.items() if stack} or stacks
    return "\n\n".join(f"Thread {name!r}:\n{_text(stack)}" for name, stack in chosen.items())


def authored_part(stack: StackSummary) -> list[FrameSummary]:
    """The frames from the first one that the author wrote; empty if there is none."""
    own = (frame for frame in stack if not _is_machinery(frame.filename))
    return list(dropwhile(lambda frame: _is_standard_library(frame.filename), own))


def clock_read_by_author() -> bool:
    """Whether it is code of the author's that reads the clock now: neither Python's nor the SDK's own.

    To be called in the thread that reads it.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_CLOCKS):
        frame = frame.f_back
    file = "" if frame is None else frame.f_code.co_filename
    return is_authored(file)


def is_authored(file: str) -> bool:
    """Whether a user's project, or a package it uses, has the file: neither Python, nor the SDK, nor this package."""
    return bool(file) and not _is_machinery(file) and not _is_standard_library(file)


def _is_machinery(file: str) -> bool:
    return file.startswith((f"{_OURS}{sep}", f"{sdk.folder()}{sep}", "<frozen "))


def _is_standard_library(file: str) -> bool:
    return file.startswith(_STANDARD_LIBRARY) and not file.startswith(_THIRD_PARTY)


def _text(stack: Iterable[FrameSummary]) -> str:
    return "".join(traceback.format_list(list(stack))).rstrip()
