"""The values behind payloads: the same for local and deployed executions."""

from __future__ import annotations

from typing import Any

from durabletest import sdk
from durabletest.errors import PayloadError
from durabletest.model.canonical import json_or_text
from durabletest.model.enums import OperationType
from durabletest.model.payloads import TruncatedPayload
from durabletest.model.records import OperationRecord


def decode(payload: str | None, record: OperationRecord | None) -> Any:
    """What the SDK's serialiser wrote, a callback's text, or JSON; without a record it is the execution's own."""
    if payload is None:
        return None
    if isinstance(payload, TruncatedPayload):
        what = "result of the execution" if record is None else f"payload of {record.type} {record.name!r}"
        rest = f": {str(payload)!r}..." if payload else ""
        raise PayloadError(f"the service has truncated the {what} in its history{rest}")
    if record is None or record.type is OperationType.CHAINED_INVOKE:
        return json_or_text(payload)
    if record.type is OperationType.CALLBACK:
        return payload
    return sdk.decode_result(payload)
