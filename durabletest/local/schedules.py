"""Schedules other than the default one: what was chosen where more than one thing could have happened next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from durabletest import sdk_threads
from durabletest.errors import UsageError
from durabletest.local.scheduler import Scheduled
from durabletest.local.turns import Task

_JITTERS = (0.0, 0.999999)
"""What the SDK's jitter can draw beside its default: the shortest and the longest delay."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``options`` things that could happen, counted from 0, which is what happens by default.

    ``tell`` tells of a choice other than the default.
    """

    options: int
    chosen: int
    tell: Callable[[], str] | None = None


class Policy(Protocol):
    """Chooses where no choice is prescribed."""

    def among(self, candidates: Sequence[object]) -> int:
        """The place of the candidate that comes next."""
        ...


class RandomPriorities:
    """Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).

    Every candidate gets a random priority when it is first seen, and the highest one always comes next; but at as many
    places as ``changes`` says, drawn from the first ``length`` choices, the one that would come next becomes the last.
    """

    def __init__(self, seed: int, length: int, changes: int) -> None:
        self._random = Random(seed)
        self._priorities: dict[object, float] = {}
        self._changes = {self._random.randrange(max(1, length)) for _ in range(changes)}
        self._count = 0

    def among(self, candidates: Sequence[object]) -> int:
        """The place of the candidate with the highest priority."""
        for candidate in candidates:
            self._priorities.setdefault(candidate, self._random.random())
        if self._count in self._changes:
            self._priorities[max(candidates, key=self._priorities.__getitem__)] = -float(self._count)
        self._count += 1
        return max(range(len(candidates)), key=lambda place: self._priorities[candidates[place]])


@dataclass(slots=True, eq=False)
class Schedule:
    """A list of choices that differ from the default, by their position; everything else is as by default.

    With a ``policy`` it is the policy that chooses the rest. ``choices`` is what was chosen, in order; ``name_of``
    names an operation by its execution's ARN and its id.
    """

    differences: Mapping[int, int] = field(default_factory=dict)
    policy: Policy | None = None
    choices: list[Choice] = field(default_factory=list)
    name_of: Callable[[str, str], str] = lambda _arn, operation_id: operation_id

    # --- what can be chosen ---

    def next_task(self, ready: list[Task], sender: Task | None) -> Task:
        """The task that has the next turn; by default the first one that became ready, else the sender."""
        candidates = ready if sender is None else [*ready, sender]
        return candidates[self._choose(candidates, lambda chosen: _story(candidates[0], candidates[chosen], sender))]

    def next_timer(self, due: list[Scheduled]) -> int:
        """The place of the timer that fires first, of several that are due at one instant; by default the first set."""
        keys = [entry.key for entry in due]
        return self._choose(keys, lambda chosen: self._story_of_timers(keys[0], keys[chosen]))

    def jitter(self, default: float) -> float:
        """What the SDK draws for the jitter of a delay, from 0 to 1."""
        draws = (default, *_JITTERS)
        return draws[self._choose(draws, lambda chosen: lambda: f"the jitter of a delay was {draws[chosen]:.2g} of it")]

    def _choose(self, candidates: Sequence[object], teller: Callable[[int], Callable[[], str]]) -> int:
        count = len(candidates)
        if count == 1:
            return 0
        position = len(self.choices)
        chosen = self.differences.get(position)
        if chosen is None:
            chosen = 0 if self.policy is None else self.policy.among(candidates)
        chosen = min(chosen, count - 1)
        self.choices.append(Choice(count, chosen, teller(chosen) if chosen else None))
        return chosen

    def _story_of_timers(self, first: Any, chosen: Any) -> Callable[[], str]:
        text = f"{self._told(chosen)} came before {self._told(first)}"
        return lambda: text

    def _told(self, key: Any) -> str:
        """A timer, by its key: kind, execution, operation."""
        kind, arn, operation_id, *_ = key
        named = str(getattr(kind, "value", kind))
        if not isinstance(operation_id, str):
            return f"the end of a {named}"
        return f"the timer ({named}) of {self.name_of(arn, operation_id)}"

    # --- what was chosen ---

    def chosen(self) -> dict[int, int]:
        """The choices that differ from the default, by their position."""
        return {position: choice.chosen for position, choice in enumerate(self.choices) if choice.chosen}

    def stories(self) -> list[str]:
        """The choices that differ from the default, in words."""
        return [choice.tell() for choice in self.choices if choice.tell is not None]


def written(differences: Mapping[int, int]) -> str:
    """The text that stands for these choices: ``"7:1 12:2"``; empty for the default schedule."""
    return " ".join(f"{position}:{chosen}" for position, chosen in sorted(differences.items()))


def read(text: str) -> dict[int, int]:
    """The choices that a text stands for; raises :class:`UsageError` if it is none that ``written`` gives."""
    try:
        pairs = [part.split(":") for part in text.split()]
        return {int(position): int(chosen) for position, chosen in pairs}
    except ValueError:
        raise UsageError(
            f"schedule={text!r} is no schedule: copy it from the failure of an explored test, like '7:1 12:2'"
        ) from None


def _story(first: Task, chosen: Task, sender: Task | None) -> Callable[[], str]:
    """How a turn was given to another task than the first one, told by what both did with their next turns."""
    first_is_at, chosen_is_at = len(first.trail), len(chosen.trail)

    def tell() -> str:
        then = sdk_threads.told(first.trail, first_is_at)
        if chosen is sender:
            return f"a checkpoint was sent before {then}"
        return f"{sdk_threads.told(chosen.trail, chosen_is_at)} before {then}"

    return tell
