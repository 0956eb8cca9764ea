"""Invocations that fail: repeated with growing pauses in virtual time, so many times, and told in the end."""

from __future__ import annotations

import os
import sys
import unittest
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from threading import Event
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, InvokeError, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import DurableTestCase, HandlerNotDurableError, LocalDurableTestRunner, TestResult

CALLS: list[str] = []


@durable_execution
def working(event: Any, context: DurableContext) -> str:
    """A step that is done once, whatever becomes of the invocations around it."""
    context.step(lambda _: CALLS.append("step"), name="before")
    return "done"


class Unreliable:
    """What is wrapped around the durable function fails so many times."""

    failures = 0

    def __call__(self, event: Any, context: Any) -> Any:
        CALLS.append("invocation")
        answer = working(event, context)
        if CALLS.count("invocation") <= self.failures:
            raise ConnectionError("the log could not be shipped")
        return answer


def gaps(result: TestResult) -> list[timedelta]:
    """The time between the end of each invocation and the start of the next."""
    invocations = result.get_invocations()
    return [after.started_at - before.ended_at for before, after in pairwise(invocations)]


def seconds(*numbers: int) -> list[timedelta]:
    return [timedelta(seconds=number) for number in numbers]


class EscapedExceptionTests(DurableTestCase):
    """An exception that escapes the handler is none that the SDK could answer with FAILED."""

    handler = Unreliable()

    def setUp(self) -> None:
        CALLS.clear()

    def execute_with(self, failures: int) -> TestResult:
        self.handler.failures = failures
        return self.execute()

    def test_the_invocation_is_repeated_after_pauses_that_double(self) -> None:
        result = self.execute_with(4)
        self.assertExecution().succeeded("done")
        self.assertEqual(gaps(result), seconds(1, 2, 4, 8))
        self.assertEqual(self.now, self.start_time + timedelta(seconds=15))

    def test_each_failure_is_told_in_the_event_of_its_invocation(self) -> None:
        result = self.execute_with(1)
        first, second = result.get_invocations()
        self.assertEqual((first.error.type, first.error.message), ("ConnectionError", "the log could not be shipped"))
        self.assertTrue(
            any("log could not be shipped" in line for line in first.error.stack_trace), first.error.stack_trace
        )
        self.assertIsNone(second.error)

    def test_the_fifth_in_a_row_fails_the_execution_with_its_error(self) -> None:
        result = self.execute_with(99)
        self.assertExecution().failed(message="the log could not be shipped")
        self.assertEqual(result.get_error().type, "ConnectionError")
        self.assertEqual(len(result.get_invocations()), 5)

    def test_r9_4_what_was_checkpointed_is_not_done_again(self) -> None:
        self.execute_with(3)
        self.assertEqual(CALLS.count("step"), 1)


@durable_execution
def crashing(event: dict[str, Any], context: DurableContext) -> str:
    def crash(step: Any) -> str:
        CALLS.append("step")
        if len(CALLS) <= event["crashes"]:
            ENDS[event["end"]]()
        return "survived"

    context.wait(Duration.from_hours(1), name="first")
    return context.step(crash, name="crash")


def _interrupt() -> None:
    raise KeyboardInterrupt


ENDS: dict[str, Callable[[], Any]] = {
    "sys.exit": lambda: sys.exit(3),
    "os._exit": lambda: os._exit(3),
    "KeyboardInterrupt": _interrupt,
}


class CrashTests(DurableTestCase):
    handler = crashing

    def setUp(self) -> None:
        CALLS.clear()

    def test_a_process_that_ends_is_replaced_after_pauses_that_double(self) -> None:
        for end, status in (("sys.exit", 3), ("os._exit", 3), ("KeyboardInterrupt", 130)):
            with self.subTest(end):
                CALLS.clear()
                result = self.execute({"crashes": 2, "end": end})
                self.assertExecution().succeeded("survived")
                self.assertEqual(gaps(result), seconds(3600, 1, 2))
                errors = [invocation.error for invocation in result.get_invocations()]
                self.assertEqual([error and error.type for error in errors], [None, *2 * ["Runtime.ExitError"], None])
                self.assertRegex(
                    str(errors[1].message), f"^RequestId: .* Error: Runtime exited with error: exit status {status}$"
                )

    def test_the_exit_status_is_that_of_a_process(self) -> None:
        for code, status in ((None, 0), (0, 0), (7, 7), (-1, 255), (256, 0), ("no such order", 1)):
            with self.subTest(code=code), mock.patch.dict(ENDS, {"sys.exit": lambda code=code: sys.exit(code)}):
                CALLS.clear()
                result = self.execute({"crashes": 1, "end": "sys.exit"})
                error = result.get_invocations()[1].error
                self.assertRegex(str(error), f"Runtime.ExitError: .* exit status {status}$")

    def test_one_that_always_ends_fails_the_execution(self) -> None:
        result = self.execute({"crashes": 99, "end": "sys.exit"})
        self.assertExecution().failed(message="exit status 3")
        self.assertEqual(len(CALLS), 5)
        self.assertEqual(result.get_error().type, "Runtime.ExitError")


class Siblings:
    """A branch that ends the process, the first time, and one beside it that would go on."""

    def __init__(self, end: Callable[[], Any]) -> None:
        self.ends = [end]
        self.working, self.ended = Event(), Event()

    def end(self, _: Any) -> None:
        if self.ends:
            self.working.wait(5)
            try:
                self.ends.pop()()
            finally:
                self.ended.set()

    def work(self, _: Any) -> None:
        if not self.ended.is_set():
            self.working.set()
            self.ended.wait(5)
            Event().wait(0.1)  # the process is dead: what comes after this never happens in Lambda

    def handler(self, event: Any, context: DurableContext) -> None:
        def beside(child: DurableContext) -> None:
            child.step(self.work, name="work")
            child.step(lambda _: None, name="after")

        context.parallel([lambda child: child.step(self.end, name="end"), beside], name="both")


class SiblingTests(unittest.TestCase):
    def test_a_branch_writes_nothing_after_another_one_has_ended_the_process(self) -> None:
        for end in ENDS:
            siblings = Siblings(ENDS[end])
            with self.subTest(end), LocalDurableTestRunner(durable_execution(siblings.handler)) as runner:
                result = runner.run()
                self.assertEqual(result.get_status(), "SUCCEEDED")
                kinds = [(event["EventType"], event.get("Name")) for event in result.history]
                crash = kinds.index(("InvocationCompleted", None))
                self.assertNotIn(("StepSucceeded", "work"), kinds[:crash])
                self.assertNotIn(("StepStarted", "after"), kinds[:crash])
                self.assertEqual(kinds.count(("StepSucceeded", "work")), 1)


EARLY: list[Callable[[], Any]] = []
"""What happens before ``@durable_execution`` is entered, the next call's first."""


def beginning_badly(event: Any, context: Any) -> Any:
    if EARLY:
        EARLY.pop()()
    return working(event, context)


class EarlyExitTests(DurableTestCase):
    """What is wrapped around the durable function ends the process before it gets that far, as at a failed import."""

    handler = beginning_badly

    def setUp(self) -> None:
        self.addCleanup(EARLY.clear)

    def test_it_is_a_crash_as_any_other_and_a_new_invocation_follows(self) -> None:
        for end, status in (("sys.exit", 3), ("os._exit", 3), ("KeyboardInterrupt", 130)):
            with self.subTest(end):
                EARLY[:] = [ENDS[end]]
                result = self.execute()
                self.assertExecution().succeeded("done")
                self.assertEqual(gaps(result), seconds(1))
                self.assertRegex(str(result.get_invocations()[0].error), f"exit status {status}$")

    def test_an_exception_there_says_that_the_decorator_was_not_reached(self) -> None:
        EARLY[:] = [lambda: {}["missing"]]
        with self.assertRaisesRegex(HandlerNotDurableError, "raised KeyError.* @durable_execution was not reached"):
            self.execute()


def forgetting(event: Any, context: Any) -> dict[str, str]:
    """Suspends without having anything to wait for."""
    answer = working(event, context)
    return {"Status": "PENDING"} if answer else answer


class NothingPendingTests(DurableTestCase):
    handler = forgetting

    def test_pending_with_nothing_pending_is_refused_three_times(self) -> None:
        result = self.execute()
        message = "Cannot return PENDING status with no pending operations."
        self.assertExecution().failed(message=message)
        self.assertEqual([invocation.error.message for invocation in result.get_invocations()], 3 * [message])
        self.assertEqual(gaps(result), seconds(0, 0))


class AnsweringOtherwise:
    """What is wrapped around the durable function answers with a status of its own."""

    status: str | None = None

    def __call__(self, event: Any, context: Any) -> Any:
        working(event, context)
        return {"Status": self.status}


class OtherAnswerTests(DurableTestCase):
    handler = AnsweringOtherwise()

    def test_an_answer_with_a_status_that_lambda_does_not_know(self) -> None:
        for status in ("DONE", "succeeded", None):
            self.handler.status = status
            said = f"answered {{'Status': {status!r}}} instead of what @durable_execution answers with"
            with self.subTest(status), self.assertRaisesRegex(HandlerNotDurableError, said):
                self.execute()


class Mute(Exception):
    """An error of the author's, whose class has a mistake."""

    def __str__(self) -> str:
        raise AttributeError("code")

    def __repr__(self) -> str:
        raise AttributeError("code")


def failing(event: Any, context: Any) -> None:
    raise Mute


def answering_nonsense(event: Any, context: Any) -> Mute:
    working(event, context)
    return Mute()


class NoWordsTests(unittest.TestCase):
    """An author's object that fails to describe itself does no harm to what comes after it."""

    def test_an_exception_that_escapes_from_a_plain_function(self) -> None:
        @durable_execution
        def calling(event: Any, context: DurableContext) -> str | None:
            try:
                context.invoke("failing", None)
            except InvokeError as error:
                return f"{error.error_type}: {error.message}"
            return None

        with LocalDurableTestRunner(calling, functions={"failing": failing}) as runner:
            self.assertEqual(runner.run().get_result(), "Mute: <exception str() failed>")
            self.assertEqual(runner.run().get_status(), "SUCCEEDED")

    def test_an_exception_that_escapes_from_around_the_decorator(self) -> None:
        def crashing(event: Any, context: Any) -> None:
            answering_nonsense(event, context)
            raise Mute

        with LocalDurableTestRunner(crashing) as runner:
            error = runner.run().get_error()
        self.assertEqual((error.type, error.message), ("Mute", "<exception str() failed>"))

    def test_what_is_no_answer_of_a_durable_function(self) -> None:
        for handler, said in (
            (failing, "raised <.*Mute object at .*>, and @durable_execution was not reached"),
            (lambda _event, _context: Mute(), "returned <.*Mute object at .*>, and @durable_execution was not reached"),
            (answering_nonsense, "answered <.*Mute object at .*> instead of what @durable_execution answers with"),
        ):
            with self.subTest(said), LocalDurableTestRunner(handler) as runner:
                with self.assertRaisesRegex(HandlerNotDurableError, said):
                    runner.run()
                with self.assertRaises(HandlerNotDurableError):
                    runner.run()
