"""Durable functions that several requirements are shown with."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    Duration,
    JitterStrategy,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy

ONCE = StepConfig(retry_strategy=RetryPresets.none())
A_MINUTE_LATER = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(
            max_attempts=3,
            initial_delay=Duration.from_minutes(1),
            backoff_rate=1.0,
            jitter_strategy=JitterStrategy.NONE,
        )
    )
)


class CardDeclined(Exception):
    """What the bank says."""


def charging(declines: int) -> Any:
    """A step that is declined so many times before it gives a receipt."""

    def charge(step: StepContext) -> str:
        if step.attempt <= declines:
            raise CardDeclined(f"declined {step.attempt} times")
        return "receipt"

    return charge


@durable_execution
def order(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """A step that may be retried, a wait of an hour, a step."""
    receipt = context.step(charging(event.get("declines", 0)), name="charge", config=A_MINUTE_LATER)
    context.wait(Duration.from_hours(1), name="cool-down")
    context.step(lambda _: event["order"], name="ship")
    return {"order": event["order"], "receipt": receipt}


@durable_execution
def failing(event: Any, context: DurableContext) -> None:
    """A step that fails once and for all."""
    context.step(charging(1), name="charge", config=ONCE)


@durable_execution
def approval(event: Any, context: DurableContext) -> Any:
    """A callback that times out after a day, or after an hour without heartbeats."""
    config = CallbackConfig(timeout=Duration.from_days(1), heartbeat_timeout=Duration.from_hours(1))
    return context.create_callback(name="approval", config=config).result()


@durable_execution
def unlimited(event: Any, context: DurableContext) -> Any:
    """A callback without any timeout."""
    return context.create_callback(name="approval").result()


@durable_execution
def everything(event: Any, context: DurableContext) -> Any:
    """One operation of each type; ``double`` is the function that it invokes."""

    def in_a_context(child: DurableContext) -> int:
        return child.step(lambda _: 3, name="inner")

    step = context.step(lambda _: 1, name="step")
    context.wait(Duration.from_seconds(30), name="wait")
    answer = context.create_callback(name="callback").result()
    invoked = context.invoke("double", 21, name="invoke")
    child = context.run_in_child_context(in_a_context, name="context")
    return [step, answer, invoked, child]


def double(event: int, context: Any) -> int:
    """A plain function."""
    return event * 2
