"""The mutants still fit the code, so that the question can be asked at any time whether the tests notice them."""

from __future__ import annotations

import ast
import importlib.util
import tempfile
import unittest
from pathlib import Path

from tests.mutants.mutant import PACKAGE, MendTheData, Mutant, load

MUTANTS = load()


class DataTests(unittest.TestCase):
    def test_every_old_text_stands_once_where_it_is_said_to_stand_and_with_the_new_one_it_is_a_program(self) -> None:
        for mutant in MUTANTS:
            with self.subTest(mutant.name):
                self.assertNotEqual(mutant.old, mutant.new)
                ast.parse(mutant.text())

    def test_the_tests_that_should_notice_them_exist(self) -> None:
        for name in {name for mutant in MUTANTS for name in mutant.tests}:
            with self.subTest(name):
                module = name.partition(".test_")[0] + ".test_" + name.partition(".test_")[2].partition(".")[0]
                self.assertIsNotNone(importlib.util.find_spec(module))

    def test_each_says_why_it_matters_under_a_name_of_its_own(self) -> None:
        names = [mutant.name for mutant in MUTANTS]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual([mutant.name for mutant in MUTANTS if not mutant.why.endswith(".")], [])

    def test_there_are_many(self) -> None:
        self.assertGreaterEqual(len(MUTANTS), 120)


class MendTests(unittest.TestCase):
    def setUp(self) -> None:
        self.root = Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / PACKAGE).mkdir()
        self.mutant = Mutant(name="less", area="area", file="a.py", old="<", new="<=", why="One.", tests=())

    def complaint(self, text: str) -> str:
        (self.root / PACKAGE / "a.py").write_text(text, encoding="utf-8")
        with self.assertRaises(MendTheData) as caught:
            self.mutant.text(self.root)
        return str(caught.exception)

    def test_a_text_that_is_gone_or_stands_there_twice_is_named(self) -> None:
        for text, count in (("1 > 2", 0), ("1 < 2 < 3", 2)):
            self.assertEqual(
                self.complaint(text),
                f"less (area.toml): its old text stands {count} times in durabletest/a.py instead of once: "
                "mend the data\n<",
            )

    def test_a_file_that_is_gone_is_named(self) -> None:
        with self.assertRaises(MendTheData) as caught:
            self.mutant.text(self.root)
        self.assertEqual(str(caught.exception), "less (area.toml): there is no durabletest/a.py: mend the data")

    def test_one_that_stands_there_once_is_replaced(self) -> None:
        (self.root / PACKAGE / "a.py").write_text("1 < 2", encoding="utf-8")
        self.mutant.put_into(self.root)
        self.assertEqual((self.root / PACKAGE / "a.py").read_text(encoding="utf-8"), "1 <= 2")
