"""The AWS SDK alone, with the least that answers it: what durabletest's own share is measured against."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python.execution import (
    DurableExecutionInvocationInputWithClient,
    InitialExecutionState,
)
from aws_durable_execution_sdk_python.lambda_service import LambdaClient

ARN = "arn:aws:lambda:us-east-1:123456789012:function:bare:$LATEST/durable-execution/bare/1"
STATUS = {"START": "STARTED", "SUCCEED": "SUCCEEDED"}


class Client:
    """Acknowledges every checkpoint of steps."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        operations = [self._operation(update) for update in request.get("Updates", ())]
        return {
            "CheckpointToken": f"token{next(self._numbers)}",
            "NewExecutionState": {"Operations": operations},
        }

    def _operation(self, update: dict[str, Any]) -> dict[str, Any]:
        operation = {key: update[key] for key in ("Id", "ParentId", "Name", "Type", "SubType") if key in update}
        details = {"Attempt": 1, **({"Result": update["Payload"]} if "Payload" in update else {})}
        started = {"StartTimestamp": datetime.now(UTC), "Status": STATUS[update["Action"]]}
        return {**operation, **started, "StepDetails": details}


def run_bare(handler: Callable[..., Any], payload: Any) -> None:
    """One invocation, with the checkpoint thread woken when it has to stop, as durabletest does it."""
    original = state.ExecutionState.stop_checkpointing

    def stop_checkpointing(self: Any) -> None:
        original(self)
        self._checkpoint_queue.put(state._Signal.REFRESH_WAKE)

    execution = {
        "Id": "1",
        "Type": "EXECUTION",
        "Status": "STARTED",
        "StartTimestamp": datetime.now(UTC),
        "ExecutionDetails": {"InputPayload": json.dumps(payload)},
    }
    event = DurableExecutionInvocationInputWithClient(
        durable_execution_arn=ARN,
        checkpoint_token="token",
        initial_execution_state=InitialExecutionState.from_dict({"Operations": [execution], "NextMarker": ""}),
        updated_operation_ids=[],
        service_client=LambdaClient(client=Client()),
    )
    state.ExecutionState.stop_checkpointing = stop_checkpointing
    try:
        answer = handler(event, None)
    finally:
        state.ExecutionState.stop_checkpointing = original
    if answer["Status"] != "SUCCEEDED":
        raise AssertionError(answer)
