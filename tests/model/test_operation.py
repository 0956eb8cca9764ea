from __future__ import annotations

import unittest
from collections.abc import Callable
from concurrent.futures import CancelledError
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import (
    CallbackCompletedError,
    CallbackNotReadyError,
    CloudTimeoutError,
    OperationNotFoundError,
    OperationNotReachedError,
    PayloadError,
    WaitTimeoutError,
    WrongOperationTypeError,
)
from durabletest.model.operation import DurableOperation
from durabletest.model.records import (
    CallbackDetails,
    ContextDetails,
    ErrorDetails,
    InvokeDetails,
    OperationId,
    OperationStatus,
    StepDetails,
    WaitDetails,
    WaitingStatus,
)
from tests.model.histories import START, Script, View, error, order, payload, retry, seconds

SUBMITTED, COMPLETED = WaitingStatus.SUBMITTED, WaitingStatus.COMPLETED


def handle(script: Script, path: str, index: int = 0) -> DurableOperation:
    return DurableOperation(View(script), path, index)


class FactsTest(unittest.TestCase):
    def test_what_is_known_of_every_operation(self) -> None:
        charge = handle(order(), "charge")
        self.assertEqual((charge.id, charge.name, charge.type, charge.sub_type), ("1-1", "charge", "STEP", "Step"))
        self.assertEqual((charge.parent_id, charge.status, charge.attempts), ("1", "SUCCEEDED", 2))
        self.assertEqual((charge.started_at, charge.ended_at), (START, seconds(5)))
        self.assertEqual((charge.duration, charge.error), (timedelta(seconds=5), None))
        self.assertEqual(charge.record.result, "7")

    def test_events(self) -> None:
        kinds = [event["EventType"] for event in handle(order(), "charge").events]
        self.assertEqual(kinds, ["StepStarted", "StepFailed", "StepStarted", "StepSucceeded"])

    def test_a_handle_follows_the_execution(self) -> None:
        script = Script()
        nap = handle(script, "nap")
        with self.assertRaises(OperationNotFoundError):
            nap.status
        script.wait("1", 5, name="nap")
        self.assertEqual(nap.status, OperationStatus.STARTED)
        script.op("WaitSucceeded", "1")
        self.assertEqual(nap.status, OperationStatus.SUCCEEDED)

    def test_repr(self) -> None:
        for path, index, text in (
            ("charge", 0, "<DurableOperation step 'order/charge': SUCCEEDED>"),
            ("chrage", 0, "<DurableOperation 'chrage': does not exist (yet)>"),
            (OperationId("2"), 0, "<DurableOperation wait 'cool-down': SUCCEEDED>"),
            ("charge", 1, "<DurableOperation 'charge', index=1: does not exist (yet)>"),
        ):
            with self.subTest(path):
                self.assertEqual(repr(handle(order(), path, index)), text)

    def test_two_handles_on_one_operation_are_equal(self) -> None:
        script = order()
        charge = handle(script, "charge")
        for other in (handle(script, "order/charge"), handle(script, OperationId("1-1")), handle(script, "charge", -1)):
            with self.subTest(repr(other)):
                self.assertEqual(charge, other)
                self.assertEqual(hash(charge), hash(other))
        self.assertNotEqual(charge, handle(script, "order"))
        self.assertNotEqual(charge, handle(script, "refund"))
        self.assertEqual(handle(script, "refund"), handle(script, "refund"))
        self.assertNotEqual(charge, "charge")


class DetailsTest(unittest.TestCase):
    def test_r5_1_step(self) -> None:
        details = handle(order(), "charge").get_step_details()
        self.assertEqual(details, StepDetails(2, 7, None, "7", (timedelta(seconds=5),)))

    def test_r5_1_pending_step(self) -> None:
        script = Script().op("StepStarted", "1", name="charge")
        script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)})
        details = handle(script, "charge").get_step_details()
        declined = ErrorDetails("PaymentDeclined", "card expired")
        self.assertEqual(details, StepDetails(1, None, declined, None, (timedelta(seconds=5),), seconds(5)))

    def test_r5_2_wait(self) -> None:
        details = handle(order(), "cool-down").get_wait_details()
        self.assertEqual(details, WaitDetails(timedelta(hours=1), seconds(3605)))

    def test_r5_3_callback(self) -> None:
        script = Script().op("CallbackStarted", "1", {"CallbackId": "cb-1", "Timeout": 60}, name="answer")
        script.op("CallbackFailed", "1", {"Error": error()})
        declined = ErrorDetails("PaymentDeclined", "card expired")
        self.assertEqual(
            handle(script, "answer").get_callback_details(),
            CallbackDetails("cb-1", None, declined, None, timedelta(minutes=1), None),
        )

    def test_r5_3_r5_5_wait_for_callback_has_the_details_of_both(self) -> None:
        approval = handle(order(), "approval")
        self.assertEqual(approval.get_callback_details(), CallbackDetails("cb-1", "yes", None, '"yes"'))
        self.assertEqual(approval.get_context_details(), ContextDetails("yes", None, '"yes"'))

    def test_wait_for_callback_before_its_callback_exists(self) -> None:
        approval = handle(Script().context("1", "WaitForCallback", name="approval"), "approval")
        with self.assertRaises(CallbackNotReadyError) as raised:
            approval.get_callback_details()
        self.assertEqual(str(raised.exception), "callback 'approval' has not created its callback yet")

    def test_r5_4_invoke(self) -> None:
        started = {"FunctionName": "charge", "Input": payload("1"), "DurableExecutionArn": "arn:child"}
        script = Script().op("ChainedInvokeStarted", "1", started, name="pay")
        script.op("ChainedInvokeSucceeded", "1", {"Result": payload("2")})
        self.assertEqual(
            handle(script, "pay").get_invoke_details(), InvokeDetails("charge", 2, None, "2", "1", "arn:child")
        )
        script.op("ChainedInvokeStarted", "2", {"FunctionName": "refund"}, name="refund")
        script.op("ChainedInvokeFailed", "2", {"Error": error()})
        details = handle(script, "refund").get_invoke_details()
        self.assertEqual((details.result, details.error), (None, ErrorDetails("PaymentDeclined", "card expired")))

    def test_r5_5_failed_context(self) -> None:
        script = Script().context("1", name="order").op("ContextFailed", "1", {"Error": error()})
        declined = ErrorDetails("PaymentDeclined", "card expired")
        self.assertEqual(handle(script, "order").get_context_details(), ContextDetails(None, declined))

    def test_r5_6_wrong_type(self) -> None:
        script = order().op("ChainedInvokeStarted", "9", {"FunctionName": "f"}, name="pay").callback("8", name="answer")
        getters: tuple[tuple[str, Callable[[DurableOperation], Any], str], ...] = (
            ("cool-down", DurableOperation.get_step_details, "is a WAIT, not a STEP: use get_wait_details()"),
            ("charge", DurableOperation.get_wait_details, "is a STEP, not a WAIT: use get_step_details()"),
            ("order", DurableOperation.get_callback_details, "is a CONTEXT, not a CALLBACK: use get_context_details()"),
            ("answer", DurableOperation.get_invoke_details, "is a CALLBACK, not a CHAINED_INVOKE: {callback}"),
            (
                "pay",
                DurableOperation.get_context_details,
                "is a CHAINED_INVOKE, not a CONTEXT: use get_invoke_details()",
            ),
        )
        for path, getter, message in getters:
            with self.subTest(path), self.assertRaises(WrongOperationTypeError) as raised:
                getter(handle(script, path))
            expected = message.format(callback="use get_callback_details()")
            self.assertEqual(str(raised.exception).split("' ")[1], expected)


class WaitForDataTest(unittest.TestCase):
    def test_resolves_with_a_handle(self) -> None:
        view = View(Script())
        future = DurableOperation(view, "approval").wait_for_data(SUBMITTED)
        view.resolve()
        self.assertFalse(future.done())
        view.script.wait_for_callback("1", "approval").submitted("1")
        view.resolve()
        self.assertEqual(future.result(timeout=0).id, "1")

    def test_waits_for_the_start_by_default_and_for_ids_too(self) -> None:
        view = View(Script().wait("1", 5))
        future = DurableOperation(view, OperationId("1")).wait_for_data()
        view.resolve()
        self.assertEqual(future.result(timeout=0), DurableOperation(view, OperationId("1")))

    def test_a_status_may_be_its_string(self) -> None:
        view = View(Script())
        DurableOperation(view, "a").wait_for_data("COMPLETED")  # type: ignore[arg-type]
        self.assertIs(view.watches[0].status, COMPLETED)

    def test_the_end_of_the_execution_fails_it(self) -> None:
        view = View(Script())
        future = DurableOperation(view, "approval").wait_for_data(COMPLETED)
        view.script.succeeded()
        view.resolve()
        self.assertIsInstance(future.exception(timeout=0), OperationNotReachedError)

    def test_a_wait_that_runs_out_says_what_it_was_for(self) -> None:
        view = View(Script().wait_for_callback("1", "approval"))
        late = DurableOperation(view, "approval").wait_for_data(SUBMITTED)
        missing = DurableOperation(view, "aproval").wait_for_data()
        for future, words in (
            (
                late,
                "callback 'approval' was not SUBMITTED within 0.01 real seconds: it is STARTED\nThe operations of the",
            ),
            (
                missing,
                "after 0.01 real seconds there is no such operation: operation 'aproval' not found: no operation has ",
            ),
        ):
            for ask in (future.result, future.exception):
                with self.assertRaises(WaitTimeoutError) as caught:
                    ask(timeout=0.01)
                self.assertEqual(str(caught.exception)[: len(words)], words)

    def test_a_timeout_that_it_failed_with_is_handed_on(self) -> None:
        view = View(Script())
        future = DurableOperation(view, "approval").wait_for_data()
        error = CloudTimeoutError("the run took too long")
        view.watches[0].future.set_exception(error)
        with self.assertRaises(CloudTimeoutError) as caught:
            future.result(timeout=5)
        self.assertIs(caught.exception, error)

    def test_cancelling_gives_up_the_watch(self) -> None:
        view = View(Script())
        future = DurableOperation(view, "approval").wait_for_data()
        self.assertTrue(future.cancel())
        self.assertTrue(view.watches[0].future.cancelled())
        view.resolve()
        self.assertEqual(view.watches, [])

    def test_a_runner_may_cancel_the_watch(self) -> None:
        view = View(Script())
        future = DurableOperation(view, "approval").wait_for_data()
        view.watches[0].future.cancel()
        with self.assertRaises(CancelledError):
            future.result(timeout=0)


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
