"""A function that greets, and says how it was deployed."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

AT_IMPORT = os.environ["GREETING"]


@durable_execution
def lambda_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    greeting = context.step(lambda _: f"{os.environ['GREETING']} {event['name']}", name="greet")
    context.wait(Duration.from_minutes(event.get("minutes", 1)), name="a while")
    lambda_context: Any = context.lambda_context
    return {
        "greeting": greeting,
        "at import": AT_IMPORT,
        "variables": [os.environ["SINCE"], os.environ["LOUD"], os.environ["PORT"]],
        "milliseconds": lambda_context.get_remaining_time_in_millis(),
        "memory": lambda_context.memory_limit_in_mb,
    }
