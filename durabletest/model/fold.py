"""The rules by which one event changes the record it is about; every status comes from the type of an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from durabletest.model.details import ErrorDetails
from durabletest.model.enums import ExecutionStatus, OperationStatus, OperationType
from durabletest.model.payloads import TruncatedPayload
from durabletest.model.records import ExecutionRecord, Invocation, OperationRecord

Event = Mapping[str, Any]

_TYPES = {
    "Step": OperationType.STEP,
    "Wait": OperationType.WAIT,
    "Callback": OperationType.CALLBACK,
    "ChainedInvoke": OperationType.CHAINED_INVOKE,
    "Context": OperationType.CONTEXT,
}
_OUTCOMES = {
    "Started": OperationStatus.STARTED,
    "Succeeded": OperationStatus.SUCCEEDED,
    "Failed": OperationStatus.FAILED,
    "TimedOut": OperationStatus.TIMED_OUT,
    "Stopped": OperationStatus.STOPPED,
    "Cancelled": OperationStatus.CANCELLED,
}
OPERATION_EVENTS = {
    prefix + outcome: (type_, status) for prefix, type_ in _TYPES.items() for outcome, status in _OUTCOMES.items()
}
EXECUTION_EVENTS = {
    "ExecutionStarted": ExecutionStatus.RUNNING,
    "ExecutionResumed": ExecutionStatus.RUNNING,
    "ExecutionPaused": ExecutionStatus.PAUSED,
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionStopped": ExecutionStatus.STOPPED,
}
_ENDED_WITH = {
    ExecutionStatus.TIMED_OUT: OperationStatus.TIMED_OUT,
    ExecutionStatus.STOPPED: OperationStatus.STOPPED,
}
_STARTED_FIELDS = {
    "Duration": "wait_seconds",
    "ScheduledEndTimestamp": "scheduled_end",
    "CallbackId": "callback_id",
    "Timeout": "timeout",
    "HeartbeatTimeout": "heartbeat_timeout",
    "FunctionName": "function_name",
    "DurableExecutionArn": "child_arn",
    "ExecutedVersion": "executed_version",
    "TenantId": "tenant_id",
}


def details_of(event: Event) -> Mapping[str, Any]:
    """The part of an event that is named after its type."""
    details: Mapping[str, Any] = event.get(f"{event['EventType']}Details") or {}
    return details


def fold_execution(execution: ExecutionRecord, event: Event) -> None:
    details = details_of(event)
    execution.status = EXECUTION_EVENTS[event["EventType"]]
    if event["EventType"] == "ExecutionStarted":
        execution.id, execution.name = event.get("Id"), event.get("Name")
        execution.started_at = event["EventTimestamp"]
        execution.input = payload_of(details, "Input")
        execution.timeout = details.get("ExecutionTimeout")
    elif execution.ended:
        execution.ended_at = event["EventTimestamp"]
        execution.result = payload_of(details, "Result")
        execution.error = error_of(details)


def end_with_execution(record: OperationRecord, execution: ExecutionRecord) -> None:
    """What is still in progress when an execution times out or is stopped ends with it, without an event of its own."""
    status = _ENDED_WITH.get(execution.status)
    if status is not None and not record.status.is_terminal:
        record.status, record.ended_at, record.next_attempt_at = status, execution.ended_at, None


def invocation(index: int, event: Event) -> Invocation:
    details = details_of(event)
    started_at, ended_at = (details.get(key, event["EventTimestamp"]) for key in ("StartTimestamp", "EndTimestamp"))
    return Invocation(index, details.get("RequestId", ""), started_at, ended_at, error=error_of(details))


def new_operation(event: Event) -> OperationRecord:
    """The record that an operation's first event makes; the event itself still has to be folded into it."""
    type_, _ = OPERATION_EVENTS[event["EventType"]]
    record = OperationRecord(event["Id"], type_, event["EventTimestamp"])
    record.name, record.sub_type, record.parent_id = event.get("Name"), event.get("SubType"), event.get("ParentId")
    return record


def fold_operation(record: OperationRecord, event: Event) -> None:
    _, status = OPERATION_EVENTS[event["EventType"]]
    details = details_of(event)
    if status is OperationStatus.STARTED:
        _start(record, details)
    else:
        _end(record, event, status)
    record.status = status
    retry = details.get("RetryDetails")
    if retry is not None:
        _complete_attempt(record, event, retry)


def _start(record: OperationRecord, details: Mapping[str, Any]) -> None:
    for key, attribute in _STARTED_FIELDS.items():
        if details.get(key) is not None:
            setattr(record, attribute, details[key])
    record.input = payload_of(details, "Input")
    record.next_attempt_at = None
    if record.type is OperationType.STEP:
        record.attempts = _completed_attempts(record) + 1


def _end(record: OperationRecord, event: Event, status: OperationStatus) -> None:
    details = details_of(event)
    record.ended_at = event["EventTimestamp"]
    record.error = error_of(details)
    record.result = payload_of(details, "Result") if status is OperationStatus.SUCCEEDED else None


def _complete_attempt(record: OperationRecord, event: Event, retry: Mapping[str, Any]) -> None:
    """An attempt that names the delay to the next one leaves the operation pending until then."""
    record.attempts = retry.get("CurrentAttempt") or max(record.attempts, 1)
    delay = retry.get("NextAttemptDelaySeconds")
    if delay is not None:
        record.status, record.ended_at = OperationStatus.PENDING, None
        record.retry_delays.append(delay)
        record.next_attempt_at = event["EventTimestamp"] + timedelta(seconds=delay)


def _completed_attempts(record: OperationRecord) -> int:
    """An interrupted attempt that is started again is still the same attempt."""
    return record.attempts if record.status is OperationStatus.PENDING else max(record.attempts - 1, 0)


def payload_of(details: Mapping[str, Any], key: str) -> str | None:
    wrapper = details.get(key) or {}
    payload: str | None = wrapper.get("Payload")
    return TruncatedPayload(payload or "") if wrapper.get("Truncated") else payload


def error_of(details: Mapping[str, Any]) -> ErrorDetails | None:
    wrapper = details.get("Error") or {}
    error = wrapper.get("Payload")
    if error is None:
        return ErrorDetails(message="(the service has truncated the error)") if wrapper.get("Truncated") else None
    return ErrorDetails.of(error)
