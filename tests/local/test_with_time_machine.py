"""The tests of time once more, with time-machine as the clock; and the examples."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import time_machine
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import DurableTestCase
from tests.local import (
    test_abandoned,
    test_late_imports,
    test_manual_time,
    test_one_time,
    test_other_clocks,
    test_races,
    test_sleep,
)
from tests.subprocesses import StartedModule

EXAMPLES = Path(__file__).parents[2] / "examples"
MODULES = (
    test_late_imports,
    test_one_time,
    test_other_clocks,
    test_manual_time,
    test_races,
    test_sleep,
    test_abandoned,
)
ENOUGH = {test_races: {"TIMES": 3}, test_abandoned: {"ROUNDS": 5}}
"""With the other clock the repetitions are many."""

ONLY_FREEZEGUN = (test_late_imports.LeftOutTests,)
"""They are about what freezegun cannot or shall not replace."""


class WithTimeMachine(unittest.TestCase):
    module: ModuleType
    early = False  # processes are told of the clock by the environment

    @classmethod
    def setUpClass(cls) -> None:
        cls.enterClassContext(patch.dict(os.environ, {"DURABLETEST_CLOCK": "time-machine"}))
        for name, value in ENOUGH.get(cls.module, {}).items():
            cls.enterClassContext(patch.object(cls.module, name, value))
        super().setUpClass()


def _again(case: type[unittest.TestCase], module: ModuleType) -> type[unittest.TestCase]:
    names: dict[str, Any] = {"module": module, "__module__": __name__}
    return type(f"{case.__name__}WithTimeMachine", (WithTimeMachine, case), names)


def load() -> dict[str, type[unittest.TestCase]]:
    """A subclass of each test case of the modules."""
    cases = [
        _again(case, module)
        for module in MODULES
        for case in vars(module).values()
        if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == module.__name__
        if case not in ONLY_FREEZEGUN
    ]
    return {case.__name__: case for case in cases}


globals().update(load())


@durable_execution
def careless(event: Any, context: DurableContext) -> None:
    context.step(lambda _: time_machine.travel("2020-01-01").start() and None)
    context.wait(Duration.from_hours(1))


class LeftTravellingTests(unittest.TestCase):
    """One more travel on top of that of durabletest, which freezegun would not let begin."""

    def assert_told(self, case: type[unittest.TestCase], where: str) -> None:
        message = test_other_clocks.errors(case)
        self.assertIn("ForeignClockError: time-machine's travel is active", message)
        self.assertIn("ForeignClockError: it was not stopped again: time-machine's travel is active", message)
        self.assertRegex(message, rf"It shows 2020-01-01 00:00:0\d, and was begun in \S*{where} \(")
        self.assertEqual(time_machine.traveller_stack, [])

    def test_by_a_test(self) -> None:
        class Case(DurableTestCase):
            handler = careless
            clock = "time-machine"

            def test_1_leaves_it_active(self) -> None:
                time_machine.travel("2020-01-01").start()

            def test_2_finds_it(self) -> None:
                raise AssertionError("not reached")

        self.assert_told(Case, "test_1_leaves_it_active")

    def test_by_a_handler(self) -> None:
        class Case(DurableTestCase):
            handler = careless
            clock = "time-machine"

            def test(self) -> None:
                self.execute()

        self.assert_told(Case, "careless.<locals>.<lambda>")


class ExampleTests(unittest.TestCase):
    def test_the_examples(self) -> None:
        done = StartedModule("unittest", cwd=EXAMPLES, DURABLETEST_CLOCK="time-machine").ended()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"Ran \d\d+ tests")
