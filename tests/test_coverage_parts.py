"""``DURABLETEST_COVERAGE`` in several processes: nothing is lost, and nothing of an earlier run is kept."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from aws_durable_execution_sdk_python import durable_execution

from durabletest import ConfigurationError, DurableTestCase, LocalDurableTestRunner, coverage_parts
from durabletest.coverage import Coverage
from durabletest.coverage_parts import begin, end, parts_of, read
from durabletest.endings import Ending
from tests.model.histories import View, order
from tests.report.browser import BrowserTestCase
from tests.sdk_versions import needs_turns
from tests.subprocesses import ROOT, ProcessTestCase, StartedModule, StartedSuite
from tests.test_coverage import run_example, run_shop

SUITE = """
import os, socket, unittest
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase


@durable_execution
def order(event, context):
    for number in range(event):
        context.step(lambda _: number, name=f"step-{number}")


class OrderTests(DurableTestCase):
    handler = order

    def test_many(self):
        for number in range(10):
            self.execute(number % 3)
            self.runner.reset()

    def test_others_run_meanwhile(self):
        self.execute(1)
        with socket.create_connection(("127.0.0.1", int(os.environ["MEETING"]))) as meeting:
            meeting.sendall(os.environ["NUMBER"].encode())
            meeting.recv(1)
        if os.environ["NUMBER"] == "0":
            os._exit(3)


if __name__ == "__main__":
    unittest.main()
"""
SUMMARY = "\nCoverage of outcomes: {} of {} (100%), in {} executions\n"
PROCESSES = 3


class TogetherTests(ProcessTestCase):
    """Processes that nobody has started together, which run at the same time; one of them is killed."""

    early = False

    @classmethod
    def start_processes(cls) -> dict[str, StartedSuite]:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.report = cls.folder / "report.json"
        meeting = cls.enterClassContext(socket.create_server(("127.0.0.1", 0)))
        meeting.settimeout(60)
        variables = {"DURABLETEST_COVERAGE": str(cls.report), "MEETING": str(meeting.getsockname()[1])}
        processes = {
            number: StartedSuite("unittest", "test_suite", suite=SUITE, NUMBER=number, **variables)
            for number in map(str, range(PROCESSES))
        }
        with contextlib.ExitStack() as together:
            connections = [together.enter_context(meeting.accept()[0]) for _ in processes]
            by_number = {connection.recv(1).decode(): connection for connection in connections}
            by_number["0"].close()
            cls.killed = processes.pop("0").ended()
        return processes

    def test_nothing_is_lost(self) -> None:
        ended = [self.ended(number) for number in self.processes]
        self.assertEqual([process.returncode for process in (self.killed, *ended)], [3, 0, 0])
        coverage = read(self.report)
        [(suite, workflow)] = coverage.executions
        self.assertEqual((suite, workflow), ("test_suite.OrderTests", "test_suite.order"))
        # Ten of each process, and one more of each but the one that was killed before its runner was closed.
        self.assertEqual(coverage.executions.total(), PROCESSES * 11 - 1)
        self.assertEqual(json.loads(self.report.read_text("utf-8"))["executions"][0]["count"], PROCESSES * 11 - 1)
        # Of numbers 0 to 9, six have at least one step and three have two.
        steps = {place.path: seen.outcomes["succeeded"] for place, seen in coverage.workflows()[workflow].items()}
        self.assertEqual(steps, {"step-0": PROCESSES * 7 - 1, "step-1": PROCESSES * 3})
        summary = SUMMARY.format(2, 2, PROCESSES * 11 - 1)
        self.assertTrue(
            any(process.stderr.endswith(summary) for process in ended), [process.stderr for process in ended]
        )


@needs_turns
class MergingTests(ProcessTestCase):
    """Two processes of one run, each for one example, and this process for both."""

    early = False

    @classmethod
    def start_processes(cls) -> dict[str, StartedModule]:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.report = cls.folder / "two.json"
        with mock.patch.dict(os.environ, {"DURABLETEST_COVERAGE": str(cls.report)}):
            begin()  # this process is one of the run, so that the two belong together, however long each takes
        variables = {"DURABLETEST_COVERAGE": str(cls.report)}
        return {
            module: StartedModule("unittest", module, cwd=ROOT / "examples", **variables)
            for module in ("test_order", "test_approval")
        }

    def test_two_processes_give_what_one_gives(self) -> None:
        alone = {module: Coverage() for module in ("test_order", "test_approval")}
        for module, coverage in alone.items():
            run_example(module, coverage)
        together = Coverage()
        for module in alone:
            run_example(module, together)
        for name in self.processes:
            process = self.ended(name)
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertNotIn("Coverage of outcomes", process.stderr, "the last process of the run tells of it")
        [coverage] = end()
        self.assertEqual(self.report.read_text("utf-8"), together.report())
        self.assertIn("15 of 18", coverage.text())
        first, second = alone.values()
        first.merge(second)
        self.assertEqual(first.report(), together.report())


@durable_execution
def handler(event: object, context: object) -> object:
    return event


def execute() -> None:
    with LocalDurableTestRunner(handler) as runner:
        runner.run()


class PartTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.report = self.folder / "new" / "report.json"
        self.enterContext(mock.patch.dict(coverage_parts._parts, clear=True))
        self.use(self.report)
        self.addCleanup(lambda: list(end()))

    def use(self, value: Path) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"DURABLETEST_COVERAGE": str(value)}))

    def count(self) -> int:
        return read(self.report).executions.total()

    def test_a_run_replaces_the_one_before(self) -> None:
        execute()
        [coverage] = end()
        self.assertEqual((coverage.executions.total(), self.count()), (1, 1))
        execute()
        execute()
        self.assertEqual(self.count(), 2, "parts can be read before the end")
        list(end())
        self.assertEqual(self.count(), 2)

    def test_a_run_in_which_nothing_is_executed_replaces_it_too(self) -> None:
        execute()
        list(end())
        begin()
        [coverage] = end()
        self.assertEqual((coverage.text(), self.count()), ("Coverage of outcomes: no execution was seen", 0))

    @unittest.skipUnless("fork" in multiprocessing.get_all_start_methods(), "forks")
    def test_a_forked_child_has_a_part_of_its_own(self) -> None:
        execute()
        child = multiprocessing.get_context("fork").Process(target=execute)
        child.start()
        child.join(60)
        self.assertEqual(child.exitcode, 0)
        execute()
        self.assertEqual(len(list(parts_of(self.report).glob("*.jsonl"))), 2)
        [coverage] = end()
        self.assertEqual(coverage.executions.total(), 3)

    def test_threads_share_the_part_of_their_process(self) -> None:
        together, views = threading.Barrier(8), [View(order()) for _ in range(8)]
        guarded: list[bool] = []

        class Watched(coverage_parts.Part):
            def __init__(self, report: Path) -> None:
                guarded.append(coverage_parts._guards[0].locked())
                super().__init__(report)

            def write(self, coverage: Coverage) -> None:
                guarded.append(coverage_parts._guards[0].locked())
                super().write(coverage)

        self.enterContext(mock.patch.object(coverage_parts, "Part", Watched))

        def write(view: View) -> None:
            together.wait(60)
            for _ in range(5):
                coverage_parts.record("suite", Ending("order", "orders", [view]))  # type: ignore[list-item]

        threads = [threading.Thread(target=write, args=(view,)) for view in views]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(list(parts_of(self.report).glob("*.jsonl"))), 1)
        [coverage] = end()
        self.assertEqual((coverage.executions.total(), coverage.unread.total()), (40, 0))
        self.assertEqual(guarded, [True] * 41)

    def test_a_line_that_was_not_finished_is_told(self) -> None:
        execute()
        list(end())
        [part] = parts_of(self.report).glob("*.jsonl")
        part.write_text(part.read_text("utf-8") + '{"executions": [{"sui', "utf-8")
        coverage = read(self.report)
        self.assertEqual(coverage.executions.total(), 1)
        self.assertRegex(
            coverage.text(), r"Not counted \(outside of tests\): the process that wrote \d+-\w+\.jsonl ended"
        )

    def test_a_report_without_its_parts_is_read_itself(self) -> None:
        execute()
        list(end())
        copy = self.folder / "copy.json"
        copy.write_text(self.report.read_text("utf-8"), "utf-8")
        self.assertEqual(read(copy), read(self.report))

    def test_what_has_grown_while_it_was_merged_is_merged_again(self) -> None:
        execute()
        merge, others = coverage_parts._merged, [execute, execute]

        def merging(paths: list[Path]) -> object:
            coverage = merge(paths)
            if others:
                others.pop()()
            return coverage

        with mock.patch("durabletest.coverage_parts._merged", merging):
            list(end())
        self.assertEqual(json.loads(self.report.read_text("utf-8"))["executions"][0]["count"], 3)

    def test_values_that_are_no_report(self) -> None:
        class Passing(DurableTestCase):
            def runTest(self) -> None:
                self.execute()

        Passing.handler = handler
        file = self.folder / "file"
        file.write_text("", "utf-8")
        for value, message in (
            (
                self.folder,
                r"DURABLETEST_COVERAGE is '.*', which is a folder: name the file of the report, report\.json",
            ),
            (file / "report.json", r"the report '.*file/report\.json', which DURABLETEST_COVERAGE names, cannot be .*"),
        ):
            self.use(value)
            result = unittest.TestResult()
            Passing().run(result)
            [(_, text)] = result.errors
            self.assertRegex(text, f"ConfigurationError: .*{message}")

    def test_a_system_without_locks(self) -> None:
        with (
            mock.patch.dict(sys.modules, {"fcntl": None}),
            self.assertRaisesRegex(ConfigurationError, "locks of files"),
        ):
            begin()


class PageTests(BrowserTestCase):
    def test_the_index_links_to_the_page_of_coverage(self) -> None:
        pages = self.folder / "pages"
        variables = {"DURABLETEST_COVERAGE": str(self.folder / "report.json"), "DURABLETEST_REPORT": str(pages)}
        with mock.patch.dict(os.environ, variables), mock.patch.dict(coverage_parts._parts, clear=True):
            run_shop({})
            [coverage] = end()
        for width in (360, 1600):
            self.size(width, 900)
            index = pages / "index.html"
            self.open(index)
            self.assertQuiet(index)
            self.assertAccessible()
            link = self.find("main a")
            self.assertRegex(link.text, r"^Coverage of outcomes: \d+ of \d+ \(\d+%\), in 2 executions$")
            link.click()
            self.assertAccessible()
            self.assertLessEqual(self.js("return document.documentElement.scrollWidth"), width)
            text = self.find("main").text
            for goal in coverage.gaps():
                self.assertIn(f"{goal.gap} tests.test_coverage.shop", text)
            self.assertRegex(text, re.escape("step 'end/booking/book'") + r"\s+1 succeeded")
            self.assertRegex(text, r"outside of tests\s+bank\s+1")
            self.find("p.up a").click()
            self.assertEqual(self.find("h1").text, "0 failing tests")
