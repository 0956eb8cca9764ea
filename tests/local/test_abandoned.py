"""Handlers that are given up while they run: whatever they were doing, the next one runs, and nothing is printed."""

from __future__ import annotations

import contextlib
import io
import threading
import time
import unittest
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import HandlerStuckError, LocalDurableTestRunner
from durabletest.local.handler_threads import invoker_thread_of
from durabletest.local.server.checkpoint_server import CheckpointServer

ROUNDS = 60


@durable_execution
def busy(event: Any, context: DurableContext) -> int:
    for number in range(3):
        context.step(lambda _, number=number: number)
    return 3


class Polling:
    """Waits for a time that does not come, since the clock stands still while it runs."""

    def __init__(self) -> None:
        self.ended = Event()

    def __call__(self, event: Any, context: Any) -> None:
        end = datetime.now(UTC) + timedelta(seconds=1)
        try:
            while datetime.now(UTC) < end:
                time.time()
        finally:
            self.ended.set()


class AbandonedTests(unittest.TestCase):
    def setUp(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)

    def test_runners_that_are_closed_at_any_moment_of_a_handler(self) -> None:
        printed = io.StringIO()
        with contextlib.redirect_stderr(printed):
            for _ in range(ROUNDS):
                with LocalDurableTestRunner(busy) as runner:
                    runner.start()
                with LocalDurableTestRunner(busy, watchdog=10) as runner:
                    self.assertEqual(runner.run().get_result(), 3)
        self.assertEqual(printed.getvalue(), "")

    def test_a_handler_that_polls_the_clock_is_ended(self) -> None:
        polling = Polling()
        runner = LocalDurableTestRunner(durable_execution(polling), watchdog=0.2)
        self.addCleanup(runner.close)
        with self.assertRaises(HandlerStuckError):
            runner.run()
        self.assertTrue(polling.ended.wait(5))


def handler_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if invoker_thread_of(thread) is not None}


class NothingLeftTests(unittest.TestCase):
    def test_no_thread_of_a_handler_is_left_when_the_environment_ends(self) -> None:
        before = handler_threads()
        with LocalDurableTestRunner(busy) as runner:
            runner.start()
        self.assertLessEqual(handler_threads(), before)

    def test_what_is_due_when_the_environment_ends_does_not_begin(self) -> None:
        began: list[Any] = []
        sleeps = Event()

        @durable_execution
        def sleeping(event: Any, context: DurableContext) -> None:
            began.append(event)
            sleeps.set()
            time.sleep(3600)

        before = handler_threads()
        with LocalDurableTestRunner(sleeping, skip_sleep=True) as runner:
            runner.start(1)
            runner.start(2)
            self.assertTrue(sleeps.wait(5))
            environment = runner._session.environment
            orchestrator, server = environment.orchestrator, environment.server
            # As ``stop`` does, but that nothing else arrives before the orchestrator looks what is due.
            server.post_here(partial(orchestrator._inbox.messages.append, orchestrator._stop))
            server.call(CheckpointServer.executions_of, 1)
        self.assertEqual(began, [1])
        self.assertLessEqual(handler_threads(), before)
