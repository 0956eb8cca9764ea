"""Reset: what was running reaches nothing that comes after it, and other runners do not notice."""

from __future__ import annotations

import unittest
from datetime import timedelta
from threading import Event
from typing import Any
from unittest.mock import MagicMock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics

from durabletest import DurableTestCase, LocalDurableTestRunner, OperationNotFoundError
from durabletest.local.announcement_handlers import AnnouncementHandlers

HALF_AN_HOUR = timedelta(minutes=30)


class Gate:
    """A step of one invocation: it says that it has begun, and goes on when it may."""

    def __init__(self) -> None:
        self.entered, self.released, self.left = Event(), Event(), Event()


class Gated:
    """Each invocation stops in its step, and returns the number of its gate."""

    def __init__(self) -> None:
        self.gates = [Gate(), Gate()]
        self._next = iter(enumerate(self.gates))

    def __call__(self, event: Any, context: Any) -> Any:
        number, gate = next(self._next)

        @durable_execution
        def handler(event: Any, context: DurableContext) -> Any:
            def stop(_: Any) -> int:
                gate.entered.set()
                gate.released.wait(5)
                return number

            config = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
            return context.step(stop, name="gate", config=config)

        try:
            return handler(event, context)
        finally:
            gate.left.set()


class OldInvocationTests(unittest.TestCase):
    def test_an_invocation_that_is_still_running_writes_nothing_into_the_execution_that_comes_after_it(self) -> None:
        """Both have the same ARN and, at this place, the same token, since ids begin anew."""
        for skip_time in (True, False):
            handler = Gated()
            old, new = handler.gates
            with self.subTest(skip_time=skip_time), LocalDurableTestRunner(handler, skip_time=skip_time) as runner:
                arn = runner.start().arn
                self.assertTrue(old.entered.wait(5))
                runner.reset()
                execution = runner.start()
                self.assertEqual(execution.arn, arn)
                self.assertTrue(new.entered.wait(5))
                old.released.set()
                self.assertTrue(old.left.wait(5))
                new.released.set()
                result = execution.result(timeout=5)
                self.assertEqual(result.get_result(), 1)
                self.assertEqual([event["EventType"] for event in result.history].count("StepSucceeded"), 1)


@durable_execution
def waiting(event: Any, context: DurableContext) -> None:
    context.wait(Duration.from_hours(1), name="an hour")


class OtherRunnerTests(DurableTestCase):
    handler = waiting

    def test_a_runner_beside_it_keeps_its_time_its_executions_and_the_ids_that_were_given_out(self) -> None:
        with LocalDurableTestRunner(waiting) as other:
            execution = self.start()
            execution.advance(HALF_AN_HOUR)
            arn = other.start().arn
            other.reset()
            self.assertEqual(self.now, self.start_time + HALF_AN_HOUR)
            self.assertNotEqual(other.start().arn, arn)
            execution.result(timeout=5)
        self.assertOperation("an hour").waited(hours=1)
        self.assertEqual(self.now, self.start_time + timedelta(hours=1))

    def test_r1_6_with_the_only_runner_nothing_is_left_and_time_and_ids_begin_anew(self) -> None:
        execution = self.start()
        execution.advance(HALF_AN_HOUR)
        self.runner.reset()
        self.assertEqual(self.now, self.start_time)
        with self.assertRaises(OperationNotFoundError):
            self.runner.get_operation("an hour")
        with self.assertRaises(self.runner.client.exceptions.ResourceNotFoundException):
            self.runner.client.get_durable_execution(DurableExecutionArn=execution.arn)
        self.assertEqual(self.start().arn, execution.arn)


class AnnouncementTests(unittest.TestCase):
    """What the server announces is done later, and not for an execution that was given up meanwhile."""

    def setUp(self) -> None:
        self.messages: list[Any] = []
        self.parts = MagicMock(**{"inbox.post": self.messages.append})
        self.handlers = AnnouncementHandlers(self.parts)

    def calls_put(self) -> list[str]:
        """The executions whose calls were put into the queue, once the messages are handled."""
        while self.messages:
            self.messages.pop(0)()
        return [put.args[0] for put in self.parts.calls.put.call_args_list]

    def test_nothing_is_done_during_the_request(self) -> None:
        self.handlers.invocation_due("a")
        self.parts.calls.put.assert_not_called()
        self.assertEqual(self.calls_put(), ["a"])

    def test_what_was_given_up_meanwhile_is_not_done_until_its_arn_is_used_again(self) -> None:
        self.handlers.invocation_due("a")
        self.handlers.invocation_due("b")
        self.handlers.forget("a", RuntimeError)
        self.assertEqual(self.calls_put(), ["b"])
        self.handlers.all_forgotten()
        self.handlers.invocation_due("a")
        self.assertEqual(self.calls_put(), ["b", "a"])
