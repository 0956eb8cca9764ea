"""How invocations end, and what follows: the end of the execution, a pause, a repetition, or a refusal."""

from __future__ import annotations

import unittest
from datetime import timedelta
from itertools import pairwise
from typing import Any

from durabletest.local.server.executions import MAX_EMPTY_PENDINGS, NOTHING_PENDING
from durabletest.local.server.identifiers import FunctionSpec
from durabletest.local.server.quotas import Quotas
from tests.local.server.harness import START, Harness, Started, fail, retry, start, succeed

MIB = 1024 * 1024
EXIT = {"ErrorType": "Runtime.ExitError", "ErrorMessage": "gone"}


def invocations_due(execution: Started) -> int:
    return execution.harness.announced.invocations_due.count(execution.arn)


class FailedInvocationTests(unittest.TestCase):
    def setUp(self) -> None:
        self.execution = Harness().start()
        self.harness = self.execution.harness

    def crash_and_repeat(self, times: int) -> None:
        for _ in range(times):
            self.execution.crash()
            self.harness.fire_next(kind="invocation retry")
            self.execution.begin()

    def test_a_failed_invocation_is_repeated_after_1_2_4_and_8_seconds_and_the_fifth_ends_the_execution(self) -> None:
        self.crash_and_repeat(4)
        self.execution.crash("Unhandled")
        began = [event["InvocationCompletedDetails"]["StartTimestamp"] for event in self.completions()]
        self.assertEqual([(time - START).total_seconds() for time in began], [0, 1, 1 + 2, 1 + 2 + 4, 1 + 2 + 4 + 8])
        self.assertEqual(self.execution.status, "FAILED")
        self.assertEqual(self.execution.description()["Error"], {**EXIT, "ErrorType": "Unhandled"})
        self.assertEqual(self.execution.event_types()[-2:], ["InvocationCompleted", "ExecutionFailed"])
        self.assertEqual(len(self.harness.announced.ends), 1)

    def test_a_runner_says_after_how_many_attempts_that_is_and_the_backoff_grows_to_five_minutes(self) -> None:
        self.harness.server.deploy(1, FunctionSpec("orders"), quotas=Quotas(invocation_attempts=12))
        self.execution = self.harness.start()
        self.crash_and_repeat(11)
        began = [event["InvocationCompletedDetails"]["StartTimestamp"] for event in self.completions()]
        backoffs = [(later - earlier).total_seconds() for earlier, later in pairwise(began)]
        self.assertEqual(backoffs, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300])
        self.assertEqual(self.execution.status, "RUNNING")
        self.execution.crash()
        self.assertEqual(self.execution.status, "FAILED")

    def test_an_execution_that_a_part_of_a_batch_ends_by_a_quota_takes_nothing_of_the_rest(self) -> None:
        """A chained invoke of a function that is unknown fails at once, and its error counts as written."""
        self.harness.server.deploy(1, FunctionSpec("orders"), quotas=Quotas(storage=10))
        self.execution = self.harness.start()
        answer = self.execution.checkpoint(
            start("CHAINED_INVOKE", "i", ChainedInvokeOptions={"FunctionName": "nobody"}), start("WAIT", "w")
        )
        self.assertEqual(answer, {"NewExecutionState": {"Operations": []}})
        self.assertEqual(self.execution.status, "FAILED")
        self.assertEqual(self.execution.event_types()[-2:], ["InvocationCompleted", "ExecutionFailed"])
        self.assertEqual(self.harness.timers(), {})

    def completions(self) -> list[dict[str, Any]]:
        return [event for event in self.execution.history() if event["EventType"] == "InvocationCompleted"]

    def test_each_has_its_error_in_the_event_of_its_end(self) -> None:
        self.crash_and_repeat(1)
        self.execution.answer("SUCCEEDED", Result="1")
        first, second = [event["InvocationCompletedDetails"] for event in self.completions()]
        self.assertEqual(first["Error"], {"Payload": EXIT, "Truncated": False})
        self.assertNotIn("Error", second)
        self.assertNotEqual(first["RequestId"], second["RequestId"])

    def test_an_invocation_that_answers_ends_the_row(self) -> None:
        self.crash_and_repeat(4)
        self.execution.checkpoint(start("WAIT", "w"))
        self.execution.answer("PENDING")
        self.harness.fire_next(kind="wait")
        self.execution.begin()
        before = self.harness.now
        self.execution.crash()
        self.assertEqual(self.execution.status, "RUNNING")
        self.assertEqual(self.harness.fire_next(kind="invocation retry").due, before + timedelta(seconds=1))

    def test_nothing_is_due_between_a_failure_and_its_repetition(self) -> None:
        due = invocations_due(self.execution)
        self.execution.crash()
        self.assertEqual(invocations_due(self.execution), due)
        self.harness.fire_next(kind="invocation retry")
        self.assertEqual(invocations_due(self.execution), due + 1)

    def test_what_happens_before_the_repetition_is_the_repetition(self) -> None:
        """A callback's answer invokes the handler at once; the timer is not wanted any more."""
        answer = self.execution.checkpoint(start("CALLBACK", "b"))
        callback_id = answer["NewExecutionState"]["Operations"][0]["CallbackDetails"]["CallbackId"]
        self.execution.crash()
        due = invocations_due(self.execution)
        self.harness.server.send_durable_execution_callback_success(CallbackId=callback_id)
        self.assertEqual(invocations_due(self.execution), due + 1)
        self.execution.begin()
        self.assertEqual(self.harness.timers(), {})

    def test_an_execution_that_was_stopped_meanwhile_is_not_repeated(self) -> None:
        self.execution.stop()
        self.execution.crash()
        self.assertEqual(self.harness.timers(), {})
        self.assertEqual(self.execution.event_types()[-1], "ExecutionStopped")

    def test_a_crash_after_the_outcome_was_checkpointed_takes_nothing_back(self) -> None:
        self.execution.checkpoint(succeed("EXECUTION", "end", Payload='"large"'))
        self.execution.crash()
        self.assertEqual((self.execution.status, self.execution.description()["Result"]), ("SUCCEEDED", '"large"'))
        self.assertEqual(self.completions()[-1]["InvocationCompletedDetails"]["Error"]["Payload"], EXIT)

    def test_r10_3_the_next_invocation_finds_the_state_that_the_failed_one_has_left(self) -> None:
        self.execution.checkpoint(start("STEP", "s"), succeed("STEP", "s", Payload="1"), start("STEP", "t"))
        self.crash_and_repeat(1)
        statuses = {one["Id"]: one["Status"] for one in self.execution.event["InitialExecutionState"]["Operations"]}
        self.assertEqual((statuses["s"], statuses["t"]), ("SUCCEEDED", "STARTED"))


class PendingTests(unittest.TestCase):
    def setUp(self) -> None:
        self.execution = Harness().start()
        self.harness = self.execution.harness

    def suspend_with_nothing_pending(self) -> None:
        self.execution.answer("PENDING")

    def test_with_nothing_pending_it_is_refused_and_the_third_in_a_row_ends_the_execution(self) -> None:
        error = {"ErrorType": "InvalidParameterValueException", "ErrorMessage": NOTHING_PENDING}
        for number in range(1, MAX_EMPTY_PENDINGS + 1):
            due = invocations_due(self.execution)
            self.suspend_with_nothing_pending()
            details = self.execution.details("InvocationCompleted")
            self.assertEqual(details["Error"]["Payload"], error)
            if number < MAX_EMPTY_PENDINGS:
                self.assertEqual(invocations_due(self.execution), due + 1)
                self.execution.begin()
        self.assertEqual(MAX_EMPTY_PENDINGS, 3)
        self.assertEqual(NOTHING_PENDING, "Cannot return PENDING status with no pending operations.")
        self.assertEqual((self.execution.status, self.execution.description()["Error"]), ("FAILED", error))

    def test_one_that_is_right_ends_the_row(self) -> None:
        for _ in range(2):
            self.suspend_with_nothing_pending()
            self.execution.begin()
        self.execution.checkpoint(start("WAIT", "w"))
        self.execution.answer("PENDING")
        self.harness.fire_next()
        self.execution.begin()
        for _ in range(2):
            self.suspend_with_nothing_pending()
            self.execution.begin()
        self.assertEqual(self.execution.status, "RUNNING")

    def test_what_counts_as_pending(self) -> None:
        self.harness.server.register(1, "child", True)
        for updates in (
            [start("WAIT", "o")],
            [start("CALLBACK", "o")],
            [start("CHAINED_INVOKE", "o")],
            [start("STEP", "o"), retry("o")],
        ):
            with self.subTest(updates[0]["Type"]):
                execution = self.harness.start(payload=str(updates))
                execution.checkpoint(*updates)
                execution.answer("PENDING")
                self.assertNotIn("Error", execution.details("InvocationCompleted"))

    def test_what_does_not(self) -> None:
        for updates in (
            [start("STEP", "o")],
            [start("CONTEXT", "o")],
            [succeed("STEP", "o")],
            [fail("CONTEXT", "o")],
        ):
            with self.subTest(str(updates[0]["Type"])):
                execution = self.harness.start(payload=str(updates))
                execution.checkpoint(*updates)
                execution.answer("PENDING")
                self.assertIn("Error", execution.details("InvocationCompleted"))

    def test_news_that_came_too_late_for_the_invocation_bring_the_next_one_at_once(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"))
        self.harness.fire_next(kind="wait")
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due + 1)
        self.assertEqual(self.execution.begin()["UpdatedOperationIds"], ["w"])

    def test_also_while_something_else_is_still_waited_for(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"), start("WAIT", "later", WaitOptions={"WaitSeconds": 3600}))
        self.harness.fire_next(kind="wait")
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due + 1)

    def test_also_if_an_answer_has_carried_them_when_the_branch_that_waits_for_them_had_suspended(self) -> None:
        self.execution.checkpoint(
            start("CONTEXT", "all", SubType="Parallel"),
            *(start("CONTEXT", branch, SubType="ParallelBranch", ParentId="all") for branch in ("one", "other")),
            start("WAIT", "w", ParentId="one"),
            start("WAIT", "later", ParentId="other", WaitOptions={"WaitSeconds": 3600}),
        )
        self.harness.fire_next(kind="wait")
        answer = self.execution.checkpoint(start("STEP", "s", ParentId="other"))
        self.assertIn("w", [operation["Id"] for operation in answer["NewExecutionState"]["Operations"]])
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due + 1)

    def test_also_if_a_branch_of_a_flat_parallel_has_sent_something_which_may_be_another_one(self) -> None:
        self.execution.checkpoint(
            start("CONTEXT", "all", SubType="Parallel"),
            start("WAIT", "w", ParentId="all"),
            start("WAIT", "later", ParentId="all", WaitOptions={"WaitSeconds": 3600}),
        )
        self.harness.fire_next(kind="wait")
        self.execution.checkpoint(start("STEP", "s", ParentId="all"))
        self.execution.checkpoint(succeed("STEP", "s", ParentId="all"))
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due + 1)

    def test_without_news_nothing_is_due(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"), start("WAIT", "later", WaitOptions={"WaitSeconds": 3600}))
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due)

    def test_news_that_an_answer_has_carried_and_the_handler_acted_upon_do_not(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"), start("WAIT", "later", WaitOptions={"WaitSeconds": 3600}))
        self.harness.fire_next(kind="wait")
        self.execution.checkpoint()
        self.execution.checkpoint(start("STEP", "s"), succeed("STEP", "s"))
        due = invocations_due(self.execution)
        self.execution.answer("PENDING")
        self.assertEqual(invocations_due(self.execution), due)


class RetryTests(unittest.TestCase):
    """A step's details in the state, from attempt to attempt."""

    def setUp(self) -> None:
        self.execution = Harness().start()

    def details(self) -> tuple[str, dict[str, Any]]:
        step = self.execution.operations()["s"]
        return step["Status"], step["StepDetails"]

    def test_r10_2_a_step_that_waits_for_its_next_attempt_says_when_it_is_due(self) -> None:
        error = {"ErrorType": "Declined"}
        self.execution.checkpoint(start("STEP", "s"))
        self.execution.harness.pass_time(seconds=2)
        self.execution.checkpoint(retry("s", Error=error, StepOptions={"NextAttemptDelaySeconds": 60}))
        due = START + timedelta(seconds=62)
        self.assertEqual(self.details(), ("PENDING", {"Attempt": 1, "NextAttemptTimestamp": due, "Error": error}))
        self.execution.harness.fire_next(kind="step retry")
        self.assertEqual(self.details()[0], "READY")

    def test_one_that_has_begun_again_does_not(self) -> None:
        self.execution.checkpoint(start("STEP", "s"), retry("s"))
        self.execution.harness.fire_next(kind="step retry")
        self.execution.checkpoint(start("STEP", "s"))
        self.assertEqual(self.details(), ("STARTED", {"Attempt": 1}))

    def test_a_success_leaves_no_error_and_a_failure_no_result_of_the_attempt_before(self) -> None:
        self.execution.checkpoint(start("STEP", "s"), retry("s", Error={"ErrorType": "Declined"}))
        self.execution.harness.fire_next(kind="step retry")
        self.execution.checkpoint(succeed("STEP", "s", Payload="1"))
        self.assertNotIn("Error", self.details()[1])
        self.assertEqual((self.details()[1]["Attempt"], self.details()[1]["Result"]), (2, "1"))


class UpdatedOperationsTests(unittest.TestCase):
    """``UpdatedOperationIds``: what changed since the last invocation, and no answer has told of."""

    def test_the_first_invocation_has_none(self) -> None:
        self.assertEqual(Harness().start().event["UpdatedOperationIds"], [])

    def test_r10_4_all_that_happened_from_outside_is_named_once_in_its_order(self) -> None:
        execution = Harness().start()
        harness = execution.harness
        answer = execution.checkpoint(
            start("CALLBACK", "b"), start("WAIT", "w"), start("STEP", "s"), retry("s"), start("STEP", "mine")
        )
        callback_id = answer["NewExecutionState"]["Operations"][0]["CallbackDetails"]["CallbackId"]
        execution.answer("PENDING")
        harness.fire_next(kind="step retry")
        harness.fire_next(kind="wait")
        harness.server.send_durable_execution_callback_success(CallbackId=callback_id)
        self.assertEqual(execution.begin()["UpdatedOperationIds"], ["s", "w", "b"])
        execution.crash()
        harness.fire_next(kind="invocation retry")
        self.assertEqual(execution.begin()["UpdatedOperationIds"], [])

    def test_what_an_answer_has_carried_is_not_named(self) -> None:
        execution = Harness().start()
        execution.checkpoint(start("WAIT", "w"), start("WAIT", "later", WaitOptions={"WaitSeconds": 120}))
        execution.harness.fire_next(kind="wait")
        execution.checkpoint(start("STEP", "s"), succeed("STEP", "s"))
        execution.harness.fire_next(kind="wait")
        execution.answer("PENDING")
        self.assertEqual(execution.begin()["UpdatedOperationIds"], ["later"])


class ResultTests(unittest.TestCase):
    def test_the_largest_result_is_taken_and_a_byte_more_fails_the_execution(self) -> None:
        for invocation_type, limit in (("Event", MIB), ("RequestResponse", 6 * MIB)):
            for more, status in ((-1, "SUCCEEDED"), (0, "SUCCEEDED"), (1, "FAILED")):
                with self.subTest(invocation_type, more=more):
                    execution = Harness().start(invocation_type=invocation_type)
                    execution.answer("SUCCEEDED", Result='"' + "x" * (limit - 2 + more) + '"')
                    self.assertEqual(execution.status, status)
            message = execution.description()["Error"]["ErrorMessage"]
            self.assertTrue(
                message.startswith(f"the result has {limit + 1} bytes: at most {limit} are allowed. Keep"), message
            )

    def test_a_child_may_answer_with_1_mib(self) -> None:
        for more, event in ((0, "ChainedInvokeSucceeded"), (1, "ChainedInvokeFailed")):
            parent = Harness().start()
            parent.harness.server.register(1, "child", True)
            parent.checkpoint(start("CHAINED_INVOKE", "i"))
            child = parent.harness.child_of(parent.arn, "i")
            child.answer("SUCCEEDED", Result='"' + "x" * (MIB - 2 + more) + '"')
            self.assertEqual(parent.event_types()[-1], event)
        self.assertIn("has 1048577 bytes: at most 1048576", parent.details(event)["Error"]["Payload"]["ErrorMessage"])

    def test_a_plain_function_may_answer_with_1_mib(self) -> None:
        for more, event in ((0, "ChainedInvokeSucceeded"), (1, "ChainedInvokeFailed")):
            parent = Harness().start()
            parent.harness.server.register(1, "child", False)
            parent.checkpoint(start("CHAINED_INVOKE", "i"))
            result = '"' + "x" * (MIB - 2 + more) + '"'
            parent.harness.server.function_answered(parent.arn, "i", result, None)
            self.assertEqual(parent.event_types()[-1], event)

    def test_a_checkpointed_outcome_wins_over_the_answer(self) -> None:
        execution = Harness().start()
        execution.checkpoint(succeed("EXECUTION", "end", Payload='"large"'))
        execution.answer("SUCCEEDED", Result="")
        self.assertEqual(execution.description()["Result"], '"large"')

    def test_a_checkpointed_failure_too(self) -> None:
        execution = Harness().start()
        execution.checkpoint(fail("EXECUTION", "end", Error={"ErrorType": "Large"}))
        execution.answer("FAILED")
        self.assertEqual(execution.description()["Error"], {"ErrorType": "Large"})


if __name__ == "__main__":
    unittest.main()
