"""By which line, and in which thread, something was made: for messages that name a culprit."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import current_thread

from durabletest.local.stacks import is_authored


class Maker:
    """The thread, and the innermost line of the author's; None if no author's code is on the stack."""

    def __init__(self) -> None:
        self.thread = current_thread()
        self.line = _line()

    @property
    def is_done(self) -> bool:
        """Whether nothing else can be expected of the thread: it is the current one, or it has ended."""
        return self.thread is current_thread() or not self.thread.is_alive()

    def __str__(self) -> str:
        place = "" if self.line is None else f"at {self.line} "
        return f"{place}in thread {self.thread.name!r}"


def _line() -> str | None:
    frame = sys._getframe(1)
    while not is_authored(frame.f_code.co_filename):
        if frame.f_back is None:
            return None
        frame = frame.f_back
    file = Path(frame.f_code.co_filename)
    shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{shown}:{frame.f_lineno}"
