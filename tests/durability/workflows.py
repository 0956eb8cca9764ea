"""Correct workflows from all suites, each as a test into which a check can be put in the place of ``execute``."""

from __future__ import annotations

import importlib
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from durabletest import DurableTestCase
from tests.conformance import requirements
from tests.conformance.recording import SCENARIOS, script
from tests.conformance.scenario import WORLD, Scenario, go_on
from tests.durability import correct
from tests.durability.bugs import world
from tests.exploration.corpus import CORRECT
from tests.simulation.interpreter import durable, prepare
from tests.simulation.workflows import ALL_COMPLETED, Action, Body, Caught, Child, Invoke, Parallel, workflows

EXAMPLES = Path(__file__).parents[2] / "examples"
NOT_CORRECT = {
    "exploration SortedBeforeUse": "branches fill a dictionary, which is empty in a replay",
    "conformance step 1-18": "its step may be interrupted once, which the handler does itself: a crash is the second",
}
NOT_EXECUTED = {
    "exploration AnswerBeforeTheTimeout.test_answered_by_hand",
    "exploration TwoExecutionsWithTheirOwn.test",
    "example ApprovalTests.test_approved_by_hand_and_only_once",
    "example CalendarTests.test_the_month_goes_by_day_by_day",
}
"""Tests that start an execution and act on it while it runs."""
Check = Callable[[DurableTestCase, Any], object]


@dataclass(frozen=True)
class Workflow:
    """A workflow by a name, and the test that runs it."""

    name: str
    case: type[DurableTestCase]
    method: str = "test"

    def complaint(self, check: Check) -> str:
        """The failure of the test with this check in the place of its first ``execute``; empty if there is none."""
        checked = []

        class Checked(self.case):  # type: ignore[name-defined, misc]
            def execute(self, payload: Any = None, **_: Any) -> Any:
                check(self, payload)
                checked.append(payload)
                raise unittest.SkipTest("it is checked")

        method = getattr(self.case, self.method)
        setattr(Checked, self.method, lambda test: method(test))  # without its mark, if it is explored
        result = unittest.TestResult()
        unittest.TestSuite([Checked(self.method)]).run(result)
        failures = [text for _, text in (*result.failures, *result.errors)]
        assert failures or checked, f"{self.name} executes nothing: {result.skipped}"
        return failures[0] if failures else ""


def survives_crashes(test: DurableTestCase, payload: Any) -> None:
    test.assertSurvivesCrashes(payload)


def is_deterministic(test: DurableTestCase, payload: Any) -> None:
    test.assertDeterministic(payload)


def replays(test: DurableTestCase, payload: Any) -> None:
    result = test.start(payload).result()
    with tempfile.TemporaryDirectory() as folder:
        result.save_history(f"{folder}/history.json")
        test.assertReplays(f"{folder}/history.json")


def all_workflows(of_chance: int) -> list[Workflow]:
    """All correct workflows, and so many that are generated."""
    found = [*of_durability(), *of_exploration(), *of_examples(), *of_conformance(), *generated(of_chance)]
    return [one for one in found if one.name not in NOT_EXECUTED and one.name.partition(".")[0] not in NOT_CORRECT]


def of_durability() -> Iterator[Workflow]:
    for function in correct.CORRECT:

        class Case(DurableTestCase):
            handler = function
            durable_functions = {"child": correct.nothing_but_steps}
            functions = {"plain": lambda event, context: event}

            def setUp(self) -> None:
                world.clear()
                self.on_callback("approval", optional=True).succeed("yes")

            def test(self) -> None:
                self.execute({})

        yield Workflow(f"durability {function.__name__}", Case)


def of_exploration() -> Iterator[Workflow]:
    for case in CORRECT:
        for method in unittest.defaultTestLoader.getTestCaseNames(case):
            yield Workflow(f"exploration {case.__name__}.{method}", case, method)


def of_examples() -> Iterator[Workflow]:
    sys.path.insert(0, str(EXAMPLES))
    try:
        modules = [importlib.import_module(path.stem) for path in sorted(EXAMPLES.glob("test_*.py"))]
    finally:
        sys.path.remove(str(EXAMPLES))
    for module in modules:
        for case in vars(module).values():
            if isinstance(case, type) and issubclass(case, DurableTestCase) and case.__module__ == module.__name__:
                for method in unittest.defaultTestLoader.getTestCaseNames(case):
                    yield Workflow(f"example {case.__name__}.{method}", case, method)


def of_conformance() -> Iterator[Workflow]:
    """Those of the requirements, where they are there; not those that only wait, or that a test acts on meanwhile."""
    for suite, scenarios in SCENARIOS.items() if requirements.FOLDER.is_dir() else ():
        for number, scenario in scenarios.items():
            wanted = requirements.requirement(suite, number)
            if wanted.status is not None and scenario.meanwhile is go_on:
                yield Workflow(f"conformance {suite} {number}", _of(wanted, scenario))


def _of(wanted: requirements.Requirement, scenario: Scenario) -> type[DurableTestCase]:
    class Case(DurableTestCase):
        handler = scenario.handler
        durable_functions = scenario.durable_functions

        def setUp(self) -> None:
            WORLD.begin_anew()
            for action in wanted.actions:
                script(self.runner, action)

        def test(self) -> None:
            self.execute(wanted.input)

    return Case


def generated(count: int) -> Iterator[Workflow]:
    """Those of the simulation, the first ones of a fixed seed, but that each waits for all branches of a parallel.

    As they are their values say who has won a race, and a crash costs a branch more than it is ahead.
    """
    bodies: list[Body] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(workflows())
    def collect(body: Body) -> None:
        bodies.append(tuple(map(_waiting_for_all, body)))

    collect()
    for number, body in enumerate(bodies):
        yield Workflow(f"generated {number}", _made_of(body))


def _waiting_for_all(action: Action) -> Action:
    match action:
        case Caught():
            return Caught(_waiting_for_all(action.action))
        case Child() | Invoke():
            return replace(action, body=tuple(map(_waiting_for_all, action.body)))
        case Parallel():
            branches = tuple(tuple(map(_waiting_for_all, branch)) for branch in action.branches)
            return Parallel(action.name, branches, ALL_COMPLETED)
    return action


def _made_of(body: Body) -> type[DurableTestCase]:
    class Case(DurableTestCase):
        handler = durable(body)

        def setUp(self) -> None:
            prepare(body, self.runner)

        def test(self) -> None:
            self.execute()

    return Case
