"""A running execution in the hands of a test, local or in the cloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from durabletest.model.enums import ExecutionStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History
from durabletest.model.naming import as_written, execution_title
from durabletest.model.operation import DurableOperation
from durabletest.model.payloads import ErrorSource, error_object
from durabletest.model.records import OperationRecord
from durabletest.model.times import Duration, delay
from durabletest.result import TestResult

_ANSWERED_FROM_OUTSIDE = (OperationType.CALLBACK, OperationType.CHAINED_INVOKE)


class ExecutionControl(ExecutionView, Protocol):
    """A view that can also be waited for and stopped; runners implement it."""

    def wait_until_ended(self, timeout: float | None) -> None:
        """Return when the execution has ended; ``timeout`` is in real seconds."""

    def stop(self, error: Mapping[str, Any]) -> None:
        """End the execution with STOPPED."""

    @property
    def now(self) -> datetime:
        """The time of the environment."""
        ...

    def advance(self, delta: timedelta | None) -> None:
        """Let that much virtual time pass, or as much as there is until something is due."""

    def due_times(self) -> list[tuple[str | None, str, datetime]]:
        """What is due: the operation's id (None for the execution itself), why, and when."""
        ...


@dataclass(frozen=True)
class Pending:
    """Something that an execution waits for.

    ``operation`` is the operation's path, None for the execution itself; ``reason`` says what is waited for
    (``"wait"``, ``"step retry"``, ``"callback"``, ``"callback timeout"``, ``"scripted answer"``, ...); ``due`` is when
    it comes, None if nothing but an answer from outside can bring it.
    """

    operation: str | None
    reason: str
    due: datetime | None


class Execution:
    """One execution that was started and goes on in the background.

    Virtual time stands still until somebody waits: in ``result``, for a future of ``wait_for_data``, or by ``advance``.
    """

    def __init__(self, control: ExecutionControl) -> None:
        self._control = control

    @property
    def arn(self) -> str:
        """The durable execution's ARN."""
        return self._control.arn

    @property
    def status(self) -> ExecutionStatus:
        """The status at this moment."""
        return self._control.history().execution.status

    def operation(self, path: str, index: int = 0) -> DurableOperation:
        """A handle on an operation, which need not exist yet; names and paths as in ``TestResult.get_operation``."""
        return DurableOperation(self._control, path, index)

    def result(self, timeout: Duration | None = None) -> TestResult:
        """Wait for the end, at most ``timeout`` in real time (then ``WaitTimeoutError``), and give the result."""
        seconds = None if timeout is None else delay(timeout, "timeout of result()").total_seconds()
        self._control.wait_until_ended(seconds)
        return TestResult(self._control)

    def snapshot(self) -> TestResult:
        """The execution as it stands, without waiting for its end."""
        return TestResult(self._control)

    def stop(self, error: ErrorSource = None, message: str | None = None) -> None:
        """End the execution with STOPPED; error type and message, or an exception, are recorded as the reason."""
        self._control.stop(error_object(error, message, None, None))

    # --- virtual time by hand ---

    @property
    def now(self) -> datetime:
        """The environment's time."""
        return self._control.now

    def advance(self, delta: Duration) -> None:
        """Let that much virtual time pass: what comes due on the way happens, and handlers run, each at its time.

        ``delta`` is a timedelta, or a number of seconds. Returns when everything that this has set off has come to rest
        again.
        """
        self._control.advance(delay(delta, "delta of advance()"))

    def advance_to_next(self) -> None:
        """Move virtual time to the next instant at which anything is due; without such an instant it raises."""
        self._control.advance(None)

    def pending(self) -> list[Pending]:
        """What the execution waits for, the earliest first, and last what only an answer from outside can bring."""
        history = self._control.history()
        due_times = self._control.due_times()
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
