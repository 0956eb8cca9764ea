"""What is generated into the documents is up to date: ``python -m tests.docs`` writes it."""

from __future__ import annotations

import re
import unittest
from xml.etree import ElementTree

from tests.acceptance.criteria import all_criteria
from tests.docs import picture, requirements

WRITE = "write it again: python -m tests.docs"


class PictureTests(unittest.TestCase):
    def test_the_picture_shows_what_the_example_prints(self) -> None:
        shown = picture.PICTURE.read_text(encoding="utf-8")
        self.assertTrue(shown == picture.svg(picture.report()), WRITE)

    def test_it_is_well_formed_and_holds_every_word_of_the_report(self) -> None:
        text = picture.report()
        drawn = " ".join(ElementTree.fromstring(picture.svg(text)).itertext()).split()
        self.assertEqual(set("".join(text.split())), set("".join(drawn)))
        self.assertLessEqual({"Expected:", "Timeline", "cool-down"}, set(drawn))


class RequirementsTests(unittest.TestCase):
    def setUp(self) -> None:
        self.page = requirements.PAGE.read_text(encoding="utf-8")

    def test_the_tests_of_each_criterion_are_those_that_exist(self) -> None:
        self.assertTrue(self.page == requirements.updated(self.page), WRITE)

    def test_every_criterion_has_a_test_and_every_number_of_a_test_is_a_criterion(self) -> None:
        criteria = requirements.criteria(self.page)
        self.assertEqual([number for number, tests in criteria.items() if not tests], [])
        self.assertEqual(set(requirements.proofs()) - set(criteria), set())

    def test_the_page_has_all_criteria_in_order(self) -> None:
        self.assertEqual(list(requirements.criteria(self.page)), all_criteria())

    def test_every_number_in_the_code_is_that_of_a_criterion(self) -> None:
        code = "".join(path.read_text(encoding="utf-8") for path in (requirements.ROOT / "durabletest").rglob("*.py"))
        criteria = set(requirements.criteria(self.page))
        known = criteria | {number.partition(".")[0] for number in criteria}
        self.assertEqual(set(re.findall(r"\bR\d+(?:\.\d+)?\b", code)) - known, set())
