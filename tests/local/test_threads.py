"""Runners and test classes in several threads of one process: each run is right, and nothing is left afterwards."""

from __future__ import annotations

import logging
import os
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import (
    ConfigurationError,
    DurableTestCase,
    EnvironmentAlreadySetUpError,
    LocalDurableTestRunner,
    TestResult,
)
from durabletest.local import process_environment
from tests.leftovers import leftovers

THREADS = 4
RUNS = int(os.environ.get("DURABLETEST_THREAD_RUNS", "10"))
"""For each thread."""
EVENTS = [
    ("ExecutionStarted", 0),
    ("StepStarted", 0),
    ("StepSucceeded", 0),
    ("WaitStarted", 0),
    ("InvocationCompleted", 0),
    ("WaitSucceeded", 3600),
    ("StepStarted", 3600),
    ("StepSucceeded", 3600),
    ("InvocationCompleted", 3600),
    ("ExecutionSucceeded", 3600),
]
PATCHED: dict[str, Callable[[], Any]] = {
    "sleep": lambda: time.sleep,
    "exit": lambda: os._exit,
    "threads": lambda: Thread.start,
    "logs": lambda: logging.Logger.callHandlers,
    "clock": lambda: datetime,
}


@durable_execution
def simple(event: Any, context: DurableContext) -> int:
    first = context.step(lambda _: 1, name="first")
    context.wait(Duration.from_hours(1), name="wait")
    second: int = context.step(lambda _: 2, name="second")
    return first + second


def complaint(result: TestResult) -> str | None:
    """What is wrong with a run of ``simple``."""
    begun = result.history[0]["EventTimestamp"]
    seen = [(e["EventType"], (e["EventTimestamp"] - begun).total_seconds()) for e in result.history]
    right = sorted(seen, key=lambda event: event[1]) == seen and sorted(seen) == sorted(EVENTS)
    return None if right and result.get_result() == 3 else f"{result!r}: {seen}"


class ThreadTestCase(unittest.TestCase):
    def setUp(self) -> None:
        before = {name: get() for name, get in PATCHED.items()}
        self.addCleanup(lambda: self.assertEqual({name: get() for name, get in PATCHED.items()}, before))
        self.addCleanup(lambda: self.assertAlmostEqual(datetime.now(UTC).timestamp(), time.time(), delta=60))
        self.addCleanup(lambda: self.assertEqual(leftovers(), []))

    def in_threads(self, count: int, work: Callable[[int], Any]) -> list[Any]:
        """What becomes of the work in each thread, begun by all at once."""
        together = Barrier(count)

        def worked(number: int) -> Any:
            together.wait(timeout=30)
            return work(number)

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(worked, range(count)))


class RunnerTests(ThreadTestCase):
    def test_runners_of_their_own_in_several_threads(self) -> None:
        def work(number: int) -> list[str | None]:
            complaints = []
            for _ in range(RUNS):
                with LocalDurableTestRunner(simple) as runner:
                    complaints.append(complaint(runner.run(number)))
            return complaints

        for _ in range(2):
            self.assertEqual(self.in_threads(THREADS, work), [[None] * RUNS] * THREADS)

    def test_runners_that_join_an_environment_that_was_set_up(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)

        def work(number: int) -> list[str | None]:
            complaints = []
            for _ in range(RUNS):
                with LocalDurableTestRunner(simple) as runner:
                    complaints.append(complaint(runner.run(number)))
                    runner.reset()
                    complaints.append(complaint(runner.run(number)))
            return complaints

        self.assertEqual(self.in_threads(2, work), [[None] * 2 * RUNS] * 2)

    def test_other_settings_than_those_of_another_thread_are_refused_with_the_place(self) -> None:
        with LocalDurableTestRunner(simple):

            def other(_: int) -> None:
                LocalDurableTestRunner(simple, start_time=datetime(2025, 1, 1, tzinfo=UTC))

            with self.assertRaisesRegex(ConfigurationError, r"Open: the runner for [^,]*, made at tests/local/test_th"):
                self.in_threads(1, other)


class Suites:
    """Test classes that the tests below run; in a class of their own, where nothing else collects them."""

    class First(DurableTestCase):
        handler = simple

        def test_from_the_beginning(self) -> None:
            self.assertEqual(self.now, self.start_time)
            result = self.execute()
            self.assertExecution().succeeded(3).took(hours=1)
            self.assertIsNone(complaint(result))
            self.assertEqual(self.now, self.start_time + timedelta(hours=1))

    class Second(First):
        start_time = datetime(2025, 1, 1, tzinfo=UTC)

    class WithoutSetUpClass(First):
        @classmethod
        def setUpClass(cls) -> None:
            """It does not come by the one of ``DurableTestCase``: each test has an environment of its own."""


def errors_of(case: type[unittest.TestCase]) -> list[str]:
    """What goes wrong in one run of a test class, by whatever thread calls this."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return [text for _, text in result.errors + result.failures]


class ClassTests(ThreadTestCase):
    def check(self, *cases: type[unittest.TestCase]) -> None:
        def work(number: int) -> list[str]:
            return [error for _ in range(RUNS) for error in errors_of(cases[number])]

        self.assertEqual(self.in_threads(len(cases), work), [[]] * len(cases))

    def test_two_classes_with_different_settings_in_two_threads(self) -> None:
        self.check(Suites.First, Suites.Second)

    def test_the_same_class_in_two_threads(self) -> None:
        self.check(Suites.First, Suites.First)

    def test_classes_that_get_an_environment_for_each_test(self) -> None:
        self.check(Suites.WithoutSetUpClass, Suites.WithoutSetUpClass)

    def test_a_class_beside_a_thread_with_runners_of_its_own_waits_for_their_end(self) -> None:
        opened, waiting = Event(), Event()

        def work(number: int) -> Any:
            if number == 0:
                opened.wait(5)
                return errors_of(Suites.Second)
            with LocalDurableTestRunner(simple) as runner:
                opened.set()
                return complaint(runner.run())

        self.assertEqual(self.in_threads(2, work), [[], None])
        waiting.set()

    def test_a_thread_that_waits_in_vain_is_told_for_what(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        message = (
            r"nothing has happened in the environment that was set up at tests/local/test_threads.py:\d+ in thread"
        )
        with patch.object(process_environment, "WAIT_SECONDS", 0.05):
            ((error, *_),) = self.in_threads(1, lambda _: errors_of(Suites.First))
        self.assertRegex(error, message)

    def test_nobody_waits_for_a_thread_that_has_ended(self) -> None:
        thread = Thread(target=LocalDurableTestRunner.setup_test_environment)
        thread.start()
        thread.join()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        with self.assertRaisesRegex(EnvironmentAlreadySetUpError, "was called twice"):
            LocalDurableTestRunner.setup_test_environment()
