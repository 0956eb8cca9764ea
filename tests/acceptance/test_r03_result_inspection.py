"""Requirement 3: what a result tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from durabletest import DurableTestCase, ExecutionFailedError, ExecutionStatus, OperationStatus
from tests.acceptance.workflows import approval, failing, order

START = datetime(2026, 1, 1, tzinfo=UTC)


class OrderResultTests(DurableTestCase):
    handler = order

    def test_r3_2_get_result_gives_the_value_that_the_handler_returned(self) -> None:
        self.assertEqual(self.execute({"order": 42}).get_result(), {"order": 42, "receipt": "receipt"})

    def test_r3_5_get_operations_gives_all_of_them_in_execution_order(self) -> None:
        operations = self.execute({"order": 42}).get_operations()
        self.assertEqual([operation.name for operation in operations], ["charge", "cool-down", "ship"])

    def test_r3_6_get_operations_with_a_status_gives_only_those(self) -> None:
        execution = self.start({"order": 42})
        execution.operation("cool-down").wait_for_data().result(timeout=5)
        running = execution.snapshot()
        self.assertEqual([operation.name for operation in running.get_operations("SUCCEEDED")], ["charge"])
        self.assertEqual(
            [operation.name for operation in running.get_operations(OperationStatus.STARTED)], ["cool-down"]
        )
        self.assertEqual(running.get_operations("FAILED"), [])
        done = execution.result(timeout=5)
        self.assertEqual(len(done.get_operations(OperationStatus.SUCCEEDED)), 3)

    def test_r3_7_get_invocations_tells_of_each_call_of_the_handler(self) -> None:
        invocations = self.execute({"order": 42, "declines": 1}).get_invocations()
        self.assertEqual([invocation.index for invocation in invocations], [1, 2, 3])
        self.assertEqual(
            [invocation.started_at - START for invocation in invocations],
            [timedelta(0), timedelta(minutes=1), timedelta(hours=1, minutes=1)],
        )
        self.assertEqual(len({invocation.request_id for invocation in invocations}), 3)
        self.assertEqual(
            {(invocation.duration, invocation.error) for invocation in invocations}, {(timedelta(0), None)}
        )


class FailedResultTests(DurableTestCase):
    handler = failing

    def test_r3_3_get_result_of_a_failed_execution_raises_its_error(self) -> None:
        result = self.execute()
        with self.assertRaises(ExecutionFailedError) as caught:
            result.get_result()
        self.assertEqual((caught.exception.status, caught.exception.error_message), ("FAILED", "declined 1 times"))
        self.assertIn("declined 1 times", str(caught.exception))

    def test_r3_4_get_error_gives_the_details_of_the_error(self) -> None:
        error = self.execute().get_error()
        assert error is not None
        self.assertEqual(error.message, "declined 1 times")
        self.assertRegex(error.type or "", r"\bStepError$")


class StatusTests(DurableTestCase):
    handler = approval

    def test_r3_1_get_status_follows_the_execution(self) -> None:
        execution = self.start()
        result = execution.snapshot()
        self.assertIs(result.get_status(), ExecutionStatus.RUNNING)
        execution.operation("approval").wait_for_data().result(timeout=5)
        self.assertIs(result.get_status(), ExecutionStatus.RUNNING)
        execution.operation("approval").send_callback_success("yes")
        self.assertIs(execution.result(timeout=5).get_status(), ExecutionStatus.SUCCEEDED)
        self.assertIs(result.get_status(), ExecutionStatus.SUCCEEDED)
        with self.subTest("every way to end"):
            self.on_callback("approval").fail("Refused", "too expensive")
            self.assertIs(self.execute().get_status(), ExecutionStatus.FAILED)
            stopped = self.start()
            stopped.stop("Recalled", "not needed any more")
            self.assertIs(stopped.result(timeout=5).get_status(), ExecutionStatus.STOPPED)


class TimedOutStatusTests(DurableTestCase):
    handler = approval
    execution_timeout = timedelta(minutes=30)

    def test_r3_1_an_execution_that_takes_too_long_is_timed_out(self) -> None:
        self.assertEqual(self.execute().get_status(), "TIMED_OUT")
