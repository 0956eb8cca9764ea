"""The endpoint itself: what a client of boto3 sends arrives as it was, and so does what the server answers."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from botocore.exceptions import ClientError

from durabletest import LocalDurableTestRunner
from tests.endpoint.case import EndpointTestCase


@durable_execution
def greeting(event: dict[str, Any], context: DurableContext) -> str:
    context.wait(Duration.from_hours(1), name="think")
    return context.step(lambda _: f"hello {event['name']}", name="greet")


class EndpointTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("greeting", greeting)

    def start(self, **members: Any) -> str:
        request = {"FunctionName": "greeting:live", "InvocationType": "RequestResponse", "Payload": b'{"name": "ann"}'}
        answer = self.client.invoke(**{**request, **members})
        self.assertEqual(answer["StatusCode"], 200)
        self.assertEqual(answer["Payload"].read(), b'"hello ann"')
        arn: str = answer["DurableExecutionArn"]
        return arn

    def test_requests_arrive_member_by_member(self) -> None:
        members = {
            "DurableExecutionArn": self.start(),
            "IncludeExecutionData": True,
            "MaxItems": 2,
            "ReverseOrder": True,
            "Marker": "item-1",
        }
        self.client.get_durable_execution_history(**members)
        [received] = self.endpoint.log.members("GetDurableExecutionHistory")
        self.assertEqual(received, members)
        error = {"ErrorType": "Odd/name with ümlaut", "ErrorMessage": "?&=", "StackTrace": ["a", "b"]}
        self.client.stop_durable_execution(DurableExecutionArn=members["DurableExecutionArn"], Error=error)
        [received] = self.endpoint.log.members("StopDurableExecution")
        self.assertEqual(received, {"DurableExecutionArn": members["DurableExecutionArn"], "Error": error})

    def test_times_lists_and_flags_arrive_in_the_query(self) -> None:
        self.start()
        since = datetime(2025, 12, 31, tzinfo=UTC)
        members = {"FunctionName": "greeting", "Statuses": ["FAILED", "RUNNING"], "StartedAfter": since}
        self.assertEqual(self.client.list_durable_executions_by_function(**members)["DurableExecutions"], [])
        [received] = self.endpoint.log.members("ListDurableExecutionsByFunction")
        self.assertEqual(received, members)

    def test_answers_are_those_of_the_local_client(self) -> None:
        arn = self.start()
        with LocalDurableTestRunner(greeting) as runner:
            local = runner.client.get_durable_execution_history(DurableExecutionArn=arn, IncludeExecutionData=True)
            execution = runner.client.get_durable_execution(DurableExecutionArn=arn)
        remote = self.client.get_durable_execution_history(DurableExecutionArn=arn, IncludeExecutionData=True)
        self.assertEqual(remote["Events"], local["Events"])
        answer = self.client.get_durable_execution(DurableExecutionArn=arn)
        del answer["ResponseMetadata"]
        self.assertEqual(answer, execution)

    def test_refusals_are_modelled_errors(self) -> None:
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException) as caught:
            self.client.get_durable_execution(DurableExecutionArn=self.start() + "x")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 404)

    def test_what_cannot_be_invoked(self) -> None:
        self.endpoint.deploy_plain("plain", lambda event, context: event)
        for function, code in {
            "nobody:live": "ResourceNotFoundException",
            "greeting": "InvalidParameterValueException",
        }.items():
            with self.subTest(function=function), self.assertRaises(ClientError) as caught:
                self.client.invoke(FunctionName=function)
            self.assertEqual(caught.exception.response["Error"]["Code"], code)
        self.assertNotIn("DurableExecutionArn", self.client.invoke(FunctionName="plain", Payload=b"1"))

    def test_a_request_that_the_model_does_not_know_is_refused_loudly(self) -> None:
        with self.assertRaisesRegex(ClientError, "UnknownOperationException.*GET /2015-03-31/functions/greeting"):
            self.client.get_function(FunctionName="greeting")


class ThreadsTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        before = set(threading.enumerate())
        cls.addClassCleanup(lambda: cls._compare(before))
        super().setUpClass()

    @classmethod
    def _compare(cls, before: set[threading.Thread]) -> None:
        left = [thread.name for thread in threading.enumerate() if thread not in before]
        if left:
            raise AssertionError(f"threads were left: {left}")

    def test_an_execution_that_runs_and_a_connection_that_is_kept(self) -> None:
        self.endpoint.deploy("greeting", greeting)
        self.assertEqual(self.runner("greeting:live").run({"name": "bob"}).get_result(), "hello bob")
