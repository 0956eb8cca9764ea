"""One instant for each request: all that a request changes, it changes at the same time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime


class RequestInstant:
    """The time at which the current request arrived.

    Virtual time stands still during a request anyway. Real time goes on: a wait would be recorded as started a moment
    after the instant from which its end was counted, and so would have been shorter than it was asked to be.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._instant = clock()

    def arrive(self) -> None:
        """A request arrives."""
        self._instant = self._clock()

    def now(self) -> datetime:
        """When the current request arrived."""
        return self._instant
