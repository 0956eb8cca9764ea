"""Some random schedules; ``python -m tests.seeds`` tries more, and the simulation too."""

from __future__ import annotations

import unittest

from tests.conformance.requirements import need_folder
from tests.sdk_versions import needs_turns
from tests.seeds.by_chance import by_chance, conformance, examples


@needs_turns
class SeedsTests(unittest.TestCase):
    def check(self, seed: int, suite: unittest.TestSuite) -> None:
        with by_chance(seed) as schedules:
            result = unittest.TestResult()
            suite.run(result)
        self.assertEqual([text for _, text in [*result.failures, *result.errors]], [])
        self.assertGreater(result.testsRun, 20)
        self.assertGreater(sum(len(schedule.chosen()) for schedule in schedules), 0)

    def test_the_examples_hold_by_other_schedules(self) -> None:
        self.check(3, examples())

    def test_conformance_holds_by_other_schedules(self) -> None:
        need_folder()
        self.check(2, conformance())
