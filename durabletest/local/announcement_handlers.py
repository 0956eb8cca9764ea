"""The handlers of the server's announcements: they turn them into timers, calls, scripted answers and news."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias

from botocore.exceptions import ClientError

from durabletest.errors import DurableTestError, FunctionNotRegisteredError, UsageError
from durabletest.local.call_queue import CallQueue, RunningCall
from durabletest.local.client import LocalLambdaClient
from durabletest.local.deployment import Deployment, Deployments, FunctionSettings, name_of
from durabletest.local.invocations import function_call, handler_invocation
from durabletest.local.invoker_thread import Answered, Raised
from durabletest.local.run_errors import RunErrors, not_registered, without_end
from durabletest.local.server.announcements import Announcements, CallbackCreated, FunctionCallDue, TimerKind
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.journal import OperationCache
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.timers import Clock, Scheduler
from durabletest.local.turns import Turns
from durabletest.local.waiting import Inbox, Waiters
from durabletest.scripts import Action, ScriptedCallback, Use
from durabletest.serialisers import ValueNotes

Observer: TypeAlias = Callable[[str, bool], None]
"""Told, by the thread in charge of the server, the ARN of an execution that has changed, and whether it has ended.

It must not raise."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The parts of an orchestrator that the handlers of announcements use.

    ``service_timeouts`` end executions without a timeout of their own: time stops at one on its way to a later timer,
    but never moves for its sake. ``abort`` ends the run that an execution belongs to; ``turns`` makes the turns of a
    new invocation.
    """

    inbox: Inbox
    server: CheckpointWorkerManager
    client: LocalLambdaClient
    scheduler: Scheduler
    service_timeouts: Scheduler
    clock: Clock
    deployments: Deployments
    waiters: Waiters
    run_errors: RunErrors
    calls: CallQueue
    values: ValueNotes
    abort: Callable[[str, DurableTestError], None]
    turns: Callable[[Deployment, str], Turns | None]


P = ParamSpec("P")


def _deferred(
    act: Callable[Concatenate[AnnouncementHandlers, str, P], None],
) -> Callable[Concatenate[AnnouncementHandlers, str, P], None]:
    """The method acts once the request is answered during which it is called, if its execution is still wanted then."""

    @wraps(act)
    def announced(self: AnnouncementHandlers, arn: str, /, *args: P.args, **kwargs: P.kwargs) -> None:
        def message() -> None:
            if arn not in self._forgotten:
                act(self, arn, *args, **kwargs)

        self._parts.inbox.post(message)

    return announced


class AnnouncementHandlers(Announcements):
    """Do what the server's announcements ask for.

    Announcements of executions that were given up are ignored until ``all_forgotten``.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._answers = ScriptedAnswers(parts.client, parts.scheduler, parts.clock, parts.calls)
        self._forgotten: set[str] = set()
        self.observers: list[Observer] = []
        self._operations: dict[str, OperationCache[Any]] = {}

    def forget(self, arn: str, reason: Callable[[str], Exception]) -> None:
        """Give the execution up; ``reason`` makes the error for threads that wait for it."""
        self._forgotten.add(arn)
        self._drop(arn)
        self._parts.waiters.forget(arn, reason)
        self._forget_notes(arn)

    def all_forgotten(self) -> None:
        """All announcements of forgotten executions have arrived: their ARNs may be used again."""
        self._forgotten.clear()

    # --- timers ---

    def due_times(self, arn: str) -> list[tuple[str | None, str, datetime]]:
        """The timers of one execution: the operation's id (None for the execution itself), the kind, and when."""
        keys: list[tuple[Any, datetime]] = [(entry.key, entry.due) for entry in self._parts.scheduler.scheduled()]
        mine = [(key, due) for key, due in keys if key[1] == arn]
        return [(key[2], key[0].value if isinstance(key[0], TimerKind) else key[0], due) for key, due in mine]

    @_deferred
    def timer_armed(self, arn: str, /, kind: TimerKind, due: datetime, operation_id: str | None = None) -> None:
        self._parts.scheduler.schedule(
            (kind, arn, operation_id), due, partial(self._fire, arn, kind, operation_id), arn
        )

    @_deferred
    def timer_cancelled(self, arn: str, /, kind: TimerKind, operation_id: str | None = None) -> None:
        self._parts.scheduler.cancel((kind, arn, operation_id))

    @_deferred
    def service_timeout_armed(self, arn: str, /, due: datetime) -> None:
        self._parts.service_timeouts.schedule(arn, due, partial(self._fire, arn, TimerKind.EXECUTION_TIMEOUT), arn)

    def _fire(self, arn: str, kind: TimerKind, operation_id: str | None = None) -> None:
        self._parts.server.call(CheckpointServer.fire, arn, kind, operation_id)

    # --- calls ---

    @_deferred
    def invocation_due(self, arn: str, /) -> None:
        self._parts.calls.put(arn, "invocation", partial(self._handler_call, arn))

    @_deferred
    def function_call_due(self, arn: str, /, call: FunctionCallDue) -> None:
        self._parts.calls.put(arn, call.operation_id, partial(self._function_call, arn, call))

    @_deferred
    def function_unknown(self, arn: str, /, function: str) -> None:
        deployment = self._parts.deployments.of(arn)
        if deployment is not None:
            self._parts.run_errors.abort(arn, FunctionNotRegisteredError(not_registered(function, deployment)))

    def _handler_call(self, arn: str) -> RunningCall | None:
        parts = self._parts
        deployment = parts.deployments.of(arn)
        event = None if deployment is None else parts.server.call(CheckpointServer.begin_invocation, arn)
        if deployment is None or event is None:
            return None
        operations = self._operations.setdefault(arn, OperationCache())
        now, turns = parts.clock.now, partial(parts.turns, deployment)
        return RunningCall(
            handler_invocation(arn, event, deployment, parts.server, parts.client, now, operations, turns), deployment
        )

    def _function_call(self, arn: str, due: FunctionCallDue) -> RunningCall | None:
        parts = self._parts
        deployment = parts.deployments.of(arn)
        if deployment is None:
            return None
        return RunningCall(
            function_call(arn, due, deployment, parts.server, parts.clock.now, parts.values.refused), deployment
        )

    # --- news ---

    @_deferred
    def callback_created(self, arn: str, /, callback: CallbackCreated) -> None:
        deployment = self._parts.deployments.of(arn)
        if deployment is not None:
            self._answers.schedule(arn, callback, deployment)

    @_deferred
    def endless(self, arn: str, /, bound: str) -> None:
        self._parts.abort(arn, without_end(arn, bound))

    @_deferred
    def changed(self, arn: str, /) -> None:
        self._parts.waiters.note(arn)
        self._observe(arn, ended=False)

    @_deferred
    def ended(self, arn: str, /) -> None:
        self._drop(arn)
        self._parts.waiters.end(arn, self._parts.run_errors.of(arn))
        self._observe(arn, ended=True)

    @_deferred
    def deleted(self, arn: str, /) -> None:
        calls = self._parts.calls
        if calls.running is not None and calls.running.call.arn == arn:
            calls.abandon()
        self._parts.waiters.drop(arn)
        self._forget_notes(arn)

    def _forget_notes(self, arn: str) -> None:
        for part in (self._parts.run_errors, self._parts.calls.logs, self._parts.values):
            part.forget(arn)

    def _observe(self, arn: str, ended: bool) -> None:
        for observe in self.observers:
            observe(arn, ended)

    def _drop(self, arn: str) -> None:
        """Drop the calls and timers of an execution (R17.5)."""
        self._operations.pop(arn, None)
        self._parts.calls.drop(arn)
        self._parts.scheduler.drop(arn)
        self._parts.service_timeouts.drop(arn)


REASON = "scripted answer"


class ScriptedAnswers:
    """Answers callbacks as the scripts of ``on_callback`` say."""

    def __init__(self, client: Any, scheduler: Scheduler, clock: Clock, calls: CallQueue) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock
        self._calls = calls

    def schedule(self, arn: str, created: CallbackCreated, deployment: Deployment) -> None:
        """Schedule the answers that the runner's scripts have for this callback, if any."""
        name = created.names[0] if created.names else None
        callback = ScriptedCallback(created.callback_id, name, arn, created.timeout, created.heartbeat_timeout)
        use = deployment.scripts.take(created.names, callback)
        if use is None:
            return
        for number, action in enumerate(use.answer.actions):
            key = (REASON, arn, created.operation_id, number)
            scripted = ScriptedAction(use, action, self._client)
            due = self._clock.now() + action.after
            self._scheduler.schedule(key, due, partial(self._act, scripted, deployment), arn)

    def _act(self, scripted: ScriptedAction, deployment: Deployment) -> None:
        """Answer at once, or queue the author's function, which may block or fail as a handler may."""
        if scripted.action.decide is None:
            scripted.run()
        else:
            self._calls.put(scripted.arn, scripted, lambda: RunningCall(scripted, deployment))


@dataclass(frozen=True, slots=True, eq=False)
class ScriptedAction:
    """One action of a script for one callback; a function of the author's is run as a :class:`Call`."""

    use: Use
    action: Action
    client: Any
    is_invocation: bool = False
    deadline: None = None
    turns: None = None
    settings: FunctionSettings = field(default_factory=FunctionSettings)

    @property
    def arn(self) -> str:
        """The execution that created the callback."""
        return self.use.callback.arn

    @property
    def name(self) -> str:
        """The script's call, as it was written."""
        return f"{self.use.script}.call({name_of(self.action.decide)})"

    def run(self) -> None:
        """Send the answer; the script keeps the words of a refusal, of an answer that comes too late for example."""
        try:
            self.use.send(self.action, self.client)
        except ClientError as refusal:
            self.use.refused.append((self.action, str(refusal)))

    def report(self, outcome: Answered | Raised) -> Exception | None:
        """A failed assertion in the author's function is the test's failure."""
        if isinstance(outcome, Answered):
            return None
        if isinstance(outcome.error, Exception):
            return outcome.error
        error = UsageError(f"{self.name} ended by {outcome.error!r}: return an answer, or raise an exception")
        error.__cause__ = outcome.error
        return error

    def revoke(self) -> None:
        """A script writes no checkpoints."""
