"""Coverage of outcomes: what local and deployed executions are known to do, the gaps, and the numbers of examples."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import tempfile
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    ParallelBranch,
    ParallelConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision, RetryPresets
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import DurableTest, DurableTestCase, LocalDurableTestRunner, coverage_parts, endings
from durabletest.coverage import Coverage
from durabletest.coverage_parts import begin, end
from durabletest.errors import CheckpointServerError
from durabletest.model.outcomes import Noted
from tests.model.histories import Script, error, history_of, retry
from tests.sdk_versions import needs_turns

HOUR = Duration.from_hours(1)


@contextlib.contextmanager
def covered(into: Coverage) -> Iterator[None]:
    """Run the block with coverage, and add what was covered; begun at once, so that processes inside belong to it."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {"DURABLETEST_COVERAGE": str(Path(folder, "report.json"))}
        with mock.patch.dict(os.environ, variables), mock.patch.dict(coverage_parts._parts, clear=True):
            begin()
            yield
            for coverage in end():
                into.merge(coverage)


def coverage_of(run: Callable[[], object]) -> Coverage:
    coverage = Coverage()
    with covered(coverage):
        run()
    return coverage


def gaps(coverage: Coverage) -> list[str]:
    return [goal.gap for goal in coverage.gaps()]


@durable_execution
def shop(event: dict[str, Any], context: DurableContext) -> None:
    """Does everything that can leave a gap, and has what fails in its event."""

    def charge(step: Any) -> None:
        if step.attempt <= event.get("declines", 0):
            raise ValueError("declined")

    def met(state: int, _: Any) -> int:
        return state + 1

    def patience(state: int, attempt: int) -> WaitForConditionDecision:
        done = state > event.get("polls", 0)
        return WaitForConditionDecision(should_continue=not done, delay=Duration.from_minutes(1))

    context.step(charge, name="charge", config=StepConfig(retry_strategy=RetryPresets.default()))
    context.wait_for_condition(met, WaitForConditionConfig(wait_strategy=patience, initial_state=0), name="ready")
    with contextlib.suppress(Exception):
        context.invoke("bank", event, name="pay")
    config = WaitForCallbackConfig(timeout=HOUR)
    with contextlib.suppress(Exception):
        context.wait_for_callback(lambda *_: None, name="approval", config=config)
    with contextlib.suppress(Exception):
        context.create_callback(name="beat", config=CallbackConfig(heartbeat_timeout=HOUR)).result()
    branches = [ParallelBranch(lambda c: c.step(lambda _: 1, name="book"), name="booking"), refund(event)]
    early = CompletionConfig(min_successful=2 if event.get("refund") else 1)
    context.parallel(branches, name="end", config=ParallelConfig(max_concurrency=1, completion_config=early))


def refund(event: dict[str, Any]) -> ParallelBranch[Any]:
    return ParallelBranch(lambda c: c.step(lambda _: 2, name="pay back"), name="refund")


@durable_execution
def bank(event: dict[str, Any], context: DurableContext) -> None:
    if event.get("bank"):
        raise ValueError("closed")


GAPS = {
    "charge": "step 'charge' retries but never failed",
    "ready": "condition 'ready' was met at its first poll each time",
    "pay": "invoke 'pay' never failed",
    "approval failed": "callback 'approval' never failed",
    "approval": "callback 'approval' has a timeout that never passed",
    "beat failed": "callback 'beat' never failed",
    "beat": "callback 'beat' has a heartbeat timeout that never passed",
    "refund": "branch 'end/refund' never ran",
}
CURES: dict[str, dict[str, Any]] = {
    "charge": {"declines": 1},
    "ready": {"polls": 2},
    "pay": {"bank": True},
    "approval failed": {"approval": "fails"},
    "approval": {"approval": "late"},
    "beat failed": {"beat": "fails"},
    "beat": {"beat": "late"},
    "refund": {"refund": True},
}


def run_shop(*events: dict[str, Any]) -> None:
    with LocalDurableTestRunner(shop, durable_functions={"bank": bank}) as runner:
        for event in events:
            for name in ("approval", "beat"):
                script = runner.on_callback(name)
                match event.get(name):
                    case "fails":
                        script.fail("Refused", "no")
                    case "late":
                        script.never()
                    case _:
                        script.succeed("yes")
            runner.run(event)
            runner.reset()


class GapTests(unittest.TestCase):
    """A gap of each kind is named, and not any more once its outcome was seen."""

    def test_a_gap_of_each_kind(self) -> None:
        self.assertEqual(sorted(gaps(coverage_of(lambda: run_shop({})))), sorted(GAPS.values()))

    def test_each_is_closed_by_its_outcome(self) -> None:
        for name, event in CURES.items():
            with self.subTest(name):
                expected = {gap for key, gap in GAPS.items() if key != name}
                self.assertEqual(set(gaps(coverage_of(lambda event=event: run_shop({}, event)))), expected)

    def test_all_of_them_together_leave_none(self) -> None:
        coverage = coverage_of(lambda: run_shop({}, *CURES.values()))
        self.assertEqual((gaps(coverage), coverage.percent), ([], 100.0))
        self.assertEqual(coverage.share()[0], coverage.share()[1])

    def test_what_never_succeeded_and_what_never_ended(self) -> None:
        script = Script().op("StepStarted", "1", name="charge")
        script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1)}).wait("2", 60, name="pause")
        coverage = Coverage()
        coverage.add("", "order", history_of(script), Noted())
        self.assertEqual(gaps(coverage), ["step 'charge' never succeeded", "wait 'pause' never ended"])

    def test_unnamed_operations(self) -> None:
        script = Script().wait("1", 60).context("2", name="order").wait("2-1", 60, parent="2")
        coverage = Coverage()
        coverage.add("", "order", history_of(script), Noted())
        self.assertIn("unnamed wait never ended", gaps(coverage))
        self.assertIn("unnamed wait in 'order' never ended", gaps(coverage))


class RetryStrategyTests(unittest.TestCase):
    """A step retries if it was given a strategy, other than the SDK's for no retry."""

    def retries(self, config: StepConfig | None) -> bool:
        @durable_execution
        def handler(event: Any, context: DurableContext) -> None:
            context.step(lambda _: 1, name="charge", config=config)

        def run() -> None:
            with LocalDurableTestRunner(handler) as runner:
                runner.run()

        return gaps(coverage_of(run)) == ["step 'charge' retries but never failed"]

    def test_strategies(self) -> None:
        self.assertTrue(self.retries(StepConfig(retry_strategy=RetryPresets.default())))
        self.assertTrue(self.retries(StepConfig(retry_strategy=lambda *_: RetryDecision.no_retry())))
        self.assertTrue(self.retries(StepConfig(retry_strategy=mock.Mock())))
        self.assertFalse(self.retries(StepConfig(retry_strategy=RetryPresets.none())))
        self.assertFalse(self.retries(StepConfig()))
        self.assertFalse(self.retries(None))


def run_example(module: str, coverage: Coverage) -> None:
    """Run the suite of an example in this process."""
    folder = str(Path(__file__).parents[1] / "examples")
    with mock.patch.object(sys, "path", [folder, *sys.path]), mock.patch.dict(sys.modules), covered(coverage):
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromName(module).run(result)
    importlib.invalidate_caches()
    assert result.wasSuccessful(), result


class ExampleTests(unittest.TestCase):
    """The numbers of two examples, as they were counted by hand from the texts of workflow and suite."""

    def seen(self, module: str) -> tuple[Coverage, dict[str, dict[str, int]]]:
        coverage = Coverage()
        run_example(module, coverage)
        [places] = coverage.workflows().values()
        return coverage, {" ".join(place): dict(seen.outcomes) for place, seen in places.items()}

    def test_order(self) -> None:
        # Six tests: all is well; declined once, twice, three times; out of stock; cannot be shipped. Four of them get
        # as far as the cool-down, after which the handler is invoked again.
        coverage, seen = self.seen("test_order")
        self.assertEqual(
            seen,
            {
                "step charge": {"succeeded": 4, "failed": 1, "retried": 3, "replayed": 4},
                "wait cool-down": {"succeeded": 4},
                "step refund": {"succeeded": 1},
                "step release": {"succeeded": 2},
                "step reserve": {"succeeded": 5, "failed": 1, "replayed": 5},
                "step ship": {"succeeded": 3, "failed": 1},
            },
        )
        self.assertEqual(coverage.executions, {("test_order.OrderTests", "order.order_handler"): 6})
        # One for each of the six, and one for the retries of charge, refund and release.
        self.assertEqual(coverage.share(), (7, 9))
        self.assertEqual(
            coverage.text(),
            "Coverage of outcomes: 7 of 9 (77%), in 6 executions\n"
            "Never exercised:\n"
            "  order.order_handler\n"
            "    step 'refund' retries but never failed\n"
            "    step 'release' retries but never failed",
        )

    @needs_turns
    def test_approval(self) -> None:
        # Seven tests. The approval is answered in four, broken in one of them, and late in three, which get to the
        # reminder: answered in two, late in one. Four of them pay.
        coverage, seen = self.seen("test_approval")
        self.assertEqual(
            seen,
            {
                "callback approval": {"succeeded": 3, "failed": 1, "timed out": 3},
                "step approval/approval submitter": {"succeeded": 7, "replayed": 7},
                "step pay": {"succeeded": 4},
                "callback reminder": {"succeeded": 2, "timed out": 1},
                "step reminder/reminder submitter": {"succeeded": 3, "replayed": 3},
            },
        )
        suites = {suite: count for (suite, _), count in coverage.executions.items()}
        self.assertEqual(suites, {"test_approval.ApprovalTests": 4, "test_approval.PatienceTests": 3})
        # Each callback succeeds, fails or comes too late; three steps succeed.
        self.assertEqual(coverage.share(), (8, 9))
        self.assertEqual(gaps(coverage), ["callback 'reminder' never failed"])


@durable_execution
def one_step(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: event, name="one")


class Suites:
    """Run by the tests below, and by nobody else."""

    class Crashing(DurableTestCase):
        handler = one_step

        def runTest(self) -> None:
            self.assertSurvivesCrashes(1, faults="answer lost 1")

    class Replaying(DurableTestCase):
        handler = one_step
        file = ""

        def runTest(self) -> None:
            self.execute(1).save_history(self.file)
            self.assertReplays(self.file)

    class Named(DurableTestCase):
        handler = one_step
        function_name = "arn:aws:lambda:us-east-1:123456789012:function:orders:live"

        def runTest(self) -> None:
            self.execute(1)


class WhatCountsTests(unittest.TestCase):
    def run_case(self, cls: type[DurableTestCase]) -> Coverage:
        def run() -> None:
            result = unittest.TestResult()
            cls().run(result)
            self.assertEqual((result.errors, result.failures), ([], []))

        return coverage_of(run)

    @needs_turns
    def test_runs_with_faults_count(self) -> None:
        coverage = self.run_case(Suites.Crashing)
        self.assertGreater(coverage.executions.total(), 1)
        [places] = coverage.workflows().values()
        self.assertEqual([seen.outcomes["replayed"] for seen in places.values()], [1], "the run whose answer was lost")

    def test_recorded_histories_do_not(self) -> None:
        file = Path(self.enterContext(tempfile.TemporaryDirectory()), "history.json")
        with mock.patch.object(Suites.Replaying, "file", str(file)):
            coverage = self.run_case(Suites.Replaying)
        self.assertEqual(coverage.executions.total(), 1)

    def test_a_function_is_known_by_its_bare_name(self) -> None:
        [(suite, workflow)] = self.run_case(Suites.Named).executions
        self.assertEqual((suite, workflow), ("tests.test_coverage.Suites.Named", "orders"))

    def test_outside_of_tests_the_suite_is_empty_and_for_others_the_module(self) -> None:
        def run() -> None:
            with LocalDurableTestRunner(one_step) as runner:
                runner.run(1)
            with DurableTest(one_step) as test:
                test.execute(1)

        executions = coverage_of(run).executions
        self.assertEqual(executions, {("", "tests.test_coverage.one_step"): 1, (__name__, f"{__name__}.one_step"): 1})

    def test_what_cannot_be_read_is_told(self) -> None:
        def run() -> None:
            unread = mock.patch("durabletest.local.execution.LocalExecution.history", side_effect=refusal)
            with LocalDurableTestRunner(one_step) as runner, unread:
                runner.start(1)
                runner.close()
            refused = mock.Mock(side_effect=refusal)
            endings.tell(refused)
            endings.tell(refused)

        refusal = CheckpointServerError("it is dead\nin detail")
        self.assertEqual(
            coverage_of(run).text(),
            "Coverage of outcomes: no execution was seen\n"
            "Not counted (outside of tests, 3 times): CheckpointServerError: it is dead",
        )

    def test_without_the_variable_nobody_is_told(self) -> None:
        describe = mock.Mock()
        with mock.patch.dict(os.environ, {"DURABLETEST_COVERAGE": ""}):
            endings.tell(describe)
        describe.assert_not_called()


class DataTests(unittest.TestCase):
    def test_the_raw_form_has_everything(self) -> None:
        coverage = coverage_of(lambda: run_shop({}, *CURES.values()))
        coverage.unread["a", "b"] += 2
        raw = json.loads(json.dumps(coverage.raw()))
        self.assertEqual(Coverage.of_raw(raw), coverage)

    def test_merging_in_any_order_is_the_same(self) -> None:
        one, other, both, reverse = (Coverage() for _ in range(4))
        one.merge(coverage_of(lambda: run_shop({})))
        other.merge(coverage_of(lambda: run_shop(CURES["charge"])))
        for part in (one, other):
            both.merge(part)
        for part in (other, one):
            reverse.merge(part)
        self.assertEqual(both.report(), reverse.report())
        self.assertEqual(both.executions.total(), 4, "two of them of the bank")

    def test_nothing_executed_is_nothing_covered(self) -> None:
        self.assertEqual(Coverage().percent, 0.0)
        empty = Coverage()
        empty.add("", "order", history_of(Script()), Noted())
        self.assertEqual((empty.percent, empty.text()), (100.0, "Coverage of outcomes: 0 of 0 (100%), in 1 execution"))

    def test_percentages_are_not_rounded_up(self) -> None:
        script = Script()
        for number in range(399):
            script.step(str(number), name=f"step {number}")
        coverage = Coverage()
        coverage.add("", "order", history_of(script.wait("w", 60)), Noted())
        self.assertIn("399 of 400 (99%)", coverage.text())
