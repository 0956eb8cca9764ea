"""The progress of what takes long: a line on the terminal that is rewritten, and elsewhere one line at its end."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TextIO

from durabletest.model.times import span

_clock = [monotonic]
"""In a list, where freezegun does not look for it."""
_PATIENCE, _PAUSE = 1.0, 0.1
"""Real seconds after which a line is shown for work of many short steps, and for which it then stays as it is."""
_LONG = 5.0
"""Real seconds from which on work is worth a line in a log."""


class ProgressLine:
    """Shows how far something is and the time elapsed, on standard error while that is a terminal, within ``shown()``.

    ``what`` is the beginning of the line. With ``many``, the work has many short steps: most of it is over before there
    is a line, and not every step is shown. Without ``stream`` the line is written to the current standard error.
    """

    _columns = 0
    """The length of the line that stands on the terminal, of any progress line."""

    def __init__(self, what: str, stream: TextIO | None = None, *, many: bool = False) -> None:
        self._what = what
        self._stream = stream
        self._pause = _PAUSE if many else 0.0
        self._began = _clock[0]()
        self._next = self._began + (_PATIENCE if many else 0.0)
        self._blocks = 0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the line in this block; when the last of them is left, it is removed."""
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            if not self._blocks:
                self._write("")

    @property
    def is_shown(self) -> bool:
        return self._blocks > 0

    def show(self, state: str) -> None:
        """Rewrite the line."""
        now = _clock[0]()
        if self.is_shown and now >= self._next:
            self._next = now + self._pause
            self._write(self._fitting(self._line(state), shutil.get_terminal_size().columns - 1))

    def summarise(self, state: str) -> None:
        """At the end of what took at least five seconds, write a line where there is no terminal, as in CI."""
        stream = self._stream or sys.stderr
        if _clock[0]() - self._began >= _LONG and not stream.isatty():
            stream.write(f"{self._line(state)}\n")

    def _line(self, state: str) -> str:
        return f"{self._what}: {state}, {span(timedelta(seconds=int(_clock[0]() - self._began)))}"

    def _fitting(self, line: str, room: int) -> str:
        """The line without what is too much of its beginning, of which the end says most; or else of its end."""
        left_out = len(line) - room + 2 if len(line) > room else 0
        return line if not left_out else f"..{line[left_out:]}" if left_out < len(self._what) else line[:room]

    def _write(self, line: str) -> None:
        stream, before = self._stream or sys.stderr, ProgressLine._columns
        if (line or before) and stream.isatty():
            stream.write(f"\r{line.ljust(before)}" if line else f"\r{' ' * before}\r")
            stream.flush()
            ProgressLine._columns = len(line)
