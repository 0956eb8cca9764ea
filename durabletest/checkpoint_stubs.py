"""Stubs of checkpoints: the service throttles or refuses them for a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Self

from durabletest.errors import UsageError
from durabletest.model.times import Duration, delay
from durabletest.stubs import ResponseQueue

THROTTLED, FAILING = "throttled", "service error"


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
    _refusals: ResponseQueue[str | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._refusals = ResponseQueue(self)

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
        refusal = self._refusals.take(now)
        self.refused += refusal is not None
        return refusal

    def rewind(self) -> None:
        """Begin with the first word again."""
        self._refusals.rewind()
        self.refused = 0

    @property
    def is_unused(self) -> bool:
        """Whether nothing was refused that should have been."""
        return not self.refused and not self.optional

    def __str__(self) -> str:
        return "stub_checkpoints()"

    def _begin(self, error: str | None, times: int | None, lasting: Duration | None) -> Self:
        self._refusals.begin(error, times, self._length(times, lasting))
        self.refused = 0
        return self

    def _then(self, word: str, error: str | None, times: int | None, lasting: Duration | None) -> Self:
        self._refusals.add(word, error, times, self._length(times, lasting))
        return self

    def _length(self, times: object, lasting: Duration | None) -> timedelta | None:
        if times is not None and lasting is not None:
            raise UsageError(f"{self}: give times= or lasting=, not both")
        return None if lasting is None else delay(lasting, f"lasting of {self}")
