"""Runs that end by an error of their own instead of the execution's outcome."""

from __future__ import annotations

from typing import Any

from durabletest.errors import DurableTestError, RunnerClosedError
from durabletest.local.reasons import stuck
from durabletest.local.scope import Scopes
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.model.history import History
from durabletest.model.naming import execution_title
from durabletest.model.wait_for_data import Watch


class Failures:
    """Remembers why runs were broken off: a stuck handler, an unknown function, a handler that is not durable."""

    def __init__(self, server: CheckpointWorkerManager, client: Any, scopes: Scopes) -> None:
        self._server = server
        self._client = client
        self._scopes = scopes
        self._broken: dict[str, Exception] = {}

    def break_run(self, arn: str, error: Exception) -> None:
        """End the whole run that this execution belongs to, with an error for everybody who waits for it."""
        while (parent := self._server.call(CheckpointServer.parent_of, arn)) is not None:
            self._client.stop_durable_execution(DurableExecutionArn=arn)
            arn = parent
        self._broken[arn] = error
        self._client.stop_durable_execution(DurableExecutionArn=arn)

    def of(self, arn: str) -> Exception | None:
        """Why the run of this execution was broken off; None if it was not."""
        return self._broken.get(arn)

    def stuck(self, arn: str, watch: Watch | None) -> DurableTestError:
        """What to tell those who wait for an execution, or an operation of it, that nothing can move any more."""
        scope = self._scopes.of(arn)
        if scope is None:
            return RunnerClosedError(f"{execution_title(arn)} does not exist any more: its runner was closed or reset")
        return stuck(arn, History(self._server.call(CheckpointServer.events_after, arn, 0)), scope, watch)

    def forget(self, arn: str) -> None:
        """The execution is given up, and its ARN may be given out anew."""
        self._broken.pop(arn, None)
