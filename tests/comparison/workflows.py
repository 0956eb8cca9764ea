"""The seven durable functions that are tested twice."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy


class CardDeclinedError(Exception):
    pass


PATIENT = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(max_attempts=3, initial_delay=Duration.from_minutes(1), jitter_strategy=JitterStrategy.NONE)
    )
)


@durable_execution
def greeting(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    text = context.step(lambda _: f"hello {event['name']}", name="greet")
    return {"text": text}


@durable_execution
def payment(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    def charge(step: Any) -> str:
        if step.attempt <= event["declines"]:
            raise CardDeclinedError("no funds")
        return "receipt"

    return {"receipt": context.step(charge, name="charge", config=PATIENT)}


@durable_execution
def reminder(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    context.step(lambda _: "invited", name="invite")
    context.wait(Duration.from_days(7), name="a week")
    return {"reminded": context.step(lambda _: event["to"], name="remind")}


@durable_execution
def approval(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    config = WaitForCallbackConfig(timeout=Duration.from_hours(24))
    return {"answer": context.wait_for_callback(lambda *_: None, name="approval", config=config)}


@durable_execution
def quotes(event: dict[str, Any], context: DurableContext) -> list[int]:
    def cheap(branch: DurableContext) -> int:
        return branch.step(lambda _: 10, name="cheap")

    def dear(branch: DurableContext) -> int:
        branch.wait(Duration.from_minutes(10), name="think")
        return branch.step(lambda _: 90, name="dear")

    return context.parallel([cheap, dear], name="quotes").get_results()


@durable_execution
def squares(event: dict[str, Any], context: DurableContext) -> list[int]:
    def square(branch: DurableContext, number: int, index: int, numbers: Any) -> int:
        return branch.step(lambda _: number * number, name=f"square {number}")

    return context.map(event["numbers"], square, name="squares").get_results()


@durable_execution
def charge_card(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    context.wait(Duration.from_minutes(5), name="settlement")
    return {"charged": event["amount"]}


def locate(event: dict[str, Any], context: Any) -> str:
    return "NL" if event["ip"] == "192.0.2.1" else "DE"


@durable_execution
def checkout(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    country = context.invoke("locate", {"ip": event["ip"]}, name="country")
    paid = context.invoke("charge-card", {"amount": 10}, name="payment")
    return {"country": country, **paid}
