"""Workflows whose threads could do things in many orders, and the world around each of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, __version__, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    MapConfig,
    NestingType,
    ParallelConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.plugin import DurableInstrumentationPlugin
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitStrategyConfig, create_wait_strategy

from durabletest import LocalDurableTestRunner, TestResult

Run = Callable[[], TestResult]
RUNS: dict[str, Run] = {}
"""By its name, one run of each workflow."""
ONCE = StepConfig(retry_strategy=RetryPresets.none())
PATIENCE = 20.0
"""Real seconds for something that takes milliseconds."""
logger = logging.getLogger(__name__)


def seconds(count: int) -> Duration:
    return Duration.from_seconds(count)


@contextmanager
def running(handler: Callable[..., Any], **settings: Any) -> Iterator[LocalDurableTestRunner]:
    with LocalDurableTestRunner(handler, **settings) as runner:
        yield runner


def workflow(**settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The decorated handler is run, with these settings of the runner, and nothing else is to do."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        durable = durable_execution(handler)

        def run() -> TestResult:
            with running(durable, **settings) as runner:
                return runner.run()

        RUNS[handler.__name__] = run
        return durable

    return register


def played(handler: Callable[..., Any], **settings: Any) -> Callable[[Callable[..., TestResult]], Run]:
    """The decorated function runs that handler with a runner."""

    def register(play: Callable[..., TestResult]) -> Run:
        def run() -> TestResult:
            with running(durable_execution(handler), **settings) as runner:
                return play(runner)

        RUNS[play.__name__] = run
        return run

    return register


class Flaky(Exception):
    """It comes and goes."""


def failing_until(attempt: int) -> Callable[[Any], int]:
    def call(step: Any) -> int:
        if step.attempt < attempt:
            raise Flaky(f"attempt {step.attempt}")
        return int(step.attempt)

    return call


# --- branches of steps and waits ---


@workflow()
def steps_in_branches(event: Any, context: DurableContext) -> Any:
    def branch(number: int) -> Callable[[DurableContext], Any]:
        return lambda child: [child.step(lambda _: number, name=f"step-{number}-{n}") for n in range(3)]

    return context.parallel([branch(number) for number in range(5)], name="all").get_results()


@workflow()
def waits_that_end_at_one_instant(event: Any, context: DurableContext) -> Any:
    def branch(child: DurableContext, item: int, *_: Any) -> str:
        child.wait(seconds(10), name="first")
        child.step(lambda _: item, name="between")
        child.wait(seconds(20 - item % 2), name="second")
        return "up"

    return context.map(list(range(6)), branch, name="all").get_results()


@workflow()
def nested_maps(event: Any, context: DurableContext) -> Any:
    def inner(child: DurableContext, item: int, index: int, *_: Any) -> int:
        child.wait(seconds(item + index + 1))
        return int(child.step(lambda _: item * 10 + index, name="leaf"))

    def outer(child: DurableContext, item: int, *_: Any) -> Any:
        return child.map([item] * 3, inner, name="inner").get_results()

    return context.map([1, 2, 3], outer, name="outer").get_results()


@workflow()
def large_map_few_at_a_time(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        if item % 7 == 0:
            child.wait(seconds(item + 1))
        return int(child.step(lambda _: item, name="one"))

    return context.map(list(range(30)), one, name="many", config=MapConfig(max_concurrency=8)).success_count


@workflow()
def flat_branches(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        child.step(lambda _: item, name=f"before-{item}")
        child.wait(seconds(5 - item))
        return int(child.step(lambda _: item, name=f"after-{item}"))

    config = MapConfig(nesting_type=NestingType.FLAT)
    return context.map([0, 1, 2, 3], one, name="flat", config=config).get_results()


@workflow()
def contexts_in_branches(event: Any, context: DurableContext) -> Any:
    def leaf(child: DurableContext, letter: str) -> str:
        child.wait(seconds(ord(letter) - 96))
        return str(child.step(lambda _: letter, name=letter))

    def branch(letters: str) -> Callable[[DurableContext], Any]:
        return lambda child: [
            child.run_in_child_context(lambda inner, letter=letter: leaf(inner, letter), name=letter)
            for letter in letters
        ]

    return context.parallel([branch("abc"), branch("cba"), branch("bb")], name="letters").get_results()


# --- completion ---


@workflow()
def first_successful(event: Any, context: DurableContext) -> Any:
    def racer(number: int) -> Callable[[DurableContext], Any]:
        def race(child: DurableContext) -> int:
            for lap in range(3):
                child.step(lambda _: number, name=f"lap-{number}-{lap}")
            child.wait(seconds(10 + number))
            return number

        return race

    config = ParallelConfig(completion_config=CompletionConfig.first_successful())
    return context.parallel([racer(number) for number in range(4)], name="race", config=config).get_results()


@workflow()
def first_successful_at_one_instant(event: Any, context: DurableContext) -> Any:
    def racer(child: DurableContext, item: int, *_: Any) -> int:
        child.step(lambda _: item, name=f"start-{item}")
        return int(child.step(lambda _: item, name=f"finish-{item}"))

    config = MapConfig(completion_config=CompletionConfig(min_successful=2))
    batch = context.map(list(range(6)), racer, name="race", config=config)
    context.step(lambda _: "after", name="after")
    return [batch.completion_reason.value, batch.get_results()]


@workflow()
def tolerated_failures(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        def call(_: Any) -> int:
            if item % 2:
                raise Flaky(f"item {item}")
            return item

        child.wait(seconds(item % 3 + 1))
        return int(child.step(call, name=f"call-{item}", config=ONCE))

    config = MapConfig(completion_config=CompletionConfig(tolerated_failure_count=2), max_concurrency=4)
    batch = context.map(list(range(12)), one, name="some", config=config)
    return [batch.completion_reason.value, batch.success_count, batch.failure_count]


@workflow()
def failing_branches(event: Any, context: DurableContext) -> Any:
    def branch(number: int) -> Callable[[DurableContext], Any]:
        def fail(child: DurableContext) -> None:
            child.step(lambda _: number, name=f"fine-{number}")
            raise Flaky(f"branch {number}")

        return fail

    context.parallel([branch(number) for number in range(4)], name="doomed").throw_if_error()


# --- retries, conditions, jitter ---


@workflow()
def retries_with_jitter(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        return int(child.step(failing_until(item), name=f"flaky-{item}"))

    return context.map([1, 2, 3, 4, 3, 2], one, name="flaky").get_results()


@workflow()
def conditions_in_branches(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        strategy = create_wait_strategy(WaitStrategyConfig[int](lambda state: state < item))
        config = WaitForConditionConfig(strategy, 0)
        return int(child.wait_for_condition(lambda state, _: state + 1, config, name=f"until-{item}"))

    return context.map([1, 3, 2, 4], one, name="poll").get_results()


# --- other executions ---


@durable_execution
def shipping(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        child.wait(seconds(item))
        return int(child.step(lambda _: item * 2, name="pack"))

    return context.map(list(range(1, event + 1)), one, name="parcels").get_results()


@workflow(durable_functions={"shipping": shipping}, functions={"double": lambda event, _: event * 2})
def invokes_in_branches(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> Any:
        shipped = child.invoke("shipping", item, name="ship")
        return [shipped, child.invoke("double", item, name="double")]

    return context.map([3, 1, 2], one, name="orders").get_results()


# --- callbacks ---


def asking(event: Any, context: DurableContext) -> Any:
    def ask(child: DurableContext, name: str, *_: Any) -> Any:
        try:
            config = CallbackConfig(timeout=seconds(300), heartbeat_timeout=seconds(40))
            answer = child.create_callback(name=name, config=config).result()
        except Exception as error:
            answer = type(error).__name__
        return child.step(lambda _: [name, answer], name=f"note-{name}")

    return context.map(["ann", "bob", "cy", "dee"], ask, name="ask").get_results()


@played(asking)
def scripted_callbacks(runner: LocalDurableTestRunner) -> TestResult:
    for name in ("ann", "bob"):
        runner.on_callback(name).succeed(f"yes, {name}", after=timedelta(seconds=30))
    runner.on_callback("cy").fail("Refused", "no", after=timedelta(seconds=30))
    runner.on_callback("dee").never()
    return runner.run()


@played(asking)
def heartbeats(runner: LocalDurableTestRunner) -> TestResult:
    for name, beats in (("ann", 3), ("bob", 2), ("cy", 5), ("dee", 1)):
        answers = runner.on_callback(name)
        answers.heartbeat(every=timedelta(seconds=30), times=beats)
        if beats % 2:
            answers.succeed(beats, after=timedelta(seconds=30 * beats + 15))
        else:
            answers.never()
    return runner.run()


@played(asking)
def callbacks_that_the_test_answers(runner: LocalDurableTestRunner) -> TestResult:
    execution = runner.start()
    for name in ("cy", "ann", "dee", "bob"):
        operation = execution.operation(name)
        operation.wait_for_data().result(PATIENCE)
        execution.advance(timedelta(seconds=5))
        operation.send_callback_success(name.upper())
        execution.operation(f"note-{name}").wait_for_data().result(PATIENCE)
    return execution.result(PATIENCE)


def signing(event: Any, context: DurableContext) -> Any:
    def sign(child: DurableContext, name: str, *_: Any) -> Any:
        def submit(callback_id: str, _: Any) -> None:
            logger.info("asked %s with %s", name, callback_id)

        config = WaitForCallbackConfig(timeout=seconds(600))
        return child.wait_for_callback(submit, name=name, config=config)

    return context.map(["ann", "bob", "cy"], sign, name="sign").get_results()


@played(signing)
def submitted_callbacks(runner: LocalDurableTestRunner) -> TestResult:
    execution = runner.start()
    for name in ("bob", "cy", "ann"):
        operation = execution.operation(name)
        operation.wait_for_data().result(PATIENCE)
        operation.send_callback_success(name)
    return execution.result(PATIENCE)


# --- what the author's code does besides ---


@workflow(skip_sleep=True)
def sleeping_branches(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> float:
        time.sleep(item % 3)
        child.step(lambda _: time.sleep(item), name=f"nap-{item}")
        child.wait(seconds(2))
        return float(child.step(lambda _: time.time(), name=f"up-{item}"))

    return context.map(list(range(1, 7)), one, name="naps").get_results()


def stubbed(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> Any:
        charged = child.step(lambda _: 1 / 0, name="charge")
        return [charged, child.invoke("bank", item, name="bank")]

    return context.map(list(range(5)), one, name="orders").get_results()


@played(stubbed)
def stubs(runner: LocalDurableTestRunner) -> TestResult:
    runner.stub_step("charge").raises(Flaky("no funds"), times=3).then_returns("receipt")
    runner.stub_invoke("bank").succeeds("paid")
    return runner.run()


class Recorder(DurableInstrumentationPlugin):
    """It logs what it is told, so that the order is seen."""

    def on_operation_start(self, info: Any) -> None:
        logger.info("start of %s", info.name)

    def on_operation_end(self, info: Any) -> None:
        logger.info("end of %s", info.name)

    def on_operation_change(self, info: Any) -> None:
        logger.info("changed: %s", [change.name for change in info.updated_operations.values()])

    def on_user_function_start(self, info: Any) -> None:
        logger.info("in %s", info.name)


class Factory:
    def create_plugin(self, info: Any) -> Recorder:
        return Recorder()


PLUGIN: Any = Recorder() if __version__.startswith("2.") else Factory()


@durable_execution(plugins=[PLUGIN])
def watched(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        child.step(lambda _: item, name=f"before-{item}")
        child.wait(seconds(item + 1), name=f"pause-{item}")
        return int(child.step(lambda _: item, name=f"after-{item}"))

    return context.map(list(range(4)), one, name="watched").get_results()


def plugins() -> TestResult:
    with running(watched) as runner:
        return runner.run()


RUNS["plugins"] = plugins


@workflow()
def logging_branches(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        logger.info("began %s", item)
        child.logger.info("durably began %s", item)
        child.step(lambda step: step.logger.warning("in the step of %s", item), name="log")
        child.wait(seconds(3 - item))
        child.logger.info("durably ended %s", item)
        logger.info("ended %s", item)
        return item

    return context.map([0, 1, 2], one, name="talkative").get_results()


@workflow()
def asynchronous_steps(event: Any, context: DurableContext) -> Any:
    async def gathered(item: int) -> list[int]:
        async def part(number: int) -> int:
            await asyncio.sleep(0.001 * (3 - number))
            return item * number

        return await asyncio.gather(*(part(number) for number in range(3)))

    def one(child: DurableContext, item: int, *_: Any) -> Any:
        child.step(lambda _: item, name=f"before-{item}")
        return child.step(lambda _: asyncio.run(gathered(item)), name=f"gather-{item}")

    return context.map([1, 2, 3], one, name="gather").get_results()


@workflow()
def shared_list(event: Any, context: DurableContext) -> Any:
    seen: list[str] = []

    def one(child: DurableContext, item: int, *_: Any) -> None:
        for turn in range(3):
            seen.append(f"{item}:{turn}")
            child.step(lambda _: None, name=f"step-{item}-{turn}")

    context.map([0, 1, 2, 3], one, name="append")
    return context.step(lambda _: list(seen), name="seen")


@workflow()
def short_real_waits(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        child.step(lambda _: time.sleep(0.002 * item), name=f"wait-{item}")
        return int(child.step(lambda _: item, name=f"then-{item}"))

    return context.map([1, 2, 3, 4, 5], one, name="waits").get_results()


@workflow()
def pools_in_steps(event: Any, context: DurableContext) -> Any:
    def compute(number: int) -> int:
        return sum(i * number for i in range(40_000)) % 97

    def pooled(_: Any) -> list[int]:
        with ThreadPoolExecutor(3) as pool:
            return list(pool.map(compute, range(6)))

    def one(child: DurableContext, item: int, *_: Any) -> Any:
        child.step(lambda _: item, name=f"before-{item}")
        return child.step(pooled, name=f"pooled-{item}")

    return context.map([1, 2, 3], one, name="pools").get_results()


@played(asking)
def answers_in_a_row(runner: LocalDurableTestRunner) -> TestResult:
    execution = runner.start()
    operations = [execution.operation(name) for name in ("dee", "ann", "cy", "bob")]
    for operation in operations:
        operation.wait_for_data().result(PATIENCE)
    for operation in operations:
        operation.send_callback_success("yes")
    return execution.result(PATIENCE)


def two_at_once(event: Any, context: DurableContext) -> Any:
    def one(child: DurableContext, item: int, *_: Any) -> int:
        child.wait(seconds(item))
        return int(child.step(lambda _: item * event, name="times"))

    return context.map([1, 2, 3], one, name="all").get_results()


@played(two_at_once, durable_functions={"shipping": shipping})
def two_executions(runner: LocalDurableTestRunner) -> TestResult:
    first, second = runner.start(1), runner.start(2)
    first.result(PATIENCE)
    return second.result(PATIENCE)
