"""``python -m tests.comparison`` times both suites; with ``--write`` it writes the page of the guide anew."""

from __future__ import annotations

import io
import logging
import sys
import time
import unittest
from collections.abc import Callable
from functools import partial

from tests.comparison import page, test_with_durabletest

ROUNDS = 5


def best(run: Callable[[], object]) -> float:
    """The milliseconds of the fastest of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return 1000 * min(times)


def run_ours(test: str) -> None:
    """The test with that name, with the set-up of its class."""
    loader = unittest.TestLoader()
    loader.testMethodPrefix = test
    suite = loader.loadTestsFromModule(test_with_durabletest)
    if not unittest.TextTestRunner(io.StringIO()).run(suite).wasSuccessful():
        raise SystemExit(f"{test} fails")


def main() -> None:
    if "--write" in sys.argv:
        page.PAGE.write_text(page.text(), encoding="utf-8")
        return
    from tests.comparison import with_aws_package

    logging.disable()
    row = "{:24} AWS's package {:7.1f} ms   durabletest {:6.1f} ms   {:5.1f}x\n".format
    theirs = {test: best(getattr(with_aws_package, test)) for test in page.TESTED}
    ours = {test: best(partial(run_ours, test)) for test in page.TESTED}
    for test in page.TESTED:
        sys.stdout.write(row(test, theirs[test], ours[test], theirs[test] / ours[test]))
    total, own = sum(theirs.values()), sum(ours.values())
    sys.stdout.write(row("together", total, own, total / own))


if __name__ == "__main__":
    main()
