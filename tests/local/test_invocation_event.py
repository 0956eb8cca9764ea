"""The event of an invocation, as whatever is wrapped around a durable function sees it: Lambda's dictionary."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import DurableTestCase

SEEN: list[dict[str, Any]] = []


def middleware(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Reads the event as logging and tracing tools do."""

    @functools.wraps(handler)
    def wrapped(event: Any, context: Any) -> Any:
        assert isinstance(event, Mapping)
        assert event["DurableExecutionArn"] == event.get("DurableExecutionArn")
        assert event.get("Records") is None
        assert "CheckpointToken" in event
        SEEN.append(json.loads(json.dumps(dict(event))))
        return handler(event, context)

    return wrapped


@middleware
@durable_execution
def wrapped(event: dict[str, int], context: DurableContext) -> int:
    result = context.step(lambda _: event["order"], name="step")
    context.wait(Duration.from_seconds(1), name="wait")
    return result


class WrappedHandlerTests(DurableTestCase):
    handler = wrapped

    def setUp(self) -> None:
        SEEN.clear()

    def test_it_is_the_event_that_lambda_invokes_with(self) -> None:
        result = self.execute({"order": 42})
        self.assertExecution().succeeded(42)
        first, second = SEEN
        self.assertEqual({first["DurableExecutionArn"], second["DurableExecutionArn"]}, {result.arn})
        self.assertNotEqual(first["CheckpointToken"], second["CheckpointToken"])
        self.assertEqual(second.get("UpdatedOperationIds", []), [result.get_operation("wait").id])
        types = [operation["Type"] for operation in second["InitialExecutionState"]["Operations"]]
        self.assertEqual(types, ["EXECUTION", "STEP", "WAIT"])

    def test_its_timestamps_are_milliseconds(self) -> None:
        self.execute({"order": 42})
        (execution,) = SEEN[0]["InitialExecutionState"]["Operations"]
        self.assertEqual(execution["StartTimestamp"], 1_767_225_600_000)
        self.assertEqual(execution["ExecutionDetails"], {"InputPayload": '{"order": 42}'})
