"""The watchdog: how long nothing may happen, what counts as something, and who has to be blocked for that."""

from __future__ import annotations

import os
import time
import unittest
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import (
    DurableTestCase,
    ExecutionStuckError,
    LocalDurableTestRunner,
    WaitingStatus,
)

monotonic = [time.monotonic]
"""In a list, where a tool that freezes time does not look for it."""
PATIENCE = 0.5
"""Real seconds; short, and long enough for a machine that is busy."""


@durable_execution
def working(event: dict[str, float], context: DurableContext) -> str:
    """Steps that take their real time."""
    for number in range(int(event["steps"])):
        context.step(lambda _: time.sleep(event["seconds"]), name=f"step {number}")
    return "done"


class ProgressTests(DurableTestCase):
    handler = working
    watchdog = PATIENCE

    def test_a_handler_that_goes_on_step_by_step_may_take_longer_than_that(self) -> None:
        began = monotonic[0]()
        self.execute({"steps": 5, "seconds": PATIENCE / 4})
        self.assertExecution().succeeded("done")
        self.assertGreater(monotonic[0]() - began, PATIENCE)


@durable_execution
def asking(event: Any, context: DurableContext) -> Any:
    return context.wait_for_callback(lambda *_: None, name="approval")


class BlockedThreadsTests(DurableTestCase):
    """A run is stuck when nothing can move it; as long as a thread that follows it is free, that one can."""

    handler = asking
    watchdog = PATIENCE

    def test_a_thread_that_follows_the_execution_and_is_free_may_still_answer(self) -> None:
        execution = self.start()
        approval = execution.operation("approval")
        approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        execution.advance(timedelta(0))
        completed, given_up = approval.wait_for_data(WaitingStatus.COMPLETED), Event()
        completed.add_done_callback(lambda _: given_up.set())
        self.assertFalse(given_up.wait(PATIENCE / 4), "it was given up, although this thread is free to answer")
        approval.send_callback_success("yes")
        self.assertEqual(completed.result(timeout=5).status, "SUCCEEDED")
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")

    def test_once_it_waits_itself_nobody_is_left_who_could(self) -> None:
        execution = self.start()
        began = monotonic[0]()
        with self.assertRaisesRegex(ExecutionStuckError, "'approval'"):
            execution.operation("approval").wait_for_data(WaitingStatus.COMPLETED).result(timeout=30)
        with self.assertRaisesRegex(ExecutionStuckError, "'approval'"):
            execution.result(timeout=30)
        self.assertLess(monotonic[0]() - began, 20)

    def test_one_that_lives_and_never_answers_is_not_waited_for_longer_than_that(self) -> None:
        execution = self.start()
        followed, over = Event(), Event()

        def follow() -> None:
            execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
            followed.set()
            over.wait(20)

        thread = Thread(target=follow)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(over.set)
        self.assertTrue(followed.wait(5))
        with self.assertRaisesRegex(ExecutionStuckError, "'approval'"):
            execution.result(timeout=10)


class Ending:
    """A handler of which one branch ends its process, the first time, while another one is blocked."""

    def __init__(self, end: Callable[[], object]) -> None:
        self.ends = [end]
        self.blocked, self.released = Event(), Event()

    def __call__(self, event: Any, context: Any) -> Any:
        return self._run(event, context)

    @property
    def _run(self) -> Any:
        def end(_: Any) -> str:
            if self.ends:
                self.blocked.wait(5)
                self.ends.pop()()
            return "went on"

        def block(_: Any) -> str:
            if self.ends:
                self.blocked.set()
                self.released.wait(60)
            return "went on"

        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            branches = [lambda child: child.step(end, name="end"), lambda child: child.step(block, name="block")]
            return context.parallel(branches, name="both").get_results()

        return handler


class CrashTests(unittest.TestCase):
    def test_a_branch_that_is_blocked_beside_a_crash_is_left_behind_long_before_the_watchdog(self) -> None:
        handler = Ending(lambda: os._exit(3))
        self.addCleanup(handler.released.set)
        began = monotonic[0]()
        with LocalDurableTestRunner(handler, watchdog=30) as runner:
            result = runner.run()
            handler.released.set()
        self.assertEqual(result.get_result(), ["went on", "went on"])
        self.assertIn("exit status 3", str(result.get_invocations()[0].error))
        self.assertLess(monotonic[0]() - began, 20)

    def test_a_process_ends_once_with_the_status_of_its_first_exit(self) -> None:
        exits = [3, 4]

        @durable_execution
        def handler(event: Any, context: DurableContext) -> str:
            def end(_: Any) -> str:
                if exits:
                    try:
                        os._exit(exits.pop(0))
                    finally:
                        os._exit(exits.pop(0))
                return "went on"

            return context.step(end, name="end")

        with LocalDurableTestRunner(handler) as runner:
            result = runner.run()
        self.assertEqual(result.get_result(), "went on")
        errors = [invocation.error for invocation in result.get_invocations()]
        self.assertRegex(str(errors[0]), "exit status 3$")
        self.assertEqual(errors[1:], [None])


class SleepTests(unittest.TestCase):
    def test_a_handler_that_sleeps_in_virtual_time_may_sleep_for_longer_than_that_while_nobody_waits(self) -> None:
        """As long as the test holds it, that is: here it does nothing for longer than the watchdog's patience."""
        asleep = Event()

        @durable_execution
        def handler(event: Any, context: DurableContext) -> str:
            asleep.set()
            time.sleep(600)
            return "rested"

        with LocalDurableTestRunner(handler, watchdog=PATIENCE, skip_sleep=True) as runner:
            execution = runner.start()
            self.assertTrue(asleep.wait(5))
            Event().wait(PATIENCE * 1.5)
            self.assertEqual(execution.result(timeout=5).get_result(), "rested")
