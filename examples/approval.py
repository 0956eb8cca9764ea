"""A human approves an expense: asked at once, reminded after a day, and given up after a week.

The question goes out with the id of a callback; whoever decides answers with a JSON document. The id of the first
question is worth nothing once its day is over, so the reminder brings one of its own.
"""

from __future__ import annotations

import json
from typing import Any

from aws_durable_execution_sdk_python import (
    CallbackTimeoutError,
    DurableContext,
    durable_execution,
    durable_wait_for_callback,
)
from aws_durable_execution_sdk_python.config import Duration, WaitForCallbackConfig
from aws_durable_execution_sdk_python.types import WaitForCallbackContext

FIRST_DAY = Duration.from_days(1)
UNTIL_THE_DEADLINE = Duration.from_days(6)


@durable_wait_for_callback
def send_mail(callback_id: str, context: WaitForCallbackContext, subject: str) -> None:
    """Stands for the call of a mail service."""
    context.logger.info("%s: answer with %s", subject, callback_id)


def ask(context: DurableContext, name: str, expense: int, patience: Duration) -> dict[str, Any] | None:
    """The decision, or None if nobody takes one in time."""
    try:
        answer = context.wait_for_callback(
            send_mail(f"{name} of {expense} euros"), name=name, config=WaitForCallbackConfig(timeout=patience)
        )
    except CallbackTimeoutError:
        return None
    return json.loads(answer)


@durable_execution
def approval_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    expense = event["expense"]
    decision = ask(context, "approval", expense, FIRST_DAY) or ask(context, "reminder", expense, UNTIL_THE_DEADLINE)
    if decision is None:
        return {"status": "expired"}
    if not decision["approved"]:
        return {"status": "refused", "by": decision["by"]}
    transfer = context.step(lambda _: f"transfer of {expense} euros", name="pay")
    return {"status": "paid", "by": decision["by"], "transfer": transfer}
