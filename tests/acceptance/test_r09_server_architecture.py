"""Requirement 9: the checkpoint server lives in a thread of its own."""

from __future__ import annotations

import threading
import unittest
from collections.abc import Callable
from threading import Event, Thread, current_thread
from unittest.mock import patch

from durabletest import CheckpointServerError, DurableTestError, LocalDurableTestRunner
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager
from tests.acceptance.workflows import order

SERVER = "durabletest-checkpoint-server"


def server_threads() -> list[Thread]:
    return [thread for thread in threading.enumerate() if thread.name == SERVER]


class Recorder:
    """A server that tells in which thread it lives; ``die`` ends it as nothing should."""

    def __init__(self) -> None:
        self.home = current_thread()
        self.entered = Event()
        self.gate = Event()

    def where(self) -> tuple[Thread, Thread]:
        return self.home, current_thread()

    def block(self) -> str:
        self.entered.set()
        self.gate.wait(5)
        return "answered"

    def die(self) -> None:
        raise SystemExit("out of memory")


class ArchitectureTests(unittest.TestCase):
    def test_r9_1_a_runner_has_a_checkpoint_server_in_a_thread_of_its_own(self) -> None:
        self.assertEqual(server_threads(), [])
        with LocalDurableTestRunner(order) as runner:
            (thread,) = server_threads()
            self.assertTrue(thread.daemon)
            self.assertIsNot(thread, current_thread())
            result = runner.run({"order": 42})
            self.assertEqual(server_threads(), [thread])
            self.assertEqual(result.get_status(), "SUCCEEDED")

    def test_r9_2_the_manager_starts_the_thread_talks_to_it_and_ends_it(self) -> None:
        manager = CheckpointWorkerManager(Recorder)
        self.assertFalse(manager.thread.is_alive())
        manager.start()
        self.assertTrue(manager.thread.is_alive())
        self.assertEqual(manager.call(Recorder.where), (manager.thread, manager.thread))
        manager.stop()
        self.assertFalse(manager.thread.is_alive())
        with self.assertRaisesRegex(CheckpointServerError, "was stopped"):
            manager.call(Recorder.where)

    def test_r9_5_teardown_answers_what_was_asked_and_ends_the_thread(self) -> None:
        server, answers = Recorder(), []
        manager = CheckpointWorkerManager(lambda: server)
        manager.start()
        asking = Thread(target=lambda: answers.append(manager.call(Recorder.block)))
        asking.start()
        self.assertTrue(server.entered.wait(5))
        stopping = Thread(target=manager.stop)
        stopping.start()
        server.gate.set()
        for thread in (asking, stopping):
            thread.join(5)
        self.assertEqual(answers, ["answered"])
        self.assertFalse(manager.thread.is_alive())

    def test_r9_5_teardown_of_the_environment_ends_its_server(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        with LocalDurableTestRunner(order) as runner:
            runner.run({"order": 1})
        self.assertEqual(len(server_threads()), 1)
        LocalDurableTestRunner.teardown_test_environment()
        self.assertEqual(server_threads(), [])

    def test_r9_6_a_server_that_dies_is_reported_to_everyone_who_waits_for_it(self) -> None:
        server = Recorder()
        manager = CheckpointWorkerManager(lambda: server)
        manager.start()
        errors: list[CheckpointServerError] = []

        def ask(method: Callable[[Recorder], object]) -> None:
            try:
                manager.call(method)
            except CheckpointServerError as error:
                errors.append(error)

        waiting = [Thread(target=ask, args=(method,)) for method in (Recorder.block, Recorder.die, Recorder.where)]
        waiting[0].start()
        self.assertTrue(server.entered.wait(5))
        for thread in waiting[1:]:
            thread.start()
        server.gate.set()
        for thread in (*waiting, manager.thread):
            thread.join(5)
            self.assertFalse(thread.is_alive())
        ask(Recorder.where)
        self.assertGreaterEqual(len(errors), 2)
        for error in errors:
            self.assertEqual(str(error), "the checkpoint server's thread died of SystemExit('out of memory')")
            self.assertIsInstance(error.__cause__, SystemExit)

    def test_r9_6_a_server_that_dies_ends_the_run_with_an_error_and_leaves_nothing_behind(self) -> None:
        dying = patch.object(CheckpointServer, "begin_invocation", side_effect=SystemExit("out of memory"))
        with LocalDurableTestRunner(order) as runner, dying, self.assertRaises(DurableTestError) as caught:
            runner.run({"order": 42})
        self.assertIn("out of memory", str(caught.exception))
        self.assertEqual(server_threads(), [])
        with LocalDurableTestRunner(order) as runner:
            self.assertEqual(runner.run({"order": 42}).get_status(), "SUCCEEDED")
