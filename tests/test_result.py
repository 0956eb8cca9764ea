from __future__ import annotations

import contextlib
import io
import unittest
from datetime import UTC, datetime
from typing import Any

from freezegun import freeze_time

from durabletest import sdk
from durabletest.errors import (
    ExecutionFailedError,
    ExecutionNotCompletedError,
    NotAvailableError,
    OperationNotFoundError,
    UsageError,
)
from durabletest.model.records import ErrorDetails, ExecutionStatus, LogEntry, OperationRecord, OperationStatus
from durabletest.result import TestResult, logged_trace, own_frames
from tests.model.histories import ARN, START, Script, View, error, order


def result_of(script: Script) -> TestResult:
    return TestResult(View(script))


class OutcomeTest(unittest.TestCase):
    def test_r3_1_r3_2_success(self) -> None:
        result = result_of(order())
        self.assertIs(result.get_status(), ExecutionStatus.SUCCEEDED)
        self.assertEqual(result.get_result(), {"status": "shipped", "total": 7})
        self.assertIsNone(result.get_error())

    def test_no_result_is_none(self) -> None:
        self.assertIsNone(result_of(Script().add("ExecutionSucceeded", {"Result": {}})).get_result())

    def test_r3_3_r3_4_failure(self) -> None:
        trace = ["  File 'a.py', line 1\n", "    pay()\n"]
        result = result_of(Script().failed(ErrorData="{}", StackTrace=trace))
        self.assertIs(result.get_status(), ExecutionStatus.FAILED)
        self.assertEqual(result.get_error(), ErrorDetails("PaymentDeclined", "card expired", "{}", tuple(trace)))
        with self.assertRaises(ExecutionFailedError) as raised:
            result.get_result()
        self.assertEqual(
            str(raised.exception),
            "execution 'order-42' has no result: it FAILED with PaymentDeclined: card expired\n"
            "    File 'a.py', line 1\n"
            "      pay()",
        )
        failure = raised.exception
        self.assertEqual((failure.status, failure.error_type), ("FAILED", "PaymentDeclined"))
        self.assertEqual((failure.error_message, failure.error_data), ("card expired", "{}"))
        self.assertEqual(failure.stack_trace, trace)

    def test_other_endings_have_no_result(self) -> None:
        for kind, details, ending in (
            ("ExecutionTimedOut", {}, "TIMED_OUT"),
            ("ExecutionStopped", {"Error": error("Stop", None)}, "was STOPPED with Stop"),
        ):
            with self.subTest(kind), self.assertRaises(ExecutionFailedError) as raised:
                result_of(Script().add(kind, details)).get_result()
            self.assertEqual(str(raised.exception), f"execution 'order-42' has no result: it {ending}")
            self.assertIsNone(raised.exception.stack_trace)

    def test_a_running_execution_has_no_outcome(self) -> None:
        result = result_of(Script())
        self.assertIs(result.get_status(), ExecutionStatus.RUNNING)
        for question in (result.get_result, result.get_error):
            with self.subTest(question.__name__), self.assertRaises(ExecutionNotCompletedError) as raised:
                question()
            message = "execution 'order-42' is RUNNING: it has no outcome yet; wait for execution.result()"
            self.assertEqual(str(raised.exception), message)

    def test_results_of_operations_hold_no_stand_in_times(self) -> None:
        class Dated(View):
            def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
                return {"at": datetime.now(START.tzinfo)}

        with freeze_time(START):
            result = TestResult(Dated(order()))
            value = result.get_operation("charge").get_step_details().result
        self.assertEqual(repr(value), repr({"at": START}))

    def test_the_raw_material(self) -> None:
        script = order()
        result = result_of(script)
        self.assertEqual((result.arn, result.view.arn), (ARN, ARN))
        self.assertEqual(result.history, script.events)
        self.assertEqual(result.get_history_events(), script.events)

    def test_r3_7_invocations(self) -> None:
        invocations = result_of(order()).get_invocations()
        self.assertEqual([(one.index, one.request_id) for one in invocations], [(n, f"r-{n}") for n in (1, 2, 3, 4)])
        self.assertTrue(all(START <= one.started_at <= one.ended_at for one in invocations))

    def test_repr(self) -> None:
        for script, text in (
            (order(), "<TestResult of execution 'order-42': SUCCEEDED, 6 operations>"),
            (Script().step("1"), "<TestResult of execution 'order-42': RUNNING, 1 operation>"),
        ):
            with self.subTest(text):
                self.assertEqual(repr(result_of(script)), text)

    def test_pytest_does_not_collect_it(self) -> None:
        self.assertIs(TestResult.__test__, False)


class OperationsTest(unittest.TestCase):
    def names(self, status: OperationStatus | str | None = None) -> list[str | None]:
        script = order().wait("7", 60, name="forgotten")
        return [operation.name for operation in result_of(script).get_operations(status)]

    def test_r3_5_all_in_execution_order(self) -> None:
        children = ["approval create callback id", "approval submitter"]
        self.assertEqual(self.names(), ["order", "charge", "cool-down", "approval", *children, "forgotten"])

    def test_r3_6_by_status(self) -> None:
        for status, names in (
            (OperationStatus.STARTED, ["forgotten"]),
            ("STARTED", ["forgotten"]),
            (OperationStatus.FAILED, []),
        ):
            with self.subTest(status):
                self.assertEqual(self.names(status), names)

    def test_an_unknown_status(self) -> None:
        with self.assertRaises(UsageError) as raised:
            self.names("SUCCEDED")
        self.assertEqual(
            str(raised.exception),
            "'SUCCEDED' is no operation status; did you mean 'SUCCEEDED'? "
            "There are STARTED, PENDING, READY, SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, STOPPED.",
        )

    def test_look_ups(self) -> None:
        result = result_of(order().step("9", name="charge"))
        self.assertEqual(result.get_operation("charge").id, "1-1")
        self.assertEqual(result.get_operation("charge", 1).id, "9")
        self.assertEqual(result.get_operation("order/charge").id, "1-1")
        self.assertEqual(result.get_operation_by_index(2).name, "cool-down")
        self.assertEqual(result.get_operation_by_name_and_index("charge", 1).id, "9")
        self.assertEqual(result.get_operation_by_id("2").name, "cool-down")

    def test_look_ups_that_find_nothing_fail_at_once(self) -> None:
        result = result_of(order())
        for look_up in (
            lambda: result.get_operation("refund"),
            lambda: result.get_operation_by_index(6),
            lambda: result.get_operation_by_name_and_index("charge", 1),
            lambda: result.get_operation_by_id("9"),
        ):
            with self.assertRaises(OperationNotFoundError):
                look_up()


class PrintTest(unittest.TestCase):
    def printed(self, columns: list[str] | None = None) -> list[str]:
        stdout = io.StringIO()
        with contextlib.redirect_stdout(stdout):
            result_of(order()).print(columns)
        return stdout.getvalue().splitlines()

    def test_r14_1_a_table_of_all_operations(self) -> None:
        lines = self.printed()
        self.assertEqual(lines[0].split(), ["name", "type", "status", "started", "ended", "duration", "attempts"])
        self.assertEqual(len(lines), 8)

    def test_r14_2_chosen_columns(self) -> None:
        self.assertEqual(self.printed(["name", "status"])[:4], [
            "name                           status",
            "-----------------------------  ---------",
            "order                          SUCCEEDED",
            "  charge                       SUCCEEDED",
        ])  # fmt: skip

    def test_what_stdout_cannot_show_is_shown_as_its_code(self) -> None:
        script = Script().op("StepStarted", "1", name="a")
        result = result_of(script.op("StepFailed", "1", {"Error": error("Declined", "é 日 \udce9")}))
        for encoding, shown in (
            ("ascii", r"Declined: \xe9 \u65e5 \udce9"),
            ("latin-1", r"Declined: é \u65e5 \udce9"),
            ("utf-8", r"Declined: é 日 \udce9"),
        ):
            written = io.BytesIO()
            stdout = io.TextIOWrapper(written, encoding, write_through=True)
            with contextlib.redirect_stdout(stdout):
                result.print(["error"])
            self.assertEqual(written.getvalue().decode(encoding).splitlines()[-1], shown)


class LogsTest(unittest.TestCase):
    def test_what_was_logged_so_far(self) -> None:
        view = View(order())
        result = TestResult(view)
        self.assertEqual(result.logs, ())
        entry = LogEntry(2, "ERROR", "orders", "card expired", START)
        view.logged = [entry]
        self.assertEqual(result.logs, (entry,))

    def test_an_entry_as_text(self) -> None:
        entry = LogEntry(2, "ERROR", "orders", "declined", START, "Traceback ...\nValueError: card expired")
        self.assertEqual(
            str(entry),
            "2026-01-01 00:00:00 invocation 2 ERROR orders: declined\nTraceback ...\nValueError: card expired",
        )

    def test_where_logs_do_not_come_back(self) -> None:
        view = View(order())
        view.logged = None
        with self.assertRaisesRegex(NotAvailableError, r"result\.logs is local: .* CloudWatch; .* @local_only"):
            _ = TestResult(view).logs


SDK = '  File "/lib/aws_durable_execution_sdk_python/execution.py", line 297, in invoke_handler\n    result = func()\n'
OURS = f'  File "{sdk.__file__}", line 182, in watched\n    return wrapped()\n'
HANDLER = '  File "/src/orders.py", line 7, in handler\n    context.step(charge)\n'
STEP = '  File "/src/orders.py", line 3, in charge\n    raise CardDeclined("no")\n'


def traceback(*frames: str, error: str = "orders.CardDeclined: no") -> str:
    return f"Traceback (most recent call last):\n{''.join(frames)}{error}\n"


def entry(text: str | None, invocation: int = 1) -> LogEntry:
    return LogEntry(invocation, "ERROR", "sdk", "failed", datetime(2026, 1, 1, tzinfo=UTC), text)


class TraceTests(unittest.TestCase):
    def test_frames_of_the_machinery_are_left_out(self) -> None:
        self.assertEqual(list(own_frames(traceback(SDK, OURS, HANDLER, STEP))), [HANDLER.rstrip(), STEP.rstrip()])

    def test_a_project_may_have_the_name_of_the_package(self) -> None:
        frame = '  File "/home/ann/durabletest/orders.py", line 7, in handler\n    context.step(charge)\n'
        self.assertEqual(list(own_frames(traceback(OURS, frame))), [frame.rstrip()])

    def test_frames_without_source_are_kept(self) -> None:
        frame = '  File "<string>", line 1, in handler\n'
        self.assertEqual(list(own_frames(traceback(SDK, frame))), [frame.rstrip()])

    def test_the_handler_comes_before_the_step_whose_failure_it_is(self) -> None:
        logs = [entry(traceback(OURS, STEP)), entry(None), entry(traceback(SDK, HANDLER, error="StepError: no"))]
        self.assertEqual(logged_trace(logs, ErrorDetails("StepError", "no")), (HANDLER.rstrip(), STEP.rstrip()))

    def test_other_errors_and_earlier_invocations_do_not_count(self) -> None:
        logs = [entry(traceback(STEP)), entry(traceback(HANDLER, error="KeyError: 'x'"), 2)]
        self.assertEqual(logged_trace(logs, ErrorDetails("CardDeclined", "no")), ())

    def test_without_logs_or_a_message_there_is_none(self) -> None:
        self.assertEqual(logged_trace(None, ErrorDetails("CardDeclined", "no")), ())
        self.assertEqual(logged_trace([entry(traceback(STEP))], ErrorDetails("CardDeclined")), ())
