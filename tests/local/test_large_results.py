"""What is larger than the service takes: it fails where it would fail there, and the message says why."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import CallbackError, DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import (
    ConfigurationError,
    DurableTestCase,
    ExecutionFailedError,
    HandlerStuckError,
    LocalDurableTestRunner,
)
from tests.sdk_versions import needs_turns

MB = 1_048_576
LIMITS = {"Event": MB, "RequestResponse": 6 * MB}
MORE_THAN_THE_SDK_SENDS = 768_001
"""Bytes, together with another update."""
QUOTES = 2
"""Text is stored as JSON."""


def text(size: int) -> str:
    """Text that has so many bytes as JSON."""
    return "x" * (size - QUOTES)


START_FIRST = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
"""The step's start is sent before its function is called, so that its result is sent alone."""


@durable_execution
def reporting(event: int, context: DurableContext) -> int:
    context.step(lambda _: "before", name="before")
    return len(context.step(lambda _: text(event), name="report", config=START_FIRST))


class StepTests(DurableTestCase):
    handler = reporting

    def test_up_to_1_mb_is_taken(self) -> None:
        for size in (MB - 1, MB):
            self.execute(size)
            self.assertExecution().succeeded(size - QUOTES)

    def test_a_byte_more_fails_the_execution_with_a_message_that_says_which_step_and_what_to_do(self) -> None:
        result = self.execute(MB + 1)
        with self.assertRaises(ExecutionFailedError) as caught:
            result.get_result()
        for part in (
            "SUCCEED of STEP 'report'",
            "Payload has 1048577 bytes: STEP may have 1048576",
            "Keep what is larger elsewhere, in S3 for example, and hand on where it is",
        ):
            self.assertIn(part, str(caught.exception))
        self.assertTrue(result.get_error().type.endswith("CheckpointError"), result.get_error())

    def test_nothing_of_the_step_is_recorded_and_what_came_before_it_is(self) -> None:
        result = self.execute(MB + 1)
        self.assertOperation("before").succeeded("before")
        succeeded = [event["Name"] for event in result.history if event["EventType"] == "StepSucceeded"]
        self.assertEqual(succeeded, ["before"])

    def test_it_is_no_error_of_the_step_that_a_retry_could_heal(self) -> None:
        result = self.execute(MB + 1)
        self.assertEqual(len(result.get_invocations()), 1)
        self.assertNotIn("StepFailed", [event["EventType"] for event in result.history])


class UnsentStepTests(DurableTestCase):
    """The SDK waits for ever on a result that it cannot send together with the step's start."""

    handler = durable_execution(lambda event, context: len(context.step(lambda _: text(event), name="report")))
    watchdog = 1.0

    def test_what_the_sdk_sends_is_taken(self) -> None:
        self.execute(MORE_THAN_THE_SDK_SENDS - 1_000)
        self.assertExecution().succeeded()

    @needs_turns  # older SDKs never end the thread that waits
    def test_more_is_an_error_that_says_why(self) -> None:
        with self.assertRaisesRegex(
            HandlerStuckError, r"more from a step than the SDK sends at once \(768,000 bytes\)"
        ):
            self.execute(MORE_THAN_THE_SDK_SENDS)


@durable_execution
def nested(event: int, context: DurableContext) -> int:
    return len(context.run_in_child_context(lambda child: child.step(lambda _: "y") * event, name="child"))


class ContextTests(DurableTestCase):
    handler = nested

    def test_the_result_of_a_child_context_may_be_large_for_it_is_made_again(self) -> None:
        result = self.execute(MB + 1)
        self.assertExecution().succeeded(MB + 1)
        (ended,) = [event for event in result.history if event["EventType"] == "ContextSucceeded"]
        self.assertEqual(ended["ContextSucceededDetails"]["Result"]["Payload"], "")


@durable_execution
def returning(event: int, context: DurableContext) -> str:
    return text(event)


class ExecutionTests(unittest.TestCase):
    def test_the_largest_result_is_taken_and_a_byte_more_fails_the_execution(self) -> None:
        for invocation_type, limit in LIMITS.items():
            with LocalDurableTestRunner(returning, invocation_type=invocation_type) as runner:
                for size in (limit - 1, limit):
                    self.assertEqual(len(runner.run(size).get_result()), size - QUOTES)
                result = runner.run(limit + 1)
                self.assertEqual(result.get_status(), "FAILED")
                self.assertRegex(result.get_error().message, f"{limit + 1}.* {limit}")


@durable_execution
def measuring(event: str, context: DurableContext) -> int:
    return len(event)


class InputTests(unittest.TestCase):
    """An input is measured as the JSON text that it is on the wire."""

    def test_the_largest_is_taken_and_a_byte_more_is_refused(self) -> None:
        for invocation_type, limit in LIMITS.items():
            with LocalDurableTestRunner(measuring, invocation_type=invocation_type) as runner:
                for size in (limit - 1, limit):
                    self.assertEqual(runner.run(text(size)).get_result(), size - QUOTES)
                for start in (runner.run, runner.start):
                    with self.assertRaisesRegex(
                        runner.client.exceptions.RequestTooLargeException,
                        f"the payload has {limit + 1} bytes: an execution's input may have {limit} if it is started "
                        f"with InvocationType '{invocation_type}'",
                    ):
                        start(text(limit + 1))
                listed = runner.client.list_durable_executions_by_function(FunctionName="handler")
                self.assertEqual(len(listed["DurableExecutions"]), 2)


class SynchronousTests(DurableTestCase):
    handler = returning
    invocation_type = "RequestResponse"

    def test_a_class_says_how_its_executions_are_started(self) -> None:
        self.execute(6 * MB)
        self.assertExecution().succeeded()

    def test_they_end_after_a_quarter_of_an_hour(self) -> None:
        @durable_execution
        def waiting(event: int, context: DurableContext) -> None:
            context.wait(Duration.from_minutes(event), name="pause")

        for invocation_type, minutes, status in (
            ("RequestResponse", 15, "SUCCEEDED"),
            ("RequestResponse", 16, "TIMED_OUT"),
            ("Event", 16, "SUCCEEDED"),
        ):
            with LocalDurableTestRunner(waiting, invocation_type=invocation_type) as runner:
                begun = runner.now
                self.assertEqual(runner.run(minutes).get_status(), status)
                self.assertEqual(runner.now - begun, timedelta(minutes=15 if status == "TIMED_OUT" else minutes))

    def test_a_longer_timeout_is_refused(self) -> None:
        LocalDurableTestRunner(returning, invocation_type="RequestResponse", execution_timeout=900).close()
        with self.assertRaisesRegex(
            ConfigurationError, "^execution_timeout is 901, and an execution that is started synchronously may take 15"
        ):
            LocalDurableTestRunner(returning, invocation_type="RequestResponse", execution_timeout=901)

        class TooLong(DurableTestCase):
            handler = returning
            invocation_type = "RequestResponse"
            execution_timeout = timedelta(hours=1)

        with self.assertRaisesRegex(ConfigurationError, r"TooLong\.execution_timeout is datetime\.timedelta"):
            TooLong.setUpClass()

    def test_anything_else_is_refused(self) -> None:
        with self.assertRaisesRegex(
            ConfigurationError, r"^invocation_type is 'sync': write 'Event' or 'RequestResponse'$"
        ):
            LocalDurableTestRunner(returning, invocation_type="sync")


@durable_execution
def failing(event: int, context: DurableContext) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("x" * event)

    once = StepConfig(retry_strategy=RetryPresets.none(), step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
    context.step(fail, name="fail", config=once)


class ErrorTests(DurableTestCase):
    handler = failing

    def test_an_error_of_more_than_1_mb_is_refused(self) -> None:
        self.execute(700_000)
        self.assertOperation("fail").failed()
        self.execute(MB + 1)
        self.assertExecution().failed(message="an error may have 1048576")


@durable_execution
def invoking(event: int, context: DurableContext) -> int:
    return context.invoke("measure", text(event), name="measure")


class InvokeTests(DurableTestCase):
    handler = invoking
    functions = {"measure": lambda event, context: len(event)}

    def test_1_mb_is_taken_for_an_invoke_and_no_more(self) -> None:
        for size in (MB - 1, MB):
            self.execute(size)
            self.assertExecution().succeeded(size - QUOTES)
        self.execute(MB + 1)
        self.assertExecution().failed(message="Payload has 1048577 bytes: CHAINED_INVOKE may have 1048576")


@durable_execution
def waiting(event: Any, context: DurableContext) -> int:
    try:
        return len(context.create_callback(name="upload").result() or "")
    except CallbackError:
        return -1


class CallbackTests(DurableTestCase):
    handler = waiting

    def test_1_mb_is_taken_from_outside_and_a_byte_more_is_refused(self) -> None:
        self.on_callback("upload").succeed("x" * MB)
        self.execute()
        self.assertExecution().succeeded(MB)
        execution = self.start()
        callback = execution.operation("upload")
        callback.wait_for_data().result(timeout=5)
        callback_id = callback.get_callback_details().callback_id
        with self.assertRaisesRegex(
            self.runner.client.exceptions.InvalidParameterValueException, "Result has length 1048577"
        ):
            self.runner.client.send_durable_execution_callback_success(CallbackId=callback_id, Result="x" * (MB + 1))
        callback.send_callback_success("x")
        self.assertEqual(execution.result(timeout=5).get_result(), 1)

    def test_an_error_of_1_mb_is_taken_from_outside_and_a_byte_more_is_refused(self) -> None:
        message = "x" * (MB - len("Refused"))
        execution = self.start()
        callback = execution.operation("upload")
        callback.wait_for_data().result(timeout=5)
        with self.assertRaisesRegex(
            self.runner.client.exceptions.InvalidParameterValueException,
            "Error has 1048577 bytes in its fields together: an error may have 1048576",
        ):
            callback.send_callback_failure("Refused", message + "x")
        self.assertOperation("upload", execution=execution).started()
        callback.send_callback_failure("Refused", message)
        self.assertEqual(execution.result(timeout=5).get_result(), -1)
        self.assertOperation("upload").failed("Refused", message)
