"""Many executions that are started at once, from many threads, in one environment: they share the timeline."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import DurableTestCase, LocalDurableTestRunner, TestResult

MANY = 40


def again_in_a_minute(error: Exception, attempt: int) -> RetryDecision:
    return RetryDecision(attempt < 2, Duration.from_minutes(1))


@durable_execution
def pricing(event: int, context: DurableContext) -> int:
    context.wait(Duration.from_seconds(event + 1), name="look up")
    return event * 10


@durable_execution
def mixed(event: int, context: DurableContext) -> list[Any]:
    """Of everything something, with waits that differ from execution to execution."""

    def flaky(step: Any) -> int:
        if step.attempt == 1:
            raise ConnectionError
        return event

    def branch(seconds: int) -> Any:
        return lambda child: child.wait(Duration.from_seconds(seconds))

    step = context.step(flaky, name="flaky", config=StepConfig(retry_strategy=again_in_a_minute))
    context.wait(Duration.from_hours(event + 1), name="wait")
    context.parallel([branch(event + 1), branch(60)], name="both")
    price = context.invoke("pricing", event, name="price")
    config = CallbackConfig(timeout=Duration.from_days(1))
    answer = context.create_callback(name="answer", config=config).result()
    return [step, price, answer]


class ManyAtOnceTests(DurableTestCase):
    handler = mixed
    durable_functions = {"pricing": pricing}

    def check(self, number: int, result: TestResult) -> None:
        self.assertEqual(result.get_result(), [number, number * 10, "yes"])
        self.assertOperation("flaky", execution=result).succeeded(number).attempts(2)
        self.assertOperation("wait", execution=result).waited(hours=number + 1)
        self.assertOperation("price", execution=result).succeeded(number * 10)
        self.assertEqual(result.get_operation("price").duration, timedelta(seconds=number + 1))
        self.assertEqual(result.get_operation("answer").duration, timedelta(hours=2))

    def test_forty_executions_in_forty_threads(self) -> None:
        for _ in range(MANY):
            self.on_callback("answer").succeed("yes", after=timedelta(hours=2))
        together = Barrier(MANY)

        def run(number: int) -> TestResult:
            together.wait(timeout=30)
            return self.runner.run(number)

        with ThreadPoolExecutor(MANY) as pool:
            results = list(pool.map(run, range(MANY)))
        for number, result in enumerate(results):
            self.check(number, result)
        self.assertEqual(len({result.arn for result in results}), MANY)

    def test_a_thread_that_waits_lets_time_pass_for_all(self) -> None:
        """The timeline is shared: what one waits for, the other has waited for too."""
        self.on_callback("answer").succeed("yes").succeed("yes")
        quick, slow = self.start(0), self.start(30)
        slow.result(timeout=30)
        self.assertEqual(quick.status, "SUCCEEDED")
        self.assertOperation("wait", execution=quick).waited(hours=1)

    def test_two_runners_share_the_timeline(self) -> None:
        with LocalDurableTestRunner(pricing) as other:
            execution = other.start(3599)
            self.runner.start(0)
            execution.result(timeout=30)
            self.assertEqual(self.now - self.start_time, timedelta(hours=1))
