"""Coverage of outcomes: what has happened to the operations of a run, and what could have happened but never has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from durabletest.model.history import History
from durabletest.model.outcomes import (
    CALLBACK,
    CONDITION,
    INVOKE,
    STEP,
    Noted,
    OperationOutcome,
    SeenOutcomes,
    Trait,
    WorkflowPlace,
    outcomes_of,
)

FORMAT = "durabletest coverage 1"
_FAILED = (
    OperationOutcome.FAILED,
    OperationOutcome.TIMED_OUT,
    OperationOutcome.HEARTBEAT_TIMED_OUT,
    OperationOutcome.STOPPED,
)
_ENDED = (OperationOutcome.SUCCEEDED, OperationOutcome.CANCELLED, *_FAILED)


@dataclass(frozen=True)
class Goal:
    """An outcome that an operation of a workflow can have; ``gap`` is the sentence for one that it never had."""

    workflow: str
    reached: bool
    gap: str


@dataclass
class Coverage:
    """What executions have done, by the suite (a test class, or a file of tests) and the workflow.

    ``executions`` counts them; ``seen`` has what has happened at each place of a workflow; ``unread`` counts the
    reasons why executions could not be read.
    """

    executions: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: dict[tuple[str, str, WorkflowPlace], SeenOutcomes] = field(default_factory=dict)
    unread: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, suite: str, workflow: str, history: History, noted: Noted) -> None:
        self.executions[suite, workflow] += 1
        for place, seen in outcomes_of(history, noted).items():
            self.seen.setdefault((suite, workflow, place), SeenOutcomes()).add(seen)

    def merge(self, other: Coverage) -> None:
        self.executions += other.executions
        self.unread += other.unread
        for key, seen in other.seen.items():
            self.seen.setdefault(key, SeenOutcomes()).add(seen)

    def suites(self) -> list[str]:
        return sorted({suite for suite, _ in (*self.executions, *self.unread)})

    def of(self, suites: Iterable[str]) -> Coverage:
        wanted = set(suites)
        return Coverage(
            Counter({key: count for key, count in self.executions.items() if key[0] in wanted}),
            {key: seen for key, seen in self.seen.items() if key[0] in wanted},
            Counter({key: count for key, count in self.unread.items() if key[0] in wanted}),
        )

    def workflows(self) -> dict[str, dict[WorkflowPlace, SeenOutcomes]]:
        """What has happened at each place of each workflow, in all suites together; sorted by name."""
        found: dict[str, dict[WorkflowPlace, SeenOutcomes]] = {
            workflow: {} for workflow in sorted({name for _, name in self.executions})
        }
        for (_, workflow, place), seen in sorted(self.seen.items(), key=lambda item: (item[0][2].path, item[0])):
            found.setdefault(workflow, {}).setdefault(place, SeenOutcomes()).add(seen)
        return found

    # --- what is covered ---

    def goals(self) -> list[Goal]:
        return [
            Goal(workflow, reached, f"{title_of(place)} {gap}")
            for workflow, places in self.workflows().items()
            for place, seen in places.items()
            for reached, gap in _goals(place, seen)
        ]

    def share(self) -> tuple[int, int]:
        """How many goals were reached, and how many there are."""
        goals = self.goals()
        return sum(goal.reached for goal in goals), len(goals)

    @property
    def percent(self) -> float:
        """The share of goals that were reached; without any goal 100, and 0 if nothing was executed."""
        reached, count = self.share()
        return 100 * reached / count if count else 100.0 if self.executions else 0.0

    def gaps(self) -> list[Goal]:
        return [goal for goal in self.goals() if not goal.reached]

    def headline(self) -> str:
        """``Coverage of outcomes: 15 of 18 (83%), in 13 executions``."""
        if not self.executions:
            return "Coverage of outcomes: no execution was seen"
        (reached, count), many = self.share(), self.executions.total()
        executions = f"{many} execution" if many == 1 else f"{many} executions"
        return f"Coverage of outcomes: {reached} of {count} ({int(self.percent)}%), in {executions}"

    def not_counted(self) -> list[str]:
        """A line for each reason why executions could not be read."""
        return [
            f"Not counted ({suite or 'outside of tests'}{f', {count} times' if count > 1 else ''}): {reason}"
            for (suite, reason), count in sorted(self.unread.items())
        ]

    def text(self) -> str:
        """The summary: how much is covered, and what was never exercised."""
        lines, workflow = [self.headline()], None
        for goal in self.gaps():
            if workflow is None:
                lines.append("Never exercised:")
            if goal.workflow != workflow:
                workflow = goal.workflow
                lines.append(f"  {workflow}")
            lines.append(f"    {goal.gap}")
        return "\n".join([*lines, *self.not_counted()])

    # --- as JSON ---

    def raw(self) -> dict[str, Any]:
        """What has to be kept to have the same coverage again: lists and dictionaries of strings and numbers."""
        return {
            "executions": [
                {"suite": suite, "workflow": workflow, "count": count}
                for (suite, workflow), count in sorted(self.executions.items())
            ],
            "operations": [
                {
                    "suite": suite,
                    "workflow": workflow,
                    "kind": place.kind,
                    "path": place.path,
                    "traits": sorted(seen.traits),
                    "outcomes": {
                        outcome: seen.outcomes[outcome] for outcome in OperationOutcome if seen.outcomes[outcome]
                    },
                }
                for (suite, workflow, place), seen in sorted(self.seen.items(), key=lambda item: item[0])
            ],
            "unread": [
                {"suite": suite, "reason": reason, "count": count}
                for (suite, reason), count in sorted(self.unread.items())
            ],
        }

    @classmethod
    def of_raw(cls, raw: Mapping[str, Any]) -> Self:
        """The coverage that ``raw`` has been taken of; raises ``KeyError``, ``TypeError`` or ``ValueError``."""
        coverage = cls()
        for entry in raw["executions"]:
            coverage.executions[entry["suite"], entry["workflow"]] += int(entry["count"])
        for entry in raw["operations"]:
            outcomes = Counter({OperationOutcome(name): int(count) for name, count in entry["outcomes"].items()})
            place = WorkflowPlace(entry["kind"], entry["path"])
            seen = coverage.seen.setdefault((entry["suite"], entry["workflow"], place), SeenOutcomes())
            seen.add(SeenOutcomes(set(map(Trait, entry["traits"])), outcomes))
        for entry in raw["unread"]:
            coverage.unread[entry["suite"], entry["reason"]] += int(entry["count"])
        return coverage

    def report(self) -> str:
        """The text of a report: JSON with the raw coverage, and what follows from it."""
        reached, count = self.share()
        gaps = [{"workflow": goal.workflow, "gap": goal.gap} for goal in self.gaps()]
        follows = {"format": FORMAT, "covered": reached, "of": count, "percent": round(self.percent, 2)}
        return json.dumps({**follows, "never_exercised": gaps, **self.raw()}, indent=1, ensure_ascii=False) + "\n"


def title_of(place: WorkflowPlace) -> str:
    """``step 'charge'``, or ``unnamed wait in 'order'``."""
    *around, name = place.path.rpartition("/")
    if name == "(unnamed)":
        return f"unnamed {place.kind}" + (f" in {around[0]!r}" if around[0] else "")
    return f"{place.kind} {place.path!r}"


def outcomes_of_place(seen: SeenOutcomes) -> str:
    """``4 succeeded, 1 failed, 3 retried``."""
    return ", ".join(f"{seen.outcomes[outcome]} {outcome}" for outcome in OperationOutcome if seen.outcomes[outcome])


def _goals(place: WorkflowPlace, seen: SeenOutcomes) -> Iterator[tuple[bool, str]]:
    """The outcomes that count at a place: whether each has come, and the words for one that has not."""
    had = {outcome for outcome, count in seen.outcomes.items() if count}
    yield OperationOutcome.SUCCEEDED in had, _without_success(had)
    if place.kind == STEP and (Trait.RETRIES in seen.traits or OperationOutcome.RETRIED in had):
        yield bool(had & {OperationOutcome.RETRIED, OperationOutcome.FAILED}), "retries but never failed"
    if place.kind == CONDITION:
        yield OperationOutcome.POLLED_AGAIN in had, "was met at its first poll each time"
    if place.kind == INVOKE:
        yield bool(had & set(_FAILED)), "never failed"
    if place.kind == CALLBACK:
        yield OperationOutcome.FAILED in had, "never failed"
    if Trait.TIMEOUT in seen.traits:
        yield OperationOutcome.TIMED_OUT in had, "has a timeout that never passed"
    if Trait.HEARTBEAT_TIMEOUT in seen.traits:
        yield OperationOutcome.HEARTBEAT_TIMED_OUT in had, "has a heartbeat timeout that never passed"


def _without_success(had: set[OperationOutcome]) -> str:
    if had == {OperationOutcome.SKIPPED}:
        return "never ran"
    return "never succeeded" if had & set(_ENDED) else "never ended"
