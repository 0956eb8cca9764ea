"""Every check where it holds, and the negation of every check where it does not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from unittest import mock

from durabletest import OperationStatus, OperationType
from tests.assertions import scenarios


class ShippedTests(scenarios.Shipped):
    def setUp(self) -> None:
        self.arrange()

    def test_outcome_of_the_execution(self) -> None:
        self.assertExecution().succeeded().never.failed().never.timed_out().never.stopped().never.running().never.paused()
        self.assertExecution().succeeded({"status": "shipped", "items": mock.ANY}).never.succeeded(None)
        self.assertExecution().result(mock.ANY).never.result({}).never.error()

    def test_operations_that_are_billed(self) -> None:
        self.assertExecution().operations_billed(6).operations_billed(at_most=6).operations_billed(at_most=7)
        self.assertExecution().operations_billed(mock.ANY).never.operations_billed(5).never.operations_billed(at_most=5)

    def test_times_of_the_execution(self) -> None:
        self.assertExecution().took(hours=1, minutes=5).took(timedelta(minutes=65)).never.took(hours=1)
        self.assertExecution().started_at(datetime(2026, 1, 1, tzinfo=UTC)).started_at(seconds=0).never.started_at(
            days=1
        )
        self.assertExecution().started_at(seconds=0).ended_at(timedelta(minutes=65)).ended_at(mock.ANY).never.ended_at(
            minutes=64
        )

    def test_outcome_of_operations(self) -> None:
        self.assertOperation("charge").succeeded("receipt").result("receipt").never.error().never.failed()
        self.assertOperation("charge").never.cancelled().never.started().never.pending().never.result("")
        self.assertOperation("fulfilment/pack").succeeded({"parcels": [1, 2]}).never.succeeded({"parcels": [2]})

    def test_attempts(self) -> None:
        self.assertOperation("charge").attempts(2).never.attempts(1).attempts(mock.ANY)
        self.assertOperation("charge").retried_after(minutes=5).retried_after(timedelta(minutes=5))
        self.assertOperation("charge").never.retried_after(minutes=[5, 5])

    def test_waits(self) -> None:
        self.assertOperation("cool-down").waited(hours=1).waited(minutes=60).never.waited(hours=2)

    def test_types(self) -> None:
        self.assertOperation("cool-down").of_type("WAIT").of_type(OperationType.WAIT).never.of_type("STEP")

    def test_order_and_nesting(self) -> None:
        self.assertOperation("charge").before("cool-down").never.after("cool-down").never.overlaps("cool-down")
        self.assertOperation("pack").after("cool-down").overlaps("fulfilment").inside("fulfilment")
        self.assertOperation("pack").inside("fulfilment", index=0).never.inside("charge")

    def test_what_does_not_exist(self) -> None:
        self.assertNoOperation("refund")
        self.assertOperation("charge", index=1).never_started()

    def test_sets_of_operations(self) -> None:
        self.assertOperations().count(4).never.count(3)
        self.assertOperations().in_order("charge", "cool-down", "fulfilment/pack").never.in_order("pack", "charge")
        self.assertOperations(type=OperationType.STEP).count(2).each.succeeded().never.failed().took(mock.ANY)
        self.assertOperations(type="STEP").any.attempts(2).attempts(1)
        self.assertOperations(name="charge", status=OperationStatus.SUCCEEDED, type="STEP").count(1)
        self.assertOperations(name="refund").count(0)
        self.assertOperations(status="FAILED").count(0)

    def test_invocations(self) -> None:
        self.assertInvocations().count(3).never.count(2).each.took(seconds=0).never.failed()
        self.assertInvocations().any.started_at(minutes=5).ended_at(minutes=65)
        self.assertInvocations().invocation(2).started_at(minutes=5).ended_at(minutes=5)

    def test_history(self) -> None:
        self.assertHistory().contains("StepFailed", operation="charge").never.contains("StepFailed", operation="pack")
        self.assertHistory().count(3, of="StepStarted").count(2, of="StepStarted", operation="charge").count(15)
        self.assertHistory().count(4, operation="charge").never.count(3)
        self.assertHistory().in_order("ExecutionStarted", "StepFailed", "WaitStarted", "ExecutionSucceeded")
        self.assertHistory().never.in_order("WaitStarted", "StepFailed").never.contains("CallbackStarted")

    def test_equal_details(self) -> None:
        one, other = (self.execute({"accepted": 2}).get_operation("charge").get_step_details() for _ in range(2))
        self.assertEqual(one, other)

    def test_another_execution_than_the_last(self) -> None:
        first = self.execute({"accepted": 1})
        self.execute({"accepted": 3})
        self.assertOperation("charge").attempts(3)
        self.assertOperation("charge", execution=first).attempts(1)
        self.assertExecution(first).operation("charge").attempts(1)
        self.assertOperations(type="STEP", execution=first).each.attempts(1)
        self.assertInvocations(execution=first).count(2)
        self.assertHistory(execution=first).never.contains("StepFailed")

    def test_a_scope_without_failures(self) -> None:
        with self.softly():
            self.assertExecution().succeeded()


class DeclinedTests(scenarios.Declined):
    def test_errors(self) -> None:
        self.arrange()
        self.assertExecution().failed(message="insufficient").error(
            message=re.compile("^insufficient")
        ).never.succeeded()
        self.assertOperation("charge").failed(scenarios.CardDeclined, "funds").failed("CardDeclined")
        self.assertOperation("charge").failed(mock.ANY, mock.ANY).never.failed(ValueError).never.failed(
            message="expired"
        )
        self.assertOperation("charge").retried_after(minutes=[5, 5]).never.failed(data={"code": 1})
        self.assertOperations(status="FAILED").count(1)


class RetryingTests(scenarios.Retrying):
    def test_an_execution_that_goes_on(self) -> None:
        self.arrange()
        self.assertExecution().running().never.succeeded().never.paused()
        self.assertOperation("charge").pending().attempts(1).error(
            scenarios.CardDeclined
        ).never.failed().never.started()


class FannedOutTests(scenarios.FannedOut):
    def test_parallel_branches(self) -> None:
        self.arrange()
        self.assertOperation("parallel-branch-0/work").before("parallel-branch-1/work").inside("fan-out")
        self.assertOperation("parallel-branch-0/pause").overlaps("parallel-branch-1/pause")
        self.assertOperations().in_order("parallel-branch-0/work", "parallel-branch-1/work")
        self.assertOperations(name="work").count(3).each.inside("fan-out").attempts(1)
        self.assertOperations(name="pause").any.waited(minutes=1).waited(minutes=2)


class UnansweredTests(scenarios.Unanswered):
    def test_a_callback(self) -> None:
        self.arrange()
        self.assertOperation("approval").timed_out().failed().waited(hours=4).heartbeats(2).never.heartbeats(1)
        self.assertOperation("approval").callback_id().callback_id(mock.ANY).never.callback_id("abc")
        self.assertOperations(status="TIMED_OUT").count(2)
        self.assertHistory().contains("CallbackTimedOut")


class AskedTests(scenarios.Asked):
    def test_a_callback_that_is_waited_for(self) -> None:
        self.arrange()
        self.assertOperation("approval").started().never.succeeded().callback_id().heartbeats(0)
        self.assertOperation("approval").never.took(mock.ANY).never.waited(mock.ANY).never.ended_at(mock.ANY)
        self.assertExecution().never.took(mock.ANY).started_at(mock.ANY)


class StoppedTests(scenarios.Stopped):
    def test_a_stopped_execution(self) -> None:
        self.arrange()
        self.assertExecution().stopped().error("Operator", "no longer needed").never.failed()
        self.assertOperation("approval").stopped().never.timed_out()


class CheckedOutTests(scenarios.CheckedOut):
    def test_invokes(self) -> None:
        self.arrange()
        self.assertOperation("charge").invoked("charge-card").invoked("charge-card", {"amount": 10}).took(minutes=5)
        self.assertOperation("locate").invoked(mock.ANY, {"ip": "192.0.2.1"}).never.invoked("charge-card").result("NL")
        self.assertOperation("charge").child().succeeded({"charged": 10}).took(minutes=5)
        self.assertOperation("charge").child().operation("settlement").waited(minutes=5)


class PolledTests(scenarios.Polled):
    def test_a_condition(self) -> None:
        self.arrange()
        self.assertOperation("ready").attempts(3).waited(minutes=20).retried_after(minutes=[10, 10]).result(3)


class CrashedTests(scenarios.Crashed):
    def test_invocations_that_failed(self) -> None:
        self.arrange()
        self.assertInvocations().count(2).any.failed()
        self.assertInvocations().invocation(1).failed(message="exit status 3")
        self.assertInvocations().invocation(2).never.failed()
