"""Lifecycle of the server's thread, and the channel to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread, current_thread
from typing import Any, Protocol

from durabletest.errors import CheckpointServerError, UsageError
from durabletest.local.server.messages import Reply, Request

_LIVENESS_CHECK_SECONDS = 1.0


class Companion(Protocol):
    """What else is done in the server's thread: between two requests, so that it can use the server without waiting."""

    def work(self) -> float | None:
        """Do what there is to do; for how many real seconds nothing has to be done if no request comes (None: ever)."""
        ...

    def time_is_up(self) -> None:
        """No request has come for so long."""
        ...

    def end(self) -> None:
        """The thread ends."""
        ...


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
        self._inbox: SimpleQueue[Request | Callable[[], None] | None] = SimpleQueue()
        self._pending: set[Request] = set()
        self._ready = Event()
        self._dead = Event()
        self._cause: BaseException | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._companion: Companion | None = None
        self._server: object = None
        self._answering = False
        self.resting = False
        """Set by the companion when nothing is left that goes on by itself; unset by whatever comes."""

    def start(self, companion: Companion | None = None) -> None:
        """Start the thread; an error while the server is made is raised here."""
        self._companion = companion
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
    def has_mail(self) -> bool:
        """Whether there is a request, or a message, that the thread has not come to."""
        return not self._inbox.empty()

    def post(self, message: Callable[[], None]) -> None:
        """Have the thread call the message when its turn comes; a dead thread never does."""
        self._inbox.put(message)

    def tell(self, method: str, /, **arguments: Any) -> None:
        """Have ``method`` run in its turn, without waiting; it must not raise."""
        if current_thread() is self._thread:
            self._answer(method, arguments)
        else:
            self.post(partial(self._answer, method, arguments))

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Run ``method`` of the server in its thread, and give back what it returns or raise what it raises.

        The companion, which lives in that thread, gets the answer without waiting.
        """
        if current_thread() is self._thread:
            if self._answering:
                raise UsageError(
                    f"{method} was asked of the checkpoint server in its own thread, which would wait for itself: code "
                    "that it calls, such as a stub's, cannot run or read executions"
                )
            return self._answer(method, arguments)
        return self.receive(self.send(method, arguments))

    def send(self, method: str, arguments: Mapping[str, Any]) -> Request:
        """Put a request in line, for ``receive``."""
        request = Request(method, arguments, SimpleQueue())
        self._pending.add(request)
        self._inbox.put(request)
        if self._dead.is_set():
            self._fail_pending()
        return request

    def receive(self, request: Request) -> Any:
        """Wait for the answer to a request that was sent: the value, or what is raised."""
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
            if self._companion is not None:
                self._companion.end()
            self._ready.set()

    def _serve(self, server: object) -> None:
        self._server, companion = server, self._companion
        limit = None
        while True:
            try:
                item = self._inbox.get(timeout=limit)
                self.resting = False
            except Empty:
                assert companion is not None, "without one there is no limit"
                companion.time_is_up()
            else:
                if item is None:
                    return
                if isinstance(item, Request):
                    self._reply(item)
                else:
                    item()
            if companion is not None:
                limit = companion.work()

    def _reply(self, request: Request) -> None:
        try:
            reply = Reply(self._answer(request.method, request.arguments))
        except Exception as error:
            reply = Reply(error=error)
        request.reply.put(reply)

    def _answer(self, method: str, arguments: Mapping[str, Any]) -> Any:
        self._before_request()
        self._answering = True
        try:
            return getattr(self._server, method)(**arguments)
        finally:
            self._answering = False

    def _fail_pending(self) -> None:
        for request in list(self._pending):
            request.reply.put(Reply(error=self._failure()))

    @property
    def failure(self) -> CheckpointServerError | None:
        """Why the thread has died, if it has died of something."""
        return None if self._cause is None else self._failure()

    def _failure(self) -> CheckpointServerError:
        if self._cause is None:
            return CheckpointServerError("the checkpoint server was stopped; open a new runner")
        failure = CheckpointServerError(f"the checkpoint server's thread died of {self._cause!r}")
        failure.__cause__ = self._cause
        return failure
