"""Which threads run handler code: those that call handlers, all that these start, and pools that work for them."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread, current_thread
from typing import Any
from weakref import WeakSet

_FOUNDER = "_durabletest_founder"
"""The attribute of a thread that names the thread which its family began with."""


_lent: WeakSet[Future[Any]] = WeakSet()
"""What handler code has given to pools, until it has begun."""


def found(thread: Thread) -> None:
    """A family begins with this thread; whatever thread it starts belongs to it, and so on."""
    setattr(thread, _FOUNDER, thread)


def founder_of(thread: Thread) -> Thread | None:
    """The thread that the family began with; None for a thread that runs no handler code."""
    founder: Thread | None = getattr(thread, _FOUNDER, None)
    return founder


def disown(thread: Thread) -> None:
    """The thread runs no handler code any more."""
    vars(thread).pop(_FOUNDER, None)


def members(founder: Thread) -> list[Thread]:
    """The living threads of a family, in the order in which they started."""
    return [thread for thread in threading.enumerate() if founder_of(thread) is founder]


class FamilyRegister:
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
        founder = founder_of(current_thread())
        if founder is not None:
            setattr(thread, _FOUNDER, founder)
        original(thread)

    return start


def _lending(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def submit(pool: Any, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        founder = founder_of(current_thread())
        if founder is None:
            return original(pool, call, *arguments, **named)
        future = original(pool, _work_for, founder, call, arguments, named)
        _lent.add(future)
        return future

    return submit


def has_queued_work() -> bool:
    """Whether a pool has been given work by handler code that no thread of it has begun."""
    for future in list(_lent):
        if future.running() or future.done():
            _lent.discard(future)
    return bool(_lent)


def _work_for(founder: Thread, call: Callable[..., Any], arguments: Any, named: Any) -> Any:
    thread = current_thread()
    before = founder_of(thread)
    setattr(thread, _FOUNDER, founder)
    try:
        return call(*arguments, **named)
    finally:
        if before is None:
            disown(thread)
        else:
            setattr(thread, _FOUNDER, before)
