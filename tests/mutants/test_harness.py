"""The harness, on a project of two files: which mutants it finds to be noticed, and by what."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from tests.mutants.harness import Outcome, check_without_mutant, run
from tests.mutants.mutant import ROOT, MendTheData, Mutant

PACKAGE = """
def least(numbers):
    return min(numbers)
"""
TESTS = """
import unittest
from durabletest import least

class LeastTests(unittest.TestCase):
    def test_one(self):
        self.assertEqual(least([1]), 1)

    def test_two(self):
        for numbers in ([1, 2], [2, 1]):
            with self.subTest(numbers):
                self.assertEqual(least(numbers), 1)
"""
CLASS = "tests.test_least.LeastTests"


class HarnessTests(unittest.TestCase):
    def setUp(self) -> None:
        self.project = Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name, text in {
            "durabletest/__init__.py": PACKAGE,
            "tests/__init__.py": "",
            "tests/test_least.py": TESTS,
            "tests/mutants/__init__.py": "",
        }.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        shutil.copy(ROOT / "tests" / "mutants" / "notice.py", self.project / "tests" / "mutants")

    def mutant(self, new: str, tests: str = "tests.test_least", nothing: str | None = None) -> Mutant:
        return Mutant(
            name="least",
            area="area",
            file="__init__.py",
            old="    return min(numbers)",
            new=new,
            why="One.",
            tests=(tests,),
            nothing=nothing,
        )

    def outcome(self, new: str, nothing: str | None = None) -> Outcome:
        outcome = run(self.mutant(new, nothing=nothing), self.project, limit=20)
        self.assertEqual((self.project / "durabletest/__init__.py").read_text(encoding="utf-8"), PACKAGE)
        return outcome

    def test_a_fault_is_noticed_by_the_first_test_that_fails(self) -> None:
        outcome = self.outcome("    return numbers[0]")
        self.assertEqual((outcome.noticed_by, outcome.verdict), (f"{CLASS}.test_two", "noticed"))
        self.assertIn("AssertionError: 2 != 1", outcome.text)
        self.assertTrue(outcome.as_expected)
        self.assertEqual(self.outcome("    raise ValueError").noticed_by, f"{CLASS}.test_one")

    def test_what_changes_nothing_is_not(self) -> None:
        same = "    return sorted(numbers)[0]"
        outcome = self.outcome(same)
        self.assertEqual((outcome.noticed_by, outcome.verdict, outcome.as_expected), (None, "NOT NOTICED", False))
        explained = self.outcome(same, nothing="The least comes first.")
        self.assertEqual((explained.verdict, explained.as_expected), ("changes nothing", True))

    def test_an_explanation_that_is_wrong_is_told(self) -> None:
        outcome = self.outcome("    return numbers[0]", nothing="The least comes first.")
        self.assertEqual((outcome.verdict, outcome.as_expected), ("NOTICED, BUT EXPLAINED", False))

    def test_a_process_that_ends_is_noticed(self) -> None:
        outcome = self.outcome("    import os; os._exit(3)")
        self.assertEqual(outcome.noticed_by, "(the process, which ended with 3)")

    def test_tests_that_hang_are_noticed(self) -> None:
        hanging = self.mutant("    import threading; threading.Event().wait()")
        outcome = run(hanging, self.project, limit=0.5)
        self.assertEqual(outcome.noticed_by, "(the time limit of 0.5 s)")

    def test_tests_that_fail_without_a_mutant_notice_nothing(self) -> None:
        check_without_mutant([self.mutant("    return numbers[0]")], project=self.project)
        (self.project / "durabletest/__init__.py").write_text("least = max\n", encoding="utf-8")
        with self.assertRaisesRegex(MendTheData, f"^without any mutant {CLASS}.test_two fails\n"):
            check_without_mutant([self.mutant("")], project=self.project)

    def test_they_may_fail_once(self) -> None:
        once = TESTS.replace(
            "        self.assertEqual(least([1]), 1)",
            f"""\
        import pathlib
        marker = pathlib.Path({str(self.project)!r}, "has failed")
        if not marker.exists():
            marker.touch()
            self.fail("once")""",
        )
        (self.project / "tests/test_least.py").write_text(once, encoding="utf-8")
        check_without_mutant([self.mutant("")], project=self.project)
        self.assertTrue((self.project / "has failed").exists())

    def test_nor_do_tests_that_are_not_there(self) -> None:
        for name, said in (("tests", "there are no tests in tests"), ("tests.test_most", "No module named")):
            with self.subTest(name), self.assertRaisesRegex(MendTheData, said):
                check_without_mutant([self.mutant("", tests=name)], project=self.project)
