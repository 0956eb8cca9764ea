"""An order: the goods are reserved, the card is charged (a declined one again, later and later), and after a cool-down
the parcel is sent. When a step fails, what was done before is undone, the latest first.

The world outside is in the order itself ("the bank declines twice", "no stock"), so that the tests can have any world
they want, also in front of the deployed function.
"""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, StepError, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy


class CardDeclined(Exception):
    """The bank says no, for now."""


class OutOfStock(Exception):
    """The warehouse has none left; asking again does not help."""


class NoCarrier(Exception):
    """Nobody delivers to that country."""


ONCE = StepConfig(retry_strategy=RetryPresets.none())
PATIENTLY = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(
            max_attempts=3, initial_delay=Duration.from_minutes(1), backoff_rate=5, jitter_strategy=JitterStrategy.NONE
        )
    )
)


@durable_step
def reserve(_: StepContext, event: dict[str, Any]) -> str:
    if event.get("stock", 1) < 1:
        raise OutOfStock(f"nothing left for order {event['order']}")
    return f"reservation-{event['order']}"


@durable_step
def charge(step: StepContext, event: dict[str, Any]) -> str:
    if step.attempt <= event.get("declines", 0):
        raise CardDeclined("insufficient funds")
    return f"payment-{event['order']}"


@durable_step
def ship(_: StepContext, event: dict[str, Any], reservation: str) -> str:
    if event.get("country") == "Atlantis":
        raise NoCarrier("nobody delivers to Atlantis")
    return f"parcel of {reservation}"


@durable_step
def take_back(_: StepContext, receipt: str) -> str:
    return f"{receipt} taken back"


@durable_execution
def order_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    undo = []
    try:
        reservation = context.step(reserve(event), config=ONCE)
        undo.append(("release", reservation))
        payment = context.step(charge(event), config=PATIENTLY)
        undo.append(("refund", payment))
        context.wait(Duration.from_hours(1), name="cool-down")
        parcel = context.step(ship(event, reservation), config=ONCE)
    except StepError as error:
        for name, receipt in reversed(undo):
            context.step(take_back(receipt), name=name, config=PATIENTLY)
        return {"status": "cancelled", "reason": error.message}
    return {"status": "shipped", "parcel": parcel}
