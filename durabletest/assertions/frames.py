"""Tracebacks end in the test's own code: what lies below it in this package tells its reader nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from durabletest.errors import DurableTestError

__unittest = True
__tracebackhide__ = True

_NOT_THE_USERS = frozenset({"durabletest", *sys.stdlib_module_names})


def hide_our_frames(error: BaseException) -> None:
    """Let a traceback show the user's code only, from its first line of it on.

    Where the user's code was called by this package, as a matcher is, the frames in between are left out. What follows
    the last line of the user's code is left out if the error is one of ours, whose message tells all; of any other
    error it stays, since that is a bug.
    """
    entries = list(_entries(error.__traceback__))
    users = [i for i, entry in enumerate(entries) if _package(entry.tb_frame) not in _NOT_THE_USERS]
    if not users:
        return
    first, last = users[0], users[-1]
    kept = [entry for entry in entries[first:last] if _package(entry.tb_frame) != "durabletest"] + [entries[last]]
    tail = None if isinstance(error, DurableTestError) else entries[last].tb_next
    for entry, following in zip(kept, [*kept[1:], tail], strict=True):
        entry.tb_next = following


def place() -> str:
    """Where the test is: the nearest line of code that is not ours."""
    frame = sys._getframe(1)
    while "__unittest" in frame.f_globals and frame.f_back is not None:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
