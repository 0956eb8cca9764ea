"""Invokes the other functions, by the names in its environment variables."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    country: Any = context.invoke(os.environ["GEO"], event, name="locate")
    charge: Any = context.invoke(os.environ["CHARGE"], event, name="charge")
    if "also" in event:
        context.invoke(event["also"], event, name="also")
    return {"country": country, "charge": charge, "level": os.environ["LOG_LEVEL"], "table": os.environ["TABLE"]}
