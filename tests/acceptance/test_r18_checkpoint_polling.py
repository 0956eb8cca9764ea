"""Requirement 18: what is checkpointed is noticed and acted upon.

There is no polling here: the server announces each change. What is asked for is what comes of it.
"""

from __future__ import annotations

from datetime import timedelta

from durabletest import DurableTestCase, Execution, Pending
from tests.acceptance.workflows import double, everything, order, unlimited


def awaited(execution: Execution) -> list[tuple[str | None, str]]:
    return [(entry.operation, entry.reason) for entry in execution.pending()]


class OrderTests(DurableTestCase):
    handler = order

    def test_r18_3_a_started_wait_has_the_handler_invoked_at_its_scheduled_end(self) -> None:
        execution = self.start({"order": 42})
        wait = execution.operation("cool-down").wait_for_data().result(timeout=5)
        end = wait.get_wait_details().scheduled_end
        self.assertEqual(execution.pending(), [Pending("cool-down", "wait", end)])
        result = execution.result(timeout=5)
        self.assertEqual([invocation.started_at for invocation in result.get_invocations()][1:], [end])

    def test_r18_4_a_retried_step_has_the_handler_invoked_at_its_next_attempt(self) -> None:
        execution = self.start({"order": 42, "declines": 1})
        execution.advance(timedelta(0))
        due = execution.operation("charge").get_step_details().next_attempt_at
        self.assertEqual(due, self.start_time + timedelta(minutes=1))
        self.assertEqual(execution.pending(), [Pending("charge", "step retry", due)])
        execution.advance_to_next()
        self.assertEqual(execution.snapshot().get_invocations()[1].started_at, due)
        self.assertOperation("charge").succeeded().attempts(2)


class CallbackTests(DurableTestCase):
    handler = unlimited

    def test_r18_5_an_answered_callback_has_the_handler_invoked(self) -> None:
        for status in ("SUCCEEDED", "FAILED"):
            with self.subTest(status):
                execution = self.start()
                execution.operation("approval").wait_for_data().result(timeout=5)
                execution.advance(timedelta(hours=5))
                self.assertEqual(len(execution.snapshot().get_invocations()), 1)
                if status == "SUCCEEDED":
                    execution.operation("approval").send_callback_success("yes")
                else:
                    execution.operation("approval").send_callback_failure("Refused", "no")
                result = execution.result(timeout=5)
                self.assertEqual(result.get_operation("approval").status, status)
                first, second = result.get_invocations()
                self.assertEqual(second.started_at - first.started_at, timedelta(hours=5))


class EverythingTests(DurableTestCase):
    handler = everything
    functions = {"double": double}

    def test_r18_1_a_started_execution_is_followed_without_anybody_waiting(self) -> None:
        execution = self.start()
        self.assertEqual(execution.operation("wait").wait_for_data().result(timeout=5).status, "STARTED")
        self.assertEqual(execution.operation("step").status, "SUCCEEDED")
        self.assertEqual(self.now, self.start_time)

    def test_r18_2_each_operation_is_worked_off_as_its_type_asks(self) -> None:
        execution = self.start()
        execution.operation("wait").wait_for_data().result(timeout=5)
        self.assertEqual(awaited(execution), [("wait", "wait")])
        execution.advance_to_next()
        self.assertEqual(awaited(execution), [("callback", "callback")])
        execution.operation("callback").send_callback_success("yes")
        result = execution.result(timeout=5)
        self.assertEqual(result.get_operation("invoke").status, "SUCCEEDED")
        self.assertEqual(result.get_result(), [1, "yes", 42, 3])
        self.assertEqual(len(result.get_invocations()), 4)

    def test_r18_6_an_execution_that_has_ended_is_followed_no_more(self) -> None:
        self.on_callback("callback").succeed("yes").succeed("yes")
        execution = self.start()
        result = execution.result(timeout=5)
        events, ended = result.get_history_events(), self.now
        self.assertEqual(execution.pending(), [])
        self.execute()
        execution.advance(timedelta(days=1))
        self.assertEqual(result.get_history_events(), events)
        self.assertEqual(events[-1]["EventTimestamp"], ended)
        self.assertGreater(self.now, ended)
