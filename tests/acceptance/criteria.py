"""The index of the acceptance criteria: each is proved by the tests whose names carry its number.

``test_r7_4_unregistered_function_is_an_error`` proves R7.4, wherever it stands in ``tests``; a name may carry several
numbers (``test_r3_1_r3_2_success``). ``python -m tests.acceptance`` prints the index.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterable, Iterator
from pathlib import Path

CRITERIA = dict(enumerate((6, 4, 7, 5, 6, 4, 4, 5, 6, 5, 5, 5, 4, 3, 4, 6, 5, 6), start=1))
"""The number of criteria of each requirement."""
TESTS = Path(__file__).parents[1]
_NUMBERS = re.compile(r"^test((?:_r\d+_\d+)+)_")
_SKIPPING = {"skipTest", "SkipTest", "skip"}

Proofs = dict[str, list[unittest.TestCase]]


def all_criteria() -> list[str]:
    return [f"R{major}.{minor}" for major, count in CRITERIA.items() for minor in range(1, count + 1)]


def numbers(method: str) -> list[str]:
    """The criteria whose numbers the name of a test carries: ``["R3.1", "R3.2"]``."""
    found = _NUMBERS.match(method)
    return [] if found is None else [f"R{major}.{minor}" for major, minor in re.findall(r"_r(\d+)_(\d+)", found[1])]


def proofs(tests: Iterable[unittest.TestCase]) -> Proofs:
    """The tests that prove each criterion, in the order of the criteria."""
    found: Proofs = {criterion: [] for criterion in all_criteria()}
    for test in tests:
        for number in numbers(test._testMethodName):
            found.setdefault(number, []).append(test)
    return found


def suite() -> list[unittest.TestCase]:
    """Every test that ``unittest`` discovers."""
    return list(_cases(unittest.TestLoader().discover(str(TESTS), top_level_dir=str(TESTS.parent))))


def may_be_skipped(test: unittest.TestCase) -> bool:
    """True for a test that is skipped, or that may skip itself."""
    method = getattr(test, test._testMethodName)
    if any(getattr(each, "__unittest_skip__", False) for each in (test, method)):
        return True
    fixtures = (method, test.setUp, test.setUpClass)
    return any(_SKIPPING & set(each.__func__.__code__.co_names) for each in fixtures if hasattr(each, "__func__"))


def _cases(suite: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestCase):
        yield suite
    else:
        for inner in suite:
            yield from _cases(inner)
