"""``DURABLETEST_REPORT``: pages of failing tests and their index, in runs of unittest and of pytest."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import unittest
from html import unescape
from pathlib import Path
from unittest import mock
from urllib.parse import unquote

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import (
    CheckpointServerError,
    ConfigurationError,
    DurableTestCase,
    LocalDurableTestRunner,
    UsageError,
    endings,
    explore,
)
from durabletest.failure_pages import RunnerPage
from durabletest.model.history import execution_name
from durabletest.report import page
from tests.report.browser import BrowserTestCase
from tests.sdk_versions import needs_turns
from tests.subprocesses import StartedSuite
from tests.test_explore import Harvest

SUITE = """
import unittest

import pytest
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase


@durable_execution
def order(event, context):
    return context.step(lambda _: event, name="charge <b>")


class OrderTests(DurableTestCase):
    handler = order

    def test_claim(self):
        self.execute(7)
        self.assertOperation("charge <b>").attempts(3)

    def test_error(self):
        self.execute("text of the payload")
        raise ValueError("<i>broken</i>")

    def test_subtests(self):
        for number in (1, 2, 3):
            with self.subTest(number=number):
                self.execute(number, name=f"number-{number}")
                self.assertExecution().succeeded(2)

    def test_set_up_and_cleanup(self):
        self.addCleanup(self.fail, "in the cleanup")
        self.fail("in the test")

    def test_pytest_fail(self):
        pytest.fail("by pytest")

    def test_nothing_was_executed(self):
        self.assertEqual(1, 2)

    def test_passes(self):
        self.execute()
        self.assertExecution().succeeded()

    def test_skipped(self):
        self.skipTest("later")

    @unittest.expectedFailure
    def test_expected(self):
        self.assertEqual(1, 2)


class SetUpTests(DurableTestCase):
    handler = order

    def setUp(self):
        self.fail("in setUp")

    def test(self):
        pass
"""
FAILING = [
    "OrderTests.test_claim",
    "OrderTests.test_error",
    "OrderTests.test_nothing_was_executed",
    "OrderTests.test_pytest_fail",
    "OrderTests.test_set_up_and_cleanup",
    "OrderTests.test_subtests",
    "SetUpTests.test",
]


class Pages:
    """A folder of pages, as it is read back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir()) if self.folder.exists() else []

    def text(self, name: str) -> str:
        """The text of a page, without its elements."""
        html = (self.folder / name).read_text(encoding="utf-8")
        return unescape(re.sub(r"<[^>]+>", " ", html.partition("<body>")[2].partition("<script>")[0]))

    def listed(self) -> list[str]:
        """The links of the index."""
        return re.findall(r'<a href="([^"]+)">', (self.folder / "index.html").read_text(encoding="utf-8"))


class RunTests(unittest.TestCase):
    """The same pages, whoever runs the suite."""

    @classmethod
    def setUpClass(cls) -> None:
        commands = {"unittest": ("unittest", "test_suite"), "pytest": ("pytest", "-q", "-p", "no:cacheprovider")}
        cls.pages: dict[str, Pages] = {}
        started: list[StartedSuite] = []
        for name, command in commands.items():
            folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory())) / "new" / "pages"
            cls.pages[name] = Pages(folder)
            started.append(StartedSuite(*command, suite=SUITE, DURABLETEST_REPORT=str(folder)))
        for run in (process.ended() for process in started):
            assert run.returncode == 1, run.stdout + run.stderr

    def test_a_page_for_every_failing_test_and_an_index(self) -> None:
        for name, pages in self.pages.items():
            with self.subTest(name):
                expected = [f"test_suite.{test}.html" for test in FAILING]
                self.assertEqual(pages.names(), ["index.html", *expected])
                self.assertEqual(pages.listed(), expected)
                self.assertIn("7 failing tests", pages.text("index.html"))
                self.assertIn("ValueError: <i>broken</i>", pages.text("index.html"))

    def test_a_page_shows_the_failure_and_the_executions_of_the_test(self) -> None:
        for name, pages in self.pages.items():
            for test, texts in {
                "OrderTests.test_claim": ("If that is right, write .attempts(1)", "charge <b>", "StepSucceeded"),
                "OrderTests.test_error": ("<i>broken</i>", 'raise ValueError("', "text of the payload"),
                "OrderTests.test_subtests": ("number-1", "number-2", "number-3", "but: result == 1", "== 3"),
                "OrderTests.test_set_up_and_cleanup": ("in the test", "in the cleanup", "has started no execution"),
                "OrderTests.test_pytest_fail": ("by pytest",),
                "OrderTests.test_nothing_was_executed": ("1 != 2", "has started no execution"),
                "SetUpTests.test": ("in setUp",),
            }.items():
                shown = pages.text(f"test_suite.{test}.html")
                for text in (*texts, f"test_suite.{test}", "All failing tests", "test_suite.py", "Traceback"):
                    with self.subTest(name, test=test):
                        self.assertIn(text, shown)
                with self.subTest(name, test=test):
                    self.assertNotIn("Operations of execution", shown, "the page has them itself")
                    self.assertNotRegex(shown, r"[\\/]durabletest[\\/]\w+\.py")


@durable_execution
def handler(event: object, context: object) -> object:
    return event


@durable_execution
def forgetful(event: object, context: DurableContext) -> object:
    receipts: list[int] = []
    context.step(lambda _: receipts.append(1), name="charge")
    return len(receipts)


class Suites:
    """Test cases that are run by the tests below, and by nobody else."""

    class Failing(DurableTestCase):
        handler = handler
        fails = True

        def runTest(self) -> None:
            self.execute(1)
            self.assertExecution().succeeded(2 if self.fails else 1)


class FolderTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.pages = Pages(folder / "pages")
        self.use(str(self.pages.folder))

    def use(self, value: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"DURABLETEST_REPORT": value}))

    def run_test(self, cls: type[DurableTestCase] = Suites.Failing) -> unittest.TestResult:
        result = unittest.TestResult()
        cls().run(result)
        return result

    def test_a_test_that_passes_again_loses_its_page(self) -> None:
        self.run_test()
        own = "tests.test_failure_pages.Suites.Failing.runTest.html"
        self.assertEqual(self.pages.names(), ["index.html", own])
        foreign = self.pages.folder / "tests.other.html"
        foreign.write_text("<title>not ours</title>", encoding="utf-8")
        with mock.patch.object(Suites.Failing, "fails", False):
            self.assertTrue(self.run_test().wasSuccessful())
        self.assertEqual(self.pages.names(), ["index.html", foreign.name])
        self.assertIn("No test has failed.", self.pages.text("index.html"))

    def test_nothing_is_written_for_tests_that_pass_or_without_the_variable(self) -> None:
        with mock.patch.object(Suites.Failing, "fails", False):
            self.run_test()
        self.assertEqual(self.pages.names(), [])
        self.use("")
        self.assertEqual(len(self.run_test().failures), 1)
        self.assertEqual(self.pages.names(), [])

    def test_the_index_has_the_pages_of_other_processes(self) -> None:
        self.run_test()
        [own] = self.pages.listed()
        text = (self.pages.folder / own).read_text(encoding="utf-8").replace("tests.test_failure_pages", "a.&lt;b&gt;")
        (self.pages.folder / "another.html").write_text(text, encoding="utf-8")
        self.run_test()
        self.assertEqual(self.pages.listed(), ["another.html", own])
        self.assertIn("a.<b>.Suites.Failing.runTest", self.pages.text("index.html"))

    @needs_turns
    def test_an_explored_test_names_its_schedule_and_is_not_shown_by_others(self) -> None:
        names, before = self.pages.names, list[list[str]]()

        class Explored(Harvest):
            @explore
            def runTest(self) -> None:
                before.append(names())
                self.pick("peas", "corn")

        self.run_test(Explored)
        self.assertGreater(len(before), 2)
        self.assertEqual(before, [[]] * len(before), "by the schedules that are tried nothing is written")
        [own] = self.pages.listed()
        text = self.pages.text(own)
        self.assertEqual(text.count('To run just this schedule: @explore(schedule="2:1")'), 1)
        self.assertEqual(text.count("but: result[0] == 'corn'"), 1)

    @needs_turns
    def test_an_explored_test_shows_its_schedule_with_the_execution(self) -> None:
        class Explored(Harvest):
            @explore(schedule="2:1")
            def runTest(self) -> None:
                self.pick("peas", "corn")

        self.run_test(Explored)
        [own] = self.pages.listed()
        self.assertRegex(self.pages.text(own), r"Injected: schedule '2:1': step '.*' began before step")

    @needs_turns
    def test_a_crash_matrix_shows_the_run_that_does_not_survive(self) -> None:
        class Crashing(DurableTestCase):
            handler = forgetful

            def runTest(self) -> None:
                self.assertSurvivesCrashes(faults=["answer lost", "killed"])

        self.run_test(Crashing)
        [own] = self.pages.listed()
        text = self.pages.text(own)
        self.assertIn("execution 'execution-1': SUCCEEDED", text)
        self.assertIn("execution 'execution-1 with answer lost 1': SUCCEEDED", text)
        words = "Injected: answer lost after the checkpoint that completed step 'charge' ('answer lost 1')"
        self.assertIn(words, text)
        self.assertIn("What is logged in a run with faults is not kept.", text)
        html = (self.pages.folder / own).read_text(encoding="utf-8")
        self.assertEqual(html.count('class="m fault"'), 2, "one on the lane, one in the legend")

    def test_names_of_tests_that_are_no_names_of_files(self) -> None:
        long = type("Long" * 60, (Suites.Failing,), {"__module__": __name__})
        odd = type("Odd/../<x>", (Suites.Failing,), {"__module__": __name__})
        wide = type("日本語" * 40, (Suites.Failing,), {"__module__": __name__})
        for cls in (long, odd, wide):
            self.run_test(cls)
        self.assertEqual(len(self.pages.listed()), 3)
        for name in map(unquote, self.pages.listed()):
            self.assertRegex(name, r"^[\w.-]{1,140}-[0-9a-f]{8}\.html$")
            self.assertTrue((self.pages.folder / name).exists())

    def test_a_value_that_is_no_folder_is_an_error_of_every_test(self) -> None:
        file = self.pages.folder.parent / "file"
        file.write_text("", encoding="utf-8")
        self.use(str(file))
        [(_, text)] = self.run_test().errors
        self.assertRegex(text, r"ConfigurationError: the environment variable DURABLETEST_REPORT is '.*file', which is")
        self.assertIn("name the folder for the pages of failing tests", text)
        self.assertTrue(issubclass(ConfigurationError, UsageError))

    def test_so_is_a_missing_jinja2(self) -> None:
        page._environment.cache_clear()
        self.addCleanup(page._environment.cache_clear)
        with mock.patch.dict(sys.modules, {"jinja2": None}):
            [(_, text)] = self.run_test().errors
        self.assertIn("pip install 'durabletest[report]'", text)

    def test_a_page_that_cannot_be_written_is_noted_with_the_failure(self) -> None:
        for place, problem in (("_write", OSError("the disk is full")), ("told", ValueError("a mistake"))):
            with mock.patch(f"durabletest.failure_pages.{place}", side_effect=problem):
                [(_, text)] = self.run_test().failures
            self.assertIn(f"The page of this failure was not written: {problem!r}", text)
        self.assertIn("but: result == 1", text)

    def test_an_execution_that_cannot_be_read_is_named_and_others_are_shown(self) -> None:
        refusal = CheckpointServerError("it is dead")
        with mock.patch("durabletest.report.page.children_of", side_effect=refusal):
            self.run_test()
        [own] = self.pages.listed()
        self.assertIn("execution 'execution-1' cannot be shown: it is dead", self.pages.text(own))


class RunnerPageTests(unittest.TestCase):
    """What is kept of runners that belong to no test case and no fixture."""

    def kept(self, page: RunnerPage, *without: object) -> list[str]:
        return [execution_name(execution.arn) for execution in page.executions(without)]

    def test_what_was_executed_since(self) -> None:
        with LocalDurableTestRunner(handler) as shared:
            shared.run(name="before")
            page = RunnerPage(Path(), "a test")
            with endings.listening(page.keep):
                shared.run(name="since")
                with LocalDurableTestRunner(handler, durable_functions={"bank": handler}) as own:
                    own.run(name="own")
                    self.assertEqual(self.kept(page), ["since", "own"], "both are open")
                self.assertEqual(self.kept(page), ["own", "since"])
                self.assertEqual(self.kept(page, own), ["since"])

    def test_after_a_reset_the_names_begin_again(self) -> None:
        with LocalDurableTestRunner(handler) as runner:
            runner.run(name="first")
            page = RunnerPage(Path(), "a test")
            with endings.listening(page.keep):
                runner.reset()
                runner.run(name="first")
                self.assertEqual(self.kept(page), ["first"])

    def test_what_cannot_be_read_is_left_out(self) -> None:
        refusal = CheckpointServerError("it is dead")
        with LocalDurableTestRunner(handler) as runner:
            with mock.patch.object(runner, "_durable_ending", side_effect=refusal):
                page = RunnerPage(Path(), "a test")
                page.keep(refusal)
                self.assertEqual(self.kept(page), [])
            runner.run(name="first")
            self.assertEqual(self.kept(page), ["first"])


class BrowserTests(BrowserTestCase):
    def test_index_and_page(self) -> None:
        with mock.patch.dict(os.environ, {"DURABLETEST_REPORT": str(self.folder)}):
            Suites.Failing().run(unittest.TestResult())
        for width in (360, 1600):
            self.size(width, 900)
            index = self.folder / "index.html"
            self.open(index)
            self.assertQuiet(index)
            self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), width)
            self.assertAccessible()
            self.find("a").click()
            self.assertEqual(self.find("h1").text, "tests.test_failure_pages.Suites.Failing.runTest")
            self.assertIn("but: result == 1", self.find("pre.failure").text)
            self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), width)
            self.assertAccessible()
            self.find("p.up a").click()
            self.assertEqual(self.find("h1").text, "1 failing test")
