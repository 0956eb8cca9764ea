"""Scripted answers: scheduled when their callback is created, sent when they are due."""

from __future__ import annotations

from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from durabletest.local.clock import Clock
from durabletest.local.scheduler import Scheduler
from durabletest.local.scope import RunnerScope
from durabletest.local.server.messages import CallbackCreated
from durabletest.scripts import Action, CallbackScript, ScriptedCallback

REASON = "scripted answer"


class ScriptedAnswers:
    """Plays the scripts of test authors against the callbacks that their workflows create."""

    def __init__(self, client: Any, scheduler: Scheduler, clock: Clock) -> None:
        self._client = client
        self._scheduler = scheduler
        self._clock = clock

    def created(self, created: CallbackCreated, scope: RunnerScope) -> None:
        """Schedule what the runner's scripts have for this callback; nothing, if they have nothing."""
        found = scope.scripts.take(created.names)
        if found is None:
            return
        script, answer = found
        name = created.names[0] if created.names else None
        callback = ScriptedCallback(created.callback_id, name, created.arn, created.timeout, created.heartbeat_timeout)
        for number, action in enumerate(answer.actions):
            key = (REASON, created.arn, created.operation_id, number)
            due = self._clock.now() + action.after
            self._scheduler.schedule(key, due, partial(self._act, script, action, callback))

    def _act(self, script: CallbackScript, action: Action, callback: ScriptedCallback) -> None:
        """An answer that comes too late is refused as any other; the script keeps the service's words."""
        try:
            action.send(self._client, callback)
        except ClientError as refusal:
            script.refused.append(str(refusal))
