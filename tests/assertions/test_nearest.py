"""Every claim holds where it should, and fails in the nearest case in which it must not hold."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest import assertions
from durabletest.assertions import CurrentTest
from tests.assertions.nearest_histories import HISTORIES, NearView
from tests.assertions.test_coverage import SUBJECTS
from tests.model.histories import seconds

PAGE = Path(__file__).with_name("nearest.txt")
ELSEWHERE = {
    "HistorySubject.matches": "test_snapshots",
    **{f"{subject.__name__}.never": "every line, in both directions" for subject in SUBJECTS},
}
"""Checks without a section, and the place of their nearest cases."""


@dataclass(frozen=True)
class Line:
    """One claim of a section; its negation fails too if ``precondition`` is true."""

    check: str
    history: str
    code: str
    holds: bool
    precondition: bool


def lines() -> Iterator[Line]:
    check = history = ""
    for text in PAGE.read_text(encoding="utf-8").splitlines():
        mark, _, rest = text.partition(" ")
        if mark in ("+", "-", "!"):
            yield Line(check, history, rest, mark == "+", mark == "!")
        elif text and mark != "#":
            check, history = text.split(": ")


def negated(code: str) -> str:
    """The claim with ``never``."""
    end, depth = len(code) - 1, 1
    while depth:
        end -= 1
        depth += (code[end] == ")") - (code[end] == "(")
    beginning, _, check = code[:end].rpartition(".")
    return f"{beginning}.never.{check}{code[end:]}"


def over_one(code: str, quantifier: str) -> str | None:
    """The claim about an operation as one about each, or any, of that name; ``None`` if there are several."""
    claimed, found = re.subn(
        r'^operation\((?!"c"|"box")("[^"]*")\)\.(?!child|never_started)', rf"operations(name=\1).{quantifier}.", code
    )
    return claimed if found else None


class NearestTests(unittest.TestCase):
    def setUp(self) -> None:
        self.views = {name: NearView(script()) for name, script in HISTORIES.items()}

    def fails(self, history: str, code: str) -> bool:
        """Whether a test with only this claim fails. Misuse is an error and not a failure."""
        view, test = self.views[history], CurrentTest()
        names: dict[str, Any] = {
            "execution": partial(assertions.execution, view, test),
            "operation": partial(assertions.operation, view, test),
            "operations": partial(assertions.operations, view, test),
            "invocations": partial(assertions.invocations, view, test),
            "history": partial(assertions.history, view, test),
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

    def test_every_claim_holds_where_it_should_and_nowhere_near(self) -> None:
        for line in lines():
            with self.subTest(line.check, history=line.history, code=line.code):
                self.assertIs(self.fails(line.history, line.code), not line.holds)

    def test_so_does_its_opposite(self) -> None:
        for line in lines():
            if ".each." in line.code or ".any." in line.code or "never_started" in line.code:
                continue  # the opposite for each is not that for all, and what never started has no opposite
            code = negated(line.code)
            with self.subTest(line.check, history=line.history, code=code):
                self.assertIs(self.fails(line.history, code), line.holds or line.precondition)

    def test_each_and_any_of_a_single_one_are_like_that_one(self) -> None:
        number = 0
        for line in lines():
            for quantifier in ("each", "any"):
                code = over_one(line.code, quantifier)
                if code is not None:
                    number += 1
                    with self.subTest(line.check, history=line.history, code=code):
                        self.assertIs(self.fails(line.history, code), not line.holds)
                        self.assertIs(self.fails(line.history, negated(code)), line.holds or line.precondition)
        self.assertGreater(number, 200)

    def test_no_claim_is_left_out(self) -> None:
        held, failed = ({line.check for line in lines() if line.holds is holds} for holds in (True, False))
        of_one = {"EachOperation": "OperationSubject", "EachInvocation": "InvocationSubject"}
        for subject in SUBJECTS:
            known = of_one.get(subject.__name__, subject.__name__)
            for name in (name for name in dir(subject) if not name.startswith("_")):
                with self.subTest(f"{subject.__name__}.{name}"):
                    self.assertIn(f"{known}.{name}", {*(held & failed), *ELSEWHERE})

    def test_each_section_is_about_its_check(self) -> None:
        sections: dict[tuple[str, str], str] = {}
        for line in lines():
            sections[line.check, line.history] = sections.get((line.check, line.history), "") + line.code
        for (check, _), codes in sections.items():
            subject, _, name = check.partition(".")
            self.assertTrue(hasattr(getattr(assertions, subject), name), check)
            self.assertIn(f".{name}", codes)
