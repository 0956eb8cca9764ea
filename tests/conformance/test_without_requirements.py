"""The requirement files are not part of the project: a checkout without them skips what needs them, and says why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from tests.conformance import requirements

TESTS = Path(__file__).parents[1]
MODULES = ("test_conformance", "test_claims", "test_matcher", "test_over_boto3")
RUN = f"""
import json, unittest
suite = unittest.defaultTestLoader.loadTestsFromNames("tests.conformance." + name for name in {MODULES!r})
result = suite.run(unittest.TestResult())
skipped = {{reason for _, reason in result.skipped}}
print(json.dumps([result.testsRun, result.wasSuccessful(), [test.id() for test, _ in result.skipped], list(skipped)]))
"""


def run_in_a_checkout_of_its_own() -> Any:
    """What ``RUN`` prints where nothing lies beside the tests."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder, "checkout")
        shutil.copytree(TESTS, checkout / "tests", ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        printed = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUN],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
            check=True,
            stdout=subprocess.PIPE,
            timeout=60,
        ).stdout
    return json.loads(printed)


class WithoutRequirementsTests(unittest.TestCase):
    def test_what_needs_them_is_skipped_with_the_reason_and_the_rest_runs(self) -> None:
        ran, successful, skipped, reasons = run_in_a_checkout_of_its_own()
        self.assertTrue(successful)
        self.assertEqual(len(reasons), 1)
        self.assertRegex(reasons[0], "^the conformance requirements are not there: .*conformance is no folder$")
        self.assertEqual(len([test for test in skipped if ".ConformanceTests." in test]), 78)
        self.assertEqual([test for test in skipped if ".WrongHistoryTests." in test], [])
        self.assertGreater(ran, len(skipped))

    def test_where_they_are_all_of_them_are_read(self) -> None:
        requirements.need_folder()
        self.assertEqual(sum(len(requirements.numbers(suite)) for suite in requirements.SUITES), 78)


if __name__ == "__main__":
    unittest.main()
