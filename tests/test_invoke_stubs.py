"""Chained invokes stubbed by the function's name: how they end, when, and stubs that nothing has used."""

from __future__ import annotations

import io
import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import (
    CloudDurableTestRunner,
    DurableTestCase,
    ExecutionStatus,
    FunctionNotRegisteredError,
    InvokeCall,
    LocalDurableTestRunner,
    NeverUsedError,
    NotAvailableError,
    PayloadError,
    Pending,
    UsageError,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
CHARGE_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:charge-card:prod"


@durable_execution
def checkout(event: Any, context: DurableContext) -> Any:
    return context.invoke(event.get("function", "charge-card"), {"amount": 10}, name="charge")


@durable_execution
def twice(event: Any, context: DurableContext) -> Any:
    return [context.invoke("charge-card", number, name=f"charge {number}") for number in range(2)]


@durable_execution
def race(event: Any, context: DurableContext) -> Any:
    def invoke(branch: DurableContext) -> Any:
        value = branch.invoke("slow", {}, name="slow")
        return [value, branch.step(lambda _: datetime.now(UTC).isoformat(), name="after slow")]

    def wait(branch: DurableContext) -> str:
        branch.wait(Duration.from_minutes(30), name="half an hour")
        return str(branch.step(lambda _: datetime.now(UTC).isoformat(), name="after wait"))

    return context.parallel([invoke, wait], name="both").get_results()


class CheckoutTests(DurableTestCase):
    handler = checkout

    def test_it_succeeds(self) -> None:
        stub = self.stub_invoke("charge-card").succeeds({"id": 1})
        result = self.execute({})
        self.assertExecution().succeeded({"id": 1})
        self.assertOperation("charge").succeeded({"id": 1})
        self.assertEqual(self.now, START)
        self.assertEqual(stub.received, [InvokeCall("charge-card", {"amount": 10}, result.arn)])

    def test_it_succeeds_with_nothing(self) -> None:
        self.stub_invoke("charge-card").succeeds()
        self.assertIsNone(self.execute({}).get_result())

    def test_it_fails(self) -> None:
        self.stub_invoke("charge-card").fails("CardDeclined", "no funds", data="E42")
        self.execute({})
        self.assertExecution().failed(message="no funds")
        error = self.runner.get_operation("charge").get_invoke_details().error
        assert error is not None
        self.assertEqual((error.type, error.message, error.data), ("CardDeclined", "no funds", "E42"))

    def test_it_fails_with_an_exception(self) -> None:
        self.stub_invoke("charge-card").fails(ValueError("no funds"))
        self.execute({})
        self.assertOperation("charge").failed("ValueError", "no funds")

    def test_it_times_out(self) -> None:
        self.stub_invoke("charge-card").times_out(after=timedelta(minutes=15))
        self.execute({})
        self.assertOperation("charge").timed_out()
        self.assertExecution().failed(message="CHAINED_INVOKE timed out after 900 seconds.")
        self.assertEqual(self.now, START + timedelta(minutes=15))

    def test_delays_are_virtual(self) -> None:
        self.stub_invoke("charge-card").succeeds(1, after=timedelta(hours=3))
        self.execute({})
        self.assertOperation("charge").took(hours=3)

    def test_the_history_is_that_of_an_invoke(self) -> None:
        self.stub_invoke("charge-card").succeeds(1)
        history = self.execute({}).history
        self.assertEqual(
            [event["EventType"] for event in history],
            [
                "ExecutionStarted",
                "ChainedInvokeStarted",
                "InvocationCompleted",
                "ChainedInvokeSucceeded",
                "InvocationCompleted",
                "ExecutionSucceeded",
            ],
        )
        started = history[1]["ChainedInvokeStartedDetails"]
        self.assertEqual((started["FunctionName"], started["ExecutedVersion"]), ("charge-card", "$LATEST"))

    def test_qualified_names_and_arns_find_it(self) -> None:
        for function in ("charge-card", "charge-card:prod", CHARGE_ARN):
            with self.subTest(function):
                self.stub_invoke("charge-card").succeeds(function)
                self.assertEqual(self.execute({"function": function}).get_result(), function)

    def test_a_qualified_stub_is_for_that_qualifier(self) -> None:
        self.stub_invoke("charge-card:prod").succeeds("prod")
        self.stub_invoke("charge-card").succeeds("any")
        self.assertEqual(self.execute({"function": CHARGE_ARN}).get_result(), "prod")
        self.assertEqual(self.execute({"function": "charge-card:test"}).get_result(), "any")

    def test_an_invoke_that_is_not_over(self) -> None:
        self.stub_invoke("charge-card").succeeds(1, after=timedelta(hours=3))
        execution = self.start({})
        execution.advance(timedelta(hours=1))
        self.assertEqual(execution.pending(), [Pending("charge", "stubbed invoke", START + timedelta(hours=3))])
        execution.stop()
        self.assertEqual(execution.status, ExecutionStatus.STOPPED)

    def test_a_result_that_is_too_large_fails_the_invoke(self) -> None:
        self.stub_invoke("charge-card").succeeds("x" * (1 << 20))
        self.execute({})
        self.assertOperation("charge").failed()

    def test_a_result_that_is_no_json_is_refused_at_once(self) -> None:
        with self.assertRaisesRegex(PayloadError, r"result\['at'\] is a datetime"):
            self.stub_invoke("charge-card", optional=True).succeeds({"at": START})


class ChainTests(DurableTestCase):
    handler = twice
    functions = {"charge-card": lambda event, context: "real"}

    def test_one_after_the_other(self) -> None:
        stub = self.stub_invoke("charge-card").succeeds(1).then_succeeds(2, after=timedelta(hours=1))
        self.assertEqual(self.execute().get_result(), [1, 2])
        self.assertEqual([call.payload for call in stub.received], [0, 1])

    def test_the_last_one_repeats(self) -> None:
        self.stub_invoke("charge-card").succeeds(1)
        self.assertEqual(self.execute().get_result(), [1, 1])

    def test_the_stub_wins_until_it_is_used_up(self) -> None:
        self.stub_invoke("charge-card").succeeds(1, times=1)
        self.assertEqual(self.execute().get_result(), [1, "real"])

    def test_other_functions_are_invoked_as_ever(self) -> None:
        self.stub_invoke("refund", optional=True).succeeds(1)
        self.assertEqual(self.execute().get_result(), ["real", "real"])

    def test_other_ends_in_a_chain(self) -> None:
        for end, status in (("then_fails", "failed"), ("then_times_out", "timed_out")):
            with self.subTest(end):
                getattr(self.stub_invoke("charge-card").succeeds(1), end)()
                self.execute()
                getattr(self.assertOperation("charge 1"), status)()


class RaceTests(DurableTestCase):
    handler = race

    def test_other_timers_come_due_in_their_order(self) -> None:
        self.stub_invoke("slow").succeeds("done", after=timedelta(hours=1))
        self.assertEqual(
            self.execute().get_result(), [["done", "2026-01-01T01:00:00+00:00"], "2026-01-01T00:30:00+00:00"]
        )


class SecondsTests(DurableTestCase):
    handler = checkout

    def test_a_number_is_a_number_of_seconds(self) -> None:
        self.stub_invoke("charge-card").succeeds(1, after=90)
        self.execute({})
        self.assertOperation("charge").took(seconds=90)


class MisuseTests(DurableTestCase):
    handler = checkout

    def test_wrong_input(self) -> None:
        stub = self.stub_invoke("charge-card", optional=True)
        name = "stub_invoke('charge-card')"
        cases: list[tuple[Callable[[], object], str]] = [
            (
                lambda: self.stub_invoke(""),
                "stub_invoke(''): give the name of a function, as the workflow invokes it",
            ),
            (
                lambda: stub.then_succeeds(1),
                f"{name}.then_succeeds(...) follows nothing: begin with {name}.succeeds(...)",
            ),
            (
                lambda: stub.succeeds(1, after=timedelta(-1)),
                f"after of {name} is datetime.timedelta(days=-1): time does not go back; give a duration that is not "
                "negative",
            ),
            (
                lambda: stub.times_out(after="5"),  # type: ignore[arg-type]
                f"after of {name} is '5': give a timedelta, or a number of seconds",
            ),
            (
                lambda: stub.fails("E", times=True),
                f"{name}: times=True means nothing; give a number from 1 on, or leave it out",
            ),
        ]
        for call, message in cases:
            with self.subTest(message), self.assertRaises(UsageError) as refusal:
                call()
            self.assertEqual(str(refusal.exception), message)

    def test_a_used_up_stub_of_a_function_that_is_not_registered(self) -> None:
        self.stub_invoke("charge-card").succeeds(1, times=1)
        self.execute({})
        with self.assertRaisesRegex(FunctionNotRegisteredError, r"stub_invoke\('charge-card'\) is there, and used up$"):
            self.execute({})

    def test_a_stub_that_says_nothing_of_a_function_that_is_not_registered(self) -> None:
        stub = self.stub_invoke("charge-card")
        with self.assertRaisesRegex(FunctionNotRegisteredError, r"The stub .* is there, and says nothing$"):
            self.execute({})
        complaint = "stub_invoke('charge-card') was never used: it says nothing; write what happens, "
        self.assertEqual(self.runner.unused(), complaint + "stub_invoke('charge-card').succeeds(...) for example")
        stub.optional = True

    def test_an_unknown_function_can_be_stubbed(self) -> None:
        with self.assertRaisesRegex(FunctionNotRegisteredError, r"stub_invoke\('charge-card'\)\.succeeds\(\.\.\.\)$"):
            self.execute({})

    def test_in_the_cloud(self) -> None:
        runner = CloudDurableTestRunner("orders:live", client=mock.MagicMock())
        self.addCleanup(runner.close)
        with self.assertRaisesRegex(NotAvailableError, r"^stub_invoke\('charge'\) is local: .* @local_only$"):
            runner.stub_invoke("charge")


class UnusedStubTests(unittest.TestCase):
    def complaint(self, name: str, run: bool = True) -> str:
        with LocalDurableTestRunner(checkout, functions={"charge-card": lambda event, context: 1}) as runner:
            if run:
                runner.run({})
            runner.stub_invoke(name).succeeds(1)
            with self.assertRaises(NeverUsedError) as error:
                runner.verify_used()
            runner.reset()
            self.assertIsNone(runner.unused())
        return str(error.exception)

    def test_every_reason(self) -> None:
        for name, run, reason in (
            ("charge-card", False, "nothing was executed"),
            (
                "charge-card",
                True,
                "'charge-card' was invoked before it was there: write stub_invoke(...) before self.execute(...)",
            ),
            (
                "charge",
                True,
                "'charge' is the name of an operation; the function that it invokes is 'charge-card': write "
                "stub_invoke('charge-card')",
            ),
            (
                "chrage-card",
                True,
                "no function of that name was invoked; did you mean 'charge-card'?\n"
                "The functions that the test's executions invoked: 'charge-card'\n"
                "If it need not be used, write stub_invoke('chrage-card', optional=True)",
            ),
        ):
            with self.subTest(name, run=run):
                self.assertEqual(self.complaint(name, run), f"stub_invoke({name!r}) was never used: {reason}")

    def test_a_test_fails_with_every_unused_stub(self) -> None:
        class Suite(DurableTestCase):
            handler = checkout

            def test(self) -> None:
                self.stub_invoke("charge-card").succeeds(1)
                self.stub_invoke("refund").succeeds(1)
                self.stub_step("ship").returns(1)
                self.execute({})

        result = unittest.TextTestRunner(io.StringIO()).run(unittest.TestSuite([Suite("test")]))
        [(_, text)] = result.failures
        self.assertEqual(
            [line.split(":")[-2:-1] for line in text.splitlines() if "was never used" in line],
            [[" stub_step('ship') was never used"], ["stub_invoke('refund') was never used"]],
        )
