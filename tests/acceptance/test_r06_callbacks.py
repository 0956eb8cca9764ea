"""Requirement 6: answering callbacks from a test."""

from __future__ import annotations

from datetime import timedelta

from durabletest import DurableTestCase, Execution, WaitingStatus, WrongOperationTypeError
from tests.acceptance.workflows import approval, order


class AnsweringTests(DurableTestCase):
    handler = approval

    def started(self) -> Execution:
        execution = self.start()
        execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        return execution

    def test_r6_1_send_callback_success_completes_the_callback_with_the_result(self) -> None:
        execution = self.started()
        execution.operation("approval").send_callback_success("yes")
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")
        self.assertOperation("approval").succeeded("yes")
        event = execution.operation("approval").events[-1]
        self.assertEqual(event["EventType"], "CallbackSucceeded")
        self.assertEqual(event["CallbackSucceededDetails"]["Result"]["Payload"], "yes")

    def test_r6_2_send_callback_failure_fails_the_callback_with_the_error(self) -> None:
        execution = self.started()
        execution.operation("approval").send_callback_failure("Refused", "too expensive", data="12 euros")
        execution.result(timeout=5)
        self.assertOperation("approval").failed("Refused", "too expensive")
        self.assertExecution().failed(message="too expensive")
        event = execution.operation("approval").events[-1]
        self.assertEqual(
            event["CallbackFailedDetails"]["Error"]["Payload"],
            {"ErrorType": "Refused", "ErrorMessage": "too expensive", "ErrorData": "12 euros"},
        )

    def test_r6_3_send_callback_heartbeat_keeps_the_callback_alive(self) -> None:
        execution = self.started()
        for _ in range(3):
            execution.advance(timedelta(minutes=50))
            execution.operation("approval").send_callback_heartbeat()
        execution.advance(timedelta(minutes=59))
        self.assertEqual(execution.operation("approval").status, "STARTED")
        execution.result(timeout=5)
        self.assertOperation("approval").timed_out().waited(minutes=3 * 50 + 60)


class WrongOperationTests(DurableTestCase):
    handler = order

    def test_r6_4_callback_methods_of_another_operation_are_an_error(self) -> None:
        result = self.execute({"order": 42})
        history = result.get_history_events()
        for name in ("charge", "cool-down"):
            operation = result.get_operation(name)
            answers = (
                lambda operation=operation: operation.send_callback_success("yes"),
                lambda operation=operation: operation.send_callback_failure("Refused", "no"),
                operation.send_callback_heartbeat,
            )
            for answer in answers:
                with (
                    self.subTest(name),
                    self.assertRaisesRegex(WrongOperationTypeError, "only callbacks can be answered"),
                ):
                    answer()
        self.assertEqual(result.get_history_events(), history)
