"""The orchestrator: decides what runs next, and when virtual time may move."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from threading import current_thread
from typing import Any, TypeAlias

from durabletest.errors import DurableTestError, ForeignClockError, OrchestratorError
from durabletest.local.announcement_handlers import AnnouncementHandlers, Parts
from durabletest.local.call_queue import CallQueue, RunningCall
from durabletest.local.client import LocalLambdaClient
from durabletest.local.deployment import Deployment, Deployments
from durabletest.local.handler_threads import invoker_thread_of
from durabletest.local.logs import LogCapture, logs_are_live
from durabletest.local.run_errors import RunErrors, called_by_handler
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager, Companion
from durabletest.local.timers import Clock, Scheduler, VirtualClock
from durabletest.local.turns import Turns
from durabletest.local.virtual_sleep import SAMPLE_SECONDS, Sleepers
from durabletest.local.virtual_time import VirtualTime
from durabletest.local.waiting import Inbox, Wait, Waiters, Watchdog, again, answer, run_for
from durabletest.model.history import History, as_written, title
from durabletest.model.wait_for_data import Watch
from durabletest.serialisers import ValueNotes

NOTIFY_SECONDS = 1.0
"""Real seconds without progress after which threads are notified although an invocation runs."""
NOTIFY_LATEST_SECONDS = 5.0
"""Real seconds after which they are notified although the invocation keeps making progress."""
Reason: TypeAlias = Callable[[str], Exception]
"""Makes the error for a thread that waits in vain for the execution with that ARN."""


class TestExecutionOrchestrator(Companion):
    """Runs executions from start to end (R16, R18): invokes handlers, fires timers, moves time, settles waits.

    All of it happens in the thread in charge of the server, between two requests, driven by messages: announcements of
    the server, the ends of invocations, and calls of test threads. Invocations run one at a time, in the order in which
    they came due. :class:`VirtualTime` may move time only when no message is left and nothing runs. An invocation all
    of whose threads sleep in virtual time counts as one that does not run.
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
        self._service_timeouts = type(scheduler)(clock)
        self._virtual = clock if isinstance(clock, VirtualClock) else None
        self._take_turns = take_turns
        self._inbox = Inbox(server)
        self._deployments = Deployments(server)
        self._waiters = Waiters(server)
        self._run_errors = RunErrors(server, client, self._deployments)
        logs = LogCapture(clock.now, logs_are_live())
        self.calls = CallQueue(self._inbox.post, self._run_errors.abort, logs, scheduler)
        self.sleepers = Sleepers(self._inbox.post, scheduler, clock, self.calls)
        self.calls.abandoned = self.sleepers.wake_all
        self.values = ValueNotes(lambda: None if (running := self.calls.current()) is None else running.call.arn)
        waits = self.calls, scheduler, self.sleepers, self._waiters
        self._watchdog = Watchdog(*waits, self._deployments, self._run_errors, self._abort_running)
        self.announcement_handlers = AnnouncementHandlers(
            Parts(
                inbox=self._inbox,
                server=server,
                client=client,
                scheduler=scheduler,
                service_timeouts=self._service_timeouts,
                clock=clock,
                deployments=self._deployments,
                waiters=self._waiters,
                run_errors=self._run_errors,
                calls=self.calls,
                values=self.values,
                abort=self._abort,
                turns=self._turns,
            )
        )
        self.virtual_time: VirtualTime | None = None
        if self._virtual is not None:
            self.virtual_time = VirtualTime(
                self._virtual, scheduler, self._service_timeouts, self._waiters, self.sleepers, self._run_errors
            )
        self.at_rest: list[Callable[[], None]] = []
        """Called by the thread in charge, one by one, once everything has come to rest."""
        self._closed: list[Callable[[], None]] = []

    # --- for other threads ---

    def stop(self, timeout: float = 5.0) -> None:
        """Do nothing any more; an invocation that still runs is abandoned. ``timeout`` is in real seconds."""
        stopped = self._inbox.ask(self._stop)
        try:
            stopped.exception(timeout)
        except FutureTimeoutError:
            raise OrchestratorError(f"the orchestrator did not stop within {timeout:g} seconds") from None
        self.calls.invoker.stop()
        self.calls.invoker.warn()

    def open(self, deployment: Deployment, start: datetime | None) -> None:
        """A runner has been opened; a ``start`` means that it is the only one, for which time and ids begin again."""
        self._inbox.ask(partial(self._open, deployment, start)).result()

    def _open(self, deployment: Deployment, start: datetime | None) -> None:
        while self._closed:
            self._closed.pop()()
        if start is not None:
            self._restart(start)
        if deployment.schedule is not None:
            deployment.schedule.title_of = self._title_of
            self._scheduler.choose = deployment.schedule.next_timer
        self._deployments.add(deployment)
        own = deployment.own, deployment.page_size, deployment.quotas
        self._server.call(CheckpointServer.deploy, deployment.number, *own)

    def restart(self, start: datetime) -> None:
        """Reset timers, ids and virtual time; there is no execution."""
        self._inbox.ask(partial(self._restart, start)).result()

    def forget(self, deployment: Deployment, reason: Reason) -> None:
        """Give up the executions of a runner that is reset or closed; threads that wait for them get the ``reason``."""
        future: Future[None] = Future()
        self._inbox.send(partial(self._forget, deployment, reason, future), future)
        future.result()

    def close(self, deployment: Deployment, reason: Reason, last: bool) -> None:
        """A runner is closed, the ``last`` one or not; what nobody waits for is forgotten when the next one opens."""
        close = partial(self._close, deployment, reason)
        if last and self._server.deserted:
            self._closed.append(close)
        elif not self._inbox.closed and self._server.thread.is_alive():  # else every wait has been settled
            self._inbox.ask(close).result()

    def _close(self, deployment: Deployment, reason: Reason) -> None:
        self._forget(deployment, reason, Future())
        self._scheduler.choose = None
        self._deployments.remove(deployment)
        self._server.call(CheckpointServer.undeploy, deployment.number)

    def refuse_handlers(self, call: str) -> None:
        """If handler code makes that call, raise :class:`UsageError` and end the run: it would wait for itself."""
        if invoker_thread_of(current_thread()) is not None:
            error = called_by_handler(call)
            self._inbox.post(partial(self._abort_running, self.calls.current(), error.again()))
            raise error

    # --- waiting, in other threads ---

    def wait(
        self,
        deployment: Deployment,
        arn: str | None,
        until: datetime | None = None,
        followed: Future[Any] | None = None,
        seen: int = 0,
    ) -> Wait:
        """Begin to wait, in the calling thread, for the end of an execution, an instant, or a future of the model.

        The result for the end of an execution are the events that come after the first ``seen`` ones.
        """
        wait = Wait(deployment, arn, current_thread(), until, followed, seen)
        self._inbox.send(partial(run_for, wait.future, partial(self._waiters.add, wait)), wait.future)
        return wait

    def withdraw(self, wait: Wait) -> None:
        """The thread does not wait any longer."""
        if not wait.future.done():
            self._inbox.drop(wait.future)
            self._inbox.post(partial(self._waiters.withdraw, wait))

    def watch(self, deployment: Deployment, arn: str, watch: Watch) -> None:
        """Have the watch's future settled when its operation gets there, or cannot any more."""
        add = partial(self._waiters.add_watch, deployment, arn, watch, current_thread())
        self._inbox.send(partial(run_for, watch.future, add), watch.future)

    def await_rest(self, lease: AbstractContextManager[object]) -> None:
        """Return once nothing goes on by itself, so that what the calling thread does next has its place in the order.

        The ``lease`` is entered to ask for it. Handler code does not wait, and no thread does where the operating
        system decides the order of things.
        """
        thread = current_thread()
        if not self._take_turns or self._server.is_mine or invoker_thread_of(thread) is not None:
            return
        if self._server.resting and not self._server.has_mail and not self._inbox.closed:
            with lease:
                return
        future: Future[None] = Future()
        with lease:
            self._inbox.send(partial(self._waiters.await_rest, future), future)
        future.result()

    def next_due(self) -> Future[datetime | None]:
        """When the earliest timer is due, once everything has come to rest."""
        future: Future[datetime | None] = Future()
        tell = partial(answer, future, self._scheduler.next_due)
        self._inbox.send(lambda: self.at_rest.append(tell), future)
        return future

    def due_times(self, arn: str) -> Future[list[tuple[str | None, str, datetime]]]:
        """The timers of one execution: the operation's id (None for the execution itself), the kind, and when."""
        return self._inbox.ask(partial(self.announcement_handlers.due_times, arn))

    def raise_if_aborted(self, arn: str) -> None:
        """Raise the error that ended the run of this execution, unless that was the execution's own outcome."""
        error = self._run_errors.of(arn)
        if error is not None:
            raise again(error)

    # --- in charge of the server ---

    def work(self) -> float | None:
        """Handle all messages, and go on until a call runs, a request comes, or nothing is left to do but wait.

        Returns the real seconds to wait for a request before something has to be done without one; None for ever.
        """
        if self._inbox.closed:
            return None
        messages = self._inbox.messages
        try:
            while messages or not self._server.has_mail:
                while messages:
                    self.calls.progressed()
                    messages.popleft()()
                if not self._inbox.has_mail:
                    self._settle()
                    self._notify()
                    if not messages:
                        self._server.rest(self.calls.idle and not self._waiters.must_notify, self._waiters.nobody_waits)
                        break
            return self._seconds_to_wait()
        except BaseException as error:
            self._inbox.die(error)
            return None

    def time_is_up(self) -> None:
        """No request has come for as long as ``work`` said."""
        try:
            if self._virtual is None:
                self._run_due()
            self._watchdog.check()
        except BaseException as error:
            self._inbox.die(error)

    def end(self) -> None:
        """The server's thread ends."""
        self._inbox.die(self._server.failure)

    def _seconds_to_wait(self) -> float | None:
        schedulers = (self._scheduler, self._service_timeouts)
        waits = [self._watchdog.seconds_left(), *(one.seconds_until_next() for one in schedulers)]
        if self.sleepers and not self.calls.idle and not self.sleepers.all_asleep:
            waits.append(SAMPLE_SECONDS)
        if self._waiters.must_notify:
            waits.append(NOTIFY_SECONDS)
        return min((seconds for seconds in waits if seconds is not None), default=None)

    def _settle(self) -> None:
        """Go on until a call runs, a message is there, or nothing is left to do but wait; after the end not at all."""
        while not self._inbox.closed and self._nothing_runs() and not self._inbox.has_mail:
            if self.calls.idle and self.calls.begin_next():
                continue
            if self._waiters.notify():
                continue
            if self.at_rest:
                self.at_rest.pop(0)()
            elif not self._try_to_move_time():
                return

    def _nothing_runs(self) -> bool:
        asleep = self.sleepers.at_rest()
        return self.calls.idle or asleep

    def _notify(self) -> None:
        """Notify threads when the running invocation rests, so that what they do has its place in the order of events.

        They are notified at once if the operating system decides the order, and after some real time in any case. When
        nothing runs, ``_settle`` does it, once no call is due.
        """
        waiters, turns = self._waiters, self.calls.turns
        if not waiters.must_notify or (self._take_turns and self.calls.idle):
            return
        rests = turns.resting if turns is not None else not self._take_turns
        too_late = self.calls.idle_seconds() >= NOTIFY_SECONDS or waiters.notification_age >= NOTIFY_LATEST_SECONDS
        if rests or too_late:
            waiters.notify()

    def _try_to_move_time(self) -> bool:
        """Go on to the next instant at which something is due; tell whether there was one."""
        if self.virtual_time is None:
            return self._run_due()
        try:
            return self.virtual_time.move_if_awaited()
        except ForeignClockError as error:
            self._waiters.refuse(error)
            return False

    def _run_due(self) -> bool:
        """Do what is due in real time; tell whether there was anything."""
        ran = [scheduler.run_due() for scheduler in (self._scheduler, self._service_timeouts)]
        if any(ran):
            self.calls.progressed()
        return any(ran)

    # --- the threads of an invocation ---

    def _turns(self, deployment: Deployment, seed: str) -> Turns | None:
        """The turns of a new invocation; None if the operating system decides the order of its threads."""
        virtual = self._virtual
        if not self._take_turns or virtual is None:
            return None
        return Turns(
            lambda: virtual.timestamp,
            seed,
            deployment.schedule,
            on_idle=self._look_around,
            wanted=lambda: bool(self.sleepers) or self._waiters.must_notify,
            helpers=self.calls.helper_threads,
        )

    def _look_around(self) -> None:
        """No thread of the running invocation can go on (called by one of them): time may have to move."""
        if self.sleepers or self._waiters.must_notify:
            self._inbox.post(lambda: None)

    def _title_of(self, arn: str, operation_id: str) -> str:
        history = History(self._server.call(CheckpointServer.events_after, arn, 0))
        record = next((record for record in history.operations if record.id == operation_id), None)
        return operation_id if record is None else title(history, as_written(history, record))

    # --- the end ---

    def _abort_running(self, running: RunningCall | None, error: DurableTestError) -> None:
        if running is not None and self.calls.running is running:
            self._abort(running.call.arn, error)

    def _abort(self, arn: str, error: DurableTestError) -> None:
        running = self.calls.running
        if running is not None and running.call.arn == arn:
            self.calls.abandon()
        self._run_errors.abort(arn, error)

    def _restart(self, start: datetime) -> None:
        self._server.call(CheckpointServer.restart_ids)
        self._scheduler.flush()
        self._service_timeouts.flush()
        self.sleepers.wake_all()
        if self._virtual is not None:
            self._virtual.restart(start)

    def _forget(self, deployment: Deployment, reason: Reason, future: Future[None]) -> None:
        running = self.calls.running
        if running is not None and running.deployment is deployment:
            self.calls.abandon()
        for arn in self._server.call(CheckpointServer.forget, deployment.number):
            self.announcement_handlers.forget(arn, reason)
        self._waiters.leave(deployment, reason)
        self._inbox.post(partial(self._forgot, future))

    def _forgot(self, future: Future[None]) -> None:
        """The announcements for the forgotten executions came before this message."""
        self.announcement_handlers.all_forgotten()
        future.set_result(None)

    def _stop(self) -> None:
        self.calls.abandon()
        self._inbox.close()
