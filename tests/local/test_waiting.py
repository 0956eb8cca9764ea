"""Who waits, and for how long they count."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime
from threading import current_thread
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import DurableTestCase, ExecutionStuckError, WaitingStatus
from durabletest.local.waiting import Wait, Waiters
from durabletest.model.wait_for_data import Watch

START = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn"
DEPLOYMENT: Any = object()


def event(number: int, event_type: str, **more: Any) -> dict[str, Any]:
    return {"EventId": number, "EventType": event_type, "EventTimestamp": START, f"{event_type}Details": {}, **more}


class WaitersTests(unittest.TestCase):
    def setUp(self) -> None:
        self.events = [event(1, "ExecutionStarted")]
        server: Any = mock.Mock(call=lambda _method, _arn, seen=0: self.events[seen:])
        self.waiters = Waiters(server)

    def test_nobody_waits_at_first(self) -> None:
        self.assertFalse(self.waiters.time_may_move)

    def test_who_waits_for_an_end_or_an_instant_counts_until_it_is_there(self) -> None:
        thread = current_thread()
        self.waiters.add(Wait(DEPLOYMENT, ARN, thread))
        self.waiters.add(Wait(DEPLOYMENT, None, thread, START))
        self.assertTrue(self.waiters.time_may_move)
        self.waiters.reach(START)
        self.assertTrue(self.waiters.time_may_move)
        self.waiters.end(ARN, None)
        self.assertFalse(self.waiters.time_may_move)

    def test_an_end_settles_the_waits_for_that_execution_which_were_not_withdrawn(self) -> None:
        first, second, withdrawn, other = [Wait(DEPLOYMENT, arn, current_thread()) for arn in (ARN, ARN, ARN, "other")]
        for wait in (first, second, withdrawn, other):
            self.waiters.add(wait)
        self.waiters.withdraw(withdrawn)
        self.waiters.end(ARN, None)
        settled = [wait.future.done() for wait in (first, second, withdrawn, other)]
        self.assertEqual(settled, [True, True, False, False])
        self.waiters.forget("other", ExecutionStuckError)
        self.assertTrue(other.future.done())
        self.assertTrue(self.waiters.nobody_waits)

    def test_a_thread_whose_future_is_resolved_does_not_count_although_it_has_not_woken_up_yet(self) -> None:
        watch = Watch("wait")
        self.waiters.add_watch(DEPLOYMENT, ARN, watch, current_thread())
        self.waiters.add(Wait(DEPLOYMENT, None, current_thread()))
        self.assertTrue(self.waiters.time_may_move)
        self.events.append(event(2, "WaitStarted", Id="1", Name="wait", SubType="Wait"))
        self.waiters.note(ARN)
        self.waiters.notify()
        self.assertTrue(watch.future.done())
        self.assertFalse(self.waiters.time_may_move)

    def test_one_who_comes_later_is_told_of_what_has_been(self) -> None:
        first, second = Watch("later"), Watch("wait")
        self.waiters.add_watch(DEPLOYMENT, ARN, first, current_thread())
        self.events.append(event(2, "WaitStarted", Id="1", Name="wait", SubType="Wait"))
        self.waiters.add_watch(DEPLOYMENT, ARN, second, current_thread())
        self.assertEqual((first.future.done(), second.future.done()), (False, True))
        self.events.append(event(3, "WaitStarted", Id="2", Name="later", SubType="Wait"))
        third = Watch("wait", 1)
        self.waiters.add_watch(DEPLOYMENT, ARN, third, current_thread())
        self.assertEqual((first.future.done(), third.future.done()), (True, False))
        self.assertTrue(self.waiters.time_may_move)


@durable_execution
def approved(event: Any, context: DurableContext) -> Any:
    context.step(lambda _: 1, name="charge")
    return context.wait_for_callback(lambda *_: None, name="approval")


class InVainTests(DurableTestCase):
    handler = approved

    def why(self, path: str, index: int = 0) -> str:
        with self.assertRaises(ExecutionStuckError) as stuck:
            self.start().operation(path, index).wait_for_data(WaitingStatus.COMPLETED).result(timeout=5)
        return str(stuck.exception)

    def test_a_misspelt_name_is_named_with_the_closest_one_and_all_that_exist(self) -> None:
        lines = self.why("aproval").splitlines()
        self.assertEqual(
            lines[0],
            "the test waits for an operation that does not exist: operation 'aproval' not found: no operation has that "
            "name; did you mean 'approval'?",
        )
        self.assertRegex(lines[2], "^  - callback 'approval', which has no timeout and no scripted answer")
        self.assertEqual(lines[3:5], ["The operations of the execution:", f"  {'charge':36}  STEP"])

    def test_an_index_that_does_not_come_is_named(self) -> None:
        self.assertIn("1 operation has that name, so there is no index 1\n", self.why("approval", 1))

    def test_an_operation_that_exists_is_not_said_to_be_missing(self) -> None:
        self.assertRegex(
            self.why("approval"), "^execution 'execution-1' is stuck: .*\n  - callback 'approval', [^\n]*$"
        )
