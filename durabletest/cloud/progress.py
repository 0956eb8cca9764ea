"""The progress line on the terminal while a test waits for an execution in the cloud."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TextIO

from durabletest.model.history import History, execution_name, title
from durabletest.model.times import span

_clock = [monotonic]
"""In a list, where freezegun does not look for it."""


class ProgressLine:
    """Shows the last operation and the time elapsed, while a thread waits and only on a terminal.

    Without ``stream`` it is written to the current standard error.
    """

    def __init__(self, arn: str, stream: TextIO | None = None) -> None:
        self._arn = arn
        self._stream = stream
        self._began = _clock[0]()
        self._waiting = 0
        self._shown = 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Show the line in this block; when the last of them is left, it is removed."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._write("")

    def show(self, history: History) -> None:
        if self._waiting:
            self._write(self._line(history)[: shutil.get_terminal_size().columns - 1])

    def _line(self, history: History) -> str:
        last = next((r for r in reversed(history.operations) if not r.status.is_terminal), None)
        last = last or next(reversed(history.operations), None)
        seen = "no operation yet" if last is None else f"{title(history, last)} {last.status}"
        elapsed = span(timedelta(seconds=int(_clock[0]() - self._began)))
        return f"{execution_name(self._arn)}: {seen}, {elapsed}"

    def _write(self, line: str) -> None:
        stream = self._stream or sys.stderr
        if (line or self._shown) and stream.isatty():
            stream.write(f"\r{line.ljust(self._shown)}" if line else f"\r{' ' * self._shown}\r")
            stream.flush()
            self._shown = len(line)
