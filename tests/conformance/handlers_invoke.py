"""Handlers for the requirements of the suite invoke, and the functions that they invoke."""

from __future__ import annotations

import json
from typing import Any

from aws_durable_execution_sdk_python import (
    DurableContext,
    InvokeError,
    StepContext,
    durable_execution,
    durable_with_child_context,
)
from aws_durable_execution_sdk_python.config import Duration, InvokeConfig
from aws_durable_execution_sdk_python.serdes import SerDes, SerDesContext

from tests.conformance.scenario import WORLD, Scenarios

INVOKE = Scenarios()

NEARLY_THE_LIMIT = 1_000_000
"""Of the 1,048,576 bytes that the payload of an invoke may have."""


@durable_execution
def echo(event: Any, context: DurableContext) -> Any:
    WORLD.note("echoed")
    return event


@durable_execution
def fail(event: Any, context: DurableContext) -> None:
    WORLD.note("failed")
    raise ValueError("the target does not work")


@durable_execution
def measure(event: str, context: DurableContext) -> int:
    return len(event)


@durable_execution
def serve_tenant(event: Any, context: DurableContext) -> Any:
    WORLD.note(f"served {context.lambda_context.tenant_id}")
    return event


ECHO = {"durable_functions": {"echo": echo}, "effects": {"echoed": 1}}
FAIL = {"durable_functions": {"fail": fail}, "effects": {"failed": 1}}


@INVOKE.requirement("5-1", **ECHO)
@INVOKE.requirement("5-3", **ECHO)
@durable_execution
def invoke_echo(event: Any, context: DurableContext) -> Any:
    return context.invoke("echo", event)


@INVOKE.requirement("5-2", **ECHO)
@durable_execution
def named_invoke(event: dict[str, str], context: DurableContext) -> str:
    return context.invoke("echo", event["payload"], name=event["name"])


@INVOKE.requirement("5-4", **ECHO)
@durable_execution
def null_echo(event: None, context: DurableContext) -> None:
    return context.invoke("echo", None)


@INVOKE.requirement("5-5", **FAIL)
@durable_execution
def target_fails(event: None, context: DurableContext) -> None:
    context.invoke("fail", event)


@INVOKE.requirement("5-6", **FAIL)
@durable_execution
def failure_of_the_target_caught(event: None, context: DurableContext) -> str:
    try:
        return context.invoke("fail", event)
    except InvokeError:
        return "fallback"


@INVOKE.requirement("5-7", durable_functions={"measure": measure})
@durable_execution
def large_payload(event: None, context: DurableContext) -> int:
    return context.invoke("measure", "x" * NEARLY_THE_LIMIT)


@INVOKE.requirement("5-8", durable_functions={"serve-tenant": serve_tenant}, effects={"served ${TENANT_ID}": 1})
@durable_execution
def for_a_tenant(event: dict[str, str], context: DurableContext) -> str:
    return context.invoke("serve-tenant", event["payload"], config=InvokeConfig(tenant_id=event["tenantId"]))


@INVOKE.requirement("5-9", **ECHO)
@durable_execution
def replayed_result(event: None, context: DurableContext) -> str:
    result = context.invoke("echo", "once")
    context.wait(Duration.from_seconds(1))
    return result


@INVOKE.requirement("5-10", durable_functions={"fail": fail}, effects={"failed": 1, "caught": 2})
@durable_execution
def replayed_failure(event: None, context: DurableContext) -> str:
    try:
        return context.invoke("fail", event)
    except InvokeError:
        WORLD.note("caught")
    context.wait(Duration.from_seconds(1))
    return "recovered"


@INVOKE.requirement("5-11", **ECHO)
@durable_execution
def step_then_invoke(event: None, context: DurableContext) -> str:
    return context.invoke("echo", context.step(lambda _: "from the step"))


@INVOKE.requirement("5-12", **ECHO)
@durable_execution
def invoke_then_step(event: None, context: DurableContext) -> str:
    answer = context.invoke("echo", "answer")

    def process(_: StepContext) -> str:
        return f"processed {answer}"

    return context.step(process)


@INVOKE.requirement("5-13", **ECHO)
@durable_execution
def invoke_in_a_child(event: None, context: DurableContext) -> str:
    @durable_with_child_context
    def invoking_child(child: DurableContext) -> str:
        return child.invoke("echo", "from the child")

    return context.run_in_child_context(invoking_child())


@INVOKE.requirement("5-14", durable_functions={"echo": echo, "measure": measure}, effects={"echoed": 1})
@durable_execution
def two_invokes(event: None, context: DurableContext) -> int:
    return context.invoke("measure", context.invoke("echo", "four"))


class UppercasePayload(SerDes[Any]):
    """Sends everything in capitals."""

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        return json.dumps(value).upper()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:
        raise AssertionError("the payload is read by the target")


class UppercaseResult(SerDes[str]):
    """Reads the text that the target has answered, JSON as it is, in capitals."""

    def serialize(self, value: str, serdes_context: SerDesContext) -> str:
        raise AssertionError("the result is written by the target")

    def deserialize(self, data: str, serdes_context: SerDesContext) -> str:
        return data.upper()


@INVOKE.requirement("5-15", **ECHO)
@durable_execution
def transformed_payload(event: dict[str, str], context: DurableContext) -> dict[str, str]:
    return context.invoke("echo", event, config=InvokeConfig(serdes_payload=UppercasePayload()))


@INVOKE.requirement("5-16", **ECHO)
@durable_execution
def transformed_result(event: str, context: DurableContext) -> str:
    return context.invoke("echo", event, config=InvokeConfig(serdes_result=UppercaseResult()))
