"""Whenever a run is interrupted or terminated, no execution is left running in the cloud."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import unittest
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Timer
from typing import Any
from unittest import mock

from durabletest import Execution, ExecutionStatus
from durabletest.serve.rest_json import ApiCall, HttpAnswer, HttpRequest
from tests.cloud.killed import POLL_INTERVAL
from tests.cloud.test_stopping import HISTORY, STOP, without_stops
from tests.cloud.workflows import approval, approvals, forgotten, grandparent, outrun, parent
from tests.effort import LONG
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase
from tests.subprocesses import Started

ANSWER = "SendDurableExecutionCallbackSuccess"
RUNNERS = ("unittest", "pytest")
WITH_XDIST = ("Invoke is not answered yet", "between two looks") if LONG else ("between two looks",)
"""Each of its runs starts two more processes."""
XDIST = find_spec("xdist") is not None
"""Its signals are sent to its controller, and Ctrl-C to its worker, too; it says itself how it ends."""


@dataclass(frozen=True)
class Moment:
    """A test and a workflow, and the request of it at which the signal arrives; without one it sends it to itself.

    The signal arrives before the request is served, or after that and before it is answered, or a little later; where
    stops are denied, before it is served.
    """

    what: str
    test: str
    workflow: Any
    operation: str = ""
    count: int = 1
    when: str = "before"


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
    Moment("stops are denied", "test_waiting", forgotten, HISTORY, 3, "denied"),
)


@unittest.skipIf(sys.platform == "win32", "signals")
class KillTests(EndpointTestCase):
    """Each moment is tried by both signals, all at once."""

    results: Mapping[str, Mapping[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.intercept = cls.serve
        cls.requests: Counter[tuple[str, str]] = Counter()
        cls.moments: dict[str, tuple[Moment, signal.Signals, str]] = {}
        cls.functions: dict[str, str] = {}
        for number, moment in enumerate(MOMENTS):
            for other, by in enumerate((signal.SIGINT, signal.SIGTERM)):
                both = RUNNERS if LONG else [RUNNERS[(number + other) % 2]]
                for runner in [*both, *(["xdist"] if XDIST and moment.what in WITH_XDIST else [])]:
                    cls.moments[f"killed-{number}-{by.name}-{runner}"] = moment, by, runner
        runs = []
        for function, (moment, by, runner) in cls.moments.items():
            children = {"parent": parent, "child": approval}
            plain = {"quick": lambda event, _: event}
            cls.endpoint.deploy(function, moment.workflow, durable_functions=children, functions=plain)
            runs.append({"test": moment.test, "runner": runner, "function": function, "signal": str(int(by))})
        cls.enterClassContext(mock.patch("tests.subprocesses.BOUND", 180.0))  # for some thirty processes
        process = Started("-m", "tests.cloud.killed", json.dumps(runs))
        cls.addClassCleanup(process.close)
        ended = process.ended()
        assert ended.returncode == 0, ended.stderr
        cls.results = dict(zip(cls.moments, json.loads(ended.stdout), strict=True))
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
        moment, by, _ = cls.moments[cls.functions[process]]
        cls.requests[process, call.operation] += 1
        now = moment.operation == call.operation and moment.count == cls.requests[process, call.operation]
        if moment.when == "denied" and call.operation == STOP:
            return faults.forbidden(answering, cls.endpoint.closing)
        if now and moment.when in ("before", "denied"):
            cls.kill(process, by)
        answer = answering()
        if call.operation == HISTORY and answer.status == 200:
            answer = faults.Rewritten(without_stops)(lambda: answer, cls.endpoint.closing)
        if now and moment.when == "after":
            cls.kill(process, by)
        if now and moment.when == "later":
            Timer(POLL_INTERVAL / 2, cls.send, (process, by)).start()
        return answer

    @classmethod
    def kill(cls, process: str, by: signal.Signals) -> None:
        """Kill the process, and hold its request for long enough that it notices."""
        cls.send(process, by)
        cls.endpoint.closing.wait(0.1)

    @staticmethod
    def send(process: str, by: signal.Signals) -> None:
        """As a terminal sends SIGINT, and as others send SIGTERM."""
        (os.killpg if by is signal.SIGINT else os.kill)(int(process), by)

    def setUp(self) -> None:
        """Leave the endpoint as it is."""

    def test_no_execution_is_left_running(self) -> None:
        for function, (moment, by, runner) in self.moments.items():
            if moment.when != "denied":
                with self.subTest(moment.what, by=by.name, runner=runner):
                    for execution in self.started_by(function):
                        self.assertStopped(execution)
                    self.assertNotIn("may still run", self.results[function]["output"])

    def test_those_that_cannot_be_stopped_are_named(self) -> None:
        for function, (moment, by, runner) in self.moments.items():
            if moment.when == "denied":
                with self.subTest(by=by.name, runner=runner):
                    [execution] = self.started_by(function)
                    self.assertIs(execution.status, ExecutionStatus.RUNNING)
                    self.assertRegex(
                        self.results[function]["output"],
                        "these executions may still run, because they could not be stopped:\n"
                        f"  {re.escape(execution.arn)}: .*AccessDenied",
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
        for function, (moment, by, runner) in self.moments.items():
            if runner == "xdist":
                continue
            with self.subTest(moment.what, by=by.name, runner=runner):
                result = self.results[function]
                interrupted = by is signal.SIGINT or moment.when == "denied"
                expected = (2 if runner == "pytest" else -signal.SIGINT) if interrupted else -by
                self.assertEqual(result["code"], expected, result["output"])

    def test_there_was_something_to_stop(self) -> None:
        self.assertGreater(len(self.stopped), 2 * len(MOMENTS))
