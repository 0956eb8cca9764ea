"""The page about pytest: pytest collects and passes what it shows."""

from __future__ import annotations

import unittest

from tests.docs.pages import GUIDE, python_of
from tests.subprocesses import run_suite


class PytestPageTests(unittest.TestCase):
    def test_its_functions_and_fixtures_work(self) -> None:
        suite = "\n" + python_of(GUIDE / "pytest.md")
        done = run_suite("pytest", "-q", "-p", "no:cacheprovider", suite=suite)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("17 passed", done.stdout)
