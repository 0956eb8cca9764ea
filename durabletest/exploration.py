"""The search for a schedule that fails a test, and its reduction to the fewest choices that differ from the default.

A schedule decides at each choice who goes on next (see :mod:`durabletest.local.schedules`). A *difference* is a choice
that is not the default one: its position in the run, and what was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count, islice
from random import Random
from time import monotonic
from typing import TYPE_CHECKING

from durabletest.errors import UsageError
from durabletest.local.schedules import SLOW, Numbered, RandomPriorities, Schedule, written
from durabletest.progress import ProgressLine

if TYPE_CHECKING:
    from durabletest.generated_cases import CaseStrategies, GeneratedCase, Observed

_REDUCTION_RUNS = 150
"""The most runs that are spent on reducing a failing schedule."""
_SINGLE_DIFFERENCES = 60
"""The most of them that are schedules with a single difference."""
_REDUCTION_SECONDS = 10.0
"""The most real seconds that are spent on it; the run that goes on when they are over is finished."""
_DEEPEST = 60
"""The most choices in a schedule that counts for how much of the tree of all choices has been seen."""


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """The arguments of ``@explore``, with what environment variables say.

    ``schedules`` is the number of runs, including that of the default schedule. ``only`` is the one schedule to run
    instead, by its differences. ``shard`` is (which, of how many), the first being 1. With ``cases`` as many of these
    are tried as ``schedules`` says.
    """

    schedules: int = 200
    seed: int = 0
    only: Mapping[int, int] | None = None
    same_result: bool = True
    shard: tuple[int, int] = (1, 1)
    cases: CaseStrategies | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome of a test by one schedule.

    ``failure`` is the text of the failure, None if it passed; ``outcomes`` are status and result of each execution, as
    text; ``seen`` are facts of a run with a generated case.
    """

    failure: str | None
    skipped: bool
    outcomes: tuple[str, ...]
    schedule: Schedule
    seen: Observed


@dataclass(frozen=True, slots=True)
class Finding:
    """The schedule that a test is to be reported with, by its differences, and the ``preface`` above its failure.

    ``failure`` is the text with which that schedule has failed the test, None if it has not; the run that is reported
    has to fail as well. ``expected`` are the outcomes by the default schedule. ``count`` is the number of schedules
    that were tried. ``case`` is the generated case to run it with, if there are some.
    """

    differences: Mapping[int, int] = field(default_factory=dict)
    preface: str = ""
    expected: tuple[str, ...] | None = None
    failure: str | None = None
    count: int = 0
    case: GeneratedCase | None = None


class Exploration:
    """Runs a test by one schedule after another until one fails it.

    ``run(schedule, expected)`` runs it once, and fails it if its executions do not end with the expected outcomes.
    ``name`` is that of the test, for its progress.
    """

    def __init__(
        self, options: ExploreOptions, run: Callable[[Schedule, tuple[str, ...] | None], Trial], name: str = "a test"
    ) -> None:
        self._options = options
        self._run_once = run
        self._runs = 0
        self._progress = ProgressLine(f"exploring {name}", many=True)
        self._expected: tuple[str, ...] | None = None
        self._default = Schedule()
        self._phase = f" of {options.schedules} schedules"

    def find(self) -> Finding:
        """Find the schedule that fails the test; the default one if none does."""
        with self._progress.shown():
            found = self._find()
        self._progress.summarise(f"{self._runs} runs")
        return found

    def _find(self) -> Finding:
        options = self._options
        if options.only is not None:
            return self._only(options.only)
        default = Schedule()
        trial = self._run(default, None)
        if trial.skipped or trial.failure is not None:
            return Finding(failure=trial.failure)
        self._expected, self._default = trial.outcomes if options.same_result else None, default
        count, seen = 1, Seen()
        seen.add(default)
        for schedule in schedules(default, options):
            if seen.all:
                break
            count += 1
            failure = self._run(schedule, self._expected).failure
            if failure is not None:
                return self._failing(schedule, count, failure)
            seen.add(schedule)
        return Finding(count=count)

    def _run(self, schedule: Schedule, expected: tuple[str, ...] | None) -> Trial:
        self._runs += 1
        self._progress.show(f"run {self._runs}{self._phase}")
        return self._run_once(schedule, expected)

    def _only(self, differences: Mapping[int, int]) -> Finding:
        if self._options.same_result:
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
        self._phase = f": schedule {count} has failed, and is reduced"
        schedule, failure = Reduction(self._fails, self._default).reduce(schedule, failure)
        differences = schedule.chosen()
        how = f"It passes by the default schedule, and fails by another one, number {count} of those tried."
        return Finding(differences, _preface(schedule, how), self._expected, failure, count)

    def _fails(self, schedule: Schedule) -> str | None:
        return self._run(schedule, self._expected).failure


class Seen:
    """The part of the tree of all choices that has been run: each path through the tree is a share of it."""

    def __init__(self) -> None:
        self._paths: set[tuple[int, ...]] = set()
        self._share = Fraction(0)

    def add(self, schedule: Schedule) -> None:
        """Count the path of a schedule that was run; one with a slow task is that of another schedule without."""
        path = tuple(choice.chosen for choice in schedule.choices)
        if len(path) > _DEEPEST or SLOW in path or path in self._paths:
            return
        self._paths.add(path)
        self._share += Fraction(1, math.prod(choice.options for choice in schedule.choices))

    @property
    def all(self) -> bool:
        return self._share == 1


def schedules(default: Schedule, options: ExploreOptions) -> Iterator[Schedule]:
    """The schedules to try after the default one; of all of them, those of the shard.

    They follow from the default schedule and the options alone, so that all shards agree about them.
    """
    which, parts = options.shard
    found = enumerate(_others(default, options), 2)
    return (schedule for number, schedule in islice(found, options.schedules - 1) if number % parts == which % parts)


def _others(default: Schedule, options: ExploreOptions) -> Iterator[Schedule]:
    paths = math.prod(choice.options for choice in default.choices)
    if paths <= options.schedules:
        yield from (Schedule(policy=Numbered(number)) for number in range(1, paths))
    chance = _by_chance(options.seed, default)
    for differences in _single(default, Random(options.seed)):
        yield Schedule(differences)
        yield next(chance)
    yield from chance


def _single(default: Schedule, order: Random) -> Iterator[dict[int, int]]:
    """Schedules with one difference: first each task that could be slow from some point on, then each other choice."""
    singles = [(place, other) for place, choice in enumerate(default.choices) for other in choice.others]
    order.shuffle(singles)
    singles.sort(key=lambda single: single[1] != SLOW)
    return ({place: other} for place, other in singles)


def _by_chance(seed: int, default: Schedule) -> Iterator[Schedule]:
    """Schedules with random priorities, alternating with those of a few random differences."""
    length = len(default.choices)
    for number in count(seed):
        yield Schedule(policy=RandomPriorities(number, length, changes=number % 4))
        random = Random(number)
        few = range(2 + number % 4)
        yield Schedule({random.randrange(max(1, length)): random.choice((SLOW, SLOW, 1, 2)) for _ in few})


class Reduction:
    """Reduces a schedule that fails a test, as long as there are runs and time left.

    ``fails`` runs the test by a schedule and returns the text of the failure, None if it passes.
    """

    def __init__(self, fails: Callable[[Schedule], str | None], default: Schedule) -> None:
        self._fails = fails
        self._default = default
        self._runs = 0
        self._began = monotonic()

    def reduce(self, schedule: Schedule, failure: str) -> tuple[Schedule, str]:
        """The schedule with the fewest differences that is found, and the failure by it."""
        found = schedule, failure
        for smaller in (_cut_short, _without_some, self._one_alone, _for_one_turn):
            found = self._smallest(found, smaller)
        return found

    def _one_alone(self, differences: dict[int, int]) -> Iterator[dict[int, int]]:
        """A single difference of any kind, in place of several."""
        if len(differences) > 1:
            yield from islice(_single(self._default, Random(0)), _SINGLE_DIFFERENCES)

    def _smallest(
        self, found: tuple[Schedule, str], smaller: Callable[[dict[int, int]], Iterator[dict[int, int]]]
    ) -> tuple[Schedule, str]:
        tried: set[str] = set()
        while True:
            for differences in smaller(found[0].chosen()):
                if written(differences) in tried:
                    continue
                if self._runs >= _REDUCTION_RUNS or monotonic() - self._began > _REDUCTION_SECONDS:
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
    """The sort key of reductions: fewer differences are smaller, then those that are for one turn only."""
    return len(differences), sum(chosen == SLOW for chosen in differences.values())


def _cut_short(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """The first few differences, the last of them as it is or as a slow task."""
    positions = sorted(differences)
    for number, position in enumerate(positions[:-1]):
        beginning = {place: differences[place] for place in positions[:number]}
        yield {**beginning, position: SLOW}
        yield {**beginning, position: differences[position]}


def _without_some(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """The differences without a part of them: halves first, then quarters, and so on."""
    positions = sorted(differences)
    size = (len(positions) + 1) // 2
    while size and len(positions) > 1:
        for start in range(0, len(positions), size):
            left_out = positions[start : start + size]
            yield {place: chosen for place, chosen in differences.items() if place not in left_out}
        size //= 2


def _for_one_turn(differences: dict[int, int]) -> Iterator[dict[int, int]]:
    """A difference for one turn in place of a slow task, which is one from there on."""
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
