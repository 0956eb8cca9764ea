"""Chained invokes that no function answers: how they end was said before, and they end when their time has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from durabletest.local.server.events import ErrorObject
from durabletest.local.server.messages import Announce, Timer, TimerKind


@dataclass(frozen=True, slots=True)
class StubbedInvoke:
    """A chained invoke as its stub is asked about it; ``payload`` is JSON text."""

    arn: str
    operation_id: str
    target: str
    payload: str | None


@dataclass(frozen=True, slots=True)
class StubbedEnd:
    """With which status an invoke ends, ``after`` its start; ``result`` is JSON text."""

    status: str
    after: timedelta
    result: str | None
    error: ErrorObject | None


Decide: TypeAlias = Callable[[StubbedInvoke], StubbedEnd | None]
"""Tells how an invoke ends; None if that is not for a stub to say."""


class StubbedInvokes:
    """Asks the runners' stubs, and keeps the ends that they told until they are due."""

    def __init__(self, now: Callable[[], datetime], announce: Announce) -> None:
        self._now = now
        self._announce = announce
        self._deciders: dict[int, Decide] = {}
        self._ends: dict[tuple[str, str | None], StubbedEnd] = {}

    def ask(self, scope: int, decide: Decide) -> None:
        """Ask this function about the invokes of one runner, in the server's thread."""
        self._deciders[scope] = decide

    def decide(self, scope: int, invoke: StubbedInvoke) -> StubbedEnd | None:
        """How this invoke ends; None if no stub says."""
        decide = self._deciders.get(scope)
        return None if decide is None else decide(invoke)

    def arm(self, invoke: StubbedInvoke, end: StubbedEnd) -> None:
        """Let the invoke end after its delay."""
        self._ends[invoke.arn, invoke.operation_id] = end
        self._announce(Timer(self._now() + end.after, TimerKind.STUBBED_INVOKE, invoke.arn, invoke.operation_id))

    def take(self, timer: Timer) -> StubbedEnd:
        """The end that is due."""
        return self._ends.pop((timer.arn, timer.operation_id))

    def drop(self, arn: str) -> None:
        """The execution is given up."""
        for key in [key for key in self._ends if key[0] == arn]:
            del self._ends[key]
