"""The matcher accepts what the service records, and nothing else."""

from __future__ import annotations

import copy
import unittest
from collections.abc import Callable, Iterable
from typing import Any

from tests.conformance import mutations
from tests.conformance.matcher import Matcher, history_mismatches, log_mismatches
from tests.conformance.placeholders import fill, generate
from tests.conformance.recording import SCENARIOS, Recording, record

EXPECTED: list[dict[str, Any]] = [
    {"EventType": "ContextStarted", "EventId": 2, "Id": "${CTX}", "Name": "${NAME}", "ContextStartedDetails": {}},
    {"EventType": "WaitStarted", "EventId": 3, "Id": "${WAIT}", "ParentId": "${CTX}", "WaitStartedDetails": "*"},
    {"EventType": "InvocationCompleted", "EventId": 4, "EventTimestamp": "*"},
    {"EventType": "WaitSucceeded", "EventId": 5, "Id": "${WAIT}", "WaitSucceededDetails": {"Duration": 2}},
    {
        "EventType": "ContextSucceeded",
        "EventId": 6,
        "Id": "${CTX}",
        "Name": "${NAME}",
        "ContextSucceededDetails": {"Result": {"Payload": '"${NAME}"', "Truncated": False}},
    },
    {"EventType": "InvocationCompleted", "EventId": 7, "InvocationCompletedDetails": {"RequestId": "${/^[0-9-]+$/}"}},
]
HISTORY: list[dict[str, Any]] = [
    {"EventType": "ExecutionStarted", "EventId": 1, "Id": "e"},
    {"EventType": "ContextStarted", "EventId": 2, "Id": "c", "Name": "n", "ContextStartedDetails": {}},
    {"EventType": "WaitStarted", "EventId": 3, "Id": "w", "ParentId": "c", "WaitStartedDetails": {"Duration": 2}},
    {"EventType": "InvocationCompleted", "EventId": 4, "EventTimestamp": 1.0},
    {"EventType": "WaitSucceeded", "EventId": 5, "Id": "w", "ParentId": "c", "WaitSucceededDetails": {"Duration": 2}},
    {
        "EventType": "ContextSucceeded",
        "EventId": 6,
        "Id": "c",
        "Name": "n",
        "ContextSucceededDetails": {"Result": {"Payload": '"n"', "Truncated": False}},
    },
    {"EventType": "InvocationCompleted", "EventId": 7, "InvocationCompletedDetails": {"RequestId": "0-1"}},
    {"EventType": "ExecutionSucceeded", "EventId": 8, "Id": "e"},
]


def mismatches(history: list[dict[str, Any]], status: str | None = "SUCCEEDED") -> list[str]:
    return history_mismatches(EXPECTED, history, status)


class WrongHistoryTests(unittest.TestCase):
    """What is said of one history in which one thing is wrong."""

    def changed(self, event_id: int, **members: Any) -> list[str]:
        history = copy.deepcopy(HISTORY)
        history[event_id - 1].update(members)
        return mismatches(history)

    def test_the_right_history_matches(self) -> None:
        self.assertEqual(mismatches(HISTORY), [])

    def test_keys_that_are_not_expected_do_not_matter(self) -> None:
        self.assertEqual(self.changed(4, Extra=1), [])

    def test_a_missing_event(self) -> None:
        self.assertIn("event 7.EventType is 'ExecutionSucceeded': expected 'InvocationCompleted'", self.without(4))

    def without(self, event_id: int) -> list[str]:
        return mismatches(mutations.renumbered([event for event in HISTORY if event["EventId"] != event_id]))

    def test_a_gap_in_the_numbers(self) -> None:
        self.assertEqual(
            mismatches(HISTORY[:3] + HISTORY[4:]),
            ["the events are numbered [1, 2, 3, 5, 6, 7, 8]: they must be numbered from 1, without gaps and in order"],
        )

    def test_a_history_that_breaks_off(self) -> None:
        self.assertEqual(
            mismatches(HISTORY[:6]),
            [
                "the history ends with ['WaitSucceeded', 'ContextSucceeded']: "
                "it must end with InvocationCompleted, then ExecutionSucceeded",
                f"event 7 is missing: expected {EXPECTED[5]!r}",
            ],
        )

    def test_an_event_that_nobody_expects(self) -> None:
        extra = mutations.renumbered([*HISTORY[:7], HISTORY[6], HISTORY[7]])
        self.assertEqual(mismatches(extra), ["event 9 is ExecutionSucceeded: none is expected there"])

    def test_another_beginning(self) -> None:
        self.assertEqual(
            self.changed(1, EventType="StepStarted"),
            ["the history begins with ['StepStarted']: it must begin with ExecutionStarted"],
        )

    def test_no_history_at_all(self) -> None:
        self.assertIn("the history begins with []: it must begin with ExecutionStarted", mismatches([]))

    def test_another_end(self) -> None:
        self.assertEqual(
            mismatches(HISTORY, "TIMED_OUT"),
            [
                "the history ends with ['InvocationCompleted', 'ExecutionSucceeded']: "
                "it must end with InvocationCompleted, then ExecutionTimedOut"
            ],
        )

    def test_an_end_where_none_is_expected(self) -> None:
        self.assertEqual(mismatches(HISTORY[:7], None), [])
        self.assertEqual(mismatches(HISTORY, None), ["event 8 is ExecutionSucceeded: none is expected there"])

    def test_an_end_that_is_among_the_expected_events(self) -> None:
        expected = [*EXPECTED, {"EventType": "ExecutionSucceeded", "EventId": 8}]
        self.assertEqual(history_mismatches(expected, HISTORY, "SUCCEEDED"), [])
        longer = [*HISTORY, {"EventType": "ExecutionSucceeded", "EventId": 9}]
        self.assertIn(
            "event 9 is ExecutionSucceeded: none is expected there", history_mismatches(expected, longer, "SUCCEEDED")
        )

    def test_another_literal(self) -> None:
        self.assertEqual(
            self.changed(5, WaitSucceededDetails={"Duration": 3}),
            ["event 5.WaitSucceededDetails.Duration is 3: expected 2"],
        )

    def test_text_instead_of_a_number(self) -> None:
        self.assertEqual(
            self.changed(5, WaitSucceededDetails={"Duration": "2"}),
            ["event 5.WaitSucceededDetails.Duration is '2': expected 2"],
        )

    def test_a_missing_key(self) -> None:
        self.assertEqual(
            self.changed(5, WaitSucceededDetails={}), ["event 5.WaitSucceededDetails.Duration is missing: expected 2"]
        )

    def test_text_instead_of_an_object(self) -> None:
        self.assertEqual(
            self.changed(2, ContextStartedDetails="{}"), ["event 2.ContextStartedDetails is '{}': expected an object"]
        )

    def test_a_value_that_should_be_there_in_any_form(self) -> None:
        self.assertEqual(self.changed(4, EventTimestamp=None), ["event 4.EventTimestamp is missing: expected '*'"])
        self.assertEqual(self.changed(4, EventTimestamp=0), [])

    def test_another_operation_under_a_known_name(self) -> None:
        self.assertEqual(self.changed(5, Id="x"), ["event 5.Id is 'x': expected 'w'"])

    def test_another_parent(self) -> None:
        self.assertEqual(self.changed(3, ParentId="w"), ["event 3.ParentId is 'w': expected 'c'"])

    def test_two_names_for_one_operation(self) -> None:
        history = [{**event, "Id": "c"} if event.get("Id") == "w" else event for event in HISTORY]
        self.assertEqual(
            mismatches(history), ["event 3.Id is 'c', which CTX stands for already: expected another operation as WAIT"]
        )

    def test_a_name_within_a_text(self) -> None:
        self.assertEqual(
            self.changed(6, ContextSucceededDetails={"Result": {"Payload": "n", "Truncated": False}}),
            ["event 6.ContextSucceededDetails.Result.Payload is 'n': expected '\"n\"'"],
        )

    def test_a_number_instead_of_a_truth_value(self) -> None:
        self.assertEqual(
            self.changed(6, ContextSucceededDetails={"Result": {"Payload": '"n"', "Truncated": 0}}),
            ["event 6.ContextSucceededDetails.Result.Truncated is 0: expected False"],
        )

    def test_a_regular_expression_that_is_not_found(self) -> None:
        self.assertEqual(
            self.changed(7, InvocationCompletedDetails={"RequestId": "abc"}),
            ["event 7.InvocationCompletedDetails.RequestId is 'abc': expected something with '^[0-9-]+$'"],
        )


class ValueTests(unittest.TestCase):
    """Single values."""

    def compare(self, expected: Any, actual: Any) -> list[str]:
        return list(Matcher().value("it", expected, actual))

    def test_regular_expressions_search_in_numbers_too(self) -> None:
        self.assertEqual(self.compare("${/^[0-5]$/}", 3), [])
        self.assertEqual(self.compare("${/^[0-5]$/}", 6), ["it is 6: expected something with '^[0-5]$'"])
        self.assertEqual(self.compare("${/Error$/}", "my.OwnError"), [])

    def test_lists_match_element_by_element(self) -> None:
        self.assertEqual(self.compare([1, "*", {"a": 1}], [1, 2, {"a": 1, "b": 2}]), [])
        self.assertEqual(self.compare([1, 2], [2, 1]), ["it[0] is 2: expected 1", "it[1] is 1: expected 2"])
        self.assertEqual(self.compare([1], [1, 2]), ["it is [1, 2]: expected a list of 1"])
        self.assertEqual(self.compare([1], "1"), ["it is '1': expected a list of 1"])
        self.assertEqual(self.compare([], {}), ["it is {}: expected a list of 0"])

    def test_nothing_matches_nothing_only(self) -> None:
        self.assertEqual(self.compare(None, None), [])
        self.assertEqual(self.compare(None, 0), ["it is 0: expected None"])
        self.assertEqual(self.compare({}, None), ["it is missing: expected {}"])

    def test_truth_values_are_no_numbers(self) -> None:
        self.assertEqual(self.compare(True, True), [])
        self.assertEqual(self.compare(1, True), ["it is True: expected 1"])

    def test_a_name_stands_for_a_value_of_any_type(self) -> None:
        self.assertEqual(self.compare(["${A}", "${A}"], [{"x": 1}, {"x": 1}]), [])
        self.assertEqual(self.compare(["${A}", "${A}"], [1, "1"]), ["it[1] is '1': expected 1"])

    def test_two_names_may_stand_for_equal_values_that_are_no_ids(self) -> None:
        self.assertEqual(self.compare({"Name": "${A}", "Other": "${B}"}, {"Name": "x", "Other": "x"}), [])

    def test_a_name_within_a_text_must_be_known(self) -> None:
        with self.assertRaisesRegex(ValueError, "stands for nothing yet"):
            self.compare("a ${NEW} name", "a new name")


class LogTests(unittest.TestCase):
    LINES = ("[INFO]\tstarted with abc", "[ERROR]\tabc failed", "[INFO]\tdone (1+1)")

    def expect(self, message: str, count: int) -> list[str]:
        return log_mismatches([{"match": {"message": message}, "count": count}], self.LINES)

    def test_lines_are_counted(self) -> None:
        self.assertEqual(self.expect("/abc/", 2), [])
        self.assertEqual(self.expect("/abc/", 1), ["/abc/ is in 2 log lines: 1 expected"])
        self.assertEqual(self.expect("/abc/", 3), ["/abc/ is in 2 log lines: 3 expected"])

    def test_lines_that_must_not_be_there(self) -> None:
        self.assertEqual(self.expect(r"/\[ERROR\]/", 0), [r"/\[ERROR\]/ is in 1 log lines: 0 expected"])
        self.assertEqual(self.expect(r"/\[WARNING\]/", 0), [])

    def test_text_without_slashes_is_no_expression(self) -> None:
        self.assertEqual(self.expect("done (1+1)", 1), [])
        self.assertEqual(self.expect("done .*", 0), [])


class PlaceholderTests(unittest.TestCase):
    def test_known_names_are_filled_in_everywhere(self) -> None:
        document = {"a": ["${X}", '"${X}"'], "b": "${Y}", "c": "${/${X}/}", "d": 1}
        self.assertEqual(fill(document, {"X": "x"}), {"a": ["x", '"x"'], "b": "${Y}", "c": "${/x/}", "d": 1})

    def test_generated_texts_have_the_length_that_is_asked_for_and_are_the_same_in_every_run(self) -> None:
        variables = {"A": "${GEN_STR:8}", "B": "x-${GEN_STR:12}", "C": "plain"}
        values = generate(variables, "seed")
        self.assertEqual(values, generate(variables, "seed"))
        self.assertNotEqual(values, generate(variables, "another seed"))
        self.assertRegex(values["A"], "^[A-Za-z0-9]{8}$")
        self.assertRegex(values["B"], "^x-[A-Za-z0-9]{12}$")
        self.assertEqual(values["C"], "plain")


class MutationTests(unittest.TestCase):
    """Each history that matches its requirement, made wrong in every way: none of them may match."""

    def recordings(self) -> list[Recording]:
        return [record(suite, number) for suite, scenarios in SCENARIOS.items() for number in scenarios]

    def refuse_all(self, mutate: Callable[[Recording], Iterable[mutations.Mutation]], at_least: int) -> None:
        """``at_least`` says how many wrong histories there must be: none at all would prove nothing."""
        tried = 0
        accepted = []
        for recording in self.recordings():
            wanted = recording.requirement
            for what, history in mutate(recording):
                tried += 1
                if not history_mismatches(wanted.history, history, wanted.status):
                    accepted.append(f"{wanted.number}: {what}")
        self.assertEqual(accepted, [])
        self.assertGreaterEqual(tried, at_least)

    def test_no_event_may_be_missing(self) -> None:
        self.refuse_all(lambda recording: mutations.without_an_event(recording.history), 1000)

    def test_no_event_may_be_added(self) -> None:
        self.refuse_all(lambda recording: mutations.with_another_event(recording.history), 1000)

    def test_no_events_may_be_exchanged(self) -> None:
        self.refuse_all(lambda recording: mutations.in_another_order(recording.history), 1000)

    def test_no_other_end(self) -> None:
        self.refuse_all(lambda recording: mutations.with_another_end(recording.history), 300)

    def test_no_detail_may_be_missing(self) -> None:
        self.refuse_all(
            lambda recording: mutations.without_a_detail(recording.requirement.history, recording.history), 2500
        )

    def test_no_detail_may_be_another(self) -> None:
        self.refuse_all(
            lambda recording: mutations.with_another_detail(recording.requirement.history, recording.history), 2000
        )

    def test_no_operations_may_be_confused(self) -> None:
        self.refuse_all(lambda recording: mutations.with_operations_confused(recording.history), 40)
