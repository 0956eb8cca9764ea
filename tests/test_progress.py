"""The progress of what takes long: on a terminal, and in a log."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import unittest
from unittest import mock

from aws_durable_execution_sdk_python import durable_execution
from hypothesis.strategies import integers

from durabletest import DurableTestCase, LocalDurableTestRunner, explore, progress
from durabletest.configuration import Mode
from durabletest.parity import record
from durabletest.progress import ProgressLine
from tests.sdk_versions import needs_turns
from tests.test_explore import Harvest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class LineTests(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.enterContext(mock.patch.object(progress, "_clock", [lambda: self.now]))
        self.terminal = Terminal()
        self.line = ProgressLine("crashes", self.terminal)

    def shown(self, state: str, line: ProgressLine | None = None) -> str:
        """What stands on the terminal afterwards."""
        (line or self.line).show(state)
        return self.terminal.getvalue().rpartition("\r")[2].rstrip()

    def test_the_state_and_the_time_elapsed(self) -> None:
        with self.line.shown():
            self.assertEqual(self.shown("1 of 9"), "crashes: 1 of 9, 0s")
            self.now += 75
            self.assertEqual(self.shown("2 of 9"), "crashes: 2 of 9, 1m 15s")

    def test_a_shorter_line_covers_a_longer_one_also_of_another(self) -> None:
        other = ProgressLine("x", self.terminal)
        with self.line.shown(), other.shown():
            self.shown("a rather long state of things")
            before = self.terminal.getvalue().rpartition("\r")[2]
            other.show("1")
            self.assertEqual(len(self.terminal.getvalue().rpartition("\r")[2]), len(before))

    def test_a_line_is_never_wider_than_a_terminal(self) -> None:
        for columns in (60, 80, 200):
            with self.subTest(columns), mock.patch.dict(os.environ, COLUMNS=str(columns)), self.line.shown():
                self.assertEqual(len(self.shown("x" * 300)), columns - 1)

    def test_of_a_long_name_the_end_is_shown(self) -> None:
        line = ProgressLine("exploring tests.test_orders.OrderTests.test_declined", self.terminal)
        with mock.patch.dict(os.environ, COLUMNS="50"), line.shown():
            self.assertEqual(self.shown("run 3", line), "..test_orders.OrderTests.test_declined: run 3, 0s")

    def test_with_the_last_block_the_line_disappears(self) -> None:
        with self.line.shown():
            with self.line.shown():
                self.shown("1 of 9")
            self.assertNotEqual(self.terminal.getvalue()[-1], "\r")
        line = self.terminal.getvalue().split("\r")
        self.assertEqual((line[-2].strip(), line[-1]), ("", ""))

    def test_outside_of_a_block_nothing_is_shown(self) -> None:
        self.assertEqual(self.shown("1 of 9"), "")

    def test_of_many_steps_there_is_a_line_after_a_second_and_not_for_each(self) -> None:
        line = ProgressLine("crashes", self.terminal, many=True)
        with line.shown():
            self.now += 0.9
            self.assertEqual(self.shown("1 of 9", line), "")
            self.now += 0.2
            self.assertEqual(self.shown("2 of 9", line), "crashes: 2 of 9, 1s")
            self.now += 0.05
            self.assertEqual(self.shown("3 of 9", line), "crashes: 2 of 9, 1s")
            self.now += 0.06
            self.assertEqual(self.shown("4 of 9", line), "crashes: 4 of 9, 1s")

    def test_a_log_gets_a_summary_of_what_took_long_and_nothing_else(self) -> None:
        log = io.StringIO()
        line = ProgressLine("crashes", log)
        with line.shown():
            line.show("1 of 9")
        self.now += 4.9
        line.summarise("9 runs")
        self.assertEqual(log.getvalue(), "")
        self.now += 0.2
        line.summarise("9 runs")
        self.assertEqual(log.getvalue(), "crashes: 9 runs, 5s\n")

    def test_a_terminal_gets_none(self) -> None:
        self.now += 60
        self.line.summarise("9 runs")
        self.assertEqual(self.terminal.getvalue(), "")


@durable_execution
def one_step(event: object, context: object) -> object:
    return context.step(lambda _: event, name="one")  # type: ignore[attr-defined]


class Suites:
    """Run by the tests below, and by nobody else."""

    class Crashing(DurableTestCase):
        handler = one_step

        def runTest(self) -> None:
            self.assertSurvivesCrashes(1, faults=["answer lost", "killed"])

    class Picking(Harvest):
        @explore(schedules=3, same_result=False)
        def runTest(self) -> None:
            self.execute()

    class Generating(DurableTestCase):
        handler = one_step

        @explore(payloads=integers(0, 9), crashes=False)
        def runTest(self, payload: int) -> None:
            self.assertLess(self.execute(payload).get_result(), 5)

    class Failing(Harvest):
        @explore
        def runTest(self) -> None:
            self.pick("peas", "corn")


class WorkTests(unittest.TestCase):
    """Each look at the clock is a second after the one before."""

    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, COLUMNS="200"))

    def shown(self, work: DurableTestCase | None, stream: io.StringIO) -> list[str]:
        """The lines that were written, one after the other."""
        with contextlib.redirect_stderr(stream), mock.patch.object(progress, "_clock", [itertools.count().__next__]):
            if work is not None:
                work.run(unittest.TestResult())
            else:
                record([Suites.Crashing(), Suites.Picking()], Mode.LOCAL)
        return [line for line in map(str.strip, stream.getvalue().replace("\n", "\r").split("\r")) if line]

    @needs_turns
    def test_crashes(self) -> None:
        name = "crashes of tests.test_progress.Suites.Crashing"
        lines = self.shown(Suites.Crashing(), Terminal())
        self.assertEqual([line.rpartition(",")[0] for line in lines], [
            f"{name}: 1 of 2, answer lost 1", f"{name}: 2 of 2, killed 1"
        ])  # fmt: skip
        [line] = self.shown(Suites.Crashing(), io.StringIO())
        self.assertRegex(line, rf"^{name}: 3 runs, \d+s$")

    @needs_turns
    def test_exploring(self) -> None:
        name = "exploring tests.test_progress.Suites.Picking.runTest"
        lines = self.shown(Suites.Picking(), Terminal())
        self.assertEqual([line.rpartition(",")[0] for line in lines], [
            f"{name}: run {number} of 3 schedules" for number in (1, 2, 3)
        ])  # fmt: skip
        [line] = self.shown(Suites.Picking(), io.StringIO())
        self.assertRegex(line, rf"^{name}: 3 runs, \d+s$")

    @needs_turns
    def test_generated_cases(self) -> None:
        name = "exploring tests.test_progress.Suites.Generating.runTest"
        lines = [line.rpartition(",")[0] for line in self.shown(Suites.Generating(), Terminal())]
        self.assertEqual(lines[:2], [f"{name}: run {number} of 200 generated cases" for number in (1, 2)])
        self.assertRegex(lines[-1], rf"^{name}: run \d+: a case has failed, and is made smaller$")

    @needs_turns
    def test_reducing(self) -> None:
        lines = self.shown(Suites.Failing(), Terminal())
        self.assertRegex(lines[-1], r"Failing\.runTest: run \d+: schedule \d+ has failed, and is reduced, \d+s$")

    def test_parity(self) -> None:
        shown = [line.rpartition(",")[0] for line in self.shown(None, Terminal())]
        for number, test in enumerate(("Crashing", "Picking"), 1):
            self.assertIn(f"parity, locally: {number} of 2 tests, tests.test_progress.Suites.{test}.runTest", shown)
        self.assertRegex(self.shown(None, io.StringIO())[-1], r"^parity, locally: 2 tests, \d+s$")

    @needs_turns
    def test_outside_of_tests(self) -> None:
        terminal, clock = Terminal(), mock.patch.object(progress, "_clock", [itertools.count().__next__])
        with contextlib.redirect_stderr(terminal), clock, LocalDurableTestRunner(one_step) as runner:
            runner.verify_crashes(1, faults="answer lost 1")
        self.assertIn("crashes of a workflow: 1 of 1, answer lost 1, 2s", terminal.getvalue())
