"""Workflows as data: what they are made of, and how they are generated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hypothesis import strategies as st

LONGEST = 400
"""Seconds: delays are drawn from 1 to this, so that sums of some come close to others."""
MAX_DEPTH = 3


@dataclass(frozen=True)
class Wait:
    name: str
    seconds: int


@dataclass(frozen=True)
class Step:
    """It succeeds at once, and takes no time."""

    name: str


@dataclass(frozen=True)
class Retry:
    """A step that fails before each of the delays, and at the end once more if it ``fails``."""

    name: str
    delays: tuple[int, ...]
    fails: bool


@dataclass(frozen=True)
class Callback:
    """A callback with a timeout, a heartbeat timeout, heartbeats ``every`` so many seconds, and an answer after some.

    Whatever is None is left out; without ``succeeds`` the answer is a failure.
    """

    name: str
    timeout: int
    heartbeat_timeout: int | None
    every: int
    beats: int
    answer: int | None
    succeeds: bool


@dataclass(frozen=True)
class Child:
    """A child context."""

    name: str
    body: Body


@dataclass(frozen=True)
class Invoke:
    """A chained invoke of a durable function with that body."""

    name: str
    body: Body


@dataclass(frozen=True)
class Policy:
    """When a ``parallel`` is complete: so many successes, or more failures than are tolerated; None is no limit."""

    min_successful: int | None
    tolerated_failures: int | None

    def is_enough(self, succeeded: int) -> bool:
        return self.min_successful is not None and succeeded >= self.min_successful

    def is_too_much(self, failed: int) -> bool:
        return self.tolerated_failures is not None and failed > self.tolerated_failures

    def decided_by(self, succeeded: list[int], failed: list[int]) -> tuple[str, list[int]]:
        """Why it is complete, and the branches that made it so.

        Which other branches had ended is told as the SDK likes: when it replays them it stops looking once it has seen
        enough.
        """
        if self.is_too_much(len(failed)):
            return "too many failures", failed
        if self.is_enough(len(succeeded)):
            return "enough successes", succeeded
        return "all completed, these successfully", succeeded


@dataclass(frozen=True)
class Parallel:
    name: str
    branches: tuple[Body, ...]
    policy: Policy


@dataclass(frozen=True)
class Caught:
    """An action whose failure the workflow catches; another one ends the body that it is in."""

    action: Action


Action: TypeAlias = Wait | Step | Retry | Callback | Child | Invoke | Parallel | Caught
Body: TypeAlias = tuple[Action, ...]

FIRST_SUCCESSFUL = Policy(1, None)
ALL_COMPLETED = Policy(None, None)
LEAVES = ("wait", "step", "retry", "callback")


class Maker:
    """Draws one workflow; ``draw`` is Hypothesis's, and every action gets a name of its own."""

    def __init__(self, draw: Callable[..., Any]) -> None:
        self._draw = draw
        self._numbers = itertools.count()
        self._makers: dict[str, Callable[[int], Action]] = {
            "wait": self._wait,
            "step": self._step,
            "retry": self._retry,
            "callback": self._callback,
            "parallel": self._parallel,
            "child": self._child,
            "invoke": self._invoke,
        }

    def workflow(self) -> Body:
        """At least one ``parallel``, and maybe something before and after it."""
        before, after = self._integer(0, 1), self._integer(0, 1)
        return (*self._actions(before, 1), self._parallel(1), *self._actions(after, 1))

    def body(self, depth: int) -> Body:
        return self._actions(self._one_of([1, 2, 1, 0]), depth)

    def _actions(self, count: int, depth: int) -> Body:
        return tuple(self._action(depth) for _ in range(count))

    def _action(self, depth: int) -> Action:
        kinds = [*self._makers] if depth < MAX_DEPTH else LEAVES
        action = self._makers[self._one_of(kinds)](depth)
        may_fail = not isinstance(action, Wait | Step | Parallel)
        return Caught(action) if may_fail and self._integer(0, 1) else action

    def _wait(self, depth: int) -> Action:
        return Wait(self._name("wait"), self._seconds())

    def _step(self, depth: int) -> Action:
        return Step(self._name("step"))

    def _retry(self, depth: int) -> Action:
        delays = tuple(self._seconds() for _ in range(self._integer(1, 2)))
        return Retry(self._name("retry"), delays, bool(self._integer(0, 1)))

    def _callback(self, depth: int) -> Action:
        return Callback(
            self._name("callback"),
            timeout=self._seconds(),
            heartbeat_timeout=self._maybe(self._seconds()),
            every=self._seconds() // 4 + 1,
            beats=self._integer(0, 3),
            answer=self._maybe(self._seconds()),
            succeeds=bool(self._integer(0, 2)),
        )

    def _parallel(self, depth: int) -> Action:
        branches = tuple(self.body(depth + 1) for _ in range(self._integer(2, 3)))
        policies = [FIRST_SUCCESSFUL, ALL_COMPLETED, Policy(None, 0), Policy(self._integer(1, len(branches)), 1)]
        policies.append(Policy(self._integer(1, len(branches)), None))
        return Parallel(self._name("parallel"), branches, self._one_of(policies))

    def _child(self, depth: int) -> Action:
        return Child(self._name("child"), self.body(depth + 1))

    def _invoke(self, depth: int) -> Action:
        return Invoke(self._name("invoke"), self.body(depth + 1))

    def _name(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    def _seconds(self) -> int:
        return self._integer(1, LONGEST)

    def _maybe(self, value: int) -> int | None:
        return value if self._integer(0, 1) else None

    def _integer(self, least: int, most: int) -> int:
        value: int = self._draw(st.integers(least, most))
        return value

    def _one_of(self, values: Sequence[Any]) -> Any:
        return self._draw(st.sampled_from(values))


@st.composite
def workflows(draw: Callable[..., Any]) -> Body:
    """Workflows of all the kinds of actions, nested to a depth of ``MAX_DEPTH``."""
    return Maker(draw).workflow()
