"""A report that somebody else prepares: polled with growing pauses, given up after five polls."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, WaitForConditionError, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy
from aws_durable_execution_sdk_python.types import WaitForConditionCheckContext
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitStrategyConfig, create_wait_strategy

UNTIL_READY = WaitForConditionConfig(
    initial_state={"state": "requested", "rows": 0},
    wait_strategy=create_wait_strategy(
        WaitStrategyConfig(
            should_continue_polling=lambda report: report["state"] != "ready",
            max_attempts=5,
            initial_delay=Duration.from_minutes(1),
            max_delay=Duration.from_minutes(4),
            backoff_rate=2,
            jitter_strategy=JitterStrategy.NONE,
        )
    ),
)


@durable_execution
def report_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    def look(report: dict[str, Any], check: WaitForConditionCheckContext) -> dict[str, Any]:
        """Stands for a call of the report server: every look finds a thousand rows more."""
        if check.attempt == event.get("breaks_at"):
            raise ConnectionError("the report server is gone")
        state = "ready" if check.attempt >= event["ready_at"] else "preparing"
        return {"state": state, "rows": report["rows"] + 1000}

    try:
        report = context.wait_for_condition(look, UNTIL_READY, name="report")
    except WaitForConditionError as error:
        return {"status": "given up", "reason": error.message}
    return {"status": "sent", "mail": context.step(lambda _: f"a report of {report['rows']} rows", name="send")}
