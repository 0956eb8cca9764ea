"""Notes on values that the service does not record: their serialisers, and the reasons for refusing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Any

from durabletest.local.call_queue import RunningCall
from durabletest.model.records import ErrorDetails, OperationRecord, OperationType
from durabletest.serialisers import decode, deserialise


class ValueNotes:
    """Written by threads of handlers, read by those of tests; ``current`` returns the running call of a thread.

    A chained invoke writes its payload with one serialiser and reads its result with another; all other operations read
    what they have written.
    """

    def __init__(self, current: Callable[[], RunningCall | None]) -> None:
        self._current = current
        self._lock = Lock()
        self._serialisers: defaultdict[str, dict[tuple[str, bool], object]] = defaultdict(dict)
        self._refusals: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def serialised(self, arn: str, operation_id: str, serialiser: object, *, wrote: bool) -> None:
        """An operation has written or read a value with this serialiser."""
        with self._lock:
            self._serialisers[arn][operation_id, wrote] = serialiser

    def refused(self, said: str, place: str) -> None:
        """A value was refused with this message because of the item at that place inside it."""
        running = self._current()
        if running is not None:
            with self._lock:
                self._refusals[running.call.arn][said] = place

    def forget(self, arn: str) -> None:
        """The execution is given up; its ARN may be used again."""
        with self._lock:
            self._serialisers.pop(arn, None)
            self._refusals.pop(arn, None)

    def decode(self, arn: str, payload: str | None, record: OperationRecord | None) -> Any:
        """The value of a payload, read by the operation's own serialiser if it has one.

        A payload that it cannot read here, the summary of a large result for example, is read as any other.
        """
        serialiser = None if record is None else self._serialiser(arn, record, payload)
        if serialiser is None or payload is None or record is None:
            return decode(payload, record)
        try:
            return deserialise(serialiser, payload, record.id, arn)
        except Exception:
            return decode(payload, record)

    def place(self, arn: str, error: ErrorDetails) -> str | None:
        """The place inside a refused value that an error is about."""
        with self._lock:
            refusals = list(self._refusals.get(arn, {}).items())
        return next((place for said, place in refusals if said in (error.message or "")), None)

    def _serialiser(self, arn: str, record: OperationRecord, payload: str | None) -> object | None:
        wrote = payload is record.input or record.type not in (OperationType.CHAINED_INVOKE, OperationType.CALLBACK)
        with self._lock:
            return self._serialisers.get(arn, {}).get((record.id, wrote))
