"""Handler code that waits elsewhere than in the SDK: for its siblings, for other threads, for the world outside."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import subprocess
import sys
import time
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from queue import Queue
from threading import Barrier, Condition, Event, Lock, Semaphore, Thread
from threading import enumerate as enumerate_threads
from typing import Any
from unittest.mock import patch

import tenacity
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, MapConfig, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import HandlerStuckError, LocalDurableTestRunner, TestResult, sdk_threads
from durabletest.local.blocking import sight_of
from tests.leftovers import leftovers
from tests.sdk_versions import needs_turns

perf_counter = [time.perf_counter]
BOUND = 15.0
"""Real seconds that everything here takes at most, on a busy machine too; alone it is some milliseconds."""
PATIENCE = 20.0
ONCE = StepConfig(retry_strategy=RetryPresets.none())
Branch = Callable[[DurableContext], Any]


def seconds(count: int) -> Duration:
    return Duration.from_seconds(count)


def now() -> str:
    return f"{datetime.now(UTC):%H:%M:%S}"


def parallel(*branches: Branch) -> Callable[..., Any]:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.parallel(list(branches), name="all").get_results()

    return handler


def in_a_step(call: Callable[[], Any]) -> Callable[..., Any]:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.step(lambda _: call(), name="step", config=ONCE)

    return handler


class BlockingTestCase(unittest.TestCase):
    def setUp(self) -> None:
        began = perf_counter[0]()
        self.enough = Event()
        self.pool = ThreadPoolExecutor(2)
        self.addCleanup(self.nothing_is_left)
        self.addCleanup(self.pool.shutdown)
        self.addCleanup(self.enough.set)
        self.addCleanup(lambda: self.assertLess(perf_counter[0]() - began, BOUND))

    def nothing_is_left(self) -> None:
        """Threads that blocked have been let go."""
        for thread in enumerate_threads():
            if thread.name.startswith("durabletest"):
                thread.join(PATIENCE)
        self.assertEqual(leftovers(), [])

    def run_it(self, handler: Callable[..., Any], **settings: Any) -> TestResult:
        with LocalDurableTestRunner(handler, **settings) as runner:
            result = runner.run()
            self.enough.set()  # the runner would wait a moment for the end of what blocks
            return result

    def check(self, handler: Callable[..., Any], expected: Any, took: int = 0, **settings: Any) -> TestResult:
        """It returns this, after so many seconds of virtual time."""
        result = self.run_it(handler, **settings)
        self.assertEqual(result.get_result(), expected)
        events = result.history
        self.assertEqual(events[-1]["EventTimestamp"] - events[0]["EventTimestamp"], timedelta(seconds=took))
        return result


class BetweenBranchesTests(BlockingTestCase):
    def test_a_lock_that_is_held_across_a_checkpoint(self) -> None:
        lock, inside = Lock(), []

        def branch(name: str) -> Branch:
            def locked(child: DurableContext) -> str:
                with lock:
                    inside.append(f"{name} in")
                    child.step(lambda _: None, name=f"step of {name}")
                    inside.append(f"{name} out")
                return name

            return locked

        self.check(parallel(branch("a"), branch("b"), branch("c")), ["a", "b", "c"])
        self.assertEqual(inside, ["a in", "a out", "b in", "b out", "c in", "c out"])

    def test_an_event_that_a_sibling_sets(self) -> None:
        is_set = Event()

        def waits(child: DurableContext) -> Any:
            is_set.wait()
            return child.step(lambda _: now(), name="after")

        def sets(child: DurableContext) -> Any:
            child.step(lambda _: None, name="before")
            is_set.set()
            return child.step(lambda _: "set", name="then")

        self.check(parallel(waits, sets), ["00:00:00", "set"])

    def test_a_queue_between_branches(self) -> None:
        queue: Queue[int] = Queue(maxsize=1)

        def gives(child: DurableContext) -> int:
            for number in range(3):
                queue.put(child.step(lambda _, number=number: number, name=f"make {number}"))
            return 3

        def takes(child: DurableContext) -> list[int]:
            return [child.step(lambda _: queue.get(), name=f"take {number}") for number in range(3)]

        self.check(parallel(takes, gives), [[0, 1, 2], 3])

    def test_a_condition_a_semaphore_and_a_barrier(self) -> None:
        condition, full, barrier, semaphore = Condition(), Event(), Barrier(3), Semaphore(2)
        inside: list[int] = []

        def branch(number: int) -> Branch:
            def wait(child: DurableContext) -> Any:
                barrier.wait()
                with semaphore:
                    child.step(lambda _: inside.append(number), name=f"in {number}")
                with condition:
                    if len(inside) == 3:
                        full.set()
                        condition.notify_all()
                    condition.wait_for(full.is_set)
                return child.step(lambda _: number, name=f"out {number}")

            return wait

        self.check(parallel(*(branch(number) for number in range(3))), [0, 1, 2])
        self.assertEqual(sorted(inside), [0, 1, 2])

    def test_a_branch_that_waits_virtually_beside_one_that_blocks(self) -> None:
        woken = Event()

        def waits(child: DurableContext) -> str:
            child.wait(seconds(60), name="minute")
            woken.set()
            return now()

        def computes(child: DurableContext) -> str:
            child.step(lambda _: time.sleep(0.02), name="io")
            child.wait(seconds(30), name="half")
            return now()

        self.check(parallel(waits, computes), ["00:01:00", "00:00:30"], took=60)
        self.assertTrue(woken.is_set())

    @needs_turns
    def test_a_branch_that_computes_keeps_its_turn(self) -> None:
        order: list[str] = []

        def computes(child: DurableContext) -> None:
            until = perf_counter[0]() + 0.15
            while perf_counter[0]() < until:
                sum(range(100))
            order.append("computed")
            child.step(lambda _: None, name="first")

        def quick(child: DurableContext) -> None:
            order.append("quick")
            child.step(lambda _: None, name="second")

        result = self.run_it(parallel(computes, quick))
        self.assertEqual(order, ["computed", "quick"])
        names = [event["Name"] for event in result.history if event["EventType"] == "StepStarted"]
        self.assertEqual(names, ["first", "second"])


class OutsideTests(BlockingTestCase):
    def test_a_socket_between_branches(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)

        def asks(child: DurableContext) -> Any:
            ours.sendall(b"ping")
            return child.step(lambda _: ours.recv(4).decode(), name="ask")

        def answers(child: DurableContext) -> Any:
            question = child.step(lambda _: theirs.recv(4).decode(), name="listen")
            theirs.sendall(b"pong")
            return question

        self.check(parallel(asks, answers), ["pong", "ping"])

    def test_a_subprocess_and_a_real_sleep(self) -> None:
        command = [sys.executable, "-S", "-c", "print('hello')"]

        def runs(child: DurableContext) -> Any:
            return child.step(lambda _: subprocess.check_output(command, text=True), name="run")

        def sleeps(child: DurableContext) -> Any:
            child.step(lambda _: time.sleep(0.1), name="sleep")
            return now()

        self.check(parallel(runs, sleeps), ["hello\n", "00:00:00"])

    def test_others_go_on_while_a_branch_waits_for_the_world_outside(self) -> None:
        order: list[str] = []

        def sleeps(child: DurableContext) -> None:
            child.step(lambda _: time.sleep(0.3), name="sleep")
            order.append("slept")

        def quick(child: DurableContext) -> None:
            for number in range(3):
                child.step(lambda _: None, name=f"quick {number}")
            order.append("quick")

        self.run_it(parallel(sleeps, quick))
        self.assertEqual(order, ["quick", "slept"])

    def test_pools_that_were_made_in_a_step_and_at_import(self) -> None:
        def double(number: int) -> int:
            return number * 2

        def own() -> list[int]:
            with ThreadPoolExecutor(2) as pool:
                return list(pool.map(double, range(3)))

        def branch(name: str, call: Callable[[], Any]) -> Branch:
            return lambda child: child.step(lambda _: call(), name=name)

        both = parallel(branch("own", own), branch("shared", lambda: list(self.pool.map(double, range(3)))))
        self.check(both, [[0, 2, 4], [0, 2, 4]])

    def test_asyncio_in_steps(self) -> None:
        async def answer() -> list[Any]:
            await asyncio.sleep(0.001)
            return [await asyncio.to_thread(lambda: 1), await asyncio.wait_for(asyncio.to_thread(lambda: 2), 5)]

        branch: Branch = lambda child: child.step(lambda _: asyncio.run(answer()), name="run")  # noqa: E731
        self.check(parallel(branch, branch), [[1, 2], [1, 2]])

    def test_as_completed_with_a_timeout(self) -> None:
        def first() -> Any:
            return next(as_completed([self.pool.submit(lambda: "done")], timeout=5)).result()

        def too_late() -> str:
            never: Future[None] = Future()
            try:
                next(as_completed([never], timeout=0.05))
            except TimeoutError:
                return "too late"
            raise AssertionError

        self.check(in_a_step(lambda: [first(), too_late()]), ["done", "too late"])

    def test_a_thread_that_outlives_the_step_that_started_it(self) -> None:
        enough, done = Event(), Event()

        def lives() -> None:
            enough.wait(PATIENCE)
            done.set()

        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            context.step(lambda _: Thread(target=lives, daemon=True).start(), name="start")
            context.wait(seconds(60), name="wait")
            return context.step(lambda _: now(), name="end")

        self.check(handler, "00:01:00", took=60)
        self.assertFalse(done.is_set())
        enough.set()
        self.assertTrue(done.wait(PATIENCE))

    def test_a_step_that_waits_for_what_the_test_does(self) -> None:
        answered = Event()

        def waits(child: DurableContext) -> Any:
            return child.step(lambda _: answered.wait(PATIENCE), name="waits")

        def asks(child: DurableContext) -> Any:
            return child.create_callback(name="ask").result()

        with LocalDurableTestRunner(parallel(waits, asks)) as runner:
            execution = runner.start()
            execution.operation("ask").wait_for_data().result(PATIENCE)
            answered.set()
            execution.operation("waits").wait_for_data().result(PATIENCE)
            execution.operation("ask").send_callback_success("yes")
            self.assertEqual(execution.result(PATIENCE).get_result(), [True, "yes"])

    def test_generators_and_context_variables_across_steps(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

        def counting(child: DurableContext, name: str) -> Iterator[Any]:
            variable.set(name)
            for number in range(3):
                yield child.step(lambda _, number=number: f"{variable.get()}{number}", name=f"{name}{number}")

        branches: list[Branch] = [lambda child, name=name: list(counting(child, name)) for name in "ab"]  # type: ignore[misc]
        self.check(parallel(*branches), [["a0", "a1", "a2"], ["b0", "b1", "b2"]])
        self.assertEqual(variable.get(), "unset")


class SleepingTests(BlockingTestCase):
    """With ``skip_sleep``. Without turns a sleep of a branch takes real seconds, by which monotonic clocks move on."""

    @needs_turns
    def test_a_rate_limiter_that_holds_a_lock_while_it_sleeps(self) -> None:
        lock = Lock()

        def limited(_: Any) -> str:
            with lock:
                time.sleep(1)
                return now()

        branch: Branch = lambda child: child.step(limited, name="call")  # noqa: E731
        self.check(parallel(*[branch] * 4), ["00:00:01", "00:00:02", "00:00:03", "00:00:04"], took=4, skip_sleep=True)

    def test_retries_that_stop_after_a_delay(self) -> None:
        calls: list[str] = []

        @tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(5), reraise=True)
        def call() -> None:
            calls.append(now())
            raise ConnectionError("down")

        result = self.run_it(in_a_step(call), skip_sleep=True)
        self.assertEqual(calls, [f"00:00:{second:02}" for second in (0, 5, 10, 15, 20)])
        self.assertRegex(str(result.get_error()), "StepError: down")

    @needs_turns
    def test_a_deadline_by_the_monotonic_clock_around_sleeps_of_branches(self) -> None:
        def polls(number: int) -> Branch:
            def poll(_: Any) -> str:
                deadline = time.monotonic() + 10 * number
                while time.monotonic() < deadline:
                    time.sleep(5)
                return now()

            return lambda child: child.step(poll, name=f"poll {number}")

        self.check(parallel(polls(2), polls(1)), ["00:00:20", "00:00:10"], took=20, skip_sleep=True)

    def test_a_pool_made_at_import_sleeps_in_virtual_time(self) -> None:
        def nap(number: int) -> str:
            time.sleep(number)
            return now()

        self.check(
            in_a_step(lambda: list(self.pool.map(nap, [6, 7]))), ["00:00:06", "00:00:07"], took=7, skip_sleep=True
        )

    @needs_turns
    def test_time_stands_while_a_sibling_computes(self) -> None:
        def computes(_: Any) -> str:
            until = perf_counter[0]() + 0.1
            while perf_counter[0]() < until:
                sum(range(100))
            return now()

        branches: list[Branch] = [
            lambda child: child.step(lambda _: time.sleep(600), name="sleep"),
            lambda child: child.step(computes, name="compute"),
        ]
        self.check(parallel(*branches), [None, "00:00:00"], took=600, skip_sleep=True)


def quick(child: DurableContext) -> Any:
    return child.step(lambda _: None, name="quick")


class EndingTests(BlockingTestCase):
    def test_a_branch_that_blocks_for_ever(self) -> None:
        def blocks(child: DurableContext) -> Any:
            return child.step(lambda _: self.enough.wait(), name="blocks")

        with LocalDurableTestRunner(parallel(blocks, quick), watchdog=0.5) as runner:
            with self.assertRaisesRegex(HandlerStuckError, r"self\.enough\.wait\(\)"):
                runner.run()
            self.enough.set()
            self.assertEqual(runner.get_operation("quick").status, "SUCCEEDED")

    def test_a_lock_that_nobody_gives_back(self) -> None:
        lock = Lock()

        def takes(child: DurableContext) -> Any:
            lock.acquire()
            return child.step(lambda _: None, name="step")

        with LocalDurableTestRunner(parallel(takes, takes), watchdog=0.5) as runner:
            with self.assertRaisesRegex(HandlerStuckError, r"lock\.acquire"):
                runner.run()
            lock.release()

    def test_a_process_that_ends_in_one_branch_while_others_block_sleep_and_compute(self) -> None:
        ends = [lambda: os._exit(3), lambda: sys.exit(3)]
        for number, end in enumerate(ends):
            with self.subTest(number):
                self.check(self.ending(end), ["again"] * 4, took=1, skip_sleep=True)

    @needs_turns
    def test_a_process_that_ends_while_a_thread_of_the_authors_waits_for_a_checkpoint(self) -> None:
        crashes: list[int] = []
        workers: list[Thread] = []

        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            def joining(child: DurableContext) -> str:
                def work() -> None:
                    with suppress(SystemExit):  # of which pytest would complain
                        child.step(lambda _: "done", name="work")

                worker = Thread(target=work)
                workers.append(worker)
                worker.start()
                worker.join()
                return "joined"

            def crashing(child: DurableContext) -> str:
                if not crashes:
                    crashes.append(1)
                    os._exit(3)
                return "went on"

            return context.parallel([joining, crashing]).get_results()

        with LocalDurableTestRunner(handler) as runner:
            self.assertEqual(runner.run().get_result(), ["joined", "went on"])
        self.assertEqual([worker.is_alive() for worker in workers], [False, False])

    def test_an_interrupt_in_one_branch(self) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        result = self.check(self.ending(interrupt), ["again"] * 4, took=1, skip_sleep=True)
        self.assertEqual(len(result.get_invocations()), 2)
        self.assertRegex(str(result.get_invocations()[0].error), "Runtime.ExitError")

    def ending(self, end: Callable[[], Any]) -> Callable[..., Any]:
        """A handler one branch of which ends the first invocation while the other ones block, sleep and compute.

        The second one begins a second later, as Lambda tries again.
        """
        lives: list[int] = []
        self.enough.clear()

        def once(call: Callable[[], Any]) -> Branch:
            return lambda child: child.step(lambda _: call() if len(lives) == 1 else "again", name="step")

        def computes() -> None:
            number = 0
            while True:
                number += 1

        def blocks_then_ends() -> None:
            Event().wait(0.1)
            end()

        branches = [once(self.enough.wait), once(lambda: time.sleep(60)), once(blocks_then_ends), once(computes)]

        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            lives.append(1)
            return context.parallel(branches, name="all").get_results()

        return handler


class SeenTests(BlockingTestCase):
    """What a thread is seen to do from outside."""

    def seen_waiting(self, call: Callable[[], Any]) -> bool:
        thread = Thread(target=call)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)
        while (sight := sight_of(thread)) is None or sight != sight_of(thread):
            Event().wait(0.01)
        self.enough.set()
        return sight.for_thread

    def test_a_thread_that_waits_for_another_one(self) -> None:
        self.assertTrue(self.seen_waiting(self.enough.wait))

    def test_a_thread_that_starts_another_one_does_not_wait_for_it(self) -> None:
        class Slow(Thread):
            def _bootstrap(thread) -> None:  # noqa: N805
                self.enough.wait()
                super()._bootstrap()

        self.assertFalse(self.seen_waiting(Slow().start))


class FallbackTests(BlockingTestCase):
    """An SDK that lacks the places where threads can be made to take turns: they run as the system lets them."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(patch.object(sdk_threads, "can_take_turns", return_value=False))

    def test_steps_waits_and_retries_in_branches(self) -> None:
        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            def one(child: DurableContext, item: int, *_: Any) -> Any:
                child.wait(seconds(item), name="wait")
                return child.step(lambda step: 1 / (step.attempt - 1) if item == 3 else item, name="maybe")

            return context.map([3, 1, 2], one, name="all").get_results()

        result = self.run_it(handler)
        self.assertEqual(result.get_result(), [1.0, 1, 2])
        self.assertEqual(result.get_operation("all/map-item-0/maybe").attempts, 2)

    def test_virtual_sleep(self) -> None:
        branches: list[Branch] = [
            lambda child, n=n: child.step(lambda _: (time.sleep(n), now())[1], name=f"{n}")  # type: ignore[misc]
            for n in (5, 2)
        ]
        self.check(parallel(*branches), ["00:00:05", "00:00:02"], took=5, skip_sleep=True)

    def test_a_callback_that_the_test_answers(self) -> None:
        @durable_execution
        def asks(event: Any, context: DurableContext) -> Any:
            return context.create_callback(name="ask").result()

        with LocalDurableTestRunner(asks) as runner:
            execution = runner.start()
            execution.operation("ask").wait_for_data().result(PATIENCE)
            execution.operation("ask").send_callback_success("yes")
            self.assertEqual(execution.result(PATIENCE).get_result(), "yes")

    def test_an_event_that_a_sibling_sets(self) -> None:
        is_set = Event()

        def sets(child: DurableContext) -> Any:
            child.step(lambda _: is_set.set(), name="sets")
            return "set"

        self.check(parallel(lambda _: is_set.wait(PATIENCE), sets), [True, "set"])

    def test_the_first_one_that_succeeds(self) -> None:
        @durable_execution
        def race(event: Any, context: DurableContext) -> Any:
            def racer(child: DurableContext, item: int, *_: Any) -> int:
                child.wait(seconds(item), name="run")
                return item

            config = MapConfig(completion_config=CompletionConfig.first_successful())
            return context.map([30, 10, 20], racer, config=config, name="race").get_results()

        self.check(race, [10], took=10)
