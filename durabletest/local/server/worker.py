"""Lifecycle of the server's thread, and the channel to it."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread, current_thread
from typing import Any

from durabletest.errors import CheckpointServerError, UsageError
from durabletest.local.server.messages import Reply, Request

_LIVENESS_CHECK_SECONDS = 1.0


class CheckpointWorkerManager:
    """Starts, talks to and stops the thread in which one server object lives.

    ``factory`` makes the server in its own thread; ``call`` runs one of its methods there and returns the value or
    raises the very exception object that the method raised. Requests are answered in the order of their arrival. When
    the thread dies, every pending and every later call raises :class:`CheckpointServerError` with the cause: nothing
    waits for a dead server (R9.6, R13.4). ``before_request`` is called in the thread before each request is answered.
    """

    def __init__(
        self,
        factory: Callable[[], object],
        name: str = "durabletest-checkpoint-server",
        before_request: Callable[[], None] = lambda: None,
    ) -> None:
        self._factory = factory
        self._before_request = before_request
        self._inbox: SimpleQueue[Request | None] = SimpleQueue()
        self._pending: set[Request] = set()
        self._ready = Event()
        self._dead = Event()
        self._cause: BaseException | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread; an error while the server is made is raised here."""
        self._thread.start()
        self._ready.wait()
        if self._cause is not None:
            self._thread.join()
            raise self._failure() from self._cause

    def stop(self, timeout: float = 5.0) -> None:
        """Let the thread answer what it has been asked, then end it; calling it twice does no harm."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise CheckpointServerError(f"the checkpoint server did not stop within {timeout} seconds")

    @property
    def thread(self) -> Thread:
        """The server's thread."""
        return self._thread

    @property
    def idle(self) -> bool:
        """Whether everything that it was asked has been answered, and whoever asked has the answer."""
        return not self._pending and not self._dead.is_set()

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Run ``method`` of the server in its thread, and give back what it returns or raise what it raises."""
        if current_thread() is self._thread:
            raise UsageError(
                f"{method} was asked of the checkpoint server in its own thread, which would wait for itself: code "
                "that it calls, such as a stub's, cannot run or read executions"
            )
        request = Request(method, arguments, SimpleQueue())
        self._pending.add(request)
        self._inbox.put(request)
        if self._dead.is_set():
            self._fail_pending()
        reply = self._await(request)
        self._pending.discard(request)
        if reply.error is not None:
            raise reply.error
        return reply.value

    def _await(self, request: Request) -> Reply:
        while True:
            try:
                return request.reply.get(timeout=_LIVENESS_CHECK_SECONDS)
            except Empty:
                if not self._thread.is_alive():
                    self._fail_pending()

    def _run(self) -> None:
        try:
            server = self._factory()
            self._ready.set()
            self._serve(server)
        except BaseException as error:
            self._cause = error
        finally:
            self._dead.set()
            self._fail_pending()
            self._ready.set()

    def _serve(self, server: object) -> None:
        while (request := self._inbox.get()) is not None:
            self._before_request()
            try:
                value = getattr(server, request.method)(**request.arguments)
            except Exception as error:
                request.reply.put(Reply(error=error))
            else:
                request.reply.put(Reply(value))

    def _fail_pending(self) -> None:
        for request in list(self._pending):
            request.reply.put(Reply(error=self._failure()))

    def _failure(self) -> CheckpointServerError:
        if self._cause is None:
            return CheckpointServerError("the checkpoint server was stopped; open a new runner")
        failure = CheckpointServerError(f"the checkpoint server's thread died of {self._cause!r}")
        failure.__cause__ = self._cause
        return failure
