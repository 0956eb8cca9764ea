"""What a stub does, in order."""

from __future__ import annotations

from threading import Lock
from typing import Generic, TypeVar

from durabletest.errors import UsageError

ActT = TypeVar("ActT")


class Plan(Generic[ActT]):
    """Acts in order, each for a number of times; the last one for ever, unless its number was given.

    Once all are used up, ``take`` gives None: it is the turn of what the stub stands in for. Any thread may take.
    """

    def __init__(self) -> None:
        self._acts: list[tuple[ActT, int | None]] = []
        self._position = 0
        self._taken = 0
        self._lock = Lock()

    def begin(self, act: ActT, times: int | None) -> None:
        """Begin anew with this act."""
        with self._lock:
            self._acts = [(act, times)]
            self._position = self._taken = 0

    def add(self, act: ActT, times: int | None) -> bool:
        """Go on with this act; False if there is none that it could follow."""
        with self._lock:
            self._acts += [(act, times)] if self._acts else []
            return bool(self._acts)

    def take(self) -> ActT | None:
        """The act for the next use."""
        with self._lock:
            while self._position < len(self._acts):
                act, times = self._acts[self._position]
                last = self._position == len(self._acts) - 1
                if (last and times is None) or self._taken < (times or 1):
                    self._taken += 1
                    return act
                self._position, self._taken = self._position + 1, 0
            return None


def checked(times: object, stub: object) -> int | None:
    """A number of uses, or None."""
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise UsageError(f"{stub}: times={times!r} means nothing; give a number from 1 on, or leave it out")
    return times if isinstance(times, int) else None
