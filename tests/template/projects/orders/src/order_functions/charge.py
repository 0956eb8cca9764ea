"""Charges after some time."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    context.wait(Duration.from_seconds(event.get("settles in", 1)))
    lambda_context: Any = context.lambda_context
    return {"memory": lambda_context.memory_limit_in_mb, "stage": os.environ["STAGE"], "table": os.environ.get("TABLE")}
