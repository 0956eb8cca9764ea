"""Every claim holds where it should, and in the nearest case in which it must not hold it fails."""

from __future__ import annotations

import re
import unittest
from functools import partial
from typing import Any
from unittest import mock

from durabletest import assertions
from durabletest.assertions import CurrentTest
from tests.assertions.nearest import ROWS
from tests.assertions.nearest_histories import HISTORIES, NearView
from tests.assertions.test_coverage import SUBJECTS
from tests.model.histories import seconds

ELSEWHERE = {
    "HistorySubject.matches": "test_snapshots",
    **{f"{subject.__name__}.never": "every row, in both directions" for subject in SUBJECTS},
}
"""The checks that have no row, and where their nearest cases are instead."""


class Checked:
    """Makes the claims of one history, each as if it were all that a test claims."""

    def __init__(self, history: str) -> None:
        self._view = NearView(HISTORIES[history]())

    def fails(self, code: str) -> bool:
        """Whether a test with this claim fails; misuse is an error, and no failure."""
        test = CurrentTest()
        names: dict[str, Any] = {
            "execution": partial(assertions.execution, self._view, test),
            "operation": partial(assertions.operation, self._view, test),
            "operations": partial(assertions.operations, self._view, test),
            "invocations": partial(assertions.invocations, self._view, test),
            "history": partial(assertions.history, self._view, test),
            "ANY": mock.ANY,
            "re": re,
            "moment": seconds,
        }
        try:
            eval(code, names)
            test.finish()
        except AssertionError:
            return True
        return False


def negated(code: str) -> str:
    """The same claim with ``never``."""
    end = len(code) - 1
    depth = 1
    while depth:
        end -= 1
        depth += (code[end] == ")") - (code[end] == "(")
    beginning, _, check = code[:end].rpartition(".")
    return f"{beginning}.never.{check}{code[end:]}"


def over_one(code: str, quantifier: str) -> str | None:
    """A claim about an operation as one about each or any of those of its name, if it is the only one."""
    claimed, found = re.subn(
        r'^operation\((?!"c"|"box")("[^"]*")\)\.(?!child|never_started)', rf"operations(name=\1).{quantifier}.", code
    )
    return claimed if found else None


class NearestTests(unittest.TestCase):
    def setUp(self) -> None:
        self.histories = {name: Checked(name) for name in HISTORIES}

    def test_every_claim_holds_and_its_nearest_cases_fail(self) -> None:
        for check, history, holds, nearest in ROWS:
            fails = self.histories[history].fails
            with self.subTest(check, history=history):
                self.assertFalse(fails(holds), holds)
                for code in nearest:
                    self.assertTrue(fails(code.removeprefix("!")), code)

    def test_the_opposite_of_each(self) -> None:
        for check, history, holds, nearest in ROWS:
            for code in (holds, *nearest):
                if ".each." in code or ".any." in code or "never_started" in code:
                    continue  # the opposite for each is not that for all, and what never started has no opposite
                with self.subTest(check, history=history, code=code):
                    expected = code == holds or code.startswith("!")
                    self.assertIs(self.histories[history].fails(negated(code.removeprefix("!"))), expected)

    def test_each_and_any_of_a_single_one_are_like_that_one(self) -> None:
        number = 0
        for check, history, holds, nearest in ROWS:
            fails = self.histories[history].fails
            for code in (holds, *nearest):
                plain = code.removeprefix("!")
                for quantifier in ("each", "any"):
                    claim = over_one(plain, quantifier)
                    if claim is not None:
                        number += 1
                        with self.subTest(check, claim=claim):
                            self.assertIs(fails(claim), fails(plain))
                            self.assertIs(fails(negated(claim)), fails(negated(plain)))
        self.assertGreater(number, 200)

    def test_no_claim_is_left_out(self) -> None:
        told = {check for check, _, _, fails in ROWS if fails}
        of_one = {"EachOperation": "OperationSubject", "EachInvocation": "InvocationSubject"}
        for subject in SUBJECTS:
            known = of_one.get(subject.__name__, subject.__name__)
            for name in (name for name in dir(subject) if not name.startswith("_")):
                with self.subTest(f"{subject.__name__}.{name}"):
                    self.assertIn(f"{known}.{name}", {*told, *ELSEWHERE})

    def test_no_row_speaks_of_what_does_not_exist(self) -> None:
        known = {f"{subject.__name__}.{name}" for subject in SUBJECTS for name in dir(subject)}
        self.assertLessEqual({check for check, *_ in ROWS}, known)
        for check, _, holds, fails in ROWS:
            self.assertTrue(any(f".{check.split('.')[1]}" in code for code in (holds, *fails)), check)
