"""Pausing, resuming and deleting by the API: what each does to an execution in each status."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from tests.local.server.harness import KNOWN_OPERATIONS, START, Harness, Started, code_of, start, succeed

needs_pauses = unittest.skipUnless(
    "PauseDurableExecution" in KNOWN_OPERATIONS, "this botocore does not know the operations"
)
HOUR = timedelta(hours=1)


@needs_pauses
class PauseCase(unittest.TestCase):
    timeout: int | None = None

    def setUp(self) -> None:
        self.harness = Harness()
        self.execution = self.harness.start(timeout=self.timeout)

    def pause(self, **request: Any) -> None:
        answer = self.harness.api.pause_durable_execution(DurableExecutionArn=self.execution.arn, **request)
        self.assertEqual(answer, {})

    def resume(self, **request: Any) -> None:
        answer = self.harness.api.resume_durable_execution(DurableExecutionArn=self.execution.arn, **request)
        self.assertEqual(answer, {})

    def suspend(self) -> None:
        """The execution waits for an hour, and for a callback."""
        self.execution.checkpoint(start("WAIT", "w", WaitOptions={"WaitSeconds": 3600}), start("CALLBACK", "c"))
        self.execution.answer("PENDING")

    def invocations_due(self) -> int:
        due, self.harness.announced.invocations_due = self.harness.announced.invocations_due, []
        return len(due)

    def begin(self) -> Any:
        """The orchestrator hears that an invocation is due, and asks for it."""
        return self.harness.server.begin_invocation(self.execution.arn)

    def refused(self, call: Any, **request: Any) -> str:
        with self.assertRaises(ClientError) as caught:
            call(**request)
        self.assertEqual(code_of(caught.exception), "ResourceConflictException")
        return str(caught.exception)


class SuspendedTests(PauseCase):
    def setUp(self) -> None:
        super().setUp()
        self.suspend()
        self.invocations_due()

    def test_a_suspended_execution_is_paused_at_once(self) -> None:
        self.harness.pass_time(minutes=5)
        self.pause(Reason="an incident")
        self.assertEqual(self.execution.status, "PAUSED")
        self.assertEqual(
            self.execution.details("ExecutionPaused"),
            {
                "PauseRequestTimestamp": START + timedelta(minutes=5),
                "Reason": {"Payload": "an incident", "Truncated": False},
                "ExecutionTimeoutPaused": True,
            },
        )
        self.assertEqual(
            self.execution.description()["PauseDetails"],
            {
                "PauseRequestTimestamp": START + timedelta(minutes=5),
                "Reason": "an incident",
                "ExecutionTimeoutPaused": True,
            },
        )

    def test_nothing_new_is_no_reason_to_invoke_when_it_is_resumed(self) -> None:
        self.pause()
        self.harness.pass_time(minutes=5)
        self.resume(Reason="it is over")
        self.assertEqual((self.execution.status, self.invocations_due()), ("RUNNING", 0))
        self.assertNotIn("PauseDetails", self.execution.description())
        self.assertEqual(
            self.execution.details("ExecutionResumed"),
            {
                "ResumeRequestTimestamp": START + timedelta(minutes=5),
                "Reason": {"Payload": "it is over", "Truncated": False},
            },
        )

    def test_waits_and_callbacks_complete_meanwhile_and_the_function_is_invoked_afterwards(self) -> None:
        callback_id = self.execution.kept()["c"]["CallbackDetails"]["CallbackId"]
        for happen in (
            lambda: self.harness.fire_next(kind="wait"),
            lambda: self.harness.api.send_durable_execution_callback_success(CallbackId=callback_id, Result=b"1"),
        ):
            self.pause()
            happen()
            self.assertIsNone(self.begin())
            self.invocations_due()
            self.resume()
            self.assertEqual(self.invocations_due(), 1)
            event = self.begin()
            self.assertEqual(len(event["UpdatedOperationIds"]), 1)
            self.execution.token = event["CheckpointToken"]
            self.execution.answer("PENDING")
        self.assertEqual(
            [type_ for type_ in self.execution.event_types() if not type_.endswith("Started")],
            [
                "InvocationCompleted",
                "ExecutionPaused",
                "WaitSucceeded",
                "ExecutionResumed",
                "InvocationCompleted",
                "ExecutionPaused",
                "CallbackSucceeded",
                "ExecutionResumed",
                "InvocationCompleted",
            ],
        )

    def test_it_can_be_stopped(self) -> None:
        self.pause()
        self.execution.stop()
        self.assertEqual(self.execution.status, "STOPPED")
        self.assertNotIn("PauseDetails", self.execution.description())

    def test_its_name_still_means_it(self) -> None:
        named = self.harness.start(name="order-42")
        self.harness.api.pause_durable_execution(DurableExecutionArn=named.arn)
        self.assertEqual(self.harness.server.start(1, "orders", "{}", "order-42"), named.arn)

    def test_what_is_listed_as_paused(self) -> None:
        self.pause()
        listed = self.harness.api.list_durable_executions_by_function(FunctionName="orders", Statuses=["PAUSED"])
        self.assertEqual([one["DurableExecutionArn"] for one in listed["DurableExecutions"]], [self.execution.arn])


class RunningTests(PauseCase):
    """An invocation is in progress."""

    def test_it_is_paused_by_its_next_checkpoint_whose_answer_has_no_token(self) -> None:
        self.pause()
        self.assertEqual((self.execution.status, "PauseDetails" in self.execution.description()), ("PAUSING", True))
        self.assertNotIn("ExecutionPaused", self.execution.event_types())
        self.harness.pass_time(seconds=10)
        token = self.execution.token
        answer = self.execution.checkpoint(succeed("STEP", "s"))
        self.assertNotIn("CheckpointToken", answer)
        self.assertEqual([one["Id"] for one in answer["NewExecutionState"]["Operations"]], ["s"])
        self.assertEqual(self.execution.status, "PAUSED")
        self.assertEqual(self.execution.details("ExecutionPaused")["PauseRequestTimestamp"], START)
        self.execution.token = token
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            self.execution.checkpoint(succeed("STEP", "t"))
        self.invocations_due()
        self.execution.answer("PENDING")
        self.assertIsNone(self.begin())
        self.invocations_due()
        self.resume()
        self.assertEqual(self.invocations_due(), 1)
        self.assertIsNotNone(self.begin())

    def test_an_interrupted_invocation_that_answers_or_fails_all_the_same_is_repeated(self) -> None:
        for end in (
            lambda execution: execution.answer("SUCCEEDED", Result="1"),
            lambda execution: execution.answer("FAILED", Error={}),
            lambda execution: execution.crash(),
        ):
            self.setUp()
            self.pause()
            self.execution.checkpoint(succeed("STEP", "s"))
            end(self.execution)
            self.assertEqual(self.execution.status, "PAUSED")
            self.assertIsNone(self.begin())
            self.resume()
            self.assertIsNotNone(self.begin())
            self.assertEqual([kind for kind, *_ in self.harness.timers() if kind == "invocation retry"], [])

    def test_if_it_is_resumed_before_the_interrupted_invocation_has_ended_another_one_follows(self) -> None:
        self.pause()
        self.execution.checkpoint(succeed("STEP", "s"))
        self.resume()
        self.assertEqual(self.execution.status, "RUNNING")
        self.invocations_due()
        self.execution.answer("PENDING")
        self.assertEqual(self.invocations_due(), 1)

    def test_if_it_is_paused_again_by_then_the_pause_begins_with_the_end_of_that_invocation(self) -> None:
        for end in (lambda execution: execution.answer("PENDING"), lambda execution: execution.crash()):
            self.setUp()
            self.pause()
            self.execution.checkpoint(succeed("STEP", "s"))
            self.resume()
            self.pause()
            self.assertEqual(self.execution.status, "PAUSING")
            end(self.execution)
            self.assertEqual(self.execution.status, "PAUSED")
            self.assertEqual(
                self.execution.event_types()[-4:],
                ["ExecutionPaused", "ExecutionResumed", "InvocationCompleted", "ExecutionPaused"],
            )
            self.assertIsNone(self.begin())
            self.invocations_due()
            self.resume()
            self.assertEqual(self.invocations_due(), 1)

    def test_an_invocation_that_ends_before_its_next_checkpoint(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"))
        self.pause()
        self.invocations_due()
        self.execution.answer("PENDING")
        self.assertEqual(self.execution.event_types()[-2:], ["InvocationCompleted", "ExecutionPaused"])
        self.resume()
        self.assertEqual((self.execution.status, self.invocations_due()), ("RUNNING", 0))

    def test_one_that_fails_then_is_repeated_after_the_pause(self) -> None:
        self.pause()
        self.execution.crash()
        self.assertEqual(self.execution.status, "PAUSED")
        self.harness.fire_next(kind="invocation retry")
        self.assertIsNone(self.begin())
        self.invocations_due()
        self.resume()
        self.assertEqual(self.invocations_due(), 1)

    def test_one_that_completes_the_execution_before_the_pause_begins(self) -> None:
        for checkpoint in ([], [succeed("EXECUTION", "end", Payload="1")]):
            self.setUp()
            self.pause()
            if checkpoint:
                self.execution.checkpoint(*checkpoint)
            self.execution.answer("SUCCEEDED", Result="1")
            self.assertEqual(self.execution.status, "SUCCEEDED")
            self.assertNotIn("ExecutionPaused", self.execution.event_types())

    def test_a_pause_that_has_not_begun_can_be_cancelled(self) -> None:
        self.pause()
        self.resume()
        self.assertEqual(self.execution.status, "RUNNING")
        self.assertIn("CheckpointToken", self.execution.checkpoint(succeed("STEP", "s")))
        self.assertEqual(self.execution.event_types()[1:], ["StepSucceeded"])


class ConflictTests(PauseCase):
    def call(self, word: str, **request: Any) -> Any:
        return getattr(self.harness.api, f"{word}_durable_execution")(DurableExecutionArn=self.execution.arn, **request)

    def test_what_is_refused_in_which_status(self) -> None:
        def paused(execution: Started) -> None:
            self.suspend()
            self.pause()

        for status, given, refused in [
            ("RUNNING", lambda _: None, ["resume", "delete"]),
            ("PAUSING", lambda _: self.pause(), ["pause", "delete"]),
            ("PAUSED", paused, ["pause", "delete"]),
            ("SUCCEEDED", lambda one: one.answer("SUCCEEDED", Result="1"), ["pause", "resume"]),
            ("FAILED", lambda one: one.answer("FAILED", Error={}), ["pause", "resume"]),
            ("STOPPED", lambda one: one.stop(), ["pause", "resume"]),
        ]:
            for word in refused:
                with self.subTest(status, word=word):
                    self.setUp()
                    given(self.execution)
                    before = self.execution.history()
                    message = self.refused(lambda word=word: self.call(word))
                    self.assertIn(f"Durable execution 'execution-1' is {status}: it must", message)
                    self.assertEqual((self.execution.status, self.execution.history()), (status, before))

    def test_an_unknown_execution(self) -> None:
        arn = self.execution.arn.replace("execution-1", "other")
        for word in ("pause", "resume", "delete"):
            with self.assertRaises(ClientError) as caught:
                getattr(self.harness.api, f"{word}_durable_execution")(DurableExecutionArn=arn)
            self.assertEqual(code_of(caught.exception), "ResourceNotFoundException")

    def test_a_client_token_makes_both_idempotent_for_a_quarter_of_an_hour(self) -> None:
        self.suspend()
        for word in ("pause", "resume"):
            with self.subTest(word):
                request = {"ClientToken": f"{word}-1", "Reason": "so"}
                self.call(word, **request)
                events = self.execution.history()
                self.harness.pass_time(minutes=15)
                self.call(word, **request)
                self.assertEqual(self.execution.history(), events)
                self.refused(lambda word=word: self.call(word, ClientToken=f"{word}-2", Reason="so"))
                self.refused(lambda word=word: self.call(word, ClientToken=f"{word}-2", Reason="so"))
                self.refused(lambda word=word: self.call(word, ClientToken=f"{word}-1", Reason="else"))
                self.harness.pass_time(seconds=1)
                self.refused(lambda word=word, request=request: self.call(word, **request))

    def test_reasons_have_1024_characters_at_most(self) -> None:
        with self.assertRaisesRegex(ClientError, "Reason has length 1025"):
            self.pause(Reason="x" * 1025)
        self.pause(Reason="x" * 1024)


class TimeoutTests(PauseCase):
    timeout = 3600

    def setUp(self) -> None:
        super().setUp()
        self.execution.checkpoint(start("CALLBACK", "c"))
        self.execution.answer("PENDING")

    def due(self) -> Any:
        timers = [timer.due - START for (kind, *_), timer in self.harness.timers().items() if "execution" in kind]
        return timers[0] if timers else None

    def expected(self) -> timedelta:
        return self.execution.description()["ExpectedExecutionTimeoutTimestamp"] - START

    def test_the_timeout_is_paused_too(self) -> None:
        self.harness.pass_time(minutes=10)
        self.pause()
        self.assertEqual((self.due(), self.expected()), (None, timedelta(days=366)))
        self.assertEqual(self.harness.announced.service_timeouts[-1] - START, timedelta(days=366))
        self.harness.pass_time(days=3)
        self.resume()
        self.assertEqual((self.due(), self.expected()), (timedelta(days=3, hours=1), timedelta(days=3, hours=1)))
        self.pause()
        self.harness.pass_time(days=1)
        self.resume()
        self.assertEqual(self.due(), timedelta(days=4, hours=1))

    def test_but_never_beyond_366_days(self) -> None:
        self.pause()
        self.harness.pass_time(days=366, minutes=-10)
        self.resume()
        self.assertEqual((self.due(), self.expected()), (timedelta(days=366), timedelta(days=366)))

    def test_or_it_goes_on(self) -> None:
        self.pause(ExecutionTimeoutPaused=False)
        self.assertEqual((self.due(), self.expected()), (HOUR, HOUR))
        self.assertFalse(self.execution.details("ExecutionPaused")["ExecutionTimeoutPaused"])
        self.harness.fire_next()
        self.assertEqual(self.execution.status, "TIMED_OUT")

    def test_then_a_resumed_execution_has_no_more_time(self) -> None:
        self.pause(ExecutionTimeoutPaused=False)
        self.harness.pass_time(minutes=30)
        self.resume()
        self.assertEqual(self.due(), HOUR)

    def test_a_pause_that_never_began_extends_nothing(self) -> None:
        self.execution.begin()
        self.pause()
        self.harness.pass_time(minutes=30)
        self.resume()
        self.assertEqual((self.due(), self.expected()), (HOUR, HOUR))


class DeleteTests(PauseCase):
    def test_an_execution_that_has_ended_is_forgotten_with_its_name(self) -> None:
        execution = self.harness.start(name="order-42")
        execution.answer("SUCCEEDED", Result="1")
        self.harness.pass_time(hours=1)
        answer = self.harness.api.delete_durable_execution(DurableExecutionArn=execution.arn)
        self.assertEqual(answer, {"DeletionRequestTimestamp": START + HOUR})
        for call in (self.harness.api.get_durable_execution, self.harness.api.delete_durable_execution):
            with self.assertRaisesRegex(ClientError, "Durable execution not found"):
                call(DurableExecutionArn=execution.arn)
        self.assertNotEqual(self.harness.start(name="order-42", payload="1").arn, execution.arn)

    def test_a_child_that_was_deleted_and_a_parent_that_was(self) -> None:
        for victim in ("child", "parent"):
            with self.subTest(victim):
                self.setUp()
                self.harness.server.register(1, "child", True)
                self.execution.checkpoint(start("CHAINED_INVOKE", "i"))
                child = self.harness.child_of(self.execution.arn, "i")
                first, second = (child, self.execution) if victim == "child" else (self.execution, child)
                first.answer("FAILED", Error={})
                self.harness.api.delete_durable_execution(DurableExecutionArn=first.arn)
                second.stop()
                self.assertEqual(second.status, "STOPPED")


if __name__ == "__main__":
    unittest.main()
