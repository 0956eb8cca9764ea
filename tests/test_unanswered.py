"""Callback scripts that nothing came to: each fails its test, and says what exists instead and what to write."""

from __future__ import annotations

import io
import unittest
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, WaitForCallbackConfig

from durabletest import DurableTestCase, LocalDurableTestRunner, NeverUsedError

HOUR = timedelta(hours=1)
ONE_HOUR = Duration.from_hours(1)


@durable_execution
def approving(event: Any, context: DurableContext) -> Any:
    """An approval within an hour, then a step, and a callback that is not waited for."""
    config = WaitForCallbackConfig(timeout=ONE_HOUR)
    try:
        answer = context.wait_for_callback(lambda *_: None, name="approval", config=config)
    except Exception as error:
        answer = f"nobody: {error}"
    context.step(lambda _: 1, name="charge")
    context.create_callback(name="survey", config=CallbackConfig())
    context.wait(Duration.from_seconds((event or {}).get("then", 0) or 1), name="then")
    return answer


class LocalTests(unittest.TestCase):
    def complaint(self, script: Callable[[LocalDurableTestRunner], object], event: Any = None) -> str:
        """What is said when the runner is left after one execution; empty if nothing is."""
        try:
            with LocalDurableTestRunner(approving) as runner:
                script(runner)
                runner.run(event)
        except NeverUsedError as error:
            return str(error)
        return ""

    def test_a_misspelt_name(self) -> None:
        self.assertEqual(
            self.complaint(lambda runner: runner.on_callback("aproval").succeed("yes")),
            "on_callback('aproval') was never used: no callback has that name; did you mean 'approval'?\n"
            "The callbacks of the test's executions: 'approval', 'survey'\n"
            "If it need not be used, write on_callback('aproval', optional=True)",
        )

    def test_a_path_is_no_name(self) -> None:
        self.assertIn(
            "; did you mean 'approval'?", self.complaint(lambda run: run.on_callback("order/approval").never())
        )

    def test_the_name_of_something_else(self) -> None:
        self.assertEqual(
            self.complaint(lambda runner: runner.on_callback("charge").succeed()),
            "on_callback('charge') was never used: step 'charge' is a STEP, not a callback",
        )

    def test_the_second_name_of_a_callback_that_was_answered_by_the_first(self) -> None:
        def script(runner: LocalDurableTestRunner) -> None:
            runner.on_callback("approval").succeed("yes")
            runner.on_callback("approval create callback id").succeed("no")

        self.assertEqual(
            self.complaint(script),
            "on_callback('approval create callback id') was never used: callback 'approval' was answered by "
            "on_callback('approval')",
        )

    def test_a_script_without_a_word(self) -> None:
        self.assertEqual(
            self.complaint(lambda runner: runner.on_callback("approval")),
            "on_callback('approval') says nothing: write what comes to the callback, "
            "on_callback('approval').succeed(...), .fail(...), .call(...) or .heartbeat(...), or .never() if "
            "nobody answers",
        )

    def test_an_answer_for_a_callback_that_does_not_come(self) -> None:
        self.assertEqual(
            self.complaint(lambda runner: runner.on_callback("approval").succeed("one").succeed("two").never()),
            "on_callback('approval') has 3 answers, and 1 callback of that name came: 2 never used\n"
            "If it need not be used, write on_callback('approval', optional=True)",
        )

    def test_an_answer_after_the_timeout(self) -> None:
        self.assertEqual(
            self.complaint(lambda runner: runner.on_callback("approval").succeed("late", after=2 * HOUR)),
            "on_callback('approval'): the answer after 2h never came: callback 'approval' is TIMED_OUT since "
            "2026-01-01 01:00:00 UTC\n"
            "If nobody is to answer, write on_callback('approval').never(). If it need not be used, write "
            "on_callback('approval', optional=True)",
        )

    def test_an_answer_after_the_execution(self) -> None:
        def script(runner: LocalDurableTestRunner) -> None:
            runner.on_callback("approval").succeed("yes")
            runner.on_callback("survey").succeed("fine", after=2 * HOUR)

        self.assertIn(
            "on_callback('survey'): the answer after 2h never came: the execution is SUCCEEDED since 2026",
            self.complaint(script),
        )

    def test_an_answer_that_is_refused(self) -> None:
        for result, words in (
            (b"\xff", "(InvalidParameterValueException)"),
            ("x" * 1_100_000, "(InvalidParameterValueException)"),
        ):
            with self.subTest(words, result=result[:1]):
                text = self.complaint(lambda runner, result=result: runner.on_callback("approval").succeed(result))
                self.assertIn("on_callback('approval'): the answer was refused: An error occurred (", text)
                self.assertIn(words, text)
        text = self.complaint(lambda run: run.on_callback("approval").fail("Late", after=2 * HOUR), {"then": 3 * 3600})
        self.assertRegex(text, r"the answer after 2h was refused: .*\(CallbackTimeoutException\).*: it has timed out\n")

    def test_what_came_or_need_not_come_is_not_complained_of(self) -> None:
        for script in (
            lambda runner: runner.on_callback("approval").succeed("yes", after=HOUR / 2),
            lambda runner: runner.on_callback("approval").call(lambda _: "yes"),
            lambda runner: runner.on_callback("approval").never(),
            lambda runner: runner.on_callback("approval").heartbeat(every=HOUR / 4, times=9),
            lambda runner: runner.on_callback("approval", optional=True),
            lambda runner: runner.on_callback("aproval", optional=True).succeed("yes"),
            lambda runner: runner.on_callback("approval", optional=True).succeed("yes").succeed("yes"),
            lambda runner: runner.on_callback("approval", optional=True).succeed("yes", after=HOUR),
            lambda runner: runner.on_callback("approval", optional=True).succeed(b"\xff"),
        ):
            self.assertEqual(self.complaint(script), "")

    def test_an_answer_that_is_still_to_come_is_not_complained_of(self) -> None:
        with LocalDurableTestRunner(approving) as runner:
            runner.on_callback("approval").succeed("yes", after=HOUR / 2)
            runner.start().advance(HOUR / 4)

    def test_nothing_was_executed_and_nothing_is_left_after_a_reset(self) -> None:
        with LocalDurableTestRunner(approving) as runner:
            runner.on_callback("approval").succeed("yes")
            with self.assertRaises(NeverUsedError) as caught:
                runner.verify_used()
            self.assertEqual(str(caught.exception), "on_callback('approval') was never used: nothing was executed")
            runner.reset()
            self.assertIsNone(runner.unused())

    def test_a_script_that_was_written_too_late(self) -> None:
        with LocalDurableTestRunner(approving) as runner:
            runner.run()
            runner.on_callback("approval").succeed("yes")
            self.assertEqual(
                runner.unused(),
                "on_callback('approval') was never used: callback 'approval' was created before the script: write "
                "on_callback('approval') before self.execute(...)",
            )
            runner.reset()

    def test_an_error_in_the_with_block_is_not_hidden(self) -> None:
        with self.assertRaises(ZeroDivisionError), LocalDurableTestRunner(approving) as runner:
            runner.on_callback("aproval").succeed()
            raise ZeroDivisionError


class SuiteTests(unittest.TestCase):
    def outcome(self, test: Callable[[Any], None]) -> tuple[str, str]:
        """The first failure and the first error."""
        suite = type("Suite", (DurableTestCase,), {"handler": approving, "test": test})
        result = unittest.TextTestRunner(io.StringIO()).run(unittest.TestSuite([suite("test")]))
        return next((text for _, text in result.failures), ""), next((text for _, text in result.errors), "")

    def test_it_fails_a_test_that_passes(self) -> None:
        def test(self: Any) -> None:
            self.on_callback("aproval").fail("Refused")
            self.execute()
            self.assertExecution().succeeded("nobody: Callback timed out")

        failure, error = self.outcome(test)
        self.assertIn("AssertionError: on_callback('aproval') was never used: no callback has that name; did", failure)
        self.assertEqual(error, "")

    def test_it_is_a_note_to_a_test_that_fails(self) -> None:
        def test(self: Any) -> None:
            self.on_callback("aproval").succeed("yes")
            self.execute()
            self.assertExecution().succeeded("yes")

        failure, _ = self.outcome(test)
        self.assertIn("Expected: result == 'yes'\n", failure)
        self.assertIn("\n\non_callback('aproval') was never used", failure)

    def test_it_is_no_note_to_what_went_wrong_before_anything_was_executed(self) -> None:
        def test(self: Any) -> None:
            self.on_callback("approval").succeed(after="1h")

        failure, error = self.outcome(test)
        self.assertIn("UsageError: after of on_callback('approval') is '1h'", error)
        self.assertNotIn("says nothing", error + failure)

    def test_a_test_whose_scripts_came_passes(self) -> None:
        def test(self: Any) -> None:
            self.on_callback("approval").succeed("yes")
            self.execute()
            self.assertExecution().succeeded("yes")

        self.assertEqual(self.outcome(test), ("", ""))
