"""Requirement 4: finding operations by name, index and id."""

from __future__ import annotations

import unittest
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import LocalDurableTestRunner, OperationNotFoundError


@durable_execution
def mailing(event: list[str], context: DurableContext) -> int:
    """One context for each customer, in which a step of the same name is taken."""

    def letter_to(customer: str) -> Any:
        return lambda child: child.step(lambda _: f"dear {customer}", name="write")

    context.step(lambda _: len(event), name="count")
    for customer in event:
        context.run_in_child_context(letter_to(customer), name=customer)
    context.step(lambda _: "unnamed")
    return len(event)


def written(operation: Any) -> Any:
    return operation.get_step_details().result


class OperationInspectionTests(unittest.TestCase):
    def setUp(self) -> None:
        self.runner = self.enterContext(LocalDurableTestRunner(mailing))
        self.result = self.runner.run(["ann", "bob"])

    def test_r4_1_get_operation_finds_the_first_of_that_name_at_any_depth_or_path(self) -> None:
        self.assertEqual(written(self.runner.get_operation("write")), "dear ann")
        self.assertEqual(written(self.runner.get_operation("bob/write")), "dear bob")
        self.assertEqual(self.runner.get_operation("write"), self.result.get_operation("write"))

    def test_r4_2_get_operation_by_index_counts_in_execution_order(self) -> None:
        found = [self.runner.get_operation_by_index(index).name for index in range(6)]
        self.assertEqual(found, ["count", "ann", "write", "bob", "write", None])

    def test_r4_3_get_operation_by_name_and_index_finds_the_nth_of_that_name(self) -> None:
        found = [written(self.runner.get_operation_by_name_and_index("write", index)) for index in (0, 1)]
        self.assertEqual(found, ["dear ann", "dear bob"])
        with self.assertRaises(OperationNotFoundError):
            self.runner.get_operation_by_name_and_index("write", 2)

    def test_r4_4_get_operation_by_id_finds_that_very_operation(self) -> None:
        for operation in self.result.get_operations():
            with self.subTest(operation.name):
                found = self.runner.get_operation_by_id(operation.id)
                self.assertEqual((found.id, found.name, found.type), (operation.id, operation.name, operation.type))
        unnamed = self.runner.get_operation_by_id(self.result.get_operations()[-1].id)
        self.assertEqual(written(unnamed), "unnamed")

    def test_r4_5_what_is_not_there_is_an_error_that_lists_what_is(self) -> None:
        lookups = {
            "name": lambda: self.runner.get_operation("wriet"),
            "index": lambda: self.runner.get_operation_by_index(6),
            "name and index": lambda: self.runner.get_operation_by_name_and_index("ann", 1),
            "id": lambda: self.runner.get_operation_by_id("unknown"),
        }
        for kind, look_up in lookups.items():
            with self.subTest(kind), self.assertRaises(OperationNotFoundError) as caught:
                look_up().status
            self.assertIn("bob/write", str(caught.exception))
        with self.assertRaisesRegex(OperationNotFoundError, "did you mean 'write'"):
            self.runner.get_operation("wriet")
