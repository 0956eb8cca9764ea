"""In real time too, what one request changes is changed at one instant; who answers requests, and in which order."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Thread, current_thread
from unittest import TestCase, mock

from durabletest import CheckpointServerError, UsageError
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager, RequestInstant
from tests.local.server.harness import Recorder

START = datetime(2026, 1, 1, tzinfo=UTC)


class RequestInstantTests(TestCase):
    def setUp(self) -> None:
        ticks = itertools.count()
        self.announced = Recorder()
        self.instant = RequestInstant(lambda: START + timedelta(milliseconds=next(ticks)))
        self.server = CheckpointWorkerManager(self.make_server, before_request=self.instant.arrive)
        self.server.start()
        self.addCleanup(self.server.stop)

    def make_server(self) -> CheckpointServer:
        return CheckpointServer(self.instant.now, self.announced)

    def test_a_wait_is_as_long_as_it_was_asked_to_be_while_the_clock_runs(self) -> None:
        arn = self.server.call(CheckpointServer.start, 1, "handler", "{}")
        token = self.server.call(CheckpointServer.begin_invocation, arn)["CheckpointToken"]
        update = {"Id": "1", "Type": "WAIT", "SubType": "Wait", "Action": "START", "WaitOptions": {"WaitSeconds": 5}}
        self.server.call(
            CheckpointServer.checkpoint_durable_execution,
            DurableExecutionArn=arn,
            CheckpointToken=token,
            Updates=[update],
        )
        history = self.server.call(CheckpointServer.events_after, arn, 0)
        [started] = [event for event in history if event["EventType"] == "WaitStarted"]
        [timer] = self.announced.timers.values()
        self.assertEqual(timer.due, started["EventTimestamp"] + timedelta(seconds=5))
        self.assertGreater(started["EventTimestamp"], history[0]["EventTimestamp"])


class Desk:
    """A server that notes who comes, in order, and in which thread."""

    def __init__(self) -> None:
        self.home = current_thread()
        self.came: list[tuple[str, Thread]] = []
        self.gate = Event()
        self.entered = Event()
        self.counted = 0

    def come(self, name: str) -> Thread:
        self.came.append((name, current_thread()))
        return current_thread()

    def block(self, name: str) -> Thread:
        self.entered.set()
        self.gate.wait(5)
        return self.come(name)

    def refuse(self, error: BaseException) -> None:
        raise error

    def count(self) -> int:
        """Lets other threads go on in the middle of a change."""
        before = self.counted
        Event().wait(1e-4)
        self.counted = before + 1
        return self.counted


class Notes:
    """A companion that counts its work, and says in how many seconds it wants to be called without a request."""

    def __init__(self) -> None:
        self.worked: list[Thread] = []
        self.seconds: float | None = None
        self.called = Event()

    def work(self) -> float | None:
        self.worked.append(current_thread())
        return self.seconds

    def time_is_up(self) -> None:
        self.seconds = None
        self.called.set()

    def end(self) -> None:
        self.seconds = None


class TakingTheServersPlaceTests(TestCase):
    def setUp(self) -> None:
        self.desk, self.notes = Desk(), Notes()
        self.server = CheckpointWorkerManager(lambda: self.desk)
        self.server.start(self.notes)
        self.addCleanup(self.server.stop)
        self.addCleanup(self.desk.gate.set)

    def until_at_rest(self) -> None:
        """After an answer the thread has some work left to do, during which it answers requests itself."""
        while self.take(Desk.come, "early") is self.server.thread:
            pass
        self.desk.came.clear()

    def take(self, method: object, *arguments: object) -> object:
        return self.server.receive(self.server.take(method, *arguments))

    def test_r13_1_a_request_that_finds_the_server_at_rest_is_answered_where_it_is_asked(self) -> None:
        self.until_at_rest()
        self.assertIs(self.take(Desk.come, "ann"), current_thread())
        self.assertIs(self.notes.worked[-1], current_thread())
        self.assertIs(self.server.call(Desk.come, "bob"), self.server.thread)

    def test_a_message_that_finds_the_server_at_rest_is_called_where_it_is_sent(self) -> None:
        self.until_at_rest()
        self.server.post_here(lambda: self.desk.come("ann"))
        self.assertEqual(self.desk.came, [("ann", current_thread())])
        self.assertIs(self.notes.worked[-1], current_thread())

    def test_a_request_waits_for_those_that_came_before_it(self) -> None:
        first = self.server.send(Desk.block, "first")
        self.assertTrue(self.desk.entered.wait(5))
        second, third = self.server.take(Desk.come, "second"), self.server.send(Desk.come, "third")
        self.server.post_here(lambda: self.desk.come("fourth"))
        self.desk.gate.set()
        for request in (first, third, second):
            self.assertIs(self.server.receive(request), self.server.thread)
        self.server.call(Desk.come, "fifth")
        self.assertEqual([name for name, _ in self.desk.came], ["first", "second", "third", "fourth", "fifth"])

    def test_others_wait_for_a_thread_that_has_taken_the_place(self) -> None:
        self.until_at_rest()
        taken = self.server.take(Desk.come, "first")
        asked = self.server.send(Desk.come, "second")
        again = self.server.take(Desk.come, "third")
        self.assertIs(self.server.receive(taken), current_thread())
        self.assertIs(self.server.receive(again), self.server.thread)
        self.assertIs(self.server.receive(asked), self.server.thread)
        self.assertEqual([name for name, _ in self.desk.came], ["first", "second", "third"])

    def test_r13_3_threads_that_take_the_place_and_threads_that_ask_do_not_lose_anything(self) -> None:
        askers, times = 4, 50
        together = Barrier(askers)

        def ask(number: int) -> list[int]:
            together.wait(5)
            requests = self.server.take if number % 2 else self.server.send
            return [self.server.receive(requests(Desk.count)) for _ in range(times)]

        with ThreadPoolExecutor(askers) as pool:
            answers = list(pool.map(ask, range(askers)))
        self.assertEqual(sorted(count for mine in answers for count in mine), list(range(1, askers * times + 1)))

    def test_who_is_in_charge_does_not_wait_for_itself(self) -> None:
        self.until_at_rest()
        self.server.post_here(lambda: self.server.call(Desk.come, "ann"))
        self.assertEqual(self.desk.came, [("ann", current_thread())])
        self.assertFalse(self.server.is_mine)
        with self.assertRaisesRegex(UsageError, "come was asked of the checkpoint server in its own thread"):
            self.take(lambda _: self.server.call(Desk.come, "bob"))
        self.assertFalse(self.server.is_mine)

    def test_a_refusal_is_raised_where_it_was_asked_for_and_the_server_goes_on(self) -> None:
        self.until_at_rest()
        refusal = ValueError("no such account")
        with self.assertRaises(ValueError) as caught:
            self.take(Desk.refuse, refusal)
        self.assertIs(caught.exception, refusal)
        self.assertIs(self.take(Desk.come, "ann"), current_thread())

    def test_r13_4_what_ends_the_thread_ends_it_wherever_it_is_raised(self) -> None:
        self.until_at_rest()
        for ask in (self.take, self.server.call):
            with self.assertRaisesRegex(CheckpointServerError, r"died of SystemExit\('out of memory'\)") as caught:
                ask(Desk.refuse, SystemExit("out of memory"))
            self.assertIsInstance(caught.exception.__cause__, SystemExit)
        self.server.thread.join(5)
        self.assertFalse(self.server.thread.is_alive())

    def test_a_thread_that_gets_the_ident_of_the_dead_one_is_not_in_charge(self) -> None:
        self.server.post(lambda: self.desk.refuse(SystemExit("out of memory")))
        self.server.thread.join(5)
        with (
            mock.patch("durabletest.local.server.worker.get_ident", return_value=self.server.thread.ident),
            self.assertRaisesRegex(CheckpointServerError, "died of SystemExit"),
        ):
            self.server.call(Desk.come, "ann")

    def test_the_thread_looks_again_as_soon_as_the_companion_wants_it_to(self) -> None:
        self.until_at_rest()
        self.notes.seconds = 0.001
        self.server.post_here(lambda: None)
        self.assertTrue(self.notes.called.wait(5))

    def test_the_thread_ends_after_the_one_that_has_taken_its_place(self) -> None:
        self.until_at_rest()
        taken = self.server.take(Desk.come, "first")
        stopping = Thread(target=self.server.stop)
        stopping.start()
        self.assertIs(self.server.receive(taken), current_thread())
        stopping.join(5)
        self.assertFalse(self.server.thread.is_alive())
        with self.assertRaisesRegex(CheckpointServerError, "was stopped"):
            self.take(Desk.come, "late")
