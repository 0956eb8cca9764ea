"""Small workflows, each executed up to a point at which there is something to claim."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import DurableTestCase, WaitingStatus


class CardDeclined(Exception):
    """The error of the steps."""


def retry(attempts: int) -> StepConfig:
    """Five minutes between attempts."""
    return StepConfig(
        retry_strategy=create_retry_strategy(
            RetryStrategyConfig(
                max_attempts=attempts,
                initial_delay=Duration.from_minutes(5),
                backoff_rate=2,
                jitter_strategy=JitterStrategy.NONE,
            )
        )
    )


def decline_until(attempt: int) -> Callable[[Any], str]:
    def charge(step: Any) -> str:
        if step.attempt < attempt:
            raise CardDeclined("insufficient funds")
        return "receipt"

    return charge


@durable_execution
def order(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    context.step(decline_until(event["accepted"]), name="charge", config=retry(3))
    context.wait(Duration.from_hours(1), name="cool-down")
    context.run_in_child_context(
        lambda inner: inner.step(lambda _: {"parcels": [1, 2]}, name="pack"), name="fulfilment"
    )
    return {"status": "shipped", "items": [{"sku": "a", "count": 1}, {"sku": "b", "count": 2}]}


@durable_execution
def fan_out(event: dict[str, Any], context: DurableContext) -> list[int]:
    def branch(minutes: int) -> Callable[[DurableContext], int]:
        def run(inner: DurableContext) -> int:
            inner.wait(Duration.from_minutes(minutes), name="pause")
            return inner.step(lambda _: minutes, name="work")

        return run

    context.parallel([branch(1), branch(2), branch(2)], name="fan-out")
    return [1, 2, 2]


@durable_execution
def approval(event: dict[str, Any], context: DurableContext) -> str:
    return context.wait_for_callback(
        lambda callback_id, _: None,
        name="approval",
        config=WaitForCallbackConfig(timeout=Duration.from_hours(24), heartbeat_timeout=Duration.from_hours(2)),
    )


@durable_execution
def settle(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    context.wait(Duration.from_minutes(5), name="settlement")
    return {"charged": event["amount"]}


@durable_execution
def checkout(event: dict[str, Any], context: DurableContext) -> str:
    context.invoke("geo-lookup", {"ip": "192.0.2.1"}, name="locate")
    context.invoke("charge-card", {"amount": 10}, name="charge")
    return "done"


@durable_execution
def polling(event: dict[str, Any], context: DurableContext) -> int:
    def poll(state: int, _: Any) -> int:
        return state + 1

    def decide(state: int, attempt: int) -> WaitForConditionDecision:
        if state >= 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_minutes(10))

    return context.wait_for_condition(poll, WaitForConditionConfig(decide, initial_state=0), name="ready")


LIVES = itertools.count()


@durable_execution
def crashing(event: dict[str, Any], context: DurableContext) -> str:
    """Its process dies in the first invocation."""
    if next(LIVES) == 0:
        os._exit(3)
    return context.step(lambda _: "ok", name="charge")


class Scenario(DurableTestCase):
    """A test case that brings an execution into one state."""

    clock = "time-machine"  # there are hundreds, and freezegun looks through all modules for each

    def arrange(self) -> None:
        raise NotImplementedError


class Shipped(Scenario):
    """The order was charged at the second attempt, and shipped."""

    handler = order

    def arrange(self) -> None:
        self.execute({"accepted": 2})


class Declined(Scenario):
    """The order was declined three times, and the execution failed."""

    handler = order

    def arrange(self) -> None:
        self.execute({"accepted": 9})


class Retrying(Scenario):
    """The order waits for the second attempt to charge it."""

    handler = order

    def arrange(self) -> None:
        execution = self.start({"accepted": 2})
        execution.operation("charge").wait_for_data(WaitingStatus.STARTED).result(timeout=5)
        execution.advance(timedelta(0))


class FannedOut(Scenario):
    """Three branches paused for 1, 2 and 2 minutes, and then worked."""

    handler = fan_out

    def arrange(self) -> None:
        self.execute({})


class Unanswered(Scenario):
    """The approval was kept alive by two heartbeats, and then timed out."""

    handler = approval

    def arrange(self) -> None:
        self.on_callback("approval").heartbeat(every=timedelta(hours=1), times=2).never()
        self.execute({})


class Asked(Scenario):
    """The approval is waited for."""

    handler = approval

    def arrange(self) -> None:
        self.start({}).operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)


class Stopped(Scenario):
    """The execution was stopped while it waited for the approval."""

    handler = approval

    def arrange(self) -> None:
        execution = self.start({})
        execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        execution.stop("Operator", "no longer needed")
        execution.result(timeout=5)


class Refused(Scenario):
    """The approval was refused, with the trace of the exception that refused it."""

    handler = approval

    def arrange(self) -> None:
        trace = ['File "desk.py", line 7, in decide', "    raise Refused"]
        self.on_callback("approval").fail("Refused", "too expensive", data='{"limit": 100}', stack_trace=trace)
        self.execute({})


class Invoking(Scenario):
    """A durable function is invoked, and waits."""

    handler = checkout
    functions = {"geo-lookup": lambda event, context: "NL"}
    durable_functions = {"charge-card": settle}

    def arrange(self) -> None:
        self.start({}).advance(timedelta(minutes=1))


class CheckedOut(Scenario):
    """A plain and a durable function were invoked."""

    handler = checkout
    functions = {"geo-lookup": lambda event, context: "NL"}
    durable_functions = {"charge-card": settle}

    def arrange(self) -> None:
        self.execute({})


class Polled(Scenario):
    """A condition was polled three times."""

    handler = polling

    def arrange(self) -> None:
        self.execute({})


class Crashed(Scenario):
    """The process died in the first invocation and was started again."""

    handler = crashing

    def arrange(self) -> None:
        global LIVES
        LIVES = itertools.count()
        self.execute({})


class NotRun(Scenario):
    """Nothing was executed."""

    handler = order

    def arrange(self) -> None:
        pass
