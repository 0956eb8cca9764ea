"""Runs a suite that is given as text, under unittest and under pytest, and tells how each of its tests ended."""

from __future__ import annotations

import sys
import tempfile
import types
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from tests.subprocesses import StartedSuite

PASSED, FAILED, ERROR, SKIPPED, EXPECTED = "passed", "failed", "error", "skipped", "expected failure"
MODULE = "durabletest_citizenship_suite"


class Recorder(unittest.TestResult):
    """Notes one word for each test, and what was said of those that did not pass."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    def _note(self, test: object, outcome: str, text: str = "") -> None:
        name = _name(test)
        self.outcomes[name] = outcome
        self.texts[name] = self.texts.get(name, "") + text

    def addSuccess(self, test: unittest.TestCase) -> None:
        self.outcomes.setdefault(_name(test), PASSED)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:
        super().addFailure(test, err)  # type: ignore[arg-type]
        self._note(test, FAILED, self.failures[-1][1])

    def addError(self, test: unittest.TestCase, err: object) -> None:
        super().addError(test, err)  # type: ignore[arg-type]
        self._note(test, ERROR, self.errors[-1][1])

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._note(test, SKIPPED, reason)

    def addExpectedFailure(self, test: unittest.TestCase, err: object) -> None:
        self._note(test, EXPECTED)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._note(test, FAILED, "unexpected success")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:
        super().addSubTest(test, subtest, err)  # type: ignore[arg-type]
        if err is not None:
            self._note(test, FAILED, self.failures[-1][1])


def _name(test: object) -> str:
    """``Class.test``; of an error around the tests of a class ``setUpClass Class``."""
    if isinstance(test, unittest.TestCase):
        return f"{type(test).__name__}.{test.id().rpartition('.')[2]}"
    where = str(test)
    return f"{where.split(' ')[0]} {where.rstrip(')').rpartition('.')[2]}"


def under_unittest(text: str) -> Recorder:
    """In this process."""
    with _module(text) as module:
        recorder = Recorder()
        unittest.defaultTestLoader.loadTestsFromModule(module).run(recorder)
        return recorder


@contextmanager
def _module(text: str) -> Iterator[types.ModuleType]:
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    try:
        exec(compile(text, "suite.txt", "exec"), vars(module))
        yield module
    finally:
        del sys.modules[MODULE]


class UnderPytest(StartedSuite):
    """In a process of its own; the outcomes come from its report."""

    def __init__(self, text: str) -> None:
        self._reports = tempfile.TemporaryDirectory()
        self._report = Path(self._reports.name, "report.xml")
        arguments = ("-q", "-p", "no:cacheprovider", f"--junit-xml={self._report}", "test_suite.py")
        super().__init__("pytest", *arguments, suite=f"\n{text}")

    def outcomes(self) -> dict[str, str]:
        """Wait for its end."""
        ended = self.ended()
        if not self._report.exists():
            raise AssertionError(ended.stdout + ended.stderr)
        outcomes: dict[str, str] = {}
        for case in ElementTree.parse(self._report).iter("testcase"):
            name = f"{case.get('classname', '').rpartition('.')[2]}.{case.get('name')}"
            outcome = _outcome(case)
            if outcome != PASSED or name not in outcomes:
                outcomes[name] = outcome
        self._reports.cleanup()
        return outcomes


def _outcome(case: ElementTree.Element) -> str:
    for tag, outcome in (("failure", FAILED), ("error", ERROR)):
        if case.find(tag) is not None:
            return outcome
    skipped = case.find("skipped")
    if skipped is None:
        return PASSED
    return EXPECTED if skipped.get("type") == "pytest.xfail" else SKIPPED
