"""The Lambda API through boto3: every operation that durable executions have, from start to deletion."""

from __future__ import annotations

import io
import json
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from queue import SimpleQueue
from typing import Any
from unittest import mock
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration
from botocore.exceptions import ClientError

from durabletest import sdk
from durabletest.local.orchestrator import TestExecutionOrchestrator
from durabletest.local.server.service_model import response_findings
from durabletest.local.waiting import Wait
from durabletest.serve import serving
from tests.serve.case import BOUND, ServeTestCase
from tests.serve.served import client_of

MB = 1_048_576
MANY = 200
ASKED: SimpleQueue[tuple[int, str]] = SimpleQueue()
"""The events and callback ids of executions that ask for an answer."""


@durable_execution
def order(event: Any, context: DurableContext) -> Any:
    context.wait(Duration.from_hours(1), name="cool-down")
    return context.step(lambda _: {"shipped": event}, name="ship")


@durable_execution
def quick(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: event, name="echo")


@durable_execution
def identity(event: Any, _context: DurableContext) -> Any:
    return event


@durable_execution
def asking(event: Any, context: DurableContext) -> Any:
    return context.wait_for_callback(lambda callback, _: ASKED.put((event, callback)), name="answer")


@durable_execution
def failing(event: Any, _context: DurableContext) -> Any:
    raise ValueError(event)


@durable_execution
def approval(_event: Any, context: DurableContext) -> Any:
    timeouts = CallbackConfig(timeout=Duration.from_days(1), heartbeat_timeout=Duration.from_hours(1))
    return context.create_callback("approval", timeouts).result()


@durable_execution
def wide(event: Any, context: DurableContext) -> Any:
    def branch(number: int) -> Any:
        return lambda inner: inner.step(lambda _: number, name=f"step-{number}")

    branches = [ParallelBranch(branch(number), name=f"branch-{number}") for number in range(event)]
    numbers = context.parallel(branches, name="all").get_results()
    context.wait(Duration.from_hours(1), name="pause")
    return context.invoke("plain", numbers, name="sum")


def plain(event: Any, _context: Any) -> Any:
    return sum(event)


def broken(_event: Any, _context: Any) -> Any:
    raise SystemExit(3)


FUNCTIONS = {
    "order": order,
    "quick": quick,
    "identity": identity,
    "asking": asking,
    "failing": failing,
    "approval": approval,
    "wide": wide,
    "plain": plain,
    "broken": broken,
}


class InvokeTests(ServeTestCase):
    functions = FUNCTIONS

    def invoke(self, function: str, payload: Any, **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.invoke(FunctionName=function, Payload=json.dumps(payload), **members)
        return {**answer, "Payload": answer["Payload"].read()}

    def test_an_event_is_answered_at_once_and_runs_to_its_end_in_virtual_time(self) -> None:
        answer = self.invoke("order:$LATEST", 7, InvocationType="Event", DurableExecutionName="seven")
        self.assertEqual((answer["StatusCode"], answer["Payload"], answer["ExecutedVersion"]), (202, b"", "$LATEST"))
        execution = self.ended(answer["DurableExecutionArn"])
        self.assertEqual((execution["Status"], execution["DurableExecutionName"]), ("SUCCEEDED", "seven"))
        self.assertEqual(json.loads(execution["Result"]), {"shipped": 7})
        self.assertEqual(execution["EndTimestamp"] - execution["StartTimestamp"], timedelta(hours=1))

    def test_the_same_name_is_the_same_execution_and_with_another_payload_refused(self) -> None:
        arn = self.start("quick", 1, DurableExecutionName="once")
        self.assertEqual(self.start("quick", 1, DurableExecutionName="once"), arn)
        with self.assertRaises(self.client.exceptions.DurableExecutionAlreadyStartedException):
            self.start("quick", 2, DurableExecutionName="once")

    def test_a_request_response_waits_for_the_result(self) -> None:
        answer = self.invoke("quick:1", {"a": [1, "ü"]}, LogType="None")
        self.assertEqual((answer["StatusCode"], answer["ExecutedVersion"]), (200, "1"))
        self.assertEqual(json.loads(answer["Payload"]), {"a": [1, "ü"]})
        self.assertNotIn("FunctionError", answer)

    def test_a_function_by_every_form_of_its_name(self) -> None:
        arn = "arn:aws:lambda:us-east-1:123456789012:function:quick"
        for name in (f"{arn}:1", "123456789012:function:quick:1", "quick:1", arn, "quick"):
            qualifier = {} if name.endswith(":1") else {"Qualifier": "1"}
            with self.subTest(name, **qualifier):
                answer = self.invoke(name, 1, **qualifier)
                self.assertEqual((answer["Payload"], answer["ExecutedVersion"]), (b"1", "1"))
                self.assertTrue(answer["DurableExecutionArn"].startswith(f"{arn}:1/durable-execution/"))

    def test_a_failed_execution_is_a_function_error(self) -> None:
        answer = self.invoke("failing:1", "no luck")
        self.assertEqual((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))
        error = json.loads(answer["Payload"])
        self.assertEqual((error["errorType"], error["errorMessage"]), ("ValueError", "no luck"))

    def test_a_request_response_has_a_quarter_of_an_hour(self) -> None:
        answer = self.invoke("order:1", 1)
        self.assertEqual(answer["FunctionError"], "Unhandled")
        execution = self.client.get_durable_execution(DurableExecutionArn=answer["DurableExecutionArn"])
        self.assertEqual(execution["Status"], "TIMED_OUT")
        self.assertEqual(execution["EndTimestamp"] - execution["StartTimestamp"], timedelta(minutes=15))

    def test_plain_functions(self) -> None:
        answer = self.invoke("plain", [1, 2])
        self.assertEqual((answer["StatusCode"], answer["Payload"]), (200, b"3"))
        self.assertNotIn("DurableExecutionArn", answer)
        self.assertEqual(self.invoke("plain", [1], InvocationType="Event")["StatusCode"], 202)
        failed = self.invoke("plain", 1)
        self.assertEqual(json.loads(failed["Payload"])["errorType"], "TypeError")
        self.assertNotIn("lambda_endpoint.py", failed["Payload"].decode())
        self.assertIn("exit status 3", json.loads(self.invoke("broken", 1)["Payload"])["errorMessage"])

    def test_a_dry_run_runs_nothing(self) -> None:
        before = len(self.client.list_durable_executions_by_function(FunctionName="quick")["DurableExecutions"])
        self.assertEqual(self.invoke("quick:1", 1, InvocationType="DryRun")["StatusCode"], 204)
        after = len(self.client.list_durable_executions_by_function(FunctionName="quick")["DurableExecutions"])
        self.assertEqual(before, after)

    def test_six_megabytes_go_in_and_out_of_a_request_response_and_one_of_an_event(self) -> None:
        six = b'"' + b"a" * (6 * MB - 2) + b'"'
        answer = self.client.invoke(FunctionName="identity:1", Payload=io.BytesIO(six))
        self.assertEqual(json.loads(answer["Payload"].read()), json.loads(six))
        with self.assertRaises(self.client.exceptions.RequestTooLargeException):
            self.client.invoke(FunctionName="identity:1", Payload=six + b" ")
        with self.assertRaises(self.client.exceptions.RequestTooLargeException):
            self.client.invoke(FunctionName="identity:1", InvocationType="Event", Payload=six[: MB - 1] + b'"  ')


class ManyTests(ServeTestCase):
    functions = FUNCTIONS

    def test_many_requests_at_once_lose_nothing(self) -> None:
        """Half of them wait for an execution whose callback the other half answers."""

        def answer(_number: int) -> None:
            number, callback = ASKED.get(timeout=BOUND)
            self.client.send_durable_execution_callback_success(CallbackId=callback, Result=str(number))

        def run(number: int) -> Any:
            return json.loads(self.client.invoke(FunctionName="asking:1", Payload=str(number))["Payload"].read())

        with ThreadPoolExecutor(MANY) as pool:
            results = pool.map(run, range(MANY // 2))
            answers = pool.map(answer, range(MANY // 2))
            self.assertEqual(list(results), [str(number) for number in range(MANY // 2)])
            self.assertEqual(list(answers), [None] * (MANY // 2))
        pages = self.client.get_paginator("list_durable_executions_by_function").paginate(FunctionName="asking")
        statuses = [execution["Status"] for page in pages for execution in page["DurableExecutions"]]
        self.assertEqual(statuses, ["SUCCEEDED"] * (MANY // 2))


class OperationTests(ServeTestCase):
    functions = FUNCTIONS
    settings = {"state_page_size": 40}

    def test_callbacks(self) -> None:
        failed, succeeded, kept = self.start("approval"), self.start("approval"), self.start("approval")
        self.client.send_durable_execution_callback_heartbeat(CallbackId=self.callback(kept))
        self.client.send_durable_execution_callback_failure(
            CallbackId=self.callback(failed), Error={"ErrorType": "No", "ErrorMessage": "not today"}
        )
        self.client.send_durable_execution_callback_success(CallbackId=self.callback(succeeded), Result=b"caf\xc3\xa9")
        self.client.send_durable_execution_callback_success(CallbackId=self.callback(kept))
        self.assertEqual(self.ended(failed)["Error"]["ErrorMessage"], "not today")
        self.assertEqual(json.loads(self.ended(succeeded)["Result"]), "café")
        self.assertEqual(self.ended(kept)["Status"], "SUCCEEDED")

    def test_time_stands_still_for_a_callback_however_long_its_answer_takes(self) -> None:
        """A wait of an hour beside it does not end either, though it is due before the callback's timeout."""
        arn, waiting = self.start("approval"), self.start("order")
        callback = self.callback(arn)
        for _ in range(20):
            self.assertEqual(self.client.get_durable_execution(DurableExecutionArn=waiting)["Status"], "RUNNING")
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"yes")
        self.assertEqual(self.ended(waiting)["Status"], "SUCCEEDED")

    def test_stop_and_delete(self) -> None:
        arn = self.start("approval")
        self.callback(arn)
        error = {"ErrorType": "Odd/name", "ErrorMessage": "?&=", "StackTrace": ["a", "b"]}
        stopped = self.client.stop_durable_execution(DurableExecutionArn=arn, Error=error)
        execution = self.client.get_durable_execution(DurableExecutionArn=arn)
        self.assertEqual((execution["Status"], execution["Error"]), ("STOPPED", error))
        self.assertEqual(stopped["StopTimestamp"], execution["EndTimestamp"])
        self.assertIn("DeletionRequestTimestamp", self.client.delete_durable_execution(DurableExecutionArn=arn))
        with self.assertRaises(self.client.exceptions.ResourceNotFoundException):
            self.client.get_durable_execution(DurableExecutionArn=arn)

    def test_pause_and_resume(self) -> None:
        arn = self.start("approval")
        callback = self.callback(arn)
        self.client.pause_durable_execution(DurableExecutionArn=arn, Reason="lunch", ExecutionTimeoutPaused=True)
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"1")
        execution = self.client.get_durable_execution(DurableExecutionArn=arn)
        self.assertEqual((execution["Status"], execution["PauseDetails"]["Reason"]), ("PAUSED", "lunch"))
        self.client.resume_durable_execution(DurableExecutionArn=arn)
        self.assertEqual(self.ended(arn)["Status"], "SUCCEEDED")

    def test_history_and_lists_in_pages(self) -> None:
        arn = self.start("wide", 10)
        self.assertEqual(self.ended(arn)["Result"], "45")
        whole = self.client.get_durable_execution_history(
            DurableExecutionArn=arn, IncludeExecutionData=True, MaxItems=1000
        )
        del whole["ResponseMetadata"]
        self.assertEqual(response_findings("GetDurableExecutionHistory", whole), [])
        pages = self.client.get_paginator("get_durable_execution_history").paginate(
            DurableExecutionArn=arn, IncludeExecutionData=True, ReverseOrder=True, PaginationConfig={"PageSize": 7}
        )
        self.assertEqual([event for page in pages for event in page["Events"]], whole["Events"][::-1])
        found = self.client.list_durable_executions_by_function(
            FunctionName="wide",
            Statuses=["SUCCEEDED", "FAILED"],
            StartedAfter=whole["Events"][0]["EventTimestamp"] - timedelta(seconds=1),
            MaxItems=1,
        )
        self.assertEqual([execution["DurableExecutionArn"] for execution in found["DurableExecutions"]], [arn])

    def test_an_sdk_that_takes_part_over_http(self) -> None:
        """The client of each invocation is one of boto3 for the endpoint, as that of a handler elsewhere would be."""
        original, calls = sdk.HandlerEvent, []
        client = client_of(self.url)
        self.addCleanup(client.close)
        client.meta.events.register("before-call.lambda", lambda model, **_: calls.append(model.name))

        def handler_event(event: Any, _client: object, *more: Any) -> sdk.HandlerEvent:
            return original(event, client, *more)

        with mock.patch.object(sdk, "HandlerEvent", handler_event):
            arn = self.start("wide", 50)
            self.assertEqual(self.ended(arn)["Result"], str(sum(range(50))))
        self.assertIn("CheckpointDurableExecution", calls)
        self.assertIn("GetDurableExecutionState", calls)
        with self.assertRaises(ClientError) as caught:
            client.checkpoint_durable_execution(DurableExecutionArn=arn, CheckpointToken="bm9uZQ==")
        self.assertEqual(caught.exception.response["Error"]["Message"], "Invalid checkpoint token")


class PaceTests(unittest.TestCase):
    def test_real_time_passes_by_itself(self) -> None:
        @durable_execution
        def short(_event: Any, context: DurableContext) -> Any:
            context.wait(Duration.from_seconds(1), name="short")
            return 1

        with serving({"short": short}, time="real") as url, ExitStack() as stack:
            client = client_of(url)
            stack.callback(client.close)
            answer = client.invoke(FunctionName="short:1")
            self.assertEqual(answer["Payload"].read(), b"1")
            execution = client.get_durable_execution(DurableExecutionArn=answer["DurableExecutionArn"])
            self.assertGreaterEqual(execution["EndTimestamp"] - execution["StartTimestamp"], timedelta(seconds=1))
            with self.assertRaises(HTTPError) as refused:
                urlopen(Request(f"{url}/durabletest/time", b"{}"))
            with refused.exception:
                self.assertEqual(refused.exception.code, 400)
                self.assertIn("time is real here", refused.exception.read().decode())

    def test_time_may_have_moved_before_anybody_waits_for_that(self) -> None:
        wait = TestExecutionOrchestrator.wait

        def late(*arguments: Any, **named: Any) -> Wait:
            begun = wait(*arguments, **named)
            begun.future.exception(BOUND)
            return begun

        with (
            serving({"quick": quick}, time="manual") as url,
            mock.patch.object(TestExecutionOrchestrator, "wait", late),
            urlopen(Request(f"{url}/durabletest/time", b'{"seconds": 60}')) as answer,
        ):
            self.assertTrue(json.load(answer)["moved"])

    def test_a_client_that_only_reads_gets_a_callbacks_timeout_when_its_patience_is_over(self) -> None:
        with serving({"approval": approval}, patience=5) as url, ExitStack() as stack:
            client = client_of(url)
            stack.callback(client.close)
            arn = client.invoke(FunctionName="approval:1", InvocationType="Event")["DurableExecutionArn"]
            for _ in range(1000):
                execution = client.get_durable_execution(DurableExecutionArn=arn)
                if execution["Status"] != "RUNNING":
                    break
            self.assertEqual(execution["Error"]["ErrorMessage"], "Callback timed out on heartbeat")


if __name__ == "__main__":
    unittest.main()
