"""Executions without an end are ended: by the service's longest life, or by a bound far beyond what it allows."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import (
    DurableTestCase,
    EndlessExecutionError,
    ExecutionStuckError,
    LocalDurableTestRunner,
)
from durabletest.local.server import limits

FOR_EVER = StepConfig(retry_strategy=lambda *_: RetryDecision.retry(Duration.from_seconds(1)))
A_YEAR = timedelta(days=366)


@durable_execution
def waits(event: list[int], context: DurableContext) -> str:
    """Waits of so many days."""
    for days in event:
        context.wait(Duration.from_days(days), name=f"{days} days")
    return "done"


@durable_execution
def looping(event: int, context: DurableContext) -> str:
    """So many rounds of a step that asks and one that does."""
    while context.step(lambda _: "more", name="ask") == "more" and event:
        context.step(lambda _: None, name="do")
        event -= 1
    return "done"


@durable_execution
def failing(event: int, context: DurableContext) -> None:
    def attempt(step: Any) -> None:
        if step.attempt < event:
            raise ConnectionError

    context.step(attempt, name="try", config=FOR_EVER)


@durable_execution
def replaying(event: int, context: DurableContext) -> None:
    for _ in range(event):
        context.wait(Duration.from_seconds(1), name="tick")


@durable_execution
def invoking_itself(event: int, context: DurableContext) -> Any:
    return context.invoke("itself", event - 1, name="deeper") if event else "the end"


@durable_execution
def doubling(event: int, context: DurableContext) -> None:
    context.parallel(
        [lambda child: child.invoke("itself", event - 1), lambda child: child.invoke("itself", event - 1)]
        if event
        else [lambda child: child.step(lambda _: 1)]
    )


class LongestLifeTests(unittest.TestCase):
    def run_waits(self, *days: int) -> tuple[str, timedelta]:
        with LocalDurableTestRunner(waits) as runner:
            begun = runner.now
            return runner.run(list(days)).get_status(), runner.now - begun

    def test_the_service_ends_an_execution_after_366_days(self) -> None:
        self.assertEqual(self.run_waits(300, 300), ("TIMED_OUT", A_YEAR))
        self.assertEqual(self.run_waits(30, *[30] * 20), ("TIMED_OUT", A_YEAR))

    def test_what_takes_no_longer_succeeds(self) -> None:
        self.assertEqual(self.run_waits(366), ("SUCCEEDED", A_YEAR))
        self.assertEqual(self.run_waits(300, 66), ("SUCCEEDED", A_YEAR))

    def test_a_forgotten_callback_is_stuck_and_not_timed_out(self) -> None:
        @durable_execution
        def asking(event: Any, context: DurableContext) -> Any:
            return context.create_callback(name="answer").result()

        with LocalDurableTestRunner(asking) as runner:
            begun = runner.now
            with self.assertRaises(ExecutionStuckError):
                runner.run()
            self.assertEqual(runner.now, begun)
            execution = runner.start()
            execution.advance(timedelta(days=365))
            self.assertEqual((execution.status, len(execution.pending())), ("RUNNING", 1))
            execution.advance(timedelta(days=2))
            self.assertEqual(execution.status, "TIMED_OUT")
            self.assertEqual(execution.result().history[-1]["EventTimestamp"], begun + A_YEAR)

    def test_a_child_has_a_life_of_its_own(self) -> None:
        @durable_execution
        def parent(event: Any, context: DurableContext) -> Any:
            context.wait(Duration.from_days(100), name="first")
            return context.invoke("waits", [300, 300], name="child")

        with LocalDurableTestRunner(parent, durable_functions={"waits": waits}) as runner:
            result = runner.run()
            self.assertEqual((result.get_status(), result.get_operation("child").status), ("TIMED_OUT", "TIMED_OUT"))


class BoundTests(unittest.TestCase):
    def setUp(self) -> None:
        for name, bound in {
            "MAX_OPERATIONS": 20,
            "MAX_INVOCATIONS": 10,
            "MAX_REPLAYED": 30,
            "MAX_EXECUTIONS": 12,
            "MAX_DEPTH": 5,
        }.items():
            self.enterContext(patch.object(limits, name, bound))

    def check(self, handler: Any, most: int, *message: str) -> None:
        """The handler ends with this payload, and goes too far with one more."""
        with LocalDurableTestRunner(handler, durable_functions={"itself": handler}) as runner:
            self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")
            for _ in range(2):
                with self.assertRaises(EndlessExecutionError) as caught:
                    runner.run(most + 1)
                for part in message:
                    self.assertRegex(str(caught.exception), part)
            self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")

    def test_too_many_operations(self) -> None:
        self.check(
            looping,
            9,
            r"^execution 'execution-\d' has no end: more than 20 operations. Most of what it does is\n",
            r"\n  'ask', STEP: 1\d operations, 1\d attempts\n  'do', STEP: 10 operations, 10 attempts\n",
            r"stub_step\('ask'\).returns\(..., times=3\)",
        )

    def test_too_many_invocations(self) -> None:
        self.check(failing, 10, "more than 10 invocations", "'try', STEP: 1 operations, 10 attempts")

    def test_too_many_replays(self) -> None:
        self.check(replaying, 7, "8 operations, which each of 9 invocations replays", "'tick', WAIT: 8 operations")

    def test_too_deep_a_chain(self) -> None:
        self.check(invoking_itself, 5, "a chain of more than 5 executions, each invoked by the one before")

    def test_too_large_a_family(self) -> None:
        self.check(doubling, 2, "more than 12 executions that came of one")


class FigureTests(DurableTestCase):
    handler = looping

    def test_the_service_allows_less_than_the_bounds(self) -> None:
        self.assertEqual((limits.MAX_OPERATIONS, limits.MAX_INVOCATIONS), (10_000, 5_000))
        self.assertGreater(limits.MAX_REPLAYED, sum(range(3_000)))

    def test_the_error_ends_the_run_and_not_the_class(self) -> None:
        with patch.object(limits, "MAX_OPERATIONS", 10), self.assertRaises(EndlessExecutionError):
            self.execute(100)
        self.execute(3)
        self.assertExecution().succeeded("done")


if __name__ == "__main__":
    unittest.main()
