"""A check that holds costs only its comparison: its message is not built."""

from __future__ import annotations

import json
import sys
import unittest
from collections.abc import Callable
from unittest import mock

from durabletest import assertions
from durabletest.assertions import CurrentTest, check, subjects
from durabletest.assertions.subjects import OperationSetFacts
from durabletest.assertions.time_checks import OrderBreak, first_break
from durabletest.model import lookup
from tests.model.histories import Script, View, error, payload, retry


class Run(View):
    """An execution in virtual time."""

    exact_time = True


class Loud:
    """A matcher that counts its comparisons and its reprs."""

    def __init__(self, equal: bool) -> None:
        self.equal = equal
        self.compared = self.shown = 0

    def __eq__(self, other: object) -> bool:
        self.compared += 1
        return self.equal

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        self.shown += 1
        return "<loud>"


def shipped() -> Run:
    """Two steps, one of them in a context and retried, an invoke and a result."""
    script = Script().context("1", name="order").step("2", "[1, 2]", name="pack", parent="1")
    script.op("StepStarted", "3", name="charge", parent="1")
    script.op("StepFailed", "3", {"Error": error(), "RetryDetails": retry(1, 5)}).invocation()
    script.at(5).op("StepStarted", "3").op("StepSucceeded", "3", {"Result": payload("7"), "RetryDetails": retry(2)})
    script.op("ChainedInvokeStarted", "4", {"FunctionName": "geo", "Input": payload("[3]")}, name="find")
    script.op("ChainedInvokeSucceeded", "4", {"Result": payload("4")}).invocation(5)
    return Run(script.succeeded(json.dumps([{"n": 1}, [2]])))


class ComparedTests(unittest.TestCase):
    def setUp(self) -> None:
        self.view, self.test = shipped(), CurrentTest()

    def claims(self, value: object) -> list[Callable[[], object]]:
        """Every claim that compares with a value of the test."""
        execution = assertions.execution(self.view, self.test)
        pack = assertions.operation(self.view, self.test, "pack")
        find = assertions.operation(self.view, self.test, "find")
        every = assertions.operations(self.view, self.test, name="pack").each
        return [
            lambda: execution.succeeded(value),
            lambda: execution.result(value),
            lambda: execution.succeeded([{"n": value}, value]),
            lambda: pack.succeeded(value),
            lambda: pack.result(value),
            lambda: every.succeeded(value),
            lambda: find.invoked(value),
            lambda: find.invoked("geo", value),
        ]

    def test_what_is_equal_is_compared_as_a_whole_and_not_shown(self) -> None:
        for number in range(8):
            value = Loud(True)
            with self.subTest(number):
                self.claims(value)[number]()
                self.assertEqual((value.compared, value.shown), (2 if number == 2 else 1, 0))

    def test_what_differs_is_shown(self) -> None:
        for number in range(8):
            value = Loud(False)
            with self.subTest(number):
                with self.assertRaisesRegex(AssertionError, "<loud>"):
                    self.claims(value)[number]()
                self.assertGreater(value.shown, 0)

    def test_what_differs_although_it_should_not_be_equal_is_shown_too(self) -> None:
        value = Loud(True)
        with self.assertRaisesRegex(AssertionError, "not result == <loud>"):
            assertions.execution(self.view, self.test).never.succeeded(value)


class WordedTests(unittest.TestCase):
    """No text is built while claims hold."""

    def test_no_claim_that_holds_is_worded(self) -> None:
        view, test = shipped(), CurrentTest()
        with mock.patch.object(check.Claim, "texts", side_effect=AssertionError("nobody asked")):
            assertions.execution(view, test).succeeded().took(seconds=5).never.failed("CardDeclined", "expired")
            charge = assertions.operation(view, test, "charge").succeeded(7).attempts(2).never.attempts(1)
            charge.inside("order").retried_after(seconds=5).after("pack").never.error("Other")
            assertions.operations(view, test).count(4).in_order("pack", "charge").never.in_order("charge", "pack")
            assertions.operations(view, test, type="STEP").each.succeeded().never.failed()
            assertions.history(view, test).contains("StepFailed").count(2, of="InvocationCompleted")
            assertions.invocations(view, test).count(2).each.never.failed()

    def test_nothing_is_looked_up_for_an_operation_that_has_to_be_absent(self) -> None:
        view, test = shipped(), CurrentTest()
        with mock.patch.object(subjects, "why_not_found", side_effect=AssertionError("nobody asked")):
            assertions.operation(view, test, "refund").never_started()
            assertions.operation(view, test, "charge", 1).never_started()
        with self.assertRaisesRegex(AssertionError, "did you mean 'charge'"):
            assertions.operation(view, test, "chrage").succeeded()

    def test_nothing_is_looked_up_for_a_set_that_may_be_empty(self) -> None:
        view, test = shipped(), CurrentTest()
        with mock.patch.object(
            sys.modules[OperationSetFacts.__module__], "closest", side_effect=AssertionError("nobody asked")
        ):
            assertions.operations(view, test, name="refund").count(0)
        with self.assertRaisesRegex(AssertionError, "did you mean 'charge'"):
            assertions.operations(view, test, name="chrage").count(1)

    def test_the_operations_are_gone_through_once_however_many_names_are_given(self) -> None:
        view, test = shipped(), CurrentTest()
        gone_through = mock.PropertyMock(return_value=OperationSetFacts(view).all)
        with mock.patch.object(OperationSetFacts, "all", gone_through):
            assertions.operations(view, test).in_order("order", "pack", "charge", "find")
        self.assertEqual(gone_through.call_count, 1)


class LateTests(unittest.TestCase):
    def test_an_operation_that_has_started_since_is_not_said_to_be_absent(self) -> None:
        view, test = Run(Script()), CurrentTest()
        assertions.operation(view, test, "charge")
        assertions.operation(view, test, "refund")
        view.script.step("1", name="charge")
        with self.assertRaisesRegex(AssertionError, "but: no operation has that name") as about_refund:
            test.finish()
        with self.assertRaisesRegex(AssertionError, "but: it had not started when it was asked for") as about_charge:
            test.finish()
        self.assertIn("operation 'refund' of", str(about_refund.exception))
        self.assertIn("operation 'charge' of", str(about_charge.exception))


class InsideTests(unittest.TestCase):
    """``inside`` looks at the contexts around an operation, not at all contexts of the name."""

    def test_every_context_around_it_counts(self) -> None:
        script = Script().context("1", name="a").context("2", name="b/c", parent="1").context("3", parent="2")
        view, test = Run(script.step("4", name="d", parent="3").context("5", name="e")), CurrentTest()
        inner = assertions.operation(view, test, "d")
        for context in ("a", "b/c", "a/b/c"):
            inner.inside(context).inside(context, index=0)
            with self.assertRaisesRegex(AssertionError, "1 operation has that name, so there is no index 1"):
                inner.never.inside(context, index=1)
        inner.never.inside("e").never.inside("e", index=0).never.inside("d")
        with self.assertRaisesRegex(AssertionError, "no operation has that name"):
            inner.inside("b")

    def test_namesakes_elsewhere_are_not_compared(self) -> None:
        script = Script()
        for number in range(9):
            script.context(f"o{number}", name="order").context(f"c{number}", name="item", parent=f"o{number}")
            script.step(f"s{number}", name="charge", parent=f"c{number}")
        view, test = Run(script), CurrentTest()
        charge = assertions.operation(view, test, "charge", 5).inside("order/item")
        with mock.patch.object(lookup, "_is_at", mock.Mock(wraps=lookup._is_at)) as compared:
            charge.inside("order/item")
        self.assertEqual(compared.call_count, 1)


if __name__ == "__main__":
    unittest.main()


class OrderTests(unittest.TestCase):
    """Things in order: numbers, of which the even ones are named one way and the odd ones another."""

    things = {"even": [*range(0, 100, 2)], "odd": [*range(1, 100, 2)]}

    def first_break(self, *names: str) -> tuple[OrderBreak[int] | None, int]:
        """The break, and how many pairs were compared."""
        pairs: list[tuple[int, int]] = []

        def precedes(one: int, other: int) -> bool:
            pairs.append((one, other))
            return one < other

        return first_break(names, self.things.__getitem__, precedes), len(pairs)

    def test_each_thing_is_compared_once(self) -> None:
        self.assertEqual(self.first_break(*["even", "odd"] * 50), (None, 99))

    def test_one_more_is_a_break_after_the_last(self) -> None:
        found, compared = self.first_break(*["even", "odd"] * 50, "even")
        self.assertEqual(found, OrderBreak("even", "odd", 99, self.things["even"], False))
        self.assertLess(compared, 200)

    def test_the_reverse_order_uses_up_every_second_one(self) -> None:
        self.assertIsNone(self.first_break(*["odd", "even"] * 49)[0])
        found, _ = self.first_break(*["odd", "even"] * 50)
        self.assertEqual(found, OrderBreak("even", "odd", 99, self.things["even"], False))
