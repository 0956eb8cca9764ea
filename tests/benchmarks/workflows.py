"""The durable functions that are timed."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration


@durable_execution
def one_step(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: 1, name="one")


@durable_execution
def ten_steps_ten_waits(event: Any, context: DurableContext) -> Any:
    for number in range(10):
        context.step(lambda _, number=number: number, name=f"step-{number}")
        context.wait(Duration.from_hours(1), name=f"wait-{number}")
    return "done"


@durable_execution
def parallel_waits(event: Any, context: DurableContext) -> Any:
    def branch(seconds: int) -> Any:
        return lambda child: child.wait(Duration.from_seconds(seconds))

    context.parallel([branch(seconds) for seconds in (1, 60, 3600, 7200)], name="waits")
    return "done"


@durable_execution
def many_steps(event: Any, context: DurableContext) -> Any:
    for number in range(event):
        context.step(lambda _, number=number: number, name=f"step-{number}")
    return event
