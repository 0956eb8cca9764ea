"""The crash matrix: a clean run of a workflow, then one run for each fault at each point, compared with the clean one.

A run happens through a function, so that it can be that of a runner, or that of a whole test with its ``setUp``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from durabletest.errors import UsageError
from durabletest.local.faults import PLACES, Fault, FaultInjector, Injection, Point, StepRun, read_fault
from durabletest.model.history import History, title, word_for
from durabletest.model.lookup import listed, nearest
from durabletest.model.records import SIDE_BY_SIDE, ExecutionStatus, OperationRecord
from durabletest.model.times import plain
from durabletest.result import TestResult

Key: TypeAlias = Callable[[Any], Any]
_SHOWN = 5
"""The most faults that are reported with the same differences, and the most different ones."""
_LONGEST_PAYLOAD = 60
"""The most characters of a payload in the line that runs one case again."""


@dataclass(frozen=True, slots=True)
class CrashRun:
    """What is compared of one run.

    ``error`` is the text of the error with which the run ended instead of an outcome. ``effects`` maps the name of each
    side effect to how often it has happened, and how often outside of any step; ``complaints`` are the rules of side
    effects that were broken.
    """

    status: str
    value: Any = None
    error: str | None = None
    history: History = field(default_factory=History)
    points: Sequence[Point] = ()
    steps: Sequence[StepRun] = ()
    happened: bool = False
    effects: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    complaints: Sequence[str] = ()


Run: TypeAlias = Callable[[Injection | None], CrashRun]
"""Runs the workflow with that fault in it; cleanly with None."""


class FaultyRunner(Protocol):
    """A runner that can begin again, and put faults into its executions."""

    def rewind(self) -> None:
        """Forget all executions; scripts and stubs begin with their first answers again."""

    def with_fault(self, fault: str | None = None) -> AbstractContextManager[FaultInjector]:
        """In the block, put a fault into what is run."""
        ...


def observed(runner: FaultyRunner, execute: Callable[[], TestResult], injection: Injection | None) -> CrashRun:
    """Execute with that fault, and keep what the crash matrix compares; errors of the run are part of it."""
    with runner.with_fault(None if injection is None else str(injection)) as injector:
        try:
            result = execute()
            history, status = result.view.history(), result.get_status()
            error = history.execution.error
            value = plain(result.get_result()) if status is ExecutionStatus.SUCCEEDED else error and str(error)
        except Exception as failure:
            return CrashRun("no outcome", error=f"{type(failure).__name__}: {failure}", points=injector.points)
    return CrashRun(str(status), value, None, history, injector.points, injector.steps, injector.happened)


def observed_anew(
    runner: FaultyRunner, execute: Callable[[], TestResult], reset: Callable[[], object], injection: Injection | None
) -> CrashRun:
    """As ``observed``, in a runner that begins again, after ``reset`` was called."""
    runner.rewind()
    reset()
    return observed(runner, execute, injection)


class CrashMatrix:
    """The faults to try, and the comparison of each run with the clean one.

    ``faults`` are names of faults, each with the number of a point or without; None means all. ``operations`` are names
    or paths: only points about these are tried. ``key`` makes of a value what has to be equal.
    """

    def __init__(
        self,
        payload: Any = None,
        faults: Iterable[str] | str | None = None,
        operations: Iterable[str] | str | None = None,
        key: Key | None = None,
    ) -> None:
        chosen = [*Fault] if faults is None else [faults] if isinstance(faults, str) else list(faults)
        self._faults = [read_fault(str(fault) if isinstance(fault, Fault) else fault) for fault in chosen]
        if not self._faults:
            raise UsageError("faults=[] tries nothing: leave it out, to try all faults")
        names = [operations] if isinstance(operations, str) else operations
        self._operations = None if names is None else list(names)
        if key is not None and not callable(key):
            raise UsageError(f"key={key!r}: give a function that makes of a value what has to be equal")
        self._key = key or (lambda value: value)
        self._payload = payload

    def complaint(self, run: Run) -> str | None:
        """Try all faults; the report of those that the workflow does not survive, None if there are none."""
        clean = run(None)
        if clean.error is not None:
            raise UsageError(f"the clean run, without any fault, has no outcome to compare with: {clean.error}")
        injections = list(self._injections(clean))
        failures = []
        for injection, point in injections:
            broken = run(injection)
            differences = list(self._differences(clean, broken, injection, point))
            if differences:
                failures.append((injection, point, differences))
        if clean.complaints:
            return "the clean run, without any fault:" + "".join(f"\n  - {text}" for text in clean.complaints)
        return self._report(failures, len(injections)) if failures else None

    # --- what is tried ---

    def _injections(self, clean: CrashRun) -> Iterator[tuple[Injection, Point]]:
        points = [point for point in clean.points if self._is_wanted(point)]
        if not points:
            known = sorted({path for point in clean.points for path in point.paths if path})
            raise UsageError(
                f"operations={self._operations!r}: no checkpoint or step is about "
                f"{'it' if len(self._operations or ()) == 1 else 'them'}"
                f"{nearest((self._operations or [''])[0], known)}; there are {listed(known) or 'no named operations'}"
                if self._operations
                else "the workflow has neither a checkpoint nor a step: there is nothing that a crash could interrupt"
            )
        for fault, number in self._faults:
            at = [point for point in points if point.place is PLACES[fault] and number in (None, point.number)]
            if not at and number is not None:
                most = sum(point.place is PLACES[fault] for point in points)
                raise UsageError(f"faults='{fault} {number}': the clean run has {most} such points, counted from 1")
            for point in at:
                yield Injection(fault, point.number), point

    def _is_wanted(self, point: Point) -> bool:
        return self._operations is None or any(point.is_about(path) for path in self._operations)

    # --- what is compared ---

    def _differences(self, clean: CrashRun, run: CrashRun, injection: Injection, point: Point) -> Iterator[str]:
        if run.error is not None:
            yield f"the run ended with {run.error}"
            return
        met = next((one for one in run.points if (one.place, one.number) == (point.place, point.number)), None)
        if not run.happened or met is None or met.words != point.words:
            there = "no such point was met" if met is None else f"it was {met.words}"
            yield (
                f"{point.place} {injection.number} is not the same in every run ({there}): something that the workflow "
                "or the test has left behind, chance, or a thread of its own decides what happens"
            )
            return
        yield from self._outcome_differences(clean, run)
        yield from operation_differences(clean.history, run.history)
        yield from _repeated(run.steps)
        yield from run.complaints
        yield from _effect_differences(clean, run)

    def _outcome_differences(self, clean: CrashRun, run: CrashRun) -> Iterator[str]:
        if run.status != clean.status:
            told = f" with {run.value}" if run.status != "SUCCEEDED" else ""
            yield f"the execution is {run.status}{told} instead of {clean.status}"
        elif self._key(run.value) != self._key(clean.value):
            yield f"the value is {run.value!r} instead of {clean.value!r}"

    # --- what is reported ---

    def _report(self, failures: list[tuple[Injection, Point, list[str]]], count: int) -> str:
        first = failures[0][0]
        groups: dict[tuple[str, ...], list[tuple[Injection, Point]]] = {}
        for injection, point, differences in failures:
            groups.setdefault(tuple(differences), []).append((injection, point))
        lines = []
        for differing, places in list(groups.items())[:_SHOWN]:
            lines += [f"{injection.at(point)} ({str(injection)!r})" for injection, point in places[:_SHOWN]]
            if len(places) > _SHOWN:
                lines.append(f"and {', '.join(str(injection) for injection, _ in places[_SHOWN:])}")
            lines += [f"  - {text}" for text in differing]
        if len(groups) > _SHOWN:
            left = [str(places[0][0]) for places in list(groups.values())[_SHOWN:]]
            lines.append(f"and with other differences: {', '.join(left)}")
        payload = repr(self._payload) if len(repr(self._payload)) <= _LONGEST_PAYLOAD else "payload"
        again = f"self.assertSurvivesCrashes({payload}, faults={str(first)!r})"
        return (
            f"the workflow does not survive {len(failures)} of {count} faults. Compared with a run without any:\n"
            + "\n".join(lines)
            + f"\nTo run just the first of them again: {again}"
        )


def _effect_differences(clean: CrashRun, run: CrashRun) -> Iterator[str]:
    for name, (count, outside) in run.effects.items():
        expected, expected_outside = clean.effects.get(name, (0, 0))
        if count < expected:
            yield f"side effect {name!r} happened {count} times instead of {expected}"
        if outside > expected_outside:
            yield (
                f"side effect {name!r} happened {outside} times instead of {expected_outside} outside of any step, "
                "where each replay repeats it: put it into a step"
            )


def _repeated(steps: Sequence[StepRun]) -> Iterator[str]:
    runs = Counter(step for step in steps if step.at_most_once)
    for step, count in runs.items():
        if count > 1:
            yield f"the at-most-once step {step.path!r} ran {count} times for attempt {step.attempt}"


def operation_differences(expected: History, actual: History) -> Iterator[str]:
    """The operations that are missing in one of two histories, or are not the same: type, name, parent.

    What is inside a map or parallel that ended before all of its branches is not compared: which of them went on, and
    how far, is chance.
    """
    ours, theirs = ({record.id: record for record in history.operations} for history in (expected, actual))
    for key in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(key), theirs.get(key)
        if any(history and _may_differ(history, record) for history, record in ((expected, one), (actual, other))):
            continue
        if other is None and one is not None:
            yield f"{title(expected, one)} did not happen"
        elif one is None and other is not None:
            yield f"{title(actual, other)} happened, which does not without a fault"
        elif one is not None and other is not None and _facts(one) != _facts(other):
            yield f"{title(expected, one)} was {title(actual, other)} instead"


def _may_differ(history: History, record: OperationRecord | None) -> bool:
    if record is None:
        return False
    side_by_side = (one for one in history.ancestors(record) if one.sub_type in SIDE_BY_SIDE)
    cut_short = any(not child.status.is_terminal for one in side_by_side for child in history.children(one))
    return cut_short or not record.status.is_terminal


def _facts(record: OperationRecord) -> tuple[str, str | None, str | None]:
    return word_for(record.sub_type, record.type), record.name, record.parent_id
