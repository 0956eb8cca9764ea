"""What is left over of an earlier test: handles, waits, clients and timers reach nothing of the later ones."""

from __future__ import annotations

import gc
import logging
import time
import unittest
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, ParallelConfig
from botocore.exceptions import ClientError

from durabletest import (
    DurableTestCase,
    Execution,
    ExecutionStuckError,
    FunctionNotRegisteredError,
    LocalDurableTestRunner,
    RunnerClosedError,
    UsageError,
    WaitingStatus,
)
from durabletest.local.waiting import Wait, Waiters
from tests.acceptance.workflows import ONCE
from tests.local.server.test_pauses import needs_pauses
from tests.sdk_versions import needs_turns


@durable_execution
def waiting(event: Any, context: DurableContext) -> Any:
    context.step(lambda _: event, name="first")
    context.wait(Duration.from_hours(1), name="wait")
    return event


@durable_execution
def asking(event: Any, context: DurableContext) -> Any:
    return context.create_callback(name="answer").result()


@durable_execution
def sleeping(event: Any, context: DurableContext) -> Any:
    time.sleep(1)
    return context.wait(Duration.from_hours(event), name="wait") if event else None


WAYS_TO_END: dict[str, Callable[[LocalDurableTestRunner], None]] = {
    "reset": LocalDurableTestRunner.reset,
    "close": LocalDurableTestRunner.close,
}


class EnvironmentTestCase(unittest.TestCase):
    """Each test has an environment in which one runner comes after the other."""

    def setUp(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)

    def runner(self, handler: Any, **options: Any) -> LocalDurableTestRunner:
        return self.enterContext(LocalDurableTestRunner(handler, **options))

    def successor(self, way: str, before: LocalDurableTestRunner, handler: Any) -> LocalDurableTestRunner:
        """The runner that has what follows: the same one after a reset, or a new one."""
        WAYS_TO_END[way](before)
        return before if way == "reset" else self.runner(handler)


class HandleTests(EnvironmentTestCase):
    def test_a_handle_of_before_never_answers_with_what_came_later(self) -> None:
        for way in WAYS_TO_END:
            before = self.runner(waiting)
            old = before.start(1)
            operation, client = old.operation("first"), before.client
            now = self.successor(way, before, waiting)
            new = now.start(2)
            self.assertEqual(new.arn, old.arn)
            uses: dict[str, Callable[[], Any]] = {
                "result": old.result,
                "status": lambda old=old: old.status,
                "pending": old.pending,
                "advance": lambda old=old: old.advance(timedelta(hours=1)),
                "advance_to_next": old.advance_to_next,
                "stop": old.stop,
                "operation": operation.get_step_details,
                "wait_for_data": lambda operation=operation: operation.wait_for_data(),
                "send_callback_success": lambda old=old: old.operation("first").send_callback_success(),
            }
            for name, use in uses.items():
                with self.subTest(name, way=way), self.assertRaisesRegex(RunnerClosedError, f"the runner was {way}"):
                    use()
            if way == "close":
                with self.assertRaisesRegex(RunnerClosedError, "the runner was closed"):
                    client.get_durable_execution(DurableExecutionArn=new.arn)
            self.assertEqual(new.result(timeout=5).get_result(), 2)
            now.close()

    def test_what_has_ended_can_be_read_for_ever(self) -> None:
        for way in WAYS_TO_END:
            with self.subTest(way):
                before = self.runner(waiting)
                result = before.run(1)
                execution = before.start(1)
                execution.result(timeout=5)
                now = self.successor(way, before, waiting)
                now.run(2)
                self.assertEqual((result.get_result(), execution.result().get_result()), (1, 1))
                self.assertEqual(execution.operation("first").get_step_details().result, 1)
                now.close()

    def test_a_runner_whose_environment_was_torn_down_is_told_so(self) -> None:
        runner = LocalDurableTestRunner(waiting)
        self.addCleanup(runner.close)
        execution = runner.start(1)
        LocalDurableTestRunner.teardown_test_environment()
        self.addCleanup(LocalDurableTestRunner.setup_test_environment)
        message = (
            r"the test environment ended .* while the runner for [^,]*, made at tests/local/test_generations.py:\d+"
        )
        for use in (execution.result, lambda: runner.run(1)):
            with self.assertRaisesRegex(RunnerClosedError, message):
                use()


class ClosedRunnerTests(EnvironmentTestCase):
    def test_nothing_is_left_of_it_once_the_next_one_is_open(self) -> None:
        """An environment that was set up lasts for a whole suite: what each of its tests leaves would add up."""

        class Data:
            """What a test holds; it is big."""

        data = Data()
        with LocalDurableTestRunner(waiting, durable_functions={"billing": waiting}) as runner:
            runner.stub_invoke("shipping", optional=True).succeeds()
            runner.stub_step("first", optional=True).returns(data)
            self.assertEqual(executions_of("billing", runner), [])
        freed = weakref.ref(data)
        del runner, data
        with LocalDurableTestRunner(waiting) as later:
            gc.collect()
            self.assertIsNone(freed())
            with self.assertRaisesRegex(ClientError, "Function not found: billing"):
                executions_of("billing", later)


@durable_execution
def later(event: Any, context: DurableContext) -> Any:
    context.wait(Duration.from_hours(2), name="wait")
    return context.invoke("nobody", None, name="invoke")


@durable_execution
def leaving(event: Any, context: DurableContext) -> Any:
    """It does not wait for the end of what it has invoked."""

    def quick(branch: DurableContext) -> str:
        branch.wait(Duration.from_hours(1))
        return "quick"

    config = ParallelConfig(completion_config=CompletionConfig.first_successful())
    context.parallel([lambda branch: branch.invoke("later", None, name="later"), quick], config=config)


class LeftBehindTests(EnvironmentTestCase):
    """A child that goes on when its parent has ended: an error that ends it is told where it is waited for."""

    def child(self, delete: bool) -> Execution:
        runner = self.runner(leaving, durable_functions={"later": later})
        parent = runner.run()
        (child,) = executions_of("later", runner)
        if delete:
            runner.client.delete_durable_execution(DurableExecutionArn=parent.arn)
        return runner.execution(child["DurableExecutionArn"])

    def test_its_parent_has_ended(self) -> None:
        with self.assertRaisesRegex(FunctionNotRegisteredError, "invokes 'nobody'"):
            self.child(delete=False).result()

    @needs_pauses
    def test_its_parent_was_deleted(self) -> None:
        with self.assertRaisesRegex(FunctionNotRegisteredError, "invokes 'nobody'"):
            self.child(delete=True).result()


@needs_pauses
class DeletedTests(EnvironmentTestCase):
    """What was deleted by the API has an ARN that the next runner's executions have again."""

    def delete(self, runner: LocalDurableTestRunner) -> Execution:
        execution = runner.start(1)
        runner.client.stop_durable_execution(DurableExecutionArn=execution.arn)
        runner.client.delete_durable_execution(DurableExecutionArn=execution.arn)
        return execution

    def test_what_comes_later_runs_to_its_own_end(self) -> None:
        for way in WAYS_TO_END:
            before = self.runner(waiting)
            deleted = self.delete(before)
            successor = self.successor(way, before, waiting)
            later = successor.start(2)
            self.assertEqual(later.arn, deleted.arn)
            self.assertEqual(later.result().get_result(), 2)
            successor.close()

    def test_nothing_that_it_logged_is_among_what_comes_later_logs(self) -> None:
        @durable_execution
        def logging_once(event: Any, context: DurableContext) -> None:
            logging.getLogger("order").warning("order %s", event)

        runner = self.runner(logging_once)
        runner.client.delete_durable_execution(DurableExecutionArn=runner.run(1).arn)
        runner.reset()
        self.assertEqual([entry.message for entry in runner.run(2).logs], ["order 2"])

    def test_a_handle_on_it_is_told_so_and_does_no_harm(self) -> None:
        runner = self.runner(waiting)
        deleted = self.delete(runner)
        for ask in (
            lambda: deleted.result(timeout=5),
            lambda: deleted.status,
            lambda: deleted.operation("first").wait_for_data(WaitingStatus.STARTED).result(timeout=5),
        ):
            with self.assertRaisesRegex(ClientError, "Durable execution not found"):
                ask()
        self.assertEqual(runner.run(2).get_result(), 2)

    def test_an_invocation_that_still_runs_is_given_up(self) -> None:
        entered, released = Event(), Event()
        self.addCleanup(released.set)

        @durable_execution
        def blocked(event: Any, context: DurableContext) -> Any:
            if event:
                context.step(lambda _: entered.set() or released.wait(5), name="blocked")
            return event

        runner = self.runner(blocked)
        execution = runner.start(1)
        entered.wait(5)
        runner.client.stop_durable_execution(DurableExecutionArn=execution.arn)
        runner.client.delete_durable_execution(DurableExecutionArn=execution.arn)
        released.set()
        self.assertIsNone(runner.run().get_result())

    def test_what_was_read_before_is_kept(self) -> None:
        runner = self.runner(waiting)
        execution = runner.start(1)
        self.assertEqual(execution.result().get_result(), 1)
        runner.client.delete_durable_execution(DurableExecutionArn=execution.arn)
        self.assertEqual(execution.result().get_result(), 1)


def executions_of(function: str, runner: LocalDurableTestRunner) -> Any:
    return runner.client.list_durable_executions_by_function(FunctionName=function)["DurableExecutions"]


class WaitTests(EnvironmentTestCase):
    def in_background(self, wait: Callable[[], Any], *until: str) -> Future[Any]:
        """The wait, in a thread of its own that has begun with it."""
        pool = ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        return pool.submit(wait)

    def test_a_thread_that_still_waits_is_told_and_moves_nothing(self) -> None:
        waits: dict[str, Callable[[Execution], Any]] = {
            "the end": lambda execution: execution.result(),
            "an operation": lambda execution: execution.operation("later").wait_for_data().result(),
        }
        for way in WAYS_TO_END:
            for name, wait in waits.items():
                with self.subTest(name, way=way), LocalDurableTestRunner(asking) as other:
                    before = self.runner(asking)
                    # an execution of another runner waits for an answer, and this thread is free to give it
                    execution = before.start()
                    execution.operation("answer").wait_for_data().result(timeout=5)
                    left_over = self.in_background(lambda wait=wait, execution=execution: wait(execution))
                    other.start().operation("answer").wait_for_data().result(timeout=5)
                    now = self.successor(way, before, waiting)
                    self.assertIsInstance(left_over.exception(timeout=5), RunnerClosedError)
                    self.assertEqual(now.now, other.now)
                    now.close()

    def test_it_is_told_at_once_if_the_runner_was_the_only_one(self) -> None:
        """Nothing comes after it that could tell it later."""
        registered, add = Event(), Waiters.add

        def adding(waiters: Waiters, wait: Wait) -> None:
            add(waiters, wait)
            registered.set()

        runner = self.runner(asking)
        execution = runner.start()
        execution.operation("answer").wait_for_data().result(timeout=5)  # this thread is free to answer
        with patch.object(Waiters, "add", adding):
            left_over = self.in_background(execution.result)
            self.assertTrue(registered.wait(5))
        runner.close()
        self.assertIsInstance(left_over.exception(timeout=5), RunnerClosedError)

    def test_a_runner_after_it_is_stuck_where_it_is_stuck(self) -> None:
        for way in WAYS_TO_END:
            with self.subTest(way):
                before = self.runner(asking)
                execution = before.start()
                self.in_background(execution.result)
                now = self.successor(way, before, asking)
                for _ in range(2):
                    with self.assertRaises(ExecutionStuckError):
                        now.run()
                now.close()

    def test_a_thread_that_once_followed_an_operation_hides_no_stuck_run_of_later_runners(self) -> None:
        pool = ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        for way in WAYS_TO_END:
            with self.subTest(way):
                before = self.runner(asking, watchdog=30)
                execution = before.start()
                operation = execution.operation("answer")
                pool.submit(lambda operation=operation: operation.wait_for_data().result(timeout=5)).result(timeout=5)
                now = self.successor(way, before, asking)
                with self.assertRaises(ExecutionStuckError):
                    now.start().result(timeout=5)
                now.close()

    def test_each_of_several_waits_raises_an_error_of_its_own(self) -> None:
        runner = self.runner(asking)
        executions = [runner.start() for _ in range(2)]
        waits = [self.in_background(execution.result) for execution in executions for _ in range(2)]
        with self.assertRaises(ExecutionStuckError):
            executions[0].result(timeout=5)
        errors = [wait.exception(timeout=5) for wait in waits]
        self.assertEqual({type(error) for error in errors}, {ExecutionStuckError})
        self.assertEqual(len({id(error) for error in errors}), len(errors))


class TimerTests(EnvironmentTestCase):
    @needs_turns  # see test_sleep, of an invocation that sleeps longer
    def test_the_deadline_of_a_sleeper_ends_with_its_invocation(self) -> None:
        runner = self.runner(sleeping, skip_sleep=True)
        execution = runner.start(0)
        execution.result(timeout=5)
        with self.assertRaisesRegex(UsageError, "nothing to advance to"):
            execution.advance_to_next()

    def test_a_new_runner_and_a_reset_find_no_timer(self) -> None:
        for way in WAYS_TO_END:
            with self.subTest(way):
                before = self.runner(sleeping, skip_sleep=True)
                before.start(5).advance(timedelta(seconds=0.5))
                now = self.successor(way, before, asking)
                begun = now.now
                execution = now.start(0)
                if way == "close":
                    with self.assertRaisesRegex(UsageError, "nothing to advance to"):
                        execution.advance_to_next()
                self.assertEqual((now.now, execution.pending()[1:]), (begun, []))
                now.close()

    @needs_turns
    def test_one_that_only_sleeps_is_followed_by_others(self) -> None:
        @durable_execution
        def nap(event: Any, context: DurableContext) -> None:
            time.sleep(60)

        runner = self.runner(nap, skip_sleep=True, watchdog=5)
        for _ in range(3):
            self.assertEqual(runner.run().get_status(), "SUCCEEDED")

    def test_a_sleeper_past_its_deadline_has_timed_out_all_the_same(self) -> None:
        @durable_execution
        def too_long(event: Any, context: DurableContext) -> None:
            time.sleep(3600)

        runner = self.runner(too_long, skip_sleep=True)
        result = runner.run()
        errors = [invocation.error.type if invocation.error else None for invocation in result.get_invocations()]
        self.assertEqual(set(errors), {"Sandbox.Timedout"})


class RealTimeDeadlineTests(unittest.TestCase):
    def run_with_limit(self, limit: int, seconds: float) -> Any:
        gate = Event()

        @durable_execution
        def slow(event: Any, context: DurableContext) -> str:
            for number in range(int(seconds / 0.02)):
                context.step(lambda _, number=number: gate.wait(0.02), name=f"{number}", config=ONCE)
            return "done"

        with LocalDurableTestRunner(
            slow, skip_time=False, execution_timeout=timedelta(seconds=2), function_timeout=limit
        ) as runner:
            result = runner.run()
            return result.get_status(), [i.error.type if i.error else None for i in result.get_invocations()]

    def test_an_invocation_that_takes_longer_than_lambda_allows_is_ended(self) -> None:
        _, errors = self.run_with_limit(1, 5)
        self.assertEqual(errors[0], "Sandbox.Timedout")

    def test_one_that_takes_less_is_not(self) -> None:
        self.assertEqual(self.run_with_limit(5, 0.1), ("SUCCEEDED", [None]))


class NestedTests(DurableTestCase):
    """A step runs the test's own handler, and would wait for itself."""

    watchdog = 5

    @staticmethod
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return context.step(lambda _: event() if callable(event) else NestedTests.calls[event](), name="s")

    calls: dict[str, Callable[[], Any]] = {}

    def test_calls_that_wait_are_refused_and_end_the_run(self) -> None:
        NestedTests.calls = {
            "execute": lambda: self.execute("nothing"),
            "runner.run": lambda: self.runner.run("nothing"),
            "a new runner": lambda: LocalDurableTestRunner(waiting),
            "reset": lambda: self.runner.reset(),
            "advance": lambda: self.runner.execution(arns[-1]).advance(timedelta(hours=1)),
            "wait_for_data": lambda: (
                self.runner.execution(arns[-1]).operation("never").wait_for_data(WaitingStatus.COMPLETED).result()
            ),
        }
        arns: list[str] = []
        for name in NestedTests.calls:
            with self.subTest(name), self.assertRaisesRegex(UsageError, r"\) was called by handler code, whose own"):
                execution = self.start(name)
                arns.append(execution.arn)
                execution.result(timeout=5)

    def test_calls_that_only_look_are_not(self) -> None:
        NestedTests.calls = {"now": lambda: str(self.now), "status": lambda: str(self._durable_last().arn)}
        for name in NestedTests.calls:
            self.execute(name)
            self.assertExecution().succeeded()


if __name__ == "__main__":
    unittest.main()
