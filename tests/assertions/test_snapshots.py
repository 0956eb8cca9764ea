"""Snapshots: what is in the file, what a difference looks like, and when a file is written."""

from __future__ import annotations

import json
import os
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from tests.assertions import scenarios

Json = dict[str, Any]


def outcome(case: type[scenarios.Scenario], body: Callable[[scenarios.Scenario], object]) -> str:
    """What a test says that runs the scenario and then ``body``; empty if it passes."""

    def run(test: scenarios.Scenario) -> None:
        test.arrange()
        body(test)

    try:
        type(case.__name__, (case,), {"runTest": run, "__module__": __name__})("runTest").debug()
    except Exception as error:
        text, _, _ = str(error).partition("\n\nOperations of")
        return text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
    return ""


class SnapshotTests(unittest.TestCase):
    """In a directory of their own, outside of CI."""

    maxDiff = None

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.environment("", "")

    def environment(self, update: str, ci: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"DURABLETEST_UPDATE_SNAPSHOTS": update, "CI": ci}))

    def matches(self, case: type[scenarios.Scenario] = scenarios.Shipped, name: str = "order.json") -> str:
        return outcome(case, lambda test: test.assertHistory().matches(str(self.folder / name))).replace(
            str(self.folder) + os.sep, ""
        )

    def edit(self, change: Callable[[Json], object]) -> None:
        """The snapshot as if it had been taken of another run."""
        file = self.folder / "order.json"
        content = json.loads(file.read_text())
        change(content)
        file.write_text(json.dumps(content))


class FileTests(SnapshotTests):
    def test_a_missing_file_is_written_and_matched_from_then_on(self) -> None:
        self.assertEqual(self.matches(name="deep/inside/order.json"), "")
        written = (self.folder / "deep/inside/order.json").read_text(encoding="utf-8")
        self.assertTrue(written.endswith("\n}\n"))
        self.assertEqual(self.matches(name="deep/inside/order.json"), "")
        self.assertEqual((self.folder / "deep/inside/order.json").read_text(encoding="utf-8"), written)

    def test_a_name_is_that_of_a_file_next_to_the_test(self) -> None:
        beside = Path(__file__).with_name("beside.json")
        self.addCleanup(beside.unlink, missing_ok=True)
        self.assertEqual(outcome(scenarios.Shipped, lambda test: test.assertHistory().matches("beside.json")), "")
        self.assertTrue(beside.exists())

    def test_in_ci_a_missing_file_is_a_failure(self) -> None:
        for value in ("true", "1"):
            self.environment("", value)
            self.assertEqual(self.matches(), """\
history of execution 'execution-1'
Expected: as in 'order.json'
     but: there is no such file, and in CI none is written
Run the test once where CI is not set, look at the file that it writes, and commit it.""")  # fmt: skip
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_in_ci_an_existing_file_is_compared(self) -> None:
        self.matches()
        self.environment("", "true")
        self.assertEqual(self.matches(), "")

    def test_it_is_written_anew_on_request_only(self) -> None:
        self.matches()
        self.edit(lambda content: content.update(status="FAILED"))
        self.environment("0", "")
        self.assertIn("execution: status: SUCCEEDED instead of FAILED", self.matches())
        self.environment("1", "")
        self.assertEqual(self.matches(), "")
        self.environment("", "")
        self.assertEqual(self.matches(), "")

    def test_other_values_of_the_variable_are_refused(self) -> None:
        self.environment("yes", "")
        self.assertEqual(
            self.matches(),
            "ConfigurationError: the environment variable DURABLETEST_UPDATE_SNAPSHOTS is 'yes': "
            "set it to 1 to write snapshots anew, or do not set it",
        )

    def test_a_file_that_is_no_snapshot(self) -> None:
        for content, reason in (
            ("{", "Expecting property name"),
            ("[]", r"the execution is \[\]"),
            ("{}", "the execution has no status"),
            ('{"status": "SUCCEEDED", "operations": {}}', "the operations of the execution are {}"),
            (
                '{"status": "SUCCEEDED", "operations": [{"status": "FAILED"}]}',
                "operation 0 of the execution has no type",
            ),
        ):
            with self.subTest(content):
                (self.folder / "order.json").write_text(content)
                self.assertRegex(self.matches(), f"^UsageError: 'order.json' is no snapshot: {reason}.*\nCorrect it")

    def test_an_execution_that_goes_on_has_no_snapshot(self) -> None:
        self.assertEqual(self.matches(scenarios.Retrying), """\
history of execution 'execution-1'
Expected: an execution that has ended
     but: RUNNING
It has not ended yet: wait for it with execution.result(timeout=...) first.""")  # fmt: skip
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_misuse(self) -> None:
        for body, text in (
            (
                lambda test: test.assertHistory().never.matches("a.json"),
                "UsageError: history of execution 'execution-1': .never.matches('a.json') says nothing; leave it out",
            ),
            (
                lambda test: test.assertHistory().matches({"status": "SUCCEEDED"}),
                "UsageError: matches({'status': 'SUCCEEDED'}): give the name of a file next to the test, "
                "matches('order.json')",
            ),
        ):
            with self.subTest(text):
                self.assertEqual(outcome(scenarios.Shipped, body), text)


class ContentTests(SnapshotTests):
    def content(self, case: type[scenarios.Scenario]) -> str:
        self.assertEqual(self.matches(case), "")
        content = (self.folder / "order.json").read_text(encoding="utf-8")
        (self.folder / "order.json").unlink()
        return content

    def test_nothing_that_differs_between_runs(self) -> None:
        for case in (scenarios.Unanswered, scenarios.CheckedOut, scenarios.Declined, scenarios.Crashed):
            text = self.content(case)
            for varying in ("arn:aws", "execution-1", "Id", "oken", "race", "nvocation", "2026"):
                self.assertNotIn(varying, text, case)

    def test_parallel_branches_give_the_same_snapshot_in_every_run(self) -> None:
        first = self.content(scenarios.FannedOut)
        for _ in range(20):
            self.assertEqual(self.content(scenarios.FannedOut), first)


class DifferenceTests(SnapshotTests):
    """Each test takes a snapshot and changes it, so that it reads as one of an earlier workflow."""

    def assertChanges(self, edit: Callable[[Json], object], *expected: str) -> None:
        self.matches()
        self.edit(edit)
        lines = "\n          ".join(expected)
        self.assertEqual(
            self.matches(),
            f"history of execution 'execution-1'\nExpected: as in 'order.json'\n     but: {lines}\n"
            "If that is right, run the test once with DURABLETEST_UPDATE_SNAPSHOTS=1",
        )

    def test_operations_changed(self) -> None:
        def edit(content: Json) -> None:
            charge, cool_down, fulfilment = content["operations"]
            charge["attempts"], cool_down["seconds"] = 1, 60
            fulfilment["operations"][0]["result"]["parcels"][1] = 3

        self.assertChanges(
            edit,
            "step 'charge': attempts: 2 instead of 1",
            "wait 'cool-down': seconds: 3600 instead of 60",
            "step 'fulfilment/pack': result['parcels'][1]: 2 instead of 3",
        )

    def test_an_operation_is_gone_and_another_is_new(self) -> None:
        self.assertChanges(
            lambda content: content["operations"][0].update(name="reserve"),
            "step 'reserve' is missing",
            "step 'charge' is not expected: it is SUCCEEDED",
        )

    def test_of_many_differences_some_are_shown(self) -> None:
        gone = [{"name": f"step-{i}", "type": "STEP", "status": "SUCCEEDED"} for i in range(30)]
        self.matches()
        self.edit(lambda content: content["operations"].extend(gone))
        self.assertRegex(self.matches(), r"(?s)step 'step-19' is missing\n          \.\.\. and 10 more differences\nIf")
