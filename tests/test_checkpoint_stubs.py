"""Checkpoints that the service throttles or refuses for a while, and what becomes of the workflow."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import (
    CheckpointStub,
    DurableTestCase,
    LocalDurableTestRunner,
    NeverUsedError,
    UsageError,
)
from durabletest.checkpoint_stubs import FAILING, THROTTLED
from tests.sdk_versions import needs_turns

START = datetime(2026, 1, 1, tzinfo=UTC)
CHARGED: list[int] = []


@durable_execution
def order(event: Any, context: DurableContext) -> str:
    context.step(lambda step: CHARGED.append(step.attempt), name="charge")
    context.wait(Duration.from_hours(1), name="cool-down")
    return context.step(lambda _: "shipped", name="ship")


@needs_turns
class RefusedCheckpointTests(DurableTestCase):
    handler = order

    def setUp(self) -> None:
        CHARGED.clear()

    def test_the_invocation_is_repeated_and_the_step_runs_again(self) -> None:
        stub = self.stub_checkpoints().throttled(times=3)
        result = self.execute()
        self.assertExecution().succeeded("shipped").took(hours=1, seconds=1 + 2 + 4)
        self.assertEqual(stub.refused, 3)
        self.assertEqual(CHARGED, [1] * 4)
        self.assertOperation("charge").succeeded().attempts(1)
        failed = [invocation.error for invocation in result.get_invocations() if invocation.error]
        self.assertEqual(len(failed), 3)
        self.assertIn("Rate exceeded", str(failed[0]))

    def test_an_outage_of_the_service(self) -> None:
        self.stub_checkpoints().failing(times=1)
        result = self.execute()
        self.assertExecution().succeeded("shipped")
        [failed] = [invocation.error for invocation in result.get_invocations() if invocation.error]
        self.assertIn("An internal error occurred", str(failed))

    def test_one_that_lasts_too_long_fails_the_execution(self) -> None:
        self.stub_checkpoints().throttled()
        self.execute()
        self.assertExecution().failed(message="Rate exceeded")
        self.assertInvocations().count(5)

    def test_a_length_of_virtual_time(self) -> None:
        """Invocations begin 0, 1, 3 and 7 seconds after the start."""
        for lasting, refused in ((3, 2), (timedelta(seconds=3.5), 3)):
            with LocalDurableTestRunner(order) as runner:
                stub = runner.stub_checkpoints().failing(lasting=lasting)
                runner.run()
                self.assertEqual(stub.refused, refused, lasting)

    def test_after_some_that_were_accepted(self) -> None:
        self.stub_checkpoints().accepted(times=1).then_throttled(times=1).then_accepted(times=1).then_failing(times=1)
        self.execute()
        self.assertExecution().succeeded("shipped")
        self.assertEqual(CHARGED, [1])
        self.assertInvocations().any.failed(message="Rate exceeded")
        self.assertInvocations().any.failed(message="An internal error occurred")

    def test_executions_that_are_invoked_are_refused_too(self) -> None:
        @durable_execution
        def parent(event: Any, context: DurableContext) -> Any:
            return context.invoke("order", None, name="order")

        with LocalDurableTestRunner(parent, durable_functions={"order": order}) as runner:
            stub = runner.stub_checkpoints().accepted(times=1).then_throttled(times=2)
            self.assertEqual(runner.run().get_result(), "shipped")
            self.assertEqual(stub.refused, 2)

    def test_after_a_rewind_it_begins_again(self) -> None:
        stub = self.stub_checkpoints().throttled(times=2)
        for _ in range(2):
            self.runner.rewind()
            self.execute()
            self.assertExecution().succeeded()
            self.assertEqual(stub.refused, 2)

    def test_a_reset_forgets_it(self) -> None:
        self.stub_checkpoints().throttled()
        self.runner.reset()
        self.execute()
        self.assertExecution().succeeded()

    def test_it_goes_together_with_the_crash_matrix(self) -> None:
        self.stub_checkpoints().throttled(times=1)
        self.assertSurvivesCrashes(None, faults="answer lost", reset=CHARGED.clear)


class UnusedTests(unittest.TestCase):
    def test_a_stub_that_refuses_nothing_is_an_error(self) -> None:
        with (
            self.assertRaisesRegex(NeverUsedError, r"^stub_checkpoints\(\) was never used: no checkpoint was refused"),
            LocalDurableTestRunner(order) as runner,
        ):
            runner.stub_checkpoints().accepted(times=50).then_throttled()
            runner.run()
        with (
            self.assertRaisesRegex(NeverUsedError, "nothing was executed$"),
            LocalDurableTestRunner(order) as runner,
        ):
            runner.stub_checkpoints().throttled()

    def test_unless_it_is_optional(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            runner.stub_checkpoints(optional=True).accepted(times=50).then_throttled()
            runner.run()


class StubTests(unittest.TestCase):
    """The stub by itself: what it answers to checkpoints one second apart."""

    def answers(self, stub: CheckpointStub, count: int = 6) -> list[str | None]:
        return [stub.respond(START + timedelta(seconds=second)) for second in range(count)]

    def test_what_comes_after_what(self) -> None:
        t, f = THROTTLED, FAILING
        for stub, expected in (
            (CheckpointStub().throttled(), [t] * 6),
            (CheckpointStub().throttled(times=2), [t, t, None, None, None, None]),
            (CheckpointStub().throttled().then_failing(), [t, f, f, f, f, f]),
            (CheckpointStub().throttled(2).then_failing(1), [t, t, f, None, None, None]),
            (CheckpointStub().accepted(2).then_throttled(2), [None, None, t, t, None, None]),
            (CheckpointStub().failing(lasting=3), [f, f, f, None, None, None]),
            (CheckpointStub().failing(lasting=2).then_accepted(lasting=2).then_throttled(), [f, f, None, None, t, t]),
            (CheckpointStub(), [None] * 6),
        ):
            self.assertEqual(self.answers(stub), expected)
            self.assertEqual(stub.refused, sum(answer is not None for answer in expected))
            stub.rewind()
            self.assertEqual(stub.refused, 0)
            self.assertEqual(self.answers(stub), expected)

    def test_the_first_word_begins_anew(self) -> None:
        stub = CheckpointStub().throttled()
        self.answers(stub, 2)
        self.assertEqual(self.answers(stub.failing(times=1), 2), [FAILING, None])

    def test_what_means_nothing(self) -> None:
        cases: list[tuple[Callable[[], object], str]] = [
            (lambda: CheckpointStub().then_throttled(), r"then_throttled\(\.\.\.\) follows nothing: begin with"),
            (lambda: CheckpointStub().throttled(0), "times=0 means nothing; give a number from 1 on"),
            (lambda: CheckpointStub().failing(True), "times=True means nothing"),
            (lambda: CheckpointStub().failing(1, lasting=1), "give times= or lasting=, not both"),
            (lambda: CheckpointStub().failing(lasting=-1), r"lasting of stub_checkpoints\(\)"),
        ]
        for use, message in cases:
            with self.assertRaisesRegex(UsageError, message):
                use()


if __name__ == "__main__":
    unittest.main()
