"""The durable functions that are timed."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration


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


@durable_execution
def unanswered(event: Any, context: DurableContext) -> Any:
    try:
        context.create_callback(name="answer", config=CallbackConfig(timeout=Duration.from_days(1))).result()
    except Exception as error:
        return str(error)


@durable_execution
def approved(event: Any, context: DurableContext) -> Any:
    return context.wait_for_callback(lambda callback_id, _: None, name="approval")


@durable_execution
def step_wait_step(event: Any, context: DurableContext) -> Any:
    context.step(lambda _: 1, name="first")
    context.wait(Duration.from_hours(1), name="pause")
    return context.step(lambda _: 2, name="second")


@durable_execution
def a_year(event: Any, context: DurableContext) -> Any:
    """An execution lasts 366 days at most."""
    for month in range(12):
        context.wait(Duration.from_days(30), name=f"month-{month}")
    return "done"


@durable_execution
def map_over(event: Any, context: DurableContext) -> Any:
    return len(context.map(list(range(event)), lambda _, number, *__: number, name="map").get_results())


@durable_execution
def map_of_steps(event: Any, context: DurableContext) -> Any:
    def item(child: DurableContext, number: int, *_: Any) -> Any:
        return child.step(lambda _: number, name="step")

    return len(context.map(list(range(event)), item, name="map").get_results())


@durable_execution
def waits_that_differ(event: Any, context: DurableContext) -> Any:
    def branch(seconds: int) -> Any:
        return lambda child: child.wait(Duration.from_seconds(seconds))

    context.parallel([branch(seconds) for seconds in range(1, event + 1)], name="waits")
    return "done"
