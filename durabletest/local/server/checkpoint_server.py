"""The server object: each method is a request, either of the Lambda durable-execution API or of the orchestrator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, Concatenate, TypeAlias

from botocore.utils import parse_to_aware_datetime

from durabletest.local.server.announcements import Announcements, TimerKind
from durabletest.local.server.callback_registry import CallbackRegistry
from durabletest.local.server.checkpoints import DEFAULT_ITEMS, invalid_token, list_page
from durabletest.local.server.execution_state import DurableExecution, StartRequest, conflict
from durabletest.local.server.executions import ExecutionManager
from durabletest.local.server.function_invokes import Decide, FunctionDirectory, InvokeManager, PlainInvoke
from durabletest.local.server.identifiers import (
    FunctionSpec,
    IdSource,
    check_durable_name,
    executed_version,
    split_name,
)
from durabletest.local.server.journal import ErrorObject, Operation, copied, without_execution_data
from durabletest.local.server.quotas import SERVICE_QUOTAS, Quotas, callback_result, check_error_size, check_input_size
from durabletest.local.server.service_model import RefusedError, refusals_of, service_model, validate_request

ApiMethod: TypeAlias = "Callable[Concatenate[CheckpointServer, ...], dict[str, Any]]"


def api_operation(name: str) -> Callable[[ApiMethod], ApiMethod]:
    """A method that answers an operation of the API: requests are validated first, and refused as by boto3."""

    def decorate(method: ApiMethod) -> ApiMethod:
        def answer(server: CheckpointServer, /, **request: Any) -> dict[str, Any]:
            validate_request(name, request)
            with refusals_of(name):
                return method(server, **request)

        answer.__name__, answer.__doc__ = method.__name__, method.__doc__
        return answer

    return decorate


class CheckpointServer:
    """Owns all execution state; one thread at a time is in charge of it.

    The methods of the API take and return what those of boto3's client do, and raise the same modelled errors.
    """

    def __init__(self, now: Callable[[], datetime], announcements: Announcements) -> None:
        self._ids = IdSource()
        self._directories: defaultdict[int, FunctionDirectory] = defaultdict(FunctionDirectory)
        self._callbacks = CallbackRegistry(self._ids, now, announcements)
        self._executions = ExecutionManager(self._callbacks, self._ids, now, announcements)
        self._now = now
        self._announcements = announcements
        self._invokes = InvokeManager(self._executions, self._directories, now, announcements)

    # --- the API ---

    @api_operation("CheckpointDurableExecution")
    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        execution = self._token_holder(request["DurableExecutionArn"])
        return execution.checkpoints.checkpoint(
            request["CheckpointToken"], request.get("Updates", ()), request.get("ClientToken")
        )

    @api_operation("GetDurableExecutionState")
    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        execution = self._token_holder(request["DurableExecutionArn"])
        return execution.checkpoints.state(
            request["CheckpointToken"], request.get("Marker"), request.get("MaxItems") or DEFAULT_ITEMS
        )

    def _token_holder(self, arn: str) -> DurableExecution:
        """The execution; an unknown ARN is a wrong token, as the model has no ResourceNotFoundException here."""
        execution = self._executions.find(arn)
        if execution is None:
            raise invalid_token()
        return execution

    @api_operation("GetDurableExecution")
    def get_durable_execution(self, **request: Any) -> dict[str, Any]:
        """The execution: its status, input, result or error."""
        execution = self._executions.get(request["DurableExecutionArn"])
        included = request.get("IncludeExecutionData", True)
        answer = {
            **_summary(execution),
            "Version": execution.request.function.version,
            "ExecutionDataIncluded": included,
            "DurableConfig": {
                "ExecutionTimeout": execution.timeout,
                "RetentionPeriodInDays": execution.request.quotas.retention_days,
            },
        }
        if execution.running and _has_expected_timeout():
            answer["ExpectedExecutionTimeoutTimestamp"] = execution.times_out_at
        if (pause := execution.pause) is not None:
            details = {"PauseRequestTimestamp": pause.requested_at, "ExecutionTimeoutPaused": pause.timeout_paused}
            answer["PauseDetails"] = details | ({} if pause.reason is None else {"Reason": pause.reason})
        if included:
            data = {"InputPayload": execution.request.payload, "Result": execution.result, "Error": execution.error}
            answer |= {key: value for key, value in data.items() if value is not None}
        return answer

    @api_operation("GetDurableExecutionHistory")
    def get_durable_execution_history(self, **request: Any) -> dict[str, Any]:
        """One page of the history; payloads only with ``IncludeExecutionData``."""
        execution = self._executions.get(request["DurableExecutionArn"])
        history, backwards = execution.checkpoints.journal.events, bool(request.get("ReverseOrder"))
        events, more = list_page(history, backwards, request, itemgetter("EventId"))
        if not request.get("IncludeExecutionData"):
            events = [without_execution_data(event) for event in events]
        return {"Events": [copied(event) for event in events], **more}

    @api_operation("ListDurableExecutionsByFunction")
    def list_durable_executions_by_function(self, **request: Any) -> dict[str, Any]:
        """The executions of one function, filtered by qualifier, name, status and start time; the newest first.

        With ``ReverseOrder`` the oldest comes first.
        """
        name, qualifier = split_name(request["FunctionName"])
        matches = _filter(request, request.get("Qualifier", qualifier))
        executions = self._executions.of_function(name)
        if not executions and not any(directory.has(name) for directory in self._directories.values()):
            raise RefusedError("ResourceNotFoundException", f"Function not found: {name}")
        newest_first = not request.get("ReverseOrder")
        found, more = list_page(executions, newest_first, request, attrgetter("number"), matches)
        return {"DurableExecutions": [_summary(execution) for execution in found], **more}

    @api_operation("StopDurableExecution")
    def stop_durable_execution(self, **request: Any) -> dict[str, Any]:
        """End a running execution with STOPPED; one that has ended stays as it is."""
        execution = self._executions.get(request["DurableExecutionArn"])
        check_error_size(request.get("Error", {}))
        if execution.running:
            self._executions.stop(execution, request.get("Error"))
        return {"StopTimestamp": execution.ended_at}

    @api_operation("PauseDurableExecution")
    def pause_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Pause a running execution; see :class:`PauseManager`."""
        self._executions.pauses.pause(self._executions.get(request["DurableExecutionArn"]), request)
        return {}

    @api_operation("ResumeDurableExecution")
    def resume_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Resume a paused execution, or cancel a pause that has not begun."""
        self._executions.pauses.resume(self._executions.get(request["DurableExecutionArn"]), request)
        return {}

    @api_operation("DeleteDurableExecution")
    def delete_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Forget an execution that has ended; the service takes a while (DELETING), here it is done by the answer."""
        execution = self._executions.get(request["DurableExecutionArn"])
        if execution.running:
            raise conflict(execution, "it must have ended")
        self._drop(execution.arn)
        self._announcements.deleted(execution.arn)
        return {"DeletionRequestTimestamp": self._now()}

    def _drop(self, arn: str) -> None:
        self._executions.drop(arn)
        self._invokes.drop(arn)

    @api_operation("SendDurableExecutionCallbackSuccess")
    def send_durable_execution_callback_success(self, **request: Any) -> dict[str, Any]:
        """Complete a callback; ``Result`` is bytes, and reaches the handler as text."""
        result = callback_result(request.get("Result"))
        callback = self._callbacks.open(request["CallbackId"])
        self._executions.change(callback.arn, callback.operation_id, "SUCCEED", result)
        return {}

    @api_operation("SendDurableExecutionCallbackFailure")
    def send_durable_execution_callback_failure(self, **request: Any) -> dict[str, Any]:
        error = request.get("Error", {})
        check_error_size(error)
        callback = self._callbacks.open(request["CallbackId"])
        self._executions.change(callback.arn, callback.operation_id, "FAIL", error=error)
        return {}

    @api_operation("SendDurableExecutionCallbackHeartbeat")
    def send_durable_execution_callback_heartbeat(self, **request: Any) -> dict[str, Any]:
        self._callbacks.heartbeat(request["CallbackId"])
        return {}

    def invoke(self, deployment: int, **request: Any) -> dict[str, Any]:
        """Start an execution of a durable function that a runner knows, for code in or beside its executions."""
        return self._invokes.invoke(deployment, request)

    def invoke_from_outside(self, deployment: int, /, **request: Any) -> dict[str, Any] | PlainInvoke:
        """See :meth:`InvokeManager.invoke_from_outside`."""
        return self._invokes.invoke_from_outside(deployment, request)

    # --- runners: each is a deployment of its own, known by its number ---

    def deploy(
        self, deployment: int, own: FunctionSpec, page_size: int | None = None, quotas: Quotas = SERVICE_QUOTAS
    ) -> None:
        """Make a runner's own function known, with the quotas of each execution of the runner.

        ``page_size`` is for executions started by ``invoke``.
        """
        directory = self._directories[deployment]
        directory.own, directory.page_size, directory.quotas = own, page_size, quotas

    def register(self, deployment: int, name: str, durable: bool, timeout: int | None = None) -> None:
        """Register a function for a runner; ``timeout`` is its executions', in seconds."""
        self._directories[deployment].register(name, durable=durable, timeout=timeout)

    def registered(self, deployment: int) -> Mapping[str, FunctionSpec]:
        """The functions that are registered for a runner, for ``restore``."""
        return dict(self._directories[deployment].registered)

    def restore(self, deployment: int, functions: Mapping[str, FunctionSpec]) -> None:
        """Have these functions registered for a runner, and no others."""
        self._directories[deployment].registered = dict(functions)

    def stub_invokes(self, deployment: int, decide: Decide) -> None:
        """Call this function, before each chained invoke of a runner."""
        self._directories[deployment].decide = decide

    def executions_of(self, deployment: int) -> list[str]:
        """The ARNs of a runner's executions, invoked ones included, in the order in which they started."""
        return self._executions.of_deployment(deployment)

    def forget(self, deployment: int) -> list[str]:
        """Drop all executions of a runner without a trace in any history, and return their ARNs."""
        arns = self._executions.of_deployment(deployment)
        for arn in arns:
            self._drop(arn)
        return arns

    def undeploy(self, deployment: int) -> None:
        """Forget the functions and stubs of a runner, whose executions have been forgotten before."""
        self._directories.pop(deployment, None)

    def restart_ids(self) -> None:
        """Number executions, requests and tokens from the beginning again."""
        self._ids.restart()

    # --- executions ---

    @refusals_of("Invoke")
    def start(
        self,
        deployment: int,
        function: str,
        payload: str | None,
        name: str | None = None,
        timeout: int | None = None,
        tenant_id: str | None = None,
        page_size: int | None = None,
        invocation_type: str = "Event",
        operations: Sequence[Operation] = (),
    ) -> str:
        """Start an execution and return its ARN; ``page_size`` bounds the operations in one page of its state.

        It has the given ``operations`` already.
        """
        check_input_size(payload, invocation_type)
        given = {"FunctionName": function, "DurableExecutionName": name, "TenantId": tenant_id}
        validate_request("Invoke", {key: value for key, value in given.items() if value is not None})
        bare, qualifier = split_name(function)
        check_durable_name(bare)
        spec = FunctionSpec(bare, version=executed_version(qualifier))
        request = StartRequest(
            spec,
            payload,
            name,
            timeout,
            tenant_id,
            page_size=page_size,
            deployment=deployment,
            invocation_type=invocation_type,
            quotas=self._directories[deployment].quotas,
        )
        execution = self._executions.start(request)
        execution.checkpoints.journal.operations.update((operation["Id"], operation) for operation in operations)
        return execution.arn

    def begin_invocation(self, arn: str) -> dict[str, Any] | None:
        """See :meth:`ExecutionManager.begin_invocation`."""
        return self._executions.begin_invocation(arn)

    def invocation_answered(self, arn: str, output: Mapping[str, Any]) -> None:
        """The handler answered ``{"Status": ..., "Result": ..., "Error": ...}``."""
        self._executions.invocation_answered(arn, output)

    def invocation_failed(self, arn: str, error: ErrorObject) -> None:
        """The handler raised, or its process ended."""
        self._executions.invocation_failed(arn, error)

    def invocation_interrupted(self, arn: str, error: ErrorObject) -> None:
        """The invocation was ended from outside: it is repeated, and is no failure in a row with others."""
        self._executions.get(arn).failures = 0
        self._executions.invocation_failed(arn, error)

    def revoke(self, arn: str) -> None:
        """Take nothing more from the running invocation of this execution, if it was not forgotten."""
        execution = self._executions.find(arn)
        if execution is not None:
            execution.checkpoints.revoke()

    def request_id(self) -> str:
        return self._ids.request()

    def function_answered(self, arn: str, operation_id: str, result: str | None, error: ErrorObject | None) -> None:
        """A plain function that a chained invoke names has ended; ``result`` is JSON text."""
        self._invokes.function_answered(arn, operation_id, result, error)

    def fire(self, arn: str, kind: TimerKind, operation_id: str | None = None) -> None:
        """A timer is due."""
        if kind is TimerKind.STUBBED_INVOKE and operation_id is not None:
            self._invokes.end_stubbed(arn, operation_id)
        else:
            self._executions.fire(arn, kind, operation_id)

    def deployment_of(self, arn: str) -> int | None:
        """The number of the runner whose execution this is; None if it was forgotten."""
        execution = self._executions.find(arn)
        return None if execution is None else execution.request.deployment

    def parent_of(self, arn: str) -> str | None:
        """The ARN of the execution that invoked this one, if one did that was not deleted."""
        parent = self._executions.get(arn).request.parent
        return None if parent is None or self._executions.find(parent[0]) is None else parent[0]

    @refusals_of("GetDurableExecutionHistory")
    def events_after(self, arn: str, event_id: int) -> list[dict[str, Any]]:
        """The history's events after that one."""
        return self._executions.get(arn).checkpoints.journal.events[event_id:]

    def has_open_callbacks(self) -> bool:
        return self._callbacks.has_open

    def heartbeats(self, callback_id: str) -> int:
        return self._callbacks.heartbeats(callback_id)


@cache
def _has_expected_timeout() -> bool:
    """Whether the installed botocore knows this member, which is newer than the rest."""
    operation: Any = service_model().operation_model("GetDurableExecution")
    return "ExpectedExecutionTimeoutTimestamp" in operation.output_shape.members


def _summary(execution: DurableExecution) -> dict[str, Any]:
    summary = {
        "DurableExecutionArn": execution.arn,
        "DurableExecutionName": execution.name,
        "FunctionArn": execution.request.function.qualified_arn,
        "StartTimestamp": execution.started_at,
        "Status": execution.status,
    }
    return summary if execution.ended_at is None else {**summary, "EndTimestamp": execution.ended_at}


def _filter(request: Mapping[str, Any], qualifier: str | None) -> Callable[[DurableExecution], bool]:
    name, statuses = request.get("DurableExecutionName"), request.get("Statuses")
    after, before = (
        parse_to_aware_datetime(request[key]) if key in request else None for key in ("StartedAfter", "StartedBefore")
    )

    def matches(execution: DurableExecution) -> bool:
        return (
            qualifier in (None, execution.request.function.version)
            and name in (None, execution.name)
            and (statuses is None or execution.status in statuses)
            and (after is None or execution.started_at > after)
            and (before is None or execution.started_at < before)
        )

    return matches
