"""Handler code that ends its process: in Lambda the invocation crashes, here the test process has to survive it."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import current_thread
from typing import Any, NoReturn

from durabletest.local.families import founder_of


class ProcessExit(SystemExit):
    """Raised in place of ``os._exit`` in handler code; ``code`` is the exit status."""


class InvocationTimedOut(SystemExit):
    """What ends an invocation that has taken longer than Lambda allows."""


def exit_status(error: BaseException) -> int:
    """The exit status that a process has which ends by this exception."""
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        return error.code if isinstance(error.code, int) else 1
    return 130


class ExitGuard:
    """While installed, makes ``os._exit`` in handler threads end the invocation instead of the process.

    ``crashed`` is called at that moment, before anything unwinds, so that sibling branches write no more checkpoints.
    The threads of a handler that was given up merely end. Other threads, and other processes (a forked child), exit for
    real.
    """

    def __init__(self, crashed: Callable[[BaseException], None]) -> None:
        self._crashed = crashed
        self._pid = os.getpid()
        self._real_exit: Any = None

    def install(self) -> None:
        """Put the replacement in place."""
        self._real_exit = os._exit
        os._exit = self._exit

    def remove(self) -> None:
        """Put the real function back."""
        os._exit = self._real_exit

    def _exit(self, status: int) -> NoReturn:
        if os.getpid() != self._pid or founder_of(current_thread()) is None:
            self._real_exit(status)
        error = ProcessExit(status)
        self._crashed(error)
        raise error
