"""What the two runs of one test say together."""

from __future__ import annotations

import unittest
from typing import Any

from durabletest.model.canonical import Canonical
from durabletest.parity.comparison import Comparison, Verdict, compare
from durabletest.parity.recording import Recording


def run(**charge: Any) -> Canonical:
    """An execution with one step."""
    step = {"name": "charge", "type": "STEP", "sub_type": "Step", "status": "SUCCEEDED", "attempts": 1, **charge}
    return {"status": "SUCCEEDED", "operations": [step]}


class ComparisonTests(unittest.TestCase):
    def assertVerdict(self, local: Recording, cloud: Recording, verdict: Verdict, *because: str) -> None:
        self.assertEqual(compare("a test", local, cloud), Comparison("a test", verdict, list(because)))

    def test_equal_executions_agree(self) -> None:
        self.assertVerdict(Recording([run()]), Recording([run()]), Verdict.AGREES)

    def test_what_the_cloud_does_instead(self) -> None:
        self.assertVerdict(
            Recording([run(attempts=3)]),
            Recording([run(attempts=2)]),
            Verdict.DIFFERS,
            "step 'charge': attempts: 2 instead of 3",
        )

    def test_of_several_executions_it_is_said_which(self) -> None:
        self.assertVerdict(
            Recording([run(), run()]),
            Recording([run(), run(status="FAILED")]),
            Verdict.DIFFERS,
            "execution 2: step 'charge': status: FAILED instead of SUCCEEDED",
        )

    def test_more_or_fewer_executions(self) -> None:
        self.assertVerdict(
            Recording([run()]), Recording([run(), run()]), Verdict.DIFFERS, "2 executions in the cloud instead of 1"
        )

    def test_what_is_handed_to_an_invoked_function_counts(self) -> None:
        self.assertVerdict(
            Recording([run(input={"order": 42})]),
            Recording([run(input={"order": 43})]),
            Verdict.DIFFERS,
            "step 'charge': input['order']: 43 instead of 42",
        )

    def test_every_fact_but_the_functions_name_counts(self) -> None:
        facts = {"type": "WAIT", "sub_type": "Map", "status": "FAILED", "attempts": 2, "seconds": 5, "timeout": 5}
        facts |= {"heartbeat_timeout": 5, "input": 1, "result": 1, "error": {"type": "E"}}
        facts |= {"operations": run()["operations"]}
        for name, value in facts.items():
            with self.subTest(name):
                comparison = compare("a test", Recording([run()]), Recording([run(**{name: value})]))
                self.assertIs(comparison.verdict, Verdict.DIFFERS)

    def test_the_names_of_deployed_functions_do_not_count(self) -> None:
        self.assertVerdict(Recording([run(function="a")]), Recording([run(function="b")]), Verdict.AGREES)

    def test_a_test_that_fails_is_not_compared(self) -> None:
        self.assertVerdict(
            Recording([run()], failure="AssertionError: no"),
            Recording([run()], failure="ValueError: oh"),
            Verdict.FAILED,
            "failed locally: AssertionError: no",
            "failed in the cloud: ValueError: oh",
        )

    def test_a_test_that_is_skipped_is_not_compared(self) -> None:
        self.assertVerdict(
            Recording([run()]),
            Recording(skipped="local only"),
            Verdict.NOT_COMPARED,
            "skipped in the cloud: local only",
        )

    def test_a_test_without_executions(self) -> None:
        self.assertVerdict(Recording(), Recording(), Verdict.NOT_COMPARED, "it starts no execution")
