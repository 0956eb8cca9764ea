"""Benchmarks: ``python tests/benchmarks`` prints ratios that are measured side by side in one run.

They are no tests: absolute times depend on the machine. AWS's own testing package takes part where it is installed
(``pip install aws-durable-execution-sdk-python-testing==1.4.0``), else its column is empty.
"""

from __future__ import annotations

import json
import logging
import statistics
import time
import unittest
from collections.abc import Callable
from typing import Any

import workflows
from bare import run_bare
from tabulate import tabulate

from durabletest import DurableTestCase, LocalDurableTestRunner, WaitingStatus

try:
    from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner
except ModuleNotFoundError:
    DurableFunctionTestRunner = None

CASES: list[tuple[str, Callable[..., Any], Any, int]] = [
    ("one step", workflows.one_step, None, 30),
    ("ten steps, ten waits of an hour", workflows.ten_steps_ten_waits, None, 7),
    ("parallel waits of 1 s, 60 s, 1 h, 2 h", workflows.parallel_waits, None, 3),
    ("a callback of a day that nobody answers", workflows.unanswered, None, 7),
    ("a year, waited for by the month", workflows.a_year, None, 7),
    ("a callback that the test answers", workflows.approved, None, 15),
    ("a map over 100", workflows.map_over, 100, 5),
    ("a map over 100 with a step for each", workflows.map_of_steps, 100, 5),
    ("1000 steps", workflows.many_steps, 1000, 3),
    ("200 branches that wait differently", workflows.waits_that_differ, 200, 1),
]
LINEAR = (500, 1000, 2000, 4000)


Contender = Callable[[], float]


def seconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def warm(run: Callable[[], Any], payload: Any) -> float:
    """The median of twenty runs after twenty that do not count; of long ones, which have a payload, one after one.

    Of a class's tests, most run like that: caches are filled, and the interpreter has specialised what it runs.
    """
    times = 20 if payload is None else 1
    for _ in range(times):
        run()
    return statistics.median(seconds(run) for _ in range(times))


def with_durabletest(handler: Callable[..., Any], payload: Any) -> Contender:
    """Warm, as the later tests of a class; the environment is taken down afterwards, so that it speeds up nobody."""

    def run() -> None:
        with LocalDurableTestRunner(handler, operation_limit=10_000) as runner:
            if handler is workflows.approved:
                answer(runner)
            else:
                runner.run(payload).get_result()

    def measure() -> float:
        LocalDurableTestRunner.setup_test_environment()
        try:
            return warm(run, payload)
        finally:
            LocalDurableTestRunner.teardown_test_environment()

    return measure


def answer(runner: LocalDurableTestRunner) -> None:
    execution = runner.start()
    approval = execution.operation("approval")
    approval.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
    approval.send_callback_success("yes")
    execution.result(timeout=5).get_result()


def with_aws(handler: Callable[..., Any], payload: Any) -> Contender | None:
    """A callback's timeout is real time there: a day is more than anybody waits."""
    if DurableFunctionTestRunner is None or handler is workflows.unanswered:
        return None

    def run() -> None:
        with DurableFunctionTestRunner(handler=handler) as runner:
            if handler is workflows.approved:
                arn = runner.run_async(input=json.dumps(payload))
                callback_id = runner.wait_for_callback(arn, name="approval create callback id")
                runner.send_callback_success(callback_id, b"yes")
                runner.wait_for_result(arn)
                return
            runner.run(input=json.dumps(payload), execution_timeout=120)

    return lambda: seconds(run)


def bare(handler: Callable[..., Any], payload: Any) -> Contender | None:
    """Nobody answers callbacks there."""
    if handler in (workflows.approved, workflows.unanswered):
        return None
    return lambda: warm(lambda: run_bare(handler, payload), payload)


def medians(contenders: list[Contender | None], rounds: int) -> list[float | None]:
    """The median of each contender, measured in turns, after one round that does not count."""
    times: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds + 1):
        for contender, measured in zip(contenders, times, strict=True):
            if contender is not None:
                took = contender()
                measured.extend([took] if number else [])
    return [statistics.median(measured) if measured else None for measured in times]


def row(title: str, handler: Callable[..., Any], payload: Any, rounds: int) -> list[Any]:
    ours, sdk, aws = medians(
        [with_durabletest(handler, payload), bare(handler, payload), with_aws(handler, payload)], rounds
    )
    assert ours is not None
    return [
        title,
        f"{ours * 1000:.1f} ms",
        "" if sdk is None else f"{ours / sdk:.2f} x",
        "" if aws is None else times(aws / ours),
    ]


def times(ratio: float) -> str:
    return f"{ratio:.0f} x" if ratio >= 10 else f"{ratio:.1f} x"


def thousand_methods() -> float:
    """A class with so many tests of a step, a wait and a step, as unittest runs it."""

    def test(case: DurableTestCase) -> None:
        case.execute()
        case.assertExecution().succeeded(2)
        case.assertOperation("pause").waited(hours=1)

    methods = {f"test_{number}": test for number in range(1000)}
    suite = type("Thousand", (DurableTestCase,), {"handler": workflows.step_wait_step, **methods})
    result = unittest.TestResult()
    took = seconds(lambda: unittest.defaultTestLoader.loadTestsFromTestCase(suite).run(result))
    if not result.wasSuccessful():
        raise AssertionError(result)
    return took


def main() -> None:
    logging.disable(logging.CRITICAL)
    rows = [row(*case) for case in CASES]
    print(tabulate(rows, headers=["workflow", "durabletest", "of the bare SDK", "faster than AWS's package"]))
    print()
    for count in LINEAR:
        took = statistics.median(with_durabletest(workflows.many_steps, count)() for _ in range(3))
        print(f"{count} steps: {took:.2f} s, {took / count * 1000:.2f} ms a step")

    print(f"1000 test methods of step, wait, step in one class: {thousand_methods():.1f} s")


if __name__ == "__main__":
    main()
