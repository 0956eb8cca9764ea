"""Decoding payloads into values, for local and deployed executions alike."""

from __future__ import annotations

from typing import Any

from durabletest import sdk
from durabletest.model.enums import OperationType
from durabletest.model.payloads import json_or_text
from durabletest.model.records import OperationRecord


def decode(payload: str | None, record: OperationRecord | None) -> Any:
    """Decode a payload of an operation, or with ``None`` of the execution itself.

    Steps and contexts have payloads of the SDK's serialiser, callbacks plain text, invokes and executions JSON.
    """
    if payload is None:
        return None
    if record is None or record.type is OperationType.CHAINED_INVOKE:
        return json_or_text(payload)
    if record.type is OperationType.CALLBACK:
        return payload
    return sdk.decode_result(payload)
