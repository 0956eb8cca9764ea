"""Ships what another function packs."""

from __future__ import annotations

import os
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution


@durable_execution
def ship(event: str, context: DurableContext) -> str:
    return f"shipped {context.invoke(os.environ['PACK'], event, name='pack')}"


def pack(event: str, context: Any) -> str:
    return f"a parcel with {event}"
