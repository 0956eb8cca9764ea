"""Schedules of explored tests: the choices made wherever more than one thing could happen next."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, cast

from durabletest import sdk_threads
from durabletest.errors import UsageError
from durabletest.local.tasks import Task, current_task
from durabletest.local.timers import Scheduled
from durabletest.model.history import execution_title

_JITTERS = (0.0, 0.999999)
"""The jitters other than the default: those of the shortest and the longest delay."""
_LISTED = 6
"""The most operations that a story names of those that came before something, or were recorded at once."""
_TIMERS = {
    "wait": "the end of {}",
    "step retry": "the next attempt of {}",
    "scripted answer": "the scripted answer to {}",
    "stubbed invoke": "the end of {}",
    "sleep": "the end of a sleep",
}
"""The words for timers by their kinds; others are "the callback timeout of ..." and so on."""

SLOW = -1
"""The choice of no candidate: the task that would come next is slow from here on."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice of one of ``options`` candidates by index; 0 is the default.

    ``can_be_slow`` tells whether SLOW was possible, too. ``tell`` describes a choice other than the default.
    """

    options: int
    chosen: int
    can_be_slow: bool = False
    tell: Callable[[], str] | None = None

    @property
    def others(self) -> list[int]:
        """The choices that differ from the default; SLOW first."""
        return [*([SLOW] if self.can_be_slow else ()), *range(1, self.options)]


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
        for candidate in candidates:
            self._priorities.setdefault(candidate, self._random.random())
        if self._count in self._changes:
            self._priorities[max(candidates, key=self._priorities.__getitem__)] = -float(self._count)
        self._count += 1
        return max(range(len(candidates)), key=lambda place: self._priorities[candidates[place]])


class Numbered:
    """The ``number``-th way through the tree of all choices; 0 is the default schedule.

    Every way has a number below the product of the options along it.
    """

    def __init__(self, number: int) -> None:
        self._left = number

    def among(self, candidates: Sequence[object]) -> int:
        self._left, digit = divmod(self._left, len(candidates))
        return digit


Teller = Callable[[int], Callable[[], str]]


@dataclass(slots=True, eq=False)
class Schedule:
    """Choices that differ from the default, by their position; everything else is as by default.

    Where the difference is SLOW, the task that would come next is slow from there on: it goes on only when no other
    can, and checkpoints are sent before that. A ``policy`` makes all other choices. ``choices`` lists the choices made,
    in order; ``title_of`` names an operation by its execution's ARN and its id.
    """

    differences: Mapping[int, int] = field(default_factory=dict)
    policy: Policy | None = None
    choices: list[Choice] = field(default_factory=list)
    title_of: Callable[[str, str], str] = lambda _arn, operation_id: operation_id
    _slow: set[Task] = field(default_factory=set)
    _turns: list[tuple[Task, int]] = field(default_factory=list)

    @property
    def is_default(self) -> bool:
        """Whether everything is as by default."""
        return not self.differences and self.policy is None

    # --- what can be chosen ---

    def next_task(self, ready: list[Task], sender: Task | None) -> Task:
        """The task that has the next turn; by default the first one that became ready, else the sender."""
        quick = [task for task in ready if task not in self._slow]
        slow = [task for task in ready if task in self._slow]
        candidates = [*quick, *([] if sender is None else [sender]), *slow]
        first = candidates[0]
        chosen = self._choose(candidates, lambda place: self._story(first, candidates[place], sender), bool(quick))
        if chosen == SLOW:
            self._slow.add(first)
        task = candidates[1 if chosen == SLOW else chosen]
        self._turns.append((task, len(task.trail)))
        return task

    def next_timer(self, due: list[Scheduled]) -> int:
        """The place of the timer that fires first, of several that are due at one instant; by default the first set.

        What a script says for one callback comes in its order.
        """
        firsts: dict[object, int] = {}
        for place, entry in enumerate(due):
            kind_execution_operation = cast(tuple[Any, ...], entry.key)[:3]
            firsts.setdefault(kind_execution_operation, place)
        keys, places = [due[place].key for place in firsts.values()], [*firsts.values()]
        return places[self._choose(keys, lambda place: self._story_of_timers(keys[0], keys[place]))]

    def jitter(self, default: float) -> float:
        """The jitter of a delay, from 0 to 1."""
        draws = (default, *_JITTERS)
        return draws[self._choose(draws, lambda place: _story_of_jitter(default, draws[place]))]

    def _choose(self, candidates: Sequence[object], teller: Teller, can_be_slow: bool = False) -> int:
        count = len(candidates)
        if count == 1:
            return 0
        chosen = self.differences.get(len(self.choices))
        if chosen is None:
            chosen = 0 if self.policy is None else self.policy.among(candidates)
        if chosen == SLOW and not can_be_slow:
            chosen = 0
        chosen = min(chosen, count - 1)
        self.choices.append(Choice(count, chosen, can_be_slow, teller(max(chosen, 0)) if chosen else None))
        return chosen

    def _story(self, first: Task, chosen: Task, sender: Task | None) -> Callable[[], str]:
        """Describes a turn of another task than the first one, by what both did with their next turns."""
        first_is_at, chosen_is_at, turn = len(first.trail), len(chosen.trail), len(self._turns)

        def tell() -> str:
            then = sdk_threads.told(first.trail, first_is_at)
            if chosen is first:
                return f"{sdk_threads.owner(first.trail)} was slow: {self._overtaking(first, turn)} before {then}"
            if chosen is sender:
                return f"{_recorded(self._doings(turn, beginnings=True))} before {then}"
            return f"{sdk_threads.told(chosen.trail, chosen_is_at)} before {then}"

        return tell

    def _overtaking(self, slow: Task, turn: int) -> str:
        """The operations that other tasks went on with from that turn on, until the slow one had a turn."""
        steps: list[str] = []
        for place, (task, _) in enumerate(self._turns[turn:], turn):
            if task is slow:
                break
            steps += [] if task is task.turns.sender else self._doings(place)
        return f"{_enumerated(steps) or 'everything else'} came"

    def _doings(self, turn: int, beginnings: bool = False) -> list[str]:
        """The operations that the task went on with that had this turn."""
        task, position = self._turns[turn]
        until = next((later for other, later in self._turns[turn + 1 :] if other is task), None)
        return sdk_threads.doings(task.trail, position, until, beginnings)

    def _story_of_timers(self, first: Any, chosen: Any) -> Callable[[], str]:
        titles = [self._title(key) for key in (chosen, first)]
        texts = [_told(key[0], title) for key, title in zip((chosen, first), titles, strict=True)]
        if titles[0] == titles[1] and first[1] != chosen[1]:
            texts = [f"{text} of {execution_title(key[1])}" for text, key in zip(texts, (chosen, first), strict=True)]
        return lambda: " came before ".join(texts)

    def _title(self, key: Any) -> str:
        """The name of a timer's operation or execution, by the timer's key: kind, execution, operation."""
        _kind, arn, operation_id, *_ = key
        if arn is None:
            return ""
        return self.title_of(arn, operation_id) if isinstance(operation_id, str) else execution_title(arn)

    # --- what was chosen ---

    def chosen(self) -> dict[int, int]:
        """The choices that differ from the default, by their position."""
        return {position: choice.chosen for position, choice in enumerate(self.choices) if choice.chosen}

    def stories(self) -> list[str]:
        """The choices that differ from the default, in words."""
        return [choice.tell() for choice in self.choices if choice.tell is not None]


def written(differences: Mapping[int, int]) -> str:
    """The text that stands for these choices: ``"7:1 12:slow"``; empty for the default schedule."""
    return " ".join(
        f"{position}:{'slow' if chosen == SLOW else chosen}" for position, chosen in sorted(differences.items())
    )


def read(text: object) -> dict[int, int]:
    """The choices that a text stands for; raises :class:`UsageError` if it is none that ``written`` gives."""
    words = text.split() if isinstance(text, str) else []
    pairs = [re.fullmatch(r"(\d+):(slow|[1-9]\d*)", part) for part in words]
    differences = {int(pair[1]): SLOW if pair[2] == "slow" else int(pair[2]) for pair in pairs if pair is not None}
    if not differences or len(differences) < len(pairs):
        raise UsageError(
            f"@explore(schedule={text!r}) is no schedule: copy one from the failure of an explored test, "
            "like '7:1 12:slow'"
        )
    return differences


def _story_of_jitter(default: float, drawn: float) -> Callable[[], str]:
    """The jitter is drawn when an operation has failed, in its task."""
    task = current_task()
    where = "" if task is None else f" after {sdk_threads.latest(task.trail)}"
    return lambda: f"the jitter of the delay{where} was {drawn:.0%} of it, not {default:.0%}"


def _recorded(names: Sequence[str]) -> str:
    if not names:
        return "the service was asked for news"
    return f"{_enumerated(names)} {'was' if len(names) == 1 else 'were'} recorded"


def _enumerated(names: Sequence[str]) -> str:
    return enumerated(list(dict.fromkeys(names)), _LISTED)


def enumerated(names: Sequence[str], most: int) -> str:
    """``a, b and 3 more``."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def _told(kind: Any, title: str) -> str:
    text = str(getattr(kind, "value", kind))
    return _TIMERS.get(text, f"the {text} of {{}}").format(title)
