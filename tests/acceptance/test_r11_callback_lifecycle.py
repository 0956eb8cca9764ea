"""Requirement 11: the life of a callback, with timeouts and heartbeats."""

from __future__ import annotations

from datetime import timedelta

from durabletest import CallbackCompletedError, DurableTestCase, Execution
from tests.acceptance.workflows import approval


class CallbackLifecycleTests(DurableTestCase):
    """The callback has a timeout of a day, and a heartbeat timeout of an hour."""

    handler = approval

    def created(self) -> Execution:
        execution = self.start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        return execution

    def due(self, execution: Execution) -> dict[str, timedelta]:
        return {entry.reason: entry.due - self.start_time for entry in execution.pending() if entry.due is not None}

    def test_r11_1_a_created_callback_is_tracked_with_its_timeouts(self) -> None:
        execution = self.created()
        self.assertEqual(
            self.due(execution), {"heartbeat timeout": timedelta(hours=1), "callback timeout": timedelta(days=1)}
        )
        details = execution.operation("approval").get_callback_details()
        self.assertEqual((details.timeout, details.heartbeat_timeout), (timedelta(days=1), timedelta(hours=1)))

    def test_r11_2_a_heartbeat_restarts_the_heartbeat_timeout_and_no_other(self) -> None:
        execution = self.created()
        execution.advance(timedelta(minutes=40))
        execution.operation("approval").send_callback_heartbeat()
        self.assertEqual(
            self.due(execution), {"heartbeat timeout": timedelta(minutes=100), "callback timeout": timedelta(days=1)}
        )
        self.on_callback("approval").heartbeat(every=timedelta(minutes=59), times=30)
        self.execute()
        self.assertOperation("approval").timed_out().waited(days=1)

    def test_r11_3_a_timeout_marks_the_callback_as_timed_out(self) -> None:
        execution = self.created()
        execution.advance_to_next()
        self.assertOperation("approval").timed_out().waited(hours=1)
        error = execution.operation("approval").error
        assert error is not None
        self.assertEqual(error.type, "Callback.Heartbeat")
        self.assertExecution().failed()
        with self.subTest("by its own timeout"):
            self.on_callback("approval").heartbeat(every=timedelta(minutes=30), times=50)
            error = self.execute().get_operation("approval").error
            assert error is not None
            self.assertEqual(error.type, "Callback.Timeout")

    def test_r11_4_an_answer_completes_the_callback(self) -> None:
        self.on_callback("approval").succeed("yes", after=timedelta(minutes=20))
        self.execute()
        self.assertOperation("approval").succeeded("yes").waited(minutes=20)
        self.on_callback("approval").fail("Refused", "too expensive", after=timedelta(minutes=30))
        self.execute()
        self.assertOperation("approval").failed("Refused", "too expensive").waited(minutes=30)

    def test_r11_5_a_second_answer_is_an_error_and_the_first_one_stands(self) -> None:
        execution = self.created()
        answered = execution.operation("approval")
        answered.send_callback_success("yes")
        for late in (
            lambda: answered.send_callback_success("no"),
            lambda: answered.send_callback_failure("Refused", "no"),
            answered.send_callback_heartbeat,
        ):
            with self.assertRaisesRegex(CallbackCompletedError, "SUCCEEDED since .*the first answer stands"):
                late()
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")
        with self.subTest("after a timeout"):
            late_execution = self.created()
            late_execution.advance(timedelta(days=2))
            with self.assertRaisesRegex(CallbackCompletedError, "TIMED_OUT since"):
                late_execution.operation("approval").send_callback_success("yes")
