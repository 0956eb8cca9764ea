"""Requirement 1: the local test runner."""

from __future__ import annotations

import functools
import unittest
from collections.abc import Callable
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import ErrorDetails, ExecutionFailedError, LocalDurableTestRunner, OperationNotFoundError, TestResult
from tests.acceptance.workflows import double, everything, failing, order


@durable_execution
def greet(event: str, context: DurableContext) -> str:
    return context.step(lambda _: f"hello {event}", name="greet")


class Greeter:
    """Handlers as objects have them: durable functions made of bound methods, and methods that call one."""

    def __init__(self) -> None:
        self.durable = durable_execution(self.workflow)

    def workflow(self, event: str, context: DurableContext) -> str:
        return context.step(lambda _: f"hello {event}", name="greet")

    def method(self, event: Any, context: Any) -> Any:
        return self.durable(event, context)

    def __call__(self, event: Any, context: Any) -> Any:
        return self.durable(event, context)


def traced(handler: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def wrapper(event: Any, context: Any) -> Any:
        return handler(event, context)

    return wrapper


def with_client(client: str, event: Any, context: Any) -> Any:
    return greet(event, context)


class LocalRunnerTests(unittest.TestCase):
    def test_r1_1_any_callable_of_event_and_context_is_a_handler(self) -> None:
        handlers = {
            "function": greet,
            "made of a bound method": Greeter().durable,
            "bound method": Greeter().method,
            "callable object": Greeter(),
            "partial": functools.partial(with_client, "client"),
            "wrapped": traced(greet),
            "lambda": lambda event, context: greet(event, context),
        }
        for kind, handler in handlers.items():
            with self.subTest(kind), LocalDurableTestRunner(handler) as runner:
                self.assertEqual(runner.run("ann").get_result(), "hello ann")
                self.assertEqual(runner.get_operation("greet").status, "SUCCEEDED")

    def test_r1_2_run_executes_the_handler_with_the_payload_and_returns_its_result(self) -> None:
        seen: list[Any] = []

        @durable_execution
        def note(event: Any, context: DurableContext) -> str:
            seen.append(event)
            return "noted"

        payload = {"order": 42, "items": [{"sku": "a", "price": 1.5}, None], "ünïcode": True}
        with LocalDurableTestRunner(note) as runner:
            result = runner.run(payload)
        self.assertIsInstance(result, TestResult)
        self.assertEqual(result.get_result(), "noted")
        self.assertEqual(seen, [payload])

    def test_r1_3_a_handler_that_returns_ends_with_succeeded_and_its_value(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            result = runner.run({"order": 42})
        self.assertEqual(result.get_status(), "SUCCEEDED")
        self.assertEqual(result.get_result(), {"order": 42, "receipt": "receipt"})
        self.assertIsNone(result.get_error())

    def test_r1_4_a_handler_that_raises_ends_with_failed_and_the_error(self) -> None:
        with LocalDurableTestRunner(failing) as runner:
            result = runner.run()
        error = result.get_error()
        self.assertEqual(result.get_status(), "FAILED")
        assert isinstance(error, ErrorDetails)
        self.assertEqual(error.message, "declined 1 times")
        self.assertRegex(str(result.get_operation("charge").error), r"CardDeclined: declined 1 times$")
        with self.assertRaises(ExecutionFailedError):
            result.get_result()

    def test_r1_5_operations_of_every_type_are_captured(self) -> None:
        with LocalDurableTestRunner(everything, functions={"double": double}) as runner:
            runner.on_callback("callback").succeed("yes")
            result = runner.run()
        self.assertEqual(
            [(operation.name, operation.type, operation.status) for operation in result.get_operations()],
            [
                ("step", "STEP", "SUCCEEDED"),
                ("wait", "WAIT", "SUCCEEDED"),
                ("callback", "CALLBACK", "SUCCEEDED"),
                ("invoke", "CHAINED_INVOKE", "SUCCEEDED"),
                ("context", "CONTEXT", "SUCCEEDED"),
                ("inner", "STEP", "SUCCEEDED"),
            ],
        )

    def test_r1_6_after_reset_nothing_is_left_and_the_same_run_gives_the_same_history(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            first = runner.run({"order": 42})
            history, arn = first.get_history_events(), first.arn
            runner.reset()
            with self.assertRaises(OperationNotFoundError):
                runner.get_operation("charge")
            with self.assertRaises(runner.client.exceptions.ResourceNotFoundException):
                runner.client.get_durable_execution(DurableExecutionArn=arn)
            self.assertEqual(runner.run({"order": 42}).get_history_events(), history)
