"""The queue of what is due: whose entries are dropped, and what dropping looks at."""

from __future__ import annotations

import unittest
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta

from durabletest.local.timers import QueueScheduler, VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class OwnersTests(unittest.TestCase):
    def setUp(self) -> None:
        self.scheduler = QueueScheduler(VirtualClock(START))
        self.ran: list[Hashable] = []

    def schedule(self, key: Hashable, owner: Hashable, seconds: int = 0) -> None:
        self.scheduler.schedule(key, START + timedelta(seconds=seconds), lambda: self.ran.append(key), owner)

    def run_all(self) -> list[Hashable]:
        while self.scheduler.run_due():
            pass
        return self.ran

    def test_the_updates_of_one_owner_are_dropped_and_no_others(self) -> None:
        for key, owner in ((1, "mine"), (2, "theirs"), (3, "mine"), (4, None)):
            self.schedule(key, owner)
        self.scheduler.drop("mine")
        self.scheduler.drop("nobody's")
        self.assertEqual(self.run_all(), [2, 4])

    def test_an_update_that_was_replaced_belongs_to_its_new_owner(self) -> None:
        self.schedule("key", "first", seconds=1)
        self.schedule("key", "second", seconds=2)
        self.scheduler.drop("first")
        self.assertEqual(self.run_all(), ["key"])
        self.schedule("key", "first", seconds=3)
        self.scheduler.drop("first")
        self.assertEqual(self.run_all(), ["key"])

    def test_what_has_run_or_was_cancelled_is_not_dropped_once_more(self) -> None:
        for key in (1, 2, 3):
            self.schedule(key, "mine", seconds=key)
        self.scheduler.cancel(2)
        self.scheduler.run_due()
        self.schedule(1, "theirs", seconds=5)
        self.schedule(2, "theirs", seconds=6)
        self.scheduler.drop("mine")
        self.assertEqual(self.run_all(), [1, 1, 2])

    def test_an_update_may_drop_those_that_come_after_it(self) -> None:
        self.scheduler.schedule("end", START, lambda: self.scheduler.drop("mine"), "mine")
        self.schedule("later", "mine")
        self.assertEqual(self.run_all(), [])
        self.assertFalse(self.scheduler.has_scheduled_function())


if __name__ == "__main__":
    unittest.main()
