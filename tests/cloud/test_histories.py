"""Histories that arrive in pieces, twice, or with unknown events and fields: no event is lost or invented."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from itertools import pairwise
from threading import Event
from typing import Any
from unittest import mock

from durabletest import (
    CloudHistoryError,
    DurableOperation,
    ExecutionStatus,
    OperationNotReachedError,
    OperationStatus,
    OrchestratorError,
    PayloadError,
    TestResult,
    WaitingStatus,
    WaitTimeoutError,
)
from tests.cloud.workflows import bulky, forgotten, order
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase

HISTORY = "GetDurableExecutionHistory"
EVENTS = 15
INTERVAL = 0.1
"""Real seconds between polls, where these are measured."""
JsonEvent = dict[str, Any]


def each_event(change: Callable[[JsonEvent], JsonEvent]) -> faults.Rewritten:
    """Every event of the page is changed."""
    return faults.Rewritten(lambda page: {**page, "Events": [change(event) for event in page["Events"]]})


def renamed(old: str, new: str) -> Callable[[JsonEvent], JsonEvent]:
    """Events of one type are of another one, and so is the name of their details."""

    def change(event: JsonEvent) -> JsonEvent:
        if event["EventType"] != old:
            return event
        details = event.pop(f"{old}Details")
        return {**event, "EventType": new, f"{new}Details": details}

    return change


class HistoryTestCase(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy("forgotten", forgotten)

    def run_order(self, **settings: Any) -> TestResult:
        return self.runner("orders:live", **settings).run({"order": 42})

    def assertWhole(self, result: TestResult) -> None:
        self.assertEqual(result.get_result(), {"parcel": "parcel 42"})
        self.assertEqual([event["EventId"] for event in result.history], list(range(1, EVENTS + 1)))

    def finish_before_the_first_look(self) -> None:
        """The first poll finds the execution ended."""
        self.endpoint.faults.add(HISTORY, faults.After(self.endpoint.wait_until_all_have_ended))


class PiecesTests(HistoryTestCase):
    def test_r8_2_r8_3_pages(self) -> None:
        for size in (1, 4, EVENTS):
            with self.subTest(size=size):
                self.endpoint.page_size = size
                self.assertWhole(self.run_order())

    def test_every_page_arrives_twice(self) -> None:
        self.endpoint.page_size = 4
        self.endpoint.faults.always(HISTORY, faults.Repeated())
        self.assertWhole(self.run_order())

    def test_r12_5_events_that_are_written_later_than_those_after_them(self) -> None:
        for missing in ({1}, {2, 3}, {6}, {14}):
            with self.subTest(missing=missing):
                self.endpoint.page_size = 4
                self.endpoint.faults.add(HISTORY, faults.Without(missing), times=8)
                self.assertWhole(self.run_order())

    def test_an_event_that_is_written_much_later_is_waited_for_in_seconds(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.Without({6}), times=40)
        self.assertWhole(self.run_order())

    def test_numbers_that_are_never_given_do_not_hold_up_the_end(self) -> None:
        self.enterContext(mock.patch("durabletest.cloud.history_pages.GAP_SECONDS", 0.1))
        self.endpoint.faults.always(HISTORY, faults.Without({3}))
        result = self.run_order()
        self.assertEqual(result.get_result(), {"parcel": "parcel 42"})
        self.assertNotIn(3, [event["EventId"] for event in result.history])

    def test_a_marker_that_has_become_invalid_makes_the_history_be_read_anew(self) -> None:
        self.endpoint.page_size = 4
        self.finish_before_the_first_look()
        invalid = faults.Refused(400, "InvalidParameterValueException", "Invalid marker")
        self.endpoint.faults.add(HISTORY, invalid)
        self.assertWhole(self.run_order())

    def test_a_marker_that_leads_to_its_own_page_is_followed_once(self) -> None:
        own = faults.Rewritten(lambda page: {**page, "NextMarker": "item-1"})
        self.endpoint.faults.always(HISTORY, own)
        self.assertWhole(self.run_order(timeout=10.0))

    def test_r8_5_the_history_is_read_as_often_as_the_runner_says(self) -> None:
        waits: list[float | None] = []

        class Recorded(Event):
            def wait(self, timeout: float | None = None) -> bool:
                waits.append(timeout)
                return super().wait(timeout)

        with mock.patch("durabletest.cloud.poller.Event", Recorded):
            execution = self.runner("forgotten:live", poll_interval=INTERVAL).start()
        self.endpoint.log.wait_for(HISTORY, 5)
        polls = [received.at for received in self.endpoint.log.of(HISTORY)]
        execution.stop()
        self.assertGreater(min(after - before for before, after in pairwise(polls)), INTERVAL * 0.9)
        between = [wait for wait in waits if wait is not None and wait > INTERVAL / 2]
        self.assertGreater(len(between), 3)
        self.assertLessEqual(max(between), INTERVAL)

    def test_a_state_that_is_reached_in_the_same_poll_as_the_end_comes_first(self) -> None:
        self.finish_before_the_first_look()
        execution = self.runner("orders:live").start({"order": 42})
        seen = Event()
        ended: list[bool] = []

        def look(_: Future[DurableOperation]) -> None:
            try:
                execution.result(timeout=0)
            except WaitTimeoutError:
                ended.append(False)
            else:
                ended.append(True)
            seen.set()

        packed = execution.operation("pack").wait_for_data(WaitingStatus.COMPLETED)
        packed.add_done_callback(look)
        self.assertWhole(execution.result(timeout=20))
        self.assertEqual(packed.result(timeout=0).get_step_details().result, "parcel 42")
        self.assertTrue(seen.wait(20))
        self.assertEqual(ended, [False])
        self.assertEqual(len(self.endpoint.log.of(HISTORY)), 1)

    def test_a_state_that_is_never_reached_fails_at_the_end(self) -> None:
        execution = self.runner("orders:live").start({"order": 42})
        refund = execution.operation("refund").wait_for_data()
        with self.assertRaisesRegex(OperationNotReachedError, "the execution is SUCCEEDED, and 'refund' was never"):
            refund.result(timeout=20)

    def test_few_requests_and_bytes_are_needed_for_large_histories(self) -> None:
        """5 MB of results, and a wait of five intervals: what takes 5 s at the usual interval."""
        self.endpoint.deploy("bulky", bulky)
        self.endpoint.faults.add(HISTORY, faults.After(self.wait_for_callback))
        execution = self.runner("bulky:live", poll_interval=2 * INTERVAL).start()
        approval = execution.operation("approval")
        approval.wait_for_data().result(timeout=20)
        Event().wait(10 * INTERVAL)
        approval.send_callback_success("yes")
        result = execution.result(timeout=20)
        self.assertEqual([event["EventId"] for event in result.history], list(range(1, len(result.history) + 1)))
        self.assertLessEqual(self.endpoint.log.counts().total(), 12)
        self.assertLess(sum(map(self.endpoint.log.sent, self.endpoint.log.counts())), 6_000_000)

    def wait_for_callback(self) -> None:
        """Return when the execution waits for one."""
        [execution] = self.endpoint.all()
        while not execution.pending():
            Event().wait(INTERVAL / 10)


class IncompleteTests(HistoryTestCase):
    """Other servers than AWS's leave fields out; AWS's own local test server does."""

    def test_events_without_details(self) -> None:
        def strip(event: JsonEvent) -> JsonEvent:
            if event["EventType"] != "ExecutionSucceeded":
                event.pop(f"{event['EventType']}Details", None)
            return event

        self.endpoint.faults.always(HISTORY, each_event(strip))
        result = self.run_order()
        self.assertWhole(result)
        first, *others = result.get_invocations()
        self.assertEqual((first.request_id, first.duration, len(others)), ("", timedelta(0), 2))

    def test_events_without_an_event_id_have_the_one_after_the_event_before_them(self) -> None:
        def strip(event: JsonEvent) -> JsonEvent:
            if event["EventId"] in {1, 4, 5, 6, 11, EVENTS}:
                del event["EventId"]
            return event

        self.endpoint.faults.always(HISTORY, each_event(strip))
        for size in (1, 4, EVENTS):
            with self.subTest(size=size):
                self.endpoint.page_size = size
                self.assertWhole(self.run_order())

    def test_events_that_name_no_operation_are_kept(self) -> None:
        def strip(event: JsonEvent) -> JsonEvent:
            if event.get("Name") == "cool-down":
                del event["Id"]
            return event

        self.endpoint.faults.always(HISTORY, each_event(strip))
        result = self.run_order()
        self.assertWhole(result)
        names = [operation.name for operation in result.get_operations()]
        self.assertEqual(names, ["reserve", "charge", "second thoughts", "pack"])


class TruncatedTests(HistoryTestCase):
    """The service has cut payloads because of their size."""

    def run_with(self, wrapper: JsonEvent) -> TestResult:
        def cut(event: JsonEvent) -> JsonEvent:
            if event.get("Name") == "pack" or event["EventType"] == "ExecutionSucceeded":
                event.get(f"{event['EventType']}Details", {})["Result"] = wrapper
            return event

        self.endpoint.faults.always(HISTORY, each_event(cut))
        return self.run_order()

    def test_a_result_is_told_to_be_truncated(self) -> None:
        for wrapper, rest in (({"Truncated": True}, ""), ({"Payload": '"par', "Truncated": True}, ": '\"par'...")):
            with self.subTest(wrapper):
                result = self.run_with(wrapper)
                with self.assertRaises(PayloadError) as caught:
                    result.get_result()
                self.assertEqual(
                    str(caught.exception), f"the service has truncated the result of the execution in its history{rest}"
                )
                with self.assertRaises(PayloadError) as caught:
                    result.get_operation("pack").get_step_details()
                self.assertEqual(
                    str(caught.exception), f"the service has truncated the payload of STEP 'pack' in its history{rest}"
                )
                self.assertIs(result.get_operation("pack").status, OperationStatus.SUCCEEDED)

    def test_an_error_is_told_to_be_truncated(self) -> None:
        def fail(event: JsonEvent) -> JsonEvent:
            if event["EventType"] != "ExecutionSucceeded":
                return event
            del event["ExecutionSucceededDetails"]
            return {**event, "EventType": "ExecutionFailed", "ExecutionFailedDetails": {"Error": {"Truncated": True}}}

        self.endpoint.faults.always(HISTORY, each_event(fail))
        self.assertEqual(str(self.run_order().get_error()), "(the service has truncated the error)")


class UnknownTests(HistoryTestCase):
    """The service is newer than this package and botocore."""

    def test_an_event_of_an_unknown_type_is_kept(self) -> None:
        self.endpoint.faults.always(HISTORY, each_event(renamed("InvocationCompleted", "InvocationTeleported")))
        result = self.run_order()
        self.assertWhole(result)
        self.assertEqual(result.get_invocations(), [])
        [first, *_] = [event for event in result.history if event["EventType"] == "InvocationTeleported"]
        self.assertIn("RequestId", first["InvocationTeleportedDetails"])

    def test_an_operation_of_an_unknown_type_is_kept_as_events(self) -> None:
        self.endpoint.faults.always(HISTORY, each_event(self._quantum))
        result = self.run_order()
        self.assertWhole(result)
        self.assertEqual([operation.name for operation in result.get_operations()][:2], ["reserve", "charge"])
        kinds = {event["EventType"] for event in result.history if event.get("Name") == "cool-down"}
        self.assertEqual(kinds, {"QuantumStarted", "QuantumSucceeded"})

    @staticmethod
    def _quantum(event: JsonEvent) -> JsonEvent:
        if event.get("Name") != "cool-down":
            return event
        kind = event["EventType"].replace("Wait", "Quantum")
        return {**event, "EventType": kind, f"{kind}Details": event.pop(f"{event['EventType']}Details")}

    def test_unknown_fields_are_kept_as_the_service_writes_them(self) -> None:
        def add(event: JsonEvent) -> JsonEvent:
            details = event.get("StepSucceededDetails")
            if details is not None:
                details["RetryDetails"]["Mood"] = {"Level": 3}
            return {**event, "Colour": "blue", "Nothing": None}

        self.endpoint.faults.always(HISTORY, each_event(add))
        result = self.run_order()
        self.assertWhole(result)
        self.assertEqual({event["Colour"] for event in result.history}, {"blue"})
        self.assertFalse(any("Nothing" in event for event in result.history))
        step = next(event for event in result.history if event["EventType"] == "StepSucceeded")
        self.assertEqual(step["StepSucceededDetails"]["RetryDetails"], {"CurrentAttempt": 1, "Mood": {"Level": 3}})

    def test_a_client_that_others_use_is_given_back_as_it_was(self) -> None:
        self.endpoint.faults.always(HISTORY, each_event(lambda event: {**event, "Colour": "blue"}))
        with self.runner("orders:live") as runner:
            arn = runner.run({"order": 42}).arn
        [first, *_] = self.client.get_durable_execution_history(DurableExecutionArn=arn)["Events"]
        self.assertNotIn("Colour", first)

    def test_an_end_of_an_unknown_kind_is_shown_and_not_waited_for(self) -> None:
        self.endpoint.faults.always(HISTORY, each_event(renamed("ExecutionSucceeded", "ExecutionVanished")))
        self.endpoint.faults.always("GetDurableExecution", faults.Rewritten(lambda e: {**e, "Status": "VANISHED"}))
        self.enterContext(mock.patch("durabletest.cloud.poller.FRESH_SECONDS", 0.1))
        with self.assertRaises(CloudHistoryError) as caught:
            self.runner("orders:live", execution_prefix="vanishing").run({"order": 42})
        self.assertRegex(
            str(caught.exception),
            r"^execution 'vanishing-\w+' is 'VANISHED', and its history ends with 'ExecutionVanished': this version of "
            r"durabletest does not know what that means\n"
            r"Execution: arn:\S+\nConsole:   https://\S+\nThe operations of the execution:\n  reserve          STEP\n",
        )

    def test_an_event_that_is_none_ends_the_run(self) -> None:
        self.endpoint.faults.always(HISTORY, faults.Rewritten(lambda page: {"Events": [{"EventId": "x"}]}))
        with self.assertRaises(OrchestratorError) as caught:
            self.runner("forgotten:live", execution_prefix="odd").run()
        self.assertRegex(str(caught.exception), r"^execution 'odd-\w+' cannot be followed: ValueError\(")
        self.assertEqual(self.endpoint.running(), [])

    def test_an_end_that_its_history_tells_late_is_waited_for(self) -> None:
        endless = faults.Without({EVENTS})
        ended = faults.After(self.endpoint.wait_until_all_have_ended)
        self.endpoint.faults.add(HISTORY, lambda answer, closing: ended(lambda: endless(answer, closing), closing))
        self.endpoint.faults.add(HISTORY, endless, times=4)
        with mock.patch("durabletest.cloud.poller.IDLE_POLLS", 2):
            self.assertWhole(self.run_order())
        self.assertEqual(self.endpoint.log.counts()["GetDurableExecution"], 2)

    def test_one_that_its_history_tells_much_later_is_waited_for_in_seconds(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.Without({EVENTS}), times=80)
        self.assertWhole(self.run_order())

    def test_an_execution_that_is_paused_runs_on(self) -> None:
        self.endpoint.faults.always(HISTORY, each_event(renamed("InvocationCompleted", "ExecutionPaused")))
        execution = self.runner("forgotten:live").start()
        polls = 0
        while execution.status is not ExecutionStatus.PAUSED:
            self.endpoint.log.wait_for(HISTORY, polls := polls + 1)
            self.assertLess(polls, 1000)
        execution.stop()
        self.assertIs(execution.result(timeout=20).get_status(), ExecutionStatus.STOPPED)
