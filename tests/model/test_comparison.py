"""The canonical form of histories, and the differences between two of them."""

from __future__ import annotations

import json
import unittest
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from durabletest.model.comparison import Canonical, bare_name, canonical, differences, same_value
from durabletest.model.payloads import json_or_text
from tests.model.histories import Script, error, history_of, order, payload, retry, seconds


class CanonicalTests(unittest.TestCase):
    def test_a_whole_order(self) -> None:
        self.assertEqual(
            canonical(history_of(order())),
            {
                "status": "SUCCEEDED",
                "input": {},
                "result": {"status": "shipped", "total": 7},
                "operations": [
                    {
                        "name": "order",
                        "type": "CONTEXT",
                        "sub_type": "RunInChildContext",
                        "status": "SUCCEEDED",
                        "result": 7,
                        "operations": [
                            {
                                "name": "charge",
                                "type": "STEP",
                                "sub_type": "Step",
                                "status": "SUCCEEDED",
                                "attempts": 2,
                                "result": 7,
                            }
                        ],
                    },
                    {"name": "cool-down", "type": "WAIT", "sub_type": "Wait", "status": "SUCCEEDED", "seconds": 3600},
                    {
                        "name": "approval",
                        "type": "CONTEXT",
                        "sub_type": "WaitForCallback",
                        "status": "SUCCEEDED",
                        "result": "yes",
                        "operations": [
                            {
                                "name": "approval create callback id",
                                "type": "CALLBACK",
                                "sub_type": "Callback",
                                "status": "SUCCEEDED",
                                "result": "yes",
                            },
                            {
                                "name": "approval submitter",
                                "type": "STEP",
                                "sub_type": "Step",
                                "status": "SUCCEEDED",
                                "attempts": 1,
                            },
                        ],
                    },
                ],
            },
        )

    def test_it_survives_json(self) -> None:
        found = canonical(history_of(order()))
        self.assertEqual(json.loads(json.dumps(found)), found)

    def test_errors_have_type_message_and_data_but_no_stack_trace(self) -> None:
        script = Script().op("StepStarted", "1", name="charge")
        failure = error("Declined", "no funds", ErrorData="card", StackTrace=["line 1"])
        script.op("StepFailed", "1", {"Error": failure, "RetryDetails": retry(1)})
        found = canonical(history_of(script.failed(StackTrace=["line 2"])))
        self.assertEqual(found["error"], {"type": "PaymentDeclined", "message": "card expired"})
        self.assertEqual(found["operations"][0]["error"], {"type": "Declined", "message": "no funds", "data": "card"})

    def test_the_facts_of_callbacks_and_invokes(self) -> None:
        script = Script()
        details = {"CallbackId": "cb-1", "Timeout": 60, "HeartbeatTimeout": 5}
        script.op("CallbackStarted", "1", details, name="approval")
        invoke = {"FunctionName": "charge:live", "Input": payload("[1]"), "DurableExecutionArn": "arn:child"}
        script.op("ChainedInvokeStarted", "2", invoke, name="charge")
        callback, chained = canonical(history_of(script))["operations"]
        self.assertEqual((callback["timeout"], callback["heartbeat_timeout"]), (60, 5))
        self.assertEqual((chained["function"], chained["input"]), ("charge", [1]))
        self.assertNotIn("arn:child", json.dumps(chained))

    def test_two_runs_at_other_times_with_other_ids_are_equal(self) -> None:
        later = Script().at(500)
        later.events[0].update(Id="e-2", Name="order-43", EventTimestamp=seconds(400))
        for request in ("r-7", "r-8"):
            later.invocation(500, request)
        later.op("StepStarted", "9", name="charge")
        later.op("StepSucceeded", "9", {"Result": payload("1"), "RetryDetails": retry(1)}).succeeded()
        first = Script().step("1", "1", name="charge").succeeded()
        self.assertEqual(canonical(history_of(later)), canonical(history_of(first)))

    def test_branches_are_ordered_by_their_names_with_numbers_as_numbers(self) -> None:
        script = Script().context("m", "Map", name="items")
        for index in (10, 2, 1):
            script.context(f"i{index}", "MapIteration", name=f"item-{index}", parent="m")
        [found] = canonical(history_of(script))["operations"]
        self.assertEqual([branch["name"] for branch in found["operations"]], ["item-1", "item-2", "item-10"])

    def test_branches_without_names_are_ordered_by_their_ids(self) -> None:
        found = [
            canonical(history_of(self._two_unnamed_branches(*ids)))["operations"] for ids in (("a", "b"), ("b", "a"))
        ]
        self.assertEqual(*found)

    def _two_unnamed_branches(self, *ids: str) -> Script:
        script = Script().context("p", "Parallel")
        for id_ in ids:
            script.context(id_, "ParallelBranch", parent="p")
        for id_ in ids:
            script.step(f"{id_}-1", f'"{id_}"', parent=id_)
        return script

    def test_elsewhere_the_order_of_execution_counts(self) -> None:
        script = Script().context("c", name="outer").step("2", name="b", parent="c").step("1", name="a", parent="c")
        [found] = canonical(history_of(script))["operations"]
        self.assertEqual([child["name"] for child in found["operations"]], ["b", "a"])

    def test_values_that_are_no_json_are_told_from_their_texts(self) -> None:
        class Colour(Enum):
            RED = "red"

        @dataclass
        class Item:
            colour: Colour
            missing: None = None

        values: dict[str | None, Any] = {"1": (Decimal(1), "1"), "2": Item(Colour.RED)}
        script = Script().step("1", "1").step("2", "2")
        first, second = canonical(history_of(script), lambda text, _: values.get(text))["operations"]
        self.assertEqual(first["result"], ["Decimal('1')", "1"])
        self.assertEqual(second["result"], {"colour": "red"})

    def test_values_of_any_kind_are_the_same_in_every_process_and_survive_json(self) -> None:
        class Size(Enum):
            SMALL = (Decimal(1), 2)

        values: dict[str | None, Any] = {"1": Size.SMALL, "2": {"c", "a", "b"}, "3": frozenset({Decimal(2), 1})}
        script = Script().step("1", "1").step("2", "2").step("3", "3")
        found = canonical(history_of(script), lambda text, _: values.get(text))
        results = [operation["result"] for operation in found["operations"]]
        self.assertEqual(results, [["Decimal('1')", 2], "{'a', 'b', 'c'}", "{1, Decimal('2')}"])
        self.assertEqual(differences(json.loads(json.dumps(found)), found), [])

    def test_the_decoder_is_told_whose_payload_it_is(self) -> None:
        names: list[str | None] = []
        script = Script().step("1", "1", name="charge").succeeded("2")
        canonical(history_of(script), lambda _, record: names.append(None if record is None else record.name))
        self.assertEqual(names, [None, None, "charge", "charge"])

    def test_payloads_that_are_no_json_are_texts(self) -> None:
        self.assertEqual([json_or_text(text) for text in ("[1]", "plain text", None)], [[1], "plain text", None])

    def test_bare_names(self) -> None:
        arn = "arn:aws:lambda:us-east-1:123456789012:function:orders"
        for name in ("orders", "orders:live", arn, f"{arn}:live"):
            with self.subTest(name=name):
                self.assertEqual(bare_name(name), "orders")


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

    def test_nan_is_nan(self) -> None:
        nan, other = float("nan"), float("nan")
        self.assertDifferences(run(result={"mean": [nan]}), run(result={"mean": [other]}))
        self.assertDifferences(run(result=[nan]), run(result=[1.0]), "execution: result[0]: 1.0 instead of nan")
        self.assertDifferences(run(result=[1.0]), run(result=[nan]), "execution: result[0]: nan instead of 1.0")
        self.assertTrue(same_value([nan, 1], [other, 1]))
        self.assertFalse(same_value([nan, 1], [other, 2]))

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
