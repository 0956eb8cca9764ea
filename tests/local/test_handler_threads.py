"""Threads that run handler code are known by the invoker thread that they work for."""

from __future__ import annotations

import threading
import unittest
from threading import Event, Thread

from durabletest.local.handler_threads import HandlerThreads, invoker_thread_of, mark_invoker_thread, threads_of


class HandlerThreadsTests(unittest.TestCase):
    def setUp(self) -> None:
        register = HandlerThreads()
        register.install()
        self.addCleanup(register.remove)

    def test_threads_that_a_thread_of_a_worker_starts_work_for_it_too(self) -> None:
        seen: list[object] = []
        go = Event()

        def grandchild() -> None:
            seen.append(invoker_thread_of(threading.current_thread()))
            go.wait(5)

        def child() -> None:
            thread = Thread(target=grandchild)
            thread.start()
            seen.append(len(threads_of(invoker_thread)))
            go.set()
            thread.join(5)

        invoker_thread = Thread(target=child)
        mark_invoker_thread(invoker_thread)
        invoker_thread.start()
        invoker_thread.join(5)
        self.assertCountEqual(seen, [invoker_thread, 2])
        self.assertEqual(threads_of(invoker_thread), [])
