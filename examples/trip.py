"""A trip: flight and hotel are booked with partners over the network, and another team's function charges the card.

None of that can happen in a test, so the tests stub it, by the names of steps and function.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

from aws_durable_execution_sdk_python import DurableContext, StepContext, StepError, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

PARTNERS = "https://partners.example.com"
PATIENTLY = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(max_attempts=3, initial_delay=Duration.from_minutes(1), jitter_strategy=JitterStrategy.NONE)
    )
)


@durable_step
def post(_: StepContext, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = Request(f"{PARTNERS}/{path}", json.dumps(body).encode(), method="POST")
    with urlopen(request, timeout=10) as answer:
        booked: dict[str, Any] = json.load(answer)
    return booked


@durable_execution
def book_trip(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    flight = context.step(post("flights", event), name="book flight", config=PATIENTLY)
    try:
        hotel = context.step(post("hotels", event), name="book hotel", config=PATIENTLY)
    except StepError as error:
        context.step(post(f"flights/{flight['id']}/cancel", {}), name="cancel flight", config=PATIENTLY)
        return {"status": "cancelled", "reason": error.message}
    price = flight["price"] + hotel["price"]
    receipt = context.invoke("charge-card:live", {"card": event["card"], "amount": price}, name="pay")
    return {"status": "booked", "receipt": receipt}
