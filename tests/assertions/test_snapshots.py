"""Snapshots: the content of the file, the text of differences, and when a file is written."""

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
    """The message of a test that runs the scenario and then ``body``; empty if it passes."""

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
    """In a temporary directory, outside of CI."""

    maxDiff = None

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.environment("", "")

    def environment(self, update: str, ci: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"DURABLETEST_UPDATE_SNAPSHOTS": update, "CI": ci}))

    def matches(
        self, case: type[scenarios.Scenario] = scenarios.Shipped, name: str = "order.json", **options: Any
    ) -> str:
        file = str(self.folder / name)
        return outcome(case, lambda test: test.assertHistory().matches(file, **options)).replace(
            str(self.folder) + os.sep, ""
        )

    def edit(self, change: Callable[[Json], object]) -> None:
        """Change the snapshot, as if another run had written it."""
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
            (
                lambda test: test.assertHistory().matches(""),
                "UsageError: matches('') names a folder: give the name of a file, matches('order.json')",
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
    """Each test takes a snapshot and changes it, so that it looks like one of an earlier workflow."""

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


class OmissionTests(SnapshotTests):
    """Only what may differ is left out of the comparison and of the file."""

    def changed(self, change: Callable[[Json], object], **options: Any) -> list[str]:
        """The differences from a snapshot that was taken without these options, and then changed."""
        self.matches()
        self.edit(change)
        said = self.matches(**options)
        (self.folder / "order.json").unlink()
        self.assertNotIn("UsageError", said)
        return [line.removeprefix("     but: ").strip() for line in said.splitlines()[2:-1]]

    def content(self, **options: Any) -> Json:
        self.assertEqual(self.matches(**options), "")
        content: Json = json.loads((self.folder / "order.json").read_text())
        self.assertEqual(self.matches(**options), "")
        (self.folder / "order.json").unlink()
        return content

    def test_an_operation_by_name_or_path_with_all_that_is_in_it(self) -> None:
        self.assertEqual([one["name"] for one in self.content()["operations"]], ["charge", "cool-down", "fulfilment"])
        for without, left in (
            ("charge", ["cool-down", "fulfilment"]),
            (["charge", "fulfilment"], ["cool-down"]),
            (("fulfilment/pack",), ["charge", "cool-down", "fulfilment"]),
            ("pack", ["charge", "cool-down", "fulfilment"]),
        ):
            with self.subTest(without):
                content = self.content(without=without)
                self.assertEqual([one["name"] for one in content["operations"]], left)
                self.assertNotIn("pack", json.dumps([one.get("operations") for one in content["operations"]][2:]))

    def test_a_fact_everywhere_or_of_one_operation_or_of_the_execution(self) -> None:
        def charge(content: Json) -> Any:
            return content["operations"][0]

        self.assertEqual({**charge(self.content())}.keys() - charge(self.content(ignore="attempts")), {"attempts"})
        for ignore, gone in (
            ("result", (False, False, False)),
            ("charge: result", (True, False, True)),
            ("execution: result", (False, True, True)),
        ):
            with self.subTest(ignore):
                content = self.content(ignore=[ignore])
                pack = content["operations"][2]["operations"][0]
                self.assertEqual(("result" in content, "result" in charge(content), "result" in pack), gone)

    def test_a_place_in_a_value(self) -> None:
        for ignore, left in (
            ("result['status']", {"items": [{"sku": "a", "count": 1}, {"sku": "b", "count": 2}]}),
            (
                "execution: result['items'][1][\"sku\"]",
                {"status": "shipped", "items": [{"sku": "a", "count": 1}, {"count": 2}]},
            ),
            ("result['items'][*]['sku']", {"status": "shipped", "items": [{"count": 1}, {"count": 2}]}),
            ("result['items'][0]", {"status": "shipped", "items": [None, {"sku": "b", "count": 2}]}),
            ("execution: result[*]", {}),
        ):
            with self.subTest(ignore):
                self.assertEqual(self.content(ignore=ignore)["result"], left)

    def test_what_is_left_out_may_differ_and_its_neighbours_may_not(self) -> None:
        def edit(content: Json) -> None:
            charge, cool_down, fulfilment = content["operations"]
            charge["attempts"], charge["result"] = 1, "receipt 2"
            cool_down["seconds"] = 60
            fulfilment["operations"][0]["result"]["parcels"] = [1, 3]
            content["result"]["items"][0]["count"] = 7

        charge = ["step 'charge': attempts: 2 instead of 1", "step 'charge': result: 'receipt' instead of 'receipt 2'"]
        wait = ["wait 'cool-down': seconds: 3600 instead of 60"]
        pack = ["step 'fulfilment/pack': result['parcels'][1]: 2 instead of 3"]
        execution = ["execution: result['items'][0]['count']: 1 instead of 7"]
        for options, left in (
            ({}, [*execution, *charge, *wait, *pack]),
            ({"without": "charge"}, [*execution, *wait, *pack]),
            ({"ignore": "result"}, [charge[0], *wait]),
            ({"ignore": ["charge: result", "seconds"]}, [*execution, charge[0], *pack]),
            ({"ignore": "result['parcels'][1]"}, [*execution, *charge, *wait]),
            ({"ignore": "result['parcels'][0]"}, [*execution, *charge, *wait, *pack]),
            ({"ignore": "fulfilment/pack: result['parcels'][*]"}, [*execution, *charge, *wait]),
            ({"ignore": "result['items'][*]['count']", "without": ["charge", "cool-down"]}, pack),
        ):
            with self.subTest(options):
                self.assertEqual(self.changed(edit, **options), left)

    def test_what_does_not_exist_cannot_be_left_out(self) -> None:
        for options, text in (
            ({"without": "chrge"}, "without='chrge' leaves nothing out; did you mean 'charge'?"),
            ({"without": ["harge"]}, "without='harge' leaves nothing out; did you mean 'charge'?"),
            ({"without": "refund"}, "without='refund' leaves nothing out: correct it, or take it away"),
            ({"without": ""}, "without='' leaves nothing out: correct it, or take it away"),
            (
                {"ignore": "charge: seconds"},
                "ignore='charge: seconds' leaves nothing out: correct it, or take it away",
            ),
            (
                {"ignore": "result['sttus']"},
                "ignore=\"result['sttus']\" leaves nothing out: correct it, or take it away",
            ),
            (
                {"ignore": ["attempts", "result['items'][2]"]},
                "ignore=\"result['items'][2]\" leaves nothing out: correct it, or take it away",
            ),
            (
                {"ignore": "atempts"},
                "'atempts' is no fact of a snapshot that can be left out; did you mean 'attempts'? There are input, "
                "result, error, attempts, seconds, timeout, heartbeat_timeout, function.",
            ),
            (
                {"ignore": "result.status"},
                "ignore='result.status': write a fact, 'attempts', a place in it, \"result['at']\" or "
                "\"result[*]['id']\", or one of an operation, \"charge: result['at']\"",
            ),
            ({"without": [7]}, "without=7: give a string, or several"),
            ({"ignore": [None]}, "ignore=None: give a string, or several"),
        ):
            with self.subTest(options):
                self.assertEqual(self.matches(**options), f"UsageError: {text}")
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_what_only_the_file_has_can_be_left_out(self) -> None:
        gone = {"name": "refund", "type": "STEP", "status": "SUCCEEDED", "sub_type": "Step"}
        self.assertEqual(self.changed(lambda content: content["operations"].append(gone), without="refund"), [])
