"""Requirement 13: requests travel to the server's thread, and answers back."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread, current_thread
from typing import Any

from durabletest import CheckpointServerError
from durabletest.local.server.worker import CheckpointWorkerManager


class Ledger:
    """State without locks, which only one thread may touch."""

    def __init__(self) -> None:
        self.home = current_thread()
        self.balance = 0
        self.arrived: list[tuple[int, int]] = []

    def book(self, teller: int, number: int) -> tuple[int, Thread]:
        before = self.balance
        self.arrived.append((teller, number))
        self.balance = before + 1
        return self.balance, current_thread()

    def total(self) -> tuple[int, list[tuple[int, int]]]:
        return self.balance, self.arrived

    def refuse(self, error: Exception) -> None:
        raise error

    def die(self) -> None:
        raise KeyboardInterrupt


class ThreadCommunicationTests(unittest.TestCase):
    def setUp(self) -> None:
        self.manager = CheckpointWorkerManager(Ledger)
        self.manager.start()
        self.addCleanup(self.manager.stop)

    def test_r13_1_a_request_is_worked_off_in_the_thread_of_the_server(self) -> None:
        _, thread = self.manager.call(Ledger.book, teller=1, number=1)
        self.assertIs(thread, self.manager.thread)
        self.assertIsNot(thread, current_thread())

    def test_r13_2_the_answer_or_the_very_error_comes_back_to_who_asked(self) -> None:
        self.assertEqual(self.manager.call(Ledger.book, teller=1, number=1)[0], 1)
        self.assertEqual(self.manager.call(Ledger.total), (1, [(1, 1)]))
        refusal = ValueError("no such account")
        with self.assertRaises(ValueError) as caught:
            self.manager.call(Ledger.refuse, error=refusal)
        self.assertIs(caught.exception, refusal)
        self.assertEqual(self.manager.call(Ledger.book, teller=1, number=2)[0], 2)

    def test_r13_3_concurrent_requests_do_not_lose_anything_and_keep_their_order(self) -> None:
        tellers, bookings = 8, 50
        together = Barrier(tellers)

        def work(teller: int) -> list[int]:
            together.wait(5)
            return [self.manager.call(Ledger.book, teller=teller, number=number)[0] for number in range(bookings)]

        with ThreadPoolExecutor(tellers) as pool:
            answers = list(pool.map(work, range(tellers)))
        balance, arrived = self.manager.call(Ledger.total)
        self.assertEqual(balance, tellers * bookings)
        self.assertEqual(sorted(answer for mine in answers for answer in mine), list(range(1, balance + 1)))
        for teller in range(tellers):
            self.assertEqual([n for t, n in arrived if t == teller], list(range(bookings)))
            self.assertEqual(answers[teller], sorted(answers[teller]))

    def test_r13_4_a_request_to_a_dead_server_is_an_error_with_the_cause(self) -> None:
        def failure(call: Callable[[], Any]) -> CheckpointServerError:
            with self.assertRaises(CheckpointServerError) as caught:
                call()
            return caught.exception

        first = failure(lambda: self.manager.call(Ledger.die))
        self.manager.thread.join(5)
        later = failure(lambda: self.manager.call(Ledger.total))
        for error in (first, later):
            self.assertIn("died of KeyboardInterrupt()", str(error))
            self.assertIsInstance(error.__cause__, KeyboardInterrupt)

    def test_r13_4_a_server_that_cannot_be_made_is_an_error_at_the_start(self) -> None:
        def broken() -> Ledger:
            raise OSError("no room")

        manager = CheckpointWorkerManager(broken)
        with self.assertRaisesRegex(CheckpointServerError, "no room") as caught:
            manager.start()
        self.assertIsInstance(caught.exception.__cause__, OSError)
        self.assertFalse(manager.thread.is_alive())
