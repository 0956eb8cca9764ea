"""The sending of checkpoints: a round at a time, in the thread that waits for it, where threads take turns."""

from __future__ import annotations

import logging
import sys
import unittest
from collections.abc import Callable
from functools import cache
from threading import Event
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.threading import OrderedLock

from durabletest import DurableTestCase, LocalDurableTestRunner
from durabletest.local.server.worker import CheckpointWorkerManager
from tests.sdk_versions import needs_turns

BOUND = 10.0
Branch = Callable[[DurableContext], Any]


def when_sending(test: unittest.TestCase, reached: Callable[[logging.LogRecord], None]) -> None:
    """Have ``reached`` called in the thread that sends a batch, when the SDK's log says that it does."""

    def look(record: logging.LogRecord) -> bool:  # a filter: a handler would hold its lock meanwhile
        if record.msg.startswith("Sending"):
            reached(record)
        return False

    logger = logging.getLogger("aws_durable_execution_sdk_python.state")
    test.addCleanup(logger.setLevel, logger.level)
    test.addCleanup(logger.removeFilter, look)
    logger.addFilter(look)
    logger.setLevel(logging.DEBUG)


@durable_execution
def one_step(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: 1, name="step")


@durable_execution
def large(event: Any, context: DurableContext) -> Any:
    """The SDK sends at most 750 kB at once: the results of two steps that end together do not fit."""

    def branch(name: str) -> Branch:
        return lambda child: len(child.step(lambda _: name * 400_000, name=name))

    return context.parallel([branch("a"), branch("b")]).get_results()


def calling(depth: int, context: DurableContext) -> Any:
    """Call itself until the stack is full, and then try a step on each level, from the top."""
    try:
        return calling(depth + 1, context)
    except RecursionError:
        return context.step(lambda _: 1, name="step")


@cache
def calling_through_c(depth: int, context: DurableContext) -> Any:
    """As ``calling``; before Python 3.12 the calls of C functions in between take room, too."""
    try:
        return calling_through_c(depth + 1, context)
    except RecursionError:
        return context.step(lambda _: 1, name="step")


def deep(depth: int, context: DurableContext) -> Any:
    """Steps and a wait under so many frames of the author's."""
    if depth:
        return deep(depth - 1, context)
    first = context.step(lambda _: 1, name="first")
    context.wait(Duration.from_seconds(5), name="wait")
    return first + context.step(lambda _: 1, name="second")


@durable_execution
def recursive(event: Any, context: DurableContext) -> Any:
    return deep(event, context)


@durable_execution
def many_steps(event: int, context: DurableContext) -> Any:
    return sum(context.step(lambda _, number=number: number, name=f"step {number}") for number in range(event))


send = CheckpointWorkerManager.send


class RoundTests(DurableTestCase):
    handler = one_step

    @needs_turns
    def test_a_run_needs_few_requests_of_the_servers_thread(self) -> None:
        """What the handler asks is answered in its own threads, but for what comes while the server's is at work."""
        asked: list[str] = []

        def noting(server: CheckpointWorkerManager, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
            asked.append(method.__name__)
            return send(server, method, *arguments, **named)

        with LocalDurableTestRunner(many_steps) as runner, patch.object(CheckpointWorkerManager, "send", noting):
            self.assertEqual(runner.run(20).get_result(), 190)
        self.assertLess(asked.count("checkpoint_durable_execution"), 5)

    def test_a_handler_whose_stack_is_nearly_full_is_answered_elsewhere(self) -> None:
        for depth in range(sys.getrecursionlimit() - 300, sys.getrecursionlimit() - 54, 7):
            with self.subTest(depth), LocalDurableTestRunner(recursive) as runner:
                self.assertEqual(runner.run(depth).get_result(), 2)

    def test_a_full_stack_is_an_error_of_the_handler_and_no_harm_to_what_serves_it(self) -> None:
        for call in (calling, calling_through_c):

            @durable_execution
            def full(event: Any, context: DurableContext, call: Callable[..., Any] = call) -> Any:
                return call(0, context)

            # The SDK's own lock is held for ever by a thread whose stack was full when it took it.
            unlocked = patch.multiple(OrderedLock, __enter__=lambda lock: lock, __exit__=lambda *_: None)
            with self.subTest(call), unlocked, LocalDurableTestRunner(full) as runner:
                self.assertEqual(runner.start().result(timeout=BOUND).get_result(), 1)

    @needs_turns
    def test_checkpoints_are_sent_in_the_thread_that_waits_for_them(self) -> None:
        threads: list[str | None] = []
        when_sending(self, lambda record: threads.append(record.threadName))
        self.execute()
        self.assertEqual(threads, ["durabletest-handler-0"])


class LargeTests(DurableTestCase):
    handler = large

    def test_what_is_too_large_for_one_request_is_sent_with_the_next(self) -> None:
        self.execute()
        self.assertExecution().succeeded([400_000] * 2)


class BlockedTests(unittest.TestCase):
    """A log filter of the author's holds the sending up, until a branch lets it go on."""

    def setUp(self) -> None:
        self.sends, self.may_send = Event(), Event()
        when_sending(self, self.block)

    def block(self, record: logging.LogRecord) -> None:
        self.sends.set()
        self.assertTrue(self.may_send.wait(BOUND))

    def records(self, child: DurableContext) -> str:
        return child.step(lambda _: "recorded", name="records")

    def lets_go(self, child: DurableContext) -> str:
        self.assertTrue(self.sends.wait(BOUND))
        child.step(lambda _: self.may_send.set(), name="lets go")
        return "let go"

    def check(self, *branches: Branch) -> None:
        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            return context.parallel(list(branches)).get_results()

        with LocalDurableTestRunner(handler) as runner:
            expected = ["recorded" if branch == self.records else "let go" for branch in branches]
            self.assertEqual(runner.run().get_result(), expected)

    def test_in_the_thread_of_the_branch_that_waits_for_it(self) -> None:
        self.check(self.lets_go, self.records)

    def test_in_a_thread_of_its_own_as_the_last_one_waits_elsewhere(self) -> None:
        self.check(self.records, self.lets_go)


if __name__ == "__main__":
    unittest.main()
