"""Requirement 5: details by type of operation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from durabletest import DurableTestCase, ErrorDetails, WrongOperationTypeError
from tests.acceptance.workflows import ONCE, charging, double, everything, order

GETTERS = {
    "step": "get_step_details",
    "wait": "get_wait_details",
    "callback": "get_callback_details",
    "invoke": "get_invoke_details",
    "context": "get_context_details",
}


@durable_execution
def all_that_fails(event: Any, context: DurableContext) -> str:
    """A step, a callback, an invoke and a context that fail; the workflow takes it lightly."""

    def attempt(operation: Any) -> None:
        try:
            operation()
        except Exception:
            return

    limit = CallbackConfig(timeout=Duration.from_minutes(5))
    failing_child = lambda child: child.step(charging(1), name="inner", config=ONCE)  # noqa: E731
    attempt(lambda: context.step(charging(1), name="step", config=ONCE))
    attempt(lambda: context.create_callback(name="callback", config=limit).result())
    attempt(lambda: context.invoke("double", "x", name="invoke"))
    attempt(lambda: context.run_in_child_context(failing_child, name="context"))
    return "survived"


def refuse(event: Any, context: Any) -> None:
    raise LookupError("no such number")


class SucceededDetailsTests(DurableTestCase):
    handler = everything
    functions = {"double": double}

    def test_r5_2_wait_details_have_the_duration_and_the_scheduled_end(self) -> None:
        self.on_callback("callback").succeed("yes")
        wait = self.execute().get_operation("wait").get_wait_details()
        self.assertEqual(wait.duration, timedelta(seconds=30))
        self.assertEqual(wait.scheduled_end, datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC))

    def test_r5_3_callback_details_have_the_id_and_the_result(self) -> None:
        execution = self.start()
        callback = execution.operation("callback")
        callback.wait_for_data().result(timeout=5)
        callback_id = callback.get_callback_details().callback_id
        self.runner.client.send_durable_execution_callback_success(CallbackId=callback_id, Result=b"yes")
        details = execution.result(timeout=5).get_operation("callback").get_callback_details()
        self.assertEqual((details.callback_id, details.result, details.error), (callback_id, "yes", None))

    def test_r5_4_invoke_details_have_the_result(self) -> None:
        self.on_callback("callback").succeed("yes")
        details = self.execute().get_operation("invoke").get_invoke_details()
        self.assertEqual((details.function_name, details.input), ("double", "21"))
        self.assertEqual((details.result, details.error), (42, None))

    def test_r5_5_context_details_have_the_result(self) -> None:
        self.on_callback("callback").succeed("yes")
        details = self.execute().get_operation("context").get_context_details()
        self.assertEqual((details.result, details.error), (3, None))

    def test_r5_6_details_of_another_type_are_an_error_that_names_the_right_method(self) -> None:
        self.on_callback("callback").succeed("yes")
        result = self.execute()
        for name, right in GETTERS.items():
            for wrong in set(GETTERS.values()) - {right}:
                with self.subTest(name, asked=wrong):
                    with self.assertRaises(WrongOperationTypeError) as caught:
                        getattr(result.get_operation(name), wrong)()
                    self.assertIn(f"use {right}()", str(caught.exception))


class RetriedDetailsTests(DurableTestCase):
    handler = order

    def test_r5_1_step_details_have_attempts_and_the_result(self) -> None:
        details = self.execute({"order": 1, "declines": 2}).get_operation("charge").get_step_details()
        self.assertEqual((details.attempts, details.result, details.error), (3, "receipt", None))
        self.assertEqual(details.retry_delays, (timedelta(minutes=1), timedelta(minutes=1)))


class FailedDetailsTests(DurableTestCase):
    handler = all_that_fails
    functions = {"double": refuse}

    def test_r5_1_step_details_have_the_error(self) -> None:
        details = self.execute().get_operation("step").get_step_details()
        self.assertEqual((details.attempts, details.result), (1, None))
        self.assertRegex(str(details.error), r"CardDeclined: declined 1 times$")

    def test_r5_3_callback_details_have_the_error(self) -> None:
        self.on_callback("callback").fail("Refused", "too expensive")
        details = self.execute().get_operation("callback").get_callback_details()
        self.assertEqual((details.result, details.error), (None, ErrorDetails("Refused", "too expensive")))

    def test_r5_4_invoke_details_have_the_error(self) -> None:
        error = self.execute().get_operation("invoke").get_invoke_details().error
        assert error is not None
        self.assertEqual((error.type, error.message), ("LookupError", "no such number"))

    def test_r5_5_context_details_have_the_error(self) -> None:
        error = self.execute().get_operation("context").get_context_details().error
        assert error is not None
        self.assertEqual(error.message, "declined 1 times")
