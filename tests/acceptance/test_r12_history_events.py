"""Requirement 12: history events."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

from durabletest import DurableTestCase
from tests.acceptance.workflows import approval, double, everything, order


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["EventType"] for event in events]


class StatusChangeTests(DurableTestCase):
    handler = everything
    functions = {"double": double}

    def test_r12_1_every_change_of_status_has_its_event(self) -> None:
        self.on_callback("callback").succeed("yes")
        result = self.execute()
        expected = {
            "step": ["StepStarted", "StepSucceeded"],
            "wait": ["WaitStarted", "WaitSucceeded"],
            "callback": ["CallbackStarted", "CallbackSucceeded"],
            "invoke": ["ChainedInvokeStarted", "ChainedInvokeSucceeded"],
            "context": ["ContextStarted", "ContextSucceeded"],
        }
        for name, events in expected.items():
            with self.subTest(name):
                operation = result.get_operation(name)
                self.assertEqual(types(operation.events), events)
                self.assertEqual({(event["Id"], event["Name"]) for event in operation.events}, {(operation.id, name)})


class OrderHistoryTests(DurableTestCase):
    handler = order

    def test_r12_1_each_attempt_of_a_step_has_its_events(self) -> None:
        events = self.execute({"order": 1, "declines": 1}).get_operation("charge").events
        self.assertEqual(types(events), ["StepStarted", "StepFailed", "StepStarted", "StepSucceeded"])
        self.assertEqual(events[1]["StepFailedDetails"]["RetryDetails"]["NextAttemptDelaySeconds"], 60)

    def test_r12_2_every_invocation_has_an_event_with_its_times(self) -> None:
        events = self.execute({"order": 1, "declines": 1}).get_history_events()
        details = [event["InvocationCompletedDetails"] for event in events if "InvocationCompletedDetails" in event]
        minutes = [(details["StartTimestamp"] - self.start_time) / timedelta(minutes=1) for details in details]
        self.assertEqual(minutes, [0, 1, 61])
        self.assertTrue(all(details["EndTimestamp"] >= details["StartTimestamp"] for details in details))

    def test_r12_4_the_end_of_the_execution_is_the_last_event(self) -> None:
        events = self.execute({"order": 1}).get_history_events()
        self.assertEqual(types(events)[-2:], ["InvocationCompleted", "ExecutionSucceeded"])
        self.assertEqual(
            events[-1]["ExecutionSucceededDetails"]["Result"]["Payload"], '{"order": 1, "receipt": "receipt"}'
        )
        failed = self.execute({"order": 1, "declines": 3}).get_history_events()
        self.assertEqual(types(failed)[-2:], ["InvocationCompleted", "ExecutionFailed"])
        self.assertEqual(failed[-1]["ExecutionFailedDetails"]["Error"]["Payload"]["ErrorMessage"], "declined 3 times")
        stopped = self.start({"order": 1})
        stopped.operation("cool-down").wait_for_data().result(timeout=5)
        stopped.stop("Recalled", "not needed")
        self.assertEqual(types(stopped.result(timeout=5).get_history_events())[-1], "ExecutionStopped")

    def test_r12_5_history_events_come_in_chronological_order_and_all_of_them(self) -> None:
        result = self.execute({"order": 1, "declines": 2})
        events = result.get_history_events()
        self.assertEqual([event["EventId"] for event in events], list(range(1, len(events) + 1)))
        for earlier, later in pairwise(events):
            self.assertLessEqual(earlier["EventTimestamp"], later["EventTimestamp"])
        paged: list[dict[str, Any]] = []
        request: dict[str, Any] = {"DurableExecutionArn": result.arn, "IncludeExecutionData": True, "MaxItems": 4}
        while True:
            page = self.runner.client.get_durable_execution_history(**request)
            paged += page["Events"]
            if not page.get("NextMarker"):
                break
            request["Marker"] = page["NextMarker"]
        self.assertEqual(paged, events)


class CallbackHistoryTests(DurableTestCase):
    handler = approval

    def test_r12_3_a_callback_has_events_of_its_start_and_of_every_kind_of_end(self) -> None:
        def script_success() -> None:
            self.on_callback("approval").succeed("yes")

        def script_failure() -> None:
            self.on_callback("approval").fail("Refused", "no")

        def script_silence() -> None:
            self.on_callback("approval").never()

        for end, script in (
            ("CallbackSucceeded", script_success),
            ("CallbackFailed", script_failure),
            ("CallbackTimedOut", script_silence),
        ):
            with self.subTest(end):
                script()
                events = self.execute().get_operation("approval").events
                self.assertEqual(types(events), ["CallbackStarted", end])
                started = events[0]["CallbackStartedDetails"]
                self.assertEqual((started["Timeout"], started["HeartbeatTimeout"]), (86400, 3600))
