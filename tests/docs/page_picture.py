"""The picture of a page in the README: an execution of the examples, as Chromium shows it.

It is drawn anew by ``python -m tests.docs`` where there is a browser; other versions draw other pixels, so that no test
compares it.
"""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from tests.cloud.test_examples import example_suites
from tests.docs.pages import GUIDE
from tests.report.browser import BrowserTestCase, why_not

PICTURE = GUIDE / "images" / "page.png"
TEST = "test_a_refusal_before_the_signature_fails_the_onboarding"
_HIGH = 730


class Drawing(BrowserTestCase):
    """A test case for its browser only."""

    def runTest(self) -> None:
        with example_suites() as suites, tempfile.TemporaryDirectory() as folder:
            [suite] = [suite for suite in suites if hasattr(suite, TEST)]
            test = suite(TEST)
            file = Path(folder, "page.html")
            test.addCleanup(lambda: test._durable_executions()[0].save_html(file))
            test.run(unittest.TestResult())
            self.size(1100, _HIGH)
            self.open(file)
            self.screenshot(PICTURE)


def draw() -> str | None:
    """Draw the picture; returns the reason if that cannot be done here."""
    reason = why_not()
    if reason is None:
        result = unittest.TestResult()
        unittest.TestSuite([Drawing()]).run(result)
        assert result.wasSuccessful(), result
    return reason
