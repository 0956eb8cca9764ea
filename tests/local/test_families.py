"""Threads that run handler code are known by the thread that their family began with."""

from __future__ import annotations

import threading
import unittest
from threading import Event, Thread

from durabletest.local.handler_threads import FamilyRegister, found, founder_of, members


class FamilyTests(unittest.TestCase):
    def setUp(self) -> None:
        register = FamilyRegister()
        register.install()
        self.addCleanup(register.remove)

    def test_whatever_a_member_starts_belongs_to_the_family(self) -> None:
        seen: list[object] = []
        go = Event()

        def grandchild() -> None:
            seen.append(founder_of(threading.current_thread()))
            go.wait(5)

        def child() -> None:
            thread = Thread(target=grandchild)
            thread.start()
            seen.append(len(members(founder)))
            go.set()
            thread.join(5)

        founder = Thread(target=child)
        found(founder)
        founder.start()
        founder.join(5)
        self.assertCountEqual(seen, [founder, 2])
        self.assertEqual(members(founder), [])
