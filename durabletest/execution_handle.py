"""The handle on an execution, local or in the cloud, and the look-ups in the last one that both runners offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from durabletest.errors import NeverUsedError, NotAvailableError, OperationNotFoundError, UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, as_written, execution_title
from durabletest.model.operation import DurableOperation
from durabletest.model.payloads import ErrorSource, error_object
from durabletest.model.records import ExecutionStatus, OperationRecord, OperationType
from durabletest.model.times import Duration, delay
from durabletest.result import OperationGetters, TestResult

_ANSWERED_FROM_OUTSIDE = (OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class ExecutionControl(ExecutionView, Protocol):
    """An execution as a runner controls it, with the view of its history."""

    def wait_until_ended(self, timeout: float | None) -> None:
        """Return when the execution has ended; ``timeout`` is in real seconds."""

    def stop(self, error: Mapping[str, Any]) -> None:
        """End the execution with STOPPED."""

    @property
    def now(self) -> datetime:
        """The environment's time."""
        ...

    def advance(self, delta: timedelta | None) -> None:
        """Let that much virtual time pass; None is until something is due."""

    def due_times(self) -> list[tuple[str | None, str, datetime]]:
        """The timers: the operation's id (None for the execution itself), the reason, and when it is due."""
        ...


@dataclass(frozen=True)
class Pending:
    """An event that an execution waits for.

    ``operation`` is the operation's path, None for the execution itself; ``reason`` is the kind of event (``"wait"``,
    ``"step retry"``, ``"callback"``, ``"callback timeout"``, ``"scripted answer"``, ...); ``due`` is its time, None if
    it can only come from outside.
    """

    operation: str | None
    reason: str
    due: datetime | None


class Execution:
    """A handle on an execution that was started and goes on in the background.

    Virtual time stands still until the test waits: in ``result``, for a future of ``wait_for_data``, or by ``advance``.
    """

    def __init__(self, control: ExecutionControl) -> None:
        self._control = control

    @property
    def arn(self) -> str:
        """The durable execution's ARN."""
        return self._control.arn

    @property
    def status(self) -> ExecutionStatus:
        """The present status."""
        return self._control.history().execution.status

    def operation(self, path: str, index: int = 0) -> DurableOperation:
        """A handle on an operation, which need not exist yet; names and paths as in ``TestResult.get_operation``."""
        return DurableOperation(self._control, path, index)

    def result(self, timeout: Duration | None = None) -> TestResult:
        """Wait for the end, and return the result.

        ``timeout`` is in real time; ``WaitTimeoutError`` if it is over.
        """
        seconds = None if timeout is None else delay(timeout, "timeout of result()").total_seconds()
        self._control.wait_until_ended(seconds)
        return TestResult(self._control)

    def snapshot(self) -> TestResult:
        """The result so far, without waiting for the end."""
        return TestResult(self._control)

    def stop(self, error: ErrorSource = None, message: str | None = None) -> None:
        """End the execution with STOPPED, and an error type and message, or those of an exception, as the reason."""
        self._control.stop(error_object(error, message))

    def pause(self, reason: str | None = None, *, timeout_paused: bool = True) -> None:
        """Pause the execution: its handler is not invoked any more, while waits, callbacks and retries go on.

        An invocation that runs goes on until its next checkpoint. The execution's timeout is extended by the length of
        the pause, unless ``timeout_paused`` is False. Raises ``ResourceConflictException`` if it is not RUNNING.
        """
        self._request("pause_durable_execution", reason, ExecutionTimeoutPaused=timeout_paused)

    def resume(self, reason: str | None = None) -> None:
        """Resume a paused execution; its handler is invoked if there is something new for it.

        Raises ``ResourceConflictException`` if it is not paused.
        """
        self._request("resume_durable_execution", reason)

    def _request(self, method: str, reason: str | None, **members: Any) -> None:
        call = getattr(self._control.client, method, None)
        if call is None:
            raise NotAvailableError(f"{method} is newer than the installed boto3: pip install -U boto3")
        call(DurableExecutionArn=self.arn, **members, **({} if reason is None else {"Reason": reason}))

    # --- virtual time by hand ---

    @property
    def now(self) -> datetime:
        """The environment's time."""
        return self._control.now

    def advance(self, delta: Duration) -> None:
        """Let that much virtual time pass: timers fire at their times on the way, and handlers run.

        ``delta`` is a timedelta, or a number of seconds. Returns when nothing runs any more.
        """
        self._control.advance(delay(delta, "delta of advance()"))

    def advance_to_next(self) -> None:
        """Move virtual time to the next instant at which a timer is due; raises if there is none."""
        self._control.advance(None)

    def pending(self) -> list[Pending]:
        """The events that the execution waits for, the earliest first; those that come from outside are last."""
        due_times = self._control.due_times()
        history = self._control.history()  # read last, so that it has all operations with timers
        due = [
            Pending(None if key is None else _path(history, history.by_id(key)), reason, when)
            for key, reason, when in due_times
        ]
        timed = {key for key, _, _ in due_times}
        waiting = [
            Pending(_path(history, record), str(record.type).lower().replace("_", " "), None)
            for record in history.operations
            if record.id not in timed and not record.status.is_terminal and record.type in _ANSWERED_FROM_OUTSIDE
        ]
        return due + waiting

    def __repr__(self) -> str:
        return f"<Execution {execution_title(self.arn)}: {self.status}>"


def _path(history: History, record: OperationRecord) -> str:
    return history.path_of(as_written(history, record))


class Runner(OperationGetters):
    """The base of both runners; ``_last`` is None until something was executed."""

    _last: ExecutionControl | None = None

    def _searched_view(self) -> ExecutionView:
        if self._last is None:
            raise OperationNotFoundError("nothing was executed yet: call run(payload) or start(payload) first")
        return self._last

    def _check_open(self) -> None:
        raise NotImplementedError

    def unused(self) -> str | None:
        """The stubs and scripted answers that were never used, with a remedy for each; None if all were used."""
        raise NotImplementedError

    def verify_used(self) -> None:
        """Raise :class:`NeverUsedError` if a stub or a scripted answer was never used.

        It is called when the with block is left without an error.
        """
        complaint = self.unused()
        if complaint is not None:
            raise NeverUsedError(complaint)

    def stop(self, error: ErrorSource = None, message: str | None = None) -> None:
        """End the last execution with STOPPED; see :meth:`durabletest.Execution.stop`."""
        self._check_open()
        if self._last is None:
            raise UsageError("stop() without an execution: call start(payload) first")
        Execution(self._last).stop(error, message)

    def __enter__(self) -> Self:
        return self
