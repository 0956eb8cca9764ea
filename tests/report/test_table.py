from __future__ import annotations

import random
import unittest

from durabletest.errors import UsageError
from durabletest.model.history import History
from durabletest.model.records import OperationRecord, OperationType
from durabletest.report.table import COLUMNS, operation_table, tree_order
from tests.model.histories import START, Script, error, history_of, order, retry

EXPECTED = """
name                           type      status     started              ended                duration    attempts
-----------------------------  --------  ---------  -------------------  -------------------  ----------  ----------
order                          CONTEXT   SUCCEEDED  2026-01-01 00:00:00  2026-01-01 00:00:05  5s
  charge                       STEP      SUCCEEDED  2026-01-01 00:00:00  2026-01-01 00:00:05  5s          2
cool-down                      WAIT      SUCCEEDED  2026-01-01 00:00:05  2026-01-01 01:00:05  1h
approval                       CONTEXT   SUCCEEDED  2026-01-01 01:00:05  2026-01-01 02:00:05  1h
  approval create callback id  CALLBACK  SUCCEEDED  2026-01-01 01:00:05  2026-01-01 02:00:05  1h
  approval submitter           STEP      SUCCEEDED  2026-01-01 01:00:05  2026-01-01 01:00:05  0s          1
(unnamed)                      WAIT      STARTED    2026-01-01 02:00:05
"""


class DefaultTableTest(unittest.TestCase):
    maxDiff = None

    def test_r14_3_names_types_statuses_and_times(self) -> None:
        table = operation_table(history_of(order().wait("9", 60)).operations)
        self.assertEqual(table, EXPECTED.strip("\n"))

    def test_milliseconds_where_there_are_any(self) -> None:
        script = Script().step("1", name="a").at(0.25).wait("2", 5, name="b")
        table = operation_table(history_of(script).operations, ["name", "started", "ended", "duration"])
        self.assertEqual(table.splitlines()[2:], [
            "a       2026-01-01 00:00:00.000  2026-01-01 00:00:00.000  0s",
            "b       2026-01-01 00:00:00.250",
        ])  # fmt: skip

    def test_errors_where_there_are_any_cut_to_fit(self) -> None:
        script = Script().step("1", name="a").op("StepStarted", "2", name="b")
        script.op("StepFailed", "2", {"Error": error("Declined", "the card of\nthe customer " + "has expired " * 20)})
        operations = history_of(script).operations
        self.assertEqual(operation_table(operations, width=120).splitlines()[0].split()[-1], "error")
        for width, end in (
            (80, "Declined: the card of the customer..."),
            (150, "Declined: the card of the customer has expired has expired has expired..."),
        ):
            lines = operation_table(operations, width=width).splitlines()
            self.assertTrue(lines[-1].endswith(end), lines[-1])
            self.assertLessEqual(len(lines[-1].partition("Declined")[2]), max(width - 88, width // 2))

    def test_errors_do_not_rule_the_terminal(self) -> None:
        script = Script().op("StepStarted", "1", name="a")
        script.op("StepFailed", "1", {"Error": error("Declined", "\x1b[31mno \u202efunds\x1b[0m")})
        table = operation_table(history_of(script).operations, ["error"])
        self.assertEqual(table.splitlines()[-1], r"Declined: \u001b[31mno \u202efunds\u001b[0m")

    def test_the_time_after_the_start_of_the_execution(self) -> None:
        operations = history_of(Script().at(60).step("1", name="a").at(90).step("2", name="b")).operations
        for start, after in ((START, ["1m", "1m 30s"]), (None, ["0s", "30s"])):
            self.assertEqual(operation_table(operations, ["after"], start=start).splitlines()[2:], after)

    def test_no_operations(self) -> None:
        self.assertEqual(operation_table(History().operations), "(no operations)")


class ColumnsTest(unittest.TestCase):
    def cells(self, *columns: str) -> list[list[str]]:
        script = Script().context("1", name="order").op("StepStarted", "2", name="charge", parent="1")
        script.op("StepFailed", "2", {"Error": error(), "RetryDetails": retry(1)})
        lines = operation_table(history_of(script).operations, columns).splitlines()
        self.assertEqual(lines[0].split(), list(columns))
        return [line.split("  ") for line in lines[2:]]

    def test_chosen_columns(self) -> None:
        for column, cells in (
            ("path", ["order", "order/charge"]),
            ("sub_type", ["RunInChildContext", "Step"]),
            ("id", ["1", "2"]),
            ("parent", ["", "1"]),
            ("error", ["", "PaymentDeclined: card expired"]),
            ("attempts", ["", "1"]),
            ("after", ["0s", "0s"]),
        ):
            with self.subTest(column):
                self.assertEqual(self.cells(column), [[cell] for cell in cells])

    def test_the_type_of_an_error_stands_without_its_module(self) -> None:
        for type_, shown in (("shop.bank.Declined", "Declined: no"), ("No. 7", "No. 7: no"), (None, "no"), ("", "no")):
            script = Script().op("StepStarted", "1").op("StepFailed", "1", {"Error": error(type_, "no")})
            self.assertEqual(operation_table(history_of(script).operations, "error").splitlines()[2], shown)

    def test_every_column_can_be_chosen(self) -> None:
        for column in COLUMNS:
            with self.subTest(column):
                self.assertEqual(len(self.cells(column)), 2)

    def test_one_name_is_one_column(self) -> None:
        table = operation_table(history_of(Script().step("1")).operations, "type")
        self.assertEqual(table, "type\n------\nSTEP")

    def test_an_unknown_column(self) -> None:
        for operations in ([], history_of(order()).operations):
            with self.subTest(len(operations)), self.assertRaises(UsageError) as raised:
                operation_table(operations, ["name", "Statsu"])
            self.assertEqual(
                str(raised.exception),
                "'Statsu' is no column of the operation table; did you mean 'status'? There are name, path, type, "
                "sub_type, status, started, ended, after, duration, attempts, error, id, parent.",
            )


class RowsTest(unittest.TestCase):
    def names(self, script: Script) -> list[str]:
        return operation_table(history_of(script).operations, ["name"]).splitlines()[2:]

    def test_names_stay_on_one_line(self) -> None:
        self.assertEqual(self.names(Script().step("1", name="a\nb\tc")), ["a\\nb\\tc"])

    def test_long_names_are_cut(self) -> None:
        self.assertEqual(self.names(Script().step("1", name="x" * 61)), ["x" * 57 + "..."])

    def test_numbers_stay_text(self) -> None:
        script = Script().step("1", name="1e5").step("2", name="007")
        self.assertEqual(self.names(script), ["1e5", "007"])

    def test_parts_of_an_execution(self) -> None:
        history = history_of(order())
        operations = [history.find("charge"), history.find("cool-down")]
        self.assertEqual(operation_table(operations, ["name"]).splitlines()[2:], ["charge", "cool-down"])


def context(id_: str, parent_id: str | None = None, name: str | None = None, sub_type: str = "") -> OperationRecord:
    return OperationRecord(id_, OperationType.CONTEXT, START, name, sub_type, parent_id)


class TreeTests(unittest.TestCase):
    def assertOrder(self, operations: list[OperationRecord], expected: list[str]) -> None:
        rows = tree_order(operations)
        self.assertEqual(["  " * len(row.ancestors) + row.operation.id for row in rows], expected)

    def test_what_is_in_a_context_follows_it_in_the_order_it_started(self) -> None:
        operations = [context("b"), context("a"), context("z", "b"), context("y", "b"), context("x", "z")]
        self.assertOrder(operations, ["b", "  z", "    x", "  y", "a"])

    def test_branches_come_by_name_however_they_started(self) -> None:
        branches = [context(f"id{i}", "fan", f"branch-{i}") for i in range(12)]
        for seed in range(5):
            random.Random(seed).shuffle(branches)
            for kind in ("Parallel", "Map"):
                operations = [context("fan", sub_type=kind), *branches]
                self.assertOrder(operations, ["fan", *(f"  id{i}" for i in range(12))])

    def test_branches_of_one_name_come_by_id(self) -> None:
        operations = [
            context("fan", sub_type="Map"),
            context("2", "fan", "item"),
            context("1", "fan", "item"),
            context("3", "fan"),
        ]
        self.assertOrder(operations, ["fan", "  3", "  1", "  2"])

    def test_an_operation_whose_context_is_left_out_stands_outside(self) -> None:
        self.assertOrder([context("a", "gone"), context("b")], ["a", "b"])

    def test_contexts_may_be_nested_deeply(self) -> None:
        operations = [context(str(i), str(i - 1) if i else None) for i in range(3000)]
        self.assertEqual(len(tree_order(operations)[-1].ancestors), 2999)
