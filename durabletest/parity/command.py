"""``durabletest verify-parity``: the arguments, what is printed, and the exit status."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import boto3
from botocore.exceptions import NoCredentialsError

from durabletest._version import __version__
from durabletest.case import DurableTestCase
from durabletest.cloud.aws_errors import explained
from durabletest.cloud.suite import CloudSuite
from durabletest.configuration import Mode, validate
from durabletest.errors import UsageError
from durabletest.modes import why_left_out
from durabletest.parity.comparison import Comparison, Verdict, compare
from durabletest.parity.loading import module_named, tests_in
from durabletest.parity.recording import in_mode, record

AGREE, DISAGREE, WRONG_USAGE = 0, 1, 2
_DESCRIPTION = """\
Run the tests of a module locally and in the cloud, and compare what their executions did, test by test: operations,
types, names, statuses, results, errors and attempts, in the order of the workflow; not times."""
_EPILOG = """\
The cloud is chosen as for the tests themselves: DURABLETEST_FUNCTION_NAMES, AWS_DEFAULT_REGION, credentials.
The exit status is 0 if all executions that could be compared agree, 1 if some differ or a test has failed, 2 if the
command was used wrongly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, or those of the process, and give the exit status."""
    options = _parser().parse_args(arguments)
    try:
        module = module_named(options.module)
        tests = tests_in(module)
        _check_configuration(tests)
    except UsageError as error:
        print(f"durabletest: {error}", file=sys.stderr)
        return WRONG_USAGE
    print(f"Running {_counted(len(tests), 'test')} of {module.__name__} locally, then in the cloud.", flush=True)
    local = record(tests, Mode.LOCAL)
    cloud = record(tests_in(module), Mode.CLOUD)
    comparisons = [compare(test_id, local[test_id], cloud[test_id]) for test_id in local]
    print("\n".join(_report(comparisons)))
    return _status(comparisons)


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
    return parser


def _check_configuration(tests: Iterable[DurableTestCase]) -> None:
    """Raise what would make every test in the cloud fail, before anything is run."""
    with in_mode(Mode.CLOUD):
        for cls in dict.fromkeys(type(test) for test in tests):
            if why_left_out(cls) is None:
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
    if set(counts) == {Verdict.NOT_COMPARED}:
        return "Nothing was compared: no test runs an execution in both modes."
    parts = [f"{number} {verdict.of(number)}" for verdict in Verdict if (number := counts[verdict])]
    return f"{_counted(len(comparisons), 'test')}: {', '.join(parts)}."


def _status(comparisons: Sequence[Comparison]) -> int:
    verdicts = {comparison.verdict for comparison in comparisons}
    return AGREE if Verdict.AGREES in verdicts and not verdicts & {Verdict.DIFFERS, Verdict.FAILED} else DISAGREE


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
