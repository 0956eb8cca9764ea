"""Requirement 7: the functions that a workflow invokes."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import FunctionNotRegisteredError, LocalDurableTestRunner
from tests.acceptance.workflows import double, sleeper


@durable_execution
def invoking(event: dict[str, Any], context: DurableContext) -> Any:
    return context.invoke(event["function"], event.get("payload"), name="invoke")


@durable_execution
def outer(event: int, context: DurableContext) -> Any:
    return [context.invoke("inner", event, name="first"), context.invoke("double", event, name="second")]


@durable_execution
def inner(event: int, context: DurableContext) -> int:
    return context.step(lambda _: context.lambda_context.function_name, name="who") and event + 1


class RegistrationTests(unittest.TestCase):
    def setUp(self) -> None:
        self.runner = self.enterContext(LocalDurableTestRunner(invoking))

    def test_r7_1_a_registered_durable_function_is_an_execution_of_its_own(self) -> None:
        self.runner.register_durable_function("sleeper", sleeper)
        result = self.runner.run({"function": "sleeper"})
        self.assertEqual(result.get_result(), "rested")
        invoke = result.get_operation("invoke")
        self.assertEqual(invoke.duration, timedelta(hours=2))
        child_arn = invoke.get_invoke_details().child_arn
        assert child_arn is not None
        child = self.runner.execution(child_arn).result(timeout=5)
        self.assertNotEqual(child.arn, result.arn)
        self.assertEqual([operation.name for operation in child.get_operations()], ["sleep"])
        self.assertEqual(child.get_history_events()[0]["EventType"], "ExecutionStarted")

    def test_r7_2_a_registered_plain_function_is_called_with_the_payload_and_a_context(self) -> None:
        calls: list[tuple[Any, str]] = []

        def note(event: Any, context: Any) -> str:
            calls.append((event, context.function_name))
            return "noted"

        self.runner.register_function("note", note)
        result = self.runner.run({"function": "note", "payload": {"a": [1]}})
        self.assertEqual(result.get_result(), "noted")
        self.assertEqual(calls, [({"a": [1]}, "note")])
        self.assertIsNone(result.get_operation("invoke").get_invoke_details().child_arn)

    def test_r7_3_registered_functions_are_what_the_workflow_invokes(self) -> None:
        with LocalDurableTestRunner(outer, durable_functions={"inner": inner}, functions={"double": double}) as runner:
            self.assertEqual(runner.run(21).get_result(), [22, 42])
            runner.register_function("double", lambda event, context: "registered later")
            self.assertEqual(runner.run(21).get_result(), [22, "registered later"])

    def test_r7_4_unregistered_function_is_an_error(self) -> None:
        self.runner.register_function("double", double)
        with self.assertRaises(FunctionNotRegisteredError) as caught:
            self.runner.run({"function": "duoble"})
        message = str(caught.exception)
        self.assertIn("'duoble', which is not registered", message)
        self.assertIn("Did you mean 'double'?", message)
        invoke = self.runner.get_operation("invoke")
        self.assertEqual(invoke.status, "FAILED")
        self.assertIn("duoble", str(invoke.error))
