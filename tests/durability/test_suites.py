"""The correct workflows of other tests with ``check_determinism``: no false alarm, and the one bug is found."""

from __future__ import annotations

import unittest

from durabletest import DurableTestCase
from durabletest.explored_case import options_of
from tests.exploration import correct
from tests.exploration.corpus import CORRECT
from tests.sdk_versions import needs_turns


@needs_turns
class SuiteTests(unittest.TestCase):
    def failure(self, case: type[DurableTestCase]) -> str:
        """The first failure of the case's tests, which are run once, and not explored."""

        class Checked(case):  # type: ignore[misc, valid-type]
            check_determinism = True

        for name in unittest.defaultTestLoader.getTestCaseNames(case):
            method = getattr(case, name)
            if options_of(method) is not None:
                setattr(Checked, name, lambda test, method=method: method(test))
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Checked).run(result)
        self.assertGreater(result.testsRun, 0)
        return next((text for _, text in (*result.failures, *result.errors)), "")

    def test_there_is_no_false_alarm(self) -> None:
        for case in CORRECT:
            if case is not correct.SortedBeforeUse:
                with self.subTest(case.__name__):
                    self.assertEqual(self.failure(case), "")

    def test_a_dictionary_that_branches_fill_is_empty_in_a_replay(self) -> None:
        """In every order of its branches the workflow is right, but not in a replay."""
        text = self.failure(correct.SortedBeforeUse)
        self.assertIn('its status was another one\nfirst run: "Ann\'s"\n   replay: FAILED with ValueError', text)


if __name__ == "__main__":
    unittest.main()
