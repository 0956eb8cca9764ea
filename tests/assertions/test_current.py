"""How a test fails: subjects without a claim, reports on executions, and the frames of tracebacks."""

from __future__ import annotations

import sys
import traceback
import unittest
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from unittest import mock

from freezegun import freeze_time

from durabletest import DurableTestCase, UsageError, assertions
from durabletest.assertions import CurrentTest, SoftScope
from durabletest.assertions.check import show
from durabletest.assertions.compare import differences
from tests.assertions import scenarios
from tests.assertions.nearest_histories import NearView, going_on, shop


class BegunTests(unittest.TestCase):
    """A claim about one subject is not one about another."""

    def setUp(self) -> None:
        self.test, self.view = CurrentTest(), NearView(shop())

    def assertComplains(self, of: str) -> None:
        with self.assertRaisesRegex(UsageError, f"^nothing was claimed about {of}: add a check"):
            self.test.finish()

    def test_of_two_subjects_the_first_stays_open(self) -> None:
        assertions.history(self.view, self.test)
        assertions.execution(self.view, self.test).succeeded()
        self.assertComplains("history of execution 'order-42'")

    def test_of_two_subjects_the_second_stays_open(self) -> None:
        assertions.execution(self.view, self.test).succeeded()
        assertions.history(self.view, self.test)
        self.assertComplains("history of execution 'order-42'")

    def test_of_two_subjects_that_look_alike(self) -> None:
        assertions.execution(self.view, self.test)
        assertions.execution(self.view, self.test).succeeded()
        self.assertComplains("execution 'order-42'")

    def test_another_operation_that_is_missing(self) -> None:
        assertions.operation(self.view, self.test, "refund")
        assertions.operation(self.view, self.test, "charge").succeeded()
        with self.assertRaisesRegex(AssertionError, "^operation 'refund' of execution 'order-42'\nExpected: exists"):
            self.test.finish()

    def test_a_negation_and_a_quantifier_without_a_check(self) -> None:
        for begin, of in (
            (lambda: assertions.operation(self.view, self.test, "charge").succeeded().never, "step 'charge'"),
            (lambda: assertions.operations(self.view, self.test).count(7).each, "each of the operations"),
            (lambda: assertions.invocations(self.view, self.test).any, "any of the invocations"),
            (lambda: assertions.invocations(self.view, self.test).invocation(1), "invocation 1"),
        ):
            with self.subTest(of):
                begin()
                self.assertComplains(f"{of} of execution 'order-42'")

    def test_a_soft_scope_that_is_never_entered(self) -> None:
        SoftScope(self.test)
        assertions.execution(self.view, self.test).succeeded()
        with self.assertRaisesRegex(UsageError, r"^self\.softly\(\) was never entered: write with self\.softly\(\):"):
            self.test.finish()

    def test_nothing_stays_open_where_everything_was_claimed(self) -> None:
        assertions.history(self.view, self.test).count(mock.ANY)
        assertions.operations(self.view, self.test).each.never.failed()
        assertions.operation(self.view, self.test, "charge")
        with SoftScope(self.test):
            assertions.execution(self.view, self.test).succeeded()
        self.test.finish()


class MessageTests(unittest.TestCase):
    def test_a_callback_without_an_id_has_none_yet(self) -> None:
        subject = assertions.operation(NearView(going_on()), CurrentTest(), "no id yet")
        for claim in (subject.callback_id, lambda: subject.callback_id("cb-1")):
            with self.assertRaisesRegex(
                AssertionError, "Expected: a callback id\n     but: has none yet\nIt gets its id"
            ):
                claim()

    def test_what_does_not_count_for_the_equality_of_two_instances_is_no_difference(self) -> None:
        found = list(differences(Parcel("a", 1, 7), Parcel("b", 2, 7), "result"))
        self.assertEqual([difference.path for difference in found], ["result.name"])
        self.assertEqual(list(differences(Parcel("a", 1, 7), Parcel("a", 2, 7), "result")), [])

    def test_of_long_texts_the_part_is_shown_in_which_they_differ(self) -> None:
        start = "a" * 3000
        for expected, actual, wanted, shown in (
            ("c", "b", f"{'a' * 40 + 'c'!r} (characters 2961 to 3001 of 3001)", f"{'a' * 40 + 'b'!r} (characters 2961"),
            (
                "",
                "b",
                f"{'a' * 40!r} (characters 2961 to 3000 of 3000)",
                f"{'a' * 40 + 'b'!r} (characters 2961 to 3001",
            ),
        ):
            [difference] = differences([start + expected], [start + actual], "result")
            self.assertEqual(difference.expected, f"== {wanted}")
            self.assertTrue(difference.actual.startswith(f"== {shown}"), difference.actual)
        [difference] = differences("c" + start, "b" + start, "result")
        self.assertRegex(difference.actual, r"^== 'ba{1998}\.\.\. \(3003 characters\)$")

    def test_addresses_are_left_out_of_objects_and_not_of_texts(self) -> None:
        for text in ("loaded at 0x10", "at 0x10, then at 0x20", "<b>at 0x10</b>"):
            self.assertIn(text, show(text))
        for value in (object(), lambda: None, [Parcel.__init__], weakref.ref(Parcel), sys._getframe()):
            self.assertNotRegex(show(value), " at 0x")

    def test_datetimes_of_freezegun_are_shown_as_datetimes_wherever_they_are(self) -> None:
        with freeze_time("2026-01-01"):
            parcel = Parcel("a", datetime(2026, 1, 1, tzinfo=UTC), [date(2026, 1, 1)])  # type: ignore[arg-type]
        self.assertEqual(
            show([parcel]),
            "[Parcel(name='a', weighed_at=datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc), "
            "weight=[date(2026, 1, 1)])]",
        )

    def test_texts_that_look_alike_without_addresses_are_shown_with_them(self) -> None:
        [difference] = differences("<Card at 0x10>", "<Card at 0x20>", "result")
        self.assertEqual(difference.expected, "== '<Card at 0x10>' (characters 1 to 14 of 14)")


@dataclass(frozen=True)
class Parcel:
    name: str
    weighed_at: int = field(compare=False)
    weight: int


class ErrorTests(unittest.TestCase):
    """Exceptions that end a test."""

    def error(self, body: Callable[[DurableTestCase], object]) -> BaseException:
        def run(test: scenarios.Scenario) -> None:
            test.arrange()
            body(test)

        try:
            type("Shipped", (scenarios.Shipped,), {"runTest": run})("runTest").debug()
        except Exception as error:
            return error
        raise AssertionError("nothing was raised")

    def assertReported(self, error: BaseException, expected: bool) -> None:
        said = "\n".join([str(error), *getattr(error, "__notes__", ())])
        self.assertIs("Operations of execution" in said, expected, said)

    def test_a_failure_has_a_report_and_what_is_none_has_not(self) -> None:
        self.assertReported(self.error(lambda test: test.assertEqual(1, 2)), True)
        self.assertReported(self.error(lambda test: test.assertExecution().failed()), True)
        for body in (lambda test: 1 / 0, lambda test: test.assertExecution(7), lambda test: test.execute({1, 2})):
            self.assertReported(self.error(body), False)

    def test_of_an_error_that_is_none_of_ours_all_is_shown(self) -> None:
        bug = RuntimeError("a bug")
        with mock.patch("durabletest.assertions.outcome_checks._claim", side_effect=bug):
            error = self.error(lambda test: test.assertExecution().stopped())
        self.assertIs(error, bug)
        self.assertIn("outcome_checks.py", self.files(error))

    def test_of_an_error_of_ours_the_message_tells_all(self) -> None:
        error = self.error(lambda test: test.assertExecution().never.never.failed())
        self.assertIsInstance(error, UsageError)
        self.assertEqual(self.files(error)[-1], "test_current.py")

    @staticmethod
    def files(error: BaseException) -> list[str]:
        return [frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(error.__traceback__)]
