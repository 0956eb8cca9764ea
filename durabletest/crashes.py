"""The crash matrix: a clean run of a workflow, then one run for each fault at each point, compared with the clean one.

A run happens through a function, so that it can be that of a runner, or that of a whole test with its ``setUp``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from durabletest.endings import current_suite
from durabletest.errors import UsageError
from durabletest.local.faults import (
    JOINT,
    PLACES,
    Fault,
    FaultInjector,
    Injection,
    Place,
    Point,
    StepRun,
    read_fault,
    read_injections,
)
from durabletest.model.comparison import same_value
from durabletest.model.history import History, execution_name, title, word_for
from durabletest.model.lookup import listed, nearest
from durabletest.model.records import SIDE_BY_SIDE, ExecutionStatus, OperationRecord
from durabletest.model.times import plain
from durabletest.progress import ProgressLine
from durabletest.result import TestResult
from durabletest.value_checks import is_count

if TYPE_CHECKING:
    from durabletest.local.repeating import RepeatingRunner
    from durabletest.report.lanes import Recorded

Key: TypeAlias = Callable[[Any], Any]
PAIRS = 100
"""The most pairs of faults that are tried, unless the test says another number."""
_SHOWN = 5
"""The most faults that are reported with the same differences, and the most different ones."""
_LONGEST_PAYLOAD = 60
"""The most characters of a payload in the line that runs one case again."""


# --- one run ---


@dataclass(frozen=True, slots=True)
class CrashRun:
    """What is compared of one run.

    ``trace`` has the points that were met and the runs of steps. ``error`` is the text of the error with which the run
    ended instead of an outcome. ``effects`` maps the name of each side effect to how often it has happened, and how
    often outside of any step; ``complaints`` are the rules of side effects that were broken. There is no
    ``result`` without an outcome.
    """

    trace: FaultInjector
    status: str
    value: Any = None
    error: str | None = None
    history: History = field(default_factory=History)
    effects: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    complaints: Sequence[str] = ()
    result: TestResult | None = None


Injections: TypeAlias = tuple[Injection, ...]
"""The faults of one run, in the order in which they come."""
Run: TypeAlias = Callable[[Injections], CrashRun]
"""Runs the workflow with these faults in it; cleanly without any."""


def observed(runner: RepeatingRunner, execute: Callable[[], TestResult], injections: Injections) -> CrashRun:
    """Execute with these faults, and keep what the crash matrix compares; errors of the run are part of it."""
    with runner.with_fault(written(injections) or None, keeps_logs=not injections) as injector:
        try:
            result = execute()
            history, status = result.view.history(), result.get_status()
            error = history.execution.error
            value = plain(result.get_result()) if status is ExecutionStatus.SUCCEEDED else error and str(error)
        except Exception as failure:
            return CrashRun(injector, "no outcome", error=f"{type(failure).__name__}: {failure}")
    return CrashRun(injector, str(status), value, None, history, result=result)


def written(injections: Injections) -> str:
    """The text that stands for the faults of one run in ``faults=``."""
    return JOINT.join(map(str, injections))


# --- all runs ---


class CrashMatrix:
    """The faults to try, and the comparison of each run with the ``clean`` one.

    The arguments are those of ``assertSurvivesCrashes``: ``faults`` are names of faults, each with the number of a
    point or without, or several with their points, joined; None means all. ``operations`` are names or paths: only
    points about these are tried. With a ``depth`` of 2, pairs of faults are tried, too, at most as many as ``pairs``,
    sampled with ``seed``. ``key`` makes of a value what has to be equal. ``cold`` says that each invocation has freshly
    imported modules.
    """

    def __init__(
        self,
        payload: Any,
        faults: Iterable[str] | str | None = None,
        operations: Iterable[str] | str | None = None,
        key: Key | None = None,
        depth: int = 1,
        pairs: int = PAIRS,
        seed: int = 0,
        cold: bool = False,
    ) -> None:
        if key is not None and not callable(key):
            raise UsageError(f"key={key!r}: give a function that makes of a value what has to be equal")
        if depth not in (1, 2):
            raise UsageError(f"depth={depth!r}: give 1, for single faults, or 2, for pairs of faults, too")
        for name, value, least in (("pairs", pairs, 1), ("seed", seed, 0)):
            if not is_count(value, least):
                raise UsageError(f"{name}={value!r}: give a number from {least} on")
        chosen = [*Fault] if faults is None else [faults] if isinstance(faults, str) else list(faults)
        texts = [str(fault) if isinstance(fault, Fault) else fault for fault in chosen]
        if not texts:
            raise UsageError("faults=[] tries nothing: leave it out, to try all faults")
        joined = [text for text in texts if isinstance(text, str) and JOINT in text]
        self._joined = list(map(read_injections, joined))
        self._faults = [read_fault(text) for text in texts if text not in joined]
        names = [operations] if isinstance(operations, str) else operations
        self._operations = None if names is None else list(names)
        self._key = key or (lambda value: value)
        self._depth, self._most_pairs, self._seed, self._cold = depth, pairs, seed, cold
        self._payload = payload
        self.clean: CrashRun
        self._failing: CrashRun | None = None
        self._runs, self._progress = 1, ProgressLine(f"crashes of {current_suite() or 'a workflow'}", many=True)

    def complaint(self, run: Run) -> str | None:
        """Try all faults; the report of those that the workflow does not survive, None if there are none."""
        with self._progress.shown():
            found = self._complaint(run)
        self._progress.summarise(f"{self._runs} runs")
        return found

    def _complaint(self, run: Run) -> str | None:
        self.clean = clean = run(())
        if clean.error is not None:
            raise UsageError(f"the clean run, without any fault, has no outcome to compare with: {clean.error}")
        tried = self._try(run, list(self._singles()))
        if clean.complaints:
            return "the clean run, without any fault:" + "".join(f"\n  - {text}" for text in clean.complaints)
        if any(one.differences for one in tried):
            return self._report(tried, f"{len(tried)} faults")
        if self._depth == 1:
            return None
        population = list(self._pairs(tried))
        chance = Random(self._seed)
        sample = chance.sample(population, min(self._most_pairs, len(population)))
        tried = self._try(run, sample)
        what = f"{len(tried)} pairs of faults, sampled from {len(population)} with seed={self._seed}"
        return self._report(tried, what) if any(one.differences for one in tried) else None

    def _try(self, run: Run, wanted: Sequence[tuple[Injections, Point]]) -> list[_Tried]:
        tried = []
        for number, (injections, point) in enumerate(wanted, 1):
            self._runs += 1
            self._progress.show(f"{number} of {len(wanted)}, {written(injections)}")
            broken = run(injections)
            differences = tuple(self._differences(broken, injections, point))
            if differences and self._failing is None:
                self._failing = broken
            after = self._after(broken.trace) if self._depth > len(injections) else []
            tried.append(_Tried(injections, (point, *broken.trace.met[1:]), differences, after))
        return tried

    def recorded(self) -> list[Recorded]:
        """The first execution that did not survive, for a page; none if all do, or if it has no history."""
        from durabletest.report.lanes import Recorded  # few tests fail

        run = self._failing
        if run is None or run.result is None:
            return []
        name = f"{execution_name(run.result.arn)} with {written(tuple(run.trace.injections))}"
        no_logs = "What is logged in a run with faults is not kept."
        return [Recorded(name, run.history, injected=run.trace.injected(), no_logs=no_logs)]

    # --- what is tried ---

    def _singles(self) -> Iterator[tuple[Injections, Point]]:
        """The faults at the points of the clean run, and the joined ones, each with the point of its first."""
        points = [point for point in self.clean.trace.points if self._is_wanted(point)]
        if not points:
            raise UsageError(self._nothing_to_try())
        for fault, number in self._faults:
            at = [point for point in points if point.place is PLACES[fault] and number in (None, point.number)]
            if not at and number is not None:
                raise self._no_such_point(f"{fault} {number}", PLACES[fault])
            for point in at:
                yield (Injection(fault, point.number),), point
        for injections in self._joined:
            place, number = PLACES[injections[0].fault], injections[0].number
            first = next((one for one in self.clean.trace.points if (one.place, one.number) == (place, number)), None)
            if first is None:
                raise self._no_such_point(written(injections), place)
            yield injections, first

    def _pairs(self, tried: Iterable[_Tried]) -> Iterator[tuple[Injections, Point]]:
        """Each single fault with each that can come after it."""
        kinds = dict.fromkeys(fault for fault, _ in self._faults)
        for one in tried:
            for later in one.after:
                for fault in kinds:
                    if PLACES[fault] is later.place:
                        yield (*one.injections, Injection(fault, later.number)), one.points[0]

    def _after(self, trace: FaultInjector) -> list[Point]:
        """The points that were met after the last fault has come."""
        points = trace.points
        following = points[points.index(trace.met[-1]) + 1 :] if trace.met else []
        return [point for point in following if self._is_wanted(point)]

    def _no_such_point(self, text: str, place: Place) -> UsageError:
        most = sum(point.place is place for point in self.clean.trace.points)
        return UsageError(f"faults={text!r}: the clean run has {most} such points, counted from 1")

    def _nothing_to_try(self) -> str:
        if not self._operations:
            return "the workflow has neither a checkpoint nor a step: there is nothing that a crash could interrupt"
        known = sorted({path for point in self.clean.trace.points for path in point.paths if path})
        return (
            f"operations={self._operations!r}: no checkpoint or step is about "
            f"{'it' if len(self._operations) == 1 else 'them'}{nearest(self._operations[0], known)}; there are "
            f"{listed(known) or 'no named operations'}"
        )

    def _is_wanted(self, point: Point) -> bool:
        return self._operations is None or any(point.is_about(path) for path in self._operations)

    # --- what is compared ---

    def _differences(self, run: CrashRun, injections: Injections, point: Point) -> Iterator[str]:
        if run.error is not None:
            yield f"the run ended with {run.error}"
            return
        met = run.trace.met
        if len(met) < len(injections) or met[0].words != point.words:
            missed = injections[len(met)] if len(met) < len(injections) else injections[0]
            there = "no such point was met" if len(met) < len(injections) else f"it was {met[0].words}"
            yield (
                f"{PLACES[missed.fault]} {missed.number} is not the same in every run ({there}): something that the "
                "workflow or the test has left behind, chance, or a thread of its own decides what happens"
            )
            return
        clean = self.clean
        if run.status != clean.status:
            told = f" with {run.value}" if run.status != "SUCCEEDED" else ""
            yield f"the execution is {run.status}{told} instead of {clean.status}"
        elif not same_value(self._key(clean.value), self._key(run.value)):
            yield f"the value is {run.value!r} instead of {clean.value!r}"
        yield from _operation_differences(clean.history, run.history)
        yield from _repeated_steps(run.trace.steps)
        yield from run.complaints
        yield from _effect_differences(clean, run)

    # --- what is reported ---

    def _report(self, tried: Sequence[_Tried], what: str) -> str:
        failures = [one for one in tried if one.differences]
        groups: dict[tuple[str, ...], list[_Tried]] = {}
        for one in failures:
            groups.setdefault(one.differences, []).append(one)
        lines = []
        for differing, alike in list(groups.items())[:_SHOWN]:
            lines += [f"{one.words} ({written(one.injections)!r})" for one in alike[:_SHOWN]]
            if len(alike) > _SHOWN:
                lines.append(f"and {', '.join(written(one.injections) for one in alike[_SHOWN:])}")
            lines += [f"  - {text}" for text in differing]
        if len(groups) > _SHOWN:
            left = [written(alike[0].injections) for alike in list(groups.values())[_SHOWN:]]
            lines.append(f"and with other differences: {', '.join(left)}")
        payload = repr(self._payload) if len(repr(self._payload)) <= _LONGEST_PAYLOAD else "payload"
        again = f"self.assertSurvivesCrashes({payload}, faults={written(failures[0].injections)!r}"
        return (
            f"the workflow does not survive {len(failures)} of {what}. Compared with a run without any:\n"
            + "\n".join(lines)
            + f"\nTo run just the first of them again: {again}{', cold=True' if self._cold else ''})"
        )


@dataclass(frozen=True, slots=True)
class _Tried:
    """One run with faults: the points at which they came, what differed, and the points that were met afterwards."""

    injections: Injections
    points: tuple[Point, ...]
    differences: tuple[str, ...]
    after: Sequence[Point]

    @property
    def words(self) -> str:
        pairs = zip(self.injections, self.points, strict=False)  # a fault that never came has no point
        return ", then ".join(injection.at(point) for injection, point in pairs)


# --- how a run differs from the clean one ---


def _effect_differences(clean: CrashRun, run: CrashRun) -> Iterator[str]:
    """The side effects that happened less often than in the clean run, or more often outside of any step."""
    for name in {**clean.effects, **run.effects}:  # a recorder may be made when it is first called
        (count, outside), (expected, expected_outside) = (one.effects.get(name, (0, 0)) for one in (run, clean))
        if count < expected:
            yield f"side effect {name!r} happened {count} times instead of {expected}"
        if outside > expected_outside:
            yield (
                f"side effect {name!r} happened {outside} times instead of {expected_outside} outside of any step, "
                "where each replay repeats it: put it into a step"
            )


def _repeated_steps(steps: Sequence[StepRun]) -> Iterator[str]:
    """The at-most-once steps that ran more than once for one attempt."""
    runs = Counter(step for step in steps if step.at_most_once)
    for step, count in runs.items():
        if count > 1:
            yield f"the at-most-once step {step.path!r} ran {count} times for attempt {step.attempt}"


def _operation_differences(expected: History, actual: History) -> Iterator[str]:
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
