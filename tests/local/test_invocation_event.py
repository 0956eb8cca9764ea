"""The event of an invocation, as whatever is wrapped around a durable function sees it: Lambda's dictionary."""

from __future__ import annotations

import copy
import functools
import json
import unittest
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock
from unittest.mock import ANY

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python import execution as sdk_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.lambda_service import LambdaClient

from durabletest import DurableTestCase, ErrorDetails, HandlerNotDurableError, LocalDurableTestRunner, sdk

SEEN: list[dict[str, Any]] = []
KINDS: list[Any] = []


def middleware(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Reads the event as logging and tracing tools do."""

    @functools.wraps(handler)
    def wrapped(event: Any, context: Any) -> Any:
        assert isinstance(event, Mapping)
        assert event["DurableExecutionArn"] == event.get("DurableExecutionArn")
        assert event.get("Records") is None
        assert "CheckpointToken" in event
        KINDS.append(event)
        SEEN.append(json.loads(json.dumps(dict(event))))
        return handler(event, context)

    return wrapped


@middleware
@durable_execution
def wrapped(event: dict[str, int], context: DurableContext) -> int:
    result = context.step(lambda _: event["order"], name="step")
    context.wait(Duration.from_seconds(1), name="wait")
    return result


class WrappedHandlerTests(DurableTestCase):
    handler = wrapped

    def setUp(self) -> None:
        SEEN.clear()
        KINDS.clear()

    def test_it_is_the_event_that_lambda_invokes_with(self) -> None:
        result = self.execute({"order": 42})
        self.assertExecution().succeeded(42)
        first, second = SEEN
        self.assertEqual({first["DurableExecutionArn"], second["DurableExecutionArn"]}, {result.arn})
        self.assertNotEqual(first["CheckpointToken"], second["CheckpointToken"])
        self.assertEqual(second.get("UpdatedOperationIds", []), [result.get_operation("wait").id])
        types = [operation["Type"] for operation in second["InitialExecutionState"]["Operations"]]
        self.assertEqual(types, ["EXECUTION", "STEP", "WAIT"])

    def test_its_timestamps_are_milliseconds(self) -> None:
        self.execute({"order": 42})
        (execution,) = SEEN[0]["InitialExecutionState"]["Operations"]
        self.assertEqual(execution["StartTimestamp"], 1_767_225_600_000)
        self.assertEqual(execution["ExecutionDetails"], {"InputPayload": '{"order": 42}'})

    def test_it_is_a_dictionary_and_nothing_else(self) -> None:
        self.execute({"order": 42})
        self.assertIs(type(KINDS[0]), dict)
        self.assertIs(type(KINDS[0]["InitialExecutionState"]["Operations"][0]["StartTimestamp"]), int)
        copied = copy.deepcopy(KINDS[0])
        self.assertEqual(copied, KINDS[0])
        self.assertIsNot(copied["InitialExecutionState"], KINDS[0]["InitialExecutionState"])
        self.assertEqual(json.loads(json.dumps(KINDS[0])), KINDS[0])

    def test_what_a_wrapper_writes_into_it_stays_in_that_invocation(self) -> None:
        seen: list[dict[str, Any]] = []

        @functools.wraps(plain)
        def writing(event: dict[str, Any], context: Any) -> Any:
            seen.append(copy.deepcopy(event))
            event["x"] = 1
            event.setdefault("Records", []).append("record")
            event["InitialExecutionState"]["Operations"][0]["Name"] = "renamed"
            return plain(event, context)

        with LocalDurableTestRunner(writing) as runner:
            result = runner.run({"order": 42})
            self.assertEqual(result.get_result(), 42)
        self.assertEqual(len(seen), 2)
        for event in seen:
            self.assertFalse({"x", "Records"} & set(event))
            self.assertNotEqual(event["InitialExecutionState"]["Operations"][0].get("Name"), "renamed")
        self.assertNotIn("renamed", str(result.history))


@durable_execution
def plain(event: dict[str, int], context: DurableContext) -> int:
    result = context.step(lambda _: event["order"], name="step")
    context.wait(Duration.from_seconds(1), name="wait")
    return result


class OtherClient:
    """A Lambda client of the handler's own, which tests must not use."""


own_client = durable_execution(boto3_client=OtherClient())(
    lambda event, context: context.step(lambda _: 1, name="step")
)


def copying(handler: Callable[..., Any]) -> Callable[..., Any]:
    return lambda event, context: handler(copy.deepcopy(event), context)


def in_a_thread(handler: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(event: Any, context: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(handler, dict(event), context).result()

    return wrapped


class Application:
    def __init__(self, handler: Callable[..., Any]) -> None:
        self.handler = handler

    def __call__(self, event: Any, context: Any) -> Any:
        return self.handler({**event}, context)


def bound_method(handler: Callable[..., Any]) -> Callable[..., Any]:
    return Application(handler).__call__


class CopiedEventTests(unittest.TestCase):
    """A wrapper may hand a copy on: the decorator finds its client all the same."""

    def histories(self, handler: Callable[..., Any]) -> list[dict[str, Any]]:
        with LocalDurableTestRunner(handler) as runner:
            result = runner.run({"order": 42})
            self.assertEqual(result.get_status(), "SUCCEEDED", result.get_error())
            return result.history

    def test_r1_1_any_callable_around_the_decorator_is_a_handler(self) -> None:
        expected = self.histories(plain)
        for wrap in (copying, in_a_thread, Application, bound_method, middleware, functools.partial):
            with self.subTest(wrap.__name__):
                self.assertEqual(self.histories(wrap(plain)), expected)

    def test_a_client_of_the_decorators_own_is_not_used(self) -> None:
        self.histories(own_client)
        self.histories(copying(own_client))

    def test_outside_of_invocations_the_decorator_makes_its_own_client(self) -> None:
        event = {"DurableExecutionArn": "arn", "CheckpointToken": "token", "InitialExecutionState": {}}
        with (
            LocalDurableTestRunner(plain),
            mock.patch.object(LambdaClient, "initialize_client", side_effect=ZeroDivisionError),
            self.assertRaises(ZeroDivisionError),
        ):
            plain(event, None)
        self.assertIs(sdk_execution.LambdaClient, LambdaClient)


class WrapperFaultTests(unittest.TestCase):
    """What is wrapped around a durable function fails by itself: the function is not blamed."""

    def test_what_it_raises_fails_the_invocation_as_in_lambda(self) -> None:
        @functools.wraps(plain)
        def failing(event: Any, context: Any) -> Any:
            raise KeyError("region")

        for handler in (failing, in_a_thread(failing), Application(failing), functools.partial(failing)):
            with LocalDurableTestRunner(handler) as runner:
                result = runner.run({"order": 42})
                self.assertEqual(result.get_error(), ErrorDetails("KeyError", "'region'", None, ANY))
                self.assertEqual(len(result.get_invocations()), 5)

    def test_what_it_answers_without_a_call_is_said_to_be_its_answer(self) -> None:
        @functools.wraps(plain)
        def swallowing(event: Any, context: Any) -> Any:
            return {"statusCode": 500}

        with LocalDurableTestRunner(swallowing) as runner, self.assertRaises(HandlerNotDurableError) as caught:
            runner.run({"order": 42})
        self.assertIn("whatever is wrapped around it must call it, and pass its answer on", str(caught.exception))

    def test_a_function_that_is_found_nowhere_is_not_taken_for_decorated(self) -> None:
        for handler in (
            print,
            lambda event, context: plain(event, context),
            Application(print),
            mock.MagicMock(),
            dict,
        ):
            self.assertFalse(sdk.is_durable(handler))
        self.assertTrue(sdk.is_durable(Application(copying(functools.partial(plain)))))
