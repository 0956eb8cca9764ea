"""Handles on executions in the cloud."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest import mock

from durabletest import CallbackDetails, CloudServiceError, NotAvailableError, WaitingStatus
from tests.cloud.workflows import approval, lively, order, parent
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase
from tests.local.server.test_pauses import needs_pauses

HISTORY = "GetDurableExecutionHistory"


class ExecutionTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy("approval", approval)
        cls.endpoint.deploy("lively", lively)
        cls.endpoint.deploy("parent", parent, durable_functions={"child": approval})

    def test_what_it_waits_for_and_until_when(self) -> None:
        execution = self.runner("lively:live").start()
        upload = execution.operation("upload")
        upload.wait_for_data().result(timeout=20)
        [pending] = execution.pending()
        self.assertEqual((pending.operation, pending.reason), ("upload", "callback timeout"))
        self.assertEqual(pending.due, upload.started_at + timedelta(days=1))

    def test_a_wait_is_due_at_its_end(self) -> None:
        self.endpoint.faults.always(HISTORY, faults.Without(range(5, 100)))
        execution = self.runner("orders:live").start({"order": 1})
        cool_down = execution.operation("cool-down")
        cool_down.wait_for_data().result(timeout=20)
        [pending] = execution.pending()
        self.assertEqual((pending.operation, pending.reason), ("cool-down", "wait"))
        self.assertEqual(pending.due, cool_down.started_at + timedelta(hours=1))

    def test_nothing_is_due_at_an_instant_that_the_service_has_not_told(self) -> None:
        def change(page: dict[str, Any]) -> dict[str, Any]:
            waits = [event for event in page["Events"] if event["EventType"] == "WaitStarted"]
            for event in waits:
                event["WaitStartedDetails"].pop("ScheduledEndTimestamp", None)
            return {**page, "Events": [event for event in page["Events"] if event["EventId"] < 5]}

        self.endpoint.faults.always(HISTORY, faults.Rewritten(change))
        execution = self.runner("orders:live").start({"order": 1})
        execution.operation("cool-down").wait_for_data().result(timeout=20)
        self.assertEqual(execution.pending(), [])

    def test_heartbeats_cannot_be_counted(self) -> None:
        execution = self.runner("lively:live").start()
        upload = execution.operation("upload").wait_for_data().result(timeout=20)
        with self.assertRaises(NotAvailableError) as caught:
            execution.snapshot().view.heartbeats(upload.record)
        self.assertEqual(
            str(caught.exception),
            "the heartbeats of callback 'upload' leave no trace in the cloud: mark the test @local_only",
        )

    @needs_pauses
    def test_a_pause_and_its_end(self) -> None:
        execution = self.runner("approval:live").start()
        callback = execution.operation("approval")
        callback.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=20)
        execution.pause("incident 7", timeout_paused=False)
        callback.send_callback_success("yes")
        description = self.client.get_durable_execution(DurableExecutionArn=execution.arn)
        self.assertEqual((description["Status"], description["PauseDetails"]["Reason"]), ("PAUSED", "incident 7"))
        with self.assertRaises(self.client.exceptions.ResourceConflictException):
            execution.pause()
        execution.resume("it is over")
        result = execution.result(timeout=20)
        self.assertEqual(result.get_result(), "yes")
        events = [event["EventType"] for event in result.history]
        self.assertLess(events.index("ExecutionPaused"), events.index("CallbackSucceeded"))
        self.assertLess(events.index("CallbackSucceeded"), events.index("ExecutionResumed"))

    def test_a_client_that_knows_no_pauses(self) -> None:
        execution = self.runner("approval:live").start()
        with (
            mock.patch.object(type(execution.snapshot().view), "client", object()),
            self.assertRaisesRegex(
                NotAvailableError, "^pause_durable_execution is newer than the installed boto3: pip"
            ),
        ):
            execution.pause()
        execution.stop()

    def test_a_callback_that_was_answered_by_hand(self) -> None:
        execution = self.runner("approval:live").start()
        callback = execution.operation("approval")
        callback.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=20)
        callback.send_callback_success({"by": "ann"})
        execution.result(timeout=20)
        details: CallbackDetails = callback.get_callback_details()
        self.assertEqual((details.result, details.timeout), ('{"by": "ann"}', timedelta(days=1)))

    def test_an_invoked_execution_is_looked_at_by_its_arn(self) -> None:
        runner = self.runner("parent:live")
        runner.on_callback("approval").succeed("yes")
        result = runner.run()
        child_arn = result.get_operation("ask the child").get_invoke_details().child_arn
        child = runner.execution(child_arn or "")
        self.assertEqual(child.result(timeout=20).get_result(), "yes")
        self.assertEqual(child.operation("approval").status, "SUCCEEDED")
        self.assertIs(runner.execution(child_arn or "").snapshot().view, child.snapshot().view)
        self.assertIs(result.view.sibling(child_arn or ""), child.snapshot().view)

    def test_one_whose_invoke_has_ended_is_read_to_its_end(self) -> None:
        """Histories are read one by one: that of the parent may tell the end when the child's does not yet."""
        runner = self.runner("parent:live")
        runner.on_callback("approval").succeed("yes")
        result = runner.run()
        child_arn = result.get_operation("ask the child").get_invoke_details().child_arn or ""
        other = self.runner("parent:live")
        again = other.execution(result.arn).result(timeout=20)
        self.endpoint.faults.add(HISTORY, faults.Without(range(6, 100)), times=3)
        child = again.view.sibling(child_arn).history()
        self.assertEqual(child.execution.status, "SUCCEEDED")

    def test_one_whose_invoke_goes_on_is_there_at_once(self) -> None:
        execution = self.runner("parent:live").start()
        execution.operation("ask the child").wait_for_data().result(timeout=20)
        child_arn = execution.operation("ask the child").get_invoke_details().child_arn or ""
        child = execution.snapshot().view.sibling(child_arn).history()
        self.assertEqual(child.execution.status, "RUNNING")

    def test_an_execution_that_does_not_exist(self) -> None:
        runner = self.runner("orders:live")
        arn = runner.run({"order": 1}).arn
        with (
            mock.patch("durabletest.cloud.poller.FRESH_SECONDS", 0.05),
            self.assertRaises(CloudServiceError) as caught,
        ):
            runner.execution(f"{arn}0")
        self.assertIn("Durable execution not found", str(caught.exception))
