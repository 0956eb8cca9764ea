"""The callbacks of all executions: their ids, their two timeouts, and the refusal of answers that come too late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from durabletest.local.server.announcements import Announcements, CallbackCreated, TimerKind
from durabletest.local.server.identifiers import IdSource
from durabletest.local.server.service_model import RefusedError

TIMEOUTS = {
    TimerKind.CALLBACK_TIMEOUT: {"ErrorType": "Callback.Timeout", "ErrorMessage": "Callback timed out"},
    TimerKind.HEARTBEAT_TIMEOUT: {"ErrorType": "Callback.Heartbeat", "ErrorMessage": "Callback timed out on heartbeat"},
}
"""The error of each kind of timeout, as the service words it."""


@dataclass(slots=True)
class CallbackRecord:
    """One callback; the timeouts are seconds, None where none was configured.

    ``closed`` is a sentence of how it ended. ``heartbeats`` counts those that were sent, of which no event tells.
    """

    callback_id: str
    arn: str
    operation_id: str
    timeout: int | None
    heartbeat_timeout: int | None
    closed: str | None = None
    heartbeats: int = 0


class CallbackRegistry:
    """Knows every callback by its id, and arms its timers."""

    def __init__(self, ids: IdSource, now: Callable[[], datetime], announcements: Announcements) -> None:
        self._ids = ids
        self._now = now
        self._announcements = announcements
        self._records: dict[str, CallbackRecord] = {}
        self._of_execution: defaultdict[str, list[CallbackRecord]] = defaultdict(list)

    def create(
        self, arn: str, operation_id: str, names: tuple[str, ...], timeout: int | None, heartbeat_timeout: int | None
    ) -> CallbackRecord:
        """Issue a callback id and arm its timeouts; 0 seconds means none, as in the service."""
        callback_id = self._ids.callback(arn, operation_id)
        record = CallbackRecord(callback_id, arn, operation_id, timeout or None, heartbeat_timeout or None)
        self._records[callback_id] = record
        self._of_execution[arn].append(record)
        self._arm(record, TimerKind.CALLBACK_TIMEOUT, record.timeout)
        self._arm(record, TimerKind.HEARTBEAT_TIMEOUT, record.heartbeat_timeout)
        created = CallbackCreated(operation_id, callback_id, names, record.timeout, record.heartbeat_timeout)
        self._announcements.callback_created(arn, created)
        return record

    def open(self, callback_id: str) -> CallbackRecord:
        """The callback that still waits for its answer; any other is refused with the service's own error."""
        record = self._records.get(callback_id)
        if record is None:
            raise RefusedError("ResourceNotFoundException", f"Callback not found: {callback_id}")
        if record.closed is not None:
            text = f"Callback {callback_id} takes no answer any more: {record.closed}"
            raise RefusedError("CallbackTimeoutException", text)
        return record

    def heartbeat(self, callback_id: str) -> None:
        """Restart the heartbeat timeout; the callback's own timeout runs on."""
        record = self.open(callback_id)
        record.heartbeats += 1
        self._arm(record, TimerKind.HEARTBEAT_TIMEOUT, record.heartbeat_timeout)

    def heartbeats(self, callback_id: str) -> int:
        return self._records[callback_id].heartbeats

    @property
    def has_open(self) -> bool:
        return any(record.closed is None for record in self._records.values())

    def close(self, callback_id: str, how: str) -> None:
        """Take no more answers for this callback; ``how`` it ended is a sentence for those that come."""
        record = self._records[callback_id]
        record.closed = how
        for kind in TIMEOUTS:
            self._announcements.timer_cancelled(record.arn, kind, record.operation_id)

    def close_all(self, arn: str, how: str) -> None:
        for record in self._of_execution.get(arn, ()):
            if record.closed is None:
                self.close(record.callback_id, how)

    def drop(self, arn: str) -> None:
        for record in self._of_execution.pop(arn, ()):
            del self._records[record.callback_id]

    def _arm(self, record: CallbackRecord, kind: TimerKind, seconds: int | None) -> None:
        if seconds is not None:
            due = self._now() + timedelta(seconds=seconds)
            self._announcements.timer_armed(record.arn, kind, due, record.operation_id)
