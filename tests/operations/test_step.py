"""Steps as users write them: retries, semantics, serialisers, results of every kind and size."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy
from aws_durable_execution_sdk_python.serdes import SerDes

from durabletest import DurableTestCase


class CardDeclined(Exception):
    pass


def retrying(attempts: int, seconds: int, rate: float = 2.0) -> StepConfig:
    return StepConfig(
        retry_strategy=create_retry_strategy(
            RetryStrategyConfig(
                max_attempts=attempts,
                initial_delay=Duration.from_seconds(seconds),
                backoff_rate=rate,
                jitter_strategy=JitterStrategy.NONE,
            )
        )
    )


@durable_execution
def flaky(event: dict[str, int], context: DurableContext) -> Any:
    def charge(step: Any) -> int:
        if step.attempt <= event["failures"]:
            raise CardDeclined(f"attempt {step.attempt}")
        return int(step.attempt)

    return context.step(charge, name="charge", config=retrying(4, 10))


class RetryTests(DurableTestCase):
    handler = flaky

    def test_a_step_that_succeeds_at_once_has_one_attempt(self) -> None:
        self.execute({"failures": 0})
        self.assertOperation("charge").succeeded(1).attempts(1)

    def test_r18_4_retries_wait_as_their_strategy_says(self) -> None:
        result = self.execute({"failures": 3})
        self.assertOperation("charge").succeeded(4).attempts(4)
        self.assertEqual(
            result.get_operation("charge").get_step_details().retry_delays,
            (timedelta(seconds=10), timedelta(seconds=20), timedelta(seconds=40)),
        )
        self.assertEqual(self.now, datetime(2026, 1, 1, 0, 1, 10, tzinfo=UTC))

    def test_r1_4_a_step_that_gives_up_fails_with_its_last_error_and_so_does_the_execution(self) -> None:
        self.execute({"failures": 9})
        self.assertOperation("charge").failed(CardDeclined, "attempt 4").attempts(4)
        self.assertExecution().failed(message="attempt 4")


@durable_execution
def never_retried(event: Any, context: DurableContext) -> Any:
    def fail(_: Any) -> None:
        raise ValueError("once is enough")

    try:
        context.step(fail, name="fail", config=StepConfig(retry_strategy=RetryPresets.none()))
    except Exception as error:
        return {"caught": str(error)}
    return None


class CaughtFailureTests(DurableTestCase):
    handler = never_retried

    def test_a_failed_step_that_the_workflow_catches_does_not_fail_the_execution(self) -> None:
        self.execute()
        self.assertOperation("fail").failed(ValueError, "once is enough").attempts(1)
        self.assertExecution().succeeded({"caught": "once is enough"})


@durable_execution
def at_most_once(event: Any, context: DurableContext) -> Any:
    config = StepConfig(
        step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=retrying(2, 5).retry_strategy
    )
    return context.step(lambda step: step.attempt, name="pay", config=config)


class SemanticsTests(DurableTestCase):
    handler = at_most_once

    def test_at_most_once_records_the_start_before_the_step_runs(self) -> None:
        result = self.execute()
        self.assertOperation("pay").succeeded(1).attempts(1)
        kinds = [event["EventType"] for event in result.history]
        self.assertEqual(
            kinds, ["ExecutionStarted", "StepStarted", "StepSucceeded", "InvocationCompleted", "ExecutionSucceeded"]
        )


class Shouting(SerDes[str]):
    """Writes text that is no JSON."""

    def serialize(self, value: str, serdes_context: Any) -> str:
        return f"<{value.upper()}>"

    def deserialize(self, data: str, serdes_context: Any) -> str:
        return data[1:-1].lower()


@dataclass(frozen=True)
class Money:
    amount: Decimal


VALUES = {
    "none": None,
    "text": "déjà vu",
    "number": 1.5,
    "list": [1, "two", None],
    "dict": {"nested": {"a": [1]}},
    "decimal": Decimal("12.30"),
    "datetime": datetime(2026, 5, 1, 12, tzinfo=UTC),
    "date": date(2026, 5, 1),
    "bytes": b"\x00\x01",
    "tuple": (1, 2),
}


@durable_execution
def values(event: Any, context: DurableContext) -> Any:
    for name, value in VALUES.items():
        got = context.step(lambda _, value=value: value, name=name)
        if got != value:
            raise AssertionError(f"{name}: {got!r}")
    context.wait(Duration.from_seconds(1))
    return context.step(lambda _: "quiet", name="custom", config=StepConfig(serdes=Shouting()))


class ValueTests(DurableTestCase):
    handler = values

    def test_results_are_decoded_with_the_serialiser_of_the_sdk(self) -> None:
        result = self.execute()
        for name, value in VALUES.items():
            with self.subTest(name):
                self.assertOperation(name).succeeded(value)
                self.assertIs(type(result.get_operation(name).get_step_details().result), type(value))

    def test_text_of_a_custom_serialiser_is_given_as_it_is(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded("quiet")
        self.assertEqual(result.get_operation("custom").get_step_details().payload, "<QUIET>")


@durable_execution
def unnamed(event: Any, context: DurableContext) -> Any:
    def fetch_rates(_: Any) -> int:
        return 1

    return context.step(fetch_rates) + context.step(lambda _: 2)


class UnnamedTests(DurableTestCase):
    handler = unnamed

    def test_unnamed_operations_are_found_by_their_index(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded(3)
        results = [result.get_operation_by_index(index).get_step_details().result for index in (0, 1)]
        self.assertEqual(results, [1, 2])
