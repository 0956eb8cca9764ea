"""``@explore``: a test is run by many schedules, and a failure is reduced to the choices that it takes."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count, islice
from random import Random
from time import monotonic
from typing import Any, TypeVar, overload

from durabletest.errors import ConfigurationError, UsageError
from durabletest.local.schedules import SLOW, Numbered, RandomPriorities, Schedule, read, written

SCHEDULES_VARIABLE = "DURABLETEST_SCHEDULES"
SHARD_VARIABLE = "DURABLETEST_SHARD"
_MARK = "__durabletest_explore__"
_RUNS = 150
"""So many runs at most are spent on making a failing schedule smaller."""
_SINGLE = 60
"""So many schedules with a single difference at most are among them."""
_SECONDS = 10.0
"""So many real seconds at most are spent on it, but for the run that goes on when they are over."""
_DEEPEST = 60
"""So many choices at most has a tree of which it is noted how much has been seen."""

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a test is explored.

    ``schedules`` counts the runs, the default schedule's included; ``only`` is the one schedule that is run instead.
    ``shard`` is (which, of how many), the first being 1.
    """

    schedules: int = 200
    seed: int = 0
    only: Mapping[int, int] | None = None
    same_result: bool = True
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Trial:
    """How a test ended under one schedule.

    ``failure`` is the text of what failed it, None if nothing did; ``outcomes`` are status and result of its
    executions, as text.
    """

    failure: str | None
    skipped: bool
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The schedule that a test is to be reported with, and what to say above its failure.

    ``failure`` is how it has failed by that schedule, None if it has not; it has to fail so again. ``count`` is the
    number of schedules that were tried.
    """

    differences: Mapping[int, int] = field(default_factory=dict)
    preface: str = ""
    expected: tuple[str, ...] | None = None
    failure: str | None = None
    count: int = 0


@overload
def explore(method: Method, /) -> Method: ...


@overload
def explore(
    *, schedules: int = 200, seed: int = 0, schedule: str | None = None, same_result: bool = True
) -> Callable[[Method], Method]: ...


def explore(
    method: Any = None,
    /,
    *,
    schedules: int = 200,
    seed: int = 0,
    schedule: str | None = None,
    same_result: bool = True,
) -> Any:
    """Run a test method of a ``DurableTestCase`` by many schedules: orders in which its branches can go on.

    Each run has the test's own ``setUp`` and cleanups. The first one is by the default schedule, the others differ in
    who goes on next, in when checkpoints are sent, in which of several timers due at one instant comes first, and in
    the SDK's jitter: all schedules while there are few, else those that differ in little from the default one, and
    random ones drawn from ``seed``. A failure is reduced to the fewest choices that differ from the default, and told
    in words with the ``schedule`` that repeats just this run.

    With ``same_result`` the test fails, too, if the status or the result of one of its executions is not the same
    under every schedule. In real time, in the cloud, and with an SDK whose threads cannot be scheduled the test is run
    once, and a line on stderr says why.
    """
    _check_count(schedules, "schedules", 1)
    _check_count(seed, "seed", 0)
    if not isinstance(same_result, bool):
        raise UsageError(f"@explore(same_result={same_result!r}): give True or False")
    if method is not None and not callable(method):
        raise UsageError(f"@explore({method!r}): write @explore(schedules=200) above a test method")
    plan = Plan(schedules, seed, None if schedule is None else read(schedule), same_result)

    def mark(function: Any) -> Any:
        setattr(function, _MARK, plan)
        return function

    return mark if method is None else mark(method)


def plan_for(method: object) -> Plan | None:
    """How a test method is explored; None if it is not. ``DURABLETEST_SCHEDULES`` explores every test."""
    plan: Plan | None = getattr(method, _MARK, None)
    count = os.environ.get(SCHEDULES_VARIABLE)
    if plan is None and not count:
        return None
    plan = plan or Plan()
    if count and plan.only is None:
        plan = Plan(_number(count), plan.seed, None, plan.same_result)
    return Plan(plan.schedules, plan.seed, plan.only, plan.same_result, _shard())


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(f"the environment variable {SCHEDULES_VARIABLE} is {text!r}: write a number from 1 on")
    return int(text)


def _shard() -> tuple[int, int]:
    text = os.environ.get(SHARD_VARIABLE)
    if not text:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigurationError(
            f"the environment variable {SHARD_VARIABLE} is {text!r}: write which part of how many, like '3/8'"
        )
    return int(match[1]), int(match[2])


def _check_count(value: object, name: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"@explore({name}={value!r}): give a number from {least} on")


class Exploration:
    """Runs a test by one schedule after another, until one fails; ``run`` runs it once."""

    def __init__(self, plan: Plan, run: Callable[[Schedule, tuple[str, ...] | None], Trial]) -> None:
        self._plan = plan
        self._run = run
        self._expected: tuple[str, ...] | None = None
        self._default = Schedule()

    def find(self) -> Finding:
        """The schedule that the test is to be reported with: the one that fails it, else the default one."""
        plan = self._plan
        if plan.only is not None:
            return self._only(plan.only)
        default = Schedule()
        trial = self._run(default, None)
        if trial.skipped or trial.failure is not None:
            return Finding(failure=trial.failure)
        self._expected, self._default = trial.outcomes if plan.same_result else None, default
        count, seen = 1, Seen()
        seen.add(default)
        for schedule in schedules(default, plan):
            if seen.all:
                break
            count += 1
            failure = self._run(schedule, self._expected).failure
            if failure is not None:
                return self._failing(schedule, count, failure)
            seen.add(schedule)
        return Finding(count=count)

    def _only(self, differences: Mapping[int, int]) -> Finding:
        if self._plan.same_result:
            trial = self._run(Schedule(), None)
            self._expected = None if trial.failure is not None else trial.outcomes
        schedule = Schedule(differences)
        trial = self._run(schedule, self._expected)
        if dict(differences) != schedule.chosen():
            raise UsageError(
                f"@explore(schedule={written(differences)!r}) does not fit any more: the code under test, or the test "
                "itself, has changed since it was found. Leave schedule= out, to look for another one"
            )
        return Finding(differences, _preface(schedule, "It fails by this schedule."), self._expected, trial.failure, 1)

    def _failing(self, schedule: Schedule, count: int, failure: str) -> Finding:
        schedule, failure = Reduction(self._fails, self._default).reduce(schedule, failure)
        differences = schedule.chosen()
        how = f"It passes by the default schedule, and fails by another one, number {count} of those tried."
        return Finding(differences, _preface(schedule, how), self._expected, failure, count)

    def _fails(self, schedule: Schedule) -> str | None:
        return self._run(schedule, self._expected).failure


class Seen:
    """How much of the tree of all choices has been seen: each way through it has its share."""

    def __init__(self) -> None:
        self._ways: set[tuple[int, ...]] = set()
        self._share = Fraction(0)

    def add(self, schedule: Schedule) -> None:
        """A way was taken. One with a slow task is the same as one without, told otherwise; it counts for none."""
        way = tuple(choice.chosen for choice in schedule.choices)
        if len(way) > _DEEPEST or SLOW in way or way in self._ways:
            return
        self._ways.add(way)
        self._share += Fraction(1, math.prod(choice.options for choice in schedule.choices))

    @property
    def all(self) -> bool:
        """Whether no other way is left."""
        return self._share == 1


def schedules(default: Schedule, plan: Plan) -> Iterator[Schedule]:
    """The schedules that a test is run by beside the default one; of all of them, those of the plan's shard.

    Which they are follows from the default schedule and the plan alone, so that shards agree about them.
    """
    which, parts = plan.shard
    found = enumerate(_others(default, plan), 2)
    return (schedule for number, schedule in islice(found, plan.schedules - 1) if number % parts == which % parts)


def _others(default: Schedule, plan: Plan) -> Iterator[Schedule]:
    ways = math.prod(choice.options for choice in default.choices)
    if ways <= plan.schedules:
        yield from (Schedule(policy=Numbered(number)) for number in range(1, ways))
    chance = _by_chance(plan.seed, default)
    for differences in _single(default, Random(plan.seed)):
        yield Schedule(differences)
        yield next(chance)
    yield from chance


def _single(default: Schedule, order: Random) -> Iterator[dict[int, int]]:
    """One difference each: first every task that could be slow somewhere, then every other choice."""
    singles = [(place, other) for place, choice in enumerate(default.choices) for other in choice.others]
    order.shuffle(singles)
    singles.sort(key=lambda single: single[1] != SLOW)
    return ({place: other} for place, other in singles)


def _by_chance(seed: int, default: Schedule) -> Iterator[Schedule]:
    """Random priorities, and a few random differences, in turns."""
    length = len(default.choices)
    for number in count(seed):
        yield Schedule(policy=RandomPriorities(number, length, changes=number % 4))
        random = Random(number)
        few = range(2 + number % 4)
        yield Schedule({random.randrange(max(1, length)): random.choice((SLOW, SLOW, 1, 2)) for _ in few})


class Reduction:
    """Makes a schedule that fails a test smaller, while there are runs and time left.

    ``fails`` runs the test by a schedule, and gives the failure.
    """

    def __init__(self, fails: Callable[[Schedule], str | None], default: Schedule) -> None:
        self._fails = fails
        self._default = default
        self._runs = 0
        self._began = monotonic()

    def reduce(self, schedule: Schedule, failure: str) -> tuple[Schedule, str]:
        """A schedule with as few differences as can be found, and how it fails the test."""
        found = schedule, failure
        for smaller in (_cut_short, _without_some, self._one_alone, _said_otherwise):
            found = self._smallest(found, smaller)
        return found

    def _one_alone(self, differences: dict[int, int]) -> Iterator[dict[int, int]]:
        """Any single difference, if there are several."""
        if len(differences) > 1:
            yield from islice(_single(self._default, Random(0)), _SINGLE)

    def _smallest(
        self, found: tuple[Schedule, str], smaller: Callable[[dict[int, int]], Iterator[dict[int, int]]]
    ) -> tuple[Schedule, str]:
        tried: set[str] = set()
        while True:
            for differences in smaller(found[0].chosen()):
                if written(differences) in tried:
                    continue
                if self._runs >= _RUNS or monotonic() - self._began > _SECONDS:
                    return found
                tried.add(written(differences))
                self._runs += 1
                schedule = Schedule(differences)
                failure = self._fails(schedule)
                if failure is not None and _size(schedule.chosen()) < _size(found[0].chosen()):
                    found = schedule, failure
                    break
            else:
                return found


def _size(differences: Mapping[int, int]) -> tuple[int, int]:
    """The fewer differences the better, and of as many those that are for one turn only."""
    return len(differences), sum(chosen == SLOW for chosen in differences.values())


def _cut_short(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """The beginning of the differences, and then nothing more but a task that is slow."""
    positions = sorted(differences)
    for number, position in enumerate(positions[:-1]):
        beginning = {place: differences[place] for place in positions[:number]}
        yield {**beginning, position: SLOW}
        yield {**beginning, position: differences[position]}


def _without_some(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """All but a part of the differences: halves first, then quarters, and so on."""
    positions = sorted(differences)
    size = (len(positions) + 1) // 2
    while size and len(positions) > 1:
        for start in range(0, len(positions), size):
            left_out = positions[start : start + size]
            yield {place: chosen for place, chosen in differences.items() if place not in left_out}
        size //= 2


def _said_otherwise(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """For one turn, instead of from there on."""
    for place, chosen in differences.items():
        if chosen == SLOW:
            yield {**differences, place: 1}
            yield {**differences, place: 2}


def _preface(schedule: Schedule, how: str) -> str:
    if not schedule.stories():
        return ""
    stories = "\n".join(f"  - {story}" for story in schedule.stories())
    return (
        f'{how} This differs:\n{stories}\nTo run just this schedule: @explore(schedule="{written(schedule.chosen())}")'
    )
