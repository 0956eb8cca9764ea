"""The life of callbacks: their ids, their two timeouts, their one answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from durabletest.local.server.ids import IdSource
from durabletest.local.server.messages import Announce, CallbackCreated, Timer, TimerCancelled, TimerKind
from durabletest.local.server.modelled import modelled_error

_TIMEOUT_KINDS = (TimerKind.CALLBACK_TIMEOUT, TimerKind.HEARTBEAT_TIMEOUT)


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """One callback; the timeouts are seconds, None where none was configured; ``closed`` is a sentence of how it ended.

    ``heartbeats`` are those that were sent: they leave no event, so that this is the only place to count them.
    """

    callback_id: str
    arn: str
    operation_id: str
    timeout: int | None
    heartbeat_timeout: int | None
    closed: str | None = None
    heartbeats: int = 0


class CallbackManager:
    """Knows every callback of every execution by its id, and arms their timers (R11.1)."""

    def __init__(self, ids: IdSource, now: Callable[[], datetime], announce: Announce) -> None:
        self._ids = ids
        self._now = now
        self._announce = announce
        self._records: dict[str, CallbackRecord] = {}
        self._of_execution: defaultdict[str, list[str]] = defaultdict(list)

    def create(
        self, arn: str, operation_id: str, names: tuple[str, ...], timeout: int | None, heartbeat_timeout: int | None
    ) -> CallbackRecord:
        """Give out a callback id and arm its timeouts; 0 seconds means none, as in the service."""
        record = CallbackRecord(
            self._ids.callback(arn, operation_id), arn, operation_id, timeout or None, heartbeat_timeout or None
        )
        self._records[record.callback_id] = record
        self._of_execution[arn].append(record.callback_id)
        self._arm(record, TimerKind.CALLBACK_TIMEOUT, record.timeout)
        self._arm(record, TimerKind.HEARTBEAT_TIMEOUT, record.heartbeat_timeout)
        self._announce(
            CallbackCreated(arn, operation_id, record.callback_id, names, record.timeout, record.heartbeat_timeout)
        )
        return record

    def open(self, callback_id: str, api_operation: str) -> CallbackRecord:
        """The callback that still waits for its answer; any other is refused with the service's own error (R11.5)."""
        record = self._records.get(callback_id)
        if record is None:
            raise modelled_error("ResourceNotFoundException", f"Callback not found: {callback_id}", api_operation)
        if record.closed is not None:
            raise modelled_error(
                "CallbackTimeoutException",
                f"Callback {callback_id} takes no answer any more: {record.closed}",
                api_operation,
            )
        return record

    def heartbeat(self, callback_id: str) -> None:
        """Start the heartbeat timeout anew; the callback's own timeout runs on (R11.2)."""
        record = self.open(callback_id, "SendDurableExecutionCallbackHeartbeat")
        self._records[callback_id] = replace(record, heartbeats=record.heartbeats + 1)
        self._arm(record, TimerKind.HEARTBEAT_TIMEOUT, record.heartbeat_timeout)

    def heartbeats(self, callback_id: str) -> int:
        """How many heartbeats a callback was sent."""
        return self._records[callback_id].heartbeats

    def close(self, callback_id: str, how: str) -> None:
        """Mark the callback as ended, by an answer, a timeout or the end of its execution; ``how`` is a sentence."""
        record = self._records[callback_id]
        self._records[callback_id] = replace(record, closed=how)
        for kind in _TIMEOUT_KINDS:
            self._announce(TimerCancelled(kind, record.arn, record.operation_id))

    def close_all(self, arn: str, how: str) -> None:
        """The execution is over: none of its callbacks takes an answer any more."""
        for callback_id in self._of_execution.get(arn, ()):
            if self._records[callback_id].closed is None:
                self.close(callback_id, how)

    def drop(self, arn: str) -> None:
        """Forget the callbacks of an execution."""
        for callback_id in self._of_execution.pop(arn, ()):
            del self._records[callback_id]

    def _arm(self, record: CallbackRecord, kind: TimerKind, seconds: int | None) -> None:
        if seconds is not None:
            due = self._now() + timedelta(seconds=seconds)
            self._announce(Timer(due, kind, record.arn, record.operation_id))
