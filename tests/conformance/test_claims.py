"""What the requirements say in words only, and what holds for every history: numbers of invocations, times, errors."""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.conformance.recording import SCENARIOS, Recording, record

ERRORS = {
    "step": {"1-12": "StepError", "1-16": "StepError", "1-17": "StepError", "1-19": "StepError"},
    "child": {"3-4": "ChildContextError", "3-8": "ChildContextError", "3-15": "ChildContextError"},
    "callback": {
        "4-3": "CallbackTimeoutError",
        "4-4": "CallbackTimeoutError",
        "4-6": "CallbackExternalError",
        "4-7": "CallbackExternalError",
        "4-8": "CallbackTimeoutError",
        "4-10": "CallbackExternalError",
        "4-11": "CallbackTimeoutError",
    },
    "invoke": {"5-5": "InvokeError"},
}
"""What the handler of each failed execution ended with: the SDK's error for the kind of operation."""


def all_recordings() -> list[Recording]:
    return [record(suite, number) for suite, scenarios in SCENARIOS.items() for number in scenarios]


def details(event: Mapping[str, Any]) -> dict[str, Any]:
    return event[f"{event['EventType']}Details"]


def of_type(recording: Recording, event_type: str) -> list[dict[str, Any]]:
    return [event for event in recording.history if event["EventType"] == event_type]


def later(recording: Recording, event: Mapping[str, Any], event_type: str) -> list[dict[str, Any]]:
    """The later events of the same operation that are of that type."""
    after = recording.history[event["EventId"] :]
    return [other for other in after if other.get("Id") == event["Id"] and other["EventType"] == event_type]


class ClaimTests(unittest.TestCase):
    def test_there_are_as_many_invocations_as_are_described(self) -> None:
        for recording in all_recordings():
            with self.subTest(recording.requirement.number):
                described = recording.requirement.document["invocations"].splitlines()
                described = [line for line in described if line.startswith("- ")]
                self.assertEqual(len(of_type(recording, "InvocationCompleted")), len(described))

    def test_executions_fail_with_the_error_of_the_operation_that_failed(self) -> None:
        failed: dict[str, dict[str, str]] = {}
        for recording in all_recordings():
            for event in of_type(recording, "ExecutionFailed"):
                error = details(event)["Error"]["Payload"]["ErrorType"]
                wanted = recording.requirement
                failed.setdefault(wanted.suite, {})[wanted.number] = error.rpartition(".")[2]
        self.assertEqual(failed, ERRORS)

    def test_a_large_result_is_not_stored_but_made_again(self) -> None:
        recording = record("child", "3-11")
        (stored,) = of_type(recording, "ContextSucceeded")
        self.assertEqual(details(stored)["Result"]["Payload"], "")
        text = recording.requirement.input
        self.assertEqual(recording.outcome["end"], text)
        self.assertGreater(recording.outcome["length"], 256 * 1024)

    def test_a_process_that_dies_ends_its_invocation_with_an_error(self) -> None:
        for suite, number in (("step", "1-17"), ("step", "1-18"), ("child", "3-12")):
            with self.subTest(number):
                first, *others = of_type(record(suite, number), "InvocationCompleted")
                self.assertEqual(details(first)["Error"]["Payload"]["ErrorType"], "Runtime.ExitError")
                self.assertEqual([details(event) for event in others if "Error" in details(event)], [])

    def test_a_caught_failure_brings_the_message_that_was_sent(self) -> None:
        self.assertEqual(record("callback", "4-13").outcome, "caught: not approved")
        self.assertTrue(record("callback", "4-14").outcome.startswith("caught: "))

    def test_results_come_in_the_order_of_the_callbacks(self) -> None:
        for number in ("4-17", "4-18", "4-19"):
            with self.subTest(number):
                recording = record("callback", number)
                names = recording.requirement.variables
                self.assertEqual(recording.outcome, [f'"{names["CB_PAYLOAD_A"]}"', f'"{names["CB_PAYLOAD_B"]}"'])

    def test_a_serialiser_transforms_what_is_sent_or_what_is_received(self) -> None:
        (sent,) = of_type(record("invoke", "5-15"), "ChainedInvokeStarted")
        self.assertEqual(details(sent)["Input"]["Payload"], '{"DATA": "HELLO"}')
        (stored,) = of_type(record("step", "1-6"), "StepSucceeded")
        self.assertEqual(details(stored)["Result"]["Payload"], "HELLO WORLD")

    def test_invokes_hand_the_answer_on(self) -> None:
        self.assertEqual(record("invoke", "5-3").outcome, record("invoke", "5-3").requirement.input)
        self.assertIsNone(record("invoke", "5-4").outcome)
        self.assertEqual(record("invoke", "5-6").outcome, "fallback")
        self.assertEqual(record("invoke", "5-7").outcome, 1_000_000)
        self.assertEqual(record("invoke", "5-12").outcome, "processed answer")
        self.assertEqual(record("invoke", "5-14").outcome, 4)


class EveryHistoryTests(unittest.TestCase):
    """What no requirement has to say anew."""

    def test_a_failure_announces_another_attempt_exactly_if_there_is_one(self) -> None:
        seen = set()
        for recording in all_recordings():
            for event in of_type(recording, "StepFailed"):
                retried = "NextAttemptDelaySeconds" in details(event)["RetryDetails"]
                with self.subTest(recording.requirement.number, event=event["EventId"]):
                    self.assertEqual(retried, bool(later(recording, event, "StepStarted")))
                seen.add(retried)
        self.assertEqual(seen, {True, False})

    def test_everything_happens_exactly_when_it_is_due(self) -> None:
        seen = set()
        for recording in all_recordings():
            for kind, event, delay, happened in appointments(recording):
                with self.subTest(recording.requirement.number, event=event["EventId"]):
                    self.assertEqual(happened - event["EventTimestamp"], timedelta(seconds=delay))
                seen.add(kind)
        self.assertEqual(seen, {"wait", "retry", "timeout", "answer"})

    def test_the_end_of_a_wait_is_announced(self) -> None:
        for recording in all_recordings():
            for event in of_type(recording, "WaitStarted"):
                due = event["EventTimestamp"] + timedelta(seconds=details(event)["Duration"])
                self.assertEqual(details(event)["ScheduledEndTimestamp"], due)

    def test_events_are_in_chronological_order(self) -> None:
        for recording in all_recordings():
            with self.subTest(recording.requirement.number):
                times = [event["EventTimestamp"] for event in recording.history]
                self.assertEqual(times, sorted(times))

    def test_invocations_follow_each_other_and_have_requests_of_their_own(self) -> None:
        for recording in all_recordings():
            with self.subTest(recording.requirement.number):
                done = [details(event) for event in of_type(recording, "InvocationCompleted")]
                self.assertEqual(len({event["RequestId"] for event in done}), len(done))
                times = itertools.chain.from_iterable((one["StartTimestamp"], one["EndTimestamp"]) for one in done)
                times = list(times)
                self.assertEqual(times, sorted(times))

    def test_no_payload_is_left_out_if_it_is_asked_for(self) -> None:
        for recording in all_recordings():
            with self.subTest(recording.requirement.number):
                wrappers = [
                    value
                    for event in recording.history
                    for name, value in details(event).items()
                    if name in ("Input", "Result", "Error")
                ]
                self.assertEqual([wrapper for wrapper in wrappers if wrapper.get("Truncated") is not False], [])


def appointments(recording: Recording) -> Iterator[tuple[str, dict[str, Any], float, datetime]]:
    """What was to happen some seconds after an event: what, after which event, after how long, and when it did."""
    for event in of_type(recording, "WaitStarted"):
        for ended in later(recording, event, "WaitSucceeded"):
            yield "wait", event, details(event)["Duration"], ended["EventTimestamp"]
    for event in of_type(recording, "StepFailed"):
        for started in later(recording, event, "StepStarted")[:1]:
            yield "retry", event, details(event)["RetryDetails"]["NextAttemptDelaySeconds"], started["EventTimestamp"]
    delays = {action["CallbackName"]: action.get("Delay", 0) for action in recording.requirement.actions}
    for event in of_type(recording, "CallbackStarted"):
        limits = [details(event).get(name) for name in ("Timeout", "HeartbeatTimeout")]
        for ended in later(recording, event, "CallbackTimedOut"):
            yield "timeout", event, min(filter(None, limits)), ended["EventTimestamp"]
        for kind in ("CallbackSucceeded", "CallbackFailed"):
            for ended in later(recording, event, kind):
                yield "answer", event, delays[event["Name"]], ended["EventTimestamp"]
