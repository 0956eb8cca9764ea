"""Threads that run handler code are known by the worker that they work for."""

from __future__ import annotations

import threading
import unittest
from threading import Event, Thread

from durabletest.local.handler_threads import HandlerThreads, mark_worker, threads_of, worker_of


class HandlerThreadsTests(unittest.TestCase):
    def setUp(self) -> None:
        register = HandlerThreads()
        register.install()
        self.addCleanup(register.remove)

    def test_threads_that_a_thread_of_a_worker_starts_work_for_it_too(self) -> None:
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
