"""Executions without an end are ended: by the service's longest life, by its quotas, or because they get no further."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import CallbackError, DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import (
    ConfigurationError,
    DurableTestCase,
    EndlessExecutionError,
    ExecutionStuckError,
    LocalDurableTestRunner,
    sdk,
)
from durabletest.local.server import quotas
from tests.effort import examples

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

    def test_each_kind_of_loop_is_ended_if_it_takes_a_year(self) -> None:
        monthly = Duration.from_days(30)

        @durable_execution
        def retrying(event: Any, context: DurableContext) -> None:
            def fail(_: Any) -> None:
                raise ConnectionError

            context.step(fail, name="try", config=StepConfig(retry_strategy=lambda *_: RetryDecision.retry(monthly)))

        @durable_execution
        def polling(event: Any, context: DurableContext) -> None:
            config = WaitForConditionConfig(lambda *_: WaitForConditionDecision.continue_waiting(monthly), None)
            context.wait_for_condition(lambda state, _: state, config, name="ready?")

        @durable_execution
        def reminding(event: Any, context: DurableContext) -> None:
            while True:
                try:
                    context.wait_for_callback(lambda *_: None, "answer", WaitForCallbackConfig(timeout=monthly))
                except CallbackError:
                    context.step(lambda _: None, name="remind")

        for handler in (retrying, polling, reminding):
            with self.subTest(handler.__name__), LocalDurableTestRunner(handler) as runner:
                begun = runner.now
                self.assertEqual((runner.run().get_status(), runner.now - begun), ("TIMED_OUT", A_YEAR))

    def test_a_forgotten_callback_is_stuck_once_it_is_all_that_is_left(self) -> None:
        @durable_execution
        def asking(event: list[int], context: DurableContext) -> Any:
            def wait(child: DurableContext) -> None:
                for days in event:
                    child.wait(Duration.from_days(days))

            return context.parallel([lambda child: child.create_callback(name="answer").result(), wait]).get_results()

        with LocalDurableTestRunner(asking) as runner:
            begun = runner.now
            with self.assertRaises(ExecutionStuckError):
                runner.run([300, 66])
            self.assertEqual(runner.now - begun, A_YEAR)
        with LocalDurableTestRunner(asking) as runner:
            self.assertEqual((runner.run([300, 67]).get_status(), runner.now - begun), ("TIMED_OUT", A_YEAR))

    def test_a_child_has_a_life_of_its_own(self) -> None:
        @durable_execution
        def parent(event: Any, context: DurableContext) -> Any:
            context.wait(Duration.from_days(100), name="first")
            return context.invoke("waits", [300, 300], name="child")

        with LocalDurableTestRunner(parent, durable_functions={"waits": waits}) as runner:
            result = runner.run()
            self.assertEqual((result.get_status(), result.get_operation("child").status), ("TIMED_OUT", "TIMED_OUT"))


class QuotaTests(unittest.TestCase):
    """Each handler ends with a payload, and goes too far with one more."""

    def run_at(self, handler: Any, most: int, *message: str, **settings: int) -> None:
        with LocalDurableTestRunner(handler, durable_functions={"itself": handler}, **settings) as runner:
            self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")
            for _ in range(2):
                result = runner.run(most + 1)
                error = result.get_error()
                assert error is not None
                self.assertEqual((result.get_status(), error.type), ("FAILED", "DurableExecutionQuotaExceeded"))
                for part in message:
                    self.assertRegex(str(error.message), part)
            self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")

    def test_too_many_operations(self) -> None:
        self.run_at(
            looping,
            9,
            r"^the execution has reached its quota of 19 operations \(DurableExecutionOperations\)\. Most of what it",
            r"\n  'ask', STEP: 10 operations, 10 attempts, 60 bytes\n  'do', STEP: 9 operations, ",
            r"stub_step\('ask'\).returns\(..., times=3\)",
            r"operation_limit on the test class raises or lowers the quota$",
            operation_limit=19,
        )

    def test_the_batch_that_is_too_much_is_not_recorded(self) -> None:
        with LocalDurableTestRunner(looping, operation_limit=5) as runner:
            result = runner.run(100)
            self.assertEqual(len(result.get_operations()), 5)
            self.assertEqual(
                [event["EventType"] for event in result.history[-2:]], ["InvocationCompleted", "ExecutionFailed"]
            )
            self.assertEqual(len(result.get_invocations()), 1)

    def test_too_many_bytes(self) -> None:
        self.run_at(
            looping,
            9,
            r"^the execution has reached its quota of 100 bytes \(DurableExecutionStorageWrittenBytes\)",
            r"Most of what it does is\n  'ask', STEP: 1\d operations, 1\d attempts, \d+ bytes\n",
            r"storage_limit on the test class raises or lowers the quota$",
            storage_limit=100,
        )

    def test_a_callbacks_result_counts(self) -> None:
        @durable_execution
        def asking(event: Any, context: DurableContext) -> Any:
            return len(context.create_callback(name="answer").result())

        with LocalDurableTestRunner(asking, storage_limit=10) as runner:
            for length, status in ((10, "SUCCEEDED"), (11, "FAILED")):
                runner.on_callback("answer").succeed("x" * length)
                self.assertEqual(runner.run().get_status(), status)

    def test_too_many_invocations_in_which_nothing_begins_or_ends(self) -> None:
        with patch.object(quotas, "MAX_FRUITLESS", 10):
            self.run_at(
                failing,
                11,
                "was invoked 10 times in a row, and no operation began or ended meanwhile",
                r"'try', STEP: 1 operations, 1\d attempts",
            )
            with LocalDurableTestRunner(failing, operation_limit=20) as runner:
                self.assertEqual(runner.run(21).get_status(), "SUCCEEDED")
                self.assertEqual(runner.run(22).get_status(), "FAILED")

    def test_too_many_replays(self) -> None:
        with patch.object(quotas, "MAX_REPLAYED", 30):
            self.run_at(
                replaying,
                7,
                r"on its way to the quota of 3,000 operations \(DurableExecutionOperations\), and each of its 9 invoc",
                "'tick', WAIT: 8 operations",
                r"operation_limit = 3_000 on the test class lets it go on until the quota is reached$",
            )
            with LocalDurableTestRunner(replaying, operation_limit=20) as runner:
                self.assertEqual(runner.run(20).get_status(), "SUCCEEDED")
                self.assertEqual(runner.run(21).get_status(), "FAILED")

    def test_the_quotas_of_an_execution_are_those_of_the_executions_that_it_invokes(self) -> None:
        @durable_execution
        def parent(event: Any, context: DurableContext) -> Any:
            return context.invoke("itself", event, name="child")

        with LocalDurableTestRunner(parent, durable_functions={"itself": looping}, operation_limit=19) as runner:
            self.assertEqual(runner.run(9).get_status(), "SUCCEEDED")
            self.assertEqual(runner.run(10).get_operation("child").status, "FAILED")

    def test_a_family_without_end(self) -> None:
        for handler, bound, most, message in (
            (invoking_itself, "MAX_DEPTH", 5, "a chain of more than 5 executions, each invoked by the one before\n"),
            (doubling, "MAX_EXECUTIONS", 2, "more than 12 executions that came of one\n"),
        ):
            with (
                self.subTest(bound),
                patch.object(quotas, bound, 5 if most == 5 else 12),
                LocalDurableTestRunner(handler, durable_functions={"itself": handler}) as runner,
            ):
                self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")
                for _ in range(2):
                    with self.assertRaisesRegex(EndlessExecutionError, f"^execution '[^']+' has no end: {message}"):
                        runner.run(most + 1)
                self.assertEqual(runner.run(most).get_status(), "SUCCEEDED")


@durable_execution
def waiting_for_ever(event: Any, context: DurableContext) -> None:
    while True:
        context.wait(Duration.from_hours(1), name="pause")


@durable_execution
def polling_for_ever(event: Any, context: DurableContext) -> None:
    for_ever = WaitForConditionConfig(
        lambda *_: WaitForConditionDecision.continue_waiting(Duration.from_minutes(1)), initial_state="not yet"
    )
    context.wait_for_condition(lambda state, _: state, for_ever, name="ready?")


@durable_execution
def looking_for_ever(event: Any, context: DurableContext) -> None:
    while not context.step(lambda _: False, name="look"):
        context.wait(Duration.from_minutes(1), name="pause")


@durable_execution
def agent(event: Any, context: DurableContext) -> str:
    while (answer := context.step(lambda _: {}, name="ask the model")).get("tool"):
        context.step(lambda _: None, name="call the tool")
    return str(answer["text"])


@unittest.skipUnless(sdk.can_wake_up(), "this SDK takes a tenth of a second for each checkpoint")
class EndlessTests(DurableTestCase):
    """With the service's quotas in a long run, which takes seconds for each, otherwise with smaller ones."""

    handler = agent

    def test_an_agent_whose_stub_always_calls_a_tool(self) -> None:
        most = examples(300, long=3_000)
        self.enterContext(patch.object(quotas, "MAX_OPERATIONS", most))
        self.stub_step("ask the model").returns({"tool": "search"})
        result = self.execute()
        self.assertExecution().failed(message=f"quota of {most:,} operations")
        self.assertEqual(len(result.get_operations()), most)

    def check(self, handler: Any, message: str) -> None:
        with LocalDurableTestRunner(handler) as runner:
            result = runner.run()
        error = result.get_error()
        assert error is not None
        self.assertEqual((result.get_status(), error.type), ("FAILED", "DurableExecutionQuotaExceeded"))
        self.assertRegex(str(error.message), message)

    def test_a_loop_of_waits(self) -> None:
        self.enterContext(patch.object(quotas, "MAX_REPLAYED", examples(5_000, long=150_000)))
        self.check(waiting_for_ever, "on its way to the quota of 3,000 operations")

    def test_a_condition_that_never_holds(self) -> None:
        most = examples(300, long=3_000)
        self.enterContext(patch.object(quotas, "MAX_FRUITLESS", most))
        self.check(polling_for_ever, f"{most:,} times in a row")

    def test_a_poller_of_steps_and_waits(self) -> None:
        self.enterContext(patch.object(quotas, "MAX_REPLAYED", examples(5_000, long=150_000)))
        self.check(looking_for_ever, "on its way to the quota of 3,000 operations")


class SettingTests(DurableTestCase):
    handler = looping
    operation_limit = 10
    storage_limit = 1_000

    def test_the_class_sets_the_quotas_and_the_next_execution_begins_anew(self) -> None:
        self.execute(100)
        self.assertExecution().failed("DurableExecutionQuotaExceeded", "quota of 10 operations")
        self.execute(3)
        self.assertExecution().succeeded("done")

    def test_settings_that_mean_nothing_are_refused(self) -> None:
        for value in (0, -1, 2.5, True, "3000"):
            for name in ("operation_limit", "storage_limit"):
                with self.assertRaisesRegex(
                    ConfigurationError, f"^{name} is .*: give a whole number, at least 1, or None"
                ):
                    LocalDurableTestRunner(looping, **{name: value})  # type: ignore[arg-type]

    def test_the_services_quotas(self) -> None:
        self.assertEqual((quotas.MAX_OPERATIONS, quotas.MAX_STORAGE), (3_000, 104_857_600))


if __name__ == "__main__":
    unittest.main()
