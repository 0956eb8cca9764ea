"""No acceptance criterion is without its test."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from pathlib import Path

CRITERIA = dict(enumerate((6, 4, 7, 5, 6, 4, 4, 5, 6, 5, 5, 5, 4, 3, 4, 6, 5, 6), start=1))
"""How many criteria each requirement has."""
NUMBER = re.compile(r"^test_r(\d+)_(\d+)_")
HERE = Path(__file__).parent


def cases_in(suite: unittest.TestSuite | unittest.TestCase) -> Iterator[unittest.TestCase]:
    if isinstance(suite, unittest.TestCase):
        yield suite
    else:
        for inner in suite:
            yield from cases_in(inner)


def criterion(test: unittest.TestCase) -> tuple[int, int] | None:
    found = NUMBER.match(test.id().rpartition(".")[2])
    return None if found is None else (int(found[1]), int(found[2]))


class EveryCriterionTests(unittest.TestCase):
    def setUp(self) -> None:
        self.tests = list(cases_in(unittest.TestLoader().discover(str(HERE), top_level_dir=str(HERE.parents[1]))))

    def test_every_criterion_has_a_test_and_every_test_a_criterion_that_exists(self) -> None:
        proved = {number for number in map(criterion, self.tests) if number is not None}
        expected = {(major, minor) for major, count in CRITERIA.items() for minor in range(1, count + 1)}
        self.assertEqual(proved, expected)

    def test_the_tests_of_a_requirement_stand_in_its_own_module(self) -> None:
        for test in self.tests:
            number = criterion(test)
            if number is not None:
                self.assertRegex(type(test).__module__, rf"\.test_r{number[0]:02}_\w+$", test.id())
