"""The command ``durabletest``; of ``verify-parity`` arguments, finding the tests, printed report, and exit status."""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
import unittest
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import boto3
from botocore.exceptions import NoCredentialsError

from durabletest import __version__, show
from durabletest.case import DurableTestCase
from durabletest.cloud.refusals import explained
from durabletest.cloud.suite import CloudSuite
from durabletest.configuration import validate
from durabletest.errors import ConfigurationError, UsageError
from durabletest.model.lookup import nearest
from durabletest.modes import Mode, reason_to_skip
from durabletest.parity.recording import Comparison, Parity, compare, in_mode, record

AGREE, DISAGREE, WRONG_USAGE = 0, 1, 2
_DESCRIPTION = """\
Run the tests of a module locally and in the cloud, and compare what their executions did, test by test: operations,
types, names, statuses, results, errors and attempts, in the order of the workflow; not times."""
_EPILOG = """\
The cloud is chosen as for the tests themselves: DURABLETEST_FUNCTION_NAMES, AWS_DEFAULT_REGION, credentials.
The exit status is 0 if all executions that could be compared agree, 1 if some differ or a test has failed, 2 if the
command was used wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, by default those of the process, and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        print(f"durabletest: {error}", file=sys.stderr)
        return WRONG_USAGE


def _verify_parity(options: argparse.Namespace) -> int:
    module = _import_module(options.module)
    tests = tests_in(module)
    _check_configuration(tests)
    print(f"Running {_counted(len(tests), 'test')} of {module.__name__} locally, then in the cloud.", flush=True)
    local = record(tests, Mode.LOCAL)
    cloud = record(tests_in(module), Mode.CLOUD)
    comparisons = [compare(test_id, local[test_id], cloud[test_id]) for test_id in local]
    print("\n".join(_report(comparisons)))
    verdicts = {comparison.verdict for comparison in comparisons}
    return AGREE if Parity.AGREES in verdicts and not verdicts & {Parity.DIFFERS, Parity.FAILED} else DISAGREE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="durabletest", description="Tests for AWS Lambda durable functions.")
    parser.add_argument("--version", action="version", version=f"durabletest {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    parity = commands.add_parser(
        "verify-parity",
        help="compare local runs of a suite with runs in the cloud",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parity.add_argument("module", metavar="TESTMODULE", help="a module with DurableTestCase classes, or its file")
    parity.set_defaults(run=_verify_parity)
    show.add_to(commands)
    return parser


def _import_module(name: str) -> ModuleType:
    """Import a module by its dotted name, or by its file below the current directory."""
    dotted = ".".join(Path(name).with_suffix("").parts) if name.endswith(".py") else name
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{dotted}.".startswith(f"{error.name}."):
            hint = nearest(dotted, [path.stem for path in Path.cwd().glob("*.py")])
            raise ConfigurationError(f"there is no module {name!r}, seen from {Path.cwd()}{hint}") from None
        raise ConfigurationError(_not_importable(name, error)) from error
    except Exception as error:
        raise ConfigurationError(_not_importable(name, error)) from error


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


def _not_importable(name: str, error: Exception) -> str:
    [*_, last] = traceback.format_exception_only(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name!r} cannot be imported: {last.rstrip()} ({where.filename}, line {where.lineno})"


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
    yield _summary(comparisons)


def _summary(comparisons: Sequence[Comparison]) -> str:
    counts = Counter(comparison.verdict for comparison in comparisons)
    if set(counts) == {Parity.NOT_COMPARED}:
        return "Nothing was compared: no test runs an execution in both modes."
    parts = [f"{number} {verdict.of(number)}" for verdict in Parity if (number := counts[verdict])]
    return f"{_counted(len(comparisons), 'test')}: {', '.join(parts)}."


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
