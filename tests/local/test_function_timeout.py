"""The function's own timeout ends an invocation, as does a process that dies; both are repeated."""

from __future__ import annotations

import time
import unittest
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.exceptions import StepInterruptedError
from aws_durable_execution_sdk_python.retries import RetryDecision, RetryPresets

from durabletest import ConfigurationError, DurableTestCase, LocalDurableTestRunner, UsageError

THREE_SECONDS = timedelta(seconds=3)


@durable_execution
def sleeping(event: float, context: DurableContext) -> int:
    remaining = context.lambda_context.get_remaining_time_in_millis()
    time.sleep(event)
    return remaining


class FunctionTimeoutTests(DurableTestCase):
    handler = sleeping
    skip_sleep = True
    function_timeout = 3

    def test_the_context_counts_down_to_it(self) -> None:
        self.execute(2.5)
        self.assertExecution().succeeded(3_000).took(seconds=2.5)

    def test_an_invocation_that_takes_longer_times_out_and_is_repeated(self) -> None:
        result = self.execute(3.5)
        self.assertExecution().failed("Sandbox.Timedout", "Task timed out after 3.00 seconds")
        for invocation in result.get_invocations():
            self.assertEqual(invocation.ended_at - invocation.started_at, THREE_SECONDS)
        self.assertExecution().took(seconds=5 * 3 + 1 + 2 + 4 + 8)

    def test_waits_take_none_of_it(self) -> None:
        @durable_execution
        def waiting(event: Any, context: DurableContext) -> int:
            context.wait(Duration.from_hours(1))
            return context.lambda_context.get_remaining_time_in_millis()

        with LocalDurableTestRunner(waiting, function_timeout=THREE_SECONDS) as runner:
            self.assertEqual(runner.run().get_result(), 3_000)

    def test_it_is_that_of_the_function_under_test_and_of_no_other(self) -> None:
        @durable_execution
        def invoking(event: Any, context: DurableContext) -> list[Any]:
            return [context.invoke(name, 10) for name in ("durable", "plain")]

        def plain(event: Any, context: Any) -> Any:
            return context.get_remaining_time_in_millis()

        with LocalDurableTestRunner(
            invoking,
            durable_functions={"durable": sleeping},
            functions={"plain": plain},
            function_timeout=3,
            skip_sleep=True,
        ) as runner:
            self.assertEqual(runner.run().get_result(), [900_000, 900_000])

    def test_values_that_lambda_does_not_take_are_refused(self) -> None:
        for value in (0, 0.5, 1.5, 901, timedelta(hours=1), "3", None):
            with self.assertRaisesRegex(
                ConfigurationError,
                "^function_timeout is .*: whole seconds, from 1 second to 15 minutes, as Lambda allows",
            ):
                LocalDurableTestRunner(sleeping, function_timeout=value)  # type: ignore[arg-type]


ONCE = StepConfig(retry_strategy=RetryPresets.none(), step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
LATER = StepConfig(
    retry_strategy=lambda _, attempt: (
        RetryDecision.retry(Duration.from_seconds(5)) if attempt < 2 else RetryDecision.no_retry()
    )
)


@durable_execution
def rendering(event: Any, context: DurableContext) -> str:
    config = ONCE if event == "at most once" else LATER
    first = context.step(lambda _: "draft", name="draft")
    return first + context.step(lambda _: " rendered", name="render", config=config)


class BrokenStepTests(DurableTestCase):
    handler = rendering
    function_timeout = 60

    def test_a_step_times_out_once(self) -> None:
        stub = self.stub_step("render").times_out(times=1)
        self.execute()
        self.assertExecution().succeeded("draft rendered").took(seconds=61)
        self.assertInvocations().count(2).invocation(1).failed("Sandbox.Timedout", "Task timed out after 60.00 seconds")
        self.assertOperation("draft").attempts(1)
        self.assertOperation("render").attempts(1)
        self.assertEqual(len(stub.received), 1)

    def test_it_takes_what_the_invocation_has_left(self) -> None:
        with LocalDurableTestRunner(rendering, function_timeout=60, skip_sleep=True) as runner:
            runner.stub_step("draft").calls(lambda _: time.sleep(40) or "draft")
            runner.stub_step("render").times_out(times=1)
            result = runner.run()
            first = result.get_invocations()[0]
            self.assertEqual(first.ended_at - first.started_at, timedelta(minutes=1))
            self.assertEqual(result.get_result(), "draft rendered")

    def test_a_step_times_out_always(self) -> None:
        self.stub_step("render").times_out()
        self.execute()
        self.assertExecution().failed("Sandbox.Timedout")
        self.assertInvocations().count(5)
        self.assertOperation("render").started()

    def test_how_often_it_is_tried_is_a_setting(self) -> None:
        for attempts in (1, 7):
            with LocalDurableTestRunner(rendering, invocation_attempts=attempts) as runner:
                runner.stub_step("render").crashes()
                result = runner.run()
                self.assertEqual((result.get_status(), len(result.get_invocations())), ("FAILED", attempts))
        for value in (0, 2.5, None, True):
            with self.assertRaisesRegex(
                ConfigurationError, "^invocation_attempts is .*: give a whole number, at least 1$"
            ):
                LocalDurableTestRunner(rendering, invocation_attempts=value)  # type: ignore[arg-type]

    def test_the_process_dies_in_a_step_once(self) -> None:
        self.stub_step("render").crashes(times=1)
        self.execute()
        self.assertExecution().succeeded("draft rendered").took(seconds=1)
        self.assertInvocations().count(2).invocation(1).failed("Runtime.ExitError", "exit status 1")
        self.assertOperation("render").attempts(1)

    def test_a_step_that_runs_at_most_once_is_interrupted_by_both(self) -> None:
        stub = self.stub_step("render")
        for breaks, error in ((stub.crashes, "Runtime.ExitError"), (stub.times_out, "Sandbox.Timedout")):
            breaks(times=1)
            self.execute("at most once")
            self.assertInvocations().invocation(1).failed(error)
            self.assertOperation("render").failed(StepInterruptedError).attempts(1)

    def test_what_follows(self) -> None:
        self.stub_step("render").raises(ValueError, times=1).then_crashes(times=1).then_times_out(times=1)
        self.execute()
        self.assertExecution().succeeded("draft rendered")
        self.assertOperation("render").attempts(2)
        self.assertInvocations().count(4)

    def test_nothing_can_follow_nothing(self) -> None:
        for word in ("crashes", "times_out"):
            with self.assertRaisesRegex(
                UsageError, rf"then_{word}\(...\) follows nothing: begin with .*\.{word}\(...\)"
            ):
                getattr(self.stub_step("render", optional=True), f"then_{word}")()

    def test_a_branch_that_times_out_takes_the_others_along(self) -> None:
        @durable_execution
        def branching(event: Any, context: DurableContext) -> list[Any]:
            def branch(name: str) -> Any:
                return lambda child: child.step(lambda _: name, name=name)

            return context.parallel([branch("a"), branch("b"), branch("c")]).get_results()

        with LocalDurableTestRunner(branching, function_timeout=10) as runner:
            runner.stub_step("b").times_out(times=1)
            result = runner.run()
            self.assertEqual(result.get_result(), ["a", "b", "c"])
            first = result.get_invocations()[0]
            self.assertEqual(first.error.type if first.error else None, "Sandbox.Timedout")
            self.assertEqual([result.get_operation(name).attempts for name in "abc"], [1, 1, 1])


class RealTimeTests(unittest.TestCase):
    def test_in_real_time_it_takes_real_time(self) -> None:
        with LocalDurableTestRunner(rendering, function_timeout=1, skip_time=False) as runner:
            runner.stub_step("render").times_out(times=1)
            begun = time.monotonic()
            self.assertEqual(runner.run().get_result(), "draft rendered")
            self.assertGreaterEqual(time.monotonic() - begun, 2)


if __name__ == "__main__":
    unittest.main()
