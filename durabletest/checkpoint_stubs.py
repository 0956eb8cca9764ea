"""Stubs of checkpoints: the service throttles or refuses them for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from typing import Self

from durabletest.errors import UsageError
from durabletest.model.times import Duration, delay

THROTTLED, FAILING = "throttled", "service error"


@dataclass(frozen=True, slots=True)
class _Phase:
    """Refusals by one error, or none: for a number of checkpoints, for a length of time, or for good."""

    error: str | None
    times: int | None
    lasting: timedelta | None


@dataclass(slots=True, eq=False)
class CheckpointStub:
    """Has checkpoints refused, as the service does when it is overloaded or out.

    ``throttled``, ``failing`` and ``accepted`` say what happens to them, ``then_throttled`` and so on what afterwards::

        self.stub_checkpoints().accepted(times=2).then_throttled(times=3)

    Each is for one checkpoint, for as many as ``times`` says, or for the time from the first of them that ``lasting``
    says (a timedelta, or seconds, virtual); the last one is for all further checkpoints, unless it has one of these.
    What the SDK makes of a refusal is its own affair: versions 2 and 3 end the invocation, and Lambda repeats it.
    ``refused`` is how many were refused.
    """

    optional: bool = False
    refused: int = field(default=0, init=False)
    _phases: list[_Phase] = field(default_factory=list, init=False, repr=False)
    _position: int = field(default=0, init=False, repr=False)
    _taken: int = field(default=0, init=False, repr=False)
    _since: datetime | None = field(default=None, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def throttled(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """They are refused with ``TooManyRequestsException``."""
        return self._begin(THROTTLED, times, lasting)

    def failing(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """They are refused with ``ServiceException``."""
        return self._begin(FAILING, times, lasting)

    def accepted(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """They are accepted, until what comes next."""
        return self._begin(None, times, lasting)

    def then_throttled(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """Afterwards they are refused with ``TooManyRequestsException``."""
        return self._then("throttled", THROTTLED, times, lasting)

    def then_failing(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """Afterwards they are refused with ``ServiceException``."""
        return self._then("failing", FAILING, times, lasting)

    def then_accepted(self, times: int | None = None, *, lasting: Duration | None = None) -> Self:
        """Afterwards they are accepted."""
        return self._then("accepted", None, times, lasting)

    def respond(self, now: datetime) -> str | None:
        """``THROTTLED`` or ``FAILING`` if the next checkpoint is refused, None if it is accepted."""
        with self._lock:
            while self._position < len(self._phases):
                phase = self._phases[self._position]
                self._since = self._since or now
                if not self._is_over(phase, now - self._since):
                    self._taken += 1
                    self.refused += phase.error is not None
                    return phase.error
                self._position, self._taken, self._since = self._position + 1, 0, None
            return None

    def rewind(self) -> None:
        """Begin with the first word again."""
        with self._lock:
            self._position = self._taken = self.refused = 0
            self._since = None

    @property
    def is_unused(self) -> bool:
        """Whether nothing was refused that should have been."""
        return not self.refused and not self.optional

    def __str__(self) -> str:
        return "stub_checkpoints()"

    def _is_over(self, phase: _Phase, passed: timedelta) -> bool:
        if phase.lasting is not None:
            return passed >= phase.lasting
        last = self._position == len(self._phases) - 1
        return not (last and phase.times is None) and self._taken >= (phase.times or 1)

    def _begin(self, error: str | None, times: int | None, lasting: Duration | None) -> Self:
        phase = self._phase(error, times, lasting)
        self.rewind()
        self._phases = [phase]
        return self

    def _then(self, word: str, error: str | None, times: int | None, lasting: Duration | None) -> Self:
        if not self._phases:
            raise UsageError(f"{self}.then_{word}(...) follows nothing: begin with {self}.{word}(...)")
        phase = self._phase(error, times, lasting)
        with self._lock:
            self._phases = [*self._phases, phase]
        return self

    def _phase(self, error: str | None, times: object, lasting: Duration | None) -> _Phase:
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise UsageError(f"{self}: times={times!r} means nothing; give a number from 1 on, or leave it out")
        if times is not None and lasting is not None:
            raise UsageError(f"{self}: give times= or lasting=, not both")
        length = None if lasting is None else delay(lasting, f"lasting of {self}")
        return _Phase(error, times if isinstance(times, int) else None, length)
