"""Threads of tasks: they are started without waiting, and joined like others."""

from __future__ import annotations

import threading
import unittest
from threading import Event, Thread
from unittest.mock import patch

from durabletest.local import tasks
from durabletest.local.primitives import TurnPool
from durabletest.local.tasks import TaskThread
from durabletest.local.turns import Turns


class TaskThreadTests(unittest.TestCase):
    def test_starting_does_not_wait_until_it_has_begun(self) -> None:
        """A new thread sets the event first; here nothing does until it is told to."""
        may_begin, set_it = Event(), tasks._Begun.set

        def begin(begun: Event) -> None:
            may_begin.wait(5)
            set_it(begun)  # type: ignore[arg-type]

        with patch.object(tasks._Begun, "set", begin):
            thread = TaskThread(lambda: None, "slow to begin")
            thread.start()
            self.assertFalse(vars(thread)["_started"].is_set())
            may_begin.set()
            thread.join(5)
        self.assertNotIn(thread, threading.enumerate())

    def test_one_that_has_just_been_started_can_be_joined(self) -> None:
        ran: list[int] = []
        for number in range(50):
            thread = TaskThread(lambda number=number: ran.append(number), "brief")  # type: ignore[misc]
            thread.start()
            thread.join(5)
        self.assertEqual(ran, [*range(50)])

    def test_without_that_event_it_is_a_thread_like_any_other(self) -> None:
        with patch.object(tasks, "Event", Thread):  # whatever Python has there, it is no event
            thread = TaskThread(lambda: None, "as any")
            thread.start()
            thread.join(5)
        self.assertNotIsInstance(vars(thread)["_started"], tasks._Begun)
        self.assertFalse(thread.is_alive())


class AwaitedTaskTests(unittest.TestCase):
    def test_a_task_that_another_one_waits_for_before_it_has_begun_leaves_no_turn_behind(self) -> None:
        turns = Turns(lambda: 0.0)
        pool = TurnPool(turns)
        ran: list[str] = []

        def outer() -> tuple[int, bool]:
            return pool.submit(lambda: ran.append("inner") or 5).result(), turns.contended

        self.assertEqual(pool.submit(outer).result(), (5, False))
        turns.join()
        self.assertEqual(ran, ["inner"])


if __name__ == "__main__":
    unittest.main()
