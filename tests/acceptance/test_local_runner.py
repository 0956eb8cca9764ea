"""Criteria of the local runner that no other test proves."""

from __future__ import annotations

import asyncio
import time
import unittest
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import DurableTestCase, LocalDurableTestRunner, OperationNotFoundError, TestResult, WaitingStatus
from tests.acceptance.workflows import approval, double, everything, order

SPRING = datetime(2026, 3, 1, tzinfo=UTC)


class RunTests(unittest.TestCase):
    def test_r1_2_r1_3_run_hands_the_payload_to_the_handler_and_returns_what_it_returns(self) -> None:
        seen: list[Any] = []

        @durable_execution
        def note(event: Any, context: DurableContext) -> str:
            seen.append(event)
            return "noted"

        payload = {"order": 42, "items": [{"sku": "a", "price": 1.5}, None], "ünïcode": True}
        with LocalDurableTestRunner(note) as runner:
            result = runner.run(payload)
        self.assertIsInstance(result, TestResult)
        self.assertEqual((result.get_status(), result.get_result(), result.get_error()), ("SUCCEEDED", "noted", None))
        self.assertEqual(seen, [payload])

    def test_r1_5_r18_2_operations_of_every_type_are_worked_off_and_captured(self) -> None:
        with LocalDurableTestRunner(everything, functions={"double": double}) as runner:
            runner.on_callback("callback").succeed("yes")
            result = runner.run()
        self.assertEqual(
            [(operation.name, operation.type, operation.status) for operation in result.get_operations()],
            [
                ("step", "STEP", "SUCCEEDED"),
                ("wait", "WAIT", "SUCCEEDED"),
                ("callback", "CALLBACK", "SUCCEEDED"),
                ("invoke", "CHAINED_INVOKE", "SUCCEEDED"),
                ("context", "CONTEXT", "SUCCEEDED"),
                ("inner", "STEP", "SUCCEEDED"),
            ],
        )
        self.assertEqual(result.get_result(), [1, "yes", 42, 3])

    def test_r10_5_r12_2_a_completed_invocation_is_recorded_with_its_times(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            result = runner.run({"order": 42})
        completed = [event for event in result.history if event["EventType"] == "InvocationCompleted"]
        start = result.history[0]["EventTimestamp"]
        self.assertEqual([event["EventTimestamp"] - start for event in completed], [timedelta(0), timedelta(hours=1)])
        for event, invocation in zip(completed, result.get_invocations(), strict=True):
            details = event["InvocationCompletedDetails"]
            self.assertEqual(details["StartTimestamp"], invocation.started_at)
            self.assertEqual(details["EndTimestamp"], event["EventTimestamp"])
            self.assertEqual(details["RequestId"], invocation.request_id)


@durable_execution
def timetable(event: Any, context: DurableContext) -> list[str]:
    """The readings of three clocks, before and after a wait."""

    def clocks(_: Any) -> str:
        today = date.today()  # noqa: DTZ011 - it is one of the clocks
        return f"{datetime.now(UTC):%d %H:%M} {today:%d} {datetime.fromtimestamp(time.time(), UTC):%d %H:%M}"

    before = context.step(clocks, name="before")
    context.wait(Duration.from_hours(36))
    return [before, context.step(clocks, name="after")]


class TimeControlTests(unittest.TestCase):
    def test_r2_1_with_time_skipping_the_clocks_of_the_handler_are_moved(self) -> None:
        LocalDurableTestRunner.setup_test_environment(skip_time=True, start_time=SPRING)
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        for _ in range(2):
            with LocalDurableTestRunner(timetable) as runner:
                self.assertEqual(runner.run().get_result(), ["01 00:00 01 01 00:00", "02 12:00 02 02 12:00"])
                self.assertEqual(runner.now, SPRING + timedelta(hours=36))

    def test_r2_4_teardown_gives_the_real_clock_back(self) -> None:
        before = datetime.now(UTC)
        LocalDurableTestRunner.setup_test_environment(start_time=SPRING)
        try:
            self.assertEqual(datetime.now(UTC), SPRING)
        finally:
            LocalDurableTestRunner.teardown_test_environment()
        self.assertLess(datetime.now(UTC) - before, timedelta(minutes=1))
        self.assertGreater(time.time(), SPRING.timestamp() + 1)
        self.assertEqual(type(datetime.now(UTC)).__name__, "datetime")


@durable_execution
def mailing(event: list[str], context: DurableContext) -> int:
    """One context for each customer, in which a step of the same name is taken."""

    def letter_to(customer: str) -> Any:
        return lambda child: child.step(lambda _: f"dear {customer}", name="write")

    context.step(lambda _: len(event), name="count")
    for customer in event:
        context.run_in_child_context(letter_to(customer), name=customer)
    context.step(lambda _: "unnamed")
    return len(event)


def written(operation: Any) -> Any:
    return operation.get_step_details().result


class LookUpTests(unittest.TestCase):
    """The look-ups of a runner are about its last execution."""

    def setUp(self) -> None:
        self.runner = self.enterContext(LocalDurableTestRunner(mailing))
        self.runner.run(["eve", "joe"])
        self.result = self.runner.run(["ann", "bob"])

    def test_r4_1_get_operation_finds_the_first_of_that_name_at_any_depth_or_path(self) -> None:
        self.assertEqual(written(self.runner.get_operation("write")), "dear ann")
        self.assertEqual(written(self.runner.get_operation("bob/write")), "dear bob")
        self.assertEqual(self.runner.get_operation("write"), self.result.get_operation("write"))

    def test_r4_2_get_operation_by_index_counts_in_execution_order(self) -> None:
        found = [self.runner.get_operation_by_index(index).name for index in range(6)]
        self.assertEqual(found, ["count", "ann", "write", "bob", "write", None])

    def test_r4_3_get_operation_by_name_and_index_finds_the_nth_of_that_name(self) -> None:
        found = [written(self.runner.get_operation_by_name_and_index("write", index)) for index in (0, 1)]
        self.assertEqual(found, ["dear ann", "dear bob"])
        with self.assertRaises(OperationNotFoundError):
            self.runner.get_operation_by_name_and_index("write", 2)

    def test_r4_4_get_operation_by_id_finds_that_very_operation(self) -> None:
        for operation in self.result.get_operations():
            with self.subTest(operation.name):
                found = self.runner.get_operation_by_id(operation.id)
                self.assertEqual((found.id, found.name, found.type), (operation.id, operation.name, operation.type))


class CallbackTests(DurableTestCase):
    """A callback with a timeout of a day and a heartbeat timeout of an hour, answered by hand."""

    handler = approval

    def setUp(self) -> None:
        self.execution = self.start()
        self.callback = self.execution.operation("approval")
        self.callback.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)

    def test_r6_2_r18_5_send_callback_failure_fails_the_callback_and_has_the_handler_invoked(self) -> None:
        self.execution.advance(timedelta(minutes=5))
        self.callback.send_callback_failure("Refused", "too expensive", data="12 euros")
        result = self.execution.result(timeout=5)
        self.assertOperation("approval").failed("Refused", "too expensive").waited(minutes=5)
        self.assertExecution().failed(message="too expensive")
        self.assertEqual(len(result.get_invocations()), 2)
        error = self.callback.events[-1]["CallbackFailedDetails"]["Error"]["Payload"]
        self.assertEqual(error["ErrorData"], "12 euros")

    def test_r6_3_send_callback_heartbeat_keeps_the_callback_alive(self) -> None:
        for _ in range(3):
            self.execution.advance(timedelta(minutes=50))
            self.callback.send_callback_heartbeat()
        self.execution.advance(timedelta(minutes=59))
        self.assertEqual(self.callback.status, "STARTED")
        self.execution.result(timeout=5)
        self.assertOperation("approval").timed_out().waited(minutes=3 * 50 + 60)

    def test_r6_3_heartbeats_do_not_put_the_callbacks_own_timeout_off(self) -> None:
        for _ in range(28):
            self.execution.advance(timedelta(minutes=50))
            self.callback.send_callback_heartbeat()
        self.execution.advance(timedelta(minutes=50))
        self.execution.result(timeout=5)
        self.assertOperation("approval").timed_out().waited(days=1)


class WaitingTests(DurableTestCase):
    handler = order

    def test_r15_2_wait_for_completed_resolves_when_the_operation_has_ended(self) -> None:
        execution = self.start({"order": 42, "declines": 2})
        charge = execution.operation("charge").wait_for_data(WaitingStatus.COMPLETED).result(timeout=5)
        self.assertEqual((charge.status, charge.attempts), ("SUCCEEDED", 3))
        self.assertEqual(charge.ended_at, self.start_time + timedelta(minutes=2))

    def test_r15_2_the_future_can_be_awaited(self) -> None:
        execution = self.start({"order": 42})

        async def wait() -> str:
            future = execution.operation("cool-down").wait_for_data(WaitingStatus.COMPLETED)
            operation = await asyncio.wait_for(asyncio.wrap_future(future), timeout=5)
            return operation.status

        self.assertEqual(asyncio.run(wait()), "SUCCEEDED")
