"""``durabletest verify-parity``: run a suite locally and in the cloud, and compare what its executions did."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import unittest
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeAlias
from unittest import mock

import boto3
from botocore.exceptions import NoCredentialsError

from durabletest.assertions.check import counted
from durabletest.case import DurableTestCase
from durabletest.cloud.aws import explained
from durabletest.cloud.suite import CloudSuite
from durabletest.configuration import MODE_VARIABLE, Mode, reason_to_skip, validate
from durabletest.errors import ConfigurationError
from durabletest.execution_handle import Execution
from durabletest.model.comparison import Canonical, canonical, differences
from durabletest.model.lookup import nearest
from durabletest.progress import ProgressLine
from durabletest.report.table import printable

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
    progress = ProgressLine(f"parity, {'locally' if mode is Mode.LOCAL else 'in the cloud'}")
    outcomes = _Outcomes(progress)
    suite = unittest.TestSuite()
    for test in tests:
        _watch(test, outcomes.of(test))
        suite.addTest(test)
    with in_mode(mode), progress.shown():
        suite.run(outcomes)
    progress.summarise(counted(len(outcomes.recordings), "test"))
    outcomes.spread_fixture_outcomes()
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


def in_mode(mode: Mode) -> AbstractContextManager[object]:
    """Set the environment variable of the mode in the block; after it, all variables are as they were before."""
    return mock.patch.dict(os.environ, {MODE_VARIABLE: mode})


class _Outcomes(unittest.TestResult):
    """Records the outcome of each test; the outcome of a fixture counts for all tests of its class or module."""

    def __init__(self, progress: ProgressLine) -> None:
        super().__init__()
        self.recordings: dict[str, Recording] = {}
        self._of_fixtures: dict[str, Recording] = {}
        self._fixtures: dict[str, tuple[str, ...]] = {}
        self._progress = progress

    def of(self, test: unittest.TestCase) -> Recording:
        test_id, module = test.id(), type(test).__module__
        cls = test_id.rpartition(".")[0]
        self._fixtures[test_id] = (
            f"setUpModule ({module})",
            f"setUpClass ({cls})",
            f"tearDownClass ({cls})",
            f"tearDownModule ({module})",
        )
        return self.recordings.setdefault(test_id, Recording())

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._progress.show(f"{self.testsRun} of {counted(len(self.recordings), 'test')}, {test.id()}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self._at(test).skipped = reason

    def addError(self, test: unittest.TestCase, err: ErrorInfo) -> None:
        kind, error, _ = err
        recording = self._at(test)
        if recording.failure is None and kind is not None:
            recording.failure = f"{kind.__name__}: {error}"

    addFailure = addError  # noqa: N815 - unittest's name

    def addSubTest(
        self,
        test: unittest.TestCase,
        subtest: unittest.TestCase,  # noqa: ARG002 - unittest's signature
        err: ErrorInfo | None,
    ) -> None:
        if err is not None:
            self.addError(test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self._at(test).failure = "it was expected to fail, and has succeeded"

    def spread_fixture_outcomes(self) -> None:
        """Copy the outcomes of fixtures, ``setUpClass (module.Class)``, to all tests of the class or module."""
        for test_id, recording in self.recordings.items():
            for name in self._fixtures[test_id]:
                outcome = self._of_fixtures.get(name, Recording())
                if outcome.failure is not None and recording.failure is None:
                    recording.failure = f"{name.partition(' ')[0]}: {outcome.failure}"
                recording.skipped = outcome.skipped or recording.skipped

    def _at(self, test: unittest.TestCase) -> Recording:
        """unittest reports class and module fixtures as if they were tests, with ids of another form."""
        known = self.recordings.get(test.id())
        return self._of_fixtures.setdefault(test.id(), Recording()) if known is None else known


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


AGREE, DISAGREE = 0, 1
_DESCRIPTION = """\
Run the tests of a module locally and in the cloud, and compare what their executions did, test by test: operations,
types, names, statuses, results, errors and attempts, in the order of the workflow; not times."""
_EPILOG = """\
The cloud is chosen as for the tests themselves: DURABLETEST_FUNCTION_NAMES, AWS_DEFAULT_REGION, credentials.
The exit status is 0 if all executions that could be compared agree, 1 if some differ or a test has failed, 2 if the
command was used wrongly."""


def add_to(commands: Any) -> None:
    """Add the command to the subparsers of ``durabletest``."""
    parser = commands.add_parser(
        "verify-parity",
        help="compare local runs of a suite with runs in the cloud",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("module", metavar="TESTMODULE", help="a module with DurableTestCase classes, or its file")
    parser.set_defaults(run=_verify_parity)


def _verify_parity(options: argparse.Namespace) -> int:
    module = _import_module(options.module)
    tests = tests_in(module)
    _check_configuration(tests)
    print(f"Running {counted(len(tests), 'test')} of {module.__name__} locally, then in the cloud.", flush=True)
    local = record(tests, Mode.LOCAL)
    cloud = record(tests_in(module), Mode.CLOUD)
    comparisons = [compare(test_id, local[test_id], cloud[test_id]) for test_id in local]
    print(printable("\n".join(_report(comparisons)), sys.stdout))
    verdicts = {comparison.verdict for comparison in comparisons}
    return AGREE if Parity.AGREES in verdicts and not verdicts & {Parity.DIFFERS, Parity.FAILED} else DISAGREE


def _import_module(name: str) -> ModuleType:
    """Import a module by its dotted name, or by its file below the current directory."""
    dotted = name
    if name.endswith(".py"):
        parts = Path(os.path.relpath(name)).with_suffix("").parts
        if parts[0] == os.pardir:
            raise ConfigurationError(f"the file {name!r} is not below {Path.cwd()}: go to the folder of its imports")
        dotted = ".".join(parts)
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(dotted)
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing is not None and f"{dotted}.".startswith(f"{missing}."):
            hint = nearest(dotted, [path.stem for path in Path.cwd().glob("*.py")])
            raise ConfigurationError(f"there is no module {name!r}, seen from {Path.cwd()}{hint}") from None
        [*_, last] = traceback.format_exception_only(error)
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigurationError(
            f"{name!r} cannot be imported: {last.rstrip()} ({where.filename}, line {where.lineno})"
        ) from error


def tests_in(module: ModuleType) -> list[DurableTestCase]:
    """All tests of the module's ``DurableTestCase`` classes, in the order in which unittest runs them."""
    tests = _flat(unittest.defaultTestLoader.loadTestsFromModule(module))
    found = [test for test in tests if isinstance(test, DurableTestCase)]
    if not found:
        raise ConfigurationError(
            f"{module.__name__} has no tests of a DurableTestCase: name the module with the test case classes "
            "whose handlers are deployed"
        )
    return found


def _flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test


def _check_configuration(tests: Iterable[DurableTestCase]) -> None:
    """Raise ``UsageError`` for a configuration with which every test would fail in the cloud."""
    with in_mode(Mode.CLOUD):
        for cls in dict.fromkeys(type(test) for test in tests):
            if reason_to_skip(cls) is None:
                validate(cls, DurableTestCase)
                CloudSuite(cls).close()
    if boto3.Session().get_credentials() is None:
        raise explained(NoCredentialsError())


def _report(comparisons: Sequence[Comparison]) -> Iterator[str]:
    for comparison in comparisons:
        yield f"{comparison.test}: {comparison.verdict.value}"
        for sentence in comparison.because:
            yield "\n".join(f"    {line}" for line in sentence.splitlines())
    yield ""
    counts = Counter(comparison.verdict for comparison in comparisons)
    parts = [f"{number} {verdict.of(number)}" for verdict in Parity if (number := counts[verdict])]
    compared = f"{counted(len(comparisons), 'test')}: {', '.join(parts)}."
    nothing = set(counts) == {Parity.NOT_COMPARED}
    yield "Nothing was compared: no test runs an execution in both modes." if nothing else compared
