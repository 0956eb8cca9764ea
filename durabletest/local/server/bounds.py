"""How far an execution may go before it is taken for one that has no end: far beyond what the service allows."""

from __future__ import annotations

from dataclasses import dataclass

from durabletest.local.server.messages import Announce, Endless

MAX_OPERATIONS = 10_000
MAX_INVOCATIONS = 5_000
MAX_REPLAYED = 5_000_000
"""Operations that the invocations of one execution replay, all together: minutes of the SDK's time."""
MAX_EXECUTIONS = 5_000
"""In one family: an execution, those that it invokes, and so on."""
MAX_DEPTH = 200
"""Invokes within invokes."""


class Bounds:
    """Counts what one execution does, and announces once that it has passed a bound."""

    def __init__(self, arn: str, announce: Announce) -> None:
        self._arn = arn
        self._announce = announce
        self._invocations = 0
        self._replayed = 0
        self._told = False

    def invoked(self, operations: int) -> None:
        """It is invoked, with so many operations behind it."""
        self._invocations += 1
        self._replayed += operations
        if self._invocations > MAX_INVOCATIONS:
            self.passed(f"more than {MAX_INVOCATIONS:,} invocations")
        elif self._replayed > MAX_REPLAYED:
            self.passed(f"{operations:,} operations, which each of {self._invocations:,} invocations replays")

    def grew(self, operations: int) -> None:
        """It has so many operations."""
        if operations > MAX_OPERATIONS:
            self.passed(f"more than {MAX_OPERATIONS:,} operations")

    def passed(self, bound: str) -> None:
        """It has passed this bound."""
        if not self._told:
            self._told = True
            self._announce(Endless(self._arn, bound))


@dataclass(slots=True, eq=False)
class Family:
    """An execution and all that came of it by chained invokes."""

    executions: int = 0

    def joined(self, depth: int, bounds: Bounds) -> None:
        """One more execution, so many invokes below the first."""
        self.executions += 1
        if depth > MAX_DEPTH:
            bounds.passed(f"a chain of more than {MAX_DEPTH:,} executions, each invoked by the one before")
        elif self.executions > MAX_EXECUTIONS:
            bounds.passed(f"more than {MAX_EXECUTIONS:,} executions that came of one")
