"""The tables of the guide are complete: claims, settings, environment variables, errors."""

from __future__ import annotations

import ast
import inspect
import re
import unittest
from datetime import UTC, datetime, timedelta

import durabletest
from durabletest import DurableTestCase
from tests.docs.pages import GUIDE, ROOT, rows, section

CLAIM = re.compile(r"`\.(\w+)(?:\((.*)\))?`")
UNITS = {"days", "hours", "minutes", "seconds"}
"""Every duration and moment takes them; the page says so once."""
TABLES = {
    "### `assertExecution()`": durabletest.ExecutionSubject,
    "### `assertOperation(path, index)`": durabletest.OperationSubject,
    "### `assertOperations()`": durabletest.OperationsSubject,
    "### `assertInvocations()`": durabletest.InvocationsSubject,
    "### `assertInvocations().invocation(number)`": durabletest.InvocationSubject,
    "### `assertHistory()`": durabletest.HistorySubject,
}
EACH = {
    "### `assertOperation(path, index)`": durabletest.EachOperation,
    "### `assertInvocations().invocation(number)`": durabletest.EachInvocation,
}


def public(subject: type) -> set[str]:
    return {name for name in dir(subject) if not name.startswith("_")}


def claims(heading: str) -> list[list[str]]:
    text = (GUIDE / "assertions.md").read_text(encoding="utf-8")
    return [row for row in rows(section(text, heading)) if row[0] != "Claim"]


class ClaimTests(unittest.TestCase):
    def test_every_claim_of_every_subject_stands_in_its_table(self) -> None:
        for heading, subject in TABLES.items():
            found = [CLAIM.fullmatch(row[0]) for row in claims(heading)]
            self.assertEqual(sorted(match[1] for match in found if match), sorted(public(subject)), heading)

    def test_the_last_column_says_what_each_and_any_can_claim(self) -> None:
        for heading, subject in EACH.items():
            yes = {row[0].strip("`.").partition("(")[0] for row in claims(heading) if row[2] == "yes"}
            self.assertEqual(yes, public(subject), heading)
            self.assertLessEqual({row[2] for row in claims(heading)}, {"yes", "no"})

    def test_the_arguments_are_those_of_the_methods(self) -> None:
        for heading, subject in TABLES.items():
            for match in filter(None, (CLAIM.fullmatch(row[0]) for row in claims(heading))):
                method = inspect.getattr_static(subject, match[1])
                if match[2] is None:
                    self.assertIsInstance(method, property, match[0])
                    continue
                expected = [
                    f"{name}=" if parameter.kind is parameter.KEYWORD_ONLY else name
                    for name, parameter in list(inspect.signature(method).parameters.items())[1:]
                    if name not in UNITS
                ]
                self.assertEqual(match[2], ", ".join(expected), f"{heading}: {match[0]}")

    def test_all_subjects_are_covered(self) -> None:
        subjects = {name for name in durabletest.__all__ if "Subject" in name or name.startswith("Each")}
        self.assertEqual(subjects, {subject.__name__ for subject in (*TABLES.values(), *EACH.values())})


class OtherTableTests(unittest.TestCase):
    def named(self, page: str, heading: str) -> set[str]:
        """What the first cells of a table name."""
        text = section((GUIDE / page).read_text(encoding="utf-8"), heading)
        return {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])}

    def test_every_setting(self) -> None:
        bases = [cls for cls in DurableTestCase.__mro__ if cls.__module__.startswith("durabletest.")]
        settings = {name for cls in bases for name in vars(cls).get("__annotations__", {}) if "_" not in name[:1]}
        self.assertEqual(self.named("configuration.md", "## The settings"), settings - {"runner"})

    def test_the_defaults(self) -> None:
        text = section((GUIDE / "configuration.md").read_text(encoding="utf-8"), "## The settings")
        shown = {name.strip("`"): default for name, default, _ in rows(text)[1:]}
        words = {
            "none": None,
            "2026-01-01, UTC": datetime(2026, 1, 1, tzinfo=UTC),
            "5 minutes": timedelta(minutes=5),
            "15 minutes": timedelta(minutes=15),
        }
        for name, default in shown.items():
            with self.subTest(name):
                expected = words[default] if default in words else ast.literal_eval(default.strip("`"))
                actual = getattr(DurableTestCase, name)
                self.assertEqual(None if actual == {} else actual, expected)

    def test_every_environment_variable(self) -> None:
        code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "durabletest").rglob("*.py"))
        read = set(re.findall(r"\bDURABLETEST_[A-Z_]+", code))
        self.assertEqual(self.named("configuration.md", "## Environment variables"), read)

    def test_every_error_and_warning(self) -> None:
        errors = {name for name in durabletest.__all__ if name.endswith(("Error", "Warning"))}
        named = self.named("troubleshooting.md", "## All errors")
        self.assertEqual(named | {"DurableTestError"}, errors)

    def test_every_method_of_a_result_and_of_a_runner(self) -> None:
        result = (GUIDE / "reports.md").read_text(encoding="utf-8")
        self.assertEqual({n for n in public(durabletest.TestResult) if f"`{n}" not in result}, set())
        runner = (GUIDE / "runners.md").read_text(encoding="utf-8")
        missing = {n for n in public(durabletest.LocalDurableTestRunner) if not re.search(rf"\b{n}\b", runner)}
        self.assertEqual(missing - {"unused"}, set(), "`unused` is what verify_used raises")
