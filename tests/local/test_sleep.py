"""``skip_sleep``: ``time.sleep`` in handler code passes in virtual time, in order with everything else."""

from __future__ import annotations

import queue
import sys
import threading
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from threading import Event, Thread
from time import sleep as imported_by_name
from types import ModuleType
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import DurableTestCase, HandlerStuckError, LocalDurableTestRunner, TestResult, WaitingStatus
from tests.sdk_versions import needs_turns

perf_counter = [time.perf_counter]
MINUTE = timedelta(minutes=1)


class Minutes:
    """A whole number that is no ``int``, as those of numpy are."""

    def __init__(self, minutes: int) -> None:
        self._minutes = minutes

    def __index__(self) -> int:
        return 60 * self._minutes


def never(_error: Exception, _attempt: int) -> RetryDecision:
    return RetryDecision.no_retry()


def now() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"


@durable_execution
def drowsy(event: Any, context: DurableContext) -> list[str]:
    """It sleeps between its operations and in a step."""

    def doze(_: Any) -> str:
        time.sleep(90)
        return now()

    seen = [now()]
    time.sleep(60)
    seen.append(context.step(doze, name="doze"))
    imported_by_name(0.5)
    seen.append(now())
    return seen


class SequentialTests(DurableTestCase):
    handler = drowsy
    skip_sleep = True

    def test_sleep_takes_virtual_time(self) -> None:
        began = perf_counter[0]()
        self.execute()
        self.assertLess(perf_counter[0]() - began, 20)
        self.assertExecution().succeeded(["00:00:00", "00:02:30", "00:02:30"])
        self.assertEqual(self.now - self.start_time, timedelta(seconds=150.5))

    def test_a_step_lasts_as_long_as_it_sleeps(self) -> None:
        result = self.execute()
        step = result.get_operation("doze")
        self.assertEqual(step.started_at, self.start_time + MINUTE)
        self.assertEqual(step.duration, timedelta(seconds=90))

    def test_it_takes_whole_numbers_of_any_kind_as_the_real_one_does(self) -> None:
        result = self.run_sleeping(Minutes(2))
        self.assertEqual(result.get_operation("doze").duration, 2 * MINUTE)

    def test_what_the_real_one_refuses_is_refused_in_its_words_and_harms_no_later_run(self) -> None:
        for refused in (Decimal("1.5"), Fraction(1, 2), "1", float("inf"), float("nan"), 10**10, 1e300, -1):
            with self.subTest(refused=refused):
                with self.assertRaises(Exception) as real:
                    time.sleep(refused)  # type: ignore[arg-type]
                error = self.run_sleeping(refused).get_operation("doze").error
                assert error is not None
                self.assertEqual((error.type, error.message), (type(real.exception).__name__, str(real.exception)))
        self.assertEqual(self.run_sleeping(60).get_status(), "SUCCEEDED")

    def run_sleeping(self, length: Any) -> TestResult:
        """The run of a handler whose only step sleeps for so long."""

        @durable_execution
        def sleeping(_event: Any, context: DurableContext) -> None:
            context.step(lambda _: time.sleep(length), name="doze", config=StepConfig(retry_strategy=never))

        with LocalDurableTestRunner(sleeping, skip_sleep=True) as runner:
            return runner.run()

    def test_it_stands_still_until_somebody_waits(self) -> None:
        execution = self.start()
        execution.advance(timedelta(seconds=59))
        self.assertNoOperation("doze")
        execution.advance(timedelta(seconds=1))
        execution.operation("doze").wait_for_data(WaitingStatus.STARTED).result(timeout=5)
        self.assertEqual(execution.status, "RUNNING")
        execution.advance_to_next()
        self.assertEqual(self.now, self.start_time + timedelta(seconds=150))
        self.assertEqual(execution.result(timeout=5).get_status(), "SUCCEEDED")

    def test_a_test_that_sleeps_does_so_in_real_time(self) -> None:
        began = perf_counter[0]()
        time.sleep(0.01)
        self.assertGreaterEqual(perf_counter[0]() - began, 0.01)
        self.assertEqual(self.now, self.start_time)


order: list[tuple[str, str]] = []


def sleeping(name: str, *seconds: float) -> Callable[..., str]:
    def sleep(*_: Any) -> str:
        for one in seconds:
            time.sleep(one)
            order.append((name, now()))
        return name

    return sleep


@durable_execution
def side_by_side(event: Any, context: DurableContext) -> None:
    context.parallel(
        [
            lambda child: child.step(sleeping("long", 100)),
            lambda child: child.step(sleeping("twice", 30, 30)),
            lambda child: child.wait(Duration.from_seconds(45), name="wait"),
        ]
    )


@durable_execution
def with_threads(event: Any, context: DurableContext) -> None:
    def step(_: Any) -> None:
        thread = Thread(target=sleeping("thread", 20))
        thread.start()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda call: call(), [sleeping("first", 10, 30), sleeping("second", 5, 10)]))
        thread.join()

    context.step(step, name="threads")


class ConcurrentTests(unittest.TestCase):
    def run_asleep(self, handler: Callable[..., Any], **functions: Callable[..., Any]) -> LocalDurableTestRunner:
        order.clear()
        runner = LocalDurableTestRunner(handler, skip_sleep=True, functions=functions)
        self.addCleanup(runner.close)
        runner.run().get_result()
        return runner

    @needs_turns
    def test_branches_that_sleep_wake_up_in_order(self) -> None:
        runner = self.run_asleep(side_by_side)
        self.assertEqual(order, [("twice", "00:00:30"), ("twice", "00:01:00"), ("long", "00:01:40")])
        self.assertEqual(runner.get_operation("wait").duration, timedelta(seconds=45))

    @needs_turns
    def test_a_crash_beside_branches_that_sleep_leaves_nothing_to_the_next_invocation(self) -> None:
        crashes: list[int] = []

        @durable_execution
        def crashing(event: Any, context: DurableContext) -> list[int]:
            def doze(branch: DurableContext, seconds: int, index: int, _: Any) -> int:
                def sleep(_: Any) -> int:
                    time.sleep(seconds)
                    if index == 1 and not crashes:
                        crashes.append(index)
                        raise SystemExit(3)
                    return seconds

                return branch.step(sleep, name=f"doze {index}")

            return context.map([20, 10, 10], doze, name="dozes").get_results()

        with LocalDurableTestRunner(crashing, skip_sleep=True) as runner:
            result = runner.run({})
        self.assertEqual(result.get_result(), [20, 10, 10])
        errors = [invocation.error and invocation.error.type for invocation in result.get_invocations()]
        self.assertEqual(errors, ["Runtime.ExitError", None])

    @needs_turns
    def test_threads_and_pools_of_the_user_wake_up_in_order(self) -> None:
        runner = self.run_asleep(with_threads)
        expected = [("second", 5), ("first", 10), ("second", 15), ("thread", 20), ("first", 40)]
        self.assertEqual(order, [(name, f"00:00:{seconds:02}") for name, seconds in expected])
        self.assertEqual(runner.get_operation("threads").duration, timedelta(seconds=40))

    def test_a_thread_that_the_handler_waits_for_while_it_has_nothing_to_record(self) -> None:
        @durable_execution
        def joining(event: Any, context: DurableContext) -> None:
            thread = Thread(target=sleeping("thread", 20))
            thread.start()
            thread.join()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(sleeping("pool", 10)).result()

        self.run_asleep(joining)
        self.assertEqual(order, [("thread", "00:00:20"), ("pool", "00:00:30")])

    def test_plain_functions_sleep_too(self) -> None:
        @durable_execution
        def invoking(event: Any, context: DurableContext) -> Any:
            return context.invoke("plain", None, name="invoke")

        runner = self.run_asleep(invoking, plain=sleeping("plain", 300))
        self.assertEqual(runner.get_operation("invoke").duration, timedelta(minutes=5))

    @needs_turns  # in SDK 2.0 its checkpoint thread, which asks the clock that is ahead, waits on for so long
    def test_an_invocation_that_sleeps_longer_than_lambda_lets_it_has_timed_out(self) -> None:
        @durable_execution
        def hibernating(event: Any, context: DurableContext) -> None:
            time.sleep(901)

        with LocalDurableTestRunner(hibernating, skip_sleep=True) as runner:
            result = runner.run()
            self.assertEqual(result.get_status(), "FAILED")
            self.assertRegex(str(result.get_error()), r"Sandbox\.Timedout: .*Task timed out after 900\.00 seconds")
            self.assertEqual(result.get_invocations()[0].duration, timedelta(minutes=15))

    def test_a_sleeper_beside_a_thread_that_is_busy_in_its_own_way_is_reported(self) -> None:
        enough = Event()
        self.addCleanup(enough.set)

        @durable_execution
        def mixed(event: Any, context: DurableContext) -> None:
            Thread(target=time.sleep, args=[5]).start()
            while not enough.is_set():
                pass

        with LocalDurableTestRunner(mixed, skip_sleep=True, watchdog=0.3) as runner:
            with self.assertRaisesRegex(HandlerStuckError, "made no progress"):
                runner.run()
            self.assertEqual(f"{runner.now:%H:%M:%S}", "00:00:00")
            enough.set()


class RestoredTests(unittest.TestCase):
    def test_sleep_is_what_it_was_afterwards(self) -> None:
        real = time.sleep
        with LocalDurableTestRunner(drowsy, skip_sleep=True):
            self.assertIsNot(time.sleep, real)
        self.assertIs(time.sleep, real)
        self.assertIs(imported_by_name, real)

    def test_a_module_whose_attributes_cannot_be_set_sleeps_virtually_too(self) -> None:
        class ReadOnly(ModuleType):
            def __setattr__(self, name: str, value: object) -> None:
                raise AttributeError(name)

        module, real = ReadOnly("read_only"), [time.sleep]
        vars(module)["nap"] = time.sleep

        @durable_execution
        def napping(_event: Any, context: DurableContext) -> None:
            context.step(lambda _: module.nap(60), name="nap")

        known = patch.dict(sys.modules, {"read_only": module})
        with known, LocalDurableTestRunner(napping, skip_sleep=True) as runner:
            self.assertEqual(runner.run().get_operation("nap").duration, MINUTE)
        self.assertIs(module.nap, real[0])
        self.assertIs(time.sleep, real[0])

    def test_timed_waits_of_the_standard_library_keep_the_real_clock(self) -> None:
        seen: list[float] = []

        @durable_execution
        def waiting(event: Any, context: DurableContext) -> None:
            time.sleep(600)
            seen.append(queue.time() - queue_time() + threading._time() - queue_time())  # type: ignore[attr-defined]

        queue_time = time.monotonic
        with LocalDurableTestRunner(waiting, skip_sleep=True) as runner:
            runner.run().get_result()
        self.assertLess(abs(seen[0]), 60)

    def test_without_skip_sleep_it_is_not_touched(self) -> None:
        real = time.sleep
        with LocalDurableTestRunner(drowsy):
            self.assertIs(time.sleep, real)

    def test_without_skip_sleep_it_takes_real_time(self) -> None:
        @durable_execution
        def short(event: Any, context: DurableContext) -> None:
            time.sleep(0.02)

        began = perf_counter[0]()
        with LocalDurableTestRunner(short) as runner:
            runner.run()
            self.assertEqual(f"{runner.now:%H:%M:%S}", "00:00:00")
        self.assertGreaterEqual(perf_counter[0]() - began, 0.02)
