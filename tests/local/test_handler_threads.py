"""Threads that run handler code are known by the thread that their family began with."""

from __future__ import annotations

import threading
import unittest
from threading import Event, Thread

from durabletest.local.handler_threads import HandlerThreads, mark_worker, threads_of, worker_of


class FamilyTests(unittest.TestCase):
    def setUp(self) -> None:
        register = HandlerThreads()
        register.install()
        self.addCleanup(register.remove)

    def test_whatever_a_member_starts_belongs_to_the_family(self) -> None:
        seen: list[object] = []
        go = Event()

        def grandchild() -> None:
            seen.append(worker_of(threading.current_thread()))
            go.wait(5)

        def child() -> None:
            thread = Thread(target=grandchild)
            thread.start()
            seen.append(len(threads_of(worker)))
            go.set()
            thread.join(5)

        worker = Thread(target=child)
        mark_worker(worker)
        worker.start()
        worker.join(5)
        self.assertCountEqual(seen, [worker, 2])
        self.assertEqual(threads_of(worker), [])
