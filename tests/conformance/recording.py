"""Runs the handler of a requirement locally, and keeps what came of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import Any, Self

from durabletest import ExecutionStatus, LocalDurableTestRunner, TestResult
from tests.conformance.handlers_callback import CALLBACK
from tests.conformance.handlers_child import CHILD
from tests.conformance.handlers_invoke import INVOKE
from tests.conformance.handlers_step import STEP
from tests.conformance.handlers_wait import WAIT
from tests.conformance.placeholders import fill
from tests.conformance.requirements import Requirement, requirement
from tests.conformance.scenario import PATIENCE, WORLD, Scenario, Scenarios

SCENARIOS: dict[str, Scenarios] = {"step": STEP, "wait": WAIT, "child": CHILD, "callback": CALLBACK, "invoke": INVOKE}

AT_ONCE = timedelta(milliseconds=1)
"""How long the outside world takes at least; nobody answers in the instant in which a callback is created."""


@dataclass(frozen=True)
class Recording:
    """One execution of a requirement's handler.

    ``history`` is what the Lambda API answers with, ``tested`` what tests are given; ``outcome`` is what the handler
    returned, None if it did not.
    """

    requirement: Requirement
    status: ExecutionStatus
    outcome: Any
    history: list[dict[str, Any]]
    tested: list[dict[str, Any]]
    logs: list[str]
    effects: Mapping[str, int]
    expected_effects: Mapping[str, int]


class LogStream(logging.Handler):
    """Keeps the lines that a function with the log level INFO would write to its log stream."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("[%(levelname)s]\t%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._level_before = root.level
        root.setLevel(logging.INFO)
        root.addHandler(self)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level_before)


@cache
def record(suite: str, number: str) -> Recording:
    """Run a requirement's handler, once in a process."""
    return run(requirement(suite, number), SCENARIOS[suite][number])


def run(wanted: Requirement, scenario: Scenario) -> Recording:
    """Run a handler with what the requirement and the scenario say."""
    WORLD.begin_anew()
    functions = scenario.durable_functions
    with LogStream() as log, LocalDurableTestRunner(scenario.handler, durable_functions=functions) as runner:
        for action in wanted.actions:
            script(runner, action)
        result = _executed(runner, wanted, scenario)
        return Recording(
            requirement=wanted,
            status=result.get_status(),
            outcome=result.get_result() if result.get_status() is ExecutionStatus.SUCCEEDED else None,
            history=_history(runner.client, result.arn),
            tested=result.history,
            logs=log.lines,
            effects=dict(WORLD.effects),
            expected_effects=_named(scenario.effects, wanted.variables),
        )


def _executed(runner: LocalDurableTestRunner, wanted: Requirement, scenario: Scenario) -> TestResult:
    """To the end; where the requirement names no end, only until the function waits."""
    execution = runner.start(wanted.input)
    scenario.meanwhile(execution)
    if wanted.status is not None:
        return execution.result(PATIENCE)
    execution.advance(timedelta(0))
    return execution.snapshot()


def _history(client: Any, arn: str) -> list[dict[str, Any]]:
    """All events, page by page."""
    request = {"DurableExecutionArn": arn, "IncludeExecutionData": True}
    page = client.get_durable_execution_history(**request)
    events = list(page["Events"])
    while "NextMarker" in page:
        page = client.get_durable_execution_history(**request, Marker=page["NextMarker"])
        events += page["Events"]
    return events


def _named(effects: Mapping[str, int], variables: Mapping[str, str]) -> dict[str, int]:
    """Effects may be named after the variables of the requirement."""
    return {fill(name, variables): count for name, count in effects.items()}


def script(runner: LocalDurableTestRunner, action: Mapping[str, Any]) -> None:
    """Have a callback answered; the payload of a success is sent as JSON."""
    delay = max(timedelta(seconds=action.get("Delay", 0)), AT_ONCE)
    _ACTIONS[action["Operation"]](runner.on_callback(action["CallbackName"]), action.get("Payload"), delay)


_ACTIONS: dict[str, Callable[[Any, Any, timedelta], Any]] = {
    "success": lambda script, payload, delay: script.succeed(json.dumps(payload), after=delay),
    "failure": lambda script, payload, delay: script.fail(payload["ErrorType"], payload["ErrorMessage"], after=delay),
    "heartbeat": lambda script, payload, delay: script.heartbeat(every=delay),
}
