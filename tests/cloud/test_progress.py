"""The progress line of cloud tests."""

from __future__ import annotations

import contextlib
import io
import unittest
from unittest import mock

from durabletest import progress
from durabletest.cloud.history_pages import last_seen
from tests.cloud.workflows import forgotten, order
from tests.endpoint.case import EndpointTestCase
from tests.model.histories import Script, history_of
from tests.test_progress import Terminal


class LastSeenTests(unittest.TestCase):
    def test_the_operation_that_is_open_or_else_the_last_one(self) -> None:
        script = Script()
        self.assertEqual(last_seen(history_of(script)), "no operation yet")
        script.step("1", name="charge")
        self.assertEqual(last_seen(history_of(script)), "step 'charge' SUCCEEDED")
        script.wait("2", 60, name="cool-down")
        self.assertEqual(last_seen(history_of(script)), "wait 'cool-down' STARTED")
        script.step("3", name="pack")
        self.assertEqual(last_seen(history_of(script)), "wait 'cool-down' STARTED")


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

    def test_but_for_a_line_about_each_execution_that_took_long(self) -> None:
        stream = io.StringIO()
        with contextlib.redirect_stderr(stream), mock.patch.object(progress, "_LONG", 0.0):
            result = self.runner("orders:live").start({"order": 1}, name="order-1")
            for _ in range(2):
                result.result()
        self.assertRegex(stream.getvalue(), r"\A(order-1: SUCCEEDED, \d+s\n){1,2}\Z")
