"""Requirement 17: updates are scheduled, and come in order."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from durabletest.local.timers import QueueScheduler, TimerScheduler, VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class HandClock:
    """A real clock that the test sets."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class SchedulerTests(unittest.TestCase):
    def setUp(self) -> None:
        self.ran: list[str] = []

    def note(self, name: str) -> Callable[[], None]:
        return lambda: self.ran.append(name)

    def test_r17_1_virtual_time_runs_a_queue_first_in_first_out(self) -> None:
        clock = VirtualClock(START)
        scheduler = QueueScheduler(clock)
        for name, hours in (("b1", 2), ("a1", 1), ("b2", 2), ("a2", 1), ("b3", 2)):
            scheduler.schedule(name, START + timedelta(hours=hours), self.note(name))
        self.assertTrue(scheduler.run_due())
        self.assertEqual((self.ran, clock.now()), (["a1", "a2"], START + timedelta(hours=1)))
        self.assertTrue(scheduler.run_due())
        self.assertEqual((self.ran[2:], clock.now()), (["b1", "b2", "b3"], START + timedelta(hours=2)))
        self.assertFalse(scheduler.run_due())

    def test_r17_2_real_time_runs_what_the_clock_has_reached(self) -> None:
        clock = HandClock()
        scheduler = TimerScheduler(clock)
        scheduler.schedule("late", START + timedelta(seconds=20), self.note("late"))
        scheduler.schedule("early", START + timedelta(seconds=5), self.note("early"))
        self.assertEqual(scheduler.seconds_until_next(), 5.0)
        self.assertFalse(scheduler.run_due())
        clock.time += timedelta(seconds=5)
        self.assertTrue(scheduler.run_due())
        self.assertEqual((self.ran, scheduler.seconds_until_next()), (["early"], 15.0))
        clock.time += timedelta(seconds=30)
        self.assertTrue(scheduler.run_due())
        self.assertEqual(self.ran, ["early", "late"])

    def test_r17_4_a_scheduler_tells_whether_anything_is_to_come(self) -> None:
        for scheduler in (QueueScheduler(VirtualClock(START)), TimerScheduler(HandClock())):
            with self.subTest(type(scheduler).__name__):
                self.assertFalse(scheduler.has_scheduled_function())
                scheduler.schedule("cancelled", START, self.note("cancelled"))
                scheduler.schedule("due", START, self.note("due"))
                scheduler.cancel("cancelled")
                self.assertTrue(scheduler.has_scheduled_function())
                scheduler.run_due()
                self.assertFalse(scheduler.has_scheduled_function())
        self.assertEqual(self.ran, ["due", "due"])

    def test_r17_5_flushing_drops_what_is_scheduled_without_running_it(self) -> None:
        scheduler = QueueScheduler(VirtualClock(START))
        for name in ("mine 1", "theirs", "mine 2"):
            scheduler.schedule(name, START, self.note(name))
        scheduler.flush(lambda key: str(key).startswith("mine"))
        self.assertTrue(scheduler.has_scheduled_function())
        scheduler.run_due()
        self.assertEqual(self.ran, ["theirs"])
