"""Pausing and resuming executions of real handlers: what the handler sees, and what is recorded."""

from __future__ import annotations

import unittest
import unittest.mock
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from durabletest import DurableTestCase, Execution, ExecutionStuckError, LocalDurableTestRunner, NotAvailableError, sdk
from durabletest.local.server import service_model
from tests.local.server.test_pauses import needs_pauses
from tests.sdk_versions import needs_turns

HOUR = timedelta(hours=1)
CALLS: list[str] = []


@durable_execution
def shipping(event: Any, context: DurableContext) -> list[str]:
    CALLS.append("invoked")
    context.step(lambda _: "packed", name="pack")
    context.wait(Duration.from_hours(1), name="cool-down")
    answer = context.create_callback(name="approval", config=CallbackConfig(timeout=Duration.from_hours(10))).result()
    context.step(lambda _: "shipped", name="ship")
    return [answer]


class PauseCase(DurableTestCase):
    abstract = True
    handler = shipping

    def setUp(self) -> None:
        CALLS.clear()

    def events(self, execution: Execution, *left_out: str) -> list[str]:
        types = [event["EventType"] for event in execution.snapshot().history]
        return [type_ for type_ in types if type_ not in ("InvocationCompleted", *left_out)]


@needs_pauses
class SuspendedTests(PauseCase):
    def test_a_timer_that_is_due_meanwhile_fires_and_the_handler_goes_on_after_the_pause(self) -> None:
        execution = self.start()
        execution.advance(timedelta(minutes=30))
        execution.pause("an incident")
        self.assertExecution().paused().never.running()
        execution.advance(10 * HOUR)
        self.assertEqual((execution.status, CALLS), ("PAUSED", ["invoked"]))
        self.assertOperation("cool-down").succeeded().waited(hours=1)
        self.assertNoOperation("approval")
        execution.resume("it is over")
        self.assertExecution().running().never.paused()
        execution.operation("approval").wait_for_data().result(timeout=5)
        execution.operation("approval").send_callback_success("yes")
        self.assertEqual(execution.result().get_result(), ["yes"])
        self.assertEqual(
            self.events(execution),
            [
                "ExecutionStarted",
                "StepStarted",
                "StepSucceeded",
                "WaitStarted",
                "ExecutionPaused",
                "WaitSucceeded",
                "ExecutionResumed",
                "CallbackStarted",
                "CallbackSucceeded",
                "StepStarted",
                "StepSucceeded",
                "ExecutionSucceeded",
            ],
        )
        self.assertEqual(len(CALLS), 3)

    def test_nothing_is_due_meanwhile(self) -> None:
        execution = self.start()
        execution.advance(timedelta(minutes=30))
        execution.pause()
        execution.advance(timedelta(minutes=20))
        execution.resume()
        execution.advance(timedelta(minutes=9))
        self.assertEqual(CALLS, ["invoked"])
        execution.advance(timedelta(minutes=1))
        self.assertEqual(CALLS, ["invoked"] * 2)

    def test_a_callback_is_answered_meanwhile(self) -> None:
        execution = self.start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        execution.pause()
        execution.operation("approval").send_callback_success("yes")
        self.assertOperation("approval").succeeded("yes")
        self.assertNoOperation("ship")
        execution.resume()
        self.assertEqual(execution.result().get_result(), ["yes"])

    def test_a_callback_times_out_meanwhile(self) -> None:
        execution = self.start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        execution.pause()
        execution.advance(10 * HOUR)
        self.assertOperation("approval").timed_out()
        self.assertEqual(execution.status, "PAUSED")
        execution.resume()
        execution.result()
        self.assertExecution().failed()

    def test_twice_and_after_the_end(self) -> None:
        conflict = self.runner.client.exceptions.ResourceConflictException
        execution = self.start()
        execution.advance(timedelta(minutes=1))
        with self.assertRaisesRegex(conflict, "is RUNNING: it must be PAUSED or PAUSING"):
            execution.resume()
        execution.pause()
        with self.assertRaisesRegex(conflict, "is PAUSED: it must be RUNNING"):
            execution.pause()
        execution.stop()
        self.assertExecution().stopped()
        for call in (execution.pause, execution.resume):
            with self.assertRaisesRegex(conflict, "is STOPPED: it must be"):
                call()

    def test_waiting_for_the_result_of_a_paused_execution_says_what_to_do(self) -> None:
        execution = self.start()
        execution.advance(timedelta(minutes=1))
        execution.pause()
        with self.assertRaisesRegex(ExecutionStuckError, r"\n  - the end of its pause: write execution\.resume\(\)"):
            execution.result()


@needs_pauses
class RunningTests(PauseCase):
    """A step asks for the pause, as an operator might while it runs."""

    @needs_turns
    def test_the_invocation_ends_with_its_next_checkpoint_and_is_repeated_after_the_pause(self) -> None:
        self.stub_step("pack").calls(lambda _: self.only_execution().pause("now"))
        execution = self.start()
        execution.advance(HOUR)
        self.assertEqual((execution.status, CALLS), ("PAUSED", ["invoked"]))
        self.assertOperation("pack").succeeded()
        self.assertNoOperation("cool-down")
        self.assertEqual(self.events(execution)[-2:], ["StepSucceeded", "ExecutionPaused"])
        self.on_callback("approval").succeed("yes")
        execution.resume()
        execution.result()
        self.assertExecution().succeeded(["yes"])
        self.assertOperation("pack").attempts(1)
        if sdk.can_wake_up():  # an SDK that is older fails when it gets no token, which does not count either
            self.assertInvocations().each.never.failed()

    def test_a_pause_that_is_cancelled_in_time_leaves_no_trace(self) -> None:
        def change_of_mind(_: Any) -> None:
            execution = self.only_execution()
            execution.pause()
            execution.resume()

        self.stub_step("pack").calls(change_of_mind)
        self.on_callback("approval").succeed("yes")
        execution = self.start()
        execution.result()
        self.assertExecution().succeeded(["yes"])
        self.assertNotIn("ExecutionPaused", self.events(execution))

    def only_execution(self) -> Execution:
        (summary,) = self.runner.client.list_durable_executions_by_function(FunctionName="handler")["DurableExecutions"]
        return self.runner.execution(summary["DurableExecutionArn"])

    def test_the_last_step_before_the_end(self) -> None:
        @durable_execution
        def short(event: Any, context: DurableContext) -> str:
            return context.step(lambda _: "done", name="only")

        with LocalDurableTestRunner(short) as runner:

            def pause(_: Any) -> str:
                (one,) = runner.client.list_durable_executions_by_function(FunctionName="handler")["DurableExecutions"]
                runner.execution(one["DurableExecutionArn"]).pause()
                return "done"

            runner.stub_step("only").calls(pause)
            execution = runner.start()
            execution.advance(HOUR)
            self.assertEqual(execution.status, "PAUSED")
            execution.resume()
            self.assertEqual(execution.result().get_result(), "done")


@needs_pauses
class TimeoutTests(PauseCase):
    execution_timeout = 2 * HOUR

    def test_the_timeout_is_paused_or_it_is_not(self) -> None:
        for timeout_paused, status in ((True, "PAUSED"), (False, "TIMED_OUT")):
            with self.subTest(timeout_paused=timeout_paused):
                execution = self.start()
                execution.advance(timedelta(minutes=30))
                execution.pause(timeout_paused=timeout_paused)
                execution.advance(24 * HOUR)
                self.assertEqual(execution.status, status)

    def test_what_is_left_of_it_is_left_after_the_pause(self) -> None:
        execution = self.start()
        execution.advance(timedelta(minutes=30))
        execution.pause()
        execution.advance(24 * HOUR)
        execution.resume()
        execution.advance(timedelta(minutes=89))
        self.assertEqual(execution.status, "RUNNING")
        execution.advance(timedelta(minutes=1))
        self.assertExecution().timed_out().took(hours=26)


@needs_pauses
class DeleteTests(PauseCase):
    def test_a_result_that_was_read_outlives_its_execution(self) -> None:
        self.on_callback("approval").succeed("yes")
        result = self.execute(name="order-42")
        self.runner.client.delete_durable_execution(DurableExecutionArn=result.arn)
        self.assertEqual(result.get_result(), ["yes"])
        with self.assertRaises(self.runner.client.exceptions.ResourceNotFoundException):
            self.runner.client.get_durable_execution(DurableExecutionArn=result.arn)
        self.on_callback("approval").succeed("again")
        self.assertEqual(self.execute(name="order-42").get_result(), ["again"])


class OldBotocoreTests(PauseCase):
    def test_a_botocore_that_does_not_know_the_operations_is_named(self) -> None:
        model = service_model.service_model()
        known = [name for name in model.operation_names if name != "PauseDurableExecution"]
        execution = self.start()
        service_model._input_shape.cache_clear()
        with (
            unittest.mock.patch.object(model, "operation_names", known),
            self.assertRaisesRegex(
                NotAvailableError, r"pause_durable_execution is not known to botocore .*: pip install -U boto3"
            ),
        ):
            execution.pause()
        execution.stop()


if __name__ == "__main__":
    unittest.main()
