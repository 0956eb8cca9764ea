"""Whenever a run is interrupted or terminated, no execution is left running in the cloud."""

from __future__ import annotations

import json
import signal
import sys
import threading
import unittest
from collections import Counter
from collections.abc import Mapping
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from threading import Event, Timer
from typing import Any
from unittest import mock

from durabletest import Execution, ExecutionStatus
from durabletest.cloud.stopping import TEST_ENDED, stop_with_children
from durabletest.serve.rest_json import ApiCall, HttpAnswer, HttpRequest
from tests.cloud.killed import POLL_INTERVAL
from tests.cloud.killed import kill as send_signal
from tests.cloud.test_stopping import HISTORY, STOP, without_stops
from tests.cloud.workflows import approval, approvals, forgotten, grandparent, outrun, parent
from tests.effort import LONG
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase
from tests.subprocesses import StartedModule

LIST = "ListDurableExecutionsByFunction"
ANSWER = "SendDurableExecutionCallbackSuccess"
NOTHING_LISTED = faults.Rewritten(lambda page: {**page, "DurableExecutions": []})
XDIST = find_spec("xdist") is not None


@dataclass(frozen=True)
class Kill:
    """A runner of tests, and a signal to the process of the test, to the one whose worker that is, or to their group.

    A terminal sends Ctrl-C to the group, and ``timeout`` sends SIGTERM there.
    """

    runner: str
    by: signal.Signals
    target: str

    def __str__(self) -> str:
        return f"{self.runner}-{self.by.name}-{self.target}"


ALONE = [
    Kill(runner, by, target)
    for by, target in ((signal.SIGINT, "group"), (signal.SIGTERM, "process"))
    for runner in ("unittest", "pytest")
]
WITH_WORKERS = [
    Kill("xdist", by, target)
    for by, target in (
        (signal.SIGINT, "group"),
        (signal.SIGINT, "controller"),
        (signal.SIGTERM, "process"),
        (signal.SIGTERM, "controller"),
        (signal.SIGTERM, "group"),
    )
]
"""xdist says itself how it ends."""
USUAL_WITH_WORKERS = {("between two looks", "xdist-SIGINT-group"), ("stops hang", "xdist-SIGTERM-process")}


@dataclass(frozen=True)
class Moment:
    """A test and a workflow, and the request of it at which the signal arrives; without one it sends it to itself.

    The signal arrives before the request is served, or after that and before it is answered, or a little later. Its
    answer may meet a fault, and so may requests to stop.
    """

    what: str
    test: str
    workflow: Any
    operation: str = ""
    count: int = 1
    when: str = "before"
    stops: faults.Fault | None = None
    answer: faults.Fault | None = None


def hanging(answering: faults.Answering, closing: Event) -> HttpAnswer:
    """The request is answered when nobody waits any longer."""
    closing.wait()
    raise faults.DroppedConnection


MOMENTS = (
    Moment("before Invoke", "test_before_invoke", forgotten),
    Moment("Invoke has not arrived", "test_waiting", forgotten, "Invoke"),
    Moment("Invoke is not answered yet", "test_waiting", grandparent, "Invoke", when="after"),
    Moment("the first look", "test_waiting", forgotten, HISTORY),
    Moment("a look whose answer is on its way", "test_waiting", grandparent, HISTORY, 2, "after"),
    Moment("between two looks", "test_waiting", grandparent, HISTORY, 4, "later"),
    Moment("the race is over", "test_race", outrun),
    Moment("before an answer", "test_answering", approvals, ANSWER),
    Moment("an answer is on its way", "test_answering", approvals, ANSWER, when="after"),
    Moment("the test's own code", "test_own_code", grandparent),
    Moment("before the stop", "test_end", grandparent, STOP),
    Moment("the stop is not answered yet", "test_end", grandparent, STOP, when="after"),
    Moment("before the child is stopped", "test_end", grandparent, STOP, 2),
)
IN_VAIN = (
    Moment("stops are denied", "test_waiting", forgotten, HISTORY, 3, stops=faults.forbidden),
    Moment("the test's own code, and stops are denied", "test_own_code", forgotten, stops=faults.forbidden),
    Moment("stops hang", "test_waiting", forgotten, HISTORY, 3, stops=hanging),
    Moment("Invoke hangs, and the execution is listed late", "test_waiting", forgotten, "Invoke", answer=hanging),
)
"""Here executions cannot be stopped."""


def kills(number: int, moment: Moment) -> list[Kill]:
    """All that there are; in the usual run both signals, each to one runner, and to a worker of xdist at two moments.

    A stop that hangs is waited for less in workers.
    """
    if LONG:
        return [*ALONE, *(WITH_WORKERS if XDIST else [])]
    alone = [] if hanging in (moment.stops, moment.answer) else [ALONE[number % 2], ALONE[3 - number % 2]]
    return [*alone, *(kill for kill in WITH_WORKERS if XDIST and (moment.what, str(kill)) in USUAL_WITH_WORKERS)]


@unittest.skipIf(sys.platform == "win32", "signals")
class KillTests(EndpointTestCase):
    """Each moment is tried by both signals, many at once."""

    results: Mapping[str, Mapping[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.intercept = cls.serve
        cls.requests: Counter[tuple[str, str]] = Counter()
        cls.functions: dict[str, str] = {}
        cls.runs = {
            f"killed-{number}-{kill}": (moment, kill)
            for number, moment in enumerate([*MOMENTS, *IN_VAIN])
            for kill in kills(number, moment)
        }
        runs = []
        for function, (moment, kill) in cls.runs.items():
            children = {"parent": parent, "child": approval}
            plain = {"quick": lambda event, _: event}
            cls.endpoint.deploy(function, moment.workflow, durable_functions=children, functions=plain)
            how = {"runner": kill.runner, "signal": str(int(kill.by)), "target": kill.target}
            runs.append({"test": moment.test, "function": function, **how})
        process = StartedModule("tests.cloud.killed", json.dumps(runs))
        cls.addClassCleanup(process.close)
        ended = process.ended(900.0)
        assert ended.returncode == 0, ended.stderr
        cls.results = dict(zip(cls.runs, json.loads(ended.stdout), strict=True))
        cls.stopped = {request["DurableExecutionArn"] for request in cls.endpoint.log.members(STOP)}
        cls.executions = {execution.arn: execution for execution in cls.endpoint.all()}
        cls.addClassCleanup(cls.endpoint.reset)

    @classmethod
    def serve(cls, call: ApiCall, request: HttpRequest, answering: faults.Answering) -> HttpAnswer:
        """Serve a request of one of the processes, and kill it if this is the moment.

        As far as it can see, children outlast their parents.
        """
        process = request.headers["user-agent"].partition("app/")[2].partition(" ")[0]
        if call.operation == "Invoke":
            cls.functions[process] = call.members["FunctionName"].partition(":")[0]
        moment, kill = cls.runs[cls.functions[process]]
        cls.requests[process, call.operation] += 1
        now = moment.operation == call.operation and moment.count == cls.requests[process, call.operation]
        if moment.stops and call.operation == STOP:
            return moment.stops(answering, cls.endpoint.closing)
        if now and moment.when == "before":
            cls.kill(process, kill)
        answer = answering()
        if call.operation == HISTORY and answer.status == 200:
            answer = faults.Rewritten(without_stops)(lambda: answer, cls.endpoint.closing)
        if moment.answer and call.operation == LIST:
            answer = faults.Rewritten(lambda page: {**page, "DurableExecutions": []})(
                lambda: answer, cls.endpoint.closing
            )
        if now and moment.when == "after":
            cls.kill(process, kill)
        if now and moment.when == "later":
            Timer(POLL_INTERVAL / 2, cls.send, (process, kill)).start()
        return moment.answer(lambda: answer, cls.endpoint.closing) if now and moment.answer else answer

    @classmethod
    def kill(cls, process: str, kill: Kill) -> None:
        """Kill the process, and hold its request for long enough that it notices."""
        cls.send(process, kill)
        cls.endpoint.closing.wait(0.1)

    @staticmethod
    def send(process: str, kill: Kill) -> None:
        send_signal(int(process), kill.target, kill.by)

    def setUp(self) -> None:
        """Leave the endpoint as it is."""

    def test_no_execution_is_left_running(self) -> None:
        for function, (moment, kill) in self.runs.items():
            if moment in MOMENTS:
                with self.subTest(moment.what, kill=str(kill)):
                    for execution in self.started_by(function):
                        self.assertStopped(execution)
                    self.assertNotIn("may still run", self.results[function]["output"])

    def test_those_that_cannot_be_stopped_are_named(self) -> None:
        for function, (moment, kill) in self.runs.items():
            if moment in IN_VAIN:
                with self.subTest(moment.what, kill=str(kill)):
                    [execution] = self.started_by(function)
                    self.assertIs(execution.status, ExecutionStatus.RUNNING)
                    name = execution.arn.split("/")[2]
                    title = f"execution '{name}' of '{function}:live'" if moment.answer else execution.arn
                    self.assertIn(
                        f"these executions may still run, because they could not be stopped:\n  {title}: ",
                        self.results[function]["output"],
                    )

    def started_by(self, function: str) -> list[Execution]:
        started = [execution for arn, execution in self.executions.items() if f":{function}:" in arn]
        return [*started, *(child for execution in started for child in self.endpoint.descendants(execution))]

    def assertStopped(self, execution: Execution) -> None:
        """It has ended by itself, or by a request of its own: the endpoint stops children with their parents."""
        self.assertIsNot(execution.status, ExecutionStatus.RUNNING)
        if execution.status is ExecutionStatus.STOPPED:
            self.assertIn(execution.arn, self.stopped)

    def test_all_end_as_their_signals_say(self) -> None:
        for function, (moment, kill) in self.runs.items():
            if kill.runner == "xdist":
                continue
            with self.subTest(moment.what, kill=str(kill)):
                result = self.results[function]
                ends = {2 if kill.runner == "pytest" else -signal.SIGINT} if kill.by is signal.SIGINT else {-kill.by}
                if moment in IN_VAIN:  # told by an interruption, unless its report takes long
                    ends.add(2 if kill.runner == "pytest" else -signal.SIGINT)
                self.assertIn(result["code"], ends, result["output"])

    def test_there_was_something_to_stop(self) -> None:
        self.assertGreater(len(self.stopped), 2 * len(MOMENTS))


@unittest.skipIf(sys.platform == "win32", "signals")
class TerminationTests(EndpointTestCase):
    """What SIGTERM does before it ends the process, in this one, which is not ended."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("forgotten", forgotten)
        cls.endpoint.deploy("parent", parent, durable_functions={"child": approval})

    def setUp(self) -> None:
        super().setUp()
        for flag in ("_terminated", "_tried"):
            self.enterContext(mock.patch(f"durabletest.cloud.stopping.{flag}", Event()))
        self.left: list[str] | None = None
        """What still runs when the process would end."""
        self.ended = Event()
        self.enterContext(mock.patch("os.kill", self.end))

    def end(self, process: int, number: int) -> None:
        self.left = self.endpoint.running()
        self.ended.set()

    def wait_for_end(self) -> None:
        for thread in threading.enumerate():
            if thread.name == "durabletest-cloud-terminate":
                thread.join(20)

    def test_what_was_started_is_stopped(self) -> None:
        execution = self.runner("forgotten:live").start()
        self.assertEqual(self.endpoint.running(), [execution.arn])
        signal.raise_signal(signal.SIGTERM)
        self.wait_for_end()
        self.assertEqual(self.left, [])

    def test_what_was_started_by_an_invoke_without_an_answer_yet_is_stopped(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)
        self.endpoint.faults.add("Invoke", lambda answering, closing: faults.served_before(held, answering, closing))
        starting = threading.Thread(target=self.runner("forgotten:live").start)
        starting.start()
        self.addCleanup(starting.join)
        held.reached.wait(20)
        self.assertEqual(len(self.endpoint.running()), 1)
        signal.raise_signal(signal.SIGTERM)
        self.wait_for_end()
        self.assertEqual(self.left, [])
        held.release()

    def test_what_was_invoked_is_stopped_although_nobody_has_seen_that(self) -> None:
        execution = self.runner("parent:live").start()
        execution.operation("ask the child").wait_for_data().result(timeout=20)
        child = execution.operation("ask the child").get_invoke_details().child_arn
        self.endpoint.faults.always(HISTORY, faults.Rewritten(without_stops))
        self.assertEqual(stop_with_children(self.client, execution.arn, TEST_ENDED), {})
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [execution.arn, child])

    def test_a_wait_for_a_lock_is_interrupted_so_that_what_cannot_be_stopped_is_reported(self) -> None:
        execution = self.runner("forgotten:live").start()
        self.endpoint.faults.add(STOP, faults.forbidden)
        reported = Event()
        main = mock.Mock(ident=threading.main_thread().ident, join=lambda _: reported.wait(10))
        self.enterContext(mock.patch("durabletest.cloud.stopping.main_thread", return_value=main))
        output = self.enterContext(redirect_stderr(StringIO()))
        with self.assertRaises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
            self.ended.wait(20)
        self.assertFalse(self.ended.is_set())
        reported.set()
        self.wait_for_end()
        self.assertEqual(self.left, [execution.arn])
        self.assertIn(f"could not be stopped:\n  {execution.arn}: ", output.getvalue())
