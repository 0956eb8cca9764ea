"""The workflows with a bug, each with the operations that its report has to name, and how each is found."""

from __future__ import annotations

import os
import re
import time
import unittest
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

from durabletest import DurableTestCase
from durabletest.explored_case import ExploredTestCase
from tests.exploration import bugs_of_branches as branches
from tests.exploration import bugs_of_time as at_one_instant
from tests.exploration import correct

Case = type[DurableTestCase]

BUGS: dict[Case, tuple[str, str]] = {
    branches.SharedList: ("pick corn", "pick peas"),
    branches.CheckThenAct: ("send reminder", "charge card"),
    branches.FirstSuccessful: ("ask Rome", "ask Oslo"),
    branches.Counter: ("record west", "record east"),
    branches.HalfATransaction: ("write the offer", "debit ann"),
    branches.Cache: ("look salt up", "look tea up"),
    branches.InsertionOrder: ("ask Bob's", "ask Ann's"),
    branches.NestedMap: ("products of south", "products of north"),
    branches.FlagBeforeTheRecord: ("upload", "create bucket"),
    branches.Allocator: ("draft for bob", "draft for ann"),
    branches.LastWriter: ("read Bloomberg", "read Reuters"),
    at_one_instant.AnswerAtTheTimeout: ("answer to callback 'approval'", "timeout of callback 'approval'"),
    at_one_instant.AnswerAtTheEndOfAWait: ("customer", "month"),
    at_one_instant.TwoWaits: ("until egg", "until coffee"),
    at_one_instant.AWaitAndARetry: ("build report", "half a minute"),
    at_one_instant.RetriesOvertake: ("write credit", "write debit"),
    at_one_instant.Jitter: ("jitter of the delay", "book bob"),
    at_one_instant.TwoExecutions: ("cart of bob", "cart of ann"),
    at_one_instant.Children: ("send card", "send bill"),
    at_one_instant.TwoAnswers: ("ask bob", "ask ann"),
    at_one_instant.FlagAtOneInstant: ("blank screen", "warm up"),
}
"""By test case, what the story of its failure has to name."""


def cases(module: ModuleType) -> list[Case]:
    """The test cases that a module defines, in order."""
    found = [value for value in vars(module).values() if isinstance(value, type)]
    return [case for case in found if issubclass(case, DurableTestCase) and case.__module__ == module.__name__]


CORRECT = cases(correct)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests of a case ended: ``report`` is the first failure, ``runs`` how often tests ran before theirs."""

    report: str | None
    runs: int
    seconds: float

    @property
    def found(self) -> int:
        """How many schedules it took; 0 if nothing was found."""
        match = re.search(r"number (\d+) of those tried", self.report or "")
        return int(match[1]) if match else 0

    @property
    def schedule(self) -> str:
        """The smallest schedule that fails."""
        match = re.search(r'@explore\(schedule="(.+)"\)', self.report or "")
        return match[1] if match else ""

    @property
    def stories(self) -> list[str]:
        """What differs from the default, in words."""
        return re.findall(r"^  - (.*)$", self.report or "", re.MULTILINE)


def outcome(case: Case, **variables: str) -> Outcome:
    """Run the tests of a case; ``variables`` are those of the environment."""
    runs, real = 0, ExploredTestCase._ExploredTestCase__run  # type: ignore[attr-defined]

    def counting(self: Any, *arguments: Any) -> Any:
        nonlocal runs
        runs += 1
        return real(self, *arguments)

    result = unittest.TestResult()
    began = time.perf_counter()
    with (
        mock.patch.object(ExploredTestCase, "_ExploredTestCase__run", counting),
        mock.patch.dict(os.environ, variables),
    ):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    reports = [text for _, text in (*result.failures, *result.errors)]
    return Outcome(reports[0] if reports else None, runs, time.perf_counter() - began)
