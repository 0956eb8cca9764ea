"""``assertSurvivesCrashes`` with ``depth=2``: which pairs of faults are tried, what they find, what is reported."""

from __future__ import annotations

import unittest
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import LocalDurableTestRunner
from tests.durability.bugs import mutated_closure, world
from tests.durability.case import Body, report
from tests.durability.correct import CORRECT, nothing_but_steps
from tests.effort import examples
from tests.sdk_versions import needs_turns


@durable_execution
def blocked_at_the_third_charge(event: Any, context: DurableContext) -> str:
    """The service takes a charge that comes again for a repetition, once."""

    def charge(_: Any) -> str:
        world["charges"] = world.get("charges", 0) + 1
        return "paid" if world["charges"] < 3 else "blocked"

    return context.step(charge, name="charge")


def surviving(**choices: Any) -> Body:
    """A test with these choices."""
    return lambda test: test.assertSurvivesCrashes({}, **choices)


@needs_turns
class PairTests(unittest.TestCase):
    def pairs(self, **choices: Any) -> tuple[list[str], str]:
        """The faults of the runs with two of them, and the report."""
        seen: list[str] = []
        original = LocalDurableTestRunner.with_fault

        def with_fault(runner: LocalDurableTestRunner, fault: str | None = None, **options: Any) -> Any:
            seen.append(str(fault))
            return original(runner, fault, **options)

        with mock.patch.object(LocalDurableTestRunner, "with_fault", with_fault):
            text = report(nothing_but_steps, surviving(depth=2, **choices))
        return [fault for fault in seen if "+" in fault], text

    def test_a_workflow_may_survive_each_fault_and_no_two(self) -> None:
        handler = blocked_at_the_third_charge
        self.assertEqual(report(handler, surviving(faults="killed")), "")
        text = report(handler, surviving(faults="killed", depth=2))
        self.assertIn(
            "the workflow does not survive 1 of 1 pairs of faults, sampled from 1 with seed=0. Compared with a run "
            "without any:\n"
            "process killed in step 'charge', after its function had run, then process killed in step 'charge', after "
            "its function had run ('killed 1 + killed 2')\n"
            "  - the value is 'blocked' instead of 'paid'\n"
            "To run just the first of them again: "
            "self.assertSurvivesCrashes({}, faults='killed 1 + killed 2')\n",
            text,
        )
        again = report(handler, surviving(faults="killed 1 + killed 2"))
        self.assertIn("does not survive 1 of 1 faults", again)
        self.assertIn("('killed 1 + killed 2')\n  - the value is 'blocked' instead of 'paid'", again)

    def test_what_one_fault_breaks_is_told_without_pairs(self) -> None:
        text = report(mutated_closure, surviving(faults="answer lost", depth=2))
        self.assertIn("does not survive 2 of 2 faults", text)

    def test_correct_workflows_survive_pairs(self) -> None:
        for handler in CORRECT[:: examples(4, 1)]:
            with self.subTest(handler.__name__):
                text = report(handler, surviving(depth=2, pairs=examples(5, 200), faults=["answer lost", "killed"]))
                self.assertEqual(text, "")

    def test_the_seed_decides_which_pairs_are_tried(self) -> None:
        first, text = self.pairs(pairs=4)
        self.assertEqual((len(first), text), (4, ""))
        self.assertEqual(self.pairs(pairs=4)[0], first)
        self.assertNotEqual(self.pairs(pairs=4, seed=1)[0], first)

    def test_the_second_fault_is_one_of_those_that_were_asked_for_and_comes_after_the_first(self) -> None:
        pairs, text = self.pairs(faults="killed")
        self.assertEqual(sorted(pairs), ["killed 1 + killed 2", "killed 1 + killed 3", "killed 2 + killed 3"])
        self.assertEqual(text, "")
        self.assertEqual(self.pairs(faults="killed", operations="one"), (["killed 1 + killed 2"], ""))

    def test_a_second_fault_that_never_comes_is_told(self) -> None:
        text = report(nothing_but_steps, surviving(faults="killed 1 + killed 9"))
        self.assertIn("had run ('killed 1 + killed 9')\n  - step 9 is not the same in every run (no such point", text)

    def test_misuse_is_told(self) -> None:
        cases: dict[str, dict[str, Any]] = {
            "depth=3: give 1, for single faults, or 2": {"depth": 3},
            "pairs=0: give a number from 1 on": {"pairs": 0},
            "seed='now': give a number from 0 on": {"seed": "now"},
            "'killed' does not say where": {"faults": "answer lost 1 + killed"},
            "the clean run has 2 such points": {"faults": "killed 3 + killed 4"},
        }
        for words, choices in cases.items():
            with self.subTest(words):
                text = report(nothing_but_steps, surviving(**choices))
                self.assertIn("UsageError", text)
                self.assertIn(words, text)

    def test_the_runner_verifies_pairs(self) -> None:
        with (
            LocalDurableTestRunner(blocked_at_the_third_charge) as runner,
            self.assertRaisesRegex(AssertionError, "pairs of faults, sampled from"),
        ):
            runner.verify_crashes({}, reset=world.clear, depth=2)


if __name__ == "__main__":
    unittest.main()
