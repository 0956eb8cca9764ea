"""Which threads run handler code: those that call handlers, and all that these start."""

from __future__ import annotations

import threading
from threading import Thread, current_thread
from typing import Any

_FOUNDER = "_durabletest_founder"
"""The attribute of a thread that names the thread which its family began with."""


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
    """While installed, notes for every thread that is started whose family it belongs to."""

    def __init__(self) -> None:
        self._original: Any = None
        self._noting: Any = None

    def install(self) -> None:
        """Begin to note."""
        original = Thread.start

        def start(thread: Thread) -> None:
            founder = founder_of(current_thread())
            if founder is not None:
                setattr(thread, _FOUNDER, founder)
            original(thread)

        self._original, self._noting = original, start
        _set_start(start)

    def remove(self) -> None:
        """Stop noting; a tool that has put itself on top in the meantime keeps its place."""
        if Thread.start is self._noting:
            _set_start(self._original)


def _set_start(start: Any) -> None:
    Thread.start = start  # type: ignore[method-assign]
