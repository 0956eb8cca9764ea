"""An execution in the cloud, as the model reads it and as the test holds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from math import inf
from threading import Lock
from time import monotonic
from typing import Any

from durabletest.cloud.console import whereabouts
from durabletest.cloud.follower import Follower
from durabletest.errors import NotAvailableError, WaitTimeoutError
from durabletest.model.enums import OperationType, WaitingStatus
from durabletest.model.history import History
from durabletest.model.lookup import listing
from durabletest.model.naming import execution_title
from durabletest.model.records import ErrorDetails, OperationRecord
from durabletest.model.times import utc
from durabletest.model.wait_for_data import Watch
from durabletest.serialisers import decode

_clock = [monotonic]
"""In a list, where a tool that freezes time does not look for it."""
_LOOK = 1.0
"""Seconds between two looks at whether a wait has been interrupted, which some systems notice only then."""


class CloudExecution:
    """Reads one execution's history as its follower brings it."""

    def __init__(
        self,
        follower: Follower,
        client: Any,
        unavailable: type[NotAvailableError],
        follow: Callable[[str], CloudExecution],
    ) -> None:
        self._follower = follower
        self._client = client
        self._unavailable = unavailable
        self._follow = follow
        self._history = History()
        self._lock = Lock()

    @property
    def arn(self) -> str:
        """The durable execution's ARN."""
        return self._follower.arn

    @property
    def client(self) -> Any:
        """The boto3 client."""
        return self._client

    @property
    def exact_time(self) -> bool:
        """Time is real."""
        return False

    @property
    def whereabouts(self) -> str:
        """The ARN and the link to the console, for messages."""
        return whereabouts(self.arn)

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        """How much later a callback would have been answered, had its script's delay been waited for."""
        left_out = self._follower.answers.left_out
        ids = (record.id, *(child.id for child in self.history().children(record)))
        return next((left_out[key] for key in ids if key in left_out), timedelta(0))

    def sibling(self, arn: str) -> CloudExecution:
        """Another execution, followed until its end if this one's invoke of it has ended."""
        sibling = self._follow(arn)
        if any(record.child_arn == arn and record.status.is_terminal for record in self.history().operations):
            sibling.wait_until_ended(None)
        return sibling

    def heartbeats(self, record: OperationRecord) -> int:
        """The service does not tell."""
        raise self.unavailable(
            f"the heartbeats of callback {record.name!r} leave no trace in the cloud: mark the test @local_only"
        )

    def unavailable(self, what: str) -> NotAvailableError:
        """What the class wants to be raised for things that are not to be had in the cloud."""
        return self._unavailable(what)

    def history(self) -> History:
        """The history so far."""
        with self._lock:
            self._history.extend(self._follower.take_fresh())
            return self._history

    def logs(self) -> None:
        """They are in CloudWatch."""

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        """The value behind a payload."""
        return decode(payload, record)

    def refused_place(self, error: ErrorDetails) -> None:
        """Deployed functions do not tell."""

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        """See :mod:`durabletest.model.wait_for_data`."""
        return self._follower.watch(Watch(path, index, status))

    def blocking(self, future: Future[Any] | None = None) -> AbstractContextManager[object]:  # noqa: ARG002 - any
        """Progress is shown meanwhile."""
        return self._follower.progress.waiting()

    def wait_until_ended(self, timeout: float | None) -> None:
        """Wait for the end; progress is shown meanwhile."""
        with self.blocking():
            self._wait(timeout)
        if self._follower.error is not None:
            raise self._follower.error

    def stop(self, error: Mapping[str, Any]) -> None:
        """End the execution with STOPPED."""
        self._follower.stop(error)

    @property
    def now(self) -> datetime:
        """The real time."""
        return utc(datetime.now(UTC))

    def advance(self, delta: timedelta | None) -> None:
        """There is no virtual time in the cloud."""
        how = "advance_to_next()" if delta is None else f"advance({delta!r})"
        raise self._unavailable(
            f"{how} moves virtual time; in the cloud time passes by itself: mark the test @local_only"
        )

    def due_times(self) -> list[tuple[str | None, str, datetime]]:
        """What is due, and when, as far as the history tells; the service fires its timers when it sees fit."""
        history, now = self.history(), self.now
        due = [
            (record.id, why, when)
            for record in history.operations
            if not record.status.is_terminal
            for why, when in _timers(record)
        ]
        due += [(key, "scripted answer", now + delay) for key, delay in self._follower.answers.pending(_clock[0]())]
        return sorted(due, key=lambda entry: entry[2])

    def _wait(self, timeout: float | None) -> None:
        end = inf if timeout is None else _clock[0]() + timeout
        while not self._follower.ended.wait(max(0.0, min(_LOOK, end - _clock[0]()))):
            if _clock[0]() >= end:
                raise WaitTimeoutError(
                    f"{execution_title(self.arn)} did not end within {timeout:g} real seconds\n"
                    f"{self.whereabouts}\n{listing(self.history())}"
                )


def _timers(record: OperationRecord) -> list[tuple[str, datetime]]:
    timers: list[tuple[str, datetime]] = []
    if record.type is OperationType.WAIT and record.scheduled_end is not None:
        timers.append(("wait", record.scheduled_end))
    if record.next_attempt_at is not None:
        timers.append(("step retry", record.next_attempt_at))
    if record.timeout:
        timers.append(("callback timeout", record.started_at + timedelta(seconds=record.timeout)))
    return timers
