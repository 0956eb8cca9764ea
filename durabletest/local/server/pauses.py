"""Pausing and resuming executions: what the API's operations do, and when a pause begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from durabletest.local.server.announcements import Announce, Changed, InvocationDue
from durabletest.local.server.checkpoints import CLIENT_TOKEN_LIFE
from durabletest.local.server.execution_state import DurableExecution, Pause
from durabletest.local.server.executions import ExecutionManager
from durabletest.local.server.service_model import modelled_error


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that carried a client token, and when it was taken."""

    api_operation: str
    request: Mapping[str, Any]
    at: datetime


class PauseManager:
    """Pauses and resumes executions.

    A pause begins at once if no invocation runs, otherwise (PAUSING) with the next checkpoint, whose answer has no
    token, or with the end of the invocation. The service answers before it does what was asked; here it is done by
    then. A pause that is cancelled before it began leaves no events.
    """

    def __init__(self, executions: ExecutionManager, now: Callable[[], datetime], announce: Announce) -> None:
        executions.begin_pause = self.begin
        self._executions = executions
        self._now = now
        self._announce = announce
        self._taken: dict[tuple[str, str], TakenRequest] = {}

    def pause(self, execution: DurableExecution, request: Mapping[str, Any]) -> None:
        """Pause a RUNNING execution; one with another status is refused."""
        if self._is_repeated(execution, "PauseDurableExecution", request):
            return
        if execution.status != "RUNNING":
            _refuse(execution, "RUNNING", "PauseDurableExecution")
        self._remember(execution, "PauseDurableExecution", request)
        execution.pause = Pause(self._now(), request.get("Reason"), request.get("ExecutionTimeoutPaused", True))
        execution.status = "PAUSING"
        if execution.checkpoints.invocation is None:
            self.begin(execution)
        else:
            execution.checkpoints.ends_with_next_checkpoint = True

    def begin(self, execution: DurableExecution) -> None:
        """The execution is paused from now on."""
        pause = execution.pause
        assert pause is not None, "nothing else makes an execution PAUSING"
        execution.checkpoints.ends_with_next_checkpoint = False
        execution.status, pause.began_at = "PAUSED", self._now()
        self._record(
            execution,
            "ExecutionPaused",
            {"PauseRequestTimestamp": pause.requested_at, "ExecutionTimeoutPaused": pause.timeout_paused},
            pause.reason,
        )
        self._executions.arm_timeout(execution)

    def resume(self, execution: DurableExecution, request: Mapping[str, Any]) -> None:
        """Resume a PAUSED execution, or cancel the pause of a PAUSING one; one with another status is refused."""
        if self._is_repeated(execution, "ResumeDurableExecution", request):
            return
        pause, execution.pause = execution.pause, None
        if pause is None:
            _refuse(execution, "PAUSED or PAUSING", "ResumeDurableExecution")
        execution.status = "RUNNING"
        self._remember(execution, "ResumeDurableExecution", request)
        if pause.began_at is None:
            execution.checkpoints.ends_with_next_checkpoint = False
            return
        if pause.timeout_paused:
            execution.time_paused += self._now() - pause.began_at
        self._record(execution, "ExecutionResumed", {"ResumeRequestTimestamp": self._now()}, request.get("Reason"))
        self._executions.arm_timeout(execution)
        if pause.invocation_due:
            self._announce(InvocationDue(execution.arn))

    def drop(self, arn: str) -> None:
        """Forget the requests for an execution."""
        for key in [key for key in self._taken if key[0] == arn]:
            del self._taken[key]

    def _record(
        self, execution: DurableExecution, event_type: str, details: dict[str, Any], reason: str | None
    ) -> None:
        if reason is not None:
            details["Reason"] = {"Payload": reason, "Truncated": False}
        execution.checkpoints.journal.record(event_type, details)
        self._announce(Changed(execution.arn))

    def _is_repeated(self, execution: DurableExecution, api_operation: str, request: Mapping[str, Any]) -> bool:
        """Whether this very request was taken before, by its client token."""
        taken = self._taken.get((execution.arn, request.get("ClientToken", "")))
        if taken is None or self._now() - taken.at > CLIENT_TOKEN_LIFE:
            return False
        return (taken.api_operation, taken.request) == (api_operation, request)

    def _remember(self, execution: DurableExecution, api_operation: str, request: Mapping[str, Any]) -> None:
        if "ClientToken" in request:
            taken = TakenRequest(api_operation, request, self._now())
            self._taken[execution.arn, request["ClientToken"]] = taken


def _refuse(execution: DurableExecution, allowed: str, api_operation: str) -> NoReturn:
    raise modelled_error(
        "ResourceConflictException",
        f"Durable execution {execution.name!r} is {execution.status}: it must be {allowed}",
        api_operation,
    )
