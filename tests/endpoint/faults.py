"""What can go wrong between a client and the service, to be injected into single answers."""

from __future__ import annotations

import json
import signal
from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass
from threading import Event, Lock, main_thread
from typing import Any

from durabletest.serve.rest_json import HttpAnswer, refusal

Answering = Callable[[], HttpAnswer]


class DroppedConnection(Exception):
    """The connection is closed without an answer."""


Fault = Callable[[Answering, Event], HttpAnswer]
"""Given what the service would do, and an event that is set when the endpoint closes; gives or raises its own."""


@dataclass(frozen=True)
class Refused:
    """The service refuses: an HTTP status, a modelled error, and its words."""

    status: int
    code: str
    message: str

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        return refusal(self.status, self.code, self.message)

    def __str__(self) -> str:
        return self.code


throttled = Refused(429, "TooManyRequestsException", "Rate exceeded")
broken = Refused(500, "ServiceException", "An internal error occurred")
forbidden = Refused(
    403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/ci is not authorized to perform this action"
)
expired = Refused(403, "ExpiredTokenException", "The security token included in the request is expired")
already_ended = Refused(400, "InvalidParameterValueException", "The durable execution has already ended")
not_found = Refused(404, "ResourceNotFoundException", "Durable execution not found")


def broken_after_all(answering: Answering, closing: Event) -> HttpAnswer:
    """The service does what was asked, and says that it has failed."""
    answering()
    return broken(answering, closing)


def dropped(answering: Answering, closing: Event) -> HttpAnswer:
    """The request never reaches the service."""
    raise DroppedConnection


def lost(answering: Answering, closing: Event) -> HttpAnswer:
    """The service does what was asked, and the answer never arrives."""
    answering()
    raise DroppedConnection


def interrupting(answering: Answering, closing: Event) -> HttpAnswer:
    """SIGINT arrives while the client waits for the answer."""
    signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)
    return answering()


def cut(answering: Answering, closing: Event) -> HttpAnswer:
    """The connection breaks off in the middle of the answer."""
    answer = answering()
    answer.headers |= {"Content-Length": str(len(answer.body)), "Connection": "close"}
    answer.body = answer.body[: len(answer.body) // 2]
    return answer


class Held:
    """The answer waits for ``release``; ``reached`` is set as soon as a request has arrived."""

    def __init__(self) -> None:
        self.reached = Event()
        self._released = Event()

    def release(self) -> None:
        self._released.set()

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        self.reached.set()
        while not (self._released.wait(0.01) or closing.is_set()):
            pass
        return answering()


def served_before(fault: Fault, answering: Answering, closing: Event) -> HttpAnswer:
    """The service does what was asked, and then the fault befalls the answer."""
    answer = answering()
    return fault(lambda: answer, closing)


@dataclass(frozen=True)
class After:
    """The answer comes when this function has returned."""

    wait: Callable[[], None]

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        self.wait()
        return answering()


@dataclass(frozen=True)
class Slow:
    """The answer takes its time."""

    seconds: float

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        closing.wait(self.seconds)
        return answering()


@dataclass(frozen=True)
class Rewritten:
    """The JSON document of the answer is changed."""

    change: Callable[[dict[str, Any]], dict[str, Any]]

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        answer = answering()
        answer.body = json.dumps(self.change(json.loads(answer.body))).encode()
        return answer


@dataclass(frozen=True)
class Without:
    """These events are not written yet."""

    event_ids: Container[int]

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        return Rewritten(self._without)(answering, closing)

    def _without(self, page: dict[str, Any]) -> dict[str, Any]:
        return {**page, "Events": [event for event in page["Events"] if event["EventId"] not in self.event_ids]}


class Repeated:
    """Every answer is given twice, the second time in place of the one that was asked for."""

    def __init__(self) -> None:
        self._last: HttpAnswer | None = None

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        if self._last is None:
            self._last = answering()
            return self._last
        again, self._last = self._last, None
        return again


class OnSecondPage:
    """The first page of a list is empty, and all that was asked for is on the second one."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._second: HttpAnswer | None = None

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        if self._second is None:
            self._second = answering()
            page = json.dumps({self._key: [], "NextMarker": "second page"}).encode()
            return HttpAnswer(200, {"Content-Type": "application/json"}, page)
        second, self._second = self._second, None
        return second


class Outage:
    """For so many seconds of a clock the service fails in one way after another, each for the same time."""

    def __init__(self, seconds: float, clock: Callable[[], float], *ways: Fault) -> None:
        self._seconds = seconds
        self._clock = clock
        self._ways = ways
        self.met: set[Fault] = set()

    def __call__(self, answering: Answering, closing: Event) -> HttpAnswer:
        elapsed = self._clock()
        if elapsed >= self._seconds:
            return answering()
        way = self._ways[int(elapsed * len(self._ways) / self._seconds)]
        self.met.add(way)
        return way(answering, closing)


class Faults:
    """The faults in store, by API operation; each is used ``times`` times, after ``skip`` answers without one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._stored: dict[str, deque[Fault | None]] = {}
        self._always: dict[str, Fault] = {}

    def add(self, operation: str, fault: Fault, times: int = 1, skip: int = 0) -> None:
        with self._lock:
            self._stored.setdefault(operation, deque()).extend([None] * skip + [fault] * times)

    def always(self, operation: str, fault: Fault) -> None:
        """For every answer that no other fault is in store for."""
        with self._lock:
            self._always[operation] = fault

    def take(self, operation: str) -> Fault | None:
        with self._lock:
            stored = self._stored.get(operation)
            return stored.popleft() if stored else self._always.get(operation)

    def left(self) -> int:
        """How many faults are still in store: a test that expects them sees whether they happened."""
        with self._lock:
            return sum(fault is not None for stored in self._stored.values() for fault in stored)

    def clear(self) -> None:
        with self._lock:
            self._stored.clear()
            self._always.clear()
