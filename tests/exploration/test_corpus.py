"""Every bug of the corpus is found and told of; no correct workflow is complained of (``python -m tests.exploration``
does it with all schedules)."""

from __future__ import annotations

import unittest

from tests.exploration import bugs_of_branches, bugs_of_time
from tests.exploration.corpus import BUGS, CORRECT, cases, outcome
from tests.sdk_versions import needs_turns


@needs_turns
class CorpusTests(unittest.TestCase):
    def test_every_bug_is_found_and_the_report_names_the_operations(self) -> None:
        self.assertEqual(list(BUGS), [*cases(bugs_of_branches), *cases(bugs_of_time)])
        for case, names in BUGS.items():
            with self.subTest(case.__name__):
                found = outcome(case)
                self.assertIn(found.found, range(2, 500), found.report)
                for name in names:
                    self.assertIn(name, "\n".join(found.stories))
                self.assertLessEqual(len(found.stories), 2)

    def test_no_bug_shows_by_the_default_schedule(self) -> None:
        for case in BUGS:
            with self.subTest(case.__name__):
                self.assertIsNone(outcome(case, DURABLETEST_SCHEDULES="1").report)

    def test_no_correct_workflow_is_complained_of(self) -> None:
        for case in CORRECT:
            with self.subTest(case.__name__):
                self.assertIsNone(outcome(case, DURABLETEST_SCHEDULES="3").report)
