"""Code under test that has a Lambda client of boto3 itself: a new one that is answered locally, or its own, routed."""

from __future__ import annotations

import json
import os
import socket
import unittest
from threading import Event
from typing import Any
from unittest import mock

import boto3
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration

import durabletest
from durabletest import (
    CloudDurableTestRunner,
    DurableTestCase,
    LocalDurableTestRunner,
    NotAvailableError,
    RunnerClosedError,
    UsageError,
)
from durabletest.local import client as local_client
from tests.local.over_boto3 import NoNetwork, WentToAws
from tests.local.server.test_pauses import needs_pauses

HOSTILE = {
    "AWS_PROFILE": "missing",
    "AWS_CONFIG_FILE": __file__,
    "AWS_SHARED_CREDENTIALS_FILE": __file__,
    "AWS_RETRY_MODE": "bogus",
    "AWS_MAX_ATTEMPTS": "bogus",
    "AWS_ENDPOINT_URL": "http://192.0.2.1/prefix",
    "AWS_CA_BUNDLE": "/missing",
    "HTTPS_PROXY": "http://192.0.2.1:1",
}
"""What would break a client that reads its environment."""


def a_client(service: str = "lambda") -> Any:
    """As the code under test makes it, and never answered by AWS: what is sent there raises."""
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
    client = session.client(service)
    client._endpoint.http_session = NoNetwork()
    return client


CLIENT = a_client()
"""The global of the code under test."""


@durable_execution
def waiting(event: Any, context: DurableContext) -> Any:
    return context.create_callback(name="open", config=CallbackConfig(timeout=Duration.from_hours(1))).result()


@durable_execution
def calling(event: dict[str, Any], context: DurableContext) -> Any:
    """Calls one method of the client in a step, with what the event says."""

    def call(_: Any) -> Any:
        answer = getattr(CLIENT, event["method"])(**event["request"])
        return answer["ResponseMetadata"]["HTTPStatusCode"]

    return context.step(call, name="call")


@durable_execution
def answering_itself(event: Any, context: DurableContext) -> Any:
    callback = context.create_callback(name="own")
    answer = CLIENT.send_durable_execution_callback_success
    context.step(lambda _: bool(answer(CallbackId=callback.callback_id, Result="mine")), name="answer")
    return callback.result()


@durable_execution
def answering_in_branches(event: int, context: DurableContext) -> Any:
    callbacks = [context.create_callback(name=f"own-{number}") for number in range(event)]

    def branch(number: int) -> Any:
        def answer(child: DurableContext) -> str:
            child.step(
                lambda _: bool(
                    CLIENT.send_durable_execution_callback_success(
                        CallbackId=callbacks[number].callback_id, Result=str(number)
                    )
                )
            )
            return callbacks[number].result() or ""

        return answer

    return context.parallel([branch(number) for number in range(event)], name="all").get_results()


class CodeUnderTestTests(DurableTestCase):
    """The handlers use a global client, which ``setUp`` routes."""

    handler = calling
    durable_functions = {"waiting": waiting}

    def setUp(self) -> None:
        durabletest.route(CLIENT)

    @needs_pauses
    def test_answers_have_the_http_status_of_their_operation(self) -> None:
        execution, _ = self.open_callback()
        for api_operation, status in (
            ("get_durable_execution", 200),
            ("pause_durable_execution", 202),
            ("resume_durable_execution", 202),
            ("stop_durable_execution", 200),
            ("delete_durable_execution", 202),
        ):
            answer = getattr(CLIENT, api_operation)(DurableExecutionArn=execution.arn)
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status, api_operation)

    def open_callback(self) -> tuple[durabletest.Execution, str]:
        """An execution that waits for its callback, and the callback's id."""
        started = CLIENT.invoke(FunctionName="waiting:$LATEST", InvocationType="Event", Payload=b"{}")
        execution = self.runner.execution(started["DurableExecutionArn"])
        callback = execution.operation("open").wait_for_data(durabletest.WaitingStatus.SUBMITTED).result(timeout=5)
        return execution, callback.get_callback_details().callback_id

    def test_a_step_answers_the_callback_of_another_execution(self) -> None:
        other, callback_id = self.open_callback()
        request = {"CallbackId": callback_id, "Result": "from a step"}
        self.execute({"method": "send_durable_execution_callback_success", "request": request})
        self.assertExecution().succeeded(200)
        self.assertEqual(other.result(timeout=5).get_result(), "from a step")

    def test_a_step_fails_the_callback_of_another_execution(self) -> None:
        other, callback_id = self.open_callback()
        request = {"CallbackId": callback_id, "Error": {"ErrorType": "Refused", "ErrorMessage": "no"}}
        self.execute({"method": "send_durable_execution_callback_failure", "request": request})
        self.assertEqual(other.result(timeout=5).get_error().message, "no")

    def test_a_step_stops_another_execution(self) -> None:
        other, _ = self.open_callback()
        self.execute({"method": "stop_durable_execution", "request": {"DurableExecutionArn": other.arn}})
        self.assertEqual(other.result(timeout=5).get_status(), "STOPPED")

    def test_a_step_reads_a_history(self) -> None:
        other, _ = self.open_callback()
        self.execute({"method": "get_durable_execution_history", "request": {"DurableExecutionArn": other.arn}})
        self.assertExecution().succeeded(200)

    def test_a_step_gets_the_clients_own_exception(self) -> None:
        with self.assertRaises(CLIENT.exceptions.ResourceNotFoundException):
            CLIENT.get_durable_execution(DurableExecutionArn=self.execute_a_stop().arn[:-1] + "f")
        self.execute({"method": "send_durable_execution_callback_heartbeat", "request": {"CallbackId": "bm9ib2R5"}})
        self.assertExecution().failed(message="Callback not found")

    def execute_a_stop(self) -> durabletest.TestResult:
        other, _ = self.open_callback()
        return self.execute({"method": "stop_durable_execution", "request": {"DurableExecutionArn": other.arn}})

    def test_what_is_not_answered_says_so_where_the_step_failed(self) -> None:
        self.execute({"method": "list_functions", "request": {}})
        self.assertExecution().failed(message="list_functions is not answered locally")

    def test_time_stands_still_while_the_test_holds_a_callback(self) -> None:
        other, callback_id = self.open_callback()
        CLIENT.send_durable_execution_callback_heartbeat(CallbackId=callback_id)
        CLIENT.send_durable_execution_callback_success(CallbackId=callback_id, Result=json.dumps({"by": "ann"}))
        self.assertEqual(other.result(timeout=5).get_result(), '{"by": "ann"}')
        self.assertEqual(self.now, self.start_time)


class OwnCallbackTests(DurableTestCase):
    handler = answering_itself

    def setUp(self) -> None:
        durabletest.route(CLIENT)

    def test_a_step_answers_a_callback_of_its_own_execution(self) -> None:
        self.execute()
        self.assertExecution().succeeded("mine")
        self.assertOperation("own").succeeded("mine")


class BranchTests(DurableTestCase):
    handler = answering_in_branches

    def test_branches_use_one_client_at_the_same_time(self) -> None:
        with durabletest.route(CLIENT):
            self.execute(8)
        self.assertExecution().succeeded([str(number) for number in range(8)])


LEFT = Event()
"""Set when the invocation that stops its execution is over."""


@durable_execution
def stopping_itself(event: Any, context: DurableContext) -> Any:
    arn = context.execution_context.durable_execution_arn
    context.step(lambda _: bool(CLIENT.stop_durable_execution(DurableExecutionArn=arn)), name="stop")
    context.step(lambda _: "never", name="after")


def stopping_itself_and_telling(event: Any, context: Any) -> Any:
    try:
        return stopping_itself(event, context)
    finally:
        LEFT.set()


class StoppingItselfTests(DurableTestCase):
    handler = stopping_itself_and_telling

    def test_an_execution_that_stops_itself_is_stopped_and_records_nothing_more(self) -> None:
        """The result is there as soon as it is stopped, while its handler still runs."""
        with durabletest.route(CLIENT):
            result = self.execute()
            self.assertTrue(LEFT.wait(timeout=5))
        self.assertExecution().stopped()
        self.assertEqual(result.history[-1]["EventType"], "ExecutionStopped")
        self.assertNoOperation("after")


class OwnClientTests(DurableTestCase):
    handler = waiting

    def test_a_client_is_given_that_needs_nothing_of_the_environment_and_opens_no_socket(self) -> None:
        local_client._session.cache_clear()
        self.addCleanup(local_client._session.cache_clear)
        refused = mock.patch.object(socket, "socket", side_effect=AssertionError("a socket was opened"))
        with mock.patch.dict(os.environ, HOSTILE), refused:
            client = self.lambda_client()
            execution = self.start()
            callback = execution.operation("open").wait_for_data(durabletest.WaitingStatus.SUBMITTED).result(timeout=5)
            callback_id = callback.get_callback_details().callback_id
            client.send_durable_execution_callback_success(CallbackId=callback_id, Result="yes")
            with self.assertRaises(client.exceptions.CallbackTimeoutException):
                client.send_durable_execution_callback_success(CallbackId=callback_id, Result="yes again")
            self.assertEqual(execution.result(timeout=5).get_result(), "yes")

    def test_it_is_the_same_client_each_time_and_of_boto3s_own_kind(self) -> None:
        self.assertIs(self.lambda_client(), self.lambda_client())
        self.assertEqual(type(self.lambda_client()).__mro__[1:], type(CLIENT).__mro__[1:])

    def test_it_invokes_the_function_under_test_itself(self) -> None:
        self.on_callback("open").succeed("yes")
        started = self.lambda_client().invoke(
            FunctionName="handler:$LATEST", InvocationType="Event", DurableExecutionName="order-42"
        )
        result = self.runner.execution(started["DurableExecutionArn"]).result(timeout=5)
        self.assertEqual(result.get_result(), "yes")
        self.assertIn("/durable-execution/order-42/", result.arn)


class RouteTests(unittest.TestCase):
    def setUp(self) -> None:
        self.client = a_client()

    def assert_routed(self) -> None:
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            self.client.send_durable_execution_callback_heartbeat(CallbackId="bm9ib2R5")

    def assert_not_routed(self) -> None:
        with self.assertRaises(WentToAws):
            self.client.send_durable_execution_callback_heartbeat(CallbackId="bm9ib2R5")

    def test_a_route_lasts_as_long_as_its_with_block_which_gives_the_client(self) -> None:
        with LocalDurableTestRunner(waiting):
            with durabletest.route(self.client) as client:
                self.assertIs(client, self.client)
                self.assert_routed()
            self.assert_not_routed()

    def test_a_route_is_closed_by_hand_twice_if_need_be(self) -> None:
        with LocalDurableTestRunner(waiting):
            route = durabletest.route(self.client)
            self.assert_routed()
            self.assertIs(route.client, self.client)
            route.close()
            route.close()
            self.assert_not_routed()

    def test_the_runner_closes_what_was_left_open(self) -> None:
        with LocalDurableTestRunner(waiting):
            durabletest.route(self.client)
            self.assert_routed()
        self.assert_not_routed()

    def test_after_that_the_client_can_be_routed_anew(self) -> None:
        for _ in range(2):
            with LocalDurableTestRunner(waiting) as runner:
                durabletest.route(self.client)
                self.assert_routed()
                runner.reset()
                self.assert_routed()
        self.assert_not_routed()

    def test_without_credentials_a_routed_client_works_too(self) -> None:
        with mock.patch.dict(os.environ, {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/none"}):
            self.client = boto3.Session(region_name="eu-west-1").client("lambda")
        with LocalDurableTestRunner(waiting) as runner, runner.route(self.client):
            self.assert_routed()

    def test_a_client_with_an_endpoint_of_its_own_works_too(self) -> None:
        self.client = boto3.Session(region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b").client(
            "lambda", endpoint_url="http://localhost:4566/with/a/path"
        )
        with LocalDurableTestRunner(waiting) as runner, runner.route(self.client):
            self.assert_routed()


class MisuseTests(unittest.TestCase):
    def test_no_runner_is_open(self) -> None:
        with self.assertRaisesRegex(UsageError, "needs an open runner: call it in setUp or in a test"):
            durabletest.route(CLIENT)

    def test_several_runners_are_open(self) -> None:
        with LocalDurableTestRunner(waiting) as first, LocalDurableTestRunner(calling):
            with self.assertRaisesRegex(UsageError, "each of 2 open runners: write runner.route"):
                durabletest.route(CLIENT)
            first.route(CLIENT).close()

    def test_a_client_that_is_routed_already(self) -> None:
        already = self.assertRaisesRegex(UsageError, "routed already; close its route")
        with LocalDurableTestRunner(waiting) as runner, runner.route(CLIENT), already:
            runner.route(CLIENT)

    def test_a_client_of_another_service(self) -> None:
        other = self.assertRaisesRegex(UsageError, "a client for sqs; only clients for lambda")
        with LocalDurableTestRunner(waiting) as runner, other:
            runner.route(a_client("sqs"))

    def test_no_client_at_all(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            for thing in (None, boto3, runner.client):
                with self.assertRaisesRegex(UsageError, r"give a client of boto3, such as boto3.client\('lambda'\)"):
                    runner.route(thing)

    def test_a_closed_runner(self) -> None:
        with LocalDurableTestRunner(waiting) as runner:
            client = runner.lambda_client()
        with self.assertRaisesRegex(RunnerClosedError, "belongs to a closed runner"):
            client.list_functions()
        for attempt in (runner.lambda_client, lambda: runner.route(CLIENT)):
            with self.assertRaises(RunnerClosedError):
                attempt()

    def test_what_the_local_server_does_not_answer(self) -> None:
        refused = self.assertRaisesRegex(NotAvailableError, "list_functions is not answered locally")
        with LocalDurableTestRunner(waiting) as runner, refused:
            runner.lambda_client().list_functions()


class CloudTests(unittest.TestCase):
    """There the client is the real one, and stays it."""

    def test_the_client_is_that_of_the_runner_and_routes_change_nothing(self) -> None:
        client, other = a_client(), a_client()
        with CloudDurableTestRunner("orders:live", client=client) as runner:
            self.assertIs(runner.lambda_client(), client)
            with durabletest.route(other), self.assertRaises(WentToAws):
                other.list_functions()
        with self.assertRaises(RunnerClosedError):
            runner.lambda_client()


if __name__ == "__main__":
    unittest.main()
