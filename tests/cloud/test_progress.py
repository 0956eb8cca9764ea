"""The progress line of cloud tests."""

from __future__ import annotations

import contextlib
import io
import os
import unittest
from unittest import mock

from durabletest.cloud import progress
from durabletest.cloud.progress import ProgressLine
from durabletest.model.history import History
from tests.cloud.workflows import forgotten, order
from tests.endpoint.case import EndpointTestCase
from tests.model.histories import ARN, Script, history_of


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class ProgressTests(unittest.TestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.enterContext(mock.patch.object(progress, "_clock", [lambda: self.now]))
        self.terminal = Terminal()
        self.progress = ProgressLine(ARN, self.terminal)

    def shown(self, history: History) -> str:
        """What stands on the line afterwards."""
        self.progress.show(history)
        return self.terminal.getvalue().rpartition("\r")[2].rstrip()

    def test_the_operation_last_seen_and_the_time_elapsed(self) -> None:
        script = Script()
        with self.progress.waiting():
            self.assertEqual(self.shown(history_of(script)), "order-42: no operation yet, 0s")
            self.now += 75
            script.step("1", name="charge")
            self.assertEqual(self.shown(history_of(script)), "order-42: step 'charge' SUCCEEDED, 1m 15s")
            script.wait("2", 60, name="cool-down")
            self.assertEqual(self.shown(history_of(script)), "order-42: wait 'cool-down' STARTED, 1m 15s")
            script.step("3", name="pack")
            self.assertEqual(self.shown(history_of(script)), "order-42: wait 'cool-down' STARTED, 1m 15s")

    def test_a_shorter_line_covers_a_longer_one(self) -> None:
        with self.progress.waiting():
            self.shown(history_of(Script().step("1", name="a step with a rather long name")))
            before = self.terminal.getvalue().rpartition("\r")[2]
            self.progress.show(history_of(Script().step("1", name="a")))
            after = self.terminal.getvalue().rpartition("\r")[2]
        self.assertEqual(len(after), len(before))

    def test_a_line_is_never_wider_than_a_terminal(self) -> None:
        for columns in (60, 80, 200):
            with (
                self.subTest(columns),
                mock.patch.dict(os.environ, COLUMNS=str(columns)),
                self.progress.waiting(),
            ):
                self.assertEqual(len(self.shown(history_of(Script().step("1", name="x" * 300)))), columns - 1)

    def test_with_the_last_who_waits_the_line_disappears(self) -> None:
        with self.progress.waiting():
            with self.progress.waiting():
                self.shown(history_of(Script()))
            self.assertNotEqual(self.terminal.getvalue()[-1], "\r")
        line = self.terminal.getvalue().split("\r")
        self.assertEqual((line[-2].strip(), line[-1]), ("", ""))

    def test_while_nobody_waits_nothing_is_shown(self) -> None:
        self.assertEqual(self.shown(history_of(Script())), "")

    def test_what_is_no_terminal_gets_nothing(self) -> None:
        stream = io.StringIO()
        quiet = ProgressLine(ARN, stream)
        with quiet.waiting():
            quiet.show(history_of(Script()))
        self.assertEqual(stream.getvalue(), "")


class ProgressOfRunsTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy("forgotten", forgotten)

    def test_a_run_shows_its_progress_on_standard_error(self) -> None:
        terminal = Terminal()
        with contextlib.redirect_stderr(terminal):
            execution = self.runner("forgotten:live").start()
            future = execution.operation("approval").wait_for_data()
            with execution.snapshot().view.blocking():
                future.result(timeout=20)
                self.endpoint.log.wait_for("GetDurableExecutionHistory", 10)
            execution.operation("approval").send_callback_success("yes")
            execution.result(timeout=20)
        self.assertRegex(terminal.getvalue(), r"callback 'approval' STARTED, \d+s")
        self.assertTrue(terminal.getvalue().endswith("\r"))

    def test_where_standard_error_is_no_terminal_it_stays_silent(self) -> None:
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream):
            self.runner("orders:live").run({"order": 1})
        self.assertEqual(stream.getvalue(), "")
