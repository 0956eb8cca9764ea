"""Checkpoint tokens, one at a time and renewed by every checkpoint; and client tokens, for repeated requests."""

from __future__ import annotations

import unittest
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from tests.local.server.harness import Harness, Started, code_of, start, succeed

UNKNOWN = b64encode(b"forged").decode()


def spent(execution: Started) -> str:
    """The token that the last checkpoint has used up."""
    token = execution.token
    execution.checkpoint(start("STEP", "earlier"))
    return token


def foreign(execution: Started) -> str:
    """Another execution's."""
    return execution.harness.start(payload="1").token


def last_invocations(execution: Started) -> str:
    """That of an invocation that has ended."""
    token = execution.token
    execution.crash()
    execution.harness.fire_next()
    execution.begin()
    return token


def revoked(execution: Started) -> str:
    """That of an invocation whose process has ended, though its threads still run."""
    execution.harness.server.revoke(execution.arn)
    return execution.token


def between_invocations(execution: Started) -> str:
    """Of an execution that waits, and is not invoked."""
    token = execution.token
    execution.checkpoint(start("WAIT", "w"))
    execution.answer("PENDING")
    return token


def after_its_own_end(execution: Started) -> str:
    """The one that has ended the execution by a checkpoint."""
    token = execution.token
    execution.checkpoint(succeed("EXECUTION", "end"))
    return token


def spent_before_a_stop(execution: Started) -> str:
    """The one before the last, of an invocation whose execution was stopped meanwhile."""
    token = spent(execution)
    execution.stop()
    return token


def unknown_after_a_stop(execution: Started) -> str:
    """None that was ever given out, once the execution was stopped."""
    execution.stop()
    return UNKNOWN


WRONG: list[Callable[[Started], str]] = [
    lambda _execution: UNKNOWN,
    spent_before_a_stop,
    unknown_after_a_stop,
    spent,
    foreign,
    last_invocations,
    revoked,
    between_invocations,
    after_its_own_end,
]


class Tokens(unittest.TestCase):
    def test_a_wrong_token_writes_nothing(self) -> None:
        for make in WRONG:
            with self.subTest(make.__doc__ or "unknown"):
                execution = Harness().start()
                token = make(execution)
                before = execution.history()
                with self.assertRaisesRegex(ClientError, "Invalid checkpoint token") as caught:
                    execution.checkpoint(start("STEP", "s"), CheckpointToken=token)
                self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")
                self.assertEqual(execution.history(), before)

    def test_a_wrong_token_reads_nothing(self) -> None:
        for make in WRONG:
            with self.subTest(make.__doc__ or "unknown"):
                execution = Harness().start()
                execution.token = make(execution)
                with self.assertRaisesRegex(ClientError, "Invalid checkpoint token") as caught:
                    execution.operations()
                self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")

    def test_the_token_of_another_arn_is_wrong_too(self) -> None:
        harness = Harness()
        one, other = harness.start(), harness.start()
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            one.checkpoint(start("STEP", "s"), DurableExecutionArn=other.arn)
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            one.checkpoint(start("STEP", "s"), DurableExecutionArn=one.arn[:-1] + "f")

    def test_a_refused_checkpoint_does_not_use_the_token_up(self) -> None:
        execution = Harness().start()
        with self.assertRaises(ClientError):
            execution.checkpoint(start("STEP", "s", ParentId="nobody"))
        execution.checkpoint(start("STEP", "s"))
        self.assertIn("s", execution.operations())

    def test_every_checkpoint_renews_the_token_an_empty_one_too(self) -> None:
        execution = Harness().start()
        tokens = [execution.token]
        for updates in ([], [start("STEP", "s")], [], [succeed("STEP", "s")]):
            execution.checkpoint(*updates)
            tokens.append(execution.token)
        self.assertEqual(len(tokens), len(set(tokens)))

    def test_reading_the_state_does_not(self) -> None:
        execution = Harness().start()
        execution.operations()
        execution.operations()
        self.assertIn("CheckpointToken", execution.checkpoint())

    def test_the_checkpoint_that_ends_the_execution_is_answered_without_a_token(self) -> None:
        execution = Harness().start()
        self.assertNotIn("CheckpointToken", execution.checkpoint(succeed("EXECUTION", "end", Payload="1")))

    def test_an_invocation_that_is_overtaken_by_a_stop_is_answered_without_a_token_and_writes_nothing(self) -> None:
        execution = Harness().start()
        execution.stop()
        before = execution.history()
        answer = execution.checkpoint(start("STEP", "s"))
        self.assertEqual(answer, {"NewExecutionState": {"Operations": []}})
        self.assertEqual(execution.history(), before)

    def test_and_by_a_timeout(self) -> None:
        execution = Harness().start(timeout=60)
        execution.checkpoint(start("STEP", "s"))
        execution.harness.fire_next(kind="execution timeout")
        self.assertNotIn("CheckpointToken", execution.checkpoint(succeed("STEP", "s")))
        self.assertEqual(execution.event_types()[-1], "ExecutionTimedOut")


class PageMarkers(unittest.TestCase):
    """A marker leads to the rest of the state as it was in its invocation."""

    def setUp(self) -> None:
        self.execution = Harness().start(page_size=2)
        self.execution.checkpoint(*(start("STEP", f"s{number}") for number in range(3)))
        self.begin_again()

    def begin_again(self) -> None:
        self.execution.crash()
        self.execution.harness.fire_next(kind="invocation retry")
        self.execution.begin()

    def page(self, marker: str) -> dict[str, Any]:
        execution = self.execution
        return execution.harness.server.get_durable_execution_state(
            DurableExecutionArn=execution.arn, CheckpointToken=execution.token, Marker=marker
        )

    def test_the_page_that_it_stands_for_can_be_read_twice(self) -> None:
        marker = self.execution.event["InitialExecutionState"]["NextMarker"]
        self.assertEqual([operation["Id"] for operation in self.page(marker)["Operations"]], ["s1", "s2"])
        self.assertEqual(self.page(marker), self.page(marker))

    def test_that_of_an_invocation_that_has_ended_is_refused(self) -> None:
        marker = self.execution.event["InitialExecutionState"]["NextMarker"]
        self.begin_again()
        with self.assertRaisesRegex(ClientError, f"Invalid marker: {marker}") as caught:
            self.page(marker)
        self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")


class ClientTokens(unittest.TestCase):
    def test_a_repeated_request_gets_the_same_answer_and_is_applied_once(self) -> None:
        execution = Harness().start()
        request = execution.request(start("STEP", "s"), ClientToken="once")
        checkpoint = execution.harness.server.checkpoint_durable_execution
        first, second = checkpoint(**request), checkpoint(**request)
        self.assertEqual(first, second)
        self.assertEqual(execution.event_types(), ["ExecutionStarted", "StepStarted"])

    def test_the_token_of_that_answer_goes_on_to_be_the_right_one(self) -> None:
        execution = Harness().start()
        request = execution.request(start("STEP", "s"), ClientToken="once")
        execution.harness.server.checkpoint_durable_execution(**request)
        execution.token = execution.harness.server.checkpoint_durable_execution(**request)["CheckpointToken"]
        execution.checkpoint(succeed("STEP", "s"))
        self.assertEqual(execution.event_types()[-1], "StepSucceeded")

    def test_without_a_client_token_the_repetition_is_refused(self) -> None:
        execution = Harness().start()
        request = execution.request(start("STEP", "s"))
        execution.harness.server.checkpoint_durable_execution(**request)
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            execution.harness.server.checkpoint_durable_execution(**request)

    def test_it_opens_no_door_for_a_forged_token(self) -> None:
        execution = Harness().start()
        execution.checkpoint(start("STEP", "s"), ClientToken="once")
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            execution.checkpoint(start("STEP", "s"), ClientToken="once", CheckpointToken=UNKNOWN)

    def test_it_does_not_stand_for_other_updates(self) -> None:
        execution = Harness().start()
        execution.checkpoint(start("STEP", "s"), ClientToken="once")
        with self.assertRaisesRegex(ClientError, "ClientToken 'once' was used for other updates") as caught:
            execution.checkpoint(start("STEP", "t"), ClientToken="once")
        self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")

    def test_another_executions_client_tokens_are_its_own(self) -> None:
        harness = Harness()
        for execution in (harness.start(), harness.start()):
            execution.checkpoint(start("STEP", "s"), ClientToken="once")
            self.assertEqual(execution.event_types(), ["ExecutionStarted", "StepStarted"])

    def test_a_refused_request_leaves_no_answer_behind(self) -> None:
        execution = Harness().start()
        with self.assertRaises(ClientError):
            execution.checkpoint(succeed("STEP", "s", Error={}), ClientToken="once")
        execution.checkpoint(succeed("STEP", "s"), ClientToken="once")
        self.assertEqual(execution.event_types()[-1], "StepSucceeded")

    def test_the_last_hundred_are_known(self) -> None:
        execution = Harness().start()
        checkpoint = execution.harness.server.checkpoint_durable_execution
        oldest = execution.request(start("STEP", "oldest"), ClientToken="oldest")
        execution.token = checkpoint(**oldest)["CheckpointToken"]
        answers = []
        for number in range(99):
            request = execution.request(start("STEP", f"{number}"), ClientToken=f"{number}")
            answers.append((request, checkpoint(**request)))
            execution.token = answers[-1][1]["CheckpointToken"]
        self.assertIn("oldest", {o["Id"] for o in checkpoint(**oldest)["NewExecutionState"]["Operations"]})
        execution.checkpoint(start("STEP", "one-more"), ClientToken="one-more")
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            checkpoint(**oldest)
        for request, answer in answers:
            self.assertEqual(checkpoint(**request), answer)

    def test_it_is_known_for_fifteen_minutes(self) -> None:
        execution = Harness().start()
        request = execution.request(start("STEP", "s"), ClientToken="once")
        checkpoint = execution.harness.server.checkpoint_durable_execution
        first = checkpoint(**request)
        execution.harness.pass_time(minutes=15)
        self.assertEqual(checkpoint(**request), first)
        execution.harness.pass_time(seconds=1)
        with self.assertRaisesRegex(ClientError, "Invalid checkpoint token"):
            checkpoint(**request)


if __name__ == "__main__":
    unittest.main()
