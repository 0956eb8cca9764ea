"""Runs that durabletest gives up: the caller, the log and the page are told why."""

from __future__ import annotations

import json
import unittest
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from freezegun import freeze_time

from durabletest.local.process_environment import process_environment
from durabletest.serve import serving
from tests.serve.case import BOUND, ServeTestCase
from tests.serve.served import client_of

frozen: list[Any] = []


@durable_execution
def invoking(_event: Any, context: DurableContext) -> Any:
    return context.invoke("nobody", 1, name="call")


@durable_execution
def killing(_event: Any, context: DurableContext) -> Any:
    """Ends the server's thread, as only a defect of durabletest could."""
    environment = process_environment._current
    assert environment is not None
    return context.step(lambda _: environment.server.post(lambda: 1 // 0), name="kill")  # type: ignore[arg-type, return-value]


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
        self.start("freezing")  # any change will do, and the clock is not held again
        self.assertEqual(self.ended(arn)["Status"], "SUCCEEDED")


class DeadServerTests(unittest.TestCase):
    def test_nobody_waits_for_a_server_that_has_died(self) -> None:
        """The thread that owns all executions ends while a request waits for the end of one."""
        with serving({"killing": killing}) as url:
            client = client_of(url)
            self.addCleanup(client.close)
            for _ in range(2):
                with self.assertRaises(client.exceptions.ServiceException) as caught:
                    client.invoke(FunctionName="killing:1")
                self.assertIn("died of ZeroDivisionError", str(caught.exception))
            for how in (b"{}", b'{"seconds": 1}'):
                with self.subTest(how), self.assertRaises(HTTPError) as refused:
                    urlopen(Request(f"{url}/durabletest/time", how), timeout=BOUND)
                with refused.exception:
                    self.assertIn("died of ZeroDivisionError", refused.exception.read().decode())


if __name__ == "__main__":
    unittest.main()
