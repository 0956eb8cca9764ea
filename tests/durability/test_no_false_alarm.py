"""Correct workflows of all suites under each check: none is complained of.

A usual run tries a few of them, ``DURABLETEST_LONG_TESTS`` all.
"""

from __future__ import annotations

import unittest

from tests.conformance import requirements
from tests.durability.workflows import (
    NOT_CORRECT,
    NOT_EXECUTED,
    Check,
    Workflow,
    all_workflows,
    is_deterministic,
    of_exploration,
    replays,
    survives_crashes,
)
from tests.effort import LONG, examples
from tests.sdk_versions import needs_turns


@needs_turns
class NoFalseAlarmTests(unittest.TestCase):
    workflows: list[Workflow]

    @classmethod
    def setUpClass(cls) -> None:
        cls.workflows = all_workflows(of_chance=examples(2, long=60))

    def check(self, check: Check, every: int) -> None:
        """All of them; in a usual run, one in so many, but for those that other tests of this folder check."""
        others = [one for one in self.workflows if not one.name.startswith("durability")]
        for workflow in self.workflows if LONG else others[::every]:
            with self.subTest(workflow.name):
                self.assertEqual(workflow.complaint(check), "")

    def test_they_survive_crashes(self) -> None:
        self.check(survives_crashes, 24)

    def test_they_are_deterministic(self) -> None:
        self.check(is_deterministic, 16)

    def test_they_replay_what_they_have_recorded(self) -> None:
        self.check(replays, 16)

    def test_they_are_many(self) -> None:
        handlers = {one.case.handler for one in self.workflows}
        at_least = 110 if LONG else 50
        self.assertGreaterEqual(len(handlers), at_least if requirements.FOLDER.is_dir() else 40)
        self.assertEqual(len({one.name for one in self.workflows}), len(self.workflows))

    def test_the_one_that_is_not_correct_is_complained_of(self) -> None:
        [wrong] = [one for one in of_exploration() if one.name.partition(".")[0] in NOT_CORRECT]
        for check in (survives_crashes, is_deterministic, replays):
            self.assertIn("min() arg is an empty sequence", wrong.complaint(check))

    def test_a_test_that_executes_nothing_is_no_check(self) -> None:
        idle = next(one for one in of_exploration() if one.name in NOT_EXECUTED)
        with self.assertRaisesRegex(AssertionError, "executes nothing"):
            idle.complaint(is_deterministic)


if __name__ == "__main__":
    unittest.main()
