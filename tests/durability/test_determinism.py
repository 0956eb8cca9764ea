"""``assertDeterministic`` and ``check_determinism``: what they find, and what they do not complain of."""

from __future__ import annotations

import random
import unittest
import unittest.mock
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import DurableTestCase, LocalDurableTestRunner
from tests.durability.bugs import DETERMINISM, NEVER_AGAIN, chance_decides, not_idempotent, uuid_for_a_step, world
from tests.durability.case import report
from tests.durability.correct import CORRECT, loop, nested, nothing_but_steps, retried
from tests.sdk_versions import needs_turns


@needs_turns
class CorpusTests(unittest.TestCase):
    def setUp(self) -> None:
        random.seed(3)

    def test_each_bug_is_found_with_operation_values_and_cure(self) -> None:
        for handler, words in DETERMINISM.items():
            with self.subTest(handler.__name__):
                text = report(handler, lambda test: test.assertDeterministic({}))
                self.assertIn("AssertionError: the handler does not do the same in each replay: ", text)
                for word in words:
                    self.assertIn(word, text)

    def test_there_is_no_false_alarm(self) -> None:
        for handler in (*CORRECT, not_idempotent):
            with self.subTest(handler.__name__):
                self.assertEqual(report(handler, lambda test: test.assertDeterministic({})), "")


@needs_turns
class AssertionTests(unittest.TestCase):
    def test_the_report_is_complete(self) -> None:
        fixed = "8e0a1d20-8a3f-4f5e-9a53-0d1c7f9b2f11", "8e0a1d20-8a3f-4f5e-9a53-0d1c7f9b2f12"
        with unittest.mock.patch("tests.durability.bugs.uuid.uuid4", side_effect=fixed):
            text = report(uuid_for_a_step, lambda test: test.assertDeterministic({}))
        self.assertIn(
            "AssertionError: the handler does not do the same in each replay: "
            "order_id of step 'create order' was another value\n"
            f"first run: {fixed[0]!r}\n"
            f"   replay: {fixed[1]!r}\n"
            "Its value is not in the history (it looks like uuid4() outside of a step): take it in a step: what a step "
            "returns is the same in each replay\n",
            text,
        )

    def test_the_result_is_that_of_the_first_execution(self) -> None:
        def body(test: DurableTestCase) -> None:
            test.stub_step("flaky").raises(OSError("down")).then_returns("stubbed")
            result = test.assertDeterministic({})
            test.assertEqual(result.get_result(), "stubbed")
            test.assertOperation("flaky").succeeded("stubbed").attempts(2)

        self.assertEqual(report(retried, body), "")

    def test_the_handler_replays_after_each_operation(self) -> None:
        with LocalDurableTestRunner(loop) as runner:
            with runner.replaying() as probe:
                once = len(runner.run({}).get_invocations())
            with runner.replaying(each=True):
                each = len(runner.run({}).get_invocations())
        self.assertIsNone(probe.difference)
        self.assertEqual((once, each), (5, 8), "three waits and the end; three steps more")

    def test_a_step_that_runs_is_not_interrupted(self) -> None:
        @durable_execution
        def beside(event: Any, context: DurableContext) -> list[str]:
            def one(branch: DurableContext) -> str:
                return branch.step(lambda _: "looked", name="look")

            def other(branch: DurableContext) -> str:
                return branch.step(lambda _: "paid", name="charge", config=NEVER_AGAIN)

            return context.parallel([one, other], name="both").get_results()

        with LocalDurableTestRunner(beside) as runner, runner.replaying(each=True):
            self.assertEqual(runner.run({}).get_result(), ["looked", "paid"])

    def test_children_of_contexts_that_have_ended_need_not_come_again(self) -> None:
        self.assertEqual(report(nested, lambda test: test.assertDeterministic({})), "")

    def test_variables_from_outside_of_the_handler_may_change(self) -> None:
        runs = 0

        @durable_execution
        def counting(event: Any, context: DurableContext) -> int:
            def count(_: Any) -> int:
                nonlocal runs
                runs += 1
                return 1

            context.step(count, name="first")
            return context.step(count, name="second")

        self.assertEqual(report(counting, lambda test: test.assertDeterministic({})), "")

    def test_an_async_test(self) -> None:
        class Tests(DurableTestCase, unittest.IsolatedAsyncioTestCase):
            handler = nothing_but_steps

            async def test(self) -> None:
                self.assertDeterministic({})

        result = unittest.TestResult()
        unittest.TestSuite([Tests("test")]).run(result)
        self.assertEqual((result.errors, result.failures), ([], []))


@needs_turns
class SettingTests(unittest.TestCase):
    def test_every_execute_is_checked_at_the_end(self) -> None:
        def body(test: DurableTestCase) -> None:
            test.execute({"share": 0})
            test.execute({"share": 0.5})
            test.assertInvocations().count(1)

        random.seed(3)
        text = report(chance_decides, body, check_determinism=True)
        self.assertIn("AssertionError: check_determinism: the handler does not do the same in each replay", text)
        self.assertEqual(report(chance_decides, body), "", "without the setting")
        self.assertEqual(report(nothing_but_steps, lambda test: test.execute({}), check_determinism=True), "")

    def test_a_test_that_has_failed_is_not_checked(self) -> None:
        def body(test: DurableTestCase) -> None:
            world["executed"] = world.get("executed", 0) + 1
            test.execute({})
            test.fail("for another reason")

        text = report(uuid_for_a_step, body, check_determinism=True)
        self.assertIn("for another reason", text)
        self.assertNotIn("replay", text)

    def test_it_is_a_flag(self) -> None:
        text = report(nothing_but_steps, lambda test: test.execute({}), check_determinism="yes")
        self.assertIn("check_determinism is 'yes'", text)


if __name__ == "__main__":
    unittest.main()
