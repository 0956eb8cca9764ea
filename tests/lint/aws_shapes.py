"""Workflows of the shapes that AWS's examples and documentation have; all of them are right as they are."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from queue import Queue
from typing import Any

import boto3
from aws_durable_execution_sdk_python import (
    DurableContext,
    StepContext,
    StepError,
    durable_execution,
    durable_step,
    durable_with_child_context,
)
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    MapConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

with_retry: Any = None
"""The SDK's, in some of its versions."""
MOUNT = os.environ.get("MOUNT_PATH", "/mnt/data")
PATIENTLY = StepConfig(create_retry_strategy(RetryStrategyConfig(max_attempts=5, retryable_error_types=[RuntimeError])))


def look_up(name: str) -> dict[str, str] | None:
    """Fails by chance, as services do; it is called in a step."""
    if random.random() < 0.5:
        raise RuntimeError("throttled")
    return {"id": name, "at": datetime.now(UTC).isoformat()} if random.random() > 0.3 else None


def make_step(value: int) -> Any:
    return lambda _: value


@durable_step
def create_order(step: StepContext, customer: str) -> str:
    step.logger.info("creating at %s", time.time())
    return f"{customer}-{uuid.uuid4()}"


@durable_with_child_context
def group(child: DurableContext, number: int, steps: int) -> list[int]:
    values = []
    for index in range(steps):
        values.append(child.step(make_step(number * 100 + index), name=f"child-{number}-step-{index}"))  # noqa: PERF401
    return values


@durable_execution
def polled_in_a_loop(event: Any, context: DurableContext) -> dict[str, Any]:
    """Names from a counter in a loop, which is the same in each replay; a lambda that binds it."""
    name = event.get("name", "item")
    polls, item = 0, None
    try:
        while polls < 5:
            polls += 1
            found = context.step(lambda _, n=name: look_up(n), name=f"get_item_poll_{polls}", config=PATIENTLY)
            if found:
                item = found
                break
            context.wait(Duration.from_seconds(1))
    except RuntimeError as error:
        return {"error": "retries exhausted", "message": str(error)}
    return {"item": item, "polls": polls}


@durable_execution
def children_in_a_loop(_event: Any, context: DurableContext) -> dict[str, Any]:
    results = []
    for number in range(4):
        results.append(context.run_in_child_context(group(number, 2), name=f"child-{number:02d}"))  # noqa: PERF401
    return {"total": sum(value for one in results for value in one), "mount": MOUNT}


@durable_execution
def submitter_that_fails(_event: Any, context: DurableContext) -> dict[str, Any]:
    """What a submitter raises is caught as Exception: the SDK's suspension is none."""

    def submitter(_callback_id: str, _context: Any) -> None:
        time.sleep(0.5)
        raise ConnectionError("no answer")

    config = WaitForCallbackConfig(timeout=Duration.from_seconds(10))
    try:
        return {"result": context.wait_for_callback(submitter, name="approval", config=config)}
    except Exception as error:
        return {"error": str(error)}


@durable_execution
def external_system(event: dict[str, Any], context: DurableContext) -> Any:
    """The submitter calls a client, reads the environment and starts a thread."""

    def submitter(callback_id: str, _context: Any) -> None:
        client = boto3.client("sqs", region_name=os.environ.get("AWS_REGION"))
        client.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=callback_id)
        threading.Thread(target=print, args=(callback_id,)).start()

    return context.wait_for_callback(submitter, name="external")


@durable_execution
def callback_by_hand(_event: Any, context: DurableContext) -> Any:
    callback = context.create_callback(name="by hand", config=CallbackConfig(timeout=Duration.from_seconds(120)))
    context.step(lambda _: threading.Thread(target=len, args=(callback.callback_id,)).start(), name="tell")
    return callback.result()


@durable_execution
def caught_or_not(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    config = CallbackConfig(timeout=Duration.from_seconds(60))
    if not event.get("catch", False):
        return {"result": context.create_callback(name="operation", config=config).result()}
    try:
        callback = context.create_callback(name="operation", config=config)
        return {"result": callback.result()}
    except Exception as error:
        return {"success": False, "error": str(error)}


@durable_execution
def retried_as_a_whole(_event: Any, context: DurableContext) -> dict[str, Any]:
    """A helper of the SDK calls a function with a context and an attempt."""

    def flow(ctx: DurableContext, attempt: int) -> Any:
        def submitter(callback_id: str, _context: Any) -> None:
            boto3.client("sqs").send_message(QueueUrl="queue", MessageBody=callback_id)

        return ctx.wait_for_callback(submitter, name=f"external-call-attempt-{attempt}")

    return {"result": with_retry(context, func=flow, name="callback-with-retry")}


class StepQueue:
    """Steps that an event loop in another thread asks for: whatever a step raises is handed on to it."""

    def __init__(self, context: DurableContext) -> None:
        self.context = context
        self.requests: Queue[Any] = Queue()

    async def ask(self, context: DurableContext, body: Any, name: str) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.requests.put((context, body, name, future))
        return await future

    def process(self, request: Any) -> None:
        try:
            result = request.context.step(request.body, name=request.name)
        except BaseException as error:
            request.future.set_exception(error)
        else:
            request.future.set_result(result)


@durable_execution
def branches_of_lambdas(_event: Any, context: DurableContext) -> list[Any]:
    results = context.parallel(
        functions=[
            lambda ctx: ctx.step(lambda _: uuid.uuid4().hex, name="id"),
            lambda ctx: ctx.wait(Duration.from_seconds(1), name="second"),
        ],
        name="branches",
    )
    return results.get_results()


@durable_execution
def mapped(event: dict[str, Any], context: DurableContext) -> list[Any]:
    def square(ctx: DurableContext, item: int, index: int, _items: Sequence[int]) -> int:
        return ctx.step(lambda _: item * item, name=f"square-{index}")

    config: MapConfig = MapConfig(max_concurrency=2, completion_config=CompletionConfig(tolerated_failure_count=1))
    return context.map(list(range(event["count"])), square, name="squares", config=config).get_results()


@durable_execution
def saga(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Compensations are collected in the handler's own code, which replays."""
    undo: list[str] = []
    try:
        undo.append(context.step(create_order(event["customer"]), name="create"))
        undo.append(context.step(lambda _: f"reserved {undo[0]}", name="reserve"))
    except StepError as error:
        context.logger.error("failed at %s", datetime.now(UTC))
        for number, what in enumerate(reversed(undo)):
            context.step(lambda _, what=what: f"undone {what}", name=f"undo-{number}")
        return {"error": error.message}
    return {"done": undo}


@durable_execution
def invokes_by_name(event: Any, context: DurableContext) -> list[Any]:
    results: list[Any] = []
    for service in ("stock", "prices"):
        results.append(context.invoke(f"{service}:live", event, name=f"invoke_{service}"))  # noqa: PERF401
    return results


@durable_execution
def id_and_time_from_steps(event: Any, context: DurableContext) -> str:
    order_id = context.step(lambda _: str(uuid.uuid4()), name="id")
    now = context.step(lambda _: time.time(), name="now")
    due = datetime.fromtimestamp(now, UTC)
    return f"{order_id} due {due:%Y-%m-%d} {event['customer']}"
