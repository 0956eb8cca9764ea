"""Suites that name a template, run as unittest runs them, with modules and paths put back afterwards."""

from __future__ import annotations

import os
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest import DurableTestCase
from tests.modules import forgotten

PROJECTS = Path(__file__).parent / "projects"


def suite(test: Any, **settings: Any) -> type[DurableTestCase]:
    """A test case class of this module, with those settings and one test."""
    return type("OrderTests", (DurableTestCase,), {"__module__": __name__, "test": test, **settings})


class TemplateTestCase(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(forgotten(PROJECTS))
        self.enterContext(mock.patch.dict(os.environ))
        for name in ("DURABLETEST_TEMPLATE", "DURABLETEST_MODE", "DURABLETEST_STACK"):
            os.environ.pop(name, None)

    def result(self, cls: type[DurableTestCase]) -> unittest.TestResult:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
        return result

    def assertPasses(self, cls: type[DurableTestCase]) -> None:
        result = self.result(cls)
        self.assertEqual((result.errors, result.failures, result.skipped), ([], [], []))
        self.assertEqual(result.testsRun, 1)

    def message_of(self, cls: type[DurableTestCase]) -> str:
        """What is said of the configuration of a class, which is its only error."""
        [(_, text)] = self.result(cls).errors
        _, separator, message = text.rstrip().rpartition("durabletest.errors.ConfigurationError: ")
        self.assertTrue(separator, text)
        return message
