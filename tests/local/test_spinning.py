"""Handlers that are given up while they compute: they end, or are told of, and no lock of a library is lost."""

from __future__ import annotations

import logging
import sys
import threading
import unittest
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event
from typing import Any

import freezegun.api
from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import HandlerStillRunsWarning, HandlerStuckError, LocalDurableTestRunner
from durabletest.local.handler_threads import invoker_thread_of
from durabletest.local.invoker_thread import LoopEnder

observed = type(sys.gettrace()).__name__ not in ("NoneType", "CTracer")


def for_ever(_: Any) -> None:
    number = 0
    while True:
        number += 1


def over_an_endless_iterator(_: Any) -> None:
    for _number in count():
        pass


def with_calls_in_between(_: Any) -> None:
    event = Event()
    while True:
        event.is_set()


def in_a_pool(_: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(for_ever, None).result()


@durable_execution
def computing(event: str, context: DurableContext) -> Any:
    return context.step(LOOPS[event], name="loop") if event else context.step(lambda _: 1, name="one")


LOOPS: dict[str, Callable[[Any], None]] = {
    "a loop": for_ever,
    "an iterator": over_an_endless_iterator,
    "calls": with_calls_in_between,
    "a pool": in_a_pool,
}


LOOP = """
try:
    begun.set()
    for _ in iter(stop.__len__, 1):
        pass
    ends.append("went on")
except SystemExit:
    ends.append("ended")
"""


def families() -> list[threading.Thread]:
    """The threads that still run code of handlers."""
    return [thread for thread in threading.enumerate() if invoker_thread_of(thread) is not None]


def end_threads(go: Event) -> None:
    """What the SDK says when it ends late is of no interest."""
    logging.disable()
    try:
        go.set()
        for thread in families():
            thread.join(5)
    finally:
        logging.disable(logging.NOTSET)


@unittest.skipIf(observed, "a debugger or a measurement of coverage runs on top of every loop")
class LoopTests(unittest.TestCase):
    def setUp(self) -> None:
        self.before = families()

    def give_up(self, event: str) -> None:
        with LocalDurableTestRunner(computing, watchdog=0.1) as runner, self.assertRaises(HandlerStuckError):
            runner.run(event)

    def test_a_loop_of_the_authors_ends_when_its_handler_is_given_up(self) -> None:
        for event in LOOPS:
            with self.subTest(event):
                self.give_up(event)
                self.assertEqual(families(), self.before)

    def test_the_tool_that_shows_the_clock_goes_on(self) -> None:
        """Its loops are in the SDK's threads, too, which have to wake those of the handler before they end."""
        for file, end in ((__file__, "ended"), (freezegun.api.__file__, "went on")):
            with self.subTest(file):
                names: dict[str, Any] = {"begun": Event(), "stop": list[int](), "ends": list[str]()}
                thread = threading.Thread(target=exec, args=(compile(LOOP, file, "exec"), names))
                thread.start()
                names["begun"].wait()
                ender = LoopEnder()
                for _ in range(20):
                    ender.end([thread])
                    Event().wait(0.001)
                names["stop"].append(1)
                thread.join(5)
                self.assertEqual(names["ends"], [end])

    def test_it_takes_nothing_from_the_runs_after_it(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        for _ in range(10):
            self.give_up("a loop")
            with LocalDurableTestRunner(computing, watchdog=5) as runner:
                self.assertEqual(runner.run("").get_result(), 1)
        with ThreadPoolExecutor(2) as pool:
            self.assertEqual(list(pool.map(abs, [-1, -2])), [1, 2])


class ToldTests(unittest.TestCase):
    def test_a_loop_that_catches_its_end_is_told_of(self) -> None:
        stop = Event()

        def stubborn(_: Any) -> None:
            while not stop.is_set():
                try:
                    for _number in numbers():
                        pass
                except SystemExit:
                    continue

        def numbers() -> Iterator[int]:
            while not stop.is_set():
                yield 1

        self.addCleanup(end_threads, stop)
        handler = durable_execution(lambda event, context: context.step(stubborn, name="loop"))
        with (
            self.assertWarnsRegex(
                HandlerStillRunsWarning, r"(?s)^a handler that was given up still runs, .*in stubborn"
            ),
            LocalDurableTestRunner(handler, watchdog=0.1) as runner,
            self.assertRaises(HandlerStuckError),
        ):
            runner.run()

    def test_one_that_blocks_is_not(self) -> None:
        go = Event()
        self.addCleanup(end_threads, go)
        handler = durable_execution(lambda event, context: context.step(lambda _: go.wait(), name="block"))
        with (
            warnings.catch_warnings(),
            LocalDurableTestRunner(handler, watchdog=0.1) as runner,
        ):
            warnings.simplefilter("error")
            with self.assertRaises(HandlerStuckError):
                runner.run()


if __name__ == "__main__":
    unittest.main()
