"""Greets."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution


@durable_execution
def handler(event: str, context: DurableContext) -> list[Any]:
    lambda_context: Any = context.lambda_context
    return [f"good day, {event}", lambda_context.get_remaining_time_in_millis(), lambda_context.function_name]
