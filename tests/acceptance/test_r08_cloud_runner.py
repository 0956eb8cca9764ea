"""Requirement 8, cloud test runner: a real client, real serialisation and real HTTP, against a Lambda of our own."""

from __future__ import annotations

from typing import Any

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from botocore.config import Config

from durabletest import (
    CloudDurableTestRunner,
    LocalDurableTestRunner,
    WaitingStatus,
)
from durabletest.model.comparison import canonical
from tests.endpoint.case import POLL_INTERVAL, EndpointTestCase

ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:live"


class OutOfStock(Exception):
    pass


@durable_execution
def order(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    if event["quantity"] > 10:
        raise OutOfStock("only 10 left")
    context.wait(Duration.from_hours(1), name="cool-down")
    approved = context.create_callback(name="approval").result() if event.get("approval") else "by default"
    parcel = context.step(lambda _: f"{event['quantity']} pieces", name="pack")
    return {"parcel": parcel, "approved": approved}


class CloudRunnerTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)

    def test_r8_1_the_client_is_configured_for_the_function(self) -> None:
        for function in ("orders:live", ARN):
            with (
                self.subTest(function=function),
                CloudDurableTestRunner(function, poll_interval=POLL_INTERVAL) as runner,
            ):
                self.assertEqual(runner.client.meta.endpoint_url, self.endpoint.url)
                self.assertEqual(runner.client.meta.region_name, "us-east-1")
                runner.run({"quantity": 1})
                self.assertEqual(self.endpoint.log.members("Invoke")[-1]["FunctionName"], function)

    def test_r8_2_also_when_the_function_is_invoked_synchronously(self) -> None:
        result = self.runner("orders:live", invocation_type="RequestResponse").run({"quantity": 2})
        self.assertEqual(self.endpoint.log.members("Invoke")[0]["InvocationType"], "RequestResponse")
        self.assertEqual(result.get_result()["parcel"], "2 pieces")

    def test_r8_2_a_synchronous_invocation_is_followed_before_it_is_answered(self) -> None:
        execution = self.runner("orders:live", invocation_type="RequestResponse").start(
            {"quantity": 1, "approval": True}
        )
        approval = execution.operation("approval")
        approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=20)
        approval.send_callback_success("by bob")
        self.assertEqual(execution.result(timeout=20).get_result()["approved"], "by bob")

    def test_r8_3_the_result_is_that_of_a_local_run(self) -> None:
        cloud = self.runner("orders:live").run({"quantity": 3})
        with LocalDurableTestRunner(order) as runner:
            local = runner.run({"quantity": 3})
            self.assertEqual(
                canonical(cloud.view.history(), cloud.view.decode), canonical(local.view.history(), local.view.decode)
            )

    def test_r8_4_the_client_that_was_given_is_used_for_everything(self) -> None:
        client = boto3.client("lambda", config=Config(user_agent_extra="custom-client"))
        self.addCleanup(client.close)
        runner = self.runner("orders:live", client=client)
        self.assertIs(runner.client, client)
        execution = runner.start({"quantity": 1, "approval": True})
        approval = execution.operation("approval")
        approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=20)
        approval.send_callback_success("by ann")
        self.assertEqual(execution.result(timeout=20).get_result()["approved"], "by ann")
        operations = self.endpoint.log.counts()
        self.assertGreaterEqual(
            set(operations), {"Invoke", "GetDurableExecutionHistory", "SendDurableExecutionCallbackSuccess"}
        )
        for received in self.endpoint.log.all():
            self.assertIn("custom-client", received.request.headers["user-agent"].split())
