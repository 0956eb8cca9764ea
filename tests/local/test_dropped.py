"""Runners that nobody closes: dropped ones end by themselves, kept ones are named by what they are in the way of."""

from __future__ import annotations

import gc
import re
import unittest
import warnings
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import EnvironmentAlreadySetUpError, LocalDurableTestRunner, UsageError, route, sdk
from tests.leftovers import leftovers


@durable_execution
def simple(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: event, name="step")


NAMED = re.escape(sdk.decorated(simple).__qualname__)


class DroppedTests(unittest.TestCase):
    def setUp(self) -> None:
        self.addCleanup(lambda: self.assertEqual(leftovers(), []))
        noted = self.enterContext(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        assert noted is not None
        self.noted = noted

    def check_warning(self) -> None:
        (warning,) = self.noted
        self.assertIs(warning.category, ResourceWarning)
        self.assertRegex(
            str(warning.message),
            rf"^the runner for {NAMED}, made at tests/local/test_dropped.py:\d+ in thread 'MainThread' was not closed: "
            r"use it in a with block, or call its close\(\)$",
        )

    def test_a_runner_that_is_dropped_is_closed(self) -> None:
        runner = LocalDurableTestRunner(simple)
        self.assertEqual(runner.run(1).get_result(), 1)
        self.assertNotEqual(leftovers(), [])
        del runner
        self.assertEqual(leftovers(), [])
        self.check_warning()

    def test_handles_keep_it(self) -> None:
        execution = LocalDurableTestRunner(simple).start(1)
        self.assertEqual(execution.result(timeout=5).get_result(), 1)
        self.assertEqual(self.noted, [])
        del execution
        self.check_warning()

    def test_one_that_the_garbage_collector_finds_is_closed_before_the_next_one_is_made(self) -> None:
        circle: list[Any] = [LocalDurableTestRunner(simple, function_name="first")]
        circle.append(circle)
        del circle
        gc.collect(1)
        self.check_warning()
        with LocalDurableTestRunner(simple, skip_time=False) as runner:
            self.assertEqual(runner.run(2).get_result(), 2)

    def test_it_is_no_runner_to_route_to(self) -> None:
        LocalDurableTestRunner(simple)
        with self.assertRaisesRegex(UsageError, "needs an open runner"):
            route(None)
        self.check_warning()

    def test_one_that_was_closed_is_no_reason_for_a_warning(self) -> None:
        with LocalDurableTestRunner(simple) as runner:
            runner.run(1)
        del runner
        gc.collect(1)
        self.assertEqual(self.noted, [])

    def test_one_that_is_kept_is_named_by_what_it_is_in_the_way_of(self) -> None:
        runner = LocalDurableTestRunner(simple)
        self.addCleanup(runner.close)
        with self.assertRaisesRegex(
            EnvironmentAlreadySetUpError, rf"the runner for {NAMED}, made at tests/local/test_dr"
        ):
            LocalDurableTestRunner.setup_test_environment()
