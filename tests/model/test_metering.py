"""What an execution is billed for: each row of the published table of durable operations."""

from __future__ import annotations

import json
import unittest
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from durabletest import ConfigurationError, Cost, PayloadError, Prices, TestResult, UsageError
from durabletest.model.history import History
from durabletest.model.metering import operations_of
from tests.model.histories import Script, View, error, payload, retry

MILLISECOND = timedelta(milliseconds=1)


def cost(script: Script, **arguments: Any) -> Cost:
    return TestResult(View(script)).cost(**arguments)


def bytes_of(script: Script) -> int:
    """The bytes that are written besides the execution's input, ``{}``."""
    return cost(script).bytes_written - len("{}")


def retried() -> Script:
    script = Script().op("StepStarted", "1", name="charge")
    script.op("StepFailed", "1", {"Error": error("E", "no"), "RetryDetails": retry(1, 300)}).at(300).op(
        "StepStarted", "1"
    )
    return script.op("StepSucceeded", "1", {"Result": payload('"receipt"'), "RetryDetails": retry(2)})


def polled() -> Script:
    """Two polls that go on, and one that does not."""
    script = Script()
    for attempt in (1, 2, 3):
        script.op("StepStarted", "1", name="poll", sub_type="WaitForCondition")
        delay = 60 if attempt < 3 else None
        script.op("StepSucceeded", "1", {"Result": payload(f"{attempt}"), "RetryDetails": retry(attempt, delay)})
    return script


def approved() -> Script:
    """The answer is written with the callback, and as the result of the context."""
    script = Script().wait_for_callback("1", "approval").submitted("1")
    script.op("CallbackSucceeded", "1-1", {"Result": payload('"yes"')})
    return script.op("ContextSucceeded", "1", {"Result": payload('"yes"')})


def parallel() -> Script:
    script = Script().context("p", "Parallel", name="all")
    for branch in ("p-1", "p-2"):
        script.context(branch, "ParallelBranch", name=branch, parent="p")
        script.op("ContextSucceeded", branch, {"Result": payload("1")})
    return script.op("ContextSucceeded", "p", {"Result": payload("[1, 1]")})


def child_context() -> Script:
    script = Script().context("c", "RunInChildContext", name="order").step("c-1", "7", name="charge", parent="c")
    return script.op("ContextSucceeded", "c", {"Result": payload("8")})


def invoked() -> Script:
    script = Script().op("ChainedInvokeStarted", "1", {"FunctionName": "f", "Input": payload("[1]")}, name="invoke")
    return script.op("ChainedInvokeSucceeded", "1", {"Result": payload("2")})


def crashed() -> Script:
    script = Script()
    for _ in range(2):
        script.add(
            "InvocationCompleted", {"StartTimestamp": script.events[0]["EventTimestamp"], "Error": error("E", "x")}
        )
    return script


ROWS: list[tuple[str, Callable[[], Script], int, int]] = [
    ("the start, with the input", Script, 1, 0),
    ("no operation for the end, with the output", lambda: Script().succeeded('"shipped"'), 1, len('"shipped"')),
    ("a step", lambda: Script().step("1", '"receipt"'), 2, len('"receipt"')),
    ("a step that has begun", lambda: Script().op("StepStarted", "1"), 1, 0),
    ("each attempt", retried, 3, len('"receipt"') + len(json.dumps({"ErrorType": "E", "ErrorMessage": "no"}))),
    ("a wait, when it begins", lambda: Script().wait("1", 60), 2, 0),
    ("a wait that is over", lambda: Script().wait("1", 60).op("WaitSucceeded", "1", {"Duration": 60}), 2, 0),
    ("each poll", polled, 4, 3),
    ("a callback", lambda: Script().callback("1", "cb"), 2, 0),
    (
        "no operation for its answer",
        lambda: Script().callback("1", "cb").op("CallbackSucceeded", "1", {"Result": payload("yes")}),
        2,
        len("yes"),
    ),
    ("a wait_for_callback: context, callback and step", approved, 4, 2 * len('"yes"') + len("null")),
    ("a parallel and its branches", parallel, 4, len("1") * 2 + len("[1, 1]")),
    ("a child context, when it ends", child_context, 3, len("78")),
    ("a child context that has begun", lambda: Script().context("c", "RunInChildContext"), 1, 0),
    ("a chained invoke, and what goes to and fro", invoked, 2, len("[1]2")),
    ("an invocation that is repeated", crashed, 2, len(json.dumps({"ErrorType": "E", "ErrorMessage": "x"}))),
]


class MeteringTests(unittest.TestCase):
    def test_each_row_of_the_table(self) -> None:
        for title, script, operations, written in ROWS:
            with self.subTest(title):
                self.assertEqual((cost(script()).operations, bytes_of(script())), (operations, written))

    def test_what_they_are_billed_for(self) -> None:
        billed = operations_of(History(retried().wait("2", 60, name="cool-down").events))
        self.assertEqual(billed, {"the start": 1, "step 'charge'": 2, "wait 'cool-down'": 1})
        self.assertEqual(operations_of(History(crashed().events)), {"the start": 1, "repeated invocations": 1})

    def test_bytes_are_those_of_utf_8(self) -> None:
        self.assertEqual(bytes_of(Script().step("1", '"é"')), 4)

    def test_what_the_service_has_truncated_cannot_be_metered(self) -> None:
        script = (
            Script().op("StepStarted", "1").op("StepSucceeded", "1", {"Result": {"Payload": "x", "Truncated": True}})
        )
        with self.assertRaisesRegex(
            PayloadError, "^the service has truncated the Result of StepSucceeded at 2026-01-01"
        ):
            cost(script)
        self.assertEqual(operations_of(History(script.events)).total(), 2)


class CostTests(unittest.TestCase):
    """Amounts by the prices of US East (N. Virginia)."""

    def test_the_example_of_the_price_list(self) -> None:
        """A million executions of four operations cost $32."""
        script = Script().step("1").wait("2", 60).step("3").succeeded()
        self.assertEqual(cost(script).amounts["operations"] * 1_000_000, 32)

    def test_data_written_and_retained(self) -> None:
        script = Script().step("1", "x" * (2**20 - 2))
        self.assertEqual(cost(script).amounts["written"] * 1024, Decimal("0.25"))
        month = cost(script.at(10 * 3_600).succeeded(""), retention_days=30)
        self.assertEqual(month.gb_months, Decimal(1) / 1024)
        self.assertEqual(month.amounts["retained"] * 1024, Decimal("0.15"))

    def test_compute_is_billed_by_the_millisecond_and_by_the_memory(self) -> None:
        script = Script().invocation(0).at(1.0005)
        script.invocation(0)
        found = cost(script, memory=512)
        self.assertEqual(found.invocations, 2)
        self.assertEqual(found.gb_seconds, Decimal("0.5") * (1 + 1001) / 1000)
        self.assertEqual(found.amounts["requests"], Decimal("0.0000004"))
        assumed = cost(script, memory=2048, invocation_duration=0.25)
        self.assertEqual(assumed.gb_seconds, 1)
        self.assertEqual(assumed.amounts["compute"], Decimal("0.0000166667"))
        for nothing in (0, timedelta(0)):
            self.assertEqual(cost(script, memory=1024, invocation_duration=nothing).gb_seconds, Decimal("0.002"))

    def test_prices_can_be_replaced(self) -> None:
        script = Script().step("1").invocation(0)
        prices = Prices(
            operations=Decimal(1_000_000), written=Decimal(0), requests=Decimal(2_000_000), compute=Decimal(0)
        )
        found = cost(script, prices=prices, retention_days=1)
        self.assertEqual(found.total - found.amounts["retained"], 4)

    def test_as_text(self) -> None:
        script = Script().step("1", "x" * 1_000).wait("2", 3_600).at(3_600).invocation(0).succeeded()
        self.assertEqual(
            str(cost(script, memory=512, invocation_duration=timedelta(seconds=2))),
            "3 durable operations             $0.00002400\n"
            "1,006 bytes written              $0.00000023\n"
            "4.33e-7 GB-months retained       $0.00000006\n"
            "1 requests                       $0.00000020\n"
            "1.0 GB-seconds of compute        $0.00001667\n"
            "total                            $0.00004117".replace("\n", "\n"),
        )

    def test_wrong_arguments(self) -> None:
        for arguments, kind, message in (
            ({"memory": 64}, ConfigurationError, "^memory is 64: give a whole number of MB, from 128"),
            ({"retention_days": 0}, ConfigurationError, "^retention_days is 0: give a whole number of days"),
            ({"invocation_duration": "long"}, UsageError, "invocation_duration"),
        ):
            with self.assertRaisesRegex(kind, message):
                cost(Script(), **arguments)


if __name__ == "__main__":
    unittest.main()
