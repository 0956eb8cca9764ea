"""Requirement 16: executions are driven from start to end."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

from durabletest import DurableTestCase, TestResult
from tests.acceptance.workflows import A_MINUTE_LATER, charging, order, unlimited

perf_counter = [time.perf_counter]


def starts(result: TestResult, origin: datetime) -> list[timedelta]:
    """When the handler was invoked, after the start."""
    return [invocation.started_at - origin for invocation in result.get_invocations()]


class OrderTests(DurableTestCase):
    handler = order

    def test_r16_1_the_scheduled_end_of_a_wait_is_tracked(self) -> None:
        execution = self.start({"order": 42})
        execution.operation("cool-down").wait_for_data().result(timeout=5)
        (entry,) = execution.pending()
        self.assertEqual((entry.operation, entry.reason), ("cool-down", "wait"))
        self.assertEqual(entry.due, self.start_time + timedelta(hours=1))
        self.assertEqual(execution.operation("cool-down").get_wait_details().scheduled_end, entry.due)

    def test_r16_2_a_wait_whose_end_is_reached_has_succeeded_and_the_handler_is_invoked_again(self) -> None:
        execution = self.start({"order": 42})
        execution.advance(timedelta(minutes=59, seconds=59))
        self.assertOperation("cool-down").started()
        self.assertEqual(len(execution.snapshot().get_invocations()), 1)
        execution.advance(timedelta(seconds=1))
        self.assertOperation("cool-down").succeeded().waited(hours=1)
        self.assertEqual(starts(execution.snapshot(), self.start_time), [timedelta(0), timedelta(hours=1)])

    def test_r16_3_time_is_skipped_at_once_and_exactly(self) -> None:
        began = perf_counter[0]()
        self.execute({"order": 42})
        self.assertLess(perf_counter[0]() - began, 5)
        self.assertEqual(self.now, self.start_time + timedelta(hours=1))

    def test_r16_5_an_answer_of_succeeded_or_failed_ends_the_execution(self) -> None:
        for payload, status, invocations in (
            ({"order": 1}, "SUCCEEDED", 2),
            ({"order": 1, "declines": 3}, "FAILED", 3),
        ):
            with self.subTest(status):
                execution = self.start(payload)
                result = execution.result(timeout=5)
                self.assertEqual(result.get_status(), status)
                self.assertEqual(execution.pending(), [])
                ended = self.now
                execution.advance(timedelta(days=10))
                self.assertEqual(len(result.get_invocations()), invocations)
                self.assertEqual(result.get_history_events()[-1]["EventTimestamp"], ended)


class PendingTests(DurableTestCase):
    handler = unlimited

    def test_r16_4_a_pending_execution_is_followed_and_invoked_again_when_its_operation_completes(self) -> None:
        execution = self.start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        execution.advance(timedelta(days=3))
        self.assertEqual(execution.status, "RUNNING")
        self.assertEqual(len(execution.snapshot().get_invocations()), 1)
        execution.operation("approval").send_callback_success("yes")
        result = execution.result(timeout=5)
        self.assertEqual(result.get_result(), "yes")
        self.assertEqual(starts(result, self.start_time), [timedelta(0), timedelta(days=3)])


@durable_execution
def side_by_side(event: Any, context: DurableContext) -> Any:
    """A wait, a callback and a step with retries, each in a branch of its own."""

    def wait(branch: DurableContext) -> None:
        branch.wait(Duration.from_minutes(3), name="wait")

    def ask(branch: DurableContext) -> None:
        config = CallbackConfig(timeout=Duration.from_minutes(5))
        branch.create_callback(name="callback", config=config).result()

    def charge(branch: DurableContext) -> None:
        branch.step(charging(2), name="step", config=A_MINUTE_LATER)

    context.parallel([wait, ask, charge], name="branches")
    return "done"


class SideBySideTests(DurableTestCase):
    handler = side_by_side

    def test_r16_6_pending_operations_are_worked_off_in_scheduled_order(self) -> None:
        self.on_callback("callback").succeed("yes", after=timedelta(minutes=4))
        result = self.execute()
        minutes = [
            (event["Name"], event["EventTimestamp"] - self.start_time)
            for event in result.get_history_events()
            if event["EventType"] in ("WaitSucceeded", "CallbackSucceeded", "StepSucceeded")
        ]
        self.assertEqual(
            minutes,
            [("step", timedelta(minutes=2)), ("wait", timedelta(minutes=3)), ("callback", timedelta(minutes=4))],
        )
        self.assertEqual(starts(result, self.start_time), [timedelta(minutes=minute) for minute in range(5)])
