"""The history of one execution, the only place where events become operations, and the names that messages use.

Every status follows from the type of an event: ``StepSucceeded`` makes a STEP that is SUCCEEDED.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from durabletest.model.lookup import OperationIndex
from durabletest.model.payloads import TruncatedPayload
from durabletest.model.records import (
    WAIT_FOR_CALLBACK,
    WAIT_FOR_CONDITION,
    ErrorDetails,
    ExecutionRecord,
    ExecutionStatus,
    Invocation,
    OperationRecord,
    OperationStatus,
    OperationType,
)
from durabletest.model.times import plain_event

_OPERATION_EVENTS = {
    "StepStarted": (OperationType.STEP, OperationStatus.STARTED),
    "StepSucceeded": (OperationType.STEP, OperationStatus.SUCCEEDED),
    "StepFailed": (OperationType.STEP, OperationStatus.FAILED),
    "WaitStarted": (OperationType.WAIT, OperationStatus.STARTED),
    "WaitSucceeded": (OperationType.WAIT, OperationStatus.SUCCEEDED),
    "WaitCancelled": (OperationType.WAIT, OperationStatus.CANCELLED),
    "CallbackStarted": (OperationType.CALLBACK, OperationStatus.STARTED),
    "CallbackSucceeded": (OperationType.CALLBACK, OperationStatus.SUCCEEDED),
    "CallbackFailed": (OperationType.CALLBACK, OperationStatus.FAILED),
    "CallbackTimedOut": (OperationType.CALLBACK, OperationStatus.TIMED_OUT),
    "ChainedInvokeStarted": (OperationType.CHAINED_INVOKE, OperationStatus.STARTED),
    "ChainedInvokeSucceeded": (OperationType.CHAINED_INVOKE, OperationStatus.SUCCEEDED),
    "ChainedInvokeFailed": (OperationType.CHAINED_INVOKE, OperationStatus.FAILED),
    "ChainedInvokeTimedOut": (OperationType.CHAINED_INVOKE, OperationStatus.TIMED_OUT),
    "ChainedInvokeStopped": (OperationType.CHAINED_INVOKE, OperationStatus.STOPPED),
    "ContextStarted": (OperationType.CONTEXT, OperationStatus.STARTED),
    "ContextSucceeded": (OperationType.CONTEXT, OperationStatus.SUCCEEDED),
    "ContextFailed": (OperationType.CONTEXT, OperationStatus.FAILED),
}
_EXECUTION_EVENTS = {
    "ExecutionStarted": ExecutionStatus.RUNNING,
    "ExecutionResumed": ExecutionStatus.RUNNING,
    "ExecutionPaused": ExecutionStatus.PAUSED,
    "ExecutionSucceeded": ExecutionStatus.SUCCEEDED,
    "ExecutionFailed": ExecutionStatus.FAILED,
    "ExecutionTimedOut": ExecutionStatus.TIMED_OUT,
    "ExecutionStopped": ExecutionStatus.STOPPED,
}
_ENDS_OPERATIONS = {
    ExecutionStatus.TIMED_OUT: OperationStatus.TIMED_OUT,
    ExecutionStatus.STOPPED: OperationStatus.STOPPED,
}
"""Operations in progress end with such an execution, without events of their own."""


class History(OperationIndex):
    """The events of one execution, and the operations, invocations and execution record that they make.

    ``events`` are dictionaries as boto3 gives them, in the order of their ``EventId``. Events of unknown types are kept
    there and change nothing else.
    """

    def __init__(self, events: Iterable[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self._seen: set[int] = set()
        self.extend(events)

    def _reset(self) -> None:
        super()._reset()
        self.invocations: list[Invocation] = []
        self.execution = ExecutionRecord()

    def extend(self, events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Add pages of events in any order, and return copies of the new ones; known ``EventId`` are ignored."""
        new = {event["EventId"]: event for event in events if event["EventId"] not in self._seen}
        if not new:
            return []
        late = bool(self.events) and min(new) < self.events[-1]["EventId"]
        self._seen.update(new)
        added = [plain_event(new[event_id]) for event_id in sorted(new)]
        self.events.extend(added)
        if late:
            self.events.sort(key=lambda event: int(event["EventId"]))
            self._reset()
        for event in self.events if late else added:
            self._apply(event)
        return added

    def operation_of(self, event: Mapping[str, Any]) -> OperationRecord | None:
        """The operation of an event; ``None`` for events of the execution or an invocation."""
        return self._by_id.get(event.get("Id"))

    def _apply(self, event: dict[str, Any]) -> None:
        event_type = event.get("EventType")
        if event_type in _OPERATION_EVENTS and "Id" in event:
            type_, status = _OPERATION_EVENTS[event_type]
            record = self._by_id.get(event["Id"])
            if record is None:
                names = (event.get("Name"), event.get("SubType"), event.get("ParentId"))
                record = OperationRecord(event["Id"], type_, event["EventTimestamp"], *names)
                self._add(record)
            _apply_to_operation(record, status, event)
        elif event_type in _EXECUTION_EVENTS:
            _apply_to_execution(self.execution, event)
            if self.execution.status in _ENDS_OPERATIONS:
                self._end_operations(_ENDS_OPERATIONS[self.execution.status])
        elif event_type == "InvocationCompleted":
            details = details_of(event)
            start, end = (details.get(key, event["EventTimestamp"]) for key in ("StartTimestamp", "EndTimestamp"))
            index, request_id = len(self.invocations) + 1, details.get("RequestId", "")
            self.invocations.append(Invocation(index, request_id, start, end, error=_error_of(details)))
        subject = self._by_id.get(event.get("Id"))
        if subject is not None:
            subject.events.append(event)

    def _end_operations(self, status: OperationStatus) -> None:
        for record in self.operations:
            if not record.status.is_terminal:
                record.status, record.ended_at, record.next_attempt_at = status, self.execution.ended_at, None


def details_of(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The details of an event, which stand under a key named after its type: ``StepSucceededDetails``.

    A local event has got them from ``Journal.record``.
    """
    details: Mapping[str, Any] = event.get(f"{event['EventType']}Details") or {}
    return details


def _apply_to_execution(execution: ExecutionRecord, event: Mapping[str, Any]) -> None:
    details = details_of(event)
    execution.status = _EXECUTION_EVENTS[event["EventType"]]
    if event["EventType"] == "ExecutionStarted":
        execution.id, execution.name = event.get("Id"), event.get("Name")
        execution.started_at = event["EventTimestamp"]
        execution.input = _payload_of(details, "Input")
        execution.timeout = details.get("ExecutionTimeout")
    elif execution.ended:
        execution.ended_at = event["EventTimestamp"]
        execution.result = _payload_of(details, "Result")
        execution.error = _error_of(details)


def _apply_to_operation(record: OperationRecord, status: OperationStatus, event: Mapping[str, Any]) -> None:
    details = details_of(event)
    if status is OperationStatus.STARTED:
        _start(record, details)
    else:
        record.ended_at = event["EventTimestamp"]
        record.error = _error_of(details)
        record.result = _payload_of(details, "Result") if status is OperationStatus.SUCCEEDED else None
    record.status = status
    retry = details.get("RetryDetails")
    if retry is not None:
        _complete_attempt(record, event, retry)


def _start(record: OperationRecord, details: Mapping[str, Any]) -> None:
    record.wait_seconds = details.get("Duration", record.wait_seconds)
    record.scheduled_end = details.get("ScheduledEndTimestamp", record.scheduled_end)
    record.callback_id = details.get("CallbackId", record.callback_id)
    record.timeout = details.get("Timeout", record.timeout)
    record.heartbeat_timeout = details.get("HeartbeatTimeout", record.heartbeat_timeout)
    record.function_name = details.get("FunctionName", record.function_name)
    record.child_arn = details.get("DurableExecutionArn", record.child_arn)
    record.executed_version = details.get("ExecutedVersion", record.executed_version)
    record.tenant_id = details.get("TenantId", record.tenant_id)
    record.input = _payload_of(details, "Input")
    record.next_attempt_at = None
    if record.type is OperationType.STEP and (record.status is OperationStatus.PENDING or not record.attempts):
        record.attempts += 1  # otherwise an interrupted attempt is started again, which is still the same attempt


def _complete_attempt(record: OperationRecord, event: Mapping[str, Any], retry: Mapping[str, Any]) -> None:
    """End an attempt; if it has a delay until the next one, the operation is pending until then."""
    record.attempts = retry.get("CurrentAttempt") or max(record.attempts, 1)
    delay = retry.get("NextAttemptDelaySeconds")
    if delay:  # AWS's local test server writes 0 where there is no next attempt; a delay is at least 1
        record.status, record.ended_at = OperationStatus.PENDING, None
        record.retry_delays.append(delay)
        record.next_attempt_at = event["EventTimestamp"] + timedelta(seconds=delay)


def _payload_of(details: Mapping[str, Any], key: str) -> str | None:
    wrapper = details.get(key) or {}
    payload: str | None = wrapper.get("Payload")
    return TruncatedPayload(payload or "") if wrapper.get("Truncated") else payload


def _error_of(details: Mapping[str, Any]) -> ErrorDetails | None:
    wrapper = details.get("Error") or {}
    error = wrapper.get("Payload")
    if error is None:
        return ErrorDetails(message="(the service has truncated the error)") if wrapper.get("Truncated") else None
    return ErrorDetails.of(error)


# --- names: those by which the author knows operations. To the author a ``wait_for_callback`` is one operation, to the
# service a context with two children, a CALLBACK and the STEP of the submitter. ---

_WORDS_BY_SUB_TYPE = {
    WAIT_FOR_CALLBACK: "callback",
    WAIT_FOR_CONDITION: "condition",
    "Map": "map",
    "MapIteration": "map iteration",
    "Parallel": "parallel",
    "ParallelBranch": "branch",
}
_WORDS_BY_TYPE = {
    OperationType.STEP: "step",
    OperationType.WAIT: "wait",
    OperationType.CALLBACK: "callback",
    OperationType.CHAINED_INVOKE: "invoke",
    OperationType.CONTEXT: "context",
}


def word_for(sub_type: str | None, type_: str) -> str:
    """The word for an operation of that sub-type, or else of that type: ``callback``, ``branch``, ``step``."""
    return _WORDS_BY_SUB_TYPE.get(sub_type or "") or _WORDS_BY_TYPE[OperationType(type_)]


def title(history: History, record: OperationRecord) -> str:
    """``step 'order/charge'``, ``step 'charge' (index 1)``, or with the id: ``unnamed wait '3-1'``."""
    word = word_for(record.sub_type, record.type)
    if not record.name:
        return f"unnamed {word} {record.id!r}"
    index = history.index_of(record)
    return f"{word} {history.path_of(record)!r}" + (f" (index {index})" if index else "")


def execution_name(arn: str) -> str:
    """The name in ``.../durable-execution/NAME/ID``; an ARN of another form is returned whole."""
    head, separator, tail = arn.partition("/durable-execution/")
    return tail.split("/")[0] if head and separator else arn


def execution_title(arn: str) -> str:
    """``execution 'order-42'``."""
    return f"execution {execution_name(arn)!r}"


def submitter_child(history: History, record: OperationRecord) -> OperationRecord | None:
    """The STEP of the submitter inside a ``wait_for_callback``, if it exists yet."""
    return _child(history, record, OperationType.STEP)


def _child(history: History, record: OperationRecord, type_: OperationType) -> OperationRecord | None:
    return next((child for child in history.children(record) if child.type is type_), None)


def callback_of(history: History, record: OperationRecord) -> OperationRecord | None:
    """The CALLBACK that an operation is, or has inside as a ``wait_for_callback``; otherwise ``None``."""
    if record.type is OperationType.CALLBACK:
        return record
    return _child(history, record, OperationType.CALLBACK) if record.is_wait_for_callback else None


def as_written(history: History, record: OperationRecord) -> OperationRecord:
    """The operation that the author wrote: the ``wait_for_callback`` around a CALLBACK, or the operation itself."""
    parent = history.parent(record)
    if record.type is OperationType.CALLBACK and parent is not None and parent.is_wait_for_callback:
        return parent
    return record


def callback_names(history: History, record: OperationRecord) -> tuple[str, ...]:
    """The names of a CALLBACK, that of the ``wait_for_callback`` around it first."""
    names = (as_written(history, record).name, record.name)
    return tuple(dict.fromkeys(name for name in names if name is not None))
