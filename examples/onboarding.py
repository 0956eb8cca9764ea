"""A new customer: an orchestrator that invokes durable functions (screening, contract) and a plain one (geo lookup)."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, InvokeError, durable_execution
from aws_durable_execution_sdk_python.config import Duration

WATCH_LIST = {"Mallory"}
LONG_WATCH_LIST = WATCH_LIST | {"Trudy"}


class OnTheList(Exception):
    """Business with that person is not allowed."""


def geo_lookup(event: dict[str, Any], context: Any) -> str:
    """A plain function: no steps, no waits."""
    return {"192.0.2.1": "NL"}.get(event["ip"], "unknown")


@durable_execution
def screening_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Asks an agency, which takes its time; people on its list are refused with an error."""
    watch_list = LONG_WATCH_LIST if event["thorough"] else WATCH_LIST
    context.wait(Duration.from_hours(6), name="agency")
    if event["name"] in watch_list:
        raise OnTheList(f"{event['name']} is on the list")
    return {"risk": context.step(lambda _: "low", name="score")}


@durable_execution
def contract_handler(event: dict[str, Any], context: DurableContext) -> str:
    """Has the customer screened once more, thoroughly, before the contract is drawn up."""
    screening = context.invoke("screening", {"name": event["name"], "thorough": True}, name="final screening")
    return context.step(lambda _: f"contract for {event['name']}, {screening['risk']} risk", name="draw up")


@durable_execution
def onboarding_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    country = context.invoke("geo-lookup", {"ip": event["ip"]}, name="locate")
    try:
        context.invoke("screening", {"name": event["name"], "thorough": False}, name="screen")
    except InvokeError as error:
        return {"status": "refused", "reason": error.message}
    contract = context.invoke("contract", {"name": event["name"]}, name="contract")
    return {"status": "welcome", "country": country, "contract": contract}
