"""Scripted answers: scheduled when their callback is created, sent when they are due."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import UsageError
from durabletest.local.clock import Clock
from durabletest.local.invoker import Answered, Raised
from durabletest.local.runs import Active, RunQueue
from durabletest.local.scheduler import Scheduler
from durabletest.local.scope import RunnerScope, name_of
from durabletest.local.server.announcements import CallbackCreated
from durabletest.scripts import Action, ScriptedCallback, Use

REASON = "scripted answer"


class ScriptedAnswers:
    """Plays the scripts of test authors against the callbacks that their workflows create."""

    def __init__(self, client: Any, scheduler: Scheduler, clock: Clock, runs: RunQueue) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock
        self._runs = runs

    def created(self, created: CallbackCreated, scope: RunnerScope) -> None:
        """Schedule what the runner's scripts have for this callback; nothing, if they have nothing."""
        name = created.names[0] if created.names else None
        callback = ScriptedCallback(created.callback_id, name, created.arn, created.timeout, created.heartbeat_timeout)
        use = scope.scripts.take(created.names, callback)
        if use is None:
            return
        for number, action in enumerate(use.answer.actions):
            key = (REASON, created.arn, created.operation_id, number)
            scripted = ScriptedAction(use, action, self._client)
            due = self._clock.now() + action.after
            self._scheduler.schedule(key, due, partial(self._act, scripted, scope), created.arn)

    def _act(self, scripted: ScriptedAction, scope: RunnerScope) -> None:
        """Answer at once; a function of the author's is called as handlers are, so that it may block or fail."""
        if scripted.action.decide is None:
            scripted.call()
        else:
            self._runs.put(scripted.arn, scripted, lambda: Active(scripted, scope))


@dataclass(frozen=True, slots=True, eq=False)
class ScriptedAction:
    """One action of a script for one callback, which can also be run as a job."""

    use: Use
    action: Action
    client: Any
    is_invocation: bool = False
    deadline: None = None
    turns: None = None

    @property
    def arn(self) -> str:
        """The execution that created the callback."""
        return self.use.callback.arn

    @property
    def name(self) -> str:
        """The script's call, as it was written."""
        return f"{self.use.script}.call({name_of(self.action.decide)})"

    def call(self) -> None:
        """An answer that comes too late is refused as any other; the script keeps the service's words."""
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
