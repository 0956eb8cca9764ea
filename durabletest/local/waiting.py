"""How threads wait for the orchestrator: for its answers, for an end, an instant or operations; and the watchdog."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from threading import Event, Thread
from typing import Any, TypeVar

from durabletest.errors import CheckpointServerError, DurableTestError, HandlerStuckError, OrchestratorError
from durabletest.local.call_queue import GRACE_SECONDS, CallQueue, RunningCall
from durabletest.local.deployment import Deployment, Deployments
from durabletest.local.handler_threads import stacks_of
from durabletest.local.run_errors import RunErrors, stuck_handler
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.timers import Scheduler, monotonic
from durabletest.local.virtual_sleep import Sleepers
from durabletest.model.history import History
from durabletest.model.wait_for_data import OpenWatches, Watch

AnswerT = TypeVar("AnswerT")


def again(error: Exception) -> Exception:
    """A copy of the error for another thread; exceptions of the author's cannot be copied safely, and are shared."""
    return error.again() if isinstance(error, DurableTestError) else error


def answer(future: Future[AnswerT], question: Callable[[], AnswerT]) -> None:
    """Set the future's result to the answer, or its exception to the reason why there is none."""
    run_for(future, lambda: future.set_result(question()))


def run_for(future: Future[Any], act: Callable[[], None]) -> None:
    """Call ``act``; its exception is for the thread that waits for the future, and does no harm to others."""
    try:
        act()
    except Exception as error:
        if isinstance(error, CheckpointServerError):
            raise
        if not future.done():
            future.set_exception(error)


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
        """Those that have arrived; the thread in charge takes them from the left, in ``work`` of the orchestrator."""

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


@dataclass(slots=True, eq=False)
class Wait:
    """A thread's wait for the end of an execution, for an instant, or for ``followed``, a future of the model.

    ``deployment`` is that of the runner through which it waits. The future's result is None, or the execution's events
    after the first ``seen`` ones, for ``LocalExecution.wait_until_ended``; its exception says why the wait is in vain.
    """

    deployment: Deployment
    arn: str | None
    thread: Thread
    until: datetime | None = None
    followed: Future[Any] | None = None
    seen: int = 0
    future: Future[Any] = field(default_factory=Future)

    @property
    def is_over(self) -> bool:
        """Whether the thread is about to wake up, as the future that it follows is done."""
        return self.followed is not None and self.followed.done()


class Waiters:
    """Keeps waits and watches, and settles their futures; belongs to the orchestrator's thread.

    Changes that watches have not been told yet are the news. Notifications are news, and the word to a thread in
    ``await_rest`` that it may act.
    """

    def __init__(self, server: CheckpointWorkerManager) -> None:
        self._server = server
        self._waits: dict[Wait, None] = {}
        self._waits_by_arn: dict[str | None, dict[Wait, None]] = {}
        self._watches: defaultdict[str, OpenWatches] = defaultdict(OpenWatches)
        self._watchers: defaultdict[Deployment, set[Thread]] = defaultdict(set)
        self._news: dict[str, None] = {}
        self._followed: set[str] = set()
        self._oldest_since: float | None = None
        self._for_rest: list[Future[None]] = []
        self._histories: dict[str, History] = {}
        self._ended: dict[str, Exception | None] = {}

    @property
    def time_may_move(self) -> bool:
        """Whether a thread waits for what only time can bring.

        A thread that is blocked by a future of the model counts while its watch is open, not until it has woken up.
        """
        waits = any(wait.arn is not None or wait.until is not None for wait in self._waits)
        return waits or any(self._watches.values())

    @property
    def nobody_waits(self) -> bool:
        """Whether there is neither a wait nor an open watch."""
        return not self._waits and not any(self._watches.values())

    @property
    def all_blocked(self) -> bool:
        """Whether every thread that has set a watch is blocked, so that none can answer a callback."""
        blocked = {wait.thread for wait in self._waits if not wait.is_over}
        watchers = set().union(*self._watchers.values())
        return all(thread in blocked for thread in watchers if thread.is_alive())

    def add(self, wait: Wait) -> None:
        """Begin to wait; settled at once for an execution that has ended, the server's error for an unknown one."""
        arn = wait.arn
        if arn in self._ended or (arn and self._server.call(CheckpointServer.deployment_of, arn) is None):
            self._settle_wait(wait, self._ended.get(arn or ""))
        else:
            self._waits[wait] = None
            self._waits_by_arn.setdefault(wait.arn, {})[wait] = None

    def withdraw(self, wait: Wait) -> None:
        if wait in self._waits:
            self._remove(wait)

    def add_watch(self, deployment: Deployment, arn: str, watch: Watch, thread: Thread) -> None:
        """Begin to follow an operation, for a thread."""
        self._watchers[deployment].add(thread)
        self._followed.add(arn)  # before its history is read: what comes later is announced
        history = self._settled_by_news(arn)
        self._watches[arn].add(watch, history, arn in self._ended)

    # --- news, ends and instants ---

    def note(self, arn: str) -> None:
        """Something has happened in this execution, which is news if there is a watch on it."""
        if arn in self._followed:
            self._news[arn] = None
            self._begin_age()

    def await_rest(self, future: Future[None]) -> None:
        """Settle the future when threads are notified next."""
        self._for_rest.append(future)
        self._begin_age()

    def _begin_age(self) -> None:
        if self._oldest_since is None:
            self._oldest_since = monotonic()

    @property
    def notification_age(self) -> float:
        """The real seconds since the oldest notification."""
        return 0.0 if self._oldest_since is None else monotonic() - self._oldest_since

    @property
    def must_notify(self) -> bool:
        """Whether a thread is to be told of news, or that it may act (``await_rest``); any thread may ask."""
        return bool(self._news or self._for_rest)

    def notify(self) -> bool:
        """Settle the watches whose operations got there, and let threads act; return whether there was a reason to."""
        news, self._news = self._news, {}
        for_rest, self._for_rest = self._for_rest, []
        self._oldest_since = None
        for arn in news:
            self._settled_by_news(arn)
        for future in for_rest:
            _settle(future, None)
        return bool(news or for_rest)

    def _settled_by_news(self, arn: str) -> History:
        """The history up to now; watches that its new events concern are settled."""
        history = self._histories.setdefault(arn, History())
        news = history.extend(self._server.call(CheckpointServer.events_after, arn, len(history.events)))
        self._watches[arn].settle(history, arn in self._ended, news)
        return history

    def end(self, arn: str, error: Exception | None) -> None:
        """The execution has ended; an ``error`` aborted its run, and is raised in every thread that waits for it."""
        self._ended[arn] = error
        self._news.pop(arn, None)
        if arn in self._watches:
            self._settled_by_news(arn)
        for wait in self._take_of(arn):
            self._settle_wait(wait, error)

    def _settle_wait(self, wait: Wait, error: Exception | None) -> None:
        events: list[dict[str, Any]] | None = None
        if error is None and wait.arn is not None:
            events = self._server.call(CheckpointServer.events_after, wait.arn, wait.seen)
        _settle(wait.future, error, events)

    def next_goal(self) -> datetime | None:
        """The earliest instant that a thread waits for."""
        return min((wait.until for wait in self._waits if wait.until is not None), default=None)

    def reach(self, now: datetime) -> None:
        """Settle the waits for instants up to ``now``."""
        for wait in self._take(lambda wait: wait.until is not None and wait.until <= now):
            _settle(wait.future, None)

    def give_up(self, reason: Callable[[str, Watch | None], Exception]) -> None:
        """Nothing can happen any more: fail all waits for executions and for their operations."""
        for wait in self._take(lambda wait: wait.arn is not None):
            _settle(wait.future, reason(wait.arn or "", None))
        for arn in list(self._watches):
            self._fail_watches(arn, reason)

    def refuse(self, error: Exception) -> None:
        """Time cannot move: fail all waits, whatever they are for."""
        for wait in self._take(lambda _: True):
            _settle(wait.future, error)
        self.give_up(lambda _arn, _watch: again(error))

    def forget(self, arn: str, reason: Callable[[str], Exception]) -> None:
        """The execution is given up: fail the waits for it; its ARN may be used again."""
        for wait in self._take_of(arn):
            _settle(wait.future, reason(arn))
        self._fail_watches(arn, lambda arn, _watch: reason(arn))
        self.drop(arn)

    def drop(self, arn: str) -> None:
        """Keep nothing of an execution for which no thread waits; its ARN may be used again."""
        self._news.pop(arn, None)
        self._followed.discard(arn)
        self._histories.pop(arn, None)
        self._watches.pop(arn, None)
        self._ended.pop(arn, None)

    def leave(self, deployment: Deployment, reason: Callable[[str], Exception]) -> None:
        """A runner is reset or closed: fail the waits through it."""
        for wait in self._take(lambda wait: wait.deployment is deployment):
            _settle(wait.future, reason(wait.arn or ""))
        self._watchers.pop(deployment, None)

    def _fail_watches(self, arn: str, reason: Callable[[str, Watch], Exception]) -> None:
        for watch in self._watches[arn].take_all():
            if watch.future.set_running_or_notify_cancel():
                watch.future.set_exception(reason(arn, watch))

    def _take(self, condition: Callable[[Wait], bool]) -> list[Wait]:
        taken = [wait for wait in self._waits if condition(wait)]
        for wait in taken:
            self._remove(wait)
        return taken

    def _take_of(self, arn: str) -> list[Wait]:
        taken = list(self._waits_by_arn.get(arn, ()))
        for wait in taken:
            self._remove(wait)
        return taken

    def _remove(self, wait: Wait) -> None:
        del self._waits[wait]
        of_the_same = self._waits_by_arn[wait.arn]
        del of_the_same[wait]
        if not of_the_same:
            del self._waits_by_arn[wait.arn]


def _settle(future: Future[Any], error: Exception | None, value: object = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(again(error))
    else:
        future.set_result(value)


@dataclass(frozen=True, slots=True, eq=False)
class Watchdog:
    """Measures, in real seconds, how long nothing has happened; belongs to the orchestrator's thread.

    ``abort`` ends the run of a call with an error, if the call still runs.
    """

    calls: CallQueue
    scheduler: Scheduler
    sleepers: Sleepers
    waiters: Waiters
    deployments: Deployments
    run_errors: RunErrors
    abort: Callable[[RunningCall, DurableTestError], None]

    def seconds_left(self) -> float | None:
        """Real seconds until the next ``check`` is due; None while nothing has to happen."""
        return max(0.0, self._idle_seconds_allowed() - self.calls.idle_seconds()) if self._may_be_stuck() else None

    def check(self) -> None:
        """Give up what has been idle for too long."""
        if not self._may_be_stuck() or self.calls.idle_seconds() < self._idle_seconds_allowed():
            return
        running = self.calls.running
        if running is None:
            self.waiters.give_up(self.run_errors.stuck)
        elif running.crashed is not None:
            self.calls.leave_behind()
        else:
            stacks = stacks_of(self.calls.invoker.threads)
            self.abort(running, HandlerStuckError(stuck_handler(running.call, running.deployment, stacks)))

    def _may_be_stuck(self) -> bool:
        """Whether something should happen: a thread waits, or a call runs that does not sleep in virtual time.

        While nothing runs, the next timer will make something happen, at its real time.
        """
        if self.calls.idle:
            return self.waiters.time_may_move and not self.scheduler.has_scheduled_function()
        return self.waiters.time_may_move or not self.sleepers.all_asleep

    def _idle_seconds_allowed(self) -> float:
        """The real seconds that may pass without progress."""
        running = self.calls.running
        if running is None:
            return self.deployments.shortest_watchdog()
        watchdog = running.deployment.watchdog
        return watchdog if running.crashed is None else min(GRACE_SECONDS, watchdog)
