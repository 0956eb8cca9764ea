"""Every check has a docstring, an example in the guide, a test where it holds and a message where it does not."""

from __future__ import annotations

import inspect
import re
import unittest
from collections.abc import Iterator
from pathlib import Path

import durabletest
from durabletest import DurableTestCase
from durabletest.durable_methods import DurableMethods

TESTS = Path(__file__).parent
ROOT = TESTS.parent.parent
SUBJECTS = (
    durabletest.ExecutionSubject,
    durabletest.OperationSubject,
    durabletest.OperationsSubject,
    durabletest.EachOperation,
    durabletest.InvocationsSubject,
    durabletest.InvocationSubject,
    durabletest.EachInvocation,
    durabletest.HistorySubject,
)
BEGINNINGS = [name for name in vars(DurableMethods) if name.startswith("assert")] + ["softly"]


def checks() -> Iterator[str]:
    """The public names of all subjects."""
    for subject in SUBJECTS:
        yield from (name for name in dir(subject) if not name.startswith("_"))


def python_of(page: Path) -> str:
    return "\n".join(re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))


class CoverageTests(unittest.TestCase):
    def assertNamed(self, code: str, names: set[str]) -> None:
        self.assertEqual({name for name in names if not re.search(rf"\.{name}\b", code)}, set())

    def test_the_guide_shows_every_check(self) -> None:
        self.assertNamed(python_of(ROOT / "docs" / "assertions.md"), {*checks(), *BEGINNINGS})

    def test_every_check_fails_somewhere_with_a_message(self) -> None:
        snapshots = (TESTS / "test_snapshots.py").read_text(encoding="utf-8")
        self.assertNamed(python_of(TESTS / "failures.md") + snapshots, {*checks(), *BEGINNINGS})

    def test_every_check_holds_somewhere(self) -> None:
        snapshots = (TESTS / "test_snapshots.py").read_text(encoding="utf-8")
        self.assertNamed((TESTS / "test_checks.py").read_text(encoding="utf-8") + snapshots, {*checks(), *BEGINNINGS})

    def test_every_check_has_a_docstring_for_the_table_of_claims(self) -> None:
        """The first paragraph is one line of whole sentences."""
        for subject in SUBJECTS:
            for name in (name for name in dir(subject) if not name.startswith("_")):
                with self.subTest(f"{subject.__name__}.{name}"):
                    self.assertRegex(inspect.getdoc(getattr(subject, name)) or "", r"\A[A-Z].*[.`](\n\n|\Z)")

    def test_what_is_looked_for(self) -> None:
        self.assertGreater(len({*checks()}), 30)
        self.assertIn("assertHistory", BEGINNINGS)
        self.assertTrue(all(hasattr(DurableTestCase, name) for name in BEGINNINGS))
