"""A suite whose tests fail in every way; it is run by ``test_reporting``, and by pytest in a process of its own."""

from __future__ import annotations

import unittest
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import DurableTestCase
from tests.assertions import scenarios


class Raising:
    """A matcher that raises."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("cannot compare")


class Failing(scenarios.Shipped):
    def setUp(self) -> None:
        self.arrange()

    def test_claim(self) -> None:
        self.assertOperation("charge").attempts(3)

    def test_usage(self) -> None:
        self.assertOperation("charge").of_type("STPE")

    def test_begun(self) -> None:
        self.assertOperations(type="STEP")

    def test_missing(self) -> None:
        self.assertOperation("chrge")

    def test_soft(self) -> None:
        with self.softly():
            self.assertOperation("charge").attempts(3)
            self.assertOperation("cool-down").waited(hours=3)

    def test_plain_in_a_soft_scope(self) -> None:
        with self.softly():
            self.assertOperation("charge").attempts(3)
            self.assertEqual(1, 2)

    def test_nested_soft_scopes(self) -> None:
        with self.softly():
            self.assertOperation("charge").attempts(3)
            with self.softly():
                self.assertOperation("cool-down").waited(hours=3)
            self.assertOperation("cool-down").waited(hours=4)

    def test_skip_in_a_soft_scope(self) -> None:
        with self.softly():
            self.assertOperation("charge").attempts(3)
            self.skipTest("later")

    def test_skipped(self) -> None:
        self.skipTest("later")

    def test_matcher(self) -> None:
        self.assertOperation("charge").result(Raising())

    def test_plain(self) -> None:
        self.assertEqual(self.execute({"accepted": 1}).get_status(), "FAILED")

    def test_plain_on_details(self) -> None:
        one, other = (self.execute({"accepted": accepted}) for accepted in (1, 2))
        self.assertEqual(
            one.get_operation("charge").get_step_details(), other.get_operation("charge").get_step_details(), "attempts"
        )

    def test_plain_on_an_operation(self) -> None:
        self.assertEqual(self.execute({"accepted": 1}).get_operation("charge"), "receipt")

    def test_plain_on_a_result(self) -> None:
        self.assertEqual(self.execute({"accepted": 1}), {"status": "shipped"})

    def test_subtests(self) -> None:
        for number in (1, 3):
            with self.subTest(number=number):
                self.assertOperation("charge").attempts(number)
        self.assertEqual(1, 2)

    def test_two_executions(self) -> None:
        first = self.execute({"accepted": 1})
        with self.softly():
            self.assertOperation("charge").attempts(3)
            self.execute({"accepted": 2})
            self.assertOperation("charge").attempts(3)
            self.assertOperation("charge", execution=first).attempts(4)

    def test_no_result(self) -> None:
        self.execute({"accepted": 9}).get_result()

    @unittest.expectedFailure
    def test_expected(self) -> None:
        self.assertOperation("charge").attempts(3)


class Unasserted(scenarios.NotRun):
    def test_nothing_was_executed(self) -> None:
        self.assertEqual(1, 2)


@durable_execution
def bank(event: Any, context: DurableContext) -> str:
    def debit(_: StepContext) -> str:
        if event:
            raise scenarios.CardDeclined("no funds")
        return "paid"

    return context.step(debit, name="debit", config=StepConfig(retry_strategy=RetryPresets.none()))


@durable_execution
def shop(event: Any, context: DurableContext) -> Any:
    return context.invoke("bank", event, name="pay")


class Invoking(DurableTestCase):
    handler = shop
    durable_functions = {"bank": bank}

    def test_paid(self) -> None:
        self.execute(100)
        self.assertExecution().succeeded()

    def test_free(self) -> None:
        self.execute(0)
        self.assertExecution().failed()
