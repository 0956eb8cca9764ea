"""Runs tests until one fails, in the process of one mutant: ``python -m tests.mutants.notice OUTPUT TESTS...``."""

from __future__ import annotations

import signal
import sys
import unittest
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import durabletest


class FirstFailure(unittest.TestResult):
    """Stops at the first test that fails, and keeps its id."""

    def __init__(self) -> None:
        super().__init__()
        self.failfast = True
        self.noticed_by: str | None = None

    def addError(self, test: unittest.TestCase, err: Any) -> None:
        super().addError(test, err)
        self._keep(test)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        super().addFailure(test, err)
        self._keep(test)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Any) -> None:
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._keep(test)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        super().addUnexpectedSuccess(test)
        self._keep(test)

    def _keep(self, test: unittest.TestCase) -> None:
        self.noticed_by = self.noticed_by or test.id()


def main(output: str, names: Sequence[str]) -> None:
    """Write the id of the first test that fails, and ``-`` if none does."""
    if not Path(durabletest.__file__ or "").is_relative_to(Path.cwd()):
        raise SystemExit(f"these tests would not see the mutant: they run against {durabletest.__file__}")
    # A shell lets what it starts in the background ignore Ctrl-C, and tests press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    result = FirstFailure()
    for name in names:
        tests = unittest.defaultTestLoader.loadTestsFromName(name)
        if not tests.countTestCases():
            raise SystemExit(f"there are no tests in {name}")
        if not result.shouldStop:
            tests.run(result)
    text = "".join(text for _, text in result.errors + result.failures)
    Path(output).write_text(f"{result.noticed_by or '-'}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
