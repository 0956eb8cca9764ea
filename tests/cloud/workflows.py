"""The durable functions that the tests of the cloud runner deploy."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    ParallelConfig,
    WaitForCallbackConfig,
)


@durable_execution
def order(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Four invocations and a good dozen events."""
    context.step(lambda _: "reserved", name="reserve")
    context.wait(Duration.from_hours(1), name="cool-down")
    context.step(lambda _: "charged", name="charge")
    context.wait(Duration.from_hours(2), name="second thoughts")
    return {"parcel": context.step(lambda _: f"parcel {event['order']}", name="pack")}


@durable_execution
def forgotten(event: Any, context: DurableContext) -> str:
    """Waits for an answer that nobody has to give, as long as an execution can."""
    return context.create_callback(name="approval").result()


@durable_execution
def bulky(event: Any, context: DurableContext) -> str:
    """Forty results of 50 kB, then a callback."""
    for _ in range(40):
        context.step(lambda _: "x" * 50_000, name="copy")
    return context.create_callback(name="approval").result()


@durable_execution
def approval(event: Any, context: DurableContext) -> str:
    """Asks by way of a submitter, and for a day only."""
    config = WaitForCallbackConfig(timeout=Duration.from_hours(24))
    return context.wait_for_callback(lambda callback_id, _: None, name="approval", config=config)


@durable_execution
def approvals(event: Any, context: DurableContext) -> list[str]:
    """Asks twice under one name."""
    return [context.create_callback(name="approval").result() for _ in range(2)]


@durable_execution
def lively(event: Any, context: DurableContext) -> str:
    """Wants a sign of life every ten minutes."""
    config = CallbackConfig(timeout=Duration.from_hours(24), heartbeat_timeout=Duration.from_minutes(10))
    return context.create_callback(name="upload", config=config).result()


@durable_execution
def parent(event: Any, context: DurableContext) -> str:
    """Invokes a function that waits for a callback."""
    return f"the child says {context.invoke('child', event, name='ask the child')}"


@durable_execution
def grandparent(event: Any, context: DurableContext) -> str:
    """Invokes one that invokes another."""
    return context.invoke("parent", event, name="ask the parent")


@durable_execution
def race(event: Any, context: DurableContext) -> str:
    """Ends while what it has invoked goes on."""
    branches = [
        lambda branch: branch.invoke("child", event, name="ask the child"),
        lambda branch: branch.wait(Duration.from_seconds(1), name="enough"),
    ]
    context.parallel(branches, name="race", config=ParallelConfig(completion_config=CompletionConfig(1)))
    return "done"
