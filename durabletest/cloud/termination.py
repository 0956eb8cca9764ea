"""Stops the executions of open runners when the process ends, or is to end by SIGTERM."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from _thread import interrupt_main
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread, main_thread
from typing import Any

from durabletest.cloud.stopping import not_stopped
from durabletest.errors import CloudServiceError

Stop = Callable[[], dict[str, Exception]]
"""Stops all executions of a runner that still run; returns the errors, by the ARN of what may still run."""

REPORT_SECONDS = 10.0
"""How long the report of an interruption may take."""
_open: list[tuple[int, Stop]] = []
"""With the id of the process, whose forked children stop nothing."""
_terminated = Event()


def opened(stop: Stop) -> None:
    """Call ``stop`` if the process ends or is terminated before ``closed`` was called.

    SIGTERM is handled where nothing else handles it: the executions are stopped, then it ends the process as it would
    have done at once. A second one does not wait for that.
    """
    if not _open:
        atexit.register(_stop_at_exit)
        with suppress(ValueError):  # not in the main thread
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _on_sigterm)
    _open.append((os.getpid(), stop))


def closed(stop: Stop) -> None:
    """Undo ``opened``."""
    _open[:] = [entry for entry in _open if entry[1] != stop]
    if not _open:
        atexit.unregister(_stop_at_exit)
        with suppress(ValueError):
            if signal.getsignal(signal.SIGTERM) is _on_sigterm:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)


def refuse_start() -> None:
    """Raise :class:`CloudServiceError` if the process is being terminated."""
    if _terminated.is_set():
        raise CloudServiceError("the process is being terminated by SIGTERM: nothing is started any more")


def _stop_at_exit() -> None:
    """In the main thread, since no thread can be started when the interpreter ends."""
    _tell(_stop_all())


def _tell(failures: Mapping[str, Exception]) -> None:
    if failures:
        sys.stderr.write(f"durabletest: {not_stopped(failures)}\n")
        sys.stderr.flush()


def _stop_all() -> dict[str, Exception]:
    failures: dict[str, Exception] = {}
    for stop in [stop for process, stop in _open if process == os.getpid()]:
        failures |= stop()
    return failures


def _on_sigterm(signal_number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of handlers
    """Let the main thread go on meanwhile, which may hold locks that stopping needs."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _terminated.set()
    with suppress(RuntimeError):  # the interpreter ends, and all is being stopped
        Thread(target=_stop_and_terminate, name="durabletest-cloud-terminate", daemon=False).start()


def _stop_and_terminate() -> None:
    """End the process by SIGTERM; by KeyboardInterrupt if executions cannot be stopped.

    As its runner is closed, the interruption names them in a report, whereas standard error may be captured.
    """
    failures: Mapping[str, Exception] = {}
    try:
        failures = _stop_all()
        if failures:
            interrupt_main()
            main_thread().join(REPORT_SECONDS)
    finally:
        if not failures or main_thread().is_alive():
            _tell(failures)
            os.kill(os.getpid(), signal.SIGTERM)
