"""What deployed functions log of an execution is part of the report on a failure, if the class asks for it."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import boto3
from botocore.stub import ANY, Stubber

from durabletest import ConfigurationError
from durabletest.cloud.cloudwatch import CloudWatchLogs
from durabletest.cloud.runner import CloudDurableTestRunner
from durabletest.model.history import History
from tests.cloud.suites import Orders
from tests.cloud.workflows import order
from tests.endpoint.case import EndpointTestCase, environment

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST/durable-execution/order-1/id-of-order-1"
REQUESTS = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002")
FILTER = "filter_log_events"


def invocation(number: int, request_id: str) -> dict[str, Any]:
    at = datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC)
    details = {"RequestId": request_id, "StartTimestamp": at, "EndTimestamp": at}
    return {
        "EventId": number,
        "EventType": "InvocationCompleted",
        "EventTimestamp": at,
        "InvocationCompletedDetails": details,
    }


def line(message: str, second: int = 0) -> dict[str, Any]:
    return {"timestamp": int(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC).timestamp() * 1000), "message": message}


class CloudWatchTestCase(unittest.TestCase):
    def setUp(self) -> None:
        client = boto3.client("logs", "us-east-1", aws_access_key_id="AKIDTEST", aws_secret_access_key="secret")
        self.addCleanup(client.close)
        self.stubber = self.enterContext(Stubber(client))
        self.enterContext(mock.patch("durabletest.cloud.cloudwatch.logs_client", return_value=client))
        self.enterContext(mock.patch("durabletest.cloud.cloudwatch.READ_INTERVAL", 0.0))

    def answer(self, *events: dict[str, Any], **more: Any) -> None:
        self.stubber.add_response(FILTER, {"events": list(events), **more})


class ReadingTests(CloudWatchTestCase):
    history = History([invocation(1, REQUESTS[0]), invocation(2, REQUESTS[1])])

    def read(self, group: str | None = None) -> list[tuple[int, str, str, str]]:
        entries = CloudWatchLogs(group).entries(ARN, self.history) or []
        return [(entry.invocation, entry.level, entry.logger, entry.message) for entry in entries]

    def test_lines_of_the_execution_are_asked_for(self) -> None:
        pattern = f'?"{REQUESTS[0]}" ?"{REQUESTS[1]}" ?"id-of-order-1"'
        for group, name in ((None, "/aws/lambda/orders"), ("/my/functions", "/my/functions")):
            expected = {"logGroupName": name, "filterPattern": pattern}
            self.stubber.add_response(FILTER, {"events": [line("charged")]}, expected)
            self.assertEqual(self.read(group), [(2, "INFO", "stdout", "charged")])

    def test_text_and_json(self) -> None:
        self.answer(
            line(f"[ERROR]\t2026-01-01T00:00:01.000Z\t{REQUESTS[0]}\tcard 42 declined\n"),
            line(
                f'{{"level": "WARNING", "logger": "orders", "message": "late", "requestId": "{REQUESTS[1]}", '
                '"stackTrace": ["File one", "Declined: no"]}'
            ),
        )
        self.assertEqual(self.read(), [(1, "ERROR", "root", "card 42 declined"), (2, "WARNING", "orders", "late")])

    def test_lines_of_lambda_itself_are_left_out(self) -> None:
        self.answer(
            line(f"START RequestId: {REQUESTS[0]} Version: $LATEST"),
            line(f"REPORT RequestId: {REQUESTS[0]} Duration: 3 ms"),
            line('{"type": "platform.start", "record": {}}'),
            line("STARTING"),
        )
        self.assertEqual([entry[3] for entry in self.read()], ["STARTING"])

    def test_pages_in_the_order_of_time(self) -> None:
        self.answer(line("second", 2), nextToken="more")
        self.answer(line("first", 1))
        self.assertEqual([entry[3] for entry in self.read()], ["first", "second"])

    def test_lines_come_late_or_not_at_all(self) -> None:
        self.answer()
        self.answer(line("charged"))
        self.assertEqual(len(self.read()), 1)
        for _ in range(3):
            self.answer()
        self.assertEqual(self.read(), [])

    def test_an_error_is_told_once(self) -> None:
        for code, advice in {
            "AccessDeniedException": "the credentials do not permit logs:FilterLogEvents; allow it in their IAM policy",
            "ResourceNotFoundException": "there is no such log group; write cloud_logs = 'the name of the",
            "ServiceUnavailableException": "the function's log cannot be read: An error occurred",
        }.items():
            with self.subTest(code):
                logs = CloudWatchLogs()
                for _ in range(2):
                    self.stubber.add_client_error(FILTER, code)
                [entry] = logs.entries(ARN, self.history) or []
                self.assertIn(advice, entry.message)
                self.assertIsNone(logs.entries(ARN, self.history))

    def test_a_log_group_is_named(self) -> None:
        with environment({}), self.assertRaisesRegex(ConfigurationError, "cloud_logs is 5: write True or False, or"):
            CloudDurableTestRunner("orders:live", client=object(), cloud_logs=5)


class FailureTests(CloudWatchTestCase, EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)

    def setUp(self) -> None:
        EndpointTestCase.setUp(self)
        CloudWatchTestCase.setUp(self)

    def fail_twice(self, logs: bool) -> list[str]:
        """Run two tests that fail, in one class, and give their messages."""

        class Failing(Orders):
            mode = "cloud"
            function_name = "orders:live"
            cloud_logs = logs

            def test_one(self) -> None:
                self.execute({"order": 42})
                self.assertOperation("pack").succeeded("parcel 43")

            test_two: Callable[[Any], None] = test_one

        result = unittest.TestResult()
        unittest.TestSuite([Failing("test_one"), Failing("test_two")]).run(result)
        return [text for _, text in (*result.failures, *result.errors)]

    def test_a_failure_shows_the_log_of_its_execution(self) -> None:
        for number in (1, 2):
            expected = {"logGroupName": "/aws/lambda/orders", "filterPattern": ANY, "startTime": ANY}
            self.stubber.add_response(FILTER, {"events": [line(f"charging card {number}")]}, expected)
        first, second = self.fail_twice(logs=True)
        self.assertRegex(first, r"(?m)^Log of execution '\S+', #n is the invocation\n.* INFO stdout: charging card 1$")
        self.assertIn("charging card 2", second)
        self.stubber.assert_no_pending_responses()

    def test_nothing_is_asked_for_unless_the_class_says_so(self) -> None:
        for text in self.fail_twice(logs=False):
            self.assertNotIn("Log of execution", text)

    def test_a_permission_that_is_missing_is_told_with_the_first_failure(self) -> None:
        for _ in range(2):
            self.stubber.add_client_error(FILTER, "AccessDeniedException")
        first, second = self.fail_twice(logs=True)
        self.assertRegex(first.replace("\n", " "), r"WARNING durabletest: the function's log cannot be read: the")
        self.assertNotIn("cannot be read", second)
        self.assertIn("Operations of execution", second)

    def test_a_result_has_it(self) -> None:
        self.answer(line("charged"))
        with CloudDurableTestRunner("orders:live", client=self.client, cloud_logs=True) as runner:
            result = runner.run({"order": 42})
            self.assertEqual([entry.message for entry in result.logs], ["charged"])
            self.assertEqual(len(result.logs), 1)
