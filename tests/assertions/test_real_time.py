"""Checks in real time: durations are lower bounds, and moments are durations after the start of the execution."""

from __future__ import annotations

import unittest
from datetime import timedelta
from unittest import mock

from durabletest import NotAvailableError, UsageError
from durabletest.assertions import (
    CurrentTest,
    ExecutionSubject,
    OperationSubject,
    SoftScope,
    execution,
    history,
    operation,
)
from durabletest.model.records import OperationRecord
from tests.model.histories import START, Script, View, error


class RealTimeView(View):
    """An execution in the cloud, whose scripted approval came an hour early."""

    exact_time = False

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        return timedelta(hours=1) if record.name == "approval create callback id" else timedelta(0)


def run() -> RealTimeView:
    """A step of two seconds, a wait that took a little longer than its minute, and an immediate approval."""
    script = Script().op("StepStarted", "1", name="charge").at(2).op("StepSucceeded", "1")
    script.wait("2", 60, name="cool-down").at(62.5).op("WaitSucceeded", "2", {"Duration": 60})
    script.wait_for_callback("3", "approval").at(63).op("CallbackSucceeded", "3-1").op("ContextSucceeded", "3")
    return RealTimeView(script.succeeded("null"))


class RealTimeTests(unittest.TestCase):
    def operation(self, name: str) -> OperationSubject:
        return operation(run(), CurrentTest(), name)

    def execution(self) -> ExecutionSubject:
        return execution(run(), CurrentTest())

    def assertSays(self, text: str) -> object:
        return self.assertRaisesRegex(AssertionError, text)

    def test_durations_are_lower_bounds(self) -> None:
        self.operation("charge").took(seconds=1).took(seconds=2).never.took(hours=2)
        with self.assertSays(
            r"(?s)took at least 2h \(real time\)\n     but: took 2s: SUCCEEDED\n.*\.took\(seconds=2\)"
        ):
            self.operation("charge").took(hours=2)

    def test_a_wait_took_what_the_service_confirmed(self) -> None:
        self.operation("cool-down").waited(minutes=1).never.waited(seconds=62).never.waited(seconds=59)

    def test_what_scripted_answers_leave_out_counts_as_time(self) -> None:
        self.operation("approval").started_at(seconds=62)
        self.execution().took(hours=1).ended_at(hours=1).never.ended_at(hours=2)
        with self.assertSays("ended at 2h after the execution's start or later"):
            self.execution().ended_at(hours=2)

    def test_matchers_are_given_what_was_measured(self) -> None:
        self.operation("charge").took(mock.ANY).started_at(mock.ANY)

    def test_moments_need_virtual_time(self) -> None:
        with self.assertRaisesRegex(NotAvailableError, r"in real time say how long after .*: started_at\(hours=1\)"):
            self.operation("charge").started_at(START)


class CurrentTestTests(unittest.TestCase):
    """Claims without a test case."""

    def test_a_note_is_shown_with_the_subject(self) -> None:
        with self.assertRaisesRegex(AssertionError, "^execution 'order-42' : as agreed\nExpected: FAILED\n"):
            execution(run(), CurrentTest(), note="as agreed").failed()

    def test_a_report_that_cannot_be_had_does_not_hide_the_failure(self) -> None:
        view = run()
        subject = execution(view, CurrentTest())
        lost = NotAvailableError("the log is gone")
        with mock.patch.object(view, "logs", side_effect=lost), self.assertRaises(AssertionError) as caught:
            subject.failed()
        self.assertIn("Expected: FAILED\n     but: SUCCEEDED", str(caught.exception))
        self.assertIn("The operations of execution 'order-42' cannot be shown: the log is gone", str(caught.exception))

    def test_errors_of_which_little_is_recorded(self) -> None:
        script = Script().op("StepStarted", "1", name="a").op("StepFailed", "1")
        script.op("StepStarted", "2", name="b").op("StepFailed", "2", {"Error": error(None)})
        script.op("StepStarted", "3", name="c").op("StepFailed", "3", {"Error": error(message=None)})
        script.op("StepStarted", "4", name="d").op("StepFailed", "4", {"Error": error(message="")})
        view = RealTimeView(script.succeeded("null"))
        for name, remedy in (
            ("a", r"failed\(\)"),
            ("b", r"failed\(None, 'card expired'\)"),
            ("c", r"failed\('PaymentDeclined'\)"),
            ("d", r"failed\('PaymentDeclined'\)"),
        ):
            with self.subTest(name):
                operation(view, CurrentTest(), name).failed().never.failed("ValueError")
                with self.assertRaisesRegex(AssertionError, f"If that is right, write .{remedy}\n"):
                    operation(view, CurrentTest(), name).succeeded()

    def test_a_snapshot_without_a_folder_needs_an_absolute_path(self) -> None:
        with self.assertRaisesRegex(UsageError, r"^matches\('order.json'\): the test's module is no file, so give an"):
            history(run(), CurrentTest()).matches("order.json")

    def test_of_a_long_execution_the_operation_in_question_is_shown(self) -> None:
        script = Script()
        for number in range(200):
            script.step(str(number), name=f"step-{number}")
        test = CurrentTest()
        with (
            self.assertRaisesRegex(AssertionError, r"\(60 of 200; .*\n(.*\n){2}step-7 .*\nstep-20 .*\nstep-142 "),
            SoftScope(test),
        ):
            for name in ("step-20", "step-7"):
                operation(RealTimeView(script.succeeded("null")), test, name).failed()

    def test_what_it_is_read_as(self) -> None:
        self.assertEqual(repr(execution(run(), CurrentTest())), "<ExecutionSubject execution 'order-42'>")
