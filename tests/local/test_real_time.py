"""With ``skip_time = False`` the same suite passes in real time: only the clock is another one."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import time_machine
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision
from freezegun import freeze_time

from durabletest import DurableTestCase, Execution, ExecutionStuckError, LocalDurableTestRunner, NotAvailableError
from durabletest.local.server.execution_state import DurableExecution

SECOND = timedelta(seconds=1)
LATE = timedelta(seconds=10)
"""How much later than it was due something may happen on a busy machine."""


def wait(context: DurableContext, seconds: int = 1) -> str:
    context.wait(Duration.from_seconds(seconds), name=f"{seconds} s")
    return f"after {seconds} s"


def retry(context: DurableContext) -> str:
    def attempt(step: Any) -> str:
        if step.attempt == 1:
            raise ConnectionError
        return "at the second attempt"

    config = StepConfig(retry_strategy=lambda _, attempts: RetryDecision(attempts < 2, Duration.from_seconds(1)))
    return str(context.step(attempt, name="retry", config=config))


def race(context: DurableContext) -> list[int]:
    config = ParallelConfig(completion_config=CompletionConfig.first_successful())
    branches = [lambda child: wait(child, 3600), lambda child: wait(child, 1)]
    return [item.index for item in context.parallel(branches, name="race", config=config).succeeded()]


def callback(context: DurableContext) -> Any:
    config = CallbackConfig(timeout=Duration.from_seconds(1))
    try:
        return context.create_callback(name="unanswered", config=config).result()
    except Exception as error:
        return str(error)


def answered(context: DurableContext) -> Any:
    config = CallbackConfig(timeout=Duration.from_hours(1))
    return context.create_callback(name="answered", config=config).result()


def invoke(context: DurableContext) -> Any:
    return context.invoke("target", None, name="invoke")


WORKFLOWS: dict[str, Callable[[DurableContext], Any]] = {
    function.__name__: function for function in (wait, retry, race, callback, answered, invoke)
}


@durable_execution
def workflow(event: str, context: DurableContext) -> Any:
    return WORKFLOWS[event](context)


@durable_execution
def target(event: Any, context: DurableContext) -> str:
    return wait(context)


class Suite:
    """All workflows at once, each of which takes a second; what is asserted does not depend on the clock."""

    handler = workflow
    durable_functions = {"target": target}
    late = timedelta(0)

    def waited(self: Any, operation: str, name: str) -> None:
        duration = self.started[name].snapshot().get_operation(operation).duration
        self.assertTrue(SECOND <= duration <= SECOND + self.late, (operation, duration))

    def run_all_workflows(self: Any) -> None:
        self.on_callback("answered").succeed("yes", after=SECOND)
        began = time.perf_counter()
        self.started: dict[str, Execution] = {name: self.start(name) for name in WORKFLOWS}
        results = {name: execution.result(timeout=20).get_result() for name, execution in self.started.items()}
        self.took = time.perf_counter() - began
        self.assertEqual(
            results,
            {
                "wait": "after 1 s",
                "retry": "at the second attempt",
                "race": [1],
                "callback": "Callback timed out",
                "answered": "yes",
                "invoke": "after 1 s",
            },
        )
        for operation in ("wait/1 s", "retry", "race", "callback/unanswered", "answered", "invoke"):
            self.waited(operation.split("/")[-1], operation.split("/")[0])


class VirtualSuiteTests(Suite, DurableTestCase):
    def test_all_workflows(self) -> None:
        self.run_all_workflows()
        self.assertEqual(self.now, self.start_time + SECOND)


class RealSuiteTests(Suite, DurableTestCase):
    skip_time = False
    late = LATE

    def test_r2_3_all_workflows_take_their_time(self) -> None:
        self.run_all_workflows()
        self.assertGreaterEqual(self.took, 1)
        self.assertLess(abs(self.now - datetime.now(UTC)), LATE)

    def test_time_cannot_be_moved(self) -> None:
        execution = self.start("answered")
        with self.assertRaisesRegex(NotAvailableError, "with skip_time = False time passes by itself"):
            execution.advance(SECOND)
        execution.stop()


@durable_execution
def patient(event: Any, context: DurableContext) -> Any:
    return context.create_callback(name="answer").result()


class LongWaitTests(unittest.TestCase):
    def test_while_a_timer_is_armed_nothing_is_stuck(self) -> None:
        with LocalDurableTestRunner(patient, skip_time=False, watchdog=0.5) as runner:
            runner.on_callback("answer").succeed("at last", after=SECOND * 0.8)
            self.assertEqual(runner.run().get_result(), "at last")

    def test_without_one_a_run_is_stuck_after_the_time_of_the_watchdog(self) -> None:
        with (
            LocalDurableTestRunner(patient, skip_time=False, watchdog=0.5) as runner,
            self.assertRaisesRegex(ExecutionStuckError, "no timer is left"),
        ):
            runner.run()

    def test_an_execution_that_was_started_synchronously_ends_after_its_longest_time(self) -> None:
        with (
            mock.patch.object(DurableExecution, "times_out_at", property(lambda one: one.started_at + SECOND / 50)),
            LocalDurableTestRunner(patient, skip_time=False, invocation_type="RequestResponse", watchdog=5) as runner,
        ):
            self.assertEqual(runner.run().get_status(), "TIMED_OUT")


class RealClockTests(unittest.TestCase):
    def test_nothing_is_frozen(self) -> None:
        seen: list[Any] = []

        class Case(DurableTestCase):
            handler = workflow
            skip_time = False

            def test(self) -> None:
                seen.append(datetime.now(UTC))

        before = datetime.now(UTC)
        unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(unittest.TestResult())
        self.assertEqual(type(seen[0]), datetime)
        self.assertTrue(before <= seen[0] <= datetime.now(UTC))

    def test_a_clock_that_somebody_freezes_does_not_stop_it(self) -> None:
        before = datetime.now(UTC) - timedelta(milliseconds=1)
        with LocalDurableTestRunner(workflow, skip_time=False) as runner:
            for frozen in (freeze_time("2020-01-01"), time_machine.travel("2020-01-01")):
                with frozen:
                    now = runner.now
                self.assertIs(type(now), datetime)
                self.assertTrue(before <= now <= datetime.now(UTC), now)
            with freeze_time("2020-01-01"):
                self.assertEqual(runner.run("wait").get_status(), "SUCCEEDED")
