"""The local server behind a real client of boto3: requests serialised by it, answers and errors parsed by it."""

from __future__ import annotations

import io
import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import JitterStrategy, RetryStrategyConfig, create_retry_strategy
from botocore import xform_name
from botocore.exceptions import ParamValidationError

from durabletest import LocalDurableTestRunner
from durabletest.local.client import API_OPERATIONS, Router
from tests.local import model_guard
from tests.local.over_boto3 import sdk_over_boto3
from tests.local.server.harness import KNOWN_OPERATIONS, Harness, Started, start, succeed
from tests.local.server.test_requests import TAKEN, Prepared

ORDER = {"order": 42, "note": "naïve ☕"}
RESULTS: list[tuple[Callable[[], Any], str | None]] = [
    (lambda: "☕", "☕"),
    ("☕".encode, "☕"),
    (lambda: bytearray(b"42"), "42"),
    (lambda: io.BytesIO(b"42"), "42"),
    (lambda: b"", None),
    (lambda: None, None),
]
"""A callback's result, and the text that is recorded; an empty body is none."""


class Over(Prepared):
    """The same preparation, and a client of boto3 to send the requests with."""

    def __init__(self) -> None:
        super().__init__()
        self.client = Router(self.harness.api).client()

    def send(self, api_operation: str, changes: dict[str, Any]) -> Any:
        request = {**self.requests[api_operation], **changes}
        sent = {name: value for name, value in request.items() if value is not None}
        answer = getattr(self.client, xform_name(api_operation))(**sent)
        del answer["ResponseMetadata"]
        if "Payload" in answer:
            answer["Payload"] = answer["Payload"].read()
        return answer


class EveryOperationTests(unittest.TestCase):
    def test_what_is_answered_is_the_same_with_boto3_and_without(self) -> None:
        asked = set()
        for api_operation, changes in TAKEN:
            with self.subTest(api_operation, changes=str(changes)[:60]):
                self.assertEqual(Over().send(api_operation, changes), Prepared().send(api_operation, changes))
                asked.add(api_operation)
        self.assertEqual(asked, set(KNOWN_OPERATIONS))

    def test_what_is_asked_for_arrives(self) -> None:
        """Histories and states differ by it, so that the same answer means the same request."""
        over = Over()
        over.execution.checkpoint(start("STEP", "s"), succeed("STEP", "s", Payload='"kept"'))
        over.requests["GetDurableExecutionState"]["CheckpointToken"] = over.execution.token
        types = lambda **request: [  # noqa: E731
            event["EventType"] for event in over.send("GetDurableExecutionHistory", request)["Events"]
        ]
        self.assertEqual(types(), ["ExecutionStarted", "CallbackStarted", "StepStarted", "StepSucceeded"])
        self.assertEqual(types(ReverseOrder=True, MaxItems=2), ["StepSucceeded", "StepStarted"])
        state = over.send("GetDurableExecutionState", {"MaxItems": 1})
        self.assertEqual([operation["Type"] for operation in state["Operations"]], ["EXECUTION"])
        state = over.send("GetDurableExecutionState", {"MaxItems": 1000, "Marker": state["NextMarker"]})
        self.assertEqual([operation["Type"] for operation in state["Operations"]], ["CALLBACK", "STEP"])

    def test_filters_of_every_kind_go_through_the_query(self) -> None:
        harness = Harness()
        first, second = harness.start(name="first"), harness.start(name="second", payload="2")
        harness.pass_time(hours=1)
        third = harness.start(name="third", payload="3")
        second.stop()
        listing = Router(harness.api).client().list_durable_executions_by_function
        names = lambda **request: [  # noqa: E731
            found["DurableExecutionName"] for found in listing(FunctionName="orders", **request)["DurableExecutions"]
        ]
        self.assertEqual(names(), ["third", "second", "first"])
        self.assertEqual(names(ReverseOrder=True), ["first", "second", "third"])
        self.assertEqual(names(Statuses=["FAILED", "STOPPED"]), ["second"])
        self.assertEqual(names(Qualifier="7"), [])
        self.assertEqual(names(DurableExecutionName="third"), ["third"])
        self.assertEqual(names(StartedAfter=datetime(2026, 1, 1, 0, 30, tzinfo=UTC)), ["third"])
        self.assertEqual(names(StartedBefore=datetime(2026, 1, 1, 0, 30, tzinfo=UTC)), ["second", "first"])
        self.assertEqual(names(StartedAfter="2026-01-01T00:30:00Z"), ["third"])
        self.assertEqual({execution.status for execution in (first, third)}, {"RUNNING"})

    def test_timestamps_are_aware(self) -> None:
        over = Over()
        started = over.send("GetDurableExecution", {})["StartTimestamp"]
        self.assertEqual(started, datetime(2026, 1, 1, tzinfo=UTC))
        self.assertIsNotNone(started.tzinfo)
        (event, *_) = over.send("GetDurableExecutionHistory", {})["Events"]
        self.assertIsNotNone(event["EventTimestamp"].tzinfo)
        self.assertIsNotNone(over.send("StopDurableExecution", {})["StopTimestamp"].tzinfo)

    def test_a_callbacks_result_is_text_bytes_or_a_file(self) -> None:
        for way in (Over, Prepared):
            for make, recorded in RESULTS:
                with self.subTest(repr(make()), way=way.__name__):
                    prepared = way()
                    prepared.send("SendDurableExecutionCallbackSuccess", {"Result": make()})
                    details = prepared.execution.details("CallbackSucceeded")
                    self.assertEqual(details["Result"].get("Payload"), recorded)

    def test_a_callbacks_error_is_the_body(self) -> None:
        over = Over()
        error = {"ErrorType": "Refused", "ErrorMessage": "naïve", "ErrorData": "{}", "StackTrace": ["a", "b"]}
        over.send("SendDurableExecutionCallbackFailure", {"Error": error})
        self.assertEqual(over.execution.details("CallbackFailed")["Error"]["Payload"], error)

    def test_neither_requests_nor_answers_share_data_with_the_server(self) -> None:
        over = Over()
        error = {"ErrorType": "Refused", "StackTrace": ["a"]}
        over.send("SendDurableExecutionCallbackFailure", {"Error": error})
        error["StackTrace"].append("b")  # type: ignore[attr-defined]
        answer = over.send("GetDurableExecutionHistory", {})
        answer["Events"][0]["ExecutionStartedDetails"].clear()
        self.assertEqual(over.execution.details("CallbackFailed")["Error"]["Payload"]["StackTrace"], ["a"])
        self.assertTrue(over.execution.history()[0]["ExecutionStartedDetails"])

    def test_the_guard_of_the_tests_watches_all_that_is_answered(self) -> None:
        self.assertEqual(set(model_guard.API_OPERATIONS), set(API_OPERATIONS))


class ErrorTests(unittest.TestCase):
    """Errors are the client's own classes, parsed from the answer."""

    def assert_refused(self, over: Over, code: str, says: str, api_operation: str, **changes: Any) -> None:
        with self.assertRaisesRegex(getattr(over.client.exceptions, code), says) as caught:
            over.send(api_operation, changes)
        response = caught.exception.response
        self.assertEqual(response["Error"]["Code"], code)
        self.assertEqual(response["ResponseMetadata"]["HTTPStatusCode"] // 100, 4)
        self.assertEqual(response["ResponseMetadata"]["RetryAttempts"], 0)
        self.assertEqual(response["Type"], "User")

    def test_a_second_answer_to_a_callback(self) -> None:
        over = Over()
        over.send("SendDurableExecutionCallbackSuccess", {})
        for operation in ("Success", "Failure", "Heartbeat"):
            api_operation = f"SendDurableExecutionCallback{operation}"
            self.assert_refused(over, "CallbackTimeoutException", "the first answer stands", api_operation)

    def test_an_unknown_callback(self) -> None:
        over = Over()
        self.assert_refused(
            over,
            "ResourceNotFoundException",
            "Callback not found",
            "SendDurableExecutionCallbackHeartbeat",
            CallbackId="bm9ib2R5",
        )

    def test_an_unknown_execution(self) -> None:
        over = Over()
        arn = over.execution.arn[:-1] + "f"
        for api_operation in ("GetDurableExecution", "GetDurableExecutionHistory", "StopDurableExecution"):
            self.assert_refused(
                over, "ResourceNotFoundException", "Durable execution not found", api_operation, DurableExecutionArn=arn
            )

    def test_a_stale_token(self) -> None:
        over = Over()
        over.send("CheckpointDurableExecution", {})
        for api_operation in ("CheckpointDurableExecution", "GetDurableExecutionState"):
            self.assert_refused(over, "InvalidParameterValueException", "Invalid checkpoint token", api_operation)

    def test_a_rule_that_is_broken(self) -> None:
        self.assert_refused(
            Over(),
            "InvalidParameterValueException",
            "its parent 'nobody' does not exist",
            "CheckpointDurableExecution",
            Updates=[start("STEP", "s", ParentId="nobody")],
        )

    def test_what_boto3_refuses_itself_never_arrives(self) -> None:
        over = Over()
        before = over.execution.history()
        with self.assertRaisesRegex(ParamValidationError, "Unknown parameter in input"):
            over.send("StopDurableExecution", {"Colour": "red"})
        self.assertEqual(over.execution.history(), before)


ONCE_MORE = create_retry_strategy(RetryStrategyConfig(max_attempts=2, jitter_strategy=JitterStrategy.NONE))


@durable_execution
def double(event: int, context: DurableContext) -> int:
    return context.step(lambda _: event * 2, name="double")


@durable_execution
def every_kind(event: Any, context: DurableContext) -> Any:
    def flaky(step: Any) -> str:
        if step.attempt == 1:
            raise RuntimeError("not yet")
        return "☕"

    context.step(flaky, name="flaky", config=StepConfig(retry_strategy=ONCE_MORE))
    context.wait(Duration.from_hours(1), name="wait")
    answer = context.wait_for_callback(
        lambda callback_id, _: None, name="approval", config=WaitForCallbackConfig(timeout=Duration.from_hours(2))
    )
    inner = context.run_in_child_context(lambda child: child.step(lambda _: [event], name="deep"), name="child")
    doubled = context.invoke("double:$LATEST", 21, name="durable")
    place = context.invoke("geo", {"ip": "192.0.2.1"}, name="plain")
    return [answer, inner, doubled, place]


class WholeExecutionTests(unittest.TestCase):
    def run_it(self, **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The history as tests are given it, and as boto3 reads it page by page."""
        with LocalDurableTestRunner(
            every_kind, durable_functions={"double": double}, functions={"geo": lambda event, context: "NL"}, **options
        ) as runner:
            runner.on_callback("approval").heartbeat(timedelta(minutes=1)).succeed("yes", after=timedelta(minutes=90))
            result = runner.run(ORDER)
            self.assertEqual(result.get_result(), ["yes", [ORDER], 42, "NL"])
            pages = (
                runner.lambda_client()
                .get_paginator("get_durable_execution_history")
                .paginate(DurableExecutionArn=result.arn, IncludeExecutionData=True, PaginationConfig={"PageSize": 3})
            )
            return result.history, [event for page in pages for event in page["Events"]]

    def test_an_execution_leaves_the_same_history_when_the_sdk_talks_through_boto3(self) -> None:
        history, read = self.run_it()
        with sdk_over_boto3() as clients:
            over_boto3, _ = self.run_it()
        self.assertEqual(over_boto3, history)
        self.assertEqual(len(clients), 7)
        self.assertEqual(read, history)

    def test_and_with_its_state_in_pages(self) -> None:
        history, _ = self.run_it()
        with sdk_over_boto3():
            self.assertEqual(self.run_it(state_page_size=2)[0], history)


class HarnessOverBoto3Tests(unittest.TestCase):
    def test_a_handler_can_be_played_by_hand(self) -> None:
        """Token by token, as the SDK does it."""
        execution: Started = Harness().start()
        client = Router(execution.harness.api).client()
        answer = client.checkpoint_durable_execution(**execution.request(start("STEP", "s", Name="charge")))
        (operation,) = answer["NewExecutionState"]["Operations"]
        self.assertEqual((operation["Name"], operation["Status"]), ("charge", "STARTED"))
        self.assertEqual(operation["StartTimestamp"], execution.harness.now)
        execution.token = answer["CheckpointToken"]
        client.checkpoint_durable_execution(**execution.request(succeed("STEP", "s", Payload='"☕"'), ClientToken="c"))
        self.assertEqual(execution.details("StepSucceeded")["Result"]["Payload"], '"☕"')
        answer = client.checkpoint_durable_execution(
            **execution.request(succeed("STEP", "s", Payload='"☕"'), ClientToken="c")
        )
        execution.token = answer["CheckpointToken"]
        self.assertEqual(execution.operations()["s"]["Status"], "SUCCEEDED")


if __name__ == "__main__":
    unittest.main()
