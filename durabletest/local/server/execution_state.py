"""What the server keeps of one execution: how it was started, how it stands, and its pause."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from durabletest.local.server.checkpoints import CheckpointManager
from durabletest.local.server.identifiers import FunctionSpec
from durabletest.local.server.journal import ErrorObject
from durabletest.local.server.quotas import SERVICE_QUOTAS, InvokeTree, Quotas

LONGEST_TIMEOUTS = {"Event": 31_622_400, "RequestResponse": 900}
"""Seconds (366 days, 15 minutes): the longest that the service lets an execution run, by how it was started."""


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


@dataclass(slots=True, eq=False)
class DurableExecution:
    """One durable execution; ``failures`` counts failed invocations in a row, ``empty_pendings`` refused PENDINGs.

    ``pause`` is there while it is PAUSING or PAUSED; ``interrupted`` is true while an invocation runs to its end that a
    pause allows to write no more; ``time_paused`` extends its timeout.
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
    result: str | None = None
    error: ErrorObject | None = None
    ended_at: datetime | None = None
    failures: int = 0
    empty_pendings: int = 0
    children: list[str] = field(default_factory=list)

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
