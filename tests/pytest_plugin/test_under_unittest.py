"""The tests of this folder are functions of pytest; without pytest around, they are run by one in a process."""

from __future__ import annotations

import os
import unittest
from pathlib import Path

from tests.subprocesses import BOUND, Started


class PluginTests(unittest.TestCase):
    def test_the_functions_of_this_folder(self) -> None:
        if "PYTEST_CURRENT_TEST" in os.environ:
            self.skipTest("pytest runs the functions itself")
        folder = str(Path(__file__).parent)
        done = Started("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", folder).ended(5 * BOUND)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\d\d passed")
