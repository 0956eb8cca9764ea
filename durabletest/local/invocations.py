"""One call of a handler or of a plain function: its context, its outcome, and how it is reported to the server."""

from __future__ import annotations

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from unittest.util import safe_repr

from durabletest import sdk
from durabletest.errors import DurableTestError, HandlerNotDurableError, PayloadError, UsageError
from durabletest.local.client import InvocationClient, LocalLambdaClient
from durabletest.local.deployment import Deployment, FunctionSettings, name_of
from durabletest.local.faults import FaultInjector
from durabletest.local.fresh_modules import can_be_fresh, freshly_imported
from durabletest.local.invoker_thread import Answered, Raised
from durabletest.local.process_exit import InvocationTimedOut, exit_status
from durabletest.local.replays import ReplayForced
from durabletest.local.server.announcements import FunctionCallDue
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import ACCOUNT, REGION
from durabletest.local.server.journal import OperationCache
from durabletest.local.server.service_model import error_findings
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.stubbing import checkpoint_refusal
from durabletest.local.tasks import set_current_turns
from durabletest.local.turns import Turns
from durabletest.model.payloads import encode, with_real_names, words_of
from durabletest.value_checks import DEFAULT_MEMORY_SIZE, MAX_FUNCTION_TIMEOUT

_STATUSES = ("SUCCEEDED", "FAILED", "PENDING")


class InvocationFailedError(Exception):
    """An invocation has failed in another process; ``error`` is the error object that Lambda makes of that."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['ErrorType']}: {error['ErrorMessage']}")
        self.error = error


class ExternalHandler(ABC):
    """A durable handler in another process. It gets Lambda's event, and sends its checkpoints to an endpoint."""

    @abstractmethod
    def __call__(self, event: Any, context: LambdaContext) -> Any:
        """Return the answer of the other process; raise :class:`InvocationFailedError` if it has none."""

    @abstractmethod
    def give_up(self, request_id: str) -> None:
        """The invocation counts no more, whatever its process still does. Any thread may call this."""

    @abstractmethod
    def progress(self) -> str:
        """How far the current invocation has got, in a clause for a message. Any thread may call this."""


class Call(Protocol):
    """A call of the author's code, which runs when no other one does.

    It is a :class:`HandlerInvocation`, a :class:`FunctionCall`, or an answer to a callback, a ``ScriptedAction``.
    """

    @property
    def arn(self) -> str:
        """The execution for which it runs."""
        ...

    @property
    def name(self) -> str:
        """The name of the called code in messages."""
        ...

    @property
    def is_invocation(self) -> bool:
        """Whether it invokes the execution's own handler."""
        ...

    @property
    def deadline(self) -> datetime | None:
        """When Lambda would end the call; None for a function that Lambda does not call."""
        ...

    @property
    def turns(self) -> Turns | None:
        """The turns that its threads take; None if the operating system decides their order."""
        ...

    @property
    def settings(self) -> FunctionSettings:
        """The settings of the called function."""
        ...

    def run(self) -> Any:
        """Make the call, in the invoker thread."""
        ...

    def report(self, outcome: Answered | Raised) -> Exception | None:
        """Report the outcome to the server; an exception that is returned ends the whole run."""
        ...

    def revoke(self) -> None:
        """The call was given up: nothing that it still sends counts. Any thread may call this."""
        ...


@dataclass(slots=True, eq=False)
class HandlerInvocation:
    """One invocation of a durable handler; ``fresh`` if its modules are imported again for it."""

    arn: str
    handler: Callable[..., Any]
    event: sdk.HandlerEvent
    context: LambdaContext
    server: CheckpointWorkerManager
    client: InvocationClient
    settings: FunctionSettings
    turns: Turns | None = None
    is_invocation: bool = True
    faults: FaultInjector | None = None
    fresh: bool = False
    refusal: UsageError | None = None

    @property
    def name(self) -> str:
        return name_of(self.handler)

    @property
    def deadline(self) -> datetime:
        return self.context.deadline

    def run(self) -> Any:
        """Call the handler as Lambda does.

        ``@durable_execution`` takes the client from the event, and calls the decorated function with a context in a
        thread of its own. What its operations record comes back at ``InvocationClient.checkpoint_durable_execution``.
        """
        set_current_turns(self.turns)
        try:
            if not self.fresh:
                return self.handler(self.event.given, self.context)
            with ExitStack() as modules:
                try:
                    handler = modules.enter_context(freshly_imported(self.handler))
                except UsageError as refusal:
                    self.refusal = refusal
                    raise
                return handler(self.event.given, self.context)
        finally:
            set_current_turns(None)

    def report(self, outcome: Answered | Raised) -> DurableTestError | None:
        """Report the answer, or the error that Lambda would make of its absence."""
        if self.refusal is not None:
            return self.refusal
        crashed = isinstance(outcome, Raised) and outcome.crashed
        external = isinstance(self.handler, ExternalHandler)
        if not (self.event.entered or crashed or external or sdk.is_durable(self.handler)):
            return self._not_durable(outcome)
        if isinstance(outcome, Raised):
            error = invocation_error(outcome, self.context)
            forced = isinstance(outcome.error, ReplayForced)
            failed = CheckpointServer.invocation_interrupted if forced else CheckpointServer.invocation_failed
            self.server.call(failed, self.arn, error)
        elif not _is_answer(outcome.value):
            return self._no_answer(outcome.value, external)
        elif (answer := outcome.value if self.faults is None else self.faults.judged(self.arn, outcome.value)) is None:
            error = invocation_error(Raised(ReplayForced(), crashed=True), self.context)
            self.server.call(CheckpointServer.invocation_interrupted, self.arn, error)
        else:
            self.server.call(CheckpointServer.invocation_answered, self.arn, answer)
        return None

    def revoke(self) -> None:
        """Revoke its token, and its client, as a later execution may get the same token; unwind its threads."""
        self.client.revoke()
        if isinstance(self.handler, ExternalHandler):
            self.handler.give_up(self.context.aws_request_id)
        if self.turns is not None:
            self.turns.end()
        self.server.tell(CheckpointServer.revoke, self.arn)

    def _no_answer(self, value: Any, external: bool) -> HandlerNotDurableError:
        if external:
            return HandlerNotDurableError(
                f"{self.name} answered {value!r} instead of what a durable function answers with, a JSON object with "
                "Status: wrap its handler with the AWS Durable Execution SDK of its language"
            )
        return HandlerNotDurableError(
            f"{self.name} answered {safe_repr(value)} instead of what @durable_execution answers with, "
            "a dictionary with Status: whatever is wrapped around it must "
            f"{'pass its answer' if self.event.entered else 'call it, and pass its answer'} on"
        )

    def _not_durable(self, outcome: Answered | Raised) -> HandlerNotDurableError:
        word, subject = ("returned", outcome.value) if isinstance(outcome, Answered) else ("raised", outcome.error)
        what = f"{word} {safe_repr(subject)}"
        error = HandlerNotDurableError(
            f"{self.name} {what}, and @durable_execution was not reached: decorate it with "
            "aws_durable_execution_sdk_python.durable_execution, or register it with register_function if it is plain; "
            "if it is decorated, see what is wrapped around the decorator"
        )
        error.__cause__ = outcome.error if isinstance(outcome, Raised) else None
        return error


def _is_answer(value: Any) -> bool:
    """Whether the value is one that ``@durable_execution`` answers with, in any language."""
    if not isinstance(value, Mapping) or value.get("Status") not in _STATUSES:
        return False
    result, error = value.get("Result"), value.get("Error")
    return isinstance(result, str | None) and (error is None or not error_findings(error))


@dataclass(slots=True, eq=False)
class FunctionCall:
    """One call of a plain function, for a chained invoke."""

    arn: str
    due: FunctionCallDue
    function: Callable[..., Any]
    context: LambdaContext
    server: CheckpointWorkerManager
    refused: Callable[[str, str], None]
    settings: FunctionSettings
    turns: None = None
    is_invocation: bool = False

    @property
    def name(self) -> str:
        return name_of(self.function)

    @property
    def deadline(self) -> datetime:
        return self.context.deadline

    def run(self) -> Any:
        """Call the function with its decoded payload and a context, and encode what it returns."""
        event = None if self.due.payload is None else json.loads(self.due.payload)
        result = self.function(event, self.context)
        try:
            return encode(result, f"the result of {self.name}")
        except PayloadError as error:
            said = with_real_names(str(error.__context__))
            self.refused(said, str(error))
            raise PayloadError(said) from error

    def report(self, outcome: Answered | Raised) -> None:
        error = None
        if isinstance(outcome, Raised):
            error = invocation_error(outcome, self.context)
        result = outcome.value if isinstance(outcome, Answered) else None
        self.server.call(CheckpointServer.function_answered, self.arn, self.due.operation_id, result, error)

    def revoke(self) -> None:
        """A plain function writes no checkpoints."""


def handler_invocation(
    arn: str,
    event: Mapping[str, Any],
    deployment: Deployment,
    server: CheckpointWorkerManager,
    client: LocalLambdaClient,
    now: Callable[[], datetime],
    operations: OperationCache[Any],
    turns: Callable[[str], Turns | None],
) -> HandlerInvocation:
    """The invocation for an event of the server; ``operations`` caches the SDK's objects for its operations."""
    target, refused = event["Target"], partial(checkpoint_refusal, deployment.stubs, now)
    own_client = InvocationClient(client, deployment.faults, refused)
    handler = deployment.handler if target is None else deployment.durable_functions[target]
    default = deployment.settings if handler is deployment.handler else FunctionSettings()
    settings = default if target is None else deployment.settings_of.get(target, default)
    context = LambdaContext(
        event["RequestId"],
        event["FunctionName"],
        event["Version"],
        now,
        now(),
        settings.timeout,
        event["TenantId"],
        str(settings.memory_size),
    )
    state = (operations.of(one, sdk.operation) for one in event["InitialExecutionState"]["Operations"])
    given = sdk.HandlerEvent(event, own_client, handler, state)
    fresh = deployment.cold and (handler is deployment.handler or can_be_fresh(handler))
    own_turns, faults = turns(event["RequestId"]), deployment.faults
    return HandlerInvocation(
        arn, handler, given, context, server, own_client, settings, own_turns, faults=faults, fresh=fresh
    )


def function_call(
    arn: str,
    due: FunctionCallDue,
    deployment: Deployment,
    server: CheckpointWorkerManager,
    now: Callable[[], datetime],
    refused: Callable[[str, str], None],
) -> FunctionCall:
    """The call that the server has announced.

    ``refused`` is called with the reason and the place if its result cannot be encoded as JSON.
    """
    request_id = server.call(CheckpointServer.request_id)
    settings = deployment.settings_of.get(due.function, FunctionSettings())
    memory = str(settings.memory_size)
    context = LambdaContext(
        request_id, due.name, due.version, now, now(), settings.timeout, due.tenant_id, memory_limit_in_mb=memory
    )
    return FunctionCall(arn, due, deployment.functions[due.function], context, server, refused, settings)


def invocation_error(outcome: Raised, context: LambdaContext) -> dict[str, Any]:
    """The error object that Lambda makes of a failed invocation: a crash, or an exception with its stack trace."""
    request_id = context.aws_request_id
    if isinstance(outcome.error, InvocationTimedOut):
        seconds = context.timeout.total_seconds()
        message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
        return {"ErrorType": "Sandbox.Timedout", "ErrorMessage": message}
    if outcome.crashed:
        status = exit_status(outcome.error)
        message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
        return {"ErrorType": "Runtime.ExitError", "ErrorMessage": message}
    if isinstance(outcome.error, InvocationFailedError):
        return outcome.error.error
    if isinstance(outcome.error, PayloadError):
        return {"ErrorType": "Runtime.MarshalError", "ErrorMessage": f"Unable to marshal response: {outcome.error}"}
    lines = traceback.format_tb(outcome.error.__traceback__)
    return {
        "ErrorType": type(outcome.error).__name__,
        "ErrorMessage": words_of(outcome.error),
        "StackTrace": [line.rstrip("\n") for line in lines],
    }


@dataclass(frozen=True)
class CognitoIdentity:
    """The caller's Amazon Cognito identity; empty, as it is when the service invokes a durable function."""

    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None


@dataclass(frozen=True)
class LambdaContext:
    """The context of one invocation, with the attributes of Lambda's own; ``tenant_id`` is None without a tenant."""

    aws_request_id: str
    function_name: str
    function_version: str
    now: Callable[[], datetime]
    started: datetime
    timeout: timedelta = MAX_FUNCTION_TIMEOUT
    tenant_id: str | None = None
    memory_limit_in_mb: str = str(DEFAULT_MEMORY_SIZE)
    client_context: Any = None
    identity: CognitoIdentity = CognitoIdentity()

    @property
    def deadline(self) -> datetime:
        """When Lambda ends the invocation."""
        return self.started + self.timeout

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN with its version."""
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}:{self.function_version}"

    @property
    def log_group_name(self) -> str:
        """The log group that Lambda makes for the function."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """A log stream name in Lambda's form: date, version and the execution environment's id."""
        return f"{self.started:%Y/%m/%d}/[{self.function_version}]{self.aws_request_id.replace('-', '')}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation's deadline."""
        return max(0, round((self.deadline - self.now()).total_seconds() * 1000))

    def log(self, message: object) -> None:
        """Write to standard output, as Lambda's context does."""
        print(message)  # noqa: T201
