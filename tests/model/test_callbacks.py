from __future__ import annotations

import unittest
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import (
    CallbackCompletedError,
    CallbackNotReadyError,
    OperationNotFoundError,
    PayloadError,
    UsageError,
    WrongOperationTypeError,
)
from durabletest.model.callbacks import error_object
from durabletest.model.operation import DurableOperation
from tests.model.histories import Script, View, error, order, payload


class DeclinedError(Exception):
    pass


def raised_error() -> DeclinedError:
    try:
        raise DeclinedError("card expired")
    except DeclinedError as error:
        return error


class AnswerTest(unittest.TestCase):
    def setUp(self) -> None:
        self.view = View(Script().wait_for_callback("1", "approval").callback("2", "cb-2", name="answer"))
        self.approval = DurableOperation(self.view, "approval")

    def sent(self) -> tuple[str, dict[str, Any]]:
        (call,) = self.view.client.calls
        return call

    def test_success(self) -> None:
        self.approval.send_callback_success({"by": "ann"})
        self.assertEqual(self.sent(), ("success", {"CallbackId": "cb-1", "Result": b'{"by": "ann"}'}))

    def test_success_of_a_plain_callback(self) -> None:
        DurableOperation(self.view, "answer").send_callback_success("yes")
        self.assertEqual(self.sent(), ("success", {"CallbackId": "cb-2", "Result": b"yes"}))

    def test_success_without_result(self) -> None:
        self.approval.send_callback_success()
        self.assertEqual(self.sent(), ("success", {"CallbackId": "cb-1"}))

    def test_a_result_that_is_not_json_is_not_sent(self) -> None:
        with self.assertRaises(PayloadError):
            self.approval.send_callback_success({"when": datetime(2026, 1, 1, tzinfo=UTC)})
        self.assertEqual(self.view.client.calls, [])

    def test_failure(self) -> None:
        self.approval.send_callback_failure("Declined", "no", {"code": 1}, ["line"])
        error = {"ErrorType": "Declined", "ErrorMessage": "no", "ErrorData": '{"code": 1}', "StackTrace": ["line"]}
        self.assertEqual(self.sent(), ("failure", {"CallbackId": "cb-1", "Error": error}))

    def test_failure_without_a_reason(self) -> None:
        self.approval.send_callback_failure()
        self.assertEqual(self.sent(), ("failure", {"CallbackId": "cb-1", "Error": {}}))

    def test_heartbeat(self) -> None:
        self.approval.send_callback_heartbeat()
        self.assertEqual(self.sent(), ("heartbeat", {"CallbackId": "cb-1"}))


class ErrorObjectTest(unittest.TestCase):
    def test_from_an_exception(self) -> None:
        fields = error_object(raised_error(), None, None, None)
        trace = fields.pop("StackTrace")
        self.assertEqual(fields, {"ErrorType": "DeclinedError", "ErrorMessage": "card expired"})
        self.assertIn('raise DeclinedError("card expired")', trace[0])

    def test_from_an_exception_that_was_not_raised(self) -> None:
        fields = error_object(DeclinedError("a"), "b", "data", None)
        self.assertEqual(fields, {"ErrorType": "DeclinedError", "ErrorMessage": "b", "ErrorData": "data"})

    def test_an_explicit_stack_trace_wins(self) -> None:
        self.assertNotIn("StackTrace", error_object(raised_error(), None, None, ()))
        self.assertEqual(error_object(raised_error(), None, None, ["x"])["StackTrace"], ["x"])

    def test_from_a_class(self) -> None:
        self.assertEqual(
            error_object(DeclinedError, "a", None, None), {"ErrorType": "DeclinedError", "ErrorMessage": "a"}
        )

    def test_something_else(self) -> None:
        for value in (42, int):
            with self.subTest(value=value), self.assertRaises(UsageError) as raised:
                error_object(value, None, None, None)
            message = f"{value!r} is no error type: give its name, an exception, or an exception class"
            self.assertEqual(str(raised.exception), message)


class NotReadyTest(unittest.TestCase):
    hint = "Wait for it first: .wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)"

    def test_an_operation_that_does_not_exist_yet(self) -> None:
        with self.assertRaises(CallbackNotReadyError) as raised:
            DurableOperation(View(Script()), "approval").send_callback_success()
        message = "callback 'approval' cannot be answered yet, because it does not exist yet"
        self.assertEqual(str(raised.exception), f"{message}\n{self.hint}")
        self.assertIsInstance(raised.exception.__cause__, OperationNotFoundError)

    def test_a_wait_for_callback_that_has_no_callback_yet(self) -> None:
        view = View(Script().context("1", "WaitForCallback", name="approval"))
        with self.assertRaises(CallbackNotReadyError):
            DurableOperation(view, "approval").send_callback_heartbeat()

    def test_an_operation_that_will_never_exist(self) -> None:
        with self.assertRaises(OperationNotFoundError):
            DurableOperation(View(order()), "aproval").send_callback_success()

    def test_an_operation_that_is_no_callback(self) -> None:
        for path, message in (
            ("charge", "step 'order/charge' is a STEP; only callbacks can be answered"),
            ("order", "context 'order' is a CONTEXT; only callbacks can be answered"),
        ):
            with self.subTest(path), self.assertRaises(WrongOperationTypeError) as raised:
                DurableOperation(View(order()), path).send_callback_failure()
            self.assertEqual(str(raised.exception), message)


class RefusalTest(unittest.TestCase):
    def refusal(self, script: Script, code: str = "CallbackTimeoutException") -> str:
        view = View(script)
        view.client.refusal = code
        with self.assertRaises(CallbackCompletedError) as raised:
            DurableOperation(view, "approval").send_callback_success("no")
        self.assertIsInstance(raised.exception.__cause__, ClientError)
        return str(raised.exception)

    def test_an_answered_callback(self) -> None:
        script = Script().wait_for_callback("1", "approval").at(7)
        script.op("CallbackSucceeded", "1-1", {"Result": payload("yes")})
        for code in ("CallbackTimeoutException", "ResourceNotFoundException"):
            with self.subTest(code):
                self.assertEqual(
                    self.refusal(script, code),
                    "callback 'approval' of execution 'order-42' is SUCCEEDED since 2026-01-01 00:00:07 UTC: "
                    "the first answer stands\n"
                    f"An error occurred ({code}) when calling the SendCallback operation: refused",
                )

    def test_the_callback_of_an_execution_that_has_ended(self) -> None:
        script = Script().wait_for_callback("1", "approval").at(9).add("ExecutionStopped", {"Error": error()})
        self.assertEqual(
            self.refusal(script).splitlines()[0],
            "callback 'approval' of execution 'order-42' can no longer be answered: "
            "the execution is STOPPED since 2026-01-01 00:00:09 UTC",
        )

    def test_a_callback_that_should_be_open(self) -> None:
        self.assertEqual(
            self.refusal(Script().wait_for_callback("1", "approval")).splitlines()[0],
            "callback 'approval' of execution 'order-42' is STARTED since 2026-01-01 00:00:00 UTC, "
            "and the service refuses the answer",
        )

    def test_other_errors_of_the_service_are_passed_on(self) -> None:
        view = View(Script().wait_for_callback("1", "approval"))
        view.client.refusal = "InvalidParameterValueException"
        with self.assertRaises(ClientError):
            DurableOperation(view, "approval").send_callback_success("no")
