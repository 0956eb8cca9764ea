"""The command ``durabletest coverage``."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from durabletest.__main__ import main
from durabletest.coverage import Coverage
from durabletest.model.outcomes import Noted
from tests.model.histories import Script, history_of, order


class CommandTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        coverage = Coverage()
        coverage.add("shop.OrderTests", "shop.order", history_of(order()), Noted())
        coverage.add("shop.BankTests", "bank", history_of(Script().step("1", name="debit")), Noted())
        self.report = self.write("report.json", coverage.report())

    def write(self, name: str, text: str) -> str:
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        return str(file)

    def run_command(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was printed to stdout and to stderr."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status = main(["coverage", *arguments])
            except SystemExit as ended:
                status = int(ended.code or 0)
        return status, out.getvalue(), err.getvalue()

    def test_outcomes_and_gaps(self) -> None:
        status, out, err = self.run_command(self.report)
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(
            out,
            """\
bank          outcomes
------------  -----------
step 'debit'  1 succeeded

shop.order                          outcomes
----------------------------------  -----------------------
callback 'approval'                 1 succeeded
step 'approval/approval submitter'  1 succeeded, 1 replayed
wait 'cool-down'                    1 succeeded, 1 replayed
context 'order'                     1 succeeded, 1 replayed
step 'order/charge'                 1 succeeded, 1 retried

Coverage of outcomes: 7 of 8 (87%), in 2 executions
Never exercised:
  shop.order
    callback 'approval' never failed
""",
        )

    def test_a_threshold(self) -> None:
        self.assertEqual(self.run_command(self.report, "--fail-under", "87.5")[0], 0)
        status, out, _ = self.run_command(self.report, "--fail-under", "87.6")
        self.assertEqual(status, 1)
        self.assertTrue(out.endswith("This is below --fail-under 87.6: 7 of 8 are 87.50%.\n"), out)

    def test_where_nothing_was_executed_nothing_is_covered(self) -> None:
        empty = self.write("empty.json", Coverage().report())
        self.assertEqual(self.run_command(empty)[0], 0)
        self.assertEqual(self.run_command(empty, "--fail-under", "1")[0], 1)

    def test_several_reports_are_merged(self) -> None:
        more = Coverage()
        failed = Script().callback("1", name="approval").op("CallbackFailed", "1")
        more.add("shop.OrderTests", "shop.order", history_of(failed), Noted())
        other, merged = self.write("other.json", more.report()), str(self.folder / "all.json")
        status, out, _ = self.run_command(self.report, other, "--output", merged, "--fail-under", "100")
        self.assertEqual(status, 0)
        self.assertIn("8 of 8 (100%), in 3 executions", out)
        self.assertEqual(self.run_command(merged)[1], out)
        self.assertEqual(json.loads(Path(merged).read_text("utf-8"))["percent"], 100.0)

    def test_the_same_report_twice_is_one(self) -> None:
        self.assertEqual(self.run_command(self.report, self.report), self.run_command(self.report))

    def test_of_a_suite(self) -> None:
        for name in ("shop.BankTests", "BankTests"):
            _, out, _ = self.run_command(self.report, "--suite", name)
            self.assertIn("1 of 1 (100%), in 1 execution\n", out)
            self.assertNotIn("approval", out)
        _, out, _ = self.run_command(self.report, "--suite", "BankTests", "--suite", "OrderTests")
        self.assertIn("in 2 executions", out)

    def test_wrong_usage(self) -> None:
        missing = str(self.folder / "missing.json")
        for arguments, message in (
            (
                (missing,),
                f"the report {missing!r} cannot be read: No such file or directory; run the tests with DURABLE",
            ),
            ((self.write("a", "{"),), "is no report of coverage: JSONDecodeError"),
            ((self.write("b", "[]"),), "is no report of coverage: TypeError"),
            ((self.write("c", '{"totals": {}}'),), "is no report of coverage: KeyError('format')"),
            ((self.write("d", '{"format": "x"}'),), "its format is 'x', and not 'durabletest coverage 1'"),
            ((self.report, "--suite", "BankTest"), "--suite 'BankTest': it has executed nothing"),
            ((self.report, "--output", str(self.folder)), "cannot be written: Is a directory"),
            ((self.report, "--fail-under", "101"), "'101' is no percentage: write a number from 0 to 100"),
            ((self.report, "--fail-under", "high"), "'high' is no percentage"),
        ):
            with self.subTest(arguments):
                status, _, err = self.run_command(*arguments)
                self.assertEqual(status, 2)
                self.assertIn(message, err)
