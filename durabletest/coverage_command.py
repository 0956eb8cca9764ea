"""The command ``durabletest coverage``: the outcomes that a run has seen, those that it never has, and a threshold."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from durabletest.coverage import Coverage, outcomes_of_place, title_of
from durabletest.errors import ConfigurationError
from durabletest.model.lookup import listed, nearest
from durabletest.report.table import printable

COVERED, BELOW = 0, 1


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "coverage",
        help="show which outcomes of operations the tests have seen, and which never",
        description="Show what has happened to the operations of all executions of a run, and what never has. Reports\n"
        "are written by tests that are run with DURABLETEST_COVERAGE=report.json; several are merged.",
        epilog="The exit status is 0, or 1 if less than --fail-under is covered, or 2 if the command was used wrongly.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reports", metavar="REPORT", nargs="+", help="a report")
    parser.add_argument("--fail-under", metavar="PERCENT", type=_percent, default=0.0, help="the least that will do")
    parser.add_argument(
        "--suite", metavar="NAME", action="append", help="only what this test class or file has executed; repeatable"
    )
    parser.add_argument("-o", "--output", metavar="REPORT", help="write the reports to one, merged")
    parser.set_defaults(run=_run)


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage: write a number from 0 to 100")
    return percent


def _run(options: argparse.Namespace) -> int:
    coverage = _chosen(merged(options.reports), options.suite)
    if options.output is not None:
        try:
            Path(options.output).write_text(coverage.report(), encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"{options.output!r} cannot be written: {error.strerror}") from error
    print(printable("\n".join([*_tables(coverage), coverage.text()]), sys.stdout))
    reached, count = coverage.share()
    if coverage.percent < options.fail_under:
        print(f"This is below --fail-under {options.fail_under:g}: {reached} of {count} are {coverage.percent:.2f}%.")
        return BELOW
    return COVERED


def merged(reports: Sequence[str]) -> Coverage:
    """The coverage of all these reports; raises :class:`ConfigurationError` for a file that is none."""
    from durabletest.coverage_parts import read  # it ends parts at the end of the process, and there are none

    coverage = Coverage()
    for report in dict.fromkeys(Path(name).resolve() for name in reports):
        coverage.merge(read(report))
    return coverage


def _chosen(coverage: Coverage, names: Sequence[str] | None) -> Coverage:
    if not names:
        return coverage
    found: list[str] = []
    for name in names:
        matching = [suite for suite in coverage.suites() if suite == name or suite.endswith((f".{name}", f"/{name}"))]
        if not matching:
            known = coverage.suites()
            raise ConfigurationError(
                f"--suite {name!r}: it has executed nothing{nearest(name, known)}; "
                f"there are {listed(known) or 'no suites'}"
            )
        found += matching
    return coverage.of(found)


def _tables(coverage: Coverage) -> Iterator[str]:
    from tabulate import tabulate  # it is slow to import

    for workflow, places in coverage.workflows().items():
        rows = [(title_of(place), outcomes_of_place(seen)) for place, seen in places.items()]
        yield f"{tabulate(rows, headers=[workflow, 'outcomes'], disable_numparse=True)}\n"
