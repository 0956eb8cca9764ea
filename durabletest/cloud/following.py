"""The executions that one runner follows: those that it has started, and others that the test looks at."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from durabletest.cloud.execution import CloudExecution
from durabletest.cloud.follower import Follower, Pace
from durabletest.errors import CloudServiceError, NotAvailableError
from durabletest.model.history import History
from durabletest.scripts import ScriptRegistry

_THE_END = {"ErrorType": "durabletest", "ErrorMessage": "The test has ended"}


class Following:
    """One follower for each execution, whoever asks for it; what was started here is stopped in the end."""

    def __init__(self, client: Any, scripts: ScriptRegistry, pace: Pace, unavailable: type[NotAvailableError]) -> None:
        self._client = client
        self._scripts = scripts
        self._pace = pace
        self._unavailable = unavailable
        self._lock = Lock()
        self._executions: dict[str, tuple[Follower, CloudExecution]] = {}
        self._started: list[Follower] = []

    def started(self, arn: str) -> CloudExecution:
        """Follow an execution that was just started, and stop it in the end if it still runs."""
        follower, execution = self._follow(arn, owned=True)
        if follower not in self._started:
            self._started.append(follower)
        return execution

    def other(self, arn: str) -> CloudExecution:
        """Follow an execution that something else has started; its history so far is there on return."""
        follower, execution = self._follow(arn, late=True)
        follower.wait_for_first_look()
        return execution

    def histories(self) -> dict[str, History]:
        """The histories so far of all executions that are followed, by ARN."""
        with self._lock:
            executions = dict(self._executions)
        return {arn: execution.history() for arn, (_, execution) in executions.items()}

    def settled_histories(self) -> dict[str, History]:
        """The same, with the ends of those that have ended as far as their callers know, and may not be read yet."""
        ended = {
            record.child_arn
            for history in self.histories().values()
            for record in history.operations
            if record.child_arn is not None and record.status.is_terminal
        }
        with self._lock:
            followers = [follower for arn, (follower, _) in self._executions.items() if arn in ended]
        for follower in followers:
            follower.ended.wait()
        return self.histories()

    def stop_quietly(self) -> None:
        """Stop what was started and still runs; for a moment at which nobody could be told of a failure."""
        with suppress(Exception):
            self._stop()

    def end(self) -> None:
        """Stop what was started and still runs, and follow nothing any longer.

        Raises :class:`CloudServiceError` with the ARNs of executions that could not be stopped.
        """
        left = self._stop()
        with self._lock:
            followers = [follower for follower, _ in self._executions.values()]
            self._executions.clear()
        for follower in followers:
            follower.close()
        self._started.clear()
        if left:
            lines = "\n".join(f"  {arn}: {error}" for arn, error in left)
            raise CloudServiceError(f"these executions may still run, because they could not be stopped:\n{lines}")

    def _follow(self, arn: str, owned: bool = False, late: bool = False) -> tuple[Follower, CloudExecution]:
        with self._lock:
            found = self._executions.get(arn)
            if found is None:
                follower = Follower(
                    arn, self._client, self._scripts, self._pace, owned=owned, late=late, on_child=self._answer_too
                )
                found = follower, CloudExecution(follower, self._client, self._unavailable, self.other)
                self._executions[arn] = found
                follower.start()
            return found

    def _answer_too(self, child_arn: str) -> None:
        """An execution has invoked another one, which may create callbacks that a script is to answer."""
        if self._scripts.has_answers_left:
            self._follow(child_arn)

    def _stop(self) -> list[tuple[str, Exception]]:
        """What could not be stopped is given back."""
        left: list[tuple[str, Exception]] = []
        for follower in self._started:
            if follower.running:
                try:
                    follower.stop(_THE_END)
                except (BotoCoreError, ClientError) as error:
                    left.append((follower.arn, error))
        return left
