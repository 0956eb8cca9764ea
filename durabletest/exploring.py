"""``@explore``: a test is run by many schedules, and a failure is reduced to the choices that it takes."""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, TypeVar, overload

from durabletest.errors import ConfigurationError, UsageError
from durabletest.local.schedules import RandomPriorities, Schedule, read, written

SCHEDULES_VARIABLE = "DURABLETEST_SCHEDULES"
SHARD_VARIABLE = "DURABLETEST_SHARD"
_MARK = "__durabletest_explore__"
_REDUCING = 100
"""So many runs at most are spent on making a failing schedule smaller."""

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
    """How a test ended under one schedule; ``outcomes`` are status and result of its executions, as text."""

    failed: bool
    skipped: bool
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The schedule that a test is to be reported with, and what to say above its failure."""

    differences: Mapping[int, int] = field(default_factory=dict)
    preface: str = ""
    expected: tuple[str, ...] | None = None
    summary: str = ""


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

    def find(self) -> Finding:
        """The schedule that the test is to be reported with: the one that fails it, else the default one."""
        plan = self._plan
        if plan.only is not None:
            return self._only(plan.only)
        default = Schedule()
        trial = self._run(default, None)
        if trial.failed or trial.skipped:
            return Finding()
        self._expected = trial.outcomes if plan.same_result else None
        count = 1
        for schedule in islice(self._others(default), math.ceil(plan.schedules / plan.shard[1]) - 1):
            count += 1
            if self._run(schedule, self._expected).failed:
                return self._failing(schedule.chosen(), count)
        which, parts = plan.shard
        part = f", part {which} of {parts}" if parts > 1 else ""
        return Finding(summary=f"{count} schedules{part}")

    def _only(self, differences: Mapping[int, int]) -> Finding:
        if self._plan.same_result:
            trial = self._run(Schedule(), None)
            self._expected = None if trial.failed else trial.outcomes
        schedule = Schedule(differences)
        self._run(schedule, self._expected)
        if dict(differences) != schedule.chosen():
            raise UsageError(
                f"@explore(schedule={written(differences)!r}) does not fit: the code under test, or the test itself, "
                "has changed since. Leave schedule= out to look anew"
            )
        return Finding(differences, self._preface(schedule, ""), self._expected)

    # --- which schedules ---

    def _others(self, default: Schedule) -> Iterator[Schedule]:
        systematic, chance = self._systematic(default), self._by_chance(len(default.choices))
        tree = math.prod(choice.options for choice in default.choices)
        if tree <= self._plan.schedules:
            yield from systematic
            return
        for schedule in systematic:
            yield schedule
            yield next(chance)
        yield from chance

    def _systematic(self, default: Schedule) -> Iterator[Schedule]:
        """Every schedule once: those with one difference first, then those with two, and so on."""
        which, parts = self._plan.shard
        order = Random(self._plan.seed)
        level = deque(_extended(default, order, slice(which - 1, None, parts)))
        while level:
            schedule = Schedule(level.popleft())
            yield schedule
            level.extend(_extended(schedule, order))

    def _by_chance(self, length: int) -> Iterator[Schedule]:
        which, parts = self._plan.shard
        seed = self._plan.seed + which - 1
        while True:
            yield Schedule(policy=RandomPriorities(seed, length, changes=seed % 4))
            seed += parts

    # --- one that fails ---

    def _failing(self, differences: Mapping[int, int], count: int) -> Finding:
        smallest = self._reduced(dict(differences))
        schedule = Schedule(smallest)
        self._run(schedule, self._expected)
        return Finding(smallest, self._preface(schedule, f", the {count}. schedule that was tried,"), self._expected)

    def _reduced(self, differences: dict[int, int]) -> dict[int, int]:
        """As few of the differences as fail the test; parts are left out, then single ones."""
        runs, size = 0, max(1, len(differences) // 2)
        while runs < _REDUCING:
            positions = sorted(differences)
            parts = [positions[start : start + size] for start in range(0, len(positions), size)]
            for part in parts:
                fewer = {position: chosen for position, chosen in differences.items() if position not in part}
                runs += 1
                schedule = Schedule(fewer)
                if self._run(schedule, self._expected).failed:
                    differences = schedule.chosen()
                    break
            else:
                if size == 1:
                    break
                size = max(1, size // 2)
        return differences

    def _preface(self, schedule: Schedule, how: str) -> str:
        if not schedule.stories():
            return ""
        stories = "\n".join(f"  - {story}" for story in schedule.stories())
        text = written(schedule.chosen())
        return (
            f"It passes by the default schedule; by another one{how} it fails. This differs:\n{stories}\n"
            f'To run just this schedule: @explore(schedule="{text}")'
        )


def _extended(schedule: Schedule, order: Random, part: slice = slice(None)) -> list[dict[int, int]]:
    """The schedules with one more difference, after the last one that there is, in an order of chance."""
    differences = dict(schedule.differences)
    last = max(differences, default=-1)
    found = [
        {**differences, position: other}
        for position, choice in enumerate(schedule.choices)
        if position > last
        for other in range(1, choice.options)
    ]
    order.shuffle(found)
    return found[part]
