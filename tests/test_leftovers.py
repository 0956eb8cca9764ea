"""After the tests nothing of ours is left, and what would be left is noticed."""

from __future__ import annotations

import unittest
from collections.abc import Mapping

from durabletest import LocalDurableTestRunner
from tests.acceptance.workflows import approval, order
from tests.leftovers import leftovers, watch
from tests.subprocesses import ProcessTestCase, StartedSuite

watch()
"""Where this module is loaded, as it is when the whole suite runs, the end of the process is watched."""

SUITE = """
import tests.test_leftovers
import unittest
from tests.acceptance.workflows import order
from durabletest import DurableTestCase, LocalDurableTestRunner


class OrderTests(DurableTestCase):
    handler = order

    def test_order(self):
        self.execute({"order": 1})
        self.assertExecution().succeeded()
"""
FORGETFUL = """
KEPT = []

class TheForgetfulTests(unittest.TestCase):
    def test_that_closes_nothing(self):
        self.runner = LocalDurableTestRunner(order)
        self.runner.run({"order": 1})
        KEPT.append(self.runner)
"""


class LeftoverTests(unittest.TestCase):
    def test_nothing_is_left_of_a_runner(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            runner.run({"order": 1})
            self.assertEqual(
                {*leftovers()},
                {
                    "the thread durabletest-checkpoint-server",
                    "the thread durabletest-invoker",
                    "a frozen clock",
                    "a replacement for os._exit",
                },
            )
        self.assertEqual(leftovers(), [])

    def test_nothing_is_left_of_an_execution_that_was_given_up(self) -> None:
        with LocalDurableTestRunner(approval) as runner:
            runner.start().operation("approval").wait_for_data().result(timeout=5)
        self.assertEqual(leftovers(), [])


class LeftoverProcessTests(ProcessTestCase):
    @classmethod
    def start_processes(cls) -> Mapping[str, StartedSuite]:
        return {
            "suite": StartedSuite("unittest", suite=SUITE),
            "forgetful": StartedSuite("unittest", suite=SUITE + FORGETFUL),
        }

    def test_a_process_that_has_run_a_suite_ends_by_itself(self) -> None:
        ended = self.ended("suite")
        self.assertEqual((ended.returncode, ended.stdout), (0, ""), ended.stderr)

    def test_a_suite_that_leaves_something_behind_is_told_so_and_its_process_ends_all_the_same(self) -> None:
        ended = self.ended("forgetful")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("OK", ended.stderr)
        self.assertRegex(ended.stderr, "left behind by the tests: .*durabletest-checkpoint-server.*a frozen clock")
