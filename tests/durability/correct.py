"""Workflows that survive every crash, as they should be written."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    ParallelConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from tests.durability.bugs import ONCE, happen, world


@durable_execution
def nothing_but_steps(event: Any, context: DurableContext) -> int:
    one = context.step(lambda _: 1, name="one")
    return one + context.step(lambda _: 2, name="two")


@durable_execution
def unnamed(event: Any, context: DurableContext) -> int:
    context.wait(Duration.from_seconds(1))
    return context.step(lambda _: 1)


@durable_execution
def loop(event: Any, context: DurableContext) -> list[int]:
    done = []
    for number in range(3):
        done.append(context.step(lambda _, number=number: number, name="work"))
        context.wait(Duration.from_minutes(1), name="pause")
    return done


@durable_execution
def idempotent(event: Any, context: DurableContext) -> int:
    """The step asks whether the thing is done already."""

    def reserve(step: StepContext) -> int:
        world.setdefault("seat", 7)
        return int(world["seat"])

    return context.step(reserve, name="reserve")


def _thrice(error: Exception, attempt: int) -> RetryDecision:
    return RetryDecision.retry(Duration.from_seconds(5)) if attempt < 4 else RetryDecision.no_retry()


@durable_execution
def retried(event: Any, context: DurableContext) -> str:
    def flaky(step: StepContext) -> str:
        if step.attempt < 3:
            raise ConnectionError("busy")
        return "done"

    return context.step(flaky, name="flaky", config=StepConfig(retry_strategy=_thrice))


@durable_execution
def failing(event: Any, context: DurableContext) -> None:
    def refuse(step: StepContext) -> None:
        raise ValueError("no")

    context.step(refuse, name="refuse", config=StepConfig(retry_strategy=lambda *_: RetryDecision.no_retry()))


@durable_execution
def at_most_once(event: Any, context: DurableContext) -> str:
    """A step that is interrupted is tried again, after a look at what has come of it."""

    def charge(step: StepContext) -> str:
        if "charged" not in world:
            happen("charged")
        return "paid"

    return context.step(charge, name="charge", config=ONCE)


@durable_execution
def branches(event: Any, context: DurableContext) -> list[int]:
    def branch(inner: DurableContext, item: int, index: int, items: Any) -> int:
        inner.wait(Duration.from_seconds(10 - item), name="wait")
        return inner.step(lambda _: item * 2, name="double")

    return context.map([1, 2, 3], branch, name="all").get_results()


@durable_execution
def first_of_two(event: Any, context: DurableContext) -> int:
    def slow(branch: DurableContext) -> str:
        branch.step(lambda _: "asked", name="ask")
        branch.wait(Duration.from_hours(2), name="two hours")
        return branch.step(lambda _: "slow", name="answer")

    def quick(branch: DurableContext) -> str:
        branch.wait(Duration.from_hours(1), name="an hour")
        return "quick"

    config = ParallelConfig(completion_config=CompletionConfig.first_successful())
    both = [ParallelBranch(slow, name="slow"), ParallelBranch(quick, name="quick")]
    return len(context.parallel(both, name="both", config=config).get_results())


@durable_execution
def first_at_once(event: Any, context: DurableContext) -> int:
    """How far the branch comes that is left behind is chance."""

    def slow(branch: DurableContext) -> None:
        for letter in "abcd":
            branch.step(lambda _: 1, name=f"ask {letter}")

    config = ParallelConfig(completion_config=CompletionConfig.first_successful())
    both = [
        ParallelBranch(lambda branch: branch.step(lambda _: "quick", name="answer"), name="quick"),
        ParallelBranch(slow, name="slow"),
    ]
    return len(context.parallel(both, name="both", config=config).get_results())


@durable_execution
def nested(event: Any, context: DurableContext) -> str:
    def inner(child: DurableContext) -> str:
        child.step(lambda _: 1, name="work")
        child.wait(Duration.from_seconds(3), name="wait")
        return child.step(lambda _: "done", name="work")

    return context.run_in_child_context(inner, name="inner")


@durable_execution
def approval(event: Any, context: DurableContext) -> str:
    return context.wait_for_callback(
        lambda _id, _: None, name="approval", config=WaitForCallbackConfig(timeout=Duration.from_days(1))
    )


@durable_execution
def polled(event: Any, context: DurableContext) -> int:
    def check(state: int, _: Any) -> int:
        return state + 1

    def wait(state: int, attempt: int) -> WaitForConditionDecision:
        if state >= 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_seconds(5))

    config = WaitForConditionConfig(wait_strategy=wait, initial_state=0)
    return context.wait_for_condition(check, config=config, name="ready")


@durable_execution
def invoking(event: Any, context: DurableContext) -> Any:
    return [context.invoke("child", 1, name="first"), context.invoke("plain", 2, name="second")]


CORRECT = (
    nothing_but_steps,
    unnamed,
    loop,
    idempotent,
    retried,
    failing,
    at_most_once,
    branches,
    first_of_two,
    first_at_once,
    nested,
    approval,
    polled,
    invoking,
)
