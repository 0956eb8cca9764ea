"""Answering a callback through the Lambda API, and what a refusal means."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import (
    CallbackCompletedError,
    CallbackNotReadyError,
    OperationNotFoundError,
    UsageError,
    WrongOperationTypeError,
)
from durabletest.model.enums import OperationStatus
from durabletest.model.history import History
from durabletest.model.lookup import closest
from durabletest.model.payloads import encode
from durabletest.model.records import OperationRecord
from durabletest.model.times import stamp
from durabletest.model.titles import title
from durabletest.model.traits import callback_of
from durabletest.model.view import ExecutionView, execution_title

ErrorSource = str | type[BaseException] | BaseException | None
"""What can name an error: its type's name, an exception class, or an exception, which brings its message too."""

_TOO_LATE = frozenset({"CallbackTimeoutException", "ResourceNotFoundException"})


def answer(view: ExecutionView, path: str, index: int, action: str, **arguments: Any) -> None:
    """Call ``send_durable_execution_callback_<action>`` for the callback that ``path`` and ``index`` mean."""
    callback = ready_callback(view.history(), path, index)
    send = getattr(view.client, f"send_durable_execution_callback_{action}")
    try:
        send(CallbackId=callback.callback_id, **arguments)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") not in _TOO_LATE:
            raise
        raise CallbackCompletedError(_why_too_late(view, path, index, error)) from error


def ready_callback(history: History, path: str, index: int) -> OperationRecord:
    """The CALLBACK behind an operation, or an error that says why there is none."""
    try:
        record = history.find(path, index)
    except OperationNotFoundError as error:
        if history.execution.ended:
            raise
        near = closest(history, path)
        raise _not_ready(f"callback {str(path)!r}", f"; did you mean {near!r}?" if near else "") from error
    callback = callback_of(history, record)
    if callback is None and record.is_wait_for_callback:
        raise _not_ready(title(history, record))
    if callback is None:
        msg = f"{title(history, record)} is a {record.type}; only callbacks can be answered"
        raise WrongOperationTypeError(msg)
    return callback


def error_object(
    error: object,
    message: str | None,
    data: Any,
    stack_trace: Sequence[str] | None,
) -> dict[str, Any]:
    """The service's ``ErrorObject``, with the fields that are known; an exception brings all of them but the data."""
    if isinstance(error, BaseException):
        message = str(error) if message is None else message
        stack_trace = traceback.format_tb(error.__traceback__) if stack_trace is None else stack_trace
        error = type(error)
    if isinstance(error, type) and issubclass(error, BaseException):
        error = error.__qualname__
    if error is not None and not isinstance(error, str):
        msg = f"{error!r} is no error type: give its name, an exception, or an exception class"
        raise UsageError(msg)
    fields = {
        "ErrorType": error,
        "ErrorMessage": message,
        "ErrorData": data if data is None or isinstance(data, str) else encode(data, "data"),
        "StackTrace": list(stack_trace or ()) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _not_ready(callback: str, hint: str = "") -> CallbackNotReadyError:
    return CallbackNotReadyError(
        f"{callback} cannot be answered yet, because it does not exist yet{hint}\n"
        "Wait for it first: .wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)"
    )


def _why_too_late(view: ExecutionView, path: str, index: int, refusal: ClientError) -> str:
    history = view.history()
    record = history.find(path, index)
    callback = ready_callback(history, path, index)
    about = f"{title(history, record)} of {execution_title(view.arn)}"
    execution = history.execution
    answered = callback.events[-1]["EventType"] != "CallbackStarted"
    if callback.status is OperationStatus.TIMED_OUT and callback.ended_at is not None:
        since = f"is TIMED_OUT since {stamp(callback.ended_at)}: the answer comes too late"
    elif answered and callback.ended_at is not None:
        since = f"is {callback.status} since {stamp(callback.ended_at)}: the first answer stands"
    elif execution.ended_at is not None:
        since = f"can no longer be answered: the execution is {execution.status} since {stamp(execution.ended_at)}"
    else:
        since = f"is {callback.status} since {stamp(callback.started_at)}, and the service refuses the answer"
    return f"{about} {since}\n{refusal}"
