"""Every checkpoint rule: a request that breaks it, the error it gets, and the nearest request that is taken."""

from __future__ import annotations

import unittest

from botocore.exceptions import ClientError

from tests.local.server.harness import Harness, Started, code_of, fail, retry, start, succeed
from tests.local.server.rule import Rule, a_ready_step
from tests.local.server.rules_of_batches import BATCHES, IDENTITY, PARENTS
from tests.local.server.rules_of_updates import ACTIONS, CONTENTS, SIZES, TRANSITIONS

ALL_RULES = BATCHES + PARENTS + IDENTITY + ACTIONS + TRANSITIONS + CONTENTS + SIZES


class EveryRule(unittest.TestCase):
    def in_a_fresh_execution(self, rule: Rule) -> Started:
        execution = Harness().start(invocation_type=rule.invocation_type)
        execution.harness.server.register(1, "child", True)
        rule.given(execution)
        return execution

    def test_a_request_that_breaks_the_rule_is_refused_with_an_error_that_names_operation_and_rule(self) -> None:
        for rule in ALL_RULES:
            with self.subTest(rule.name):
                execution = self.in_a_fresh_execution(rule)
                with self.assertRaises(ClientError) as caught:
                    execution.checkpoint(*rule.refused)
                self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")
                self.assertEqual(caught.exception.operation_name, "CheckpointDurableExecution")
                self.assertIn(rule.says, str(caught.exception))
                self.assertRegex(
                    str(caught.exception), r"(START|SUCCEED|FAIL|RETRY|CANCEL) of [A-Z_]+.* \(id [\w-]+\): "
                )

    def test_a_refused_batch_changes_nothing_not_even_by_its_first_updates(self) -> None:
        for rule in ALL_RULES:
            with self.subTest(rule.name):
                execution = self.in_a_fresh_execution(rule)
                before = execution.operations(), execution.history(), len(execution.harness.announced.all)
                with self.assertRaises(ClientError):
                    execution.checkpoint(start("STEP", "innocent"), *rule.refused)
                self.assertEqual(
                    (execution.operations(), execution.history(), len(execution.harness.announced.all)), before
                )

    def test_the_nearest_request_that_keeps_the_rule_is_taken_with_the_same_token(self) -> None:
        for rule in ALL_RULES:
            with self.subTest(rule.name):
                execution = self.in_a_fresh_execution(rule)
                with self.assertRaises(ClientError):
                    execution.checkpoint(*rule.refused)
                answer = execution.checkpoint(*rule.allowed)
                changed = {operation["Id"] for operation in answer["NewExecutionState"]["Operations"]}
                self.assertLessEqual({one["Id"] for one in rule.allowed if one["Type"] != "EXECUTION"}, changed)

    def test_a_ready_step_takes_each_of_its_actions(self) -> None:
        for one in (start("STEP", "s"), succeed("STEP", "s"), fail("STEP", "s"), retry("s")):
            with self.subTest(one["Action"]):
                execution = Harness().start()
                a_ready_step(execution)
                execution.checkpoint(one)
                self.assertNotEqual(execution.operations()["s"]["Status"], "READY")

    def test_the_names_of_the_rules_are_told_apart(self) -> None:
        names = [rule.name for rule in ALL_RULES]
        self.assertEqual(len(names), len(set(names)))


if __name__ == "__main__":
    unittest.main()
