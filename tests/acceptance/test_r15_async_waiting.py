"""Requirement 15: waiting for an operation while the execution goes on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from durabletest import DurableTestCase, OperationNotReachedError, WaitingStatus
from tests.acceptance.workflows import order, signature, unlimited


class OrderWaitingTests(DurableTestCase):
    handler = order

    def test_r15_1_wait_for_data_resolves_when_the_operation_has_started(self) -> None:
        execution = self.start({"order": 42})
        ship, pause = execution.operation("ship"), execution.operation("cool-down")
        started = pause.wait_for_data().result(timeout=5)
        self.assertEqual((started.name, started.status), ("cool-down", "STARTED"))
        future = ship.wait_for_data()
        self.assertEqual(future.result(timeout=5).started_at - self.start_time, timedelta(hours=1))

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

    def test_r15_4_an_execution_that_ends_before_is_an_error(self) -> None:
        execution = self.start({"order": 42, "declines": 3})
        futures = {
            "never started": execution.operation("ship").wait_for_data(),
            "never completed": execution.operation("cool-down").wait_for_data(WaitingStatus.COMPLETED),
        }
        for case, future in futures.items():
            with self.subTest(case), self.assertRaisesRegex(OperationNotReachedError, "execution is FAILED"):
                future.result(timeout=5)
        with self.subTest("asked after the end"), self.assertRaises(OperationNotReachedError):
            execution.operation("ship").wait_for_data().result(timeout=5)


class SubmittedTests(DurableTestCase):
    handler = signature

    def test_r15_3_wait_for_submitted_resolves_when_the_callback_can_be_answered(self) -> None:
        execution = self.start({})
        sign = execution.operation("sign")
        submitted = sign.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        self.assertEqual(submitted.status, "STARTED")
        self.assertIsNotNone(submitted.get_callback_details().callback_id)
        self.assertEqual(execution.operation("sign submitter").status, "SUCCEEDED")
        submitted.send_callback_success("ann")
        self.assertEqual(execution.result(timeout=5).get_result(), "ann")

    def test_r15_4_a_callback_that_cannot_be_submitted_is_an_error(self) -> None:
        execution = self.start({"broken": True})
        with self.assertRaisesRegex(OperationNotReachedError, "'sign' was never SUBMITTED.*no route"):
            execution.operation("sign").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)


class PlainCallbackTests(DurableTestCase):
    handler = unlimited

    def test_r15_3_a_plain_callback_is_submitted_once_it_exists(self) -> None:
        execution = self.start()
        callback = execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        callback.send_callback_success("yes")
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")
