"""Handlers for the requirements of the suite wait."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from tests.conformance.scenario import Scenarios

WAIT = Scenarios()


@WAIT.requirement("2-1")
@durable_execution
def one_wait(event: None, context: DurableContext) -> None:
    context.wait(Duration.from_seconds(2))


@WAIT.requirement("2-2")
@durable_execution
def named_wait(event: None, context: DurableContext) -> None:
    context.wait(Duration.from_seconds(2), name="custom_wait_name")


@WAIT.requirement("2-3")
@durable_execution
def two_waits(event: None, context: DurableContext) -> dict[str, Any]:
    context.wait(Duration.from_seconds(2), name="wait-1")
    context.wait(Duration.from_seconds(2), name="wait-2")
    return {"completedWaits": 2}


@WAIT.requirement("2-4")
@durable_execution
def a_minute(event: None, context: DurableContext) -> None:
    context.wait(Duration.from_minutes(1))


@WAIT.requirement("2-5")
@durable_execution
def an_hour(event: None, context: DurableContext) -> None:
    context.wait(Duration.from_hours(1))
