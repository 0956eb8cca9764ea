"""What is larger than the service takes: it fails where it would fail there, and the message says why."""

from __future__ import annotations

import unittest
from typing import Any

from aws_durable_execution_sdk_python import CallbackError, DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import DurableTestCase, ExecutionFailedError, LocalDurableTestRunner

KIB = 1024
STEP_LIMIT = 256 * KIB
ERROR_LIMIT = 32 * KIB
EXECUTION_LIMIT = 6 * KIB * KIB
QUOTES = 2
"""Text is stored as JSON."""


def text(size: int) -> str:
    """Text that has so many bytes as JSON."""
    return "x" * (size - QUOTES)


@durable_execution
def reporting(event: int, context: DurableContext) -> int:
    context.step(lambda _: "before", name="before")
    return len(context.step(lambda _: text(event), name="report"))


class StepTests(DurableTestCase):
    handler = reporting

    def test_256_kb_are_taken(self) -> None:
        self.execute(STEP_LIMIT)
        self.assertExecution().succeeded(STEP_LIMIT - QUOTES)

    def test_a_byte_more_fails_the_execution_with_a_message_that_says_which_step_and_what_to_do(self) -> None:
        result = self.execute(STEP_LIMIT + 1)
        with self.assertRaises(ExecutionFailedError) as caught:
            result.get_result()
        for part in (
            "SUCCEED of STEP 'report'",
            "Payload has 262145 bytes: STEP may have 262144",
            "Keep what is larger elsewhere, in S3 for example, and hand on where it is",
        ):
            self.assertIn(part, str(caught.exception))
        self.assertTrue(result.get_error().type.endswith("CheckpointError"), result.get_error())

    def test_nothing_of_the_step_is_recorded_and_what_came_before_it_is(self) -> None:
        result = self.execute(STEP_LIMIT + 1)
        self.assertOperation("before").succeeded("before")
        succeeded = [event["Name"] for event in result.history if event["EventType"] == "StepSucceeded"]
        self.assertEqual(succeeded, ["before"])

    def test_it_is_no_error_of_the_step_that_a_retry_could_heal(self) -> None:
        result = self.execute(STEP_LIMIT + 1)
        self.assertEqual(len(result.get_invocations()), 1)
        self.assertNotIn("StepFailed", [event["EventType"] for event in result.history])


@durable_execution
def nested(event: int, context: DurableContext) -> int:
    return len(context.run_in_child_context(lambda child: child.step(lambda _: "y") * event, name="child"))


class ContextTests(DurableTestCase):
    handler = nested

    def test_the_result_of_a_child_context_may_be_large_for_it_is_made_again(self) -> None:
        result = self.execute(STEP_LIMIT + 1)
        self.assertExecution().succeeded(STEP_LIMIT + 1)
        (ended,) = [event for event in result.history if event["EventType"] == "ContextSucceeded"]
        self.assertEqual(ended["ContextSucceededDetails"]["Result"]["Payload"], "")


@durable_execution
def returning(event: int, context: DurableContext) -> str:
    return text(event)


class ExecutionTests(DurableTestCase):
    handler = returning

    def test_6_mb_are_taken_though_the_sdk_checkpoints_them_first(self) -> None:
        result = self.execute(EXECUTION_LIMIT)
        self.assertEqual(len(result.get_result()), EXECUTION_LIMIT - QUOTES)

    def test_a_byte_more_fails_the_execution(self) -> None:
        self.execute(EXECUTION_LIMIT + 1)
        self.assertExecution().failed(message="6291456")


@durable_execution
def measuring(event: str, context: DurableContext) -> int:
    return len(event)


class InputTests(unittest.TestCase):
    """An input is measured as the JSON text that it is on the wire."""

    def test_6_mb_are_taken_and_a_byte_more_is_refused(self) -> None:
        with LocalDurableTestRunner(measuring) as runner:
            self.assertEqual(runner.run(text(EXECUTION_LIMIT)).get_result(), EXECUTION_LIMIT - QUOTES)
            for start in (runner.run, runner.start):
                with self.assertRaisesRegex(
                    runner.client.exceptions.RequestTooLargeException,
                    "the payload has 6291457 bytes: an execution's input may have 6291456",
                ):
                    start(text(EXECUTION_LIMIT + 1))
            listed = runner.client.list_durable_executions_by_function(FunctionName="handler")["DurableExecutions"]
            self.assertEqual(len(listed), 1)


@durable_execution
def failing(event: int, context: DurableContext) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("x" * event)

    context.step(fail, name="fail", config=StepConfig(retry_strategy=RetryPresets.none()))


class ErrorTests(DurableTestCase):
    handler = failing

    def test_an_error_message_of_more_than_32_kib_is_refused(self) -> None:
        self.execute(33 * KIB)
        self.assertExecution().failed(message="an error may have 32768")


@durable_execution
def invoking(event: int, context: DurableContext) -> int:
    return context.invoke("measure", text(event), name="measure")


class InvokeTests(DurableTestCase):
    handler = invoking
    functions = {"measure": lambda event, context: len(event)}

    def test_1_mib_is_taken_for_an_invoke_and_no_more(self) -> None:
        self.execute(KIB * KIB)
        self.assertExecution().succeeded(KIB * KIB - QUOTES)
        self.execute(KIB * KIB + 1)
        self.assertExecution().failed(message="Payload has 1048577 bytes: CHAINED_INVOKE may have 1048576")


@durable_execution
def waiting(event: Any, context: DurableContext) -> int:
    try:
        return len(context.create_callback(name="upload").result() or "")
    except CallbackError:
        return -1


class CallbackTests(DurableTestCase):
    handler = waiting

    def test_1_mib_is_taken_from_outside_and_a_byte_more_is_refused(self) -> None:
        self.on_callback("upload").succeed("x" * KIB * KIB)
        self.execute()
        self.assertExecution().succeeded(KIB * KIB)
        execution = self.start()
        callback = execution.operation("upload")
        callback.wait_for_data().result(timeout=5)
        callback_id = callback.get_callback_details().callback_id
        with self.assertRaisesRegex(
            self.runner.client.exceptions.InvalidParameterValueException, "Result has length 1048577"
        ):
            self.runner.client.send_durable_execution_callback_success(
                CallbackId=callback_id, Result="x" * (KIB * KIB + 1)
            )
        callback.send_callback_success("x")
        self.assertEqual(execution.result(timeout=5).get_result(), 1)

    def test_an_error_of_32_kib_is_taken_from_outside_and_a_byte_more_is_refused(self) -> None:
        message = "x" * (ERROR_LIMIT - len('{"ErrorType": "Refused", "ErrorMessage": ""}'))
        execution = self.start()
        callback = execution.operation("upload")
        callback.wait_for_data().result(timeout=5)
        with self.assertRaisesRegex(
            self.runner.client.exceptions.InvalidParameterValueException,
            "Error has 32769 bytes as JSON: an error may have 32768",
        ):
            callback.send_callback_failure("Refused", message + "x")
        self.assertOperation("upload", execution=execution).started()
        callback.send_callback_failure("Refused", message)
        self.assertEqual(execution.result(timeout=5).get_result(), -1)
        self.assertOperation("upload").failed("Refused", message)
