"""Functions invoked by name: those that a runner knows, chained invokes of them, and the API's ``Invoke``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from durabletest.errors import NotAvailableError
from durabletest.local.server.announcements import Announcements, FunctionCallDue, TimerKind
from durabletest.local.server.execution_state import DurableExecution, StartRequest
from durabletest.local.server.executions import ExecutionManager
from durabletest.local.server.identifiers import FunctionSpec, check_durable_name, executed_version, split_name
from durabletest.local.server.journal import ErrorObject, Update
from durabletest.local.server.quotas import MAX_PAYLOAD, SERVICE_QUOTAS, Quotas, check_input_size, too_large_result
from durabletest.local.server.service_model import RefusedError, refusals_of, validate_request

ACCEPTED, NO_CONTENT = 202, 204
_DRY_RUN = "DryRun"
_REGISTER = ". Register it with register_durable_function({!r}, handler)"
_SUPPORTED = frozenset({"FunctionName", "InvocationType", "DurableExecutionName", "Payload", "Qualifier", "TenantId"})
_ACTIONS = {"SUCCEEDED": "SUCCEED", "FAILED": "FAIL", "TIMED_OUT": "TIME_OUT", "STOPPED": "STOP"}


@dataclass(frozen=True, slots=True)
class StubbedEnd:
    """The end of a stubbed invoke, ``after`` its start; ``result`` is JSON text."""

    status: str
    after: timedelta
    result: str | None
    error: ErrorObject | None


Decide: TypeAlias = Callable[[str, str, str | None], StubbedEnd | None]
"""Returns the end of an invoke by its execution's ARN, target and payload (JSON text); None if no stub replaces it."""


@dataclass(slots=True, eq=False)
class FunctionDirectory:
    """The functions of one runner: its ``own``, and those ``registered``, by the name they were registered with.

    ``page_size`` bounds the operations in a page of state of executions that the API's ``Invoke`` starts; each of the
    runner's executions has these ``quotas``; ``decide`` is asked about each chained invoke first.
    """

    own: FunctionSpec | None = None
    page_size: int | None = None
    quotas: Quotas = SERVICE_QUOTAS
    decide: Decide = lambda *_invoke: None
    registered: dict[str, FunctionSpec] = field(default_factory=dict)

    def register(self, name: str, *, durable: bool, timeout: int | None = None) -> None:
        """Register a function, in place of one with the same name."""
        bare, qualifier = split_name(name)
        if durable:
            check_durable_name(bare)
        self.registered[name] = FunctionSpec(bare, durable, timeout, executed_version(qualifier))

    def has(self, bare: str) -> bool:
        """Whether there is a function of that bare name, with whatever qualifier."""
        known = self.registered.values() if self.own is None else (self.own, *self.registered.values())
        return any(spec.name == bare for spec in known)

    def find(self, target: str) -> tuple[str, FunctionSpec] | None:
        """The registered name and function for ``target``: as written, else with its qualifier, else the bare name."""
        bare, qualifier = split_name(target)
        for candidate in (target, f"{bare}:{qualifier}", bare):
            if candidate in self.registered:
                return candidate, self.registered[candidate]
        for name, spec in self.registered.items():
            if spec.name == bare and split_name(name)[1] in (None, qualifier):
                return name, spec
        return None


@dataclass(frozen=True, slots=True)
class PlainInvoke:
    """The API's ``Invoke`` of a plain function, by the name with which it was registered; ``payload`` is JSON text."""

    function: str
    spec: FunctionSpec
    payload: str | None
    tenant_id: str | None


class InvokeManager:
    """Starts the targets of invokes; completes those that are no executions: of plain functions, and stubbed ones."""

    def __init__(
        self,
        executions: ExecutionManager,
        directories: Mapping[int, FunctionDirectory],
        now: Callable[[], datetime],
        announcements: Announcements,
    ) -> None:
        executions.invokes = self
        self._executions = executions
        self._directories = directories
        self._now = now
        self._announcements = announcements
        self._stubbed_ends: dict[tuple[str, str], StubbedEnd] = {}

    # --- chained invokes ---

    def start(self, arn: str, update: Update) -> None:
        """Start the target that the update names, and record the start of the operation."""
        execution, operation_id = self._executions.get(arn), update["Id"]
        options, payload = update["ChainedInvokeOptions"], update.get("Payload")
        target, tenant_id = options["FunctionName"], options.get("TenantId")
        version = executed_version(split_name(target)[1])
        directory = self._directories[execution.request.deployment]
        end = directory.decide(arn, target, payload)
        found = directory.find(target)
        apply = execution.checkpoints.changes.apply
        if end is not None:
            apply(update, {"ExecutedVersion": version})
            self._stubbed_ends[arn, operation_id] = end
            self._announcements.timer_armed(arn, TimerKind.STUBBED_INVOKE, self._now() + end.after, operation_id)
        elif found is None:
            apply(update)
            # the type of this error is not documented, so the API's own is taken
            error = {"ErrorType": "ResourceNotFoundException", "ErrorMessage": f"Function not found: {target}"}
            self._executions.change(arn, operation_id, "FAIL", error=error)
            self._announcements.function_unknown(arn, target)
        elif found[1].durable:
            child = self._start_child(execution, update, found[0], replace(found[1], version=version))
            apply(update, {"ExecutedVersion": version, "DurableExecutionArn": child.arn})
        else:
            apply(update, {"ExecutedVersion": version})
            registered, spec = found
            call = FunctionCallDue(operation_id, registered, spec.name, version, payload, tenant_id)
            self._announcements.function_call_due(arn, call)

    def _start_child(
        self, parent: DurableExecution, update: Update, registered: str, spec: FunctionSpec
    ) -> DurableExecution:
        child = self._executions.start(
            StartRequest(
                spec,
                update.get("Payload"),
                timeout=spec.timeout,
                tenant_id=update["ChainedInvokeOptions"].get("TenantId"),
                parent=(parent.arn, update["Id"]),
                page_size=parent.request.page_size,
                target=registered,
                deployment=parent.request.deployment,
                quotas=parent.request.quotas,
            )
        )
        parent.children.append(child.arn)
        return child

    def function_answered(self, arn: str, operation_id: str, result: str | None, error: ErrorObject | None) -> None:
        """Complete the chained invoke of a plain function; more than 1 MB of result is a failure."""
        if error is None and result is not None:
            error = too_large_result(result, MAX_PAYLOAD)
        action = "FAIL" if error else "SUCCEED"
        self._executions.change(arn, operation_id, action, None if error else result, error)

    def end_stubbed(self, arn: str, operation_id: str) -> None:
        end = self._stubbed_ends.pop((arn, operation_id))
        if end.status == "SUCCEEDED":
            self.function_answered(arn, operation_id, end.result, None)
        else:
            action = _ACTIONS[end.status]
            self._executions.change(arn, operation_id, action, error=end.error)

    def drop(self, arn: str) -> None:
        for key in [key for key in self._stubbed_ends if key[0] == arn]:
            del self._stubbed_ends[key]

    # --- the API's Invoke ---

    @refusals_of("Invoke")
    def invoke(self, deployment: int, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer ``Invoke`` of a durable function with the type ``Event``, in the shape of the API.

        The service invokes plain functions too, and waits for the result of a ``RequestResponse``. Neither fits a test:
        the caller, a step perhaps, would have to end before another function can run. Both are refused.
        """
        registered, spec = self._target(deployment, request, _REGISTER)
        if (kind := _kind(request)) != "Event":
            raise NotAvailableError(
                f"invoke(...) with InvocationType={kind!r} is not answered locally: the caller would wait for a "
                "function that runs after it. Write InvocationType='Event', or context.invoke to wait for a result"
            )
        if not spec.durable:
            raise NotAvailableError(
                f"invoke(...) of {spec.name!r}, a plain function, is not answered locally: call it by context.invoke, "
                "or register it with register_durable_function if it is durable"
            )
        return self._begin(deployment, request, registered, spec)

    @refusals_of("Invoke")
    def invoke_from_outside(self, deployment: int, request: Mapping[str, Any]) -> dict[str, Any] | PlainInvoke:
        """Answer ``Invoke`` for a caller that can wait, as no execution waits for it.

        Of a ``RequestResponse`` the answer is that of the start, with the ARN of the execution to wait for; of a plain
        function it is what to call; a ``DryRun`` only checks the request.
        """
        (registered, spec), kind = self._target(deployment, request), _kind(request)
        if kind != _DRY_RUN and spec.durable:
            return self._begin(deployment, request, registered, spec)
        payload = _payload(request.get("Payload"), kind)
        if kind == _DRY_RUN:
            return {"StatusCode": NO_CONTENT, "Payload": b""}
        return PlainInvoke(registered or "", spec, payload, request.get("TenantId"))

    def _target(self, deployment: int, request: Mapping[str, Any], remedy: str = "") -> tuple[str | None, FunctionSpec]:
        """The registered name of the function, None for the runner's own, and the version of it that runs.

        ``remedy``, with a place for the name, ends the refusal of a name that is unknown.
        """
        validate_request("Invoke", request)
        left_over = sorted(name for name in set(request) - _SUPPORTED if (name, request[name]) != ("LogType", "None"))
        if left_over:
            raise NotAvailableError(f"invoke(...) with {', '.join(left_over)} is not answered locally: leave it out")
        name, written = split_name(request["FunctionName"])
        qualifier, directory = request.get("Qualifier", written), self._directories[deployment]
        found: tuple[str | None, FunctionSpec] | None
        found = directory.find(f"{name}:{qualifier}" if qualifier else name)
        if found is None and directory.own is not None and directory.own.name == name:
            found = None, directory.own
        if found is None:
            raise RefusedError("ResourceNotFoundException", f"Function not found: {name}{remedy.format(name)}")
        registered, spec = found
        if spec.durable and qualifier is None:
            raise RefusedError(
                "InvalidParameterValueException",
                f"You cannot invoke a durable function using an unqualified ARN: write '{spec.name}:$LATEST', or a "
                "version or alias",
            )
        return registered, replace(spec, version=executed_version(qualifier))

    def _begin(
        self, deployment: int, request: Mapping[str, Any], registered: str | None, spec: FunctionSpec
    ) -> dict[str, Any]:
        directory, kind = self._directories[deployment], _kind(request)
        execution = self._executions.start(
            StartRequest(
                FunctionSpec(spec.name, version=spec.version),
                _payload(request.get("Payload"), kind),
                request.get("DurableExecutionName"),
                spec.timeout,
                request.get("TenantId"),
                page_size=directory.page_size,
                target=registered,
                deployment=deployment,
                invocation_type=kind,
                quotas=directory.quotas,
            )
        )
        return {
            "StatusCode": ACCEPTED,
            "ExecutedVersion": spec.version,
            "DurableExecutionArn": execution.arn,
            "Payload": b"",
        }


def _kind(request: Mapping[str, Any]) -> str:
    kind: str = request.get("InvocationType", "RequestResponse")
    return kind


def _payload(raw: Any, invocation_type: str) -> str | None:
    """The payload as JSON text, None without one."""
    raw = raw.read() if hasattr(raw, "read") else raw
    if not raw:
        return None
    try:
        text: str = raw if isinstance(raw, str) else bytes(raw).decode()
        json.loads(text)
    except ValueError as error:
        text = f"Could not parse request body into json: {error}"
        raise RefusedError("InvalidRequestContentException", text) from error
    check_input_size(text, invocation_type)
    return text
