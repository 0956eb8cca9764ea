"""The messages that the orchestrator's thread works off, and the futures by which other threads get their answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any

from durabletest.errors import CheckpointServerError, DurableTestError, OrchestratorError
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.waiters import AnswerT, answer


class Inbox:
    """Messages are callables that the thread in charge of the server calls one at a time, between two requests.

    If that thread has died, every thread that waits for an answer, now or later, gets an error instead.
    """

    def __init__(self, server: CheckpointWorkerManager) -> None:
        self._server = server
        self._unsettled: set[Future[Any]] = set()
        self._closed = Event()
        self._cause: BaseException | None = None
        self.messages: deque[Callable[[], None]] = deque()
        """Those that have arrived; the thread in charge takes them from the left."""

    @property
    def closed(self) -> bool:
        """Whether no message is worked off any more."""
        return self._closed.is_set()

    @property
    def has_mail(self) -> bool:
        """Whether a message or a request to the server is waiting."""
        return bool(self.messages) or self._server.has_mail

    def post(self, message: Callable[[], None], here: bool = False) -> None:
        """Add a message, without waiting for it; those of the thread in charge itself come before any request.

        If nothing else is to be done, it is handled ``here``, in the calling thread.
        """
        if self._server.is_mine:
            self.messages.append(message)
        elif here:
            self._server.post_here(partial(self.messages.append, message))
        else:
            self._server.post(partial(self.messages.append, message))

    def send(self, message: Callable[[], None], future: Future[Any]) -> None:
        """Add a message that settles the future."""
        self._unsettled.add(future)
        future.add_done_callback(self._unsettled.discard)
        self.post(message)
        if self.closed:
            self._fail_unsettled()

    def ask(self, question: Callable[[], AnswerT]) -> Future[AnswerT]:
        """Have ``question`` called in its turn; the future gets what it returns or raises."""
        future: Future[AnswerT] = Future()
        self.send(partial(answer, future, question), future)
        return future

    def drop(self, future: Future[Any]) -> None:
        """Nothing waits for this future any longer."""
        self._unsettled.discard(future)

    def close(self) -> None:
        """Work off no further message."""
        self._closed.set()

    def die(self, cause: BaseException | None) -> None:
        """The server's thread ends, of ``cause`` if there is one: fail every future that is still open."""
        if not self.closed:
            self._cause = cause
            self.close()
        self._fail_unsettled()

    def _fail_unsettled(self) -> None:
        for future in list(self._unsettled):
            with suppress(InvalidStateError):
                future.set_exception(self._failure())

    def _failure(self) -> DurableTestError:
        """A new exception for each future, as each is raised in a thread of its own."""
        cause = self._cause
        if cause is None:
            return OrchestratorError("the test environment ended while something still waited for it")
        if isinstance(cause, CheckpointServerError):
            return cause.again()
        failure = OrchestratorError(f"the orchestrator's thread died of {cause!r}")
        failure.__cause__ = cause
        return failure
