"""Runs a suite in one mode, and keeps what became of each test and what its executions did."""

from __future__ import annotations

import os
import unittest
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias

from durabletest.case import DurableTestCase
from durabletest.execution import Execution
from durabletest.model.canonical import Canonical, canonical
from durabletest.modes import MODE_VARIABLE, Mode

ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


@dataclass
class Recording:
    """What one test did in one mode; neither ``failure`` nor ``skipped`` is set if it passed."""

    executions: list[Canonical] = field(default_factory=list)
    failure: str | None = None
    skipped: str | None = None


def record(tests: Iterable[DurableTestCase], mode: Mode) -> dict[str, Recording]:
    """Run the tests in this mode; the recordings are found by the ids of the tests."""
    outcomes = _Outcomes()
    suite = unittest.TestSuite()
    for test in tests:
        _watch(test, outcomes.of(test.id()))
        suite.addTest(test)
    with in_mode(mode):
        suite.run(outcomes)
    outcomes.spread_class_outcomes()
    return outcomes.recordings


def _watch(test: DurableTestCase, recording: Recording) -> None:
    """Keep the executions that the test starts, as they stand when all of the test is over but its runner."""
    started: list[Execution] = []
    start = test.start

    def starting(payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        started.append(start(payload, name=name, tenant_id=tenant_id))
        return started[-1]

    def keep() -> None:
        views = [execution.snapshot().view for execution in started]
        recording.executions += [canonical(view.history(), view.decode) for view in views]

    test.start = starting  # type: ignore[method-assign]
    test.addCleanup(keep)


@contextmanager
def in_mode(mode: Mode) -> Iterator[None]:
    """The environment variable says so, for as long as the block lasts."""
    before = os.environ.get(MODE_VARIABLE)
    os.environ[MODE_VARIABLE] = mode
    try:
        yield
    finally:
        if before is None:
            del os.environ[MODE_VARIABLE]
        else:
            os.environ[MODE_VARIABLE] = before


class _Outcomes(unittest.TestResult):
    """Notes what becomes of each test; what becomes of a class as a whole is that of its tests."""

    def __init__(self) -> None:
        super().__init__()
        self.recordings: dict[str, Recording] = {}
        self._of_classes: dict[str, Recording] = {}

    def of(self, test_id: str) -> Recording:
        return self.recordings.setdefault(test_id, Recording())

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._at(test).skipped = reason

    def addError(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        self._fail(test, err)

    def addFailure(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        self._fail(test, err)

    def addSubTest(
        self,
        test: unittest.TestCase,
        subtest: unittest.TestCase,  # noqa: ARG002 - unittest's signature
        err: ErrorInfo | None,
    ) -> None:
        if err is not None:
            self._fail(test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._at(test).failure = "it was expected to fail, and has succeeded"

    def spread_class_outcomes(self) -> None:
        """``setUpClass (module.Class)`` stands for all tests of the class."""
        for test_id, recording in self.recordings.items():
            of_class = self._of_classes.get(f"setUpClass ({test_id.rpartition('.')[0]})")
            if of_class is not None:
                recording.failure, recording.skipped = of_class.failure, of_class.skipped

    def _fail(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        kind, error, _ = err
        recording = self._at(test)
        if recording.failure is None and kind is not None:
            recording.failure = f"{kind.__name__}: {error}"

    def _at(self, test: unittest.TestCase) -> Recording:
        """Fixtures of classes and modules come as something that only looks like a test."""
        known = self.recordings.get(test.id())
        return self._of_classes.setdefault(test.id(), Recording()) if known is None else known
