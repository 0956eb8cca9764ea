"""The Lambda durable-execution API as boto3 shapes it: same keyword arguments, same answers, same modelled errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, TypeVar

from botocore.utils import parse_to_aware_datetime

from durabletest.local.server.callbacks import CallbackManager
from durabletest.local.server.events import copied, error_of, result_of, without_execution_data
from durabletest.local.server.executions import Execution, ExecutionManager
from durabletest.local.server.functions import split_name
from durabletest.local.server.modelled import modelled_error, service_model
from durabletest.local.server.paging import DEFAULT_ITEMS
from durabletest.local.server.rules import callback_result, check_error_size
from durabletest.local.server.validation import validate_request

ItemT = TypeVar("ItemT")

RETENTION_DAYS = 30
"""For how long the service keeps a history when nothing else was configured (API documentation)."""


class LambdaApi:
    """One method for each operation of the API, with the request's members as keyword arguments.

    ``knows`` tells whether there is a function of that bare name.
    """

    def __init__(
        self,
        executions: ExecutionManager,
        callbacks: CallbackManager,
        now: Callable[[], datetime],
        knows: Callable[[str], bool],
    ) -> None:
        self._knows_function = knows
        self._executions = executions
        self._callbacks = callbacks
        self._now = now

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        """Record a batch of operation updates."""
        validate_request("CheckpointDurableExecution", request)
        execution = self._token_holder(request["DurableExecutionArn"], "CheckpointDurableExecution")
        return execution.checkpoints.checkpoint(
            request["CheckpointToken"], request.get("Updates", ()), request.get("ClientToken")
        )

    def get_durable_execution_state(self, **request: Any) -> dict[str, Any]:
        """One page of the operations."""
        validate_request("GetDurableExecutionState", request)
        execution = self._token_holder(request["DurableExecutionArn"], "GetDurableExecutionState")
        return execution.checkpoints.state(
            request["CheckpointToken"], request.get("Marker"), request.get("MaxItems") or DEFAULT_ITEMS
        )

    def get_durable_execution(self, **request: Any) -> dict[str, Any]:
        """The execution: its status, input, result or error."""
        validate_request("GetDurableExecution", request)
        execution = self._executions.get(request["DurableExecutionArn"], "GetDurableExecution")
        included = request.get("IncludeExecutionData", True)
        answer = {
            **_summary(execution),
            "Version": execution.request.function.version,
            "ExecutionDataIncluded": included,
            "DurableConfig": {
                "ExecutionTimeout": execution.timeout,
                "RetentionPeriodInDays": RETENTION_DAYS,
            },
        }
        if execution.running and _tells_when_it_times_out():
            answer["ExpectedExecutionTimeoutTimestamp"] = execution.started_at + timedelta(seconds=execution.timeout)
        if included:
            data = {
                "InputPayload": execution.request.payload,
                "Result": execution.result,
                "Error": execution.error,
            }
            answer |= {key: value for key, value in data.items() if value is not None}
        return answer

    def get_durable_execution_history(self, **request: Any) -> dict[str, Any]:
        """One page of the history; payloads only with ``IncludeExecutionData``."""
        validate_request("GetDurableExecutionHistory", request)
        execution = self._executions.get(request["DurableExecutionArn"], "GetDurableExecutionHistory")
        backwards = bool(request.get("ReverseOrder"))
        events, more = _page(execution.checkpoints.events.events, backwards, request, "GetDurableExecutionHistory")
        if not request.get("IncludeExecutionData"):
            events = [without_execution_data(event) for event in events]
        return {"Events": [copied(event) for event in events], **more}

    def list_durable_executions_by_function(self, **request: Any) -> dict[str, Any]:
        """The executions of one function, filtered by qualifier, name, status and start time; the newest first.

        With ``ReverseOrder`` the oldest comes first.
        """
        validate_request("ListDurableExecutionsByFunction", request)
        name, qualifier = split_name(request["FunctionName"])
        qualifier = request.get("Qualifier", qualifier)
        of_function = self._executions.of_function(name)
        if not of_function and not self._knows_function(name):
            raise modelled_error(
                "ResourceNotFoundException", f"Function not found: {name}", "ListDurableExecutionsByFunction"
            )
        newest_first, matches = not request.get("ReverseOrder"), _filter(request, qualifier)
        found, more = _page(of_function, newest_first, request, "ListDurableExecutionsByFunction", matches)
        return {"DurableExecutions": [_summary(execution) for execution in found], **more}

    def stop_durable_execution(self, **request: Any) -> dict[str, Any]:
        """End a running execution with STOPPED; one that has ended stays as it is."""
        validate_request("StopDurableExecution", request)
        execution = self._executions.get(request["DurableExecutionArn"], "StopDurableExecution")
        check_error_size(request.get("Error"), "StopDurableExecution")
        if execution.running:
            self._executions.stop(execution, request.get("Error"))
        return {"StopTimestamp": execution.ended_at}

    def send_durable_execution_callback_success(self, **request: Any) -> dict[str, Any]:
        """Complete a callback; ``Result`` is bytes, and reaches the handler as the text they are."""
        validate_request("SendDurableExecutionCallbackSuccess", request)
        result = callback_result(request.get("Result"))
        self._complete(request["CallbackId"], "SendDurableExecutionCallbackSuccess", "SUCCEEDED", result, None)
        return {}

    def send_durable_execution_callback_failure(self, **request: Any) -> dict[str, Any]:
        """Fail a callback with ``Error``."""
        validate_request("SendDurableExecutionCallbackFailure", request)
        error = request.get("Error", {})
        check_error_size(error, "SendDurableExecutionCallbackFailure")
        self._complete(request["CallbackId"], "SendDurableExecutionCallbackFailure", "FAILED", None, error)
        return {}

    def send_durable_execution_callback_heartbeat(self, **request: Any) -> dict[str, Any]:
        """Start the callback's heartbeat timeout anew."""
        validate_request("SendDurableExecutionCallbackHeartbeat", request)
        self._callbacks.heartbeat(request["CallbackId"])
        return {}

    def _token_holder(self, arn: str, api_operation: str) -> Execution:
        """The model has no ResourceNotFoundException for these operations: a foreign ARN is a wrong token."""
        execution = self._executions.find(arn)
        if execution is None:
            raise modelled_error("InvalidParameterValueException", "Invalid checkpoint token", api_operation)
        return execution

    def _complete(
        self, callback_id: str, api_operation: str, status: str, result: str | None, error: Mapping[str, Any] | None
    ) -> None:
        record = self._callbacks.open(callback_id, api_operation)
        checkpoints = self._executions.get(record.arn, api_operation).checkpoints
        self._callbacks.close(callback_id, f"it has {status}, and the first answer stands")
        details = {"Result": result, "Error": error}
        operation = checkpoints.operations.change(record.operation_id, status, details, self._now())
        if status == "SUCCEEDED":
            checkpoints.events.record("CallbackSucceeded", {"Result": result_of(result)}, operation)
        else:
            checkpoints.events.record("CallbackFailed", {"Error": error_of(error)}, operation)
        checkpoints.changed_outside(record.operation_id)


@cache
def _tells_when_it_times_out() -> bool:
    """Whether the installed botocore knows that member; it came later than the rest."""
    operation: Any = service_model().operation_model("GetDurableExecution")
    return "ExpectedExecutionTimeoutTimestamp" in operation.output_shape.members


def _summary(execution: Execution) -> dict[str, Any]:
    summary = {
        "DurableExecutionArn": execution.arn,
        "DurableExecutionName": execution.name,
        "FunctionArn": execution.request.function.qualified_arn,
        "StartTimestamp": execution.started_at,
        "Status": execution.status,
    }
    return summary if execution.ended_at is None else {**summary, "EndTimestamp": execution.ended_at}


def _filter(request: Mapping[str, Any], qualifier: str | None) -> Callable[[Execution], bool]:
    """Which executions the request asks for."""
    name, statuses = request.get("DurableExecutionName"), request.get("Statuses")
    after, before = (
        parse_to_aware_datetime(request[key]) if key in request else None for key in ("StartedAfter", "StartedBefore")
    )

    def matches(execution: Execution) -> bool:
        return (
            qualifier in (None, execution.request.function.version)
            and name in (None, execution.name)
            and (statuses is None or execution.status in statuses)
            and (after is None or execution.started_at > after)
            and (before is None or execution.started_at < before)
        )

    return matches


def _page(
    items: Sequence[ItemT],
    backwards: bool,
    request: Mapping[str, Any],
    api_operation: str,
    wanted: Callable[[ItemT], bool] = lambda _: True,
) -> tuple[list[ItemT], dict[str, str]]:
    """The wanted items of the page that is asked for, and the marker of the next page if there is one.

    Items are only ever added at the end. The marker is the place of an item, which what comes meanwhile does not move.
    """
    start = _place_of(request.get("Marker"), api_operation)
    last = len(items) - 1
    places = range(last if start is None else min(start, last), -1, -1) if backwards else range(start or 0, last + 1)
    count = request.get("MaxItems") or DEFAULT_ITEMS
    found = list(islice((place for place in places if wanted(items[place])), count + 1))
    return [items[place] for place in found[:count]], {"NextMarker": f"item-{found[-1]}"} if found[count:] else {}


def _place_of(marker: str | None, api_operation: str) -> int | None:
    if not marker:
        return None
    prefix, _, number = marker.partition("-")
    if prefix != "item" or not number.isdecimal():
        raise modelled_error("InvalidParameterValueException", f"Invalid marker: {marker}", api_operation)
    return int(number)
