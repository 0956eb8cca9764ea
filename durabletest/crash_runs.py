"""One run of a workflow with faults in it, and how it differs from a clean one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from durabletest.local.faults import JOINT, FaultInjector, Injection, StepRun
from durabletest.model.history import History, title, word_for
from durabletest.model.records import SIDE_BY_SIDE, ExecutionStatus, OperationRecord
from durabletest.model.times import plain
from durabletest.result import TestResult

if TYPE_CHECKING:
    from durabletest.local.repeating import RepeatingRunner


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


def effect_differences(clean: CrashRun, run: CrashRun) -> Iterator[str]:
    """The side effects that happened less often than in the clean run, or more often outside of any step."""
    for name, (count, outside) in run.effects.items():
        expected, expected_outside = clean.effects.get(name, (0, 0))
        if count < expected:
            yield f"side effect {name!r} happened {count} times instead of {expected}"
        if outside > expected_outside:
            yield (
                f"side effect {name!r} happened {outside} times instead of {expected_outside} outside of any step, "
                "where each replay repeats it: put it into a step"
            )


def repeated_steps(steps: Sequence[StepRun]) -> Iterator[str]:
    """The at-most-once steps that ran more than once for one attempt."""
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
