"""Executions that are stopped, by every way that leads there; and names that mean one execution."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import (
    DurableTestCase,
    Execution,
    ExecutionFailedError,
    LocalDurableTestRunner,
    UsageError,
)

REASON = {"ErrorType": "Cancelled", "ErrorMessage": "the customer changed her mind"}
WAYS: dict[str, Callable[[LocalDurableTestRunner, Execution], Any]] = {
    "the runner": lambda runner, execution: runner.stop("Cancelled", REASON["ErrorMessage"]),
    "the handle": lambda runner, execution: execution.stop("Cancelled", REASON["ErrorMessage"]),
    "the client": lambda runner, execution: runner.client.stop_durable_execution(
        DurableExecutionArn=execution.arn, Error=REASON
    ),
    "boto3": lambda runner, execution: runner.lambda_client().stop_durable_execution(
        DurableExecutionArn=execution.arn, Error=REASON
    ),
}


@durable_execution
def waiting(event: Any, context: DurableContext) -> None:
    context.wait(Duration.from_days(1), name="a day")


@durable_execution
def invoking(event: Any, context: DurableContext) -> None:
    context.invoke("waiting", None, name="child")


@durable_execution
def invoking_twice(event: Any, context: DurableContext) -> None:
    context.invoke("invoking", None, name="first")


class GenerationsTests(DurableTestCase):
    """What an execution has invoked, and what that has invoked in its turn."""

    handler = invoking_twice
    durable_functions = {"invoking": invoking, "waiting": waiting}
    execution_timeout = timedelta(minutes=10)

    def assert_stopped(self, after: timedelta) -> None:
        first = self.assertOperation("first")
        child = first.child().stopped().took(after)
        child.operation("child").stopped().ended_at(self.start_time + after)
        child.operation("child").child().stopped().operation("a day").stopped().ended_at(self.start_time + after)

    def test_a_stop_reaches_all_of_them_at_that_instant(self) -> None:
        execution = self.start()
        execution.advance(timedelta(minutes=5))
        execution.stop()
        execution.result(timeout=5)
        self.assertExecution().stopped()
        self.assertOperation("first").stopped()
        self.assert_stopped(timedelta(minutes=5))

    def test_a_timeout_does_too(self) -> None:
        self.execute()
        self.assertExecution().timed_out()
        self.assertOperation("first").timed_out()
        self.assert_stopped(timedelta(minutes=10))


class StopTests(unittest.TestCase):
    def test_every_way_leads_to_the_same_end(self) -> None:
        for way, stop in WAYS.items():
            with self.subTest(way), LocalDurableTestRunner(waiting) as runner:
                execution = runner.start()
                execution.advance(timedelta(hours=1))
                stop(runner, execution)
                result = execution.result(timeout=5)
                self.assertEqual(result.get_status(), "STOPPED")
                last = result.history[-1]
                self.assertEqual(last["ExecutionStoppedDetails"]["Error"]["Payload"], REASON)
                self.assertEqual(last["EventTimestamp"], runner.now)
                with self.assertRaisesRegex(ExecutionFailedError, "changed her mind") as caught:
                    result.get_result()
                self.assertEqual(caught.exception.status, "STOPPED")

    def test_nothing_happens_to_it_afterwards(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            execution = runner.start()
            runner.stop()
            execution.advance(timedelta(days=2))
            self.assertEqual(execution.result(timeout=5).history[-1]["EventType"], "ExecutionStopped")
            self.assertEqual(execution.pending(), [])

    def test_a_child_that_is_stopped_fails_the_invoke_with_its_reason(self) -> None:
        with LocalDurableTestRunner(invoking, durable_functions={"waiting": waiting}) as runner:
            execution = runner.start()
            execution.advance(timedelta(hours=1))
            started = execution.snapshot().history[1]["ChainedInvokeStartedDetails"]
            runner.execution(started["DurableExecutionArn"]).stop("Cancelled", "by hand")
            result = execution.result(timeout=5)
            self.assertEqual(result.get_operation("child").status, "STOPPED")
            self.assertIn("ChainedInvokeStopped", [event["EventType"] for event in result.history])
            self.assertEqual(result.get_error().message, "by hand")

    def test_a_runner_that_has_started_nothing_has_nothing_to_stop(self) -> None:
        with (
            LocalDurableTestRunner(waiting) as runner,
            self.assertRaisesRegex(UsageError, r"stop\(\) without an execution: call start\(payload\) first"),
        ):
            runner.stop()


class ChildTimeoutTests(DurableTestCase):
    handler = invoking

    def test_r7_1_a_registered_durable_function_that_times_out_fails_the_invoke(self) -> None:
        self.runner.register_durable_function("waiting", waiting, execution_timeout=timedelta(hours=1))
        result = self.execute()
        self.assertOperation("child").timed_out().took(hours=1)
        self.assertIn("ChainedInvokeTimedOut", [event["EventType"] for event in result.history])
        self.assertExecution().failed(message="CHAINED_INVOKE timed out after 3600 seconds.")


class ExecutionTimeoutTests(DurableTestCase):
    handler = waiting
    execution_timeout = timedelta(hours=1)

    def test_an_execution_that_times_out_ends_at_that_instant(self) -> None:
        result = self.execute()
        self.assertExecution().timed_out()
        self.assertOperation("a day").timed_out()
        self.assertEqual(result.history[-1]["EventType"], "ExecutionTimedOut")
        self.assertEqual(self.now, self.start_time + timedelta(hours=1))


class NameTests(unittest.TestCase):
    def test_the_same_name_and_payload_are_the_same_execution(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            first = runner.run({"order": 42}, name="order-42")
            second = runner.run({"order": 42}, name="order-42")
            self.assertEqual(second.arn, first.arn)
            self.assertEqual(len(second.get_invocations()), 2)
            self.assertEqual(runner.now - first.history[0]["EventTimestamp"], timedelta(days=1))

    def test_another_payload_is_refused_with_the_services_error(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            runner.run({"order": 42}, name="order-42")
            with self.assertRaisesRegex(
                runner.client.exceptions.DurableExecutionAlreadyStartedException, "already started with another input"
            ):
                runner.run({"order": 43}, name="order-42")

    def test_several_executions_of_a_runner_are_kept_side_by_side(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            results = [runner.run({"order": number}, name=f"order-{number}") for number in range(3)]
            listing = runner.client.list_durable_executions_by_function(FunctionName="handler")["DurableExecutions"]
            names = [found["DurableExecutionName"] for found in listing]
            self.assertEqual(names, ["order-2", "order-1", "order-0"])
            for number, result in enumerate(results):
                self.assertEqual(
                    result.get_operation("a day").started_at,
                    results[0].history[0]["EventTimestamp"] + timedelta(days=number),
                )


if __name__ == "__main__":
    unittest.main()
