"""The way to the service is bad: nothing hangs, nothing is lost, nothing is left running."""

from __future__ import annotations

import pkgutil
import threading
from time import monotonic
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from durabletest import (
    CloudCredentialsError,
    CloudPermissionError,
    CloudServiceError,
    CloudTimeoutError,
    ExecutionStatus,
    TestResult,
)
from durabletest.cloud.aws import lambda_client
from durabletest.cloud.poller import IDLE_POLLS
from tests.cloud.workflows import forgotten, order
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase, dropped_sockets_ignored

HISTORY = "GetDurableExecutionHistory"
STOP = "StopDurableExecution"
SUCCESS = "SendDurableExecutionCallbackSuccess"
ATTEMPTS = 8
EVENTS = 15


class TransportFaultTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy("forgotten", forgotten)

    def own_client(self) -> Any:
        """A client for this test alone, since botocore retries less after many failures."""
        client = lambda_client()
        self.addCleanup(client.close)
        return client

    def run_order(self) -> TestResult:
        return self.runner("orders:live").run({"order": 42})

    def assertWhole(self, result: TestResult) -> None:
        """It has succeeded, and its history is the one that a run without faults has."""
        self.assertEqual(result.get_result(), {"parcel": "parcel 42"})
        self.assertEqual([event["EventId"] for event in result.history], list(range(1, EVENTS + 1)))

    def executions(self, function: str, **members: Any) -> list[str]:
        """The statuses of a function's executions, the oldest first."""
        listed = self.client.list_durable_executions_by_function(FunctionName=function, ReverseOrder=True, **members)
        return [execution["Status"] for execution in listed["DurableExecutions"]]

    def test_a_run_without_faults(self) -> None:
        self.assertWhole(self.run_order())
        self.assertEqual(self.backoffs.pauses, [])

    def test_what_fails_for_a_moment_is_tried_again(self) -> None:
        self.enterContext(dropped_sockets_ignored())
        for operation in ("Invoke", HISTORY):
            for fault in (faults.throttled, faults.broken, faults.dropped, faults.lost):
                with self.subTest(operation=operation, fault=fault):
                    self.endpoint.log.clear()
                    self.backoffs.pauses.clear()
                    self.endpoint.faults.add(operation, fault, times=2)
                    result = self.run_order()
                    self.assertWhole(result)
                    self.assertEqual(len(self.backoffs.pauses), 2)
                    self.assertEqual(len(self.endpoint.log.of("Invoke")), 3 if operation == "Invoke" else 1)
                    name = self.endpoint.log.members("Invoke")[0]["DurableExecutionName"]
                    self.assertEqual(self.executions("orders", DurableExecutionName=name), ["SUCCEEDED"])

    def test_an_outage_longer_than_botocores_retries_is_survived(self) -> None:
        self.enterContext(dropped_sockets_ignored())
        runner = self.runner("forgotten:live", client=self.own_client())
        runner.on_callback("approval").succeed("yes")
        for fault in (faults.throttled, faults.broken, faults.dropped):
            for operation in (HISTORY, SUCCESS):
                self.endpoint.faults.add(operation, fault, times=ATTEMPTS + 1)
        self.assertEqual(runner.run().get_result(), "yes")
        self.assertEqual(self.endpoint.log.counts()[SUCCESS], 3 * (ATTEMPTS + 1) + 1)

    def test_an_outage_of_a_minute_is_survived(self) -> None:
        """A second passes with each request, and the pauses that botocore makes pass too."""
        self.enterContext(dropped_sockets_ignored())
        runner = self.runner("forgotten:live", client=self.own_client())
        runner.on_callback("approval").succeed("yes")
        execution = runner.start()
        before = self.endpoint.log.counts().total()

        def elapsed() -> float:
            return sum(self.backoffs.pauses) + self.endpoint.log.counts().total() - before

        outage = faults.Outage(60.0, elapsed, faults.dropped, faults.broken, faults.throttled)
        for operation in (HISTORY, SUCCESS):
            self.endpoint.faults.always(operation, outage)
        self.assertEqual(execution.result().get_result(), "yes")
        self.assertEqual(outage.met, {faults.dropped, faults.broken, faults.throttled})
        self.assertGreaterEqual(elapsed(), 60)

    def test_with_a_timeout_of_five_seconds_nothing_lasts_longer_than_ten(self) -> None:
        """A fifth of each: all limits are fifths of what they are, and the service hangs."""
        for module, limits in {"starting": ("MIN", "LOOKUP", "STOP", "EXISTS"), "runner": ("MIN_STOP",)}.items():
            for limit in limits:
                name = f"durabletest.cloud.{module}.{limit}_SECONDS"
                self.enterContext(mock.patch(name, pkgutil.resolve_name(name) / 5))
        self.enterContext(mock.patch("durabletest.cloud.execution._JOIN_SECONDS", 0.4))
        for number, hanging in enumerate(
            (
                ("Invoke",),
                ("Invoke", "ListDurableExecutionsByFunction"),
                ("ListDurableExecutionsByFunction",),
                (HISTORY,),
                (STOP,),
                (HISTORY, STOP, "GetDurableExecution"),
            )
        ):
            with self.subTest(hanging):
                held = faults.Held()
                for operation in hanging:
                    self.endpoint.faults.always(operation, held)
                runner = self.new_runner("forgotten:live", timeout=1)
                began = monotonic()
                try:
                    with self.assertRaises((CloudTimeoutError, CloudServiceError)), runner:
                        runner.run(name=f"hanging-{number}")
                    self.assertLess(monotonic() - began, 2.0)
                finally:
                    held.release()
                    self.endpoint.wait_until_all_have_ended()
                    self.endpoint.reset()

    def test_a_stop_that_hangs_is_told_with_its_execution(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.always(STOP, held)
        self.enterContext(mock.patch("durabletest.cloud.runner.MIN_STOP_SECONDS", 0.1))
        client = boto3.client("lambda", config=Config(read_timeout=5, retries={"total_max_attempts": 1}))
        self.addCleanup(client.close)
        runner = self.new_runner("forgotten:live", client=client, timeout=0.1)
        execution = runner.start()
        with self.assertRaises(CloudServiceError) as caught:
            runner.close()
        self.assertEqual(
            str(caught.exception),
            "these executions may still run, because they could not be stopped:\n"
            f"  {execution.arn}: its stop takes too long",
        )
        held.release()
        for thread in threading.enumerate():
            if thread.name == "durabletest-cloud-request":  # after the stop it reads the history
                thread.join(20)

    def test_a_stop_that_hangs_does_no_harm_to_what_is_started_after_a_reset(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add(STOP, held)
        runner = self.new_runner("forgotten:live")
        first = runner.start()
        runner._stop_seconds = 0.1
        with self.assertRaises(CloudServiceError):
            runner.reset()
        second = runner.start()
        held.release()
        for thread in threading.enumerate():
            if thread.name == "durabletest-cloud-request":  # that of the first stop
                thread.join(20)
        self.assertEqual(self.endpoint.running(), [second.arn])
        runner.close()
        self.assertEqual(self.endpoint.running(), [])
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [first.arn, second.arn])

    def test_an_invoke_that_hangs_lasts_no_longer_than_the_cloud_timeout(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add("Invoke", held)
        self.enterContext(mock.patch("durabletest.cloud.starting.MIN_SECONDS", 0.1))
        self.enterContext(mock.patch("durabletest.cloud.starting.STOP_SECONDS", 0.1))
        with self.assertRaises(CloudTimeoutError) as caught:
            self.runner("forgotten:live", timeout=0.2).start(name="hung")
        self.assertEqual(
            str(caught.exception),
            "'forgotten:live' was invoked, and no execution 'hung' appeared within 0.2 seconds",
        )
        [note] = caught.exception.__notes__
        # On a busy machine the thread that waits for the ARN may say so a moment too late.
        self.assertRegex(
            note,
            "^these executions may still run, because they could not be stopped:\n"
            "  execution 'hung' of 'forgotten:live': (Invoke has not said its ARN|its stop takes too long)$",
        )
        held.release()
        self.endpoint.log.wait_for(STOP, 1)
        self.endpoint.wait_until_all_have_ended()

    def test_an_execution_that_is_listed_after_its_start_was_given_up_is_stopped(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add("Invoke", lambda answering, closing: faults.served_before(held, answering, closing))
        nothing = faults.Rewritten(lambda page: {**page, "DurableExecutions": []})
        listing = "ListDurableExecutionsByFunction"
        self.endpoint.faults.add(listing, nothing, times=5)
        self.enterContext(mock.patch("durabletest.cloud.starting.MIN_SECONDS", 0.1))
        self.enterContext(mock.patch("durabletest.cloud.starting.LOOKUP_SECONDS", 0.09))
        with self.assertRaises(CloudTimeoutError) as caught:
            self.runner("forgotten:live", timeout=0.1).start()
        self.assertFalse(hasattr(caught.exception, "__notes__"))
        self.assertEqual(self.endpoint.running(), [])
        self.assertGreater(self.endpoint.log.counts()[listing], 5)
        held.release()

    def test_an_invoke_whose_answer_hangs_is_found_by_its_name(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.enterContext(mock.patch("durabletest.cloud.starting.LOOKUP_SECONDS", 0.05))
        self.endpoint.faults.add("Invoke", lambda answering, closing: faults.served_before(held, answering, closing))
        self.assertWhole(self.run_order())
        held.release()

    def test_a_list_that_is_denied_does_not_fail_an_invoke_that_is_answered(self) -> None:
        self.enterContext(mock.patch("durabletest.cloud.starting.LOOKUP_SECONDS", 0.01))
        self.endpoint.faults.add("Invoke", faults.Slow(0.1))
        self.endpoint.faults.always("ListDurableExecutionsByFunction", faults.forbidden)
        self.assertWhole(self.run_order())
        self.assertIn("ListDurableExecutionsByFunction", self.endpoint.log.counts())

    def test_an_execution_on_the_second_page_of_the_list_is_found(self) -> None:
        listing = "ListDurableExecutionsByFunction"
        self.endpoint.faults.always(listing, faults.OnSecondPage("DurableExecutions"))
        self.runner("forgotten:live", invocation_type="RequestResponse", timeout=5).start()
        self.assertEqual(self.endpoint.log.members(listing)[1]["Marker"], "second page")

    def test_answers_that_break_off_in_the_middle_are_read_again(self) -> None:
        self.endpoint.page_size = 5
        self.endpoint.faults.add("Invoke", faults.cut)
        self.endpoint.faults.add(HISTORY, faults.cut, times=4)
        self.endpoint.faults.add(HISTORY, faults.cut, times=4, skip=1)
        self.assertWhole(self.run_order())

    def test_answers_that_all_break_off_are_reported(self) -> None:
        self.endpoint.faults.always(HISTORY, faults.cut)
        with self.assertRaises(CloudServiceError) as caught:
            self.run_order()
        self.assertEqual(
            str(caught.exception),
            "the Lambda service's answers to GetDurableExecutionHistory break off: 5 in a row had no end",
        )

    def test_throttling_that_does_not_end_is_reported_and_the_execution_is_stopped(self) -> None:
        self.endpoint.faults.always(HISTORY, faults.throttled)
        with self.assertRaises(CloudServiceError) as caught:
            self.runner("forgotten:live", client=self.own_client(), poll_interval=0.3, timeout=1).run()
        self.assertEqual(
            str(caught.exception),
            "the Lambda service refuses GetDurableExecutionHistory, after 7 retries: An error occurred "
            "(TooManyRequestsException) when calling the GetDurableExecutionHistory operation "
            "(reached max retries: 7): Rate exceeded",
        )
        self.assertIsInstance(caught.exception.__cause__, ClientError)
        self.assertRegex("".join(caught.exception.__notes__), r"^Execution: arn:\S+\nConsole:   https://\S+$")
        self.assertEqual(self.executions("forgotten")[-1], "STOPPED")

    def test_a_service_that_cannot_be_reached_at_all(self) -> None:
        client = boto3.client(
            "lambda", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
        )
        self.addCleanup(client.close)
        with self.assertRaises(CloudServiceError) as caught:
            self.runner("orders:live", client=client).run()
        self.assertRegex(
            str(caught.exception),
            r"^the Lambda service cannot be reached, after all retries: "
            r'Could not connect to the endpoint URL: "http://127.0.0.1:9/',
        )

    def test_slow_answers_change_nothing(self) -> None:
        for operation in ("Invoke", HISTORY):
            self.endpoint.faults.always(operation, faults.Slow(0.01))
        self.assertWhole(self.run_order())

    def test_an_answer_that_takes_longer_than_the_client_waits_is_asked_for_again(self) -> None:
        client = boto3.client("lambda", config=Config(read_timeout=0.1, retries={"mode": "standard"}))
        self.addCleanup(client.close)
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add(HISTORY, held)
        self.assertWhole(self.runner("orders:live", client=client).run({"order": 42}))
        self.assertEqual(len(self.backoffs.pauses), 1)

    def test_the_timeout_of_a_run_does_not_wait_for_a_slow_answer(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add(HISTORY, held)
        with self.assertRaises(CloudTimeoutError):
            self.runner("forgotten:live", client=self.own_client(), poll_interval=0.3, timeout=1).run()
        self.assertTrue(held.reached.is_set())
        self.assertEqual(self.executions("forgotten")[-1], "STOPPED")
        held.release()

    def test_an_execution_that_is_unknown_right_after_its_start(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.not_found, times=3)
        self.assertWhole(self.run_order())

    def test_one_that_is_unknown_for_so_long_that_the_service_is_asked_whether_it_runs(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.not_found, times=IDLE_POLLS + 2)
        self.endpoint.faults.add("GetDurableExecution", faults.not_found)
        self.assertWhole(self.run_order())

    def test_an_execution_that_is_unknown_when_it_is_to_be_stopped(self) -> None:
        execution = self.runner("forgotten:live").start()
        self.endpoint.faults.add(STOP, faults.not_found, times=2)
        execution.stop("Recall", "enough")
        self.assertIs(execution.result(timeout=20).get_status(), ExecutionStatus.STOPPED)

    def test_a_permission_that_is_missing_for_the_history_stops_the_execution(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.forbidden)
        with self.assertRaises(CloudPermissionError) as caught:
            self.runner("forgotten:live").run()
        self.assertEqual(
            str(caught.exception),
            "the credentials do not permit lambda:GetDurableExecutionHistory: allow it in their IAM policy\n"
            "An error occurred (AccessDeniedException) when calling the GetDurableExecutionHistory operation: "
            "User: arn:aws:iam::123456789012:user/ci is not authorized to perform this action",
        )
        self.assertEqual(self.executions("forgotten")[-1], "STOPPED")

    def test_credentials_that_expire_on_the_way(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.expired, skip=2)
        with self.assertRaisesRegex(CloudCredentialsError, "the service does not take the AWS credentials .*expired"):
            self.runner("forgotten:live").run()
