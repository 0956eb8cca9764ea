"""Calls handlers, each in a daemon thread, and tells how the call ended."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from durabletest.errors import HandlerStillRunsWarning
from durabletest.local.families import found, founder_of, members
from durabletest.local.spinning import LoopEnder
from durabletest.local.stacks import clock_read_by_author

_LAST_MOMENT = 1.0
"""Real seconds for all threads that were given up; those that are not stuck need a few milliseconds."""
_threads_queues: Any = getattr(futures_thread, "_threads_queues", {})


@dataclass(frozen=True, slots=True)
class Answered:
    """The call returned ``value``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The call raised ``error``; ``crashed`` means that in Lambda the process would have ended."""

    error: BaseException
    crashed: bool


class Invoker:
    """Runs one call at a time in a worker thread of its own.

    The thread is a daemon, and so are the pool threads that the SDK starts from it. A call that never returns is
    abandoned: its threads are forgotten by :mod:`concurrent.futures`, which would otherwise wait for them when the
    interpreter exits, and the next call gets a new worker.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._worker: Thread | None = None
        self._abandoned: list[Thread] = []
        self._loops = LoopEnder()
        self._still_running: str | None = None

    def invoke(self, call: Callable[[], Any], done: Callable[[Answered | Raised], None]) -> None:
        """Run ``call`` in the worker thread and pass the outcome to ``done`` there."""
        if self._abandoned:
            self._loops.end(self._left_over())
        if self._worker is None:
            self._calls = SimpleQueue()
            self._worker = Thread(target=_work, args=(self._calls,), name="durabletest-invoker", daemon=True)
            found(self._worker)
            self._worker.start()
        self._calls.put(lambda: done(_outcome(call)))

    @property
    def threads(self) -> list[Thread]:
        """The worker, and every thread that came of it and still lives."""
        return [] if self._worker is None else members(self._worker)

    def is_worker(self, thread: Thread) -> bool:
        """Whether it is the thread that calls the handlers."""
        return thread is self._worker

    def runs(self, thread: Thread) -> bool:
        """Whether that thread runs handler code, and was not abandoned."""
        return self._worker is not None and founder_of(thread) is self._worker

    def abandon(self) -> None:
        """Give the current call up, so that neither the next call nor the end of the process waits for it.

        A thread that looks at the virtual clock ends there (``end_if_abandoned``), one that is in a loop of its
        author's between two rounds (:mod:`durabletest.local.spinning`), one that is blocked with its process.
        """
        if self._worker is None:
            return
        self._abandoned.append(self._worker)
        self._loops.end(self.threads)
        for thread in self.threads:
            _threads_queues.pop(thread, None)
        self._calls.put(None)
        self._worker = None

    def end_if_abandoned(self, thread: Thread) -> None:
        """End the calling thread by ``SystemExit`` if its call was given up and its author's code reads the clock.

        A handler that polls a clock which stands still would slow down all that follows. Threads of the SDK end by
        themselves, once they have told those that wait for them.
        """
        if self._abandoned and founder_of(thread) in self._abandoned and clock_read_by_author():
            raise SystemExit

    def stop(self, timeout: float = 1.0) -> None:
        """End the worker thread, once it has nothing to do; threads that a handler has left behind are forgotten.

        Calls that were given up get a moment to end, so that they do not log and print when nobody listens any more.
        """
        if self._worker is not None:
            for thread in self.threads:
                _threads_queues.pop(thread, None)
            self._calls.put(None)
            self._worker.join(timeout)
            self._worker = None
        deadline = time.monotonic() + _LAST_MOMENT
        self._loops.end(self._left_over())
        for thread in self._left_over():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._still_running = self._loops.complaint(self._left_over())
        self._abandoned.clear()

    def warn(self) -> None:
        """Once it was stopped: warn of handlers that go on computing, and cannot be ended."""
        if self._still_running is not None:
            warnings.warn(self._still_running, HandlerStillRunsWarning, stacklevel=2)

    def _left_over(self) -> list[Thread]:
        return [member for worker in self._abandoned for member in members(worker)]


def forget_pools() -> None:
    """The process ends, maybe with handlers that still run: nothing waits for them."""
    for thread in threading.enumerate():
        if founder_of(thread) is not None:
            _threads_queues.pop(thread, None)


_register_atexit: Callable[[Callable[[], None]], None] | None = getattr(threading, "_register_atexit", None)
if _register_atexit is not None:
    _register_atexit(forget_pools)
    """Called before :mod:`concurrent.futures` waits, as it was registered later."""


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()


def _outcome(call: Callable[[], Any]) -> Answered | Raised:
    try:
        return Answered(call())
    except Exception as error:
        return Raised(error, crashed=False)
    except (SystemExit, KeyboardInterrupt) as error:
        return Raised(error, crashed=True)
    except BaseException as error:
        return Raised(error, crashed=False)
