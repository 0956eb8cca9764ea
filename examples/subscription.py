"""A subscription: every month is billed in a context of its own and lasts thirty days, unless it is cancelled.

The month and the cancellation race: whichever comes first ends the other's turn.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python import (
    DurableContext,
    ParallelBranch,
    durable_execution,
    durable_with_child_context,
)
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, ParallelConfig

STAYS = "stays"
WHICHEVER_COMES_FIRST = ParallelConfig(completion_config=CompletionConfig.first_successful())


def thirty_days(branch: DurableContext) -> str:
    branch.wait(Duration.from_days(30), name="paid for")
    return STAYS


def cancellation(branch: DurableContext) -> str:
    """The reason; the id of the callback is what the link in the customer's account carries."""
    return branch.wait_for_callback(lambda _callback_id, _: None, name="cancel")


@durable_with_child_context
def month(context: DurableContext, number: int) -> str:
    """One month, at the end of which the customer stays, or leaves with a reason."""
    billed = context.step(lambda _: datetime.now(UTC).date().isoformat(), name="bill")
    context.logger.info("month %d was billed on %s", number, billed)
    race = context.parallel(
        [ParallelBranch(thirty_days, name="month"), ParallelBranch(cancellation, name="customer")],
        name="first",
        config=WHICHEVER_COMES_FIRST,
    )
    return race.get_results()[0]


@durable_execution
def subscription_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    for number in range(1, event["months"] + 1):
        outcome = context.run_in_child_context(month(number), name=f"month-{number}")
        if outcome != STAYS:
            return {"status": "cancelled", "reason": outcome, "months": number}
    return {"status": "ended", "months": event["months"]}
