"""The one place that knows what runs, who waits, and therefore when time may move."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread, current_thread
from typing import Any

from durabletest.errors import DurableTestError, FunctionNotRegisteredError, HandlerStuckError, OrchestratorError
from durabletest.local.answers import ScriptedAnswers
from durabletest.local.clock import Clock, VirtualClock
from durabletest.local.invoker import Answered, Invoker, Raised
from durabletest.local.jobs import Job, function_call, handler_invocation
from durabletest.local.logs import LogCapture
from durabletest.local.reasons import not_registered, stuck, stuck_handler
from durabletest.local.scheduler import Scheduler
from durabletest.local.scope import RunnerScope
from durabletest.local.server.messages import (
    Announcement,
    CallbackCreated,
    Changed,
    Ended,
    FunctionCallDue,
    FunctionUnknown,
    InvocationDue,
    Timer,
    TimerCancelled,
    TimerKind,
)
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.waiting import Wait, Waiters
from durabletest.model.history import History
from durabletest.model.waiting import Watch

_monotonic = [time.monotonic]
"""In a list, where a tool that freezes time does not look for it."""
_NO_WATCHDOG = 30.0


@dataclass(slots=True, eq=False)
class Active:
    """The job that runs now, for which runner, and whether it was given up in the meantime."""

    job: Job
    scope: RunnerScope
    crashed: bool = False


class TestExecutionOrchestrator:
    """Runs executions from start to end (R16, R18): invokes handlers, fires timers, moves time, tells who waits.

    Everything happens in its one thread, driven by messages: what the server announces, the ends of invocations, and
    the wishes of test threads. Invocations run one at a time, in the order in which they came due. Time moves only when
    no message is left, nothing runs, and somebody waits; then exactly to the earliest due timer.
    """

    __test__ = False

    def __init__(self, server: CheckpointWorkerManager, client: Any, scheduler: Scheduler, clock: Clock) -> None:
        self._server = server
        self._client = client
        self._scheduler = scheduler
        self._clock = clock
        self._virtual = clock if isinstance(clock, VirtualClock) else None
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._scopes: dict[int, RunnerScope] = {}
        self._due: dict[Hashable, Callable[[], Active | None]] = {}
        self._active: Active | None = None
        self._at_rest: list[Callable[[], None]] = []
        self._waiters = Waiters(lambda arn, seen: server.call("events_after", arn=arn, event_id=seen))
        self._answers = ScriptedAnswers(client, scheduler, clock)
        self._broken: dict[str, DurableTestError] = {}
        self._forgotten: set[str] = set()
        self._last_progress = _monotonic[0]()
        self._stopped = False
        self._cause: BaseException | None = None
        self._thread = Thread(target=self._run, name="durabletest-orchestrator", daemon=True)
        self.invoker = Invoker()
        self.logs = LogCapture()

    # --- for other threads ---

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the thread; an invocation that still runs is abandoned."""
        self._inbox.put(self._stop)
        self._thread.join(timeout)

    @property
    def thread(self) -> Thread:
        """The orchestrator's thread."""
        return self._thread

    def announce(self, announcement: Announcement) -> None:
        """Take a message of the server (called in the server's thread)."""
        self._inbox.put(partial(self._react, announcement))

    def add_scope(self, scope: RunnerScope) -> None:
        """A runner has been opened."""
        self._inbox.put(partial(self._scopes.__setitem__, scope.number, scope))

    def wait(self, arn: str | None, until: datetime | None = None) -> Wait:
        """Begin to wait, in the calling thread, for the end of an execution or for an instant of virtual time."""
        wait = Wait(arn, current_thread(), until)
        self._send(partial(self._waiters.add, wait), wait.future)
        return wait

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Entered by a thread while it is blocked by something that only the course of an execution can end."""
        wait = self.wait(None)
        try:
            yield
        finally:
            self.withdraw(wait)

    def next_due(self) -> datetime | None:
        """When the earliest timer is due, once everything has come to rest."""
        future: Future[datetime | None] = Future()
        self._send(lambda: self._at_rest.append(lambda: future.set_result(self._scheduler.next_due())), future)
        return future.result()

    def due_times(self, arn: str) -> list[tuple[str | None, str, datetime]]:
        """The timers of one execution: the operation's id (None for the execution itself), the kind, and when."""
        future: Future[list[tuple[str | None, str, datetime]]] = Future()
        self._send(lambda: future.set_result(self._due_times(arn)), future)
        return future.result()

    def withdraw(self, wait: Wait) -> None:
        """The thread does not wait any longer."""
        self._inbox.put(partial(self._waiters.withdraw, wait))

    def watch(self, arn: str, watch: Watch) -> None:
        """Have the watch's future settled when its operation gets there, or cannot any more."""
        self._send(partial(self._waiters.add_watch, arn, watch, current_thread()), watch.future)

    def crash(self) -> None:
        """Handler code ends its process.

        From this moment on its invocation writes nothing (any thread may call this).
        """
        active = self._active
        if active is not None:
            active.crashed = True
            active.job.revoke()

    def raise_if_broken(self, arn: str) -> None:
        """Raise what ended the run of this execution, if it was not the execution's own outcome."""
        error = self._broken.get(arn)
        if error is not None:
            raise error

    def forget(self, scope: int) -> None:
        """A runner is reset or closed: its executions are given up, whatever they wait for."""
        future: Future[None] = Future()
        self._send(partial(self._forget, scope, future), future)
        future.result()

    def _send(self, message: Callable[[], None], future: Future[Any]) -> None:
        self._inbox.put(message)
        if not self._thread.is_alive() and not future.done():
            future.set_exception(self._failure())

    # --- the loop ---

    def _run(self) -> None:
        try:
            while not self._stopped:
                self._turn()
        except BaseException as error:
            self._cause = error
        finally:
            self._waiters.fail_all(self._failure())

    def _turn(self) -> None:
        try:
            message = self._inbox.get(timeout=self._patience())
        except Empty:
            self._lose_patience()
        else:
            self._last_progress = _monotonic[0]()
            message()
        if self._inbox.empty():
            self._settle()

    def _settle(self) -> None:
        """Go on until something runs, a message is there, or nothing is left to do but wait."""
        while self._active is None and not self._stopped and self._inbox.empty():
            if self._due:
                self._begin(self._due.pop(next(iter(self._due))))
                continue
            self._server.call("drain")
            if not self._inbox.empty():
                return
            if self._at_rest:
                self._at_rest.pop(0)()
            elif not self._move_time():
                return

    def _patience(self) -> float | None:
        """How many real seconds to wait for a message before something has to be done without one."""
        limits = [self._scheduler.seconds_until_next()]
        if self._active is not None or self._waiters:
            limits.append(max(0.0, self._watchdog() - self._silence()))
        return min((limit for limit in limits if limit is not None), default=None)

    def _lose_patience(self) -> None:
        if self._virtual is None:
            self._scheduler.run_due()
        if self._silence() < self._watchdog():
            return
        if self._active is not None:
            self._give_up_handler(self._active)
        else:
            self._waiters.give_up(self._stuck_error)

    def _silence(self) -> float:
        return _monotonic[0]() - self._last_progress

    def _watchdog(self) -> float:
        scopes = [self._active.scope] if self._active is not None else self._scopes.values()
        return min((scope.watchdog for scope in scopes), default=_NO_WATCHDOG)

    # --- time ---

    def _move_time(self) -> bool:
        """Move on to the next instant at which something is due, if the rule allows it; tell whether it did."""
        if self._virtual is None:
            return self._scheduler.run_due()
        if not self._waiters:
            return False
        goal, due = self._waiters.next_goal(), self._scheduler.next_due()
        if goal is not None and (due is None or goal < due):
            self._virtual.move_to(max(goal, self._virtual.now()))
            self._waiters.reach(self._virtual.now())
            return True
        if due is None:
            if self._waiters.all_blocked:
                self._waiters.give_up(self._stuck_error)
            return False
        return self._scheduler.run_due()

    def _due_times(self, arn: str) -> list[tuple[str | None, str, datetime]]:
        keys: list[tuple[Any, datetime]] = [(entry.key, entry.due) for entry in self._scheduler.scheduled()]
        mine = [(key, due) for key, due in keys if key[1] == arn]
        return [(key[2], key[0].value if isinstance(key[0], TimerKind) else key[0], due) for key, due in mine]

    # --- jobs ---

    def _begin(self, make: Callable[[], Active | None]) -> None:
        active = make()
        if active is None:
            return
        self._active = active
        self._last_progress = _monotonic[0]()
        self.logs.begin(active.job.arn)
        self.invoker.invoke(active.job.call, lambda outcome: self._inbox.put(partial(self._finish, active, outcome)))

    def _finish(self, active: Active, outcome: Answered | Raised) -> None:
        if self._active is not active:
            return
        self._active = None
        self.logs.end()
        if active.crashed and not (isinstance(outcome, Raised) and outcome.crashed):
            outcome = Raised(SystemExit(1), crashed=True)
        error = active.job.report(outcome)
        if error is not None:
            self._break(active.job.arn, error)

    def _give_up_handler(self, active: Active) -> None:
        error = HandlerStuckError(stuck_handler(active.job, active.scope, self.invoker.stacks()))
        self._abandon(active)
        self._break(active.job.arn, error)

    def _break(self, arn: str, error: DurableTestError) -> None:
        """End the whole run that this execution belongs to, with an error for everybody who waits for it."""
        while (parent := self._server.call("parent_of", arn=arn)) is not None:
            self._client.stop_durable_execution(DurableExecutionArn=arn)
            arn = parent
        self._broken[arn] = error
        self._client.stop_durable_execution(DurableExecutionArn=arn)

    # --- reactions to the server ---

    def _react(self, announcement: Announcement) -> None:
        if announcement.arn not in self._forgotten:
            _REACTIONS[type(announcement)](self, announcement)

    def _on_timer(self, timer: Timer) -> None:
        key = (timer.kind, timer.arn, timer.operation_id)
        self._scheduler.schedule(key, timer.due, lambda: self._server.call("fire", timer=timer))

    def _on_timer_cancelled(self, timer: TimerCancelled) -> None:
        self._scheduler.cancel((timer.kind, timer.arn, timer.operation_id))

    def _on_invocation_due(self, due: InvocationDue) -> None:
        self._due.setdefault(due.arn, partial(self._handler_job, due.arn))

    def _handler_job(self, arn: str) -> Active | None:
        event = self._server.call("begin_invocation", arn=arn)
        if event is None:
            return None
        scope = self._scope_of(arn)
        return Active(handler_invocation(arn, event, scope, self._server, self._client, self._clock.now), scope)

    def _on_function_call_due(self, due: FunctionCallDue) -> None:
        self._due[due] = partial(self._function_job, due)

    def _function_job(self, due: FunctionCallDue) -> Active | None:
        if self._waiters.has_ended(due.arn):
            return None
        scope = self._scope_of(due.arn)
        return Active(function_call(due, scope, self._server, self._clock.now), scope)

    def _scope_of(self, arn: str) -> RunnerScope:
        return self._scopes[self._server.call("scope_of", arn=arn)]

    def _on_function_unknown(self, unknown: FunctionUnknown) -> None:
        self._break(
            unknown.arn, FunctionNotRegisteredError(not_registered(unknown.function, self._scope_of(unknown.arn)))
        )

    def _on_callback_created(self, created: CallbackCreated) -> None:
        self._answers.created(created, self._scope_of(created.arn))

    def _on_changed(self, changed: Changed) -> None:
        self._waiters.check(changed.arn)

    def _on_ended(self, ended: Ended) -> None:
        self._due.pop(ended.arn, None)
        self._flush(ended.arn)
        self._waiters.end(ended.arn, self._broken.get(ended.arn))

    def _stuck_error(self, arn: str) -> DurableTestError:
        history = History(self._server.call("events_after", arn=arn, event_id=0))
        return stuck(arn, history, self._scope_of(arn))

    # --- the end ---

    def _forget(self, scope: int, future: Future[None]) -> None:
        if self._active is not None and self._active.scope.number == scope:
            self._abandon(self._active)
        for arn in self._server.call("forget", scope=scope):
            self._forgotten.add(arn)
            self._drop(arn)
        self._inbox.put(partial(self._forgot, future))

    def _forgot(self, future: Future[None]) -> None:
        """What the server had announced of the forgotten executions came before this.

        Their ARNs may be given out anew.
        """
        self._forgotten.clear()
        future.set_result(None)

    def _drop(self, arn: str) -> None:
        self._due.pop(arn, None)
        self._broken.pop(arn, None)
        self._waiters.forget(arn)
        self.logs.forget(arn)
        self._flush(arn)

    def _flush(self, arn: str) -> None:
        self._scheduler.flush(lambda key: isinstance(key, tuple) and key[1] == arn)

    def _abandon(self, active: Active) -> None:
        active.job.revoke()
        self.invoker.abandon()
        self.logs.end()
        self._active = None

    def _stop(self) -> None:
        self._stopped = True
        if self._active is not None:
            self._abandon(self._active)
        self.invoker.stop()

    def _failure(self) -> OrchestratorError:
        if self._cause is None:
            return OrchestratorError("the runner was closed while something still waited for it")
        failure = OrchestratorError(f"the orchestrator's thread died of {self._cause!r}")
        failure.__cause__ = self._cause
        return failure


_REACTIONS: dict[type, Callable[[TestExecutionOrchestrator, Any], None]] = {
    Timer: TestExecutionOrchestrator._on_timer,
    TimerCancelled: TestExecutionOrchestrator._on_timer_cancelled,
    InvocationDue: TestExecutionOrchestrator._on_invocation_due,
    FunctionCallDue: TestExecutionOrchestrator._on_function_call_due,
    FunctionUnknown: TestExecutionOrchestrator._on_function_unknown,
    CallbackCreated: TestExecutionOrchestrator._on_callback_created,
    Changed: TestExecutionOrchestrator._on_changed,
    Ended: TestExecutionOrchestrator._on_ended,
}
