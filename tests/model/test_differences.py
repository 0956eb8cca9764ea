"""Differences of two canonical histories, as people read them."""

from __future__ import annotations

import json
import unittest
from typing import Any

from durabletest.model.canonical import Canonical, canonical
from durabletest.model.differences import differences
from tests.model.histories import Script, error, history_of, order, payload, retry


def step(name: str | None, **facts: Any) -> Canonical:
    known = {} if name is None else {"name": name}
    return {**known, "type": "STEP", "sub_type": "Step", "status": "SUCCEEDED", "attempts": 1, **facts}


def context(name: str | None, *operations: Canonical) -> Canonical:
    known = {} if name is None else {"name": name}
    return {
        **known,
        "type": "CONTEXT",
        "sub_type": "RunInChildContext",
        "status": "SUCCEEDED",
        "operations": operations,
    }


def run(*operations: Canonical, **facts: Any) -> Canonical:
    return {"status": "SUCCEEDED", "operations": list(operations), **facts}


class DifferencesTests(unittest.TestCase):
    def assertDifferences(self, expected: Canonical, actual: Canonical, *sentences: str) -> None:
        self.assertEqual(differences(expected, actual), list(sentences))

    def test_equal_histories_have_none(self) -> None:
        found = canonical(history_of(order()))
        self.assertDifferences(found, json.loads(json.dumps(found)))

    def test_facts_are_compared_one_by_one(self) -> None:
        one = step("charge", attempts=3, result={"total": 7, "tax": [1]})
        other = step("charge", status="FAILED", attempts=2, error={"type": "Declined"})
        self.assertDifferences(
            run(one),
            run(other),
            "step 'charge': status: FAILED instead of SUCCEEDED",
            "step 'charge': attempts: 2 instead of 3",
            "step 'charge': result: nothing instead of {'total': 7, 'tax': [1]}",
            "step 'charge': error: {'type': 'Declined'} instead of nothing",
        )

    def test_values_are_compared_at_their_innermost_places(self) -> None:
        self.assertDifferences(
            run(status="FAILED", input={"a": [1, {"b": 2}], "c": None}),
            run(input={"a": [1, {"b": 3}], "d": "new"}),
            "execution: status: SUCCEEDED instead of FAILED",
            "execution: input['a'][1]['b']: 3 instead of 2",
            "execution: input['c']: nothing instead of None",
            "execution: input['d']: 'new' instead of nothing",
        )

    def test_lists_of_other_lengths_are_shown_whole(self) -> None:
        self.assertDifferences(run(result=[1, 2]), run(result=[1]), "execution: result: [1] instead of [1, 2]")

    def test_true_is_not_one(self) -> None:
        self.assertDifferences(run(result=1), run(result=True), "execution: result: True instead of 1")

    def test_a_new_operation_does_not_make_the_others_differ(self) -> None:
        self.assertDifferences(
            run(step("a"), step("b")),
            run(step("a"), step("x", status="FAILED"), step("b", attempts=2)),
            "step 'x' is not expected: it is FAILED",
            "step 'b': attempts: 2 instead of 1",
        )

    def test_a_missing_operation(self) -> None:
        self.assertDifferences(run(step("a"), step("b")), run(step("b")), "step 'a' is missing")

    def test_an_operation_of_another_type_is_another_operation(self) -> None:
        wait = {"name": "a", "type": "WAIT", "status": "STARTED", "seconds": 5}
        self.assertDifferences(
            run(step("a")), run(wait), "step 'a' is missing", "wait 'a' is not expected: it is STARTED"
        )

    def test_an_operation_in_another_place_is_compared_too(self) -> None:
        self.assertDifferences(
            run(step("a"), step("b"), step("c")),
            run(step("b"), step("c"), step("a", attempts=2)),
            "step 'a' is in another place: after step 'c' instead of first",
            "step 'a': attempts: 2 instead of 1",
        )

    def test_operations_in_contexts_are_told_by_their_paths(self) -> None:
        self.assertDifferences(
            run(context("order", context(None, step("charge"), step("ship")))),
            run(context("order", context(None, step("charge", attempts=2)))),
            "step 'order/charge': attempts: 2 instead of 1",
            "step 'order/ship' is missing",
        )

    def test_operations_of_one_name_have_an_index(self) -> None:
        self.assertDifferences(
            run(step("bill"), step("bill")),
            run(step("bill"), step("bill", attempts=2), step("bill")),
            "step 'bill' (index 1): attempts: 2 instead of 1",
            "step 'bill' (index 2) is not expected: it is SUCCEEDED",
        )

    def test_operations_without_a_name_are_told_by_where_they_are(self) -> None:
        self.assertDifferences(
            run(step(None), context("order", step(None, attempts=2))),
            run(context("order", step(None))),
            "unnamed step is missing",
            "unnamed step in 'order': attempts: 1 instead of 2",
        )

    def test_the_words_are_those_of_the_author(self) -> None:
        script = Script().wait_for_callback("1", "approval")
        self.assertDifferences(
            run(),
            canonical(history_of(script)) | {"status": "SUCCEEDED"},
            "execution: input: {} instead of nothing",
            "callback 'approval' is not expected: it is STARTED",
        )

    def test_facts_that_do_not_count(self) -> None:
        one, other = (run({"name": "charge", "type": "CHAINED_INVOKE", "function": name}) for name in ("a", "b"))
        self.assertEqual(differences(one, other), ["invoke 'charge': function: 'b' instead of 'a'"])
        self.assertEqual(differences(one, other, ignoring={"function"}), [])

    def test_histories_of_a_retry_more(self) -> None:
        charge = Script().op("StepStarted", "1", name="charge")
        charge.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)}).op("StepStarted", "1")
        charge.op("StepSucceeded", "1", {"Result": payload("1"), "RetryDetails": retry(2)}).succeeded()
        at_once = Script().step("1", "1", name="charge").succeeded()
        found = differences(canonical(history_of(at_once)), canonical(history_of(charge)))
        self.assertEqual(found, ["step 'charge': attempts: 2 instead of 1"])
