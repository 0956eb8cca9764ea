"""Handlers for the requirements of the suite step."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, StepError, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy
from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from tests.conformance.scenario import WORLD, Scenarios

STEP = Scenarios()


class TransientError(Exception):
    """Something that may work the next time."""


class UppercaseSerDes(SerDes[str]):
    """Stores text in capitals."""

    def serialize(self, value: str, serdes_context: SerDesContext) -> str:
        return value.upper()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> str:
        return data


def retrying(attempts: int, delay: int = 1, rate: float = 1, only: list[type[Exception]] | None = None) -> StepConfig:
    """Retries without jitter, so that the delays are known."""
    strategy = RetryStrategyConfig(
        max_attempts=attempts,
        initial_delay=Duration.from_seconds(delay),
        backoff_rate=rate,
        jitter_strategy=JitterStrategy.NONE,
        retryable_error_types=only,
    )
    return StepConfig(retry_strategy=create_retry_strategy(strategy))


NO_RETRY = StepConfig(retry_strategy=RetryPresets.none())


@durable_step
def greet(step: StepContext, name: str) -> str:
    return f"Hello, {name}!"


@durable_step
def fail(step: StepContext) -> None:
    raise RuntimeError("this step always fails")


@durable_step
def fail_at_first(step: StepContext, failures: int, result: Any) -> Any:
    """Fails that many times, counted outside of the function."""
    if WORLD.note("attempt") <= failures:
        raise RuntimeError("not yet")
    return result


@STEP.requirement("1-1")
@durable_execution
def one_step(event: str, context: DurableContext) -> str:
    return context.step(greet(event))


@STEP.requirement("1-2")
@durable_execution
def named_step(event: str, context: DurableContext) -> str:
    return context.step(greet(event), name="custom_step_name")


@STEP.requirement("1-3")
@durable_execution
def second_step_depends_on_first(event: None, context: DurableContext) -> str:
    first = context.step(lambda _: "first")
    return context.step(lambda _: f"{first}_second")


@STEP.requirement("1-4")
@durable_execution
def nested_object(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    def build_response(_: StepContext) -> dict[str, Any]:
        return {"user": {"name": event["name"], "tags": event["tags"]}, "count": len(event["tags"])}

    return context.step(build_response)


@STEP.requirement("1-5")
@durable_execution
def nothing_returned(event: None, context: DurableContext) -> None:
    return context.step(lambda _: None)


@STEP.requirement("1-6")
@durable_execution
def uppercase_step(event: str, context: DurableContext) -> str:
    return context.step(lambda _: event, config=StepConfig(serdes=UppercaseSerDes()))


@STEP.requirement("1-7")
@durable_execution
def logging_step(event: str, context: DurableContext) -> str:
    def greet_aloud(step: StepContext) -> str:
        step.logger.info("Greeting step started for: %s", event)
        greeting = f"Hello, {event}!"
        step.logger.info("Greeting step completed with: %s", greeting)
        return greeting

    return context.step(greet_aloud)


@STEP.requirement("1-8", effects={"computed": 1})
@durable_execution
def step_then_wait(event: None, context: DurableContext) -> str:
    def compute(_: StepContext) -> str:
        WORLD.note("computed")
        return "computed"

    result = context.step(compute)
    context.wait(Duration.from_seconds(2))
    return result


@STEP.requirement("1-9", effects={"step executed": 1})
@durable_execution
def replayed_success(event: None, context: DurableContext) -> str:
    def compute(_: StepContext) -> str:
        WORLD.note("step executed")
        return "cached_value"

    result = context.step(compute)
    context.wait(Duration.from_seconds(1))
    return result


@STEP.requirement("1-10", effects={"step executed": 1, "error caught": 2})
@durable_execution
def replayed_failure(event: None, context: DurableContext) -> None:
    def break_down(_: StepContext) -> None:
        WORLD.note("step executed")
        raise RuntimeError("broken for good")

    try:
        context.step(break_down, config=NO_RETRY)
    except StepError:
        WORLD.note("error caught")
    context.wait(Duration.from_seconds(1))


@STEP.requirement("1-11", effects={"attempt": 2})
@durable_execution
def second_attempt_succeeds(event: None, context: DurableContext) -> str:
    return context.step(fail_at_first(1, "Operation succeeded"), config=retrying(3))


@STEP.requirement("1-12", effects={"attempt": 4})
@durable_execution
def attempts_exhausted(event: None, context: DurableContext) -> None:
    context.step(fail_at_first(99, None), config=retrying(4))


@STEP.requirement("1-13", effects={"attempt": 3})
@durable_execution
def default_retries(event: None, context: DurableContext) -> str:
    return context.step(fail_at_first(2, "third time lucky"))


@STEP.requirement("1-14", effects={"attempt": 3})
@durable_execution
def custom_backoff(event: None, context: DurableContext) -> str:
    return context.step(fail_at_first(2, "done"), config=retrying(5, delay=2, rate=3))


@STEP.requirement("1-15")
@durable_execution
def transient_error_is_retried(event: None, context: DurableContext) -> str:
    def connect(step: StepContext) -> str:
        if step.attempt == 1:
            raise TransientError("the line is busy")
        return "connected"

    return context.step(connect, config=retrying(3, only=[TransientError]))


@STEP.requirement("1-16")
@durable_execution
def transient_error_is_not_retried(event: None, context: DurableContext) -> None:
    def connect(_: StepContext) -> None:
        raise TransientError("the line is busy")

    context.step(connect, config=retrying(3, only=[ConnectionError]))


@durable_step
def at_most_once_flaky_step(step: StepContext, text: str, crashes: int) -> str:
    step.logger.info("at work on %s", text)
    if step.attempt <= crashes:
        os._exit(1)
    return "succeeded on second attempt"


@STEP.requirement("1-17")
@durable_execution
def interrupted_for_good(event: str, context: DurableContext) -> str:
    config = StepConfig(RetryPresets.none(), StepSemantics.AT_MOST_ONCE_PER_RETRY)
    return context.step(at_most_once_flaky_step(event, crashes=99), config=config)


@STEP.requirement("1-18")
@durable_execution
def interrupted_once(event: str, context: DurableContext) -> str:
    config = StepConfig(retrying(2).retry_strategy, StepSemantics.AT_MOST_ONCE_PER_RETRY)
    return context.step(at_most_once_flaky_step(event, crashes=1), config=config)


@STEP.requirement("1-19")
@durable_execution
def permanent_failure(event: None, context: DurableContext) -> None:
    context.step(fail(), config=NO_RETRY)


@STEP.requirement("1-20")
@durable_execution
def failure_caught(event: None, context: DurableContext) -> str:
    try:
        result = context.step(fail(), config=NO_RETRY)
    except StepError:
        result = "fallback_result"
    return context.step(lambda _: result)
