"""Recording the outcome and the executions of each test in one mode, and comparing those of two modes."""

from __future__ import annotations

import os
import unittest
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Any, TypeAlias

from durabletest.case import DurableTestCase
from durabletest.execution import Execution
from durabletest.model.comparison import Canonical, canonical, differences
from durabletest.modes import MODE_VARIABLE, Mode

_DOES_NOT_COUNT = ("function",)
"""A function may be deployed under another name; that the right one was invoked shows in its result."""
ErrorInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


@dataclass
class Recording:
    """The executions and the outcome of one test in one mode; it passed unless ``failure`` or ``skipped`` is set."""

    executions: list[Canonical] = field(default_factory=list)
    failure: str | None = None
    skipped: str | None = None


def record(tests: Iterable[DurableTestCase], mode: Mode) -> dict[str, Recording]:
    """Run the tests in this mode, and return their recordings by the ids of the tests."""
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
    """Record the executions that the test starts, as they are after the test but before its runner is closed."""
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
    """Set the environment variable of the mode for the duration of the block."""
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
    """Records the outcome of each test; the outcome of a class fixture counts for all tests of the class."""

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
        """Copy the outcomes of ``setUpClass (module.Class)`` to all tests of the class."""
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
        """unittest reports class and module fixtures as if they were tests, with ids of another form."""
        known = self.recordings.get(test.id())
        return self._of_classes.setdefault(test.id(), Recording()) if known is None else known


# --- comparing ---


class Parity(Enum):
    """The outcome of the comparison of one test."""

    AGREES = "agrees"
    DIFFERS = "differs"
    FAILED = "failed"
    NOT_COMPARED = "not compared"

    def of(self, number: int) -> str:
        """``1 differs``, ``2 differ``."""
        return self.value if number == 1 else self.value.removesuffix("s")


@dataclass(frozen=True)
class Comparison:
    """The verdict on one test, with the sentences that explain it."""

    test: str
    verdict: Parity
    because: list[str] = field(default_factory=list)


def compare(test: str, local: Recording, cloud: Recording) -> Comparison:
    """Compare the two recordings of one test, unless it failed or was skipped in one of the modes."""
    both = (("locally", local), ("in the cloud", cloud))
    failed = [f"failed {where}: {recording.failure}" for where, recording in both if recording.failure is not None]
    if failed:
        return Comparison(test, Parity.FAILED, failed)
    skipped = [f"skipped {where}: {recording.skipped}" for where, recording in both if recording.skipped is not None]
    if skipped or not (local.executions or cloud.executions):
        return Comparison(test, Parity.NOT_COMPARED, skipped or ["it starts no execution"])
    found = list(_differences(local.executions, cloud.executions))
    return Comparison(test, Parity.DIFFERS if found else Parity.AGREES, found)


def _differences(local: list[Canonical], cloud: list[Canonical]) -> list[str]:
    if len(local) != len(cloud):
        return [f"{len(cloud)} executions in the cloud instead of {len(local)}"]
    sentences: list[str] = []
    for number, (one, other) in enumerate(zip(local, cloud, strict=True), start=1):
        which = f"execution {number}: " if len(local) > 1 else ""
        sentences += [f"{which}{sentence}" for sentence in differences(one, other, ignoring=_DOES_NOT_COUNT)]
    return sentences
