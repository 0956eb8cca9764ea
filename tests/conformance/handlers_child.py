"""Handlers for the requirements of the suite child."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import (
    ChildContextError,
    DurableContext,
    StepContext,
    durable_execution,
    durable_step,
    durable_with_child_context,
)
from aws_durable_execution_sdk_python.config import ChildConfig, Duration

from durabletest import Execution, WaitingStatus
from tests.conformance.handlers_step import NO_RETRY, UppercaseSerDes, fail, fail_at_first, retrying
from tests.conformance.scenario import PATIENCE, WORLD, Scenarios

CHILD = Scenarios()

LIMIT = 256 * 1024
"""The bytes that a context's result may have in its checkpoint."""


@durable_step
def echo(step: StepContext, value: Any) -> Any:
    return value


@durable_with_child_context
def echo_in_a_step(child: DurableContext, value: Any) -> Any:
    return child.step(echo(value))


@durable_with_child_context
def failing_child(child: DurableContext) -> None:
    child.step(fail(), config=NO_RETRY)


@durable_with_child_context
def step_and_wait(child: DurableContext, value: Any) -> Any:
    result = child.step(echo(value))
    child.wait(Duration.from_seconds(2))
    return result


def log_even_on_replay(child: DurableContext, text: str) -> None:
    """The durable logger keeps silent while it replays; the requirement wants to see whether code runs again."""
    child.logger.with_is_replaying(lambda: False).info("the child got %s", text)


@CHILD.requirement("3-1")
@durable_execution
def one_child(event: str, context: DurableContext) -> str:
    return context.run_in_child_context(echo_in_a_step(event))


@CHILD.requirement("3-2")
@durable_execution
def named_child(event: dict[str, str], context: DurableContext) -> str:
    return context.run_in_child_context(echo_in_a_step(event["value"]), name=event["name"])


@CHILD.requirement("3-3")
@durable_execution
def two_steps_inside(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def chain(child: DurableContext) -> str:
        return child.step(echo(child.step(echo(event))))

    return context.run_in_child_context(chain())


@CHILD.requirement("3-4")
@durable_execution
def failure_inside(event: None, context: DurableContext) -> None:
    context.run_in_child_context(failing_child())


@CHILD.requirement("3-5")
@durable_execution
def failure_inside_caught(event: str, context: DurableContext) -> str:
    try:
        context.run_in_child_context(failing_child())
    except ChildContextError:
        return context.step(echo(event), name="recover")
    raise AssertionError("the child has not failed")


@CHILD.requirement("3-6")
@durable_execution
def child_of_a_child(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def outer(child: DurableContext) -> str:
        return child.run_in_child_context(echo_in_a_step(child.step(echo(event))), name="inner")

    return context.run_in_child_context(outer())


@CHILD.requirement("3-7", effects={"attempt": 2})
@durable_execution
def retry_inside(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def flaky_child(child: DurableContext) -> str:
        return child.step(fail_at_first(1, event), config=retrying(3))

    return context.run_in_child_context(flaky_child())


@CHILD.requirement("3-8", effects={"attempt": 2})
@durable_execution
def retries_inside_exhausted(event: None, context: DurableContext) -> None:
    @durable_with_child_context
    def hopeless_child(child: DurableContext) -> None:
        child.step(fail_at_first(99, None), config=retrying(2))

    context.run_in_child_context(hopeless_child())


@CHILD.requirement("3-9", effects={"child executed": 1})
@durable_execution
def replayed_child(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def child_once(child: DurableContext) -> str:
        WORLD.note("child executed")
        return child.step(echo(event))

    result = context.run_in_child_context(child_once())
    context.wait(Duration.from_seconds(1))
    return result


@CHILD.requirement("3-10")
@durable_execution
def step_and_wait_inside(event: str, context: DurableContext) -> str:
    return context.run_in_child_context(step_and_wait(event))


@CHILD.requirement("3-11", effects={"step executed": 1})
@durable_execution
def large_result(event: str, context: DurableContext) -> dict[str, Any]:
    @durable_with_child_context
    def enlarge(child: DurableContext) -> str:
        def small_value(_: StepContext) -> str:
            WORLD.note("step executed")
            return event

        log_even_on_replay(child, event)
        return child.step(small_value) * (LIMIT // len(event) + 1)

    result = context.run_in_child_context(enlarge())
    context.wait(Duration.from_seconds(1))
    return {"length": len(result), "end": result[-len(event) :]}


def step_is_checkpointed(execution: Execution) -> None:
    """Let the handler go on once its step's start is on record."""
    execution.operation("crashing_step").wait_for_data(WaitingStatus.STARTED).result(timeout=PATIENCE)
    WORLD.checkpointed.set()


@CHILD.requirement("3-12", effects={"step executed": 2}, meanwhile=step_is_checkpointed)
@durable_execution
def child_interrupted(event: str, context: DurableContext) -> str:
    """A step's start is sent in the background: the process dies when it has arrived, and not before."""

    @durable_step
    def crashing_step(step: StepContext) -> str:
        if WORLD.note("step executed") == 1:
            if not WORLD.checkpointed.wait(PATIENCE):
                raise AssertionError("the start of the step was not checkpointed")
            os._exit(1)
        return event

    @durable_with_child_context
    def crashing_child(child: DurableContext) -> str:
        return child.step(crashing_step())

    return context.run_in_child_context(crashing_child())


@CHILD.requirement("3-13")
@durable_execution
def wait_inside_step_after(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def waiting_child(child: DurableContext) -> str:
        child.wait(Duration.from_seconds(1))
        return event

    return context.step(echo(context.run_in_child_context(waiting_child())))


@CHILD.requirement("3-14")
@durable_execution
def uppercase_child(event: str, context: DurableContext) -> str:
    return context.run_in_child_context(echo_in_a_step(event), config=ChildConfig(serdes=UppercaseSerDes()))


@CHILD.requirement("3-15")
@durable_execution
def error_without_a_step(event: None, context: DurableContext) -> None:
    @durable_with_child_context
    def broken_child(child: DurableContext) -> None:
        raise RuntimeError("broken without a step")

    context.run_in_child_context(broken_child())


@CHILD.requirement("3-16")
@durable_execution
def nothing_returned(event: None, context: DurableContext) -> None:
    @durable_with_child_context
    def empty_child(child: DurableContext) -> None:
        return None

    return context.run_in_child_context(empty_child())


@CHILD.requirement("3-17")
@durable_execution
def logging_child(event: str, context: DurableContext) -> str:
    @durable_with_child_context
    def log_only(child: DurableContext) -> str:
        log_even_on_replay(child, event)
        return event

    result = context.run_in_child_context(log_only())
    context.wait(Duration.from_seconds(1))
    return result


@CHILD.requirement("3-18")
@durable_execution
def step_and_wait_inside_and_after(event: str, context: DurableContext) -> str:
    result = context.run_in_child_context(step_and_wait(event))
    result = context.step(echo(result))
    context.wait(Duration.from_seconds(2))
    return result
