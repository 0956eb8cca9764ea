"""The requests that an endpoint has received, in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from threading import Condition
from time import monotonic
from typing import Any

from durabletest.serve.rest_json import ApiCall, HttpRequest

_clock = [monotonic]
"""In a list, where freezegun does not look for it."""
REQUEST_TIMEOUT = 20.0
"""Real seconds that a test waits for an expected request."""


@dataclass(frozen=True)
class Received:
    """One request, decoded and raw; ``at`` is in seconds of the monotonic clock."""

    call: ApiCall
    request: HttpRequest
    at: float


class RequestLog:
    """Written by the threads that answer, read by the test."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._received: list[Received] = []
        self._sent: Counter[str] = Counter()

    def add(self, call: ApiCall, request: HttpRequest) -> None:
        with self._changed:
            self._received.append(Received(call, request, _clock[0]()))
            self._changed.notify_all()

    def add_sent(self, operation: str, size: int) -> None:
        with self._changed:
            self._sent[operation] += size

    def sent(self, operation: str) -> int:
        """The bytes of all answers to one operation of the API."""
        with self._changed:
            return self._sent[operation]

    def clear(self) -> None:
        with self._changed:
            self._received.clear()
            self._sent.clear()

    def all(self) -> list[Received]:
        with self._changed:
            return list(self._received)

    def of(self, operation: str) -> list[Received]:
        return [received for received in self.all() if received.call.operation == operation]

    def members(self, operation: str) -> list[dict[str, Any]]:
        """The members of each request for one operation of the API."""
        return [received.call.members for received in self.of(operation)]

    def counts(self) -> Counter[str]:
        """How often each operation of the API was asked for."""
        return Counter(received.call.operation for received in self.all())

    def wait_for(self, operation: str, count: int) -> None:
        """Return once the operation was asked for so often."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count(operation) >= count, REQUEST_TIMEOUT):
                raise TimeoutError(f"{self._count(operation)} requests for {operation} came, not {count}")

    def _count(self, operation: str) -> int:
        return sum(received.call.operation == operation for received in self._received)
