"""Who waits, and for how long they count."""

from __future__ import annotations

import unittest
from datetime import UTC, datetime
from threading import current_thread
from typing import Any

from durabletest.local.waiting import Wait, Waiters
from durabletest.model.waiting import Watch

START = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn"
SCOPE = 1


def event(number: int, event_type: str, **more: Any) -> dict[str, Any]:
    return {"EventId": number, "EventType": event_type, "EventTimestamp": START, f"{event_type}Details": {}, **more}


class WaitersTests(unittest.TestCase):
    def setUp(self) -> None:
        self.events = [event(1, "ExecutionStarted")]
        self.waiters = Waiters(lambda arn, seen: self.events[seen:])

    def test_nobody_waits_at_first(self) -> None:
        self.assertFalse(self.waiters)

    def test_who_waits_for_an_end_or_an_instant_counts_until_it_is_there(self) -> None:
        thread = current_thread()
        self.waiters.add(Wait(SCOPE, ARN, thread))
        self.waiters.add(Wait(SCOPE, None, thread, START))
        self.assertTrue(self.waiters)
        self.waiters.reach(START)
        self.assertTrue(self.waiters)
        self.waiters.end(ARN, None)
        self.assertFalse(self.waiters)

    def test_a_thread_whose_future_is_resolved_does_not_count_although_it_has_not_woken_up_yet(self) -> None:
        watch = Watch("wait")
        self.waiters.add_watch(SCOPE, ARN, watch, current_thread())
        self.waiters.add(Wait(SCOPE, None, current_thread()))
        self.assertTrue(self.waiters)
        self.events.append(event(2, "WaitStarted", Id="1", Name="wait", SubType="Wait"))
        self.waiters.check(ARN)
        self.assertTrue(watch.future.done())
        self.assertFalse(self.waiters)

    def test_one_who_comes_later_is_told_of_what_has_been(self) -> None:
        first, second = Watch("later"), Watch("wait")
        self.waiters.add_watch(SCOPE, ARN, first, current_thread())
        self.events.append(event(2, "WaitStarted", Id="1", Name="wait", SubType="Wait"))
        self.waiters.add_watch(SCOPE, ARN, second, current_thread())
        self.assertEqual((first.future.done(), second.future.done()), (False, True))
        self.events.append(event(3, "WaitStarted", Id="2", Name="later", SubType="Wait"))
        third = Watch("wait", 1)
        self.waiters.add_watch(SCOPE, ARN, third, current_thread())
        self.assertEqual((first.future.done(), third.future.done()), (True, False))
        self.assertTrue(self.waiters)
