"""What the server keeps of one execution: how it was started, how it stands, and when its pauses begin and end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from durabletest.local.server.announcements import Announcements
from durabletest.local.server.checkpoints import CLIENT_TOKEN_LIFE, CheckpointManager
from durabletest.local.server.identifiers import FunctionSpec
from durabletest.local.server.journal import ErrorObject, result_of
from durabletest.local.server.quotas import LONGEST_TIMEOUTS, SERVICE_QUOTAS, InvokeTree, Quotas
from durabletest.local.server.service_model import RefusedError


@dataclass(frozen=True, slots=True)
class StartRequest:
    """The arguments of an execution's start; ``payload`` is JSON text, ``timeout`` seconds or None.

    ``parent`` is the invoking execution's ARN and operation, ``target`` the name under which the function was
    registered; both are None for an execution that a test started. ``deployment`` is the number of a runner: the names
    of executions are unique within it. ``invocation_type`` is ``"Event"`` or ``"RequestResponse"``.
    """

    function: FunctionSpec
    payload: str | None
    name: str | None = None
    timeout: int | None = None
    tenant_id: str | None = None
    parent: tuple[str, str] | None = None
    page_size: int | None = None
    target: str | None = None
    deployment: int = 0
    invocation_type: str = "Event"
    quotas: Quotas = SERVICE_QUOTAS

    def identity(self, name: str) -> tuple[int, str, str]:
        """What an execution of that name is known by."""
        return self.deployment, self.function.name, name


@dataclass(slots=True, eq=False)
class Pause:
    """A pause, which has begun if it has a ``began_at``; ``invocation_due`` is for when it ends."""

    requested_at: datetime
    reason: str | None
    timeout_paused: bool
    began_at: datetime | None = None
    invocation_due: bool = False


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that carried a client token, and when it was taken."""

    api_operation: str
    request: Mapping[str, Any]
    at: datetime


@dataclass(slots=True, eq=False)
class DurableExecution:
    """One durable execution; ``failures`` counts failed invocations in a row, ``empty_pendings`` refused PENDINGs.

    ``pause`` is there while it is PAUSING or PAUSED; ``interrupted`` is true while an invocation runs to its end that a
    pause allows to write no more; ``time_paused`` extends its timeout. ``pause_requests`` are those that were taken, by
    their client tokens.
    """

    execution_id: str
    name: str
    arn: str
    request: StartRequest
    started_at: datetime
    checkpoints: CheckpointManager
    invoke_tree: InvokeTree
    depth: int
    status: str = "RUNNING"
    pause: Pause | None = None
    interrupted: bool = False
    time_paused: timedelta = timedelta(0)
    pause_requests: dict[str, TakenRequest] = field(default_factory=dict)
    result: str | None = None
    error: ErrorObject | None = None
    ended_at: datetime | None = None
    failures: int = 0
    empty_pendings: int = 0
    children: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        """Grows from each execution to the next one that is started."""
        return UUID(self.execution_id).int

    @property
    def running(self) -> bool:
        return self.ended_at is None

    @property
    def timeout(self) -> int:
        """Seconds; the longest that the service allows if none was set."""
        return self.request.timeout or LONGEST_TIMEOUTS[self.request.invocation_type]

    @property
    def times_out_at(self) -> datetime:
        """When it times out: later by the time that a pause has taken, but never later than the service allows."""
        latest = self.started_at + timedelta(seconds=LONGEST_TIMEOUTS["Event"])
        if self.pause is not None and self.pause.began_at is not None and self.pause.timeout_paused:
            return latest
        return min(latest, self.started_at + timedelta(seconds=self.timeout) + self.time_paused)


# --- pauses ---


class PauseManager:
    """Pauses and resumes executions.

    A pause begins at once if no invocation runs, otherwise (PAUSING) with the next checkpoint, whose answer has no
    token, or with the end of the invocation. The service answers before it does what was asked; here it is done by
    then. A pause that is cancelled before it began leaves no events. ``arm_timeout`` announces when an execution times
    out now.
    """

    def __init__(
        self, arm_timeout: Callable[[DurableExecution], None], now: Callable[[], datetime], announcements: Announcements
    ) -> None:
        self._arm_timeout = arm_timeout
        self._now = now
        self._announcements = announcements

    def pause(self, execution: DurableExecution, request: Mapping[str, Any]) -> None:
        """Pause a RUNNING execution; one with another status is refused."""
        if self._is_repeated(execution, "PauseDurableExecution", request):
            return
        if execution.status != "RUNNING":
            raise conflict(execution, "it must be RUNNING")
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
        self._arm_timeout(execution)

    def resume(self, execution: DurableExecution, request: Mapping[str, Any]) -> None:
        """Resume a PAUSED execution, or cancel the pause of a PAUSING one; one with another status is refused."""
        if self._is_repeated(execution, "ResumeDurableExecution", request):
            return
        pause, execution.pause = execution.pause, None
        if pause is None:
            raise conflict(execution, "it must be PAUSED or PAUSING")
        execution.status = "RUNNING"
        self._remember(execution, "ResumeDurableExecution", request)
        if pause.began_at is None:
            execution.checkpoints.ends_with_next_checkpoint = False
            return
        if pause.timeout_paused:
            execution.time_paused += self._now() - pause.began_at
        self._record(execution, "ExecutionResumed", {"ResumeRequestTimestamp": self._now()}, request.get("Reason"))
        self._arm_timeout(execution)
        if pause.invocation_due:
            self._announcements.invocation_due(execution.arn)

    def _record(
        self, execution: DurableExecution, event_type: str, details: dict[str, Any], reason: str | None
    ) -> None:
        if reason is not None:
            details["Reason"] = result_of(reason)
        execution.checkpoints.journal.record(event_type, details)
        self._announcements.changed(execution.arn)

    def _is_repeated(self, execution: DurableExecution, api_operation: str, request: Mapping[str, Any]) -> bool:
        """Whether this very request was taken before, by its client token."""
        taken = execution.pause_requests.get(request.get("ClientToken", ""))
        if taken is None or self._now() - taken.at > CLIENT_TOKEN_LIFE:
            return False
        return (taken.api_operation, taken.request) == (api_operation, request)

    def _remember(self, execution: DurableExecution, api_operation: str, request: Mapping[str, Any]) -> None:
        if "ClientToken" in request:
            execution.pause_requests[request["ClientToken"]] = TakenRequest(api_operation, request, self._now())


def conflict(execution: DurableExecution, rule: str) -> RefusedError:
    """The refusal of a request that an execution of this status does not allow."""
    text = f"Durable execution {execution.name!r} is {execution.status}: {rule}"
    return RefusedError("ResourceConflictException", text)
