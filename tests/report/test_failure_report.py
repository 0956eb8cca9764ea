from __future__ import annotations

import unittest
from datetime import timedelta

from durabletest.model.records import LogEntry
from durabletest.report.failure_report import MOST_LOG_RECORDS, MOST_OPERATIONS, failure_report
from tests.model.histories import START, Script, error, history_of, retry

REPORT = """
Operations of execution 'order-42'
name       type    status     started              ended                duration    attempts
---------  ------  ---------  -------------------  -------------------  ----------  ----------
charge     STEP    FAILED     2026-01-01 00:00:00  2026-01-01 00:05:00  5m          2
cool-down  WAIT    SUCCEEDED  2026-01-01 00:05:00  2026-01-01 01:05:00  1h

Timeline from 2026-01-01 00:00:00 UTC
           0s          5m          1h 5m
charge     x...........x                  FAILED, 5m, 2 attempts
cool-down              |---------------o  1h
o succeeded   x failed   . until the next attempt

Errors of execution 'order-42'
charge: PaymentDeclined: card expired

Log of execution 'order-42', #n is the invocation
2026-01-01 00:00:00 #1 INFO shop: charging the card
2026-01-01 00:05:00 #2 ERROR shop: no more attempts
    shop.CardDeclined: card expired
"""


def declined() -> Script:
    script = Script().op("StepStarted", "1", name="charge")
    script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 300)}).at(300)
    script.op("StepStarted", "1").op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(2)})
    return script.wait("2", 3600, name="cool-down").at(3900).op("WaitSucceeded", "2", {"Duration": 3600})


def many(number: int) -> Script:
    """Steps of which the tenth failed, in a context, one a second."""
    script = Script().op("ContextStarted", "c", name="context", sub_type="RunInChildContext")
    for i in range(number):
        script.at(i).op("StepStarted", str(i), name=f"step-{i}", parent="c")
        script.op(*(("StepSucceeded", str(i)) if i != 9 else ("StepFailed", str(i), {"Error": error()})))
    return script.op("ContextSucceeded", "c")


class FailureReportTests(unittest.TestCase):
    maxDiff = None

    def report(self, script: Script, logs: list[LogEntry] | None = None) -> str:
        return failure_report(history_of(script), "execution 'order-42'", logs, stream=None)

    def test_operations_timeline_and_log(self) -> None:
        trace = "Traceback (most recent call last):\n  ...\nshop.CardDeclined: card expired\n"
        logs = [
            LogEntry(1, "INFO", "shop", "charging\nthe card", START),
            LogEntry(2, "ERROR", "shop", "no more attempts", START + timedelta(minutes=5), trace),
        ]
        self.assertEqual(self.report(declined(), logs), REPORT.strip("\n"))

    def test_errors_are_told_once_and_where_they_came_from(self) -> None:
        script = Script().context("c", name="all")
        for key in ("1", "2", "3", "4", "5"):
            script.op("StepStarted", key, name=f"charge-{key}", parent="c").op("StepFailed", key, {"Error": error()})
        script.op("StepStarted", "6", name="ship", parent="c").op("StepFailed", "6", {"Error": error("Lost", "a\nb")})
        script.op("ContextFailed", "c", {"Error": error("ChildError", "1 failed: card expired")})
        self.assertEqual(
            self.report(script).split("Errors of execution 'order-42'\n")[1].splitlines(),
            [
                "all/charge-1, all/charge-2, all/charge-3 and 2 more: PaymentDeclined: card expired",
                "all/ship: Lost: a b",
            ],
        )

    def test_a_context_that_failed_by_itself_tells_its_error(self) -> None:
        script = Script().context("c", name="all")
        script.op("StepStarted", "1", name="charge", parent="c").op("StepFailed", "1", {"Error": error()})
        script.op("StepStarted", "2", name="ship", parent="c").op("StepFailed", "2", {"Error": error("Lost", None)})
        script.op("ContextFailed", "c", {"Error": error("TooMany", "2 of 3 have failed")})
        self.assertEqual(
            self.report(script).splitlines()[-3:],
            ["all: TooMany: 2 of 3 have failed", "all/charge: PaymentDeclined: card expired", "all/ship: Lost"],
        )

    def test_of_a_long_error_the_beginning_is_told(self) -> None:
        script = Script().op("StepStarted", "1", name="charge")
        script.op("StepFailed", "1", {"Error": error(message="x" * 200_000)})
        self.assertRegex(self.report(script).splitlines()[-1], r"^charge: PaymentDeclined: x{283}\.\.\.$")

    def test_no_errors_where_nothing_failed(self) -> None:
        self.assertNotIn("Errors of", self.report(Script().step("1", name="a")))

    def test_no_timeline_where_everything_happened_at_one_instant(self) -> None:
        self.assertNotIn("Timeline", self.report(Script().step("1", name="a")))

    def test_no_log_where_nothing_was_logged_or_nobody_can_tell(self) -> None:
        for logs in ([], None):
            self.assertNotIn("Log of", self.report(declined(), logs))

    def test_of_many_operations_those_that_failed_and_the_last_are_shown(self) -> None:
        report = self.report(many(200))
        self.assertIn("(60 of 201; result.print() shows all)", report)
        self.assertIn("(60 of 201; result.timeline() shows all)", report)
        table = report.split("\n\n")[0].splitlines()[3:]
        self.assertEqual(len(table), MOST_OPERATIONS)
        self.assertEqual([line.split()[0] for line in table[:3]], ["context", "step-9", "step-142"])
        self.assertEqual(table[-1].split()[0], "step-199")

    def test_and_those_that_took_several_attempts(self) -> None:
        script = many(200)
        retried = [event for event in script.events if event.get("Id") == "50"]
        retried[-1]["StepSucceededDetails"] = {"RetryDetails": retry(2)}
        shown = [line.split()[0] for line in self.report(script).split("\n\n")[0].splitlines()[3:]]
        self.assertEqual(shown[:4], ["context", "step-9", "step-50", "step-143"])

    def test_an_operation_that_a_claim_was_about_is_among_those_shown(self) -> None:
        report = failure_report(history_of(many(200)), "execution 'order-42'", None, None, ["50"])
        shown = [line.split()[0] for line in report.split("\n\n")[0].splitlines()[3:]]
        self.assertEqual(shown[:4], ["context", "step-9", "step-50", "step-143"])

    def test_of_many_log_records_the_last_are_shown(self) -> None:
        logs = [LogEntry(1, "INFO", "shop", f"record {i}", START) for i in range(50)]
        report = self.report(declined(), logs)
        self.assertIn(f"(the last {MOST_LOG_RECORDS} of 50; result.logs has all)", report)
        self.assertNotIn("record 29", report)
        self.assertIn("record 30", report)
