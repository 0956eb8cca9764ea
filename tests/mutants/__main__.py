"""``python -m tests.mutants``: a table of all mutants, which test has noticed each, and a line that sums it up.

The exit status is 1 if a mutant is not noticed that nothing explains, 2 if the data have to be mended.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.mutants.harness import Outcome, check_without_mutant, run_all
from tests.mutants.mutant import MendTheData, Mutant, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants that were chosen."""
    options = _parser().parse_args(arguments)
    try:
        mutants = _chosen(load(), options.only)
        for mutant in mutants:
            mutant.text()
        if not options.trust_the_tests:
            check_without_mutant(mutants, options.jobs)
    except MendTheData as error:
        print(error, file=sys.stderr)
        return 2
    width = max(len(mutant.name) for mutant in mutants)
    outcomes = []
    for outcome in run_all(mutants, options.jobs):
        outcomes.append(outcome)
        print(_row(outcome, width), flush=True)
        if options.show:
            print(outcome.text)
    print(_summary(outcomes))
    return 0 if all(outcome.as_expected for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="this mutant or area; may be repeated")
    parser.add_argument("--jobs", metavar="N", type=int, default=1, help="how many mutants to try at once")
    parser.add_argument("--show", action="store_true", help="print the failures that noticed each mutant")
    parser.add_argument("--trust-the-tests", action="store_true", help="do not run the tests without a mutant first")
    return parser


def _chosen(mutants: Sequence[Mutant], names: Sequence[str] | None) -> list[Mutant]:
    if names is None:
        return list(mutants)
    unknown = [name for name in names if all(name not in (mutant.name, mutant.area) for mutant in mutants)]
    if unknown:
        raise MendTheData(f"there is no mutant and no area {', '.join(map(repr, unknown))}")
    return [mutant for mutant in mutants if mutant.name in names or mutant.area in names]


def _row(outcome: Outcome, width: int) -> str:
    told = outcome.noticed_by or outcome.mutant.nothing or outcome.mutant.why
    return f"{outcome.mutant.name:{width}}  {outcome.seconds:5.1f} s  {outcome.verdict}: {told}"


def _summary(outcomes: Sequence[Outcome]) -> str:
    noticed = sum(outcome.noticed_by is not None for outcome in outcomes)
    explained = [outcome for outcome in outcomes if outcome.noticed_by is None and outcome.as_expected]
    wrong = [outcome.mutant.name for outcome in outcomes if not outcome.as_expected]
    complaint = f"; not as expected: {', '.join(wrong)}" if wrong else ""
    return f"\n{len(outcomes)} mutants: {noticed} noticed, {len(explained)} explained{complaint}"


if __name__ == "__main__":
    sys.exit(main())
