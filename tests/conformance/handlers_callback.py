"""Handlers for the requirements of the suite callback; the requirement files say who answers what, and when."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from aws_durable_execution_sdk_python import (
    CallbackError,
    CallbackTimeoutError,
    DurableContext,
    StepContext,
    durable_execution,
    durable_step,
)
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration
from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from tests.conformance.scenario import Scenarios

CALLBACK = Scenarios()


def times_out_after(seconds: int) -> CallbackConfig:
    return CallbackConfig(timeout=Duration.from_seconds(seconds))


def heartbeat_every(seconds: int) -> CallbackConfig:
    return CallbackConfig(heartbeat_timeout=Duration.from_seconds(seconds))


@durable_step
def do_something(step: StepContext) -> str:
    return "done"


@CALLBACK.requirement("4-1")
@CALLBACK.requirement("4-6")
@durable_execution
def one_callback(event: str, context: DurableContext) -> Any:
    return context.create_callback(name=event).result()


@CALLBACK.requirement("4-2")
@durable_execution
def named_callback(event: None, context: DurableContext) -> Any:
    return context.create_callback(name="approval").result()


@CALLBACK.requirement("4-3")
@durable_execution
def timed_out(event: str, context: DurableContext) -> Any:
    return context.create_callback(name=event, config=times_out_after(5)).result()


@CALLBACK.requirement("4-4")
@durable_execution
def heart_stopped(event: str, context: DurableContext) -> Any:
    return context.create_callback(name=event, config=heartbeat_every(5)).result()


@CALLBACK.requirement("4-5")
@durable_execution
def heart_beat_once(event: str, context: DurableContext) -> Any:
    return context.create_callback(name=event, config=heartbeat_every(10)).result()


@CALLBACK.requirement("4-7")
@durable_execution
def step_before_the_result(event: str, context: DurableContext) -> Any:
    callback = context.create_callback(name=event)
    context.step(do_something())
    return callback.result()


@CALLBACK.requirement("4-8")
@durable_execution
def step_before_the_timeout(event: str, context: DurableContext) -> Any:
    callback = context.create_callback(name=event, config=times_out_after(5))
    context.step(do_something())
    return callback.result()


@CALLBACK.requirement("4-9")
@CALLBACK.requirement("4-10")
@durable_execution
def wait_before_the_result(event: str, context: DurableContext) -> Any:
    callback = context.create_callback(name=event)
    context.wait(Duration.from_seconds(5))
    return callback.result()


@CALLBACK.requirement("4-11")
@durable_execution
def wait_beyond_the_timeout(event: str, context: DurableContext) -> Any:
    callback = context.create_callback(name=event, config=times_out_after(3))
    context.wait(Duration.from_seconds(6))
    return callback.result()


@CALLBACK.requirement("4-12")
@durable_execution
def wait_after_the_result(event: str, context: DurableContext) -> Any:
    result = context.create_callback(name=event).result()
    context.wait(Duration.from_seconds(2))
    return result


@CALLBACK.requirement("4-13")
@durable_execution
def wait_after_the_failure(event: str, context: DurableContext) -> str:
    try:
        message = context.create_callback(name=event).result()
    except CallbackError as error:
        message = f"caught: {error}"
    context.wait(Duration.from_seconds(2))
    return message


@CALLBACK.requirement("4-14")
@durable_execution
def wait_after_the_timeout(event: str, context: DurableContext) -> str:
    try:
        message = context.create_callback(name=event, config=times_out_after(3)).result()
    except CallbackTimeoutError as error:
        message = f"caught: {error}"
    context.wait(Duration.from_seconds(2))
    return message


class Incoming(SerDes[Any]):
    """Callbacks are only read by the function."""

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        raise AssertionError("a callback's payload is written by others")

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        return json.loads(data)


class Message(Incoming):
    """An object with a point in time."""

    def deserialize(self, data: str, serdes_context: SerDesContext) -> dict[str, Any]:
        message = super().deserialize(data, serdes_context)
        return {**message, "timestamp": datetime.fromisoformat(message["timestamp"].replace("Z", "+00:00"))}


@CALLBACK.requirement("4-15")
@durable_execution
def typed_result(event: str, context: DurableContext) -> dict[str, Any]:
    message = context.create_callback(name=event, config=CallbackConfig(serdes=Message())).result()
    return {"received": {**message, "timestamp": int(message["timestamp"].timestamp())}}


@CALLBACK.requirement("4-16")
@durable_execution
def numeric_result(event: str, context: DurableContext) -> dict[str, int]:
    count = context.create_callback(name=event, config=CallbackConfig(serdes=Incoming())).result()
    return {"count": count, "doubled": count * 2}


@CALLBACK.requirement("4-17")
@durable_execution
def one_after_the_other(event: list[str], context: DurableContext) -> list[Any]:
    first = context.create_callback(name=event[0]).result()
    second = context.create_callback(name=event[1]).result()
    return [first, second]


@CALLBACK.requirement("4-18")
@durable_execution
def both_in_order(event: list[str], context: DurableContext) -> list[Any]:
    first, second = (context.create_callback(name=name) for name in event)
    return [first.result(), second.result()]


@CALLBACK.requirement("4-19")
@durable_execution
def both_in_reverse_order(event: list[str], context: DurableContext) -> list[Any]:
    first, second = (context.create_callback(name=name) for name in event)
    answer = second.result()
    return [first.result(), answer]
