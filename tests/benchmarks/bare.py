"""The AWS SDK alone, with the least that answers it: what durabletest's own share is measured against."""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import state
from aws_durable_execution_sdk_python.execution import (
    DurableExecutionInvocationInputWithClient,
    InitialExecutionState,
)
from aws_durable_execution_sdk_python.lambda_service import LambdaClient

ARN = "arn:aws:lambda:us-east-1:123456789012:function:bare:$LATEST/durable-execution/bare/1"
STATUS = {"START": "STARTED", "SUCCEED": "SUCCEEDED"}
LATER = datetime.now(UTC) + timedelta(days=1)
"""Waits end after this, so that none of them ends while the SDK looks."""


class Service:
    """Keeps the operations of one execution, of steps, waits and contexts; checks nothing, and writes no history."""

    def __init__(self, payload: Any) -> None:
        self._numbers = itertools.count()
        self._ends: list[tuple[datetime, str]] = []
        self.operations: dict[str, dict[str, Any]] = {
            "1": {
                "Id": "1",
                "Type": "EXECUTION",
                "Status": "STARTED",
                "StartTimestamp": datetime.now(UTC),
                "ExecutionDetails": {"InputPayload": json.dumps(payload)},
            }
        }

    def checkpoint_durable_execution(self, **request: Any) -> dict[str, Any]:
        operations = [self._operation(update) for update in request.get("Updates", ())]
        self.operations.update((operation["Id"], operation) for operation in operations)
        return {
            "CheckpointToken": f"token{next(self._numbers)}",
            "NewExecutionState": {"Operations": operations},
        }

    def _operation(self, update: dict[str, Any]) -> dict[str, Any]:
        operation = {key: update[key] for key in ("Id", "ParentId", "Name", "Type", "SubType") if key in update}
        operation |= {"StartTimestamp": datetime.now(UTC), "Status": STATUS[update["Action"]]}
        result = {"Result": update["Payload"]} if "Payload" in update else {}
        if update["Type"] == "WAIT":
            end = LATER + timedelta(seconds=update["WaitOptions"]["WaitSeconds"])
            heapq.heappush(self._ends, (end, update["Id"]))
            return {**operation, "WaitDetails": {"ScheduledEndTimestamp": end}}
        if update["Type"] == "CONTEXT":
            return {**operation, "ContextDetails": result}
        return {**operation, "StepDetails": {"Attempt": 1, **result}}

    def pass_time(self) -> None:
        """End the wait that ends next."""
        _, operation = heapq.heappop(self._ends)
        self.operations[operation] |= {"Status": "SUCCEEDED", "EndTimestamp": datetime.now(UTC)}


def run_bare(handler: Callable[..., Any], payload: Any) -> None:
    """Invocations until the end, with the checkpoint thread woken when it has to stop, as durabletest does it."""
    original = state.ExecutionState.stop_checkpointing

    def stop_checkpointing(self: Any) -> None:
        original(self)
        self._checkpoint_queue.put(state._Signal.REFRESH_WAKE)

    service = Service(payload)
    client = LambdaClient(client=service)
    state.ExecutionState.stop_checkpointing = stop_checkpointing
    try:
        while (answer := _invoke(handler, client, service.operations))["Status"] == "PENDING":
            service.pass_time()
    finally:
        state.ExecutionState.stop_checkpointing = original
    if answer["Status"] != "SUCCEEDED":
        raise AssertionError(answer)


def _invoke(handler: Callable[..., Any], client: LambdaClient, operations: dict[str, dict[str, Any]]) -> dict[str, Any]:
    given = {"Operations": list(operations.values()), "NextMarker": ""}
    event = DurableExecutionInvocationInputWithClient(
        durable_execution_arn=ARN,
        checkpoint_token="token",
        initial_execution_state=InitialExecutionState.from_dict(given),
        updated_operation_ids=[],
        service_client=client,
    )
    answer: dict[str, Any] = handler(event, None)
    return answer
