"""Runs a workflow that is given as data with the SDK, on durabletest, and reads what happened from the histories."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import LocalDurableTestRunner, TestResult
from tests.simulation.model import RETRY_DUE, Event
from tests.simulation.workflows import (
    Action,
    Body,
    Callback,
    Caught,
    Child,
    Invoke,
    Parallel,
    Policy,
    Retry,
    Step,
    Wait,
)

Seen = tuple[int, str, str, str]
"""Seconds, execution, path and type of an event: what is compared of it."""


Placed = tuple[str, str, str]
"""Execution, path and type of an event, where it is the order that counts."""
_BRANCH = re.compile(r".*/parallel-branch-\d+(?=/|$)")
"""The branch that an operation is in, of those inside of each other the innermost one."""


def predicted_in_order(predicted: Iterable[Event]) -> list[Placed]:
    """The events of a prediction that histories hold, as the model gives them: in order for each thread."""
    return [(event.execution, event.path, event.kind) for event in predicted if event.kind != RETRY_DUE]


def recorded(predicted: Iterable[Event]) -> list[Seen]:
    """The events of a prediction that histories hold, in order of time."""
    return sorted((event.at, event.execution, event.path, event.kind) for event in predicted if event.kind != RETRY_DUE)


# --- running ---------------------------------------------------------------------------------------------------------


def durable(body: Body) -> Callable[..., Any]:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return perform(body, context)

    return handler


def perform(body: Body, context: DurableContext) -> list[Any]:
    return [perform_action(action, context) for action in body]


def perform_action(action: Action, context: DurableContext) -> Any:
    match action:
        case Caught():
            try:
                return perform_action(action.action, context)
            except Exception:
                return "caught"
        case Wait():
            context.wait(Duration.from_seconds(action.seconds), name=action.name)
            return "waited"
        case Step():
            return context.step(lambda _: action.name, name=action.name)
        case Retry():
            return context.step(attempt(action), name=action.name, config=retrying(action.delays))
        case Callback():
            return context.create_callback(name=action.name, config=callback_config(action)).result()
        case Child():
            return context.run_in_child_context(lambda child: perform(action.body, child), name=action.name)
        case Invoke():
            return context.invoke(action.name, None, name=action.name)
        case Parallel():
            return perform_parallel(action, context)


def attempt(action: Retry) -> Callable[[Any], str]:
    def call(step: Any) -> str:
        if step.attempt <= len(action.delays) or action.fails:
            raise ConnectionError(f"attempt {step.attempt}")
        return action.name

    return call


def retrying(delays: tuple[int, ...]) -> StepConfig:
    def decide(error: Exception, attempts: int) -> RetryDecision:
        again = attempts <= len(delays)
        return RetryDecision(again, Duration.from_seconds(delays[attempts - 1] if again else 0))

    return StepConfig(retry_strategy=decide)


def callback_config(action: Callback) -> CallbackConfig:
    return CallbackConfig(
        timeout=Duration.from_seconds(action.timeout),
        heartbeat_timeout=Duration.from_seconds(action.heartbeat_timeout or 0),
    )


def perform_parallel(action: Parallel, context: DurableContext) -> list[Any]:
    def branch(body: Body) -> Callable[[DurableContext], Any]:
        return lambda child: perform(body, child)

    config = ParallelConfig(completion_config=completion(action.policy))
    batch = context.parallel([branch(body) for body in action.branches], name=action.name, config=config)
    succeeded, failed = ([item.index for item in items] for items in (batch.succeeded(), batch.failed()))
    return list(action.policy.decided_by(succeeded, failed))


def completion(policy: Policy) -> CompletionConfig:
    if policy.min_successful is None and policy.tolerated_failures is None:
        return CompletionConfig.all_completed()
    return CompletionConfig(min_successful=policy.min_successful, tolerated_failure_count=policy.tolerated_failures)


# --- the world around ------------------------------------------------------------------------------------------------


def prepare(body: Body, runner: LocalDurableTestRunner) -> None:
    """Script the callbacks of a workflow, and register the functions that it invokes."""
    for action in body:
        match action:
            case Caught():
                prepare((action.action,), runner)
            case Callback():
                script(action, runner)
            case Child():
                prepare(action.body, runner)
            case Invoke():
                runner.register_durable_function(action.name, durable(action.body))
                prepare(action.body, runner)
            case Parallel():
                for branch in action.branches:
                    prepare(branch, runner)
            case _:
                pass


def script(action: Callback, runner: LocalDurableTestRunner) -> None:
    """An answer ends the heartbeats; not every callback is reached, and not every answer in time."""
    answers = runner.on_callback(action.name, optional=True)
    beats = action.beats if action.answer is None else min(action.beats, action.answer // action.every)
    if beats:
        answers.heartbeat(every=action.every, times=beats)
    if action.answer is None:
        answers.never()
    elif action.succeeds:
        answers.succeed("answer", after=action.answer)
    else:
        answers.fail("Refused", "no", after=action.answer)


# --- reading ---------------------------------------------------------------------------------------------------------


def histories(result: TestResult, runner: LocalDurableTestRunner) -> dict[str, list[dict[str, Any]]]:
    """The histories of an execution and of all that it has invoked, by the name of the invoke."""
    found = {"": result.history}
    waiting = [result.history]
    while waiting:
        for event in waiting.pop():
            arn = event.get("ChainedInvokeStartedDetails", {}).get("DurableExecutionArn")
            if arn is not None:
                found[event["Name"]] = runner.execution(arn).snapshot().history
                waiting.append(found[event["Name"]])
    return found


def events(found: dict[str, list[dict[str, Any]]]) -> list[Seen]:
    """The events of those histories that the model knows of, in order of time."""
    start = found[""][0]["EventTimestamp"]
    return sorted(
        ((event["EventTimestamp"] - start) // timedelta(seconds=1), name, path, event["EventType"])
        for name, history in found.items()
        for event, path in zip(history, paths(history), strict=True)
        if event["EventType"] != "InvocationCompleted"
    )


def seen_in_order(found: dict[str, list[dict[str, Any]]]) -> list[Placed]:
    """The events of those histories that the model knows of, as they were recorded."""
    return [
        (name, path, event["EventType"])
        for name, history in found.items()
        for event, path in zip(history, paths(history), strict=True)
        if event["EventType"] != "InvocationCompleted"
    ]


def by_thread(placed: Iterable[Placed]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """What each thread of each execution did, in order; and in which order the branches of each ``parallel`` began."""
    threads: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for execution, path, kind in placed:
        branch = _BRANCH.match(path)
        threads[execution, branch[0] if branch else ""].append((path, kind))
        if branch is not None and branch[0] == path and kind == "ContextStarted":
            threads[execution, f"branches of {path.rpartition('/')[0]}"].append((path, kind))
    return dict(threads)


def paths(history: list[dict[str, Any]]) -> list[str]:
    """The path of the operation of each event; empty for those of the execution itself."""
    by_id: dict[str, str] = {}
    for event in history:
        if "Name" in event:
            outer = by_id.get(event.get("ParentId", ""), "")
            by_id[event["Id"]] = f"{outer}/{event['Name']}" if outer else event["Name"]
    return [by_id[event["Id"]] if "Name" in event else "" for event in history]


def canonical(found: dict[str, list[dict[str, Any]]]) -> list[Any]:
    """The histories in an order that does not depend on which thread came first; all else is as it was recorded.

    Left out is what comes from counters, which threads make use of in any order, and the result of a ``parallel``: see
    ``Policy.decided_by``.
    """
    return [
        (name, path, without(left_out(event), event))
        for name, history in sorted(found.items())
        for path, event in sorted(
            zip(paths(history), history, strict=True),
            key=lambda pair: (pair[1]["EventTimestamp"], pair[0], pair[1]["EventType"]),
        )
    ]


def left_out(event: dict[str, Any]) -> set[str]:
    names = {"EventId", "RequestId", "DurableExecutionArn", "CallbackId"}
    if event["EventType"] == "ExecutionStarted":
        names.add("Id")
    if event.get("SubType") == "Parallel":
        names.add("ContextSucceededDetails")
    return names


def without(names: set[str], value: Any) -> Any:
    """A copy of a dictionary without those keys, at any depth."""
    if not isinstance(value, dict):
        return value
    return {key: without(names, item) for key, item in value.items() if key not in names}
