"""What the server announces: timers, due work, callbacks, and news of executions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


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
class FunctionCallDue:
    """A plain (not durable) function is to be called for a chained invoke; ``payload`` is JSON text or None.

    ``function`` is the name under which it was registered, ``name`` and ``version`` are those of its Lambda context.
    """

    operation_id: str
    function: str
    name: str
    version: str
    payload: str | None
    tenant_id: str | None


@dataclass(frozen=True, slots=True)
class CallbackCreated:
    """A callback waits for an answer; ``names`` are those its author may know it by, the outer one first."""

    operation_id: str
    callback_id: str
    names: tuple[str, ...]
    timeout: int | None
    heartbeat_timeout: int | None


class Announcements(Protocol):
    """Told by the server, while it answers a request, what follows for the execution ``arn``.

    The server cannot be asked before that request has been answered: ``AnnouncementHandlers`` acts only then.
    """

    def timer_armed(self, arn: str, /, kind: TimerKind, due: datetime, operation_id: str | None = None) -> None:
        """When ``due`` comes, ``CheckpointServer.fire`` is to be called.

        The timer replaces an earlier one of the same kind, execution and operation.
        """
        ...

    def timer_cancelled(self, arn: str, /, kind: TimerKind, operation_id: str | None = None) -> None:
        """The timer of that kind and operation is void."""
        ...

    def service_timeout_armed(self, arn: str, /, due: datetime) -> None:
        """The service lets the execution, which has no timeout of its own, live until ``due``."""
        ...

    def invocation_due(self, arn: str, /) -> None:
        """The handler is to be invoked as soon as nothing else runs."""
        ...

    def function_call_due(self, arn: str, /, call: FunctionCallDue) -> None: ...

    def function_unknown(self, arn: str, /, function: str) -> None:
        """A chained invoke names a function that is not registered."""
        ...

    def callback_created(self, arn: str, /, callback: CallbackCreated) -> None: ...

    def endless(self, arn: str, /, bound: str) -> None:
        """Its invokes exceed a bound, such as "more than 5,000 executions that came of one"."""
        ...

    def changed(self, arn: str, /) -> None:
        """Its history has grown."""
        ...

    def ended(self, arn: str, /) -> None:
        """It has reached a terminal status; all of its timers are void."""
        ...

    def deleted(self, arn: str, /) -> None:
        """It was deleted after its end, and is unknown from now on; its ARN may be used again."""
        ...
