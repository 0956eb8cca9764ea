"""Requirement 10: the server keeps the full state of every execution."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import LocalDurableTestRunner
from tests.acceptance.workflows import order
from tests.local.server.harness import START, Harness


def step(action: str, **more: Any) -> dict[str, Any]:
    return {"Id": "1", "Type": "STEP", "SubType": "Step", "Name": "charge", "Action": action, **more}


@durable_execution
def slow(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_minutes(5), name="pause")
    return "done"


class ExecutionStateTests(unittest.TestCase):
    def setUp(self) -> None:
        self.harness = Harness()
        self.execution = self.harness.start('{"order": 42}')

    def state(self) -> list[dict[str, Any]]:
        page = self.harness.server.get_durable_execution_state(
            DurableExecutionArn=self.execution.arn, CheckpointToken=self.execution.token
        )
        return page["Operations"]

    def test_r10_1_a_start_gives_a_unique_execution_id_and_a_token_that_is_taken(self) -> None:
        other = self.harness.start('{"order": 42}')
        self.assertNotEqual(self.execution.arn, other.arn)
        self.assertNotEqual(self.execution.execution_id, other.execution_id)
        self.assertNotEqual(self.execution.token, other.token)
        (first,) = self.execution.event["InitialExecutionState"]["Operations"]
        self.assertEqual((first["Id"], first["Type"]), (self.execution.execution_id, "EXECUTION"))
        self.assertEqual(first["ExecutionDetails"]["InputPayload"], '{"order": 42}')
        before = self.execution.token
        self.execution.checkpoint(step("START"))
        self.assertNotEqual(self.execution.token, before)
        with LocalDurableTestRunner(slow) as runner:
            arns = [runner.run().arn for _ in range(3)]
        self.assertEqual(len(set(arns)), 3)

    def test_r10_2_a_checkpoint_moves_its_operation_to_the_new_status(self) -> None:
        statuses = []
        for update in (
            step("START"),
            step("RETRY", Error={"ErrorType": "CardDeclined"}, StepOptions={"NextAttemptDelaySeconds": 60}),
        ):
            (operation,) = self.execution.checkpoint(update)["NewExecutionState"]["Operations"]
            statuses.append(operation["Status"])
        self.execution.answer("PENDING")
        self.harness.fire_next(kind="step retry")
        event = self.execution.begin()
        self.assertEqual(event["UpdatedOperationIds"], ["1"])
        statuses.append(event["InitialExecutionState"]["Operations"][-1]["Status"])
        (operation,) = self.execution.checkpoint(step("START"), step("SUCCEED", Payload='"receipt"'))[
            "NewExecutionState"
        ]["Operations"]
        statuses.append(operation["Status"])
        self.assertEqual(statuses, ["STARTED", "PENDING", "READY", "SUCCEEDED"])
        self.assertEqual(operation["StepDetails"], {"Attempt": 2, "Result": '"receipt"'})
        self.assertEqual(operation["EndTimestamp"], START + timedelta(minutes=1))

    def test_r10_3_a_query_gives_every_operation_as_it_is_now(self) -> None:
        self.assertEqual([operation["Type"] for operation in self.state()], ["EXECUTION"])
        self.execution.checkpoint(step("START"))
        wait = {"Id": "2", "Type": "WAIT", "SubType": "Wait", "Name": "cool-down", "Action": "START"}
        self.execution.checkpoint({**wait, "WaitOptions": {"WaitSeconds": 30}})
        self.execution.checkpoint(step("SUCCEED", Payload="1"))
        self.assertEqual(
            [(operation["Type"], operation.get("Name"), operation["Status"]) for operation in self.state()],
            [("EXECUTION", None, "STARTED"), ("STEP", "charge", "SUCCEEDED"), ("WAIT", "cool-down", "STARTED")],
        )

    def test_r10_4_an_invocation_has_its_start_recorded_and_is_told_of_no_change_twice(self) -> None:
        self.execution.checkpoint(step("START"), step("SUCCEED", Payload="1"))
        wait = {"Id": "2", "Type": "WAIT", "SubType": "Wait", "Action": "START", "WaitOptions": {"WaitSeconds": 30}}
        self.execution.checkpoint(wait)
        self.execution.answer("PENDING")
        self.harness.fire_next(kind="wait")
        event = self.execution.begin()
        self.assertEqual(event["UpdatedOperationIds"], ["2"])
        self.assertEqual(len(event["InitialExecutionState"]["Operations"]), 3)
        self.assertEqual(self.execution.checkpoint()["NewExecutionState"]["Operations"], [])
        self.harness.pass_time(seconds=5)
        self.execution.answer("SUCCEEDED", Result="1")
        completed = [
            event["InvocationCompletedDetails"]
            for event in self.harness.server.events_after(self.execution.arn, 0)
            if event["EventType"] == "InvocationCompleted"
        ]
        self.assertEqual(
            [(details["StartTimestamp"] - START, details["EndTimestamp"] - START) for details in completed],
            [(timedelta(0), timedelta(0)), (timedelta(seconds=30), timedelta(seconds=35))],
        )

    def test_r10_5_a_completed_invocation_is_recorded_with_its_times(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            result = runner.run({"order": 42})
        events = result.get_history_events()
        completed = [event for event in events if event["EventType"] == "InvocationCompleted"]
        self.assertEqual(len(completed), len(result.get_invocations()))
        self.assertEqual([event["EventTimestamp"] - START for event in completed], [timedelta(0), timedelta(hours=1)])
        for event, invocation in zip(completed, result.get_invocations(), strict=True):
            details = event["InvocationCompletedDetails"]
            self.assertEqual(details["StartTimestamp"], invocation.started_at)
            self.assertEqual(details["EndTimestamp"], event["EventTimestamp"])
            self.assertEqual(details["RequestId"], invocation.request_id)
