"""Histories and logs of workflows with branches are equal, byte for byte.

``python -m tests.reproducible`` runs each of them 50 times.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable

from tests.reproducible.recording import difference, recorded, recorded_elsewhere
from tests.reproducible.workflows import RUNS
from tests.sdk_versions import needs_turns


@needs_turns
class ReproducibleBranchesTests(unittest.TestCase):
    """One test for each workflow, named after it; they are made below."""

    elsewhere: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.elsewhere = recorded_elsewhere("1")

    def check(self, name: str) -> None:
        here = recorded(name)
        self.assertEqual(here, self.elsewhere[name], difference(here, self.elsewhere[name]))


def _test(name: str) -> Callable[[ReproducibleBranchesTests], None]:
    return lambda self: self.check(name)


for _name in RUNS:
    setattr(ReproducibleBranchesTests, f"test_{_name}", _test(_name))


class DifferenceTests(unittest.TestCase):
    def test_the_first_events_that_are_not_equal_are_shown(self) -> None:
        one, other = '["SUCCEEDED", [1, 2, 3], []]', '["SUCCEEDED", [1, 3, 2], []]'
        self.assertEqual(difference(one, other), "number 1:\n  2\n  3")
        self.assertEqual(difference(one, one), "none")
