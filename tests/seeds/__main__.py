"""``python -m tests.seeds [seeds] [first]``: conformance, the examples and the simulation by so many random schedules.

``DURABLETEST_WORKFLOWS`` is how many workflows are simulated with each seed. The exit status is 1 if a test failed.
"""

from __future__ import annotations

import sys
import time
import unittest

from tests.seeds.by_chance import by_chance, conformance, examples, simulation


def main(seeds: int, first: int) -> int:
    failed = 0
    for seed in range(first, first + seeds):
        began = time.perf_counter()
        with by_chance(seed) as schedules:
            result = unittest.TestResult()
            unittest.TestSuite([conformance(), examples(), simulation()]).run(result)
        bad = [*result.failures, *result.errors]
        others = sum(len(schedule.chosen()) for schedule in schedules)
        took = time.perf_counter() - began
        print(f"seed {seed}: {result.testsRun} tests, {others} choices, {len(bad)} failed, {took:.1f} s", flush=True)
        for test, text in bad:
            print(f"{test.id()}\n{text}", flush=True)
        failed += bool(bad)
    print(f"{seeds - failed} of {seeds} seeds passed")
    return 1 if failed else 0


if __name__ == "__main__":
    _seeds, _first = (*map(int, sys.argv[1:]), *(50, 0)[len(sys.argv) - 1 :])
    raise SystemExit(main(_seeds, _first))
