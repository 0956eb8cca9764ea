"""``assertSurvivesCrashes``: what it finds, what it does not complain of, what it reports."""

from __future__ import annotations

import os
import unittest
from functools import partial
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from hypothesis import strategies as st

from durabletest import DurableTestCase, LocalDurableTestRunner, NotAvailableError, UsageError, explore
from durabletest.local.faults import Fault
from tests.durability.bugs import CRASHES, mutated_closure, not_idempotent, world
from tests.durability.case import report
from tests.durability.correct import CORRECT, at_most_once, loop, nested, nothing_but_steps, retried
from tests.effort import examples
from tests.sdk_versions import needs_turns


@needs_turns
class CorpusTests(unittest.TestCase):
    def test_each_bug_is_found_and_the_report_names_the_operation(self) -> None:
        for handler, named in CRASHES.items():
            with self.subTest(handler.__name__):
                self.assertIn(named, report(handler, lambda test: test.assertSurvivesCrashes({})))

    def test_no_bug_shows_in_a_clean_run(self) -> None:
        for handler in CRASHES:
            with self.subTest(handler.__name__):
                self.assertEqual(report(handler, lambda test: test.execute({})), "")

    def test_there_is_no_false_alarm(self) -> None:
        """A usual run tries each fault with every third of the workflows, a long one with all."""
        kinds, part = [*Fault], examples(3, long=1)
        for number, handler in enumerate(CORRECT):
            faults = kinds[number % part :: part]
            with self.subTest(handler.__name__, faults=faults):
                survives = partial(DurableTestCase.assertSurvivesCrashes, payload={}, faults=faults)
                self.assertEqual(report(handler, survives), "")

    @mock.patch.dict(os.environ, DURABLETEST_SCHEDULES="20")
    def test_there_is_no_false_alarm_where_the_test_is_explored_and_bugs_are_found_all_the_same(self) -> None:
        for handler in (nothing_but_steps, nested):
            with self.subTest(handler.__name__):
                survives = partial(DurableTestCase.assertSurvivesCrashes, payload={}, faults="request lost")
                self.assertEqual(report(handler, survives), "")
                verify = partial(LocalDurableTestRunner.verify_crashes, payload={}, faults="request lost")
                self.assertEqual(report(handler, lambda test, verify=verify: verify(test.runner)), "")
        text = report(mutated_closure, lambda test: test.assertSurvivesCrashes({"order": 42}, faults="answer lost"))
        self.assertIn("AssertionError: the workflow does not survive", text)

    def test_faults_are_tried_with_every_generated_payload(self) -> None:
        @durable_execution
        def large_orders_are_lost(event: int, context: DurableContext) -> int:
            sold: list[int] = []
            receipt = context.step(lambda _: sold.append(event) or event, name="sell")
            context.step(lambda _: None, name="note")
            return sold[0] if event > 5 else receipt

        class Tests(DurableTestCase):
            handler = large_orders_are_lost

            @explore(payloads=st.integers(0, 9), schedules=20, crashes=False)
            def test(self, payload: int) -> None:
                self.assertSurvivesCrashes(payload, faults="answer lost 1")

        result = unittest.TestResult()
        Tests("test").run(result)
        [(_, text)] = result.failures
        self.assertIn("self.test(6)", text)
        self.assertIn("the workflow does not survive 1 of 1 faults", text)

    def test_state_that_comes_in_pages_may_fail_to_be_read(self) -> None:
        self.assertEqual(report(loop, lambda test: test.assertSurvivesCrashes({}), state_page_size=2), "")


@needs_turns
class ReportTests(unittest.TestCase):
    def test_it_names_fault_point_difference_and_the_line_that_runs_one_case_again(self) -> None:
        text = report(mutated_closure, lambda test: test.assertSurvivesCrashes({"order": 42}, faults="answer lost"))
        self.assertIn(
            "AssertionError: the workflow does not survive 2 of 2 faults. Compared with a run without any:\n"
            "answer lost after the checkpoint that completed step 'charge' ('answer lost 1')\n"
            "answer lost after the checkpoint that completed step 'send receipt' ('answer lost 2')\n"
            "  - the value is 0 instead of 1\n"
            "To run just the first of them again: "
            "self.assertSurvivesCrashes({'order': 42}, faults='answer lost 1')\n",
            text,
        )
        again = report(mutated_closure, lambda test: test.assertSurvivesCrashes({"order": 42}, faults="answer lost 1"))
        self.assertIn("does not survive 1 of 1 faults", again)

    def test_operations_choose_the_points(self) -> None:
        text = report(mutated_closure, lambda test: test.assertSurvivesCrashes({}, operations="charge"))
        self.assertIn("of 6 faults", text)
        self.assertNotIn("after the checkpoint that completed step 'send receipt'", text)
        inside = report(nested, lambda test: test.assertSurvivesCrashes({}, operations=["inner"]))
        self.assertEqual(inside, "")

    def test_a_key_says_what_has_to_be_equal(self) -> None:
        self.assertIn("the value is 98 instead of 99", report(not_idempotent, lambda t: t.assertSurvivesCrashes({})))
        same = report(not_idempotent, lambda t: t.assertSurvivesCrashes({}, key=lambda value: value > 0))
        self.assertEqual(same, "")

    def test_misuse_is_told(self) -> None:
        cases: dict[str, Any] = {
            "did you mean 'answer lost'": lambda t: t.assertSurvivesCrashes({}, faults="answer lots"),
            "the clean run has 2 such points": lambda t: t.assertSurvivesCrashes({}, faults="answer lost 9"),
            "did you mean 'one'": lambda t: t.assertSurvivesCrashes({}, operations="onee"),
            "tries nothing": lambda t: t.assertSurvivesCrashes({}, faults=[]),
            "key=3: give a function": lambda t: t.assertSurvivesCrashes({}, key=3),
            "does not say where": lambda t: t.enterContext(t.runner.with_fault("killed")),
        }
        for words, body in cases.items():
            with self.subTest(words):
                text = report(nothing_but_steps, body)
                self.assertIn("UsageError", text)
                self.assertIn(words, text)

    def test_a_workflow_of_nothing_has_no_point(self) -> None:
        empty = durable_execution(lambda event, context: 1)
        self.assertIn("nothing that a crash could interrupt", report(empty, lambda t: t.assertSurvivesCrashes({})))


@needs_turns
class RunTests(unittest.TestCase):
    def test_stubs_begin_again_in_each_run_and_an_attempt_keeps_its_answer(self) -> None:
        def body(test: DurableTestCase) -> None:
            test.stub_step("flaky").raises(OSError("down")).then_returns("stubbed")
            result = test.assertSurvivesCrashes({})
            test.assertEqual(result.get_result(), "stubbed")
            test.assertOperation("flaky").succeeded("stubbed").attempts(2)

        self.assertEqual(report(retried, body), "")

    def test_an_attempt_that_runs_again_gets_the_same_answer_of_its_stub(self) -> None:
        def body(test: DurableTestCase) -> None:
            test.stub_step("one").returns(10).then_returns(20)
            test.assertEqual(test.assertSurvivesCrashes({}).get_result(), 12)

        self.assertEqual(report(nothing_but_steps, body), "")

    def test_with_reset_the_test_is_not_run_again(self) -> None:
        runs: list[str] = []

        def body(test: DurableTestCase) -> None:
            runs.append("test")
            test.stub_step("flaky").raises(OSError("down")).then_returns("stubbed")
            test.assertSurvivesCrashes({}, reset=lambda: runs.append("reset"), faults="killed")

        self.assertEqual(report(retried, body), "")
        self.assertEqual(runs, ["test", *["reset"] * 4], "a clean run, two faults, and the run of the assertions")

    def test_without_reset_a_bug_of_the_test_itself_is_told(self) -> None:
        runs: list[int] = []

        def body(test: DurableTestCase) -> None:
            runs.append(1)
            test.assertLess(len(runs), 2, "only once")
            test.assertSurvivesCrashes({})

        text = report(nothing_but_steps, body)
        self.assertIn("fails when it is run again with the fault 'request lost 1', outside of the workflow", text)
        self.assertIn("only once", text)

    def test_setup_and_cleanups_are_around_each_run(self) -> None:
        around: list[str] = []

        class Tests(DurableTestCase):
            handler = nothing_but_steps

            def setUp(self) -> None:
                around.append("setUp")
                self.addCleanup(around.append, "cleanup")

            def test(self) -> None:
                self.assertSurvivesCrashes({}, faults="killed")
                self.assertSurvivesCrashes({}, faults="killed 1")
                self.assertExecution().succeeded(3)

        result = unittest.TestResult()
        Tests("test").run(result)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(around[:3], ["setUp", "setUp", "cleanup"])
        self.assertEqual(around.count("setUp"), 1 + 2 + 1)
        self.assertEqual(around.count("cleanup"), 1 + 2 + 1)

    def test_a_class_with_a_set_up_of_its_own_has_copies_too(self) -> None:
        class Tests(DurableTestCase):
            handler = nothing_but_steps

            @classmethod
            def setUpClass(cls) -> None:
                """Without ``super()``."""

            def test(self) -> None:
                self.assertSurvivesCrashes({})

        result = unittest.TestResult()
        unittest.TestSuite([Tests("test")]).run(result)
        self.assertEqual((result.errors, result.failures), ([], []))

    def test_an_async_test_needs_reset(self) -> None:
        class Tests(DurableTestCase, unittest.IsolatedAsyncioTestCase):
            handler = nothing_but_steps

            async def test(self) -> None:
                self.assertSurvivesCrashes({}, reset=world.clear)
                with self.assertRaisesRegex(UsageError, "an async test needs reset="):
                    self.assertSurvivesCrashes({})

        result = unittest.TestResult()
        unittest.TestSuite([Tests("test")]).run(result)
        self.assertEqual((result.errors, result.failures), ([], []))


@needs_turns
class FaultTests(unittest.TestCase):
    """Each fault by itself, at the level of the runner."""

    def runs(self, fault: str, handler: Any = nothing_but_steps) -> tuple[Any, list[str | None]]:
        """The value by that fault, and the error types of the invocations."""
        with LocalDurableTestRunner(handler) as runner, runner.with_fault(fault) as faults:
            result = runner.run({})
            self.assertTrue(faults.happened)
            self.steps = [(step.path, step.attempt) for step in faults.steps]
            return result.get_result(), [one.error.type if one.error else None for one in result.get_invocations()]

    def test_a_request_that_is_lost_leaves_nothing(self) -> None:
        self.assertEqual(self.runs("request lost 1"), (3, ["Runtime.ExitError", None]))
        self.assertEqual(self.steps, [("one", 1), ("one", 1), ("two", 1)])

    def test_an_answer_that_is_lost_leaves_what_was_applied(self) -> None:
        self.assertEqual(self.runs("answer lost 1"), (3, ["Runtime.ExitError", None]))
        self.assertEqual(self.steps, [("one", 1), ("two", 1)])

    def test_a_process_that_is_killed_has_run_the_function(self) -> None:
        self.assertEqual(self.runs("killed 2"), (3, ["Runtime.ExitError", None]))
        self.assertEqual(self.steps, [("one", 1), ("two", 1), ("two", 1)])

    def test_a_step_that_is_killed_when_it_raises_has_not_failed(self) -> None:
        value, _ = self.runs("killed 1", retried)
        self.assertEqual(value, "done")
        self.assertEqual(self.steps, [("flaky", 1), ("flaky", 1), ("flaky", 2), ("flaky", 3)])

    def test_an_invocation_that_times_out(self) -> None:
        self.assertEqual(self.runs("timed out 1"), (3, ["Sandbox.Timedout", None]))

    def test_refused_checkpoints(self) -> None:
        for fault in ("throttled 1", "service error 1"):
            value, errors = self.runs(fault)
            self.assertEqual((value, errors[-1]), (3, None))
            self.assertEqual(errors[:-1], ["CheckpointError"])

    def test_an_at_most_once_step_gets_another_attempt(self) -> None:
        self.assertEqual(self.runs("killed 1", at_most_once)[0], "paid")
        self.assertEqual(self.steps, [("charge", 1), ("charge", 2)])

    def test_points_are_the_same_in_every_run(self) -> None:
        seen = set()
        for _ in range(5):
            with LocalDurableTestRunner(CORRECT[7]) as runner, runner.with_fault() as faults:
                runner.run({})
            seen.add(tuple(point.words for point in faults.points))
        self.assertEqual(len(seen), 1)

    def test_the_runner_verifies(self) -> None:
        with LocalDurableTestRunner(not_idempotent) as runner:
            runner.verify_crashes({}, key=bool, reset=world.clear)
            with self.assertRaisesRegex(AssertionError, "does not survive 4 of 6 faults"):
                runner.verify_crashes({}, reset=world.clear)

    def test_real_time_has_no_numbers(self) -> None:
        with (
            LocalDurableTestRunner(nothing_but_steps, skip_time=False) as runner,
            self.assertRaisesRegex(NotAvailableError, "faults need virtual time"),
        ):
            runner.verify_crashes({})

    def test_an_at_most_once_step_that_runs_twice_is_told(self) -> None:
        """The SDK keeps it from that; here it is made to take the step for one that runs at least once."""
        executed = "aws_durable_execution_sdk_python.operation.step.StepSemantics"
        other = mock.Mock(AT_MOST_ONCE_PER_RETRY="never")
        with (
            mock.patch(executed, other),
            LocalDurableTestRunner(at_most_once) as runner,
            self.assertRaisesRegex(AssertionError, "the at-most-once step 'charge' ran 2 times for attempt 1"),
        ):
            runner.verify_crashes({}, faults="killed", reset=world.clear)

    def test_a_run_that_is_not_the_same_before_the_fault_is_told(self) -> None:
        @durable_execution
        def moody(event: Any, context: DurableContext) -> None:
            world["runs"] = world.get("runs", 0) + 1
            context.step(lambda _: 1, name=f"step {world['runs']}")

        with (
            LocalDurableTestRunner(moody) as runner,
            self.assertRaisesRegex(AssertionError, r"is not the same in every run \(it was the checkpoint that"),
        ):
            runner.verify_crashes({}, faults="answer lost")


if __name__ == "__main__":
    unittest.main()
