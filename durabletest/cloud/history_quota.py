"""The quota of AWS for reading histories, which all executions that a process follows share."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import count
from threading import Condition
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from durabletest.errors import ConfigurationError

HISTORY_RATE_VARIABLE = "DURABLETEST_HISTORY_RATE"
REQUESTS_PER_SECOND = 15
"""The quota of an account in a region."""
_WORKERS_VARIABLE = "PYTEST_XDIST_WORKER_COUNT"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_clock = [monotonic]
"""In a list, where freezegun does not look for it."""


class HistoryQuota:
    """A limit of ``rate`` requests in any ``seconds``; further ones wait, in the order in which they were asked for.

    Those that are ``urgent`` go first: the further pages of a history, and what has to be known to stop executions. For
    them it is a limit in any one second, as executions have to be stopped in time.
    """

    def __init__(self, rate: int, seconds: float = 1.0) -> None:
        self.rate = rate
        self._seconds = seconds
        self._changed = Condition()
        self._sent: deque[float] = deque(maxlen=rate)
        self._turns = count()
        self._waiting: list[tuple[bool, int]] = []

    def wait(self, cancelled: Callable[[], bool], *, urgent: bool) -> bool:
        """Return True when a request may be sent, False if it was ``cancelled`` before; see ``wake``."""
        with self._changed:
            turn = not urgent, next(self._turns)
            self._waiting.append(turn)
            try:
                while not cancelled():
                    first = min(self._waiting) == turn
                    delay = self._delay(1.0 if urgent else self._seconds) if first else None
                    if delay == 0:
                        self._sent.append(_clock[0]())
                        return True
                    self._changed.wait(delay)
                return False
            finally:
                self._waiting.remove(turn)
                self._changed.notify_all()

    def wake(self) -> None:
        """Have waiting requests check whether they are cancelled."""
        with self._changed:
            self._changed.notify_all()

    def _delay(self, seconds: float) -> float:
        """The seconds until the next request."""
        if len(self._sent) < self.rate:
            return 0.0
        return max(0.0, self._sent[0] + seconds - _clock[0]())


def history_quota(client: Any) -> HistoryQuota | None:
    """The quota for a client, which all clients of that endpoint share; None for a server on this machine.

    ``DURABLETEST_HISTORY_RATE`` is the number of requests in a second, 15 if it is unset; workers of pytest-xdist share
    it. Raises :class:`ConfigurationError` if it is no positive number.
    """
    text = os.environ.get(HISTORY_RATE_VARIABLE, "")
    if text and not (text.isdecimal() and int(text)):
        raise ConfigurationError(
            f"the environment variable {HISTORY_RATE_VARIABLE} is {text!r}: write how many histories may be read in a "
            "second, like 15"
        )
    url = str(getattr(getattr(client, "meta", None), "endpoint_url", ""))
    if not text and urlsplit(url).hostname in _LOOPBACK | {None}:
        return None
    rate, workers = int(text or REQUESTS_PER_SECOND), int(os.environ.get(_WORKERS_VARIABLE, "1"))
    return _shared(url, max(1, rate // workers), max(1.0, workers / rate))


@cache
def _shared(url: str, rate: int, seconds: float) -> HistoryQuota:  # noqa: ARG001 - the key
    return HistoryQuota(rate, seconds)
