"""Runs that durabletest gives up: the caller, the log and the page are told why."""

from __future__ import annotations

import json
import unittest
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from freezegun import freeze_time

from tests.serve.case import ServeTestCase

frozen: list[Any] = []


@durable_execution
def invoking(_event: Any, context: DurableContext) -> Any:
    return context.invoke("nobody", 1, name="call")


@durable_execution
def freezing(_event: Any, context: DurableContext) -> Any:
    """Leaves another tool's clock behind."""
    from aws_durable_execution_sdk_python.config import Duration

    if not frozen:
        frozen.append(freeze_time("2020-01-01"))
        frozen[0].start()
    context.wait(Duration.from_hours(1), name="wait")
    return 1


class GivenUpTests(ServeTestCase):
    functions = {"invoking": invoking, "freezing": freezing}

    def test_a_function_that_is_not_there(self) -> None:
        with self.assertLogs("durabletest.serve", "ERROR") as logs:
            answer = self.client.invoke(FunctionName="invoking:1")
        error = json.loads(answer["Payload"].read())
        self.assertEqual((answer["FunctionError"], error["errorType"]), ("Unhandled", "FunctionNotRegisteredError"))
        self.assertIn("'nobody', which is not registered", error["errorMessage"])
        self.assertIn("was given up: the workflow invokes 'nobody'", logs.output[0])

    def test_a_clock_that_another_tool_holds_keeps_time_from_passing_and_is_told(self) -> None:
        with self.assertLogs("durabletest.serve", "ERROR") as logs:
            arn = self.start("freezing")
            self.wait_for(lambda: self.client.get_durable_execution(DurableExecutionArn=arn) and logs.output)
        frozen[0].stop()
        self.assertIn("time cannot pass", logs.output[0])
        self.client.pause_durable_execution(DurableExecutionArn=arn)  # any change will do
        self.client.resume_durable_execution(DurableExecutionArn=arn)
        self.assertEqual(self.ended(arn)["Status"], "SUCCEEDED")


if __name__ == "__main__":
    unittest.main()
