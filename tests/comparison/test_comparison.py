"""Both suites of the comparison: the same tests, their lengths, the page that shows them, and AWS's is run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import unittest

from tests.comparison import page
from tests.subprocesses import ONLY_NAMED_PLUGINS

INSTALLED = importlib.util.find_spec("aws_durable_execution_sdk_python_testing") is not None


class ComparisonTests(unittest.TestCase):
    def test_both_have_the_same_seven_tests(self) -> None:
        for path in (page.OURS, page.THEIRS):
            self.assertEqual([piece.test for piece in page.pieces(path)], list(page.TESTED))
        self.assertEqual(len(page.TESTED), 7)

    def test_ours_need_at_most_three_fifths_of_the_lines(self) -> None:
        ours, theirs = page.lines(page.OURS), page.lines(page.THEIRS)
        self.assertLessEqual(ours, 0.6 * theirs, f"{ours} lines against {theirs}")

    def test_the_page_shows_the_files_as_they_are(self) -> None:
        shown = page.PAGE.read_text(encoding="utf-8")
        self.assertTrue(shown == page.text(), "write it anew: python -m tests.comparison --write")

    @unittest.skipUnless(INSTALLED, "AWS's testing package is not installed: pip install -e '.[test,comparison]'")
    def test_theirs_pass(self) -> None:
        """In a process of their own, where warnings are none of ours: their runner leaves its event loop open."""
        options = ["-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default"]
        command = [sys.executable, "-m", "pytest", *options, str(page.THEIRS)]
        environment = {**os.environ, **ONLY_NAMED_PLUGINS}
        done = subprocess.run(
            command, check=False, text=True, capture_output=True, timeout=120, cwd=page.ROOT, env=environment
        )
        self.assertIn("7 passed", done.stdout, done.stdout + done.stderr)
