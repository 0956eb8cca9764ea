"""The server's thread: its start and end, and the requests that other threads send to it.

A request costs two switches of threads. One that finds the server at rest need not: the thread that asks can take the
server's place for as long as that takes, if it is one that nobody interrupts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread, get_ident
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from durabletest.errors import CheckpointServerError, UsageError
from durabletest.local.server.checkpoint_server import CheckpointServer

P = ParamSpec("P")
AnswerT = TypeVar("AnswerT")

_LIVENESS_CHECK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request: a value, or the exception object to raise in the requesting thread."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One call of a method of the server.

    The reply goes into the request's own queue; there is none if the asking thread has taken the server's place.
    """

    method: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    replies: SimpleQueue[Reply] | PromisedReply | None


class PromisedReply:
    """Takes the answer to a request for which no thread waits, and settles a future with it; the first one counts."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def put(self, reply: Reply) -> None:
        if self._future.done():
            return
        if reply.error is not None:
            self._future.set_exception(reply.error)
        else:
            self._future.set_result(reply.value)


class Companion(Protocol):
    """Other work, done between two requests in the server's place: it can use the server without waiting for it.

    ``TestExecutionOrchestrator`` implements it.
    """

    def work(self) -> float | None:
        """Do all work that is due. Return the real seconds until there is more without a request; None if never."""
        ...

    def time_is_up(self) -> None:
        """Called when no request has come in the time that ``work`` returned."""
        ...

    def end(self) -> None:
        """Called when the thread ends."""
        ...


class CheckpointWorkerManager:
    """Starts, talks to and stops the thread in which one server object lives.

    ``factory`` makes the server in its own thread, and ``before_request`` is called before each request. Requests are
    answered one at a time, in the order of their arrival. When the thread dies, every pending and every later call
    raises :class:`CheckpointServerError` with the cause: nothing waits for a dead server. ``monotonic`` is the real
    clock, in seconds.

    At any time at most one thread is in charge of the server: its own, or, with ``take`` and ``post_here``, another one
    while nothing else is to be done.
    """

    def __init__(
        self,
        factory: Callable[[], CheckpointServer],
        name: str = "durabletest-checkpoint-server",
        before_request: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._factory = factory
        self._before_request = before_request
        self._monotonic = monotonic
        self._inbox: SimpleQueue[Request | Callable[[], None] | None] = SimpleQueue()
        self._pending: set[Request] = set()
        self._ready = Event()
        self._dead = Event()
        self._cause: BaseException | None = None
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._companion: Companion | None = None
        self._server: CheckpointServer | None = None
        self._answering = False
        self._arriving = Lock()
        self._charge = Lock()
        self._in_charge: int | None = None
        self._undone = 0
        self._wakes_at = math.inf
        self.resting = False
        """Whether nothing is left that goes on by itself, as the companion said, and nothing has come since."""
        self.deserted = False
        """Whether nobody waits for anything either."""

    def start(self, companion: Companion | None = None) -> None:
        """Start the thread; an error while the server is made is raised here."""
        self._companion = companion
        self._thread.start()
        self._ready.wait()
        if self._cause is not None:
            self._thread.join()
            raise self._failure() from self._cause

    def stop(self, timeout: float = 5.0) -> None:
        """Let the thread answer its pending requests, then end it; a second call does nothing."""
        self._put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise CheckpointServerError(f"the checkpoint server did not stop within {timeout} seconds")

    @property
    def thread(self) -> Thread:
        """The server's thread."""
        return self._thread

    @property
    def is_mine(self) -> bool:
        """Whether the calling thread is in charge of the server."""
        return self._in_charge == get_ident()

    @property
    def has_mail(self) -> bool:
        """Whether a request or a message is waiting in the inbox."""
        return not self._inbox.empty()

    def post(self, message: Callable[[], None]) -> None:
        """Have the thread call the message when its turn comes; a dead thread never does."""
        self._put(message)

    def post_here(self, message: Callable[[], None]) -> None:
        """As ``post``; if nothing else is to be done, the message is called now, and the companion does its work."""
        if self._take_charge():
            self._do(message)
        else:
            self._put(message)

    def rest(self, resting: bool, deserted: bool) -> None:
        """Called by the companion when it has done its work."""
        with self._arriving:
            self.resting = resting and self._inbox.empty()
            self.deserted = self.resting and deserted

    def _put(self, item: Request | Callable[[], None] | None) -> None:
        with self._arriving:
            self.resting = self.deserted = False
            self._undone += 1
            self._inbox.put(item)

    def _take_charge(self) -> bool:
        """Put the calling thread in charge, if nothing has arrived that is not done."""
        with self._arriving:
            if self._undone or self._dead.is_set() or not self._charge.acquire(blocking=False):
                return False
            self.resting = self.deserted = False
            self._in_charge = get_ident()
            return True

    def _do(self, message: Callable[[], None]) -> None:
        """Call the message, then the companion, in the calling thread, which is in charge until then."""
        try:
            message()
            seconds = self._companions_work()
            if seconds is not None and self._monotonic() + seconds < self._wakes_at:
                self._put(_look_again)
        except BaseException as error:
            self._put(partial(_raise, error))  # the server has died, and so does its thread
        self._in_charge = None
        self._charge.release()

    def tell(
        self, method: Callable[Concatenate[CheckpointServer, P], None], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Have a method run in its turn, without waiting for it; it must not raise."""
        if self.is_mine:
            self._answer(method, args, kwargs)
        else:
            self.post(partial(self._answer, method, args, kwargs))

    def call(
        self,
        method: Callable[Concatenate[CheckpointServer, P], AnswerT],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> AnswerT:
        """Run a method of the server's class in its thread: return what it returns, or raise the exception it raises.

        ``server.call(CheckpointServer.revoke, arn)``. A thread that is in charge, as the companion is, does not wait.
        """
        answer: AnswerT
        if not self.is_mine:
            answer = self.receive(self.send(method, *args, **kwargs))
            return answer
        if self._answering:
            raise UsageError(
                f"{method.__name__} was asked of the checkpoint server in its own thread, which would wait for itself: "
                "code that it calls, such as a stub's, cannot run or read executions"
            )
        answer = self._answer(method, args, kwargs)
        return answer

    def send(
        self, method: Callable[Concatenate[CheckpointServer, P], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Request:
        """Put a request in the inbox, for ``receive``."""
        return self._send(Request(method, args, kwargs, SimpleQueue()))

    def take(
        self, method: Callable[Concatenate[CheckpointServer, P], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Request:
        """As ``send``; if nothing else is to be done, the caller is in charge until ``receive``, which must follow."""
        if self._take_charge():
            return Request(method, args, kwargs, None)
        return self.send(method, *args, **kwargs)

    def ask(
        self, method: Callable[Concatenate[CheckpointServer, P], AnswerT], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[AnswerT]:
        """As ``call``, for a thread that does not wait, such as that of an event loop: the future gets the answer."""
        future: Future[AnswerT] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled while it is about to get its answer
        request = Request(method, args, kwargs, PromisedReply(future))
        future.add_done_callback(lambda _: self._pending.discard(request))
        self._send(request)
        return future

    def _send(self, request: Request) -> Request:
        self._pending.add(request)
        self._put(request)
        if self._dead.is_set():
            self._fail_pending()
        return request

    def receive(self, request: Request) -> Any:
        """Wait for the answer to a request that was sent: the value, or what is raised."""
        if isinstance(request.replies, SimpleQueue):
            reply = self._await(request.replies)
            self._pending.discard(request)
        else:
            reply = self._answer_here(request)
        if reply.error is not None:
            raise reply.error
        value: Any = reply.value
        return value

    def _answer_here(self, request: Request) -> Reply:
        replies: list[Reply] = []
        self._do(lambda: replies.append(self._reply_to(request)))
        if replies:
            return replies[0]
        self._thread.join()
        return Reply(error=self._failure())

    def _await(self, replies: SimpleQueue[Reply]) -> Reply:
        while True:
            try:
                return replies.get(timeout=_LIVENESS_CHECK_SECONDS)
            except Empty:
                if not self._thread.is_alive():
                    self._fail_pending()

    def _run(self) -> None:
        try:
            self._server = self._factory()
            self._ready.set()
            self._serve()
        except BaseException as error:
            self._cause = error
        finally:
            if self.is_mine:
                self._in_charge = None  # the system gives idents again
            self._dead.set()
            self._fail_pending()
            if self._companion is not None:
                self._companion.end()
            self._ready.set()

    def _serve(self) -> None:
        seconds: float | None = None
        while True:
            item: Request | Callable[[], None] | None
            try:
                item, arrived = self._inbox.get(timeout=seconds), 1
            except Empty:
                assert self._companion is not None, "without one there is no timeout"
                item, arrived = self._companion.time_is_up, 0
            self._charge.acquire()
            if item is None:
                return
            self._in_charge = get_ident()
            if isinstance(item, Request):
                self._reply(item)
            else:
                item()
            seconds = self._companions_work()
            self._wakes_at = math.inf if seconds is None else self._monotonic() + seconds
            with self._arriving:
                self._undone -= arrived
                self._in_charge = None
                self._charge.release()

    def _companions_work(self) -> float | None:
        return None if self._companion is None else self._companion.work()

    def _reply(self, request: Request) -> None:
        assert request.replies is not None, "it has arrived in the inbox"
        request.replies.put(self._reply_to(request))

    def _reply_to(self, request: Request) -> Reply:
        try:
            return Reply(self._answer(request.method, request.args, request.kwargs))
        except Exception as error:
            return Reply(error=error)

    def _answer(self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        self._before_request()
        self._answering = True
        try:
            return method(self._server, *args, **kwargs)
        finally:
            self._answering = False

    def _fail_pending(self) -> None:
        for request in list(self._pending):
            assert request.replies is not None, "only what was sent is pending"
            request.replies.put(Reply(error=self._failure()))

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


def _raise(error: BaseException) -> None:
    raise error


def _look_again() -> None:
    """A message that only wakes the server's thread, which would otherwise wait for too long."""


class RequestInstant:
    """The server's clock: it stands still during a request, at the time when the request arrived.

    Virtual time stands still then anyway. Real time does not: the start of a wait would be recorded a moment after the
    instant from which its end is counted, so that it would be shorter than asked for.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._instant = clock()

    def arrive(self) -> None:
        """Note the arrival of a request."""
        self._instant = self._clock()

    def now(self) -> datetime:
        """The time at which the current request arrived."""
        return self._instant
