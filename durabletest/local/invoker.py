"""Calls handlers, each in a daemon thread, and tells how the call ended."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from concurrent.futures import thread as futures_thread
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread, current_thread, enumerate
from typing import Any

from durabletest.local.crash import ProcessExit

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
        self._before: set[Thread] = set()

    def invoke(self, call: Callable[[], Any], done: Callable[[Answered | Raised], None]) -> None:
        """Run ``call`` in the worker thread and pass the outcome to ``done`` there."""
        self._before = set(enumerate())
        if self._worker is None:
            self._calls = SimpleQueue()
            self._worker = Thread(target=_work, args=(self._calls,), name="durabletest-invoker", daemon=True)
            self._worker.start()
        self._calls.put(lambda: done(_outcome(call)))

    def handler_threads(self) -> list[Thread]:
        """The worker, and every thread that was started since the current call began."""
        return [t for t in enumerate() if t is self._worker or t not in self._before]

    def stacks(self) -> str:
        """The stacks of the handler's threads, as text."""
        frames = sys._current_frames()
        texts = []
        for thread in self.handler_threads():
            frame = frames.get(thread.ident or 0)
            if frame is not None and thread is not current_thread():
                stack = "".join(traceback.format_stack(frame))
                texts.append(f"Thread {thread.name!r}:\n{stack.rstrip()}")
        return "\n\n".join(texts)

    def abandon(self) -> None:
        """Give the current call up, so that neither the next call nor the end of the process waits for it."""
        for thread in self.handler_threads():
            _threads_queues.pop(thread, None)
        self._calls.put(None)
        self._worker = None

    def stop(self, timeout: float = 1.0) -> None:
        """End the worker thread, once it has nothing to do."""
        if self._worker is not None:
            self._calls.put(None)
            self._worker.join(timeout)
            self._worker = None


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    while (call := calls.get()) is not None:
        call()


def _outcome(call: Callable[[], Any]) -> Answered | Raised:
    try:
        return Answered(call())
    except Exception as error:
        return Raised(error, crashed=False)
    except (SystemExit, KeyboardInterrupt, ProcessExit) as error:
        return Raised(error, crashed=True)
    except BaseException as error:
        return Raised(error, crashed=False)
