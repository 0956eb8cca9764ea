"""Child processes, forked and spawned: runners of their own work there, and the parent's say that they do not."""

from __future__ import annotations

import multiprocessing
import time
import unittest
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import DurableTestCase, LocalDurableTestRunner, route
from tests.leftovers import leftovers
from tests.local.test_threads import PATCHED, RUNS, Suites, complaint, errors_of, simple

REAL = {name: get() for name, get in PATCHED.items()}
CHILD_SECONDS = 60.0


def everything(_: int) -> list[str]:
    """What is wrong with some runs and a test class in this process, and what is left of them."""
    complaints = []
    for number in range(RUNS):
        with LocalDurableTestRunner(simple) as runner:
            complaints.append(complaint(runner.run(number)))
    return [text for text in complaints if text is not None] + errors_of(Suites.First) + leftovers()


def in_pool(method: str) -> list[list[str]]:
    """What two children answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons advise against forks beside threads
        with multiprocessing.get_context(method).Pool(2) as children:
            return children.map_async(everything, range(2)).get(timeout=CHILD_SECONDS)


def in_fork(question: Callable[[], Any]) -> Any:
    """The answer of a child that is forked here and now."""
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(question())
        except Exception as error:
            answers.put(f"{type(error).__name__}: {error}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=answer)
        child.start()
    child.join(CHILD_SECONDS)
    if child.exitcode != 0:
        child.kill()
        raise AssertionError(f"the child ended with {child.exitcode}")
    return answers.get()


class ChildTests(unittest.TestCase):
    def check(self, method: str) -> None:
        self.assertEqual(in_pool(method), [[], []])

    def test_forked_children(self) -> None:
        self.check("fork")

    def test_spawned_children(self) -> None:
        self.check("spawn")

    def test_children_that_are_forked_while_a_runner_is_open(self) -> None:
        with LocalDurableTestRunner(simple) as runner:
            runner.run()
            self.check("fork")
            self.assertIsNone(complaint(runner.run()))

    def test_children_that_are_forked_while_an_invocation_runs_in_another_thread(self) -> None:
        answers: list[Any] = []

        @durable_execution
        def forking(event: Any, context: DurableContext) -> None:
            context.step(lambda _: answers.append(in_fork(lambda: everything(0))), name="fork")

        with LocalDurableTestRunner(forking) as runner:
            runner.run().get_result()
        self.assertEqual(answers, [[]])


class InheritedTests(DurableTestCase):
    handler = simple

    def test_what_the_parent_has_made_is_refused(self) -> None:
        result = self.runner.run(2)
        execution = self.start()
        uses: dict[str, Callable[[], Any]] = {
            "run": self.runner.run,
            "reset": self.runner.reset,
            "a client": lambda: self.runner.client.get_durable_execution(DurableExecutionArn=execution.arn),
            "result": execution.result,
            "status": lambda: execution.status,
        }
        for name, use in uses.items():
            with self.subTest(name):
                answer = in_fork(use)
                self.assertRegex(str(answer), "^RunnerClosedError: this runner was made in process .* forked child")
        self.assertIn("needs an open runner", in_fork(lambda: route(self.runner.lambda_client())))
        self.assertEqual(in_fork(result.get_result), 3)

    def test_a_child_has_real_time_and_nothing_is_patched(self) -> None:
        def look() -> Any:
            return [name for name, get in PATCHED.items() if get() is not REAL[name]], time.time(), datetime.now(UTC)

        began = time.monotonic()
        patched, seconds, now = in_fork(look)
        self.assertEqual(patched, [])
        self.assertGreater(seconds, 1_780_000_000)
        self.assertAlmostEqual(now.timestamp(), seconds, delta=60)
        self.assertEqual(datetime.now(UTC), self.start_time)
        self.assertLess(time.monotonic() - began, CHILD_SECONDS)

    def test_leaving_the_block_of_an_inherited_runner_does_no_harm(self) -> None:
        runner = LocalDurableTestRunner(simple)
        self.addCleanup(runner.close)
        self.assertIsNone(in_fork(runner.close))
        self.assertIsNone(complaint(runner.run()))
