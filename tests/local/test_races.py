"""Races between timers: the right winner, at the exact virtual times, however often they are run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from queue import Queue
from threading import Event, Thread
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import CallbackError, DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    CompletionConfig,
    Duration,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision

from durabletest import CallbackScript, DurableTestCase, LocalDurableTestRunner, TestResult, WaitingStatus
from durabletest.local.server.checkpoint_server import CheckpointServer
from tests.effort import examples

TIMES = examples(6, long=40)
FIRST = ParallelConfig(completion_config=CompletionConfig.first_successful())
ALL = ParallelConfig(completion_config=CompletionConfig.all_completed())
MINUTE, HOUR, DAY = 60, 3600, 86_400


def waits(*seconds: int) -> Callable[[DurableContext], str]:
    """A branch that returns something: in SDK 2 one without a result does not count among the successful ones."""

    def branch(context: DurableContext) -> str:
        for delay in seconds:
            context.wait(Duration.from_seconds(delay), name=f"{delay} s")
        return "waited"

    return branch


def retries(*delays: int) -> Callable[[DurableContext], str]:
    """A step that fails once for each delay."""

    def decide(error: Exception, attempt: int) -> RetryDecision:
        return RetryDecision(True, Duration.from_seconds(delays[attempt - 1]))

    def branch(context: DurableContext) -> str:
        return str(context.step(attempt, name="flaky", config=StepConfig(retry_strategy=decide)))

    def attempt(step: Any) -> str:
        if step.attempt <= len(delays):
            raise ConnectionError(f"attempt {step.attempt}")
        return "at last"

    return branch


def interrupted_by_a_step(context: DurableContext) -> str:
    waits(1)(context)
    context.step(lambda _: "instant", name="step")
    return waits(60)(context)


RACES = {
    "3 x 10 min against 24 h": ([waits(600, 600, 600), waits(DAY)], FIRST),
    "5 x 10 s against 60 s": ([waits(10, 10, 10, 10, 10), waits(60)], FIRST),
    "retries of 20 s against 1 h": ([retries(5, 5, 10), waits(HOUR)], FIRST),
    "1 s, a step, 60 s against 2 h": ([interrupted_by_a_step, waits(2 * HOUR)], FIRST),
    "1 s, 60 s, 1 h and 2 h": ([waits(1), waits(60), waits(HOUR), waits(2 * HOUR)], ALL),
}


@durable_execution
def race(event: str, context: DurableContext) -> list[int]:
    branches, config = RACES[event]
    result = context.parallel(branches, name="race", config=config)
    return [item.index for item in result.all if item.status.name == "SUCCEEDED"]  # SDK 2 hides those without a result


@durable_execution
def answered(event: dict[str, int], context: DurableContext) -> str:
    config = CallbackConfig(
        timeout=Duration.from_seconds(event["timeout"]),
        heartbeat_timeout=Duration.from_seconds(event.get("heartbeat", 0)),
    )
    return str(context.create_callback(name="answer", config=config).result())


def ends(result: TestResult) -> list[tuple[str, str | None, int]]:
    """Each end of an operation or attempt in the history, with its name and its seconds since the start."""
    start = result.history[0]["EventTimestamp"]
    return [
        (event["EventType"], event.get("Name"), (event["EventTimestamp"] - start) // timedelta(seconds=1))
        for event in result.history
        if not event["EventType"].endswith("Started") and not event["EventType"].startswith("Invocation")
    ]


def waited(*times: tuple[int, int]) -> list[tuple[str, str | None, int]]:
    return [("WaitSucceeded", f"{seconds} s", at) for seconds, at in times]


def won(branch: int, at: int) -> list[tuple[str, str | None, int]]:
    return [
        ("ContextSucceeded", f"parallel-branch-{branch}", at),
        ("ContextSucceeded", "race", at),
        ("ExecutionSucceeded", None, at),
    ]


class BranchRaceTests(DurableTestCase):
    handler = race

    def assert_ends(self, payload: str, winners: list[int], expected: list[tuple[str, str | None, int]]) -> None:
        for _ in range(TIMES):
            self.runner.reset()
            result = self.execute(payload)
            self.assertEqual(result.get_result(), winners)
            self.assertEqual(ends(result), expected)

    def test_three_waits_of_ten_minutes_win_against_a_day(self) -> None:
        self.assert_ends("3 x 10 min against 24 h", [0], waited((600, 600), (600, 1200), (600, 1800)) + won(0, 1800))

    def test_five_waits_of_ten_seconds_win_against_sixty(self) -> None:
        self.assert_ends("5 x 10 s against 60 s", [0], waited(*((10, 10 * n) for n in range(1, 6))) + won(0, 50))

    def test_r16_6_retries_that_add_up_to_twenty_seconds_win_against_an_hour(self) -> None:
        attempts = [("StepFailed", "flaky", at) for at in (0, 5, 10)] + [("StepSucceeded", "flaky", 20)]
        self.assert_ends("retries of 20 s against 1 h", [0], [*attempts, *won(0, 20)])

    def test_a_step_between_two_waits_takes_no_time(self) -> None:
        step = [("StepSucceeded", "step", 1)]
        expected = waited((1, 1)) + step + waited((60, 61)) + won(0, 61)
        self.assert_ends("1 s, a step, 60 s against 2 h", [0], expected)

    def test_r16_6_branches_complete_in_the_order_of_their_waits(self) -> None:
        expected = []
        for branch, seconds in enumerate((1, 60, HOUR, 2 * HOUR)):
            expected += waited((seconds, seconds)) + won(branch, seconds)[:1]
        self.assert_ends("1 s, 60 s, 1 h and 2 h", [0, 1, 2, 3], expected + won(3, 2 * HOUR)[1:])


@durable_execution
def two_callbacks(event: Any, context: DurableContext) -> None:
    config = CallbackConfig(heartbeat_timeout=Duration.from_minutes(10))
    callbacks = [context.create_callback(name=name, config=config) for name in ("one", "other")]
    for callback in callbacks:
        with suppress(CallbackError):
            callback.result()


class TieTests(DurableTestCase):
    """What is due at one instant comes in the order in which it was armed, and a heartbeat arms its timeout again."""

    handler = two_callbacks

    def timed_out(self, *beating: str) -> list[str]:
        """The callbacks in the order of their timeouts, after a heartbeat of some at the instant of their creation."""
        self.runner.reset()
        execution = self.start()
        for name in ("one", "other"):
            execution.operation(name).wait_for_data().result(timeout=5)
        for name in beating:
            execution.operation(name).send_callback_heartbeat()
        result = execution.result(timeout=5)
        timeouts = [event for event in result.history if event["EventType"] == "CallbackTimedOut"]
        self.assertEqual({event["EventTimestamp"] for event in timeouts}, {self.start_time + timedelta(minutes=10)})
        return [event["Name"] for event in timeouts]

    def test_r17_1_a_timeout_that_was_armed_again_goes_to_the_end_of_its_instant(self) -> None:
        self.assertEqual(self.timed_out(), ["one", "other"])
        self.assertEqual(self.timed_out("one"), ["other", "one"])
        self.assertEqual(self.timed_out("one", "other"), ["one", "other"])


@durable_execution
def two_waits(event: Any, context: DurableContext) -> None:
    context.parallel([waits(HOUR), waits(HOUR)], name="both")
    context.wait(Duration.from_hours(1), name="one more")


class OneInstantTests(DurableTestCase):
    handler = two_waits

    def test_r17_3_the_handler_is_invoked_once_for_all_that_is_due_at_one_instant(self) -> None:
        result = self.execute()
        kinds = [event["EventType"] for event in result.history]
        self.assertEqual(kinds.count("WaitSucceeded"), 3)
        self.assertEqual(kinds.count("InvocationCompleted"), 3)


@durable_execution
def hurried(event: Any, context: DurableContext) -> Any:
    config = CallbackConfig(timeout=Duration.from_seconds(1))
    return context.create_callback(name="question", config=config).result()


class AnswerOnItsWayTests(DurableTestCase):
    handler = hurried

    def test_time_does_not_move_past_an_answer_that_the_server_is_still_working_on(self) -> None:
        """A runner beside the one that answers lets time pass for both."""
        other = self.enterContext(LocalDurableTestRunner(two_waits)).start()
        execution = self.start()
        question = execution.operation("question")
        question.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        execution.advance(timedelta(0))
        arrived, complete = Event(), CheckpointServer.send_durable_execution_callback_success

        def slowly(server: CheckpointServer, **request: Any) -> Any:
            arrived.set()
            Event().wait(0.2)  # meanwhile the test lets time pass, by another runner
            return complete(server, **request)

        with mock.patch.object(CheckpointServer, "send_durable_execution_callback_success", slowly):
            answering = Thread(target=question.send_callback_success, args=["in time"])
            answering.start()
            self.addCleanup(answering.join)
            self.assertTrue(arrived.wait(5))
            other.advance(timedelta(minutes=1))
        result = execution.result(timeout=5)
        self.assertEqual(result.get_result(), "in time")
        self.assertEqual(result.history[-1]["EventTimestamp"], self.start_time)

    def test_time_does_not_move_past_an_answer_that_waits_in_the_inbox(self) -> None:
        """The thread comes to a wait for the end while the answer is the next message in its inbox."""
        execution = self.start()
        question = execution.operation("question").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        callback_id = question.get_callback_details().callback_id
        environment = self.runner._environment  # type: ignore[union-attr]
        release = Event()
        environment.server.post(lambda: release.wait(5) and None)
        wait = environment.orchestrator.wait(self.runner._deployment, execution.arn)  # type: ignore[union-attr]
        answer = CheckpointServer.send_durable_execution_callback_success
        sent = environment.server.send(answer, CallbackId=callback_id, Result=b"in time")
        release.set()
        environment.server.receive(sent)
        wait.future.result(timeout=5)
        result = execution.result(timeout=5)
        self.assertEqual(result.get_result(), "in time")
        self.assertEqual(result.history[-1]["EventTimestamp"], self.start_time)


RUNNERS: list[LocalDurableTestRunner] = []
"""The one whose client the step below uses."""


@durable_execution
def answered_by_a_branch(event: Any, context: DurableContext) -> None:
    created: Queue[str] = Queue()

    def ask(branch: DurableContext) -> None:
        callback = branch.create_callback(name="question")
        created.put(callback.callback_id)
        callback.result()
        branch.step(lambda _: None, name="after the answer")

    def reply(branch: DurableContext) -> None:
        def send(_: Any) -> None:
            callback_id = created.get(timeout=5)
            RUNNERS[0].client.send_durable_execution_callback_success(CallbackId=callback_id, Result="yes")

        branch.step(send, name="reply")
        branch.wait(Duration.from_hours(1), name="long")

    context.parallel([ask, reply], name="both")


class AnswerFromABranchTests(DurableTestCase):
    handler = answered_by_a_branch

    def test_a_callback_that_another_branch_answers_goes_on_at_that_instant_not_at_the_next_timer(self) -> None:
        RUNNERS[:] = [self.runner]
        self.addCleanup(RUNNERS.clear)
        for _ in range(5):
            self.runner.reset()
            self.execute()
            self.assertOperation("after the answer").started_at(self.start_time)
            self.assertOperation("long").waited(hours=1)


class CallbackRaceTests(DurableTestCase):
    handler = answered

    def run_often(
        self, event: dict[str, int], script: Callable[[CallbackScript], object]
    ) -> list[list[tuple[str, str | None, int]]]:
        histories = []
        for _ in range(TIMES):
            self.runner.reset()
            script(self.on_callback("answer", optional=True))
            histories.append(ends(self.execute(event)))
        return histories

    def test_an_answer_after_two_hours_is_too_late_for_a_timeout_of_one(self) -> None:
        seen = self.run_often({"timeout": HOUR}, lambda script: script.succeed("yes", after=timedelta(hours=2)))
        self.assertEqual(seen, [[("CallbackTimedOut", "answer", HOUR), ("ExecutionFailed", None, HOUR)]] * TIMES)

    def test_an_answer_after_two_hours_is_in_time_for_a_timeout_of_three(self) -> None:
        seen = self.run_often({"timeout": 3 * HOUR}, lambda script: script.succeed("yes", after=timedelta(hours=2)))
        expected = [("CallbackSucceeded", "answer", 2 * HOUR), ("ExecutionSucceeded", None, 2 * HOUR)]
        self.assertEqual(seen, [expected] * TIMES)

    def test_r11_2_heartbeats_every_five_minutes_keep_a_timeout_of_six_away(self) -> None:
        seen = self.run_often(
            {"timeout": DAY, "heartbeat": 6 * MINUTE},
            lambda script: script.heartbeat(every=timedelta(minutes=5), times=12).succeed(
                "yes", after=timedelta(minutes=65)
            ),
        )
        expected = [("CallbackSucceeded", "answer", 65 * MINUTE), ("ExecutionSucceeded", None, 65 * MINUTE)]
        self.assertEqual(seen, [expected] * TIMES)

    def test_when_heartbeats_stop_the_timeout_comes_six_minutes_after_the_last(self) -> None:
        seen = self.run_often(
            {"timeout": DAY, "heartbeat": 6 * MINUTE},
            lambda script: script.heartbeat(every=timedelta(minutes=5), times=3).never(),
        )
        expected = [("CallbackTimedOut", "answer", 21 * MINUTE), ("ExecutionFailed", None, 21 * MINUTE)]
        self.assertEqual(seen, [expected] * TIMES)
