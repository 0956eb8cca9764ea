"""One operation as tests see it: its facts, its details by type, answers to its callback, and futures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Any

from durabletest import errors
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, callback_of, execution_title, title
from durabletest.model.lookup import closest, did_you_mean, member
from durabletest.model.payloads import ErrorSource, error_object, result_argument
from durabletest.model.records import (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    InvokeDetails,
    OperationId,
    OperationRecord,
    OperationStatus,
    OperationType,
    StepDetails,
    WaitDetails,
    WaitingStatus,
)
from durabletest.model.times import plain, stamp
from durabletest.model.wait_for_data import OperationFuture

_GETTERS = {
    OperationType.STEP: "get_step_details()",
    OperationType.WAIT: "get_wait_details()",
    OperationType.CALLBACK: "get_callback_details()",
    OperationType.CHAINED_INVOKE: "get_invoke_details()",
    OperationType.CONTEXT: "get_context_details()",
}
_TOO_LATE = frozenset({"CallbackTimeoutException", "ResourceNotFoundException"})
"""The service's error codes for an answer to a callback that has ended."""


class DurableOperation:
    """A handle on one operation, by name, path or id.

    Every property reads the current history, so a handle on a running execution follows its progress. The operation
    need not exist yet: until it does, reading raises ``OperationNotFoundError``, and ``wait_for_data`` waits for it.
    """

    def __init__(self, view: ExecutionView, path: str, index: int = 0) -> None:
        self._view = view
        self._path = path
        self._index = index

    @property
    def record(self) -> OperationRecord:
        """The operation as it is in the history at this moment."""
        return self._view.history().find(self._path, self._index)

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str | None:
        return self.record.name

    @property
    def type(self) -> OperationType:
        return self.record.type

    @property
    def sub_type(self) -> str | None:
        return self.record.sub_type

    @property
    def parent_id(self) -> str | None:
        return self.record.parent_id

    @property
    def status(self) -> OperationStatus:
        return self.record.status

    @property
    def started_at(self) -> datetime:
        """The start of the first attempt."""
        return self.record.started_at

    @property
    def ended_at(self) -> datetime | None:
        return self.record.ended_at

    @property
    def duration(self) -> timedelta | None:
        """From start to end, ``None`` while it has not ended."""
        return self.record.duration

    @property
    def attempts(self) -> int:
        """The attempts of a STEP, including a running one; 0 for other types."""
        return self.record.attempts

    @property
    def error(self) -> ErrorDetails | None:
        return self.record.error

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of this operation: dictionaries as boto3 gives them."""
        return list(self.record.events)

    def get_step_details(self) -> StepDetails:
        record = self._of_type(OperationType.STEP)
        delays = tuple(timedelta(seconds=delay) for delay in record.retry_delays)
        outcome = (self._decoded(record), record.error, record.result)
        return StepDetails(record.attempts, *outcome, retry_delays=delays, next_attempt_at=record.next_attempt_at)

    def get_wait_details(self) -> WaitDetails:
        record = self._of_type(OperationType.WAIT)
        return WaitDetails(_seconds(record.wait_seconds), record.scheduled_end)

    def get_callback_details(self) -> CallbackDetails:
        """The details of a CALLBACK; for a ``wait_for_callback``, those of the CALLBACK inside it."""
        history = self._view.history()
        record = history.find(self._path, self._index)
        callback = callback_of(history, record)
        if callback is None and record.is_wait_for_callback:
            raise errors.CallbackNotReadyError(f"{title(history, record)} has not created its callback yet")
        callback = callback or self._of_type(OperationType.CALLBACK)
        outcome = (self._decoded(callback), callback.error, callback.result)
        timeouts = (_seconds(callback.timeout), _seconds(callback.heartbeat_timeout))
        return CallbackDetails(callback.callback_id, *outcome, *timeouts)

    def get_invoke_details(self) -> InvokeDetails:
        record = self._of_type(OperationType.CHAINED_INVOKE)
        outcome = (self._decoded(record), record.error, record.result)
        child = (record.child_arn, record.executed_version, record.tenant_id)
        return InvokeDetails(record.function_name, *outcome, record.input, *child)

    def get_context_details(self) -> ContextDetails:
        record = self._of_type(OperationType.CONTEXT)
        return ContextDetails(self._decoded(record), record.error, record.result)

    def send_callback_success(self, result: Any = None) -> None:
        """Answer the callback: ``str`` and ``bytes`` as they are, any other value as JSON, nothing for ``None``."""
        self._answer(self._view.client.send_durable_execution_callback_success, **result_argument(result))

    def send_callback_failure(
        self,
        error_type: ErrorSource = None,
        message: str | None = None,
        data: Any = None,
        stack_trace: Sequence[str] | None = None,
    ) -> None:
        """Fail the callback with an error type and message, or with an exception that has both."""
        error = error_object(error_type, message, data, stack_trace)
        self._answer(self._view.client.send_durable_execution_callback_failure, Error=error)

    def send_callback_heartbeat(self) -> None:
        """Restart the heartbeat timeout of the callback; its overall timeout is not changed."""
        self._answer(self._view.client.send_durable_execution_callback_heartbeat)

    def wait_for_data(self, status: WaitingStatus = WaitingStatus.STARTED) -> Future[DurableOperation]:
        """A future that resolves to this operation when it reaches the status.

        If the execution ends first, the future fails with ``OperationNotReachedError``; ``result(timeout)`` raises
        ``WaitTimeoutError`` after that many real seconds. Cancelling the future ends the wait.
        """
        wanted = member(WaitingStatus, status, "status to wait for")

        def with_id(record: OperationRecord) -> DurableOperation:
            return DurableOperation(self._view, OperationId(record.id))

        return OperationFuture(self._view, self._path, self._index, wanted, with_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DurableOperation):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._view.arn)

    def __repr__(self) -> str:
        try:
            history = self._view.history()
            record = history.find(self._path, self._index)
        except errors.DurableTestError:
            index = f", index={self._index}" if self._index else ""
            return f"<DurableOperation {str(self._path)!r}{index}: does not exist (yet)>"
        return f"<DurableOperation {title(history, record)}: {record.status}>"

    def _identity(self) -> tuple[str, str, int]:
        """The id if the operation exists, because it may have been looked up by different names."""
        try:
            return self._view.arn, OperationId(self.id), 0
        except errors.DurableTestError:
            return self._view.arn, self._path, self._index

    def _decoded(self, record: OperationRecord) -> Any:
        return None if record.result is None else plain(self._view.decode(record.result, record))

    def _of_type(self, type_: OperationType) -> OperationRecord:
        history = self._view.history()
        record = history.find(self._path, self._index)
        if record.type is not type_:
            msg = f"{title(history, record)} is a {record.type}, not a {type_}: use {_GETTERS[record.type]}"
            raise errors.WrongOperationTypeError(msg)
        return record

    def _answer(self, send: Callable[..., object], **arguments: Any) -> None:
        """Send an answer with a method of the Lambda client; if it comes too late, raise ``CallbackCompletedError``."""
        from botocore.exceptions import ClientError  # it is slow to import, and few tests need it

        callback = _callback_to_answer(self._view.history(), self._path, self._index)
        try:
            send(CallbackId=callback.callback_id, **arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _TOO_LATE:
                raise
            raise errors.CallbackCompletedError(f"{self._why_too_late()}\n{error}") from error

    def _why_too_late(self) -> str:
        history = self._view.history()
        record, execution = history.find(self._path, self._index), history.execution
        callback = _callback_to_answer(history, self._path, self._index)
        answered = callback.events[-1]["EventType"] != "CallbackStarted"
        if callback.status is OperationStatus.TIMED_OUT and callback.ended_at is not None:
            since = f"is TIMED_OUT since {stamp(callback.ended_at)}: the answer comes too late"
        elif answered and callback.ended_at is not None:
            since = f"is {callback.status} since {stamp(callback.ended_at)}: the first answer stands"
        elif execution.ended_at is not None:
            since = f"can no longer be answered: the execution is {execution.status} since {stamp(execution.ended_at)}"
        else:
            since = f"is {callback.status} since {stamp(callback.started_at)}, and the service refuses the answer"
        return f"{title(history, record)} of {execution_title(self._view.arn)} {since}"


def _callback_to_answer(history: History, path: str, index: int) -> OperationRecord:
    """The CALLBACK of an operation; raises ``CallbackNotReadyError`` or ``WrongOperationTypeError``."""
    try:
        record = history.find(path, index)
    except errors.OperationNotFoundError as error:
        if history.execution.ended:
            raise
        raise _not_ready(f"callback {str(path)!r}", did_you_mean(closest(history, path))) from error
    callback = callback_of(history, record)
    if callback is None and record.is_wait_for_callback:
        raise _not_ready(title(history, record))
    if callback is None:
        raise errors.WrongOperationTypeError(
            f"{title(history, record)} is a {record.type}; only callbacks can be answered"
        )
    return callback


def _not_ready(callback: str, hint: str = "") -> errors.CallbackNotReadyError:
    return errors.CallbackNotReadyError(
        f"{callback} cannot be answered yet, because it does not exist yet{hint}\n"
        "Wait for it first: .wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)"
    )


def _seconds(seconds: int | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None
