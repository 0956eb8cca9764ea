"""The one place that knows what runs, who waits, and therefore when time may move."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import partial
from threading import Event, Thread, current_thread
from typing import Any, TypeAlias

from durabletest.errors import (
    CheckpointServerError,
    DurableTestError,
    ForeignClockError,
    HandlerStuckError,
    OrchestratorError,
)
from durabletest.local.call_queue import LAST_GASP, Active, RunQueue
from durabletest.local.calls import Job
from durabletest.local.client import LocalLambdaClient
from durabletest.local.deployment import RunnerScope, Scopes
from durabletest.local.event_handlers import Parts, Reactions
from durabletest.local.failures import Failures, called_by_handler, stuck_handler
from durabletest.local.handler_threads import founder_of, stacks_of
from durabletest.local.invoker import Invoker
from durabletest.local.logs import LogCapture, logs_are_live
from durabletest.local.scheduler import Clock, Scheduler, VirtualClock
from durabletest.local.server.announcements import Announcement, TimerKind
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.turns import Turns
from durabletest.local.values import ValueNotes
from durabletest.local.virtual_sleep import SAMPLE, Sleepers
from durabletest.local.waiters import AnswerT, Wait, Waiters, again, failing, settling
from durabletest.model.history import History
from durabletest.model.naming import as_written, title
from durabletest.model.wait_for_data import Watch

NEWS_SECONDS = 1.0
"""Real seconds without progress, after which those who follow an execution hear of it though its invocation runs."""
OLD_NEWS_SECONDS = 5.0
"""Real seconds, after which they hear of it though its invocation makes progress all the time."""
Reason: TypeAlias = Callable[[str], Exception]
"""Makes the error for somebody who waits in vain for the execution of that ARN."""


class TestExecutionOrchestrator:
    """Runs executions from start to end (R16, R18): invokes handlers, fires timers, moves time, tells who waits.

    Everything happens in the server's thread, between two requests, driven by messages: what the server announces, the
    ends of invocations, and the wishes of test threads. Invocations run one at a time, in the order in which they came
    due. Time moves only when no message is left, nothing runs, and somebody waits; then exactly to the earliest due
    timer. An invocation that sleeps in virtual time, all of it, counts as one that does not run.
    """

    __test__ = False

    def __init__(
        self,
        server: CheckpointWorkerManager,
        client: LocalLambdaClient,
        scheduler: Scheduler,
        clock: Clock,
        take_turns: bool = False,
    ) -> None:
        self._server = server
        self._scheduler = scheduler
        self._limits = type(scheduler)(clock)
        self._virtual = clock if isinstance(clock, VirtualClock) else None
        self._own: deque[Callable[[], None]] = deque()
        self._scopes = Scopes(server)
        self._waiters = Waiters(lambda arn, seen: server.call(CheckpointServer.events_after, arn, seen))
        self._failures = Failures(server, client, self._scopes)
        logs = LogCapture(clock.now, logs_are_live())
        self._runs = RunQueue(self._post, self._failures.break_run, logs, scheduler)
        self.values = ValueNotes(lambda: self.job_of(current_thread()))
        self._reactions = Reactions(
            Parts(
                server,
                client,
                scheduler,
                self._limits,
                clock,
                self._scopes,
                self._waiters,
                self._failures,
                self._runs,
                self.values,
                self._break_run,
                self._turns,
            )
        )
        self._sleepers = Sleepers(self._post, scheduler, clock, self._runs)
        self._take_turns = take_turns
        self._at_rest: list[Callable[[], None]] = []
        self._unsettled: set[Future[Any]] = set()
        self._asleep = False
        self._dead = Event()
        self._cause: BaseException | None = None

    # --- for other threads ---

    def stop(self, timeout: float = 5.0) -> None:
        """Do nothing any more; an invocation that still runs is abandoned."""
        stopped = self._ask(self._stop)
        try:
            stopped.exception(timeout)
        except FutureTimeoutError:
            raise OrchestratorError(f"the orchestrator did not stop within {timeout:g} seconds") from None
        self.invoker.stop()
        self.invoker.warn()

    @property
    def invoker(self) -> Invoker:
        """Who calls the handlers."""
        return self._runs.invoker

    @property
    def sleepers(self) -> Sleepers:
        """Who sleeps in virtual time."""
        return self._sleepers

    @property
    def logs(self) -> LogCapture:
        """What handlers log."""
        return self._runs.logs

    def announce(self, announcement: Announcement) -> None:
        """Take a message of the server: it is heard when the request is answered during which it came."""
        self._own.append(partial(self._reactions.react, announcement))

    def crash(self, error: BaseException) -> None:
        """Code in the calling thread ends its process by ``error``: from now on its invocation writes nothing."""
        if self._runs.crash(error, current_thread()):
            self._post(self._sleepers.wake_all)

    def scope_of(self, thread: Thread) -> RunnerScope | None:
        """The runner whose handler code that thread runs now; None if it runs none (any thread may ask)."""
        active = self._runs.run_by(thread)
        return None if active is None else active.scope

    def job_of(self, thread: Thread) -> Job | None:
        """The job that the thread runs code of; None if it runs none (any thread may ask)."""
        active = self._runs.run_by(thread)
        return None if active is None else active.job

    def running(self, arn: str) -> RunnerScope | None:
        """The runner whose invocation for this execution runs now; None if there is none (any thread may ask)."""
        active = self._runs.active
        return active.scope if active is not None and active.job.arn == arn else None

    def open(self, scope: RunnerScope, start: datetime | None) -> None:
        """A runner has been opened; with a ``start`` it is the only one, and everything is as in the beginning."""
        self._ask(partial(self._open, scope, start)).result()

    def _open(self, scope: RunnerScope, start: datetime | None) -> None:
        if start is not None:
            self._restart(start)
        if scope.schedule is not None:
            scope.schedule.title_of = self._title_of
            self._scheduler.choose = scope.schedule.next_timer
        self._scopes.add(scope)
        self._server.call(CheckpointServer.deploy, scope.number, scope.own, scope.page_size)

    def restart(self, start: datetime) -> None:
        """There is no execution: timers, ids and virtual time are as they were in the beginning."""
        self._ask(partial(self._restart, start)).result()

    def forget(self, scope: int, reason: Reason) -> None:
        """A runner is reset or closed: its executions are given up, and ``reason`` is for those who wait for them."""
        future: Future[None] = Future()
        self._send(partial(self._forget, scope, reason, future), future)
        future.result()

    def close(self, scope: int, reason: Reason) -> None:
        """A runner is closed; if a thread has died, so have its executions, and those who waited have been told."""
        if not self._dead.is_set() and self._server.thread.is_alive():
            self.forget(scope, reason)
            self._scheduler.choose = None
            self._post(partial(self._scopes.remove, scope))

    def refuse_handlers(self, call: str) -> None:
        """If handler code makes that call, raise :class:`UsageError` and end the run: it would wait for itself."""
        thread = current_thread()
        if founder_of(thread) is not None:
            error = called_by_handler(call)
            self._post(partial(self._break_running, self._runs.run_by(thread), error.again()))
            raise error

    # --- waiting, in other threads ---

    def wait(
        self,
        scope: int,
        arn: str | None,
        until: datetime | None = None,
        followed: Future[Any] | None = None,
        seen: int = 0,
    ) -> Wait:
        """Begin to wait, in the calling thread, for the end of an execution, an instant, or a future of the model.

        The end of an execution is told by the events that come after the first ``seen`` ones.
        """
        wait = Wait(scope, arn, current_thread(), until, followed, seen)
        self._send(partial(self._waiters.add, wait), wait.future)
        return wait

    def withdraw(self, wait: Wait) -> None:
        """The thread does not wait any longer."""
        if not wait.future.done():
            self._unsettled.discard(wait.future)
            self._post(partial(self._waiters.withdraw, wait))

    def watch(self, scope: int, arn: str, watch: Watch) -> None:
        """Have the watch's future settled when its operation gets there, or cannot any more."""
        add = partial(self._waiters.add_watch, scope, arn, watch, current_thread())
        self._send(partial(failing, watch.future, add), watch.future)

    def await_rest(self, lease: AbstractContextManager[object]) -> None:
        """Return once nothing goes on by itself, so that what the calling thread does next comes in its order.

        The ``lease`` is entered to ask for it. Handler code does not wait, nor does anybody where the system decides
        the order of things.
        """
        thread = current_thread()
        if not self._take_turns or thread is self._server.thread or founder_of(thread) is not None:
            return
        if self._server.resting and not self._server.has_mail and not self._dead.is_set():
            with lease:
                return
        future: Future[None] = Future()
        with lease:
            self._send(partial(self._waiters.await_rest, future), future)
        future.result()

    def next_due(self) -> Future[datetime | None]:
        """When the earliest timer is due, once everything has come to rest."""
        future: Future[datetime | None] = Future()
        tell = partial(settling, future, self._scheduler.next_due)
        self._send(lambda: self._at_rest.append(tell), future)
        return future

    def due_times(self, arn: str) -> Future[list[tuple[str | None, str, datetime]]]:
        """The timers of one execution: the operation's id (None for the execution itself), the kind, and when."""
        return self._ask(partial(self._due_times, arn))

    def _title_of(self, arn: str, operation_id: str) -> str:
        history = History(self._server.call(CheckpointServer.events_after, arn, 0))
        record = next((record for record in history.operations if record.id == operation_id), None)
        return operation_id if record is None else title(history, as_written(history, record))

    def raise_if_broken(self, arn: str) -> None:
        """Raise what ended the run of this execution, if it was not the execution's own outcome."""
        error = self._failures.of(arn)
        if error is not None:
            raise again(error)

    def _ask(self, question: Callable[[], AnswerT]) -> Future[AnswerT]:
        """Have the orchestrator's thread answer, or tell what it raised."""
        future: Future[AnswerT] = Future()
        self._send(partial(settling, future, question), future)
        return future

    def _send(self, message: Callable[[], None], future: Future[Any]) -> None:
        self._unsettled.add(future)
        future.add_done_callback(self._unsettled.discard)
        self._post(message)
        if self._dead.is_set():
            self._fail_unsettled()

    def _turns(self, scope: RunnerScope, seed: str) -> Turns | None:
        """The turns of a new invocation."""
        if not self._take_turns or self._virtual is None:
            return None
        virtual = self._virtual
        wanted, helpers = self._has_news, self._threads_of_the_author
        return Turns(lambda: virtual.now().timestamp(), seed, scope.schedule, self._look_around, wanted, helpers)

    def _threads_of_the_author(self) -> list[Thread]:
        """Those threads of the running invocation that take no turns, without the one that calls the handler."""
        active, invoker = self._runs.active, self.invoker
        turns = None if active is None else active.job.turns
        if turns is None:
            return []
        return [thread for thread in invoker.threads if not (invoker.is_worker(thread) or turns.is_task(thread))]

    def _has_news(self) -> bool:
        return self._waiters.has_news

    def _look_around(self) -> None:
        """No thread of the running invocation can go on (called by one of them): time may have to move."""
        if self._sleepers or self._waiters.has_news:
            self._post(lambda: None)

    # --- in the server's thread ---

    def work(self) -> float | None:
        """Hear all messages, and go on until something runs, a request comes, or nothing is left to do but wait.

        Gives how many real seconds to wait for a request before something has to be done without one.
        """
        if self._dead.is_set():
            return None
        try:
            while self._own or not self._server.has_mail:
                while self._own:
                    self._runs.progressed()
                    self._own.popleft()()
                if not self._has_mail:
                    self._settle()
                    self._tell_news()
                    if not self._own:
                        self._server.resting = self._runs.idle and not self._waiters.has_news
                        break
            return self._patience()
        except BaseException as error:
            self._die(error)
            return None

    def time_is_up(self) -> None:
        """Nothing has come for as long as ``work`` said."""
        try:
            self._lose_patience()
        except BaseException as error:
            self._die(error)

    def end(self) -> None:
        """The server's thread ends."""
        self._die(self._server.failure)

    def _die(self, cause: BaseException | None) -> None:
        if not self._dead.is_set():
            self._cause = cause
            self._dead.set()
        self._fail_unsettled()

    def _post(self, message: Callable[[], None]) -> None:
        """Have the server's thread take a message; its own come at once when it has done what it does now."""
        if current_thread() is self._server.thread:
            self._own.append(message)
        else:
            self._server.post(partial(self._own.append, message))

    @property
    def _has_mail(self) -> bool:
        return bool(self._own) or self._server.has_mail

    def _tell_news(self) -> None:
        """Threads that follow an execution hear of it when its invocation rests, so that what they do has its order.

        They hear of it at once if the system decides the order, and after some real time in any case. When nothing
        runs it is ``_settle`` that tells them, once nothing is due to run.
        """
        waiters, active = self._waiters, self._runs.active
        if not waiters.has_news or (self._take_turns and active is None):
            return
        turns = None if active is None else active.job.turns
        rests = turns.resting if turns is not None else not self._take_turns
        too_late = self._runs.silence() >= NEWS_SECONDS or waiters.age_of_news >= OLD_NEWS_SECONDS
        if rests or too_late:
            waiters.tell_news()

    def _settle(self) -> None:
        """Go on until something runs, a message is there, or nothing is left to do but wait."""
        while self._nothing_runs() and not self._has_mail:
            if self._runs.idle and self._runs.begin_next():
                continue
            if self._waiters.tell_news():
                continue
            if self._at_rest:
                self._at_rest.pop(0)()
            elif not self._try_to_move_time():
                return

    def _nothing_runs(self) -> bool:
        self._asleep = not self._runs.idle and self._sleepers.at_rest()
        return self._runs.idle or self._asleep

    def _try_to_move_time(self) -> bool:
        try:
            return self._move_time()
        except ForeignClockError as error:
            self._waiters.refuse(error)
            return False

    def _move_time(self) -> bool:
        """Move on to the next instant at which something is due, if the rule allows it; tell whether it did."""
        if self._virtual is None:
            return self._scheduler.run_due()
        if not self._waiters:
            return False
        if self._asleep:
            with self._sleepers.held() as held:
                return held and self._move_virtual_time()
        return self._move_virtual_time()

    def _move_virtual_time(self) -> bool:
        assert self._virtual is not None
        goal, due, limit = self._waiters.next_goal(), self._scheduler.next_due(), self._limits.next_due()
        destination = min((instant for instant in (goal, due) if instant is not None), default=None)
        if limit is not None and destination is not None and limit < destination:
            return self._limits.run_due()
        if goal is not None and (due is None or goal < due):
            self._virtual.move_to(max(goal, self._virtual.now()))
            self._waiters.reach(self._virtual.now())
            return True
        if due is None:
            if self._waiters.all_blocked:
                self._waiters.give_up(self._failures.stuck)
            return False
        return self._scheduler.run_due()

    def _due_times(self, arn: str) -> list[tuple[str | None, str, datetime]]:
        keys: list[tuple[Any, datetime]] = [(entry.key, entry.due) for entry in self._scheduler.scheduled()]
        mine = [(key, due) for key, due in keys if key[1] == arn]
        return [(key[2], key[0].value if isinstance(key[0], TimerKind) else key[0], due) for key, due in mine]

    # --- patience: nothing hangs ---

    def _patience(self) -> float | None:
        """How many real seconds to wait for a message before something has to be done without one."""
        limits = [self._scheduler.seconds_until_next()]
        if self._sleepers and not self._runs.idle and not self._asleep:
            limits.append(SAMPLE)
        if self._may_be_stuck():
            limits.append(max(0.0, self._longest_silence() - self._runs.silence()))
        if self._waiters.has_news:
            limits.append(NEWS_SECONDS)
        return min((limit for limit in limits if limit is not None), default=None)

    def _lose_patience(self) -> None:
        if self._virtual is None:
            self._scheduler.run_due()
        if not self._may_be_stuck() or self._runs.silence() < self._longest_silence():
            return
        active = self._runs.active
        if active is None:
            self._waiters.give_up(self._failures.stuck)
        elif active.crashed is not None:
            self._runs.leave_behind()
            self._sleepers.wake_all()
        else:
            self._give_up_handler(active)

    def _may_be_stuck(self) -> bool:
        """Whether something should happen: a handler runs that does not sleep, or somebody waits."""
        return bool(self._waiters) or not (self._runs.idle or self._asleep)

    def _longest_silence(self) -> float:
        active = self._runs.active
        if active is None:
            return self._scopes.shortest_watchdog()
        return min(LAST_GASP, active.scope.watchdog) if active.crashed is not None else active.scope.watchdog

    def _give_up_handler(self, active: Active) -> None:
        stacks = stacks_of(self.invoker.threads)
        self._break_running(active, HandlerStuckError(stuck_handler(active.job, active.scope, stacks)))

    def _break_running(self, active: Active | None, error: DurableTestError) -> None:
        if active is not None and self._runs.active is active:
            self._break_run(active.job.arn, error)

    def _break_run(self, arn: str, error: DurableTestError) -> None:
        active = self._runs.active
        if active is not None and active.job.arn == arn:
            self._abandon()
        self._failures.break_run(arn, error)

    # --- the end ---

    def _restart(self, start: datetime) -> None:
        self._server.call(CheckpointServer.restart_ids)
        self._scheduler.flush()
        self._limits.flush()
        self._sleepers.wake_all()
        if self._virtual is not None:
            self._virtual.restart(start)

    def _forget(self, scope: int, reason: Reason, future: Future[None]) -> None:
        active = self._runs.active
        if active is not None and active.scope.number == scope:
            self._abandon()
        for arn in self._server.call(CheckpointServer.forget, scope):
            self._reactions.forget(arn, reason)
        self._waiters.leave(scope, reason)
        self._post(partial(self._forgot, future))

    def _forgot(self, future: Future[None]) -> None:
        """What the server had announced of the forgotten executions came before this."""
        self._reactions.all_forgotten()
        future.set_result(None)

    def _stop(self) -> None:
        self._abandon()
        self._dead.set()

    def _abandon(self) -> None:
        self._runs.abandon()
        self._sleepers.wake_all()

    def _fail_unsettled(self) -> None:
        """Nobody waits for a dead thread: neither those who do now, nor those who will."""
        for future in list(self._unsettled):
            with suppress(InvalidStateError):
                future.set_exception(self._failure())

    def _failure(self) -> DurableTestError:
        cause, failure = (
            self._cause,
            OrchestratorError("the test environment ended while something still waited for it"),
        )
        if isinstance(cause, CheckpointServerError):
            return cause.again()
        if cause is not None:
            failure = OrchestratorError(f"the orchestrator's thread died of {cause!r}")
            failure.__cause__ = cause
        return failure
