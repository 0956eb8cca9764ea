"""One operation as tests see it: facts, details by type, answers to callbacks, and futures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from durabletest.errors import CallbackNotReadyError, DurableTestError, WaitTimeoutError, WrongOperationTypeError
from durabletest.model import callbacks
from durabletest.model.details import (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    InvokeDetails,
    StepDetails,
    WaitDetails,
)
from durabletest.model.enums import OperationStatus, OperationType, WaitingStatus
from durabletest.model.history import History
from durabletest.model.payloads import encode_callback_result
from durabletest.model.records import OperationId, OperationRecord
from durabletest.model.suggest import member
from durabletest.model.times import plain
from durabletest.model.titles import title
from durabletest.model.traits import callback_of
from durabletest.model.view import ExecutionView
from durabletest.model.waiting import not_in_time

_GETTERS = {
    OperationType.STEP: "get_step_details()",
    OperationType.WAIT: "get_wait_details()",
    OperationType.CALLBACK: "get_callback_details()",
    OperationType.CHAINED_INVOKE: "get_invoke_details()",
    OperationType.CONTEXT: "get_context_details()",
}


class DurableOperation:
    """A handle on one operation, by name, path or id.

    Every property reads the history anew, so a handle on a running execution follows its progress. The operation need
    not exist yet: until it does, reading it raises ``OperationNotFoundError``, and ``wait_for_data`` waits for it.
    """

    def __init__(self, view: ExecutionView, path: str, index: int = 0) -> None:
        self._view = view
        self._path = path
        self._index = index

    @property
    def record(self) -> OperationRecord:
        """What the history says of the operation at this moment."""
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
        """When it was first started; later attempts do not move it."""
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
        """The attempts of a STEP, a running one included; 0 for other types."""
        return self.record.attempts

    @property
    def error(self) -> ErrorDetails | None:
        return self.record.error

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of this operation, as boto3 gives them."""
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
        """Of a callback; of a ``wait_for_callback``, those of the callback inside it."""
        history = self._view.history()
        record = history.find(self._path, self._index)
        callback = callback_of(history, record)
        if callback is None and record.is_wait_for_callback:
            msg = f"{title(history, record)} has not created its callback yet"
            raise CallbackNotReadyError(msg)
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
        payload = encode_callback_result(result)
        self._answer("success", **({} if payload is None else {"Result": payload}))

    def send_callback_failure(
        self,
        error_type: callbacks.ErrorSource = None,
        message: str | None = None,
        data: Any = None,
        stack_trace: Sequence[str] | None = None,
    ) -> None:
        """Fail the callback with an error type and message, or with an exception that has both."""
        self._answer("failure", Error=callbacks.error_object(error_type, message, data, stack_trace))

    def send_callback_heartbeat(self) -> None:
        """Restart the heartbeat timeout of the callback; its other timeout goes on."""
        self._answer("heartbeat")

    def wait_for_data(self, status: WaitingStatus = WaitingStatus.STARTED) -> Future[DurableOperation]:
        """A future of this handle that resolves when the operation gets there.

        If the execution ends before, it fails with ``OperationNotReachedError``; ``result(timeout)`` raises
        ``WaitTimeoutError`` after so many real seconds. Cancelling it gives up the wait.
        """
        wanted = member(WaitingStatus, status, "status to wait for")
        watched = self._view.watch(self._path, self._index, wanted)
        late = partial(not_in_time, self._path, self._index, wanted)
        target = _OperationFuture(self._view, late)
        return _mapped(target, watched, lambda record: DurableOperation(self._view, OperationId(record.id)))

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
        except DurableTestError:
            index = f", index={self._index}" if self._index else ""
            return f"<DurableOperation {str(self._path)!r}{index}: does not exist (yet)>"
        return f"<DurableOperation {title(history, record)}: {record.status}>"

    def _identity(self) -> tuple[str, str, int]:
        """The id where there is one: the same operation can be asked for by several names."""
        try:
            return self._view.arn, OperationId(self.id), 0
        except DurableTestError:
            return self._view.arn, self._path, self._index

    def _answer(self, action: str, **arguments: Any) -> None:
        callbacks.answer(self._view, self._path, self._index, action, **arguments)

    def _decoded(self, record: OperationRecord) -> Any:
        return None if record.result is None else plain(self._view.decode(record.result, record))

    def _of_type(self, type_: OperationType) -> OperationRecord:
        history = self._view.history()
        record = history.find(self._path, self._index)
        if record.type is not type_:
            getter = _GETTERS[record.type]
            msg = f"{title(history, record)} is a {record.type}, not a {type_}: use {getter}"
            raise WrongOperationTypeError(msg)
        return record


def _seconds(seconds: int | None) -> timedelta | None:
    return None if not seconds else timedelta(seconds=seconds)


class _OperationFuture(Future[DurableOperation]):
    """Tells the run when a thread is blocked by it, so that a wait in vain is noticed at once.

    ``late`` makes the error for a wait that has run out, by the history and the seconds.
    """

    def __init__(self, view: ExecutionView, late: Callable[[History, float], WaitTimeoutError]) -> None:
        super().__init__()
        self._view = view
        self._late = late

    def result(self, timeout: float | None = None) -> DurableOperation:
        with self._blocking(timeout):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        with self._blocking(timeout):
            return super().exception(timeout)

    @contextmanager
    def _blocking(self, timeout: float | None) -> Iterator[None]:
        with nullcontext() if self.done() else self._view.blocking(self):
            try:
                yield
            except TimeoutError:
                if timeout is None or self.done():
                    raise
                raise self._late(self._view.history(), timeout) from None


def _mapped(
    target: _OperationFuture,
    source: Future[OperationRecord],
    convert: Callable[[OperationRecord], DurableOperation],
) -> Future[DurableOperation]:
    """``target``, following ``source``: its result converted, its exception as it is; cancelling works both ways."""

    def follow(done: Future[OperationRecord]) -> None:
        if done.cancelled():
            target.cancel()
        if not target.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            target.set_exception(error)
        else:
            target.set_result(convert(done.result()))

    target.add_done_callback(lambda done: done.cancelled() and source.cancel())
    source.add_done_callback(follow)
    return target
