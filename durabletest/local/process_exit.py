"""Handler code that ends its process: in Lambda the invocation crashes, here the test process survives it."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import current_thread
from typing import NoReturn

from durabletest.local.handler_threads import invoker_thread_of
from durabletest.patches import PatchGroup


class ProcessExit(SystemExit):
    """Raised in place of ``os._exit`` in handler code; ``code`` is the exit status."""


class InvocationTimedOut(SystemExit):
    """The end of an invocation that has taken longer than Lambda allows."""


def exit_status(error: BaseException) -> int:
    """The exit status of a process that ends by the error: a byte, so that it is 255 for -1."""
    if isinstance(error, SystemExit):
        if error.code is None:
            return 0
        return error.code & 0xFF if isinstance(error.code, int) else 1
    return 130


class ExitGuard(PatchGroup):
    """While installed, makes ``os._exit`` in handler threads end the invocation instead of the process.

    ``crashed`` is called at that moment, before anything unwinds, so that sibling branches write no more checkpoints.
    The threads of a handler that was given up merely end. Other threads, and other processes (a forked child), exit for
    real.
    """

    def __init__(self, crashed: Callable[[BaseException], None]) -> None:
        self._crashed = crashed
        self._pid = os.getpid()
        self._installed = False
        super().__init__()

    def install(self) -> None:
        # Lambda ends the runtime's process and invokes the function again; here the process is that of the tests. No
        # hook of Python's runs before ``os._exit``. Code that imported the function by name before exits for real.
        # Checked with Python 3.11.
        self._patches.wrap(os, "_exit", self._patched_exit)
        self._installed = True

    def remove(self) -> None:
        self._installed = False
        super().remove()

    def _patched_exit(self, original: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
        def _exit(status: int) -> NoReturn:
            if not self._installed or os.getpid() != self._pid or invoker_thread_of(current_thread()) is None:
                original(status)
            error = ProcessExit(status)
            self._crashed(error)
            raise error

        return _exit
