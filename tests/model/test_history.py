from __future__ import annotations

import random
import unittest
from datetime import timedelta
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from freezegun import freeze_time

from durabletest.model.history import History
from durabletest.model.records import (
    ErrorDetails,
    ExecutionStatus,
    Invocation,
    OperationRecord,
    OperationStatus,
    OperationType,
)
from tests.model.histories import START, Script, error, history_of, order, payload, retry, seconds

PENDING, STARTED = OperationStatus.PENDING, OperationStatus.STARTED
DECLINED = ErrorDetails("PaymentDeclined", "card expired")


def only(script: Script) -> OperationRecord:
    (record,) = history_of(script).operations
    return record


class ScriptTest(unittest.TestCase):
    def test_the_histories_of_these_tests_are_valid_for_the_service(self) -> None:
        model = botocore.session.get_session().get_service_model("lambda")
        shape = model.operation_model("GetDurableExecutionHistory").output_shape
        report = ParamValidator().validate({"Events": order().events}, shape)
        self.assertEqual(report.generate_report(), "")


class StepTest(unittest.TestCase):
    def test_running(self) -> None:
        step = only(Script().op("StepStarted", "1", name="charge"))
        self.assertEqual((step.id, step.name, step.type, step.sub_type), ("1", "charge", OperationType.STEP, "Step"))
        self.assertEqual((step.status, step.attempts, step.started_at), (STARTED, 1, START))
        self.assertEqual((step.ended_at, step.duration, step.parent_id), (None, None, None))

    def test_succeeded(self) -> None:
        step = only(Script().op("StepStarted", "1").at(2).step("1", "7"))
        self.assertEqual((step.status, step.result, step.error), (OperationStatus.SUCCEEDED, "7", None))
        self.assertEqual((step.attempts, step.ended_at, step.duration), (1, seconds(2), timedelta(seconds=2)))

    def test_waiting_for_a_retry(self) -> None:
        script = Script().op("StepStarted", "1")
        step = only(script.at(1).op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)}))
        self.assertEqual((step.status, step.attempts, step.error), (PENDING, 1, DECLINED))
        self.assertEqual((step.next_attempt_at, step.retry_delays, step.ended_at), (seconds(6), [5], None))

    def test_started_again(self) -> None:
        script = Script().op("StepStarted", "1").op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)})
        step = only(script.at(5).op("StepStarted", "1"))
        self.assertEqual((step.status, step.attempts, step.next_attempt_at), (STARTED, 2, None))
        self.assertEqual((step.started_at, step.error), (START, DECLINED))

    def test_an_interrupted_attempt_that_is_started_again_is_the_same_attempt(self) -> None:
        self.assertEqual(only(Script().op("StepStarted", "1").op("StepStarted", "1")).attempts, 1)

    def test_a_success_after_a_failure_has_no_error(self) -> None:
        script = Script().op("StepStarted", "1").op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)})
        step = only(script.op("StepStarted", "1").step("1"))
        self.assertEqual((step.status, step.error), (OperationStatus.SUCCEEDED, None))

    def test_final_failure(self) -> None:
        script = Script().op("StepStarted", "1").at(3)
        step = only(script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(3)}))
        self.assertEqual((step.status, step.attempts, step.error), (OperationStatus.FAILED, 3, DECLINED))
        self.assertEqual((step.result, step.ended_at, step.retry_delays), (None, seconds(3), []))

    def test_a_delay_of_no_seconds_is_no_retry(self) -> None:
        """AWS's local test server writes that for the last attempt."""
        for delay, status in ((0, OperationStatus.FAILED), (1, PENDING)):
            script = Script().op("StepStarted", "1")
            step = only(script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(3, delay)}))
            self.assertIs(step.status, status)

    def test_retry_details_without_a_number_count_the_attempt(self) -> None:
        step = only(Script().op("StepSucceeded", "1", {"Result": payload("1"), "RetryDetails": {}}))
        self.assertEqual((step.attempts, step.started_at), (1, START))

    def test_a_condition_is_polled_until_it_holds(self) -> None:
        script = Script().op("StepStarted", "1", sub_type="WaitForCondition")
        script.op("StepSucceeded", "1", {"Result": payload('"a"'), "RetryDetails": retry(1, 60)})
        polling = only(script)
        self.assertEqual((polling.status, polling.result, polling.next_attempt_at), (PENDING, '"a"', seconds(60)))
        script.at(60).op("StepStarted", "1")
        done = only(script.op("StepSucceeded", "1", {"Result": payload('"b"'), "RetryDetails": retry(2)}))
        self.assertEqual((done.status, done.result, done.attempts), (OperationStatus.SUCCEEDED, '"b"', 2))


class OtherOperationsTest(unittest.TestCase):
    def test_a_wait_knows_its_end_before_it_comes(self) -> None:
        wait = only(Script().wait("1", 60))
        self.assertEqual((wait.wait_seconds, wait.scheduled_end, wait.attempts), (60, seconds(60), 0))

    def test_a_callback(self) -> None:
        details = {"CallbackId": "cb-1", "Timeout": 60, "HeartbeatTimeout": 5}
        callback = only(Script().op("CallbackStarted", "1", details))
        self.assertEqual((callback.callback_id, callback.timeout, callback.heartbeat_timeout), ("cb-1", 60, 5))

    def test_a_chained_invoke(self) -> None:
        details = {
            "FunctionName": "charge",
            "Input": payload("1"),
            "DurableExecutionArn": "arn:child",
            "ExecutedVersion": "$LATEST",
            "TenantId": "t",
        }
        invoke = only(Script().op("ChainedInvokeStarted", "1", details))
        self.assertEqual((invoke.function_name, invoke.input, invoke.child_arn), ("charge", "1", "arn:child"))
        self.assertEqual((invoke.executed_version, invoke.tenant_id), ("$LATEST", "t"))

    def test_endings(self) -> None:
        for kind, status in (
            ("WaitSucceeded", "SUCCEEDED"),
            ("WaitCancelled", "CANCELLED"),
            ("CallbackSucceeded", "SUCCEEDED"),
            ("CallbackFailed", "FAILED"),
            ("CallbackTimedOut", "TIMED_OUT"),
            ("ChainedInvokeSucceeded", "SUCCEEDED"),
            ("ChainedInvokeFailed", "FAILED"),
            ("ChainedInvokeTimedOut", "TIMED_OUT"),
            ("ChainedInvokeStopped", "STOPPED"),
            ("ContextSucceeded", "SUCCEEDED"),
            ("ContextFailed", "FAILED"),
        ):
            with self.subTest(kind):
                prefix = kind.removesuffix("".join(part.title() for part in status.split("_")))
                record = only(Script().op(f"{prefix}Started", "1").at(9).op(kind, "1", {"Error": error()}))
                self.assertEqual((record.status, record.ended_at, record.error), (status, seconds(9), DECLINED))

    def test_every_operation_event_of_the_service_is_known(self) -> None:
        model = botocore.session.get_session().get_service_model("lambda")
        for kind in model.shape_for("EventType").enum:
            if not kind.startswith(("Execution", "Invocation")):
                with self.subTest(kind):
                    self.assertEqual(len(history_of(Script().op(kind, "1")).operations), 1)


class ExecutionTest(unittest.TestCase):
    def test_running(self) -> None:
        execution = history_of(Script()).execution
        self.assertEqual((execution.status, execution.ended), (ExecutionStatus.RUNNING, False))
        self.assertEqual((execution.id, execution.name, execution.input), ("e-1", "order-42", "{}"))
        self.assertEqual((execution.started_at, execution.timeout, execution.duration), (START, 60, None))

    def test_before_anything_is_known(self) -> None:
        self.assertIsNone(History().execution.duration)

    def test_succeeded(self) -> None:
        execution = history_of(Script().at(5).succeeded("7")).execution
        self.assertEqual((execution.status, execution.result, execution.ended), ("SUCCEEDED", "7", True))
        self.assertEqual((execution.ended_at, execution.duration), (seconds(5), timedelta(seconds=5)))

    def test_other_endings(self) -> None:
        for kind, status in (
            ("ExecutionFailed", "FAILED"),
            ("ExecutionTimedOut", "TIMED_OUT"),
            ("ExecutionStopped", "STOPPED"),
        ):
            with self.subTest(kind):
                execution = history_of(Script().add(kind, {"Error": error()})).execution
                self.assertEqual((execution.status, execution.error, execution.result), (status, DECLINED, None))

    def test_what_is_open_ends_with_an_execution_that_is_stopped_or_timed_out(self) -> None:
        for kind, status in (("ExecutionStopped", OperationStatus.STOPPED), ("ExecutionTimedOut", "TIMED_OUT")):
            with self.subTest(kind):
                script = Script().step("done").wait("1", 3600).op("StepStarted", "2")
                script.op("StepFailed", "2", {"Error": error(), "RetryDetails": retry(1, 60)})
                history = history_of(script.at(5).add(kind, {"Error": error()}))
                done, *opened = history.operations
                self.assertEqual((done.status, done.ended_at), ("SUCCEEDED", seconds(0)))
                self.assertEqual([record.status for record in opened], [status] * 2)
                self.assertEqual([record.ended_at for record in opened], [seconds(5)] * 2)
                self.assertEqual([record.duration for record in opened], [timedelta(seconds=5)] * 2)
                self.assertEqual([record.next_attempt_at for record in opened], [None] * 2)

    def test_what_is_open_stays_so_when_an_execution_fails_or_goes_on(self) -> None:
        for kind in ("ExecutionFailed", "ExecutionPaused"):
            with self.subTest(kind):
                script = Script().op("StepStarted", "2").op("StepFailed", "2", {"RetryDetails": retry(1, 60)})
                (record,) = history_of(script.at(5).add(kind)).operations
                self.assertEqual((record.status, record.ended_at), (OperationStatus.PENDING, None))
                self.assertEqual(record.next_attempt_at, seconds(60))

    def test_paused_and_resumed(self) -> None:
        script = Script().add("ExecutionPaused")
        self.assertEqual(history_of(script).execution.status, ExecutionStatus.PAUSED)
        resumed = history_of(script.add("ExecutionResumed")).execution
        self.assertEqual((resumed.status, resumed.started_at), (ExecutionStatus.RUNNING, START))

    def test_invocations(self) -> None:
        script = Script().at(1).invocation(0, "r-1", Error=error("Runtime.ExitError", None)).at(3).invocation(2, "r-2")
        first, second = history_of(script).invocations
        crash = ErrorDetails("Runtime.ExitError")
        self.assertEqual(first, Invocation(1, "r-1", START, seconds(1), crash))
        self.assertEqual((second.index, second.request_id, second.error), (2, "r-2", None))
        self.assertEqual(second.duration, timedelta(seconds=1))


class ExtendTest(unittest.TestCase):
    def state(self, history: History) -> tuple[Any, ...]:
        return history.events, history.operations, history.invocations, history.execution

    def test_event_by_event_is_the_same_as_all_at_once(self) -> None:
        history = History()
        for event in order().events:
            history.extend([event])
        self.assertEqual(self.state(history), self.state(history_of(order())))

    def test_seen_events_are_ignored(self) -> None:
        history = history_of(order())
        history.extend(order().events)
        history.extend([])
        self.assertEqual(self.state(history), self.state(history_of(order())))

    def test_any_order_gives_the_same_history(self) -> None:
        events = order().events
        for seed in range(20):
            with self.subTest(seed=seed):
                shuffled = random.Random(seed).sample(events, len(events))
                history = History(shuffled[:7])
                history.extend(shuffled[5:12])
                history.extend(shuffled[12:])
                self.assertEqual(self.state(history), self.state(history_of(order())))

    def test_unknown_events_are_kept_and_change_nothing_else(self) -> None:
        script = Script().step("1").add("StepAdmired", Id="1").add("ExecutionAudited").add("OrbitReached", Id="9")
        history = history_of(script)
        self.assertEqual([event["EventType"] for event in history.events[3:]], [
            "StepAdmired", "ExecutionAudited", "OrbitReached",
        ])  # fmt: skip
        self.assertEqual([record.status for record in history.operations], [OperationStatus.SUCCEEDED])
        self.assertEqual(history.execution.status, ExecutionStatus.RUNNING)

    def test_an_operation_keeps_its_events(self) -> None:
        script = Script().step("1").wait("2", 5).add("StepAdmired", Id="1")
        kinds = [event["EventType"] for event in history_of(script).by_id("1").events]
        self.assertEqual(kinds, ["StepStarted", "StepSucceeded", "StepAdmired"])

    def test_events_are_copies(self) -> None:
        script = Script().step("1")
        history = history_of(script)
        script.events[1]["StepStartedDetails"]["Extra"] = True
        self.assertEqual(history.events[1]["StepStartedDetails"], {})

    def test_no_time_is_a_stand_in(self) -> None:
        with freeze_time("2026-01-01"):
            script = Script().wait("1", 5).invocation()
            for event in script.events:
                event["EventTimestamp"] = event["EventTimestamp"].now(START.tzinfo)
            history = history_of(script)
        self.assertNotIn("Fake", repr(history.events) + repr(history.operations) + repr(history.invocations))

    def test_operations_are_in_execution_order(self) -> None:
        self.assertEqual(
            [record.name for record in history_of(order()).operations],
            ["order", "charge", "cool-down", "approval", "approval create callback id", "approval submitter"],
        )
