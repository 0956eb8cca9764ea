"""What travels between the server's thread and the others: requests in, announcements out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from queue import SimpleQueue
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request: a value, or the exception object to raise in the requesting thread."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One call of a server method; the answer goes into the request's own reply channel."""

    method: str
    arguments: Mapping[str, Any]
    reply: SimpleQueue[Reply]


class TimerKind(Enum):
    """Why something is due later; all kinds share one queue."""

    WAIT = "wait"
    STEP_RETRY = "step retry"
    CALLBACK_TIMEOUT = "callback timeout"
    HEARTBEAT_TIMEOUT = "heartbeat timeout"
    EXECUTION_TIMEOUT = "execution timeout"
    INVOCATION_RETRY = "invocation retry"
    STUBBED_INVOKE = "stubbed invoke"


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that the server wants to be told about at ``due``, by a call of ``fire``."""

    due: datetime
    kind: TimerKind
    arn: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class TimerCancelled:
    """The timer of that kind and operation is not wanted any more."""

    kind: TimerKind
    arn: str
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest that the service lets an execution live, if nobody set a timeout."""

    due: datetime
    arn: str


@dataclass(frozen=True, slots=True)
class Endless:
    """This execution has passed a bound, in words, that one with an end stays below."""

    arn: str
    bound: str


@dataclass(frozen=True, slots=True)
class InvocationDue:
    """The handler of this execution is to be invoked as soon as nothing else runs."""

    arn: str


@dataclass(frozen=True, slots=True)
class FunctionCallDue:
    """A function that is not durable is to be called for a chained invoke; ``payload`` is JSON text or None.

    ``function`` is the name under which it was registered, ``name`` and ``version`` are what its context tells it.
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
    """This execution has reached a terminal status; none of its timers is wanted any more."""

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
