"""Every check and every misuse of the DSL in a failing test, with the exact text of its message."""

from __future__ import annotations

import re
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python.config import Duration

from tests.assertions import scenarios

PAGE = Path(__file__).with_name("failures.md")
SECTION = re.compile(r"^## (?P<scenario>\w+)$", re.MULTILINE)
CASE = re.compile(
    r"^### (?P<title>[^\n]+)\n\n```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<text>.*?)```$)?",
    re.MULTILINE | re.DOTALL,
)


class Between:
    """A matcher, as users write them."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int) and self.low <= other <= self.high

    def __repr__(self) -> str:
        return f"Between({self.low}, {self.high})"


class LooksLikeReceipt:
    """It has the repr of another value, and is not equal to it."""

    def __repr__(self) -> str:
        return "'receipt'"


class Broken:
    """Its repr raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Raising:
    """Its comparison raises."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("cannot compare")

    def __repr__(self) -> str:
        return "Raising()"


@dataclass(frozen=True)
class Case:
    """A test that fails, and its message; ``text`` is empty if the page has none yet."""

    scenario: type[scenarios.Scenario]
    title: str
    code: str
    text: str

    def message(self) -> str:
        """The message of the failure, without the report on the execution."""
        try:
            self._test("runTest").debug()
        except AssertionError as error:
            return _text(error)
        except Exception as error:
            return f"{type(error).__name__}: {_text(error)}"
        return "it passes\n"

    @property
    def _test(self) -> type[scenarios.Scenario]:
        names: dict[str, Any] = {
            **vars(mock), "mock": mock, "re": re, "UTC": UTC, "datetime": datetime, "timedelta": timedelta,
            "CardDeclined": scenarios.CardDeclined, "Between": Between, "Broken": Broken, "Raising": Raising,
            "LooksLikeReceipt": LooksLikeReceipt, "Duration": Duration,
        }  # fmt: skip

        def run(test: scenarios.Scenario) -> None:
            test.arrange()
            exec(compile(self.code, "failures.py", "exec"), {**names, "self": test})

        return type(self.scenario.__name__, (self.scenario,), {"runTest": run})


def cases(page: str) -> Iterator[Case]:
    """All cases of the page, section by section."""
    _, *sections = SECTION.split(page)
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        for found in CASE.finditer(body):
            yield Case(getattr(scenarios, name), found["title"], found["code"], found["text"] or "")


def _text(error: BaseException) -> str:
    notes = "".join(f"{note}\n" for note in getattr(error, "__notes__", []))
    text, _, _ = f"{error}\n{notes}".partition("\n\nOperations of execution")
    return text.rstrip() + "\n"


class FailureTests(unittest.TestCase):
    maxDiff = None

    def test_what_each_failing_claim_says(self) -> None:
        for case in self.cases:
            with self.subTest(case.scenario.__name__, case=case.title):
                self.assertEqual(case.message(), case.text)

    def test_every_failed_claim_names_its_subject_what_was_expected_what_is_and_a_remedy(self) -> None:
        claims = [case for case in self.cases if "Expected: " in case.text and case.code.count("\n") == 1]
        self.assertGreater(len(claims), 60)
        for case in claims:
            with self.subTest(case.title):
                self.assertRegex(case.text, r"\A.* of execution '|\Aexecution '")
                self.assertRegex(case.text, r"\n     but: .")
                self.assertNotRegex(case.text.splitlines()[-1], r"^ *(Expected|but):|^          ")

    @property
    def cases(self) -> list[Case]:
        return list(cases(PAGE.read_text(encoding="utf-8")))
