"""What the server announces to the orchestrator: timers, due work, callbacks, and news of executions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TypeAlias


class TimerKind(Enum):
    """What a timer stands for; all kinds share one queue."""

    WAIT = "wait"
    STEP_RETRY = "step retry"
    CALLBACK_TIMEOUT = "callback timeout"
    HEARTBEAT_TIMEOUT = "heartbeat timeout"
    EXECUTION_TIMEOUT = "execution timeout"
    INVOCATION_RETRY = "invocation retry"
    STUBBED_INVOKE = "stubbed invoke"


@dataclass(frozen=True, slots=True)
class Timer:
    """When ``due`` comes, ``CheckpointServer.fire`` is called with this.

    It replaces an earlier timer of the same kind, execution and operation.
    """

    due: datetime
    kind: TimerKind
    arn: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class TimerCancelled:
    """The timer of that kind and operation is void."""

    kind: TimerKind
    arn: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest that the service lets an execution live, for one that has no timeout of its own."""

    due: datetime
    arn: str


@dataclass(frozen=True, slots=True)
class Endless:
    """This execution's family exceeds ``bound``, a phrase such as "more than 5,000 executions that came of one"."""

    arn: str
    bound: str


@dataclass(frozen=True, slots=True)
class InvocationDue:
    """The handler of this execution is to be invoked as soon as nothing else runs."""

    arn: str


@dataclass(frozen=True, slots=True)
class FunctionCallDue:
    """A plain (not durable) function is to be called for a chained invoke; ``payload`` is JSON text or None.

    ``function`` is the name under which it was registered, ``name`` and ``version`` are those of its Lambda context.
    """

    arn: str
    operation_id: str
    function: str
    name: str
    version: str
    payload: str | None
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class CallbackCreated:
    """A callback waits for an answer; ``names`` are those its author may know it by, the outer one first."""

    arn: str
    operation_id: str
    callback_id: str
    names: tuple[str, ...]
    timeout: int | None
    heartbeat_timeout: int | None


@dataclass(frozen=True, slots=True)
class FunctionUnknown:
    """A chained invoke names a function that is not registered."""

    arn: str
    operation_id: str
    function: str


@dataclass(frozen=True, slots=True)
class Changed:
    """The history of this execution has grown."""

    arn: str


@dataclass(frozen=True, slots=True)
class Ended:
    """This execution has reached a terminal status; all of its timers are void."""

    arn: str


Announcement: TypeAlias = (
    Timer
    | TimerCancelled
    | Limit
    | Endless
    | InvocationDue
    | FunctionCallDue
    | CallbackCreated
    | FunctionUnknown
    | Changed
    | Ended
)
Announce: TypeAlias = Callable[[Announcement], None]
