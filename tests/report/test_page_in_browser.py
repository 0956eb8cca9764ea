"""The page of an execution in a real browser."""

from __future__ import annotations

import unittest
from pathlib import Path

from durabletest import DurableTestCase
from durabletest.report.lanes import Recorded
from durabletest.report.page import page_of
from durabletest.report.table import visible
from durabletest.result import TestResult
from tests.cloud.test_examples import example_suites
from tests.effort import examples
from tests.model.histories import ARN, history_of, order
from tests.report.browser import BrowserTestCase
from tests.report.test_failure_report import Family, declined, invoking, many
from tests.report.test_page import HOSTILE, telling

SIZES = ((360, 780), (1600, 900))


def run_examples(folder: Path) -> dict[Path, list[str]]:
    """Run every test of the examples; returns the page of each execution with the names of its operations."""
    pages: dict[Path, list[str]] = {}

    def keep(test: DurableTestCase) -> None:
        for result in test._durable_executions():
            file = result.save_html(folder / f"{len(pages)}.html")
            pages[file] = [operation.name or "(unnamed)" for operation in result.get_operations()]

    with example_suites() as suites:
        for suite in suites:
            for name in unittest.defaultTestLoader.getTestCaseNames(suite):
                test = suite(name)
                test.addCleanup(keep, test)
                outcome = unittest.TestResult()
                test.run(outcome)
                assert outcome.wasSuccessful(), outcome
    return pages


class ExamplePageTests(BrowserTestCase):
    def test_the_page_of_every_example(self) -> None:
        pages = run_examples(self.folder)
        self.assertGreater(len(pages), 30)
        for file, names in pages.items():
            with self.subTest(file.name):
                self.open(file)
                shown = self.shown()
                for name in names:
                    self.assertIn(name, shown)
                self.assertQuiet(file)


class PageTestCase(BrowserTestCase):
    def show(self, *executions: Recorded) -> Path:
        file = self.folder / "page.html"
        file.write_text(page_of(executions), encoding="utf-8")
        self.open(file)
        return file

    def family(self) -> Path:
        file = TestResult(Family(invoking("bank"), bank=declined())).save_html(self.folder / "family.html")
        self.open(file)
        return file

    def focused(self) -> str:
        name: str = self.js(
            "return document.activeElement.querySelector('.text')?.textContent ?? document.activeElement.id"
        )
        return name

    def test_idle_time_is_squeezed_by_button_and_key(self) -> None:
        self.show(Recorded(ARN, history_of(order())))
        width = (
            "return document.querySelector('.b.wait').getBoundingClientRect().width"
            " / document.querySelector('.axis .track').getBoundingClientRect().width"
        )
        true = self.js(width)
        self.assertAlmostEqual(true, 3600 / 7205, 2)
        self.find("#squeeze").click()
        self.assertEqual(self.find("#squeeze").get_attribute("aria-pressed"), "true")
        squeezed = self.js(width)
        self.assertLess(squeezed, true - 0.05)
        self.press("s")
        self.assertEqual(self.find("#squeeze").get_attribute("aria-pressed"), "false")
        self.assertAlmostEqual(self.js(width), true, 4)

    def test_search_finds_names_statuses_errors_and_payloads(self) -> None:
        self.family()
        for words, expected, found in (
            ("cool", ["order-42", "call bank", "bank", "cool-down"], "1 of 5 match"),
            ("CARD expired step", ["order-42", "call bank", "bank", "charge"], "1 of 5 match"),
            ("chainedinvokefailed", ["order-42", "call bank"], "1 of 5 match"),
            ("no such thing", [], "0 of 5 match"),
        ):
            with self.subTest(words):
                self.press("/")
                self.press(words)
                self.assertEqual(self.shown(), expected)
                self.assertEqual(self.find("#found").text, found)
                self.assertEqual(self.find("#nothing").is_displayed(), not expected)
                self.press("\ue00c")
                self.assertEqual(len(self.shown()), 5)
                self.assertEqual(self.find("#found").text, "3 operations")

    def test_the_keyboard_walks_opens_and_folds(self) -> None:
        down, up, left, right, enter = "\ue015", "\ue013", "\ue012", "\ue014", "\ue007"
        self.family()
        is_open = "return document.activeElement.parentElement.open"
        self.press("j")
        self.assertEqual(self.focused(), "order-42")
        self.press(down, down)
        self.assertEqual(self.focused(), "bank")
        self.press(up)
        self.assertEqual(self.focused(), "call bank")
        self.press(right)
        self.assertTrue(self.js(is_open))
        self.press(left)
        self.assertFalse(self.js(is_open))
        self.press(left)
        self.assertEqual(self.shown(), ["order-42", "call bank"])
        self.press("j")
        self.assertEqual(self.focused(), "call bank", "it is the last one that is shown")
        self.press(left)
        self.assertEqual(self.focused(), "order-42")
        self.press("k")
        self.press(down, right)
        self.assertEqual(len(self.shown()), 5)
        self.press("j", "j", enter)
        self.assertEqual(self.focused(), "charge")
        self.assertTrue(self.js(is_open))
        self.press("o")
        self.assertEqual(self.js("return document.querySelectorAll('.op > details[open]').length"), 5)
        self.press("c")
        self.assertEqual(self.js("return document.querySelectorAll('.op > details[open]').length"), 0)

    def test_the_fold_button(self) -> None:
        self.family()
        button = self.js("return document.querySelectorAll('.fold')[2]")
        button.click()
        self.assertEqual(self.shown(), ["order-42", "call bank", "bank"])
        self.assertEqual(button.get_attribute("aria-expanded"), "false")
        button.click()
        self.assertEqual(len(self.shown()), 5)

    def test_light_and_dark(self) -> None:
        background = "return getComputedStyle(document.body).backgroundColor"
        light, dark = "rgb(255, 255, 255)", "rgb(16, 21, 28)"
        file = self.family()
        self.assertEqual(self.js(background), light)
        self.size(1200, 900, dark=True)
        self.assertEqual(self.js(background), dark)
        for expected in (light, dark, dark):
            self.press("t")
            self.assertEqual(self.js(background), expected)
        self.assertQuiet(file)

    def test_nothing_is_cut_off_at_any_width(self) -> None:
        for width, height in SIZES:
            self.size(width, height)
            for executions in ([Recorded(ARN, history_of(order()), [])], telling("word " * 80), telling("x" * 400)):
                with self.subTest(width):
                    self.show(*executions)
                    self.press("o")
                    self.js("for (const call of document.querySelectorAll('.call')) call.open = true")
                    self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), width)

    def test_it_can_be_printed(self) -> None:
        self.family()
        self.press("o")
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        self.assertFalse(self.find("#search").is_displayed())
        self.assertTrue(
            self.js("return getComputedStyle(document.querySelector('.op')).contentVisibility === 'visible'")
        )
        printed = self.browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        self.assertGreater(len(printed), 10_000)

    def test_hostile_values_run_nothing_and_stay_in_their_cells(self) -> None:
        for name, value in HOSTILE.items():
            with self.subTest(name):
                file = self.show(*telling(value))
                self.assertEqual(self.js("return document.querySelectorAll('.op').length"), 5)
                self.assertEqual(self.js("return document.title"), "execution 'order-42'")
                names = self.js("return [...document.querySelectorAll('.text')].map((name) => name.textContent)")
                self.assertTrue(names[1] == names[2] == visible(value), "the names of a context and of a step")
                self.assertQuiet(file)

    def test_it_is_accessible(self) -> None:
        for dark in (False, True):
            for width, height in SIZES:
                with self.subTest(width, dark=dark):
                    self.size(width, height, dark=dark)
                    self.family()
                    self.press("s", "o")
                    self.js("for (const call of document.querySelectorAll('details')) call.open = true")
                    self.assertAccessible()

    def test_many_operations_are_all_there_and_can_be_searched(self) -> None:
        count = examples(1000, long=3000)
        file = self.folder / "many.html"
        file.write_text(page_of([Recorded(ARN, history_of(many(count)), [])]), encoding="utf-8")
        self.open(file)
        self.assertEqual(len(self.shown()), count + 2)
        self.press("/")
        self.press(f"step-{count - 1}")
        self.assertEqual(self.shown(), ["order-42", "context", f"step-{count - 1}"])
