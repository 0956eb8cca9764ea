from __future__ import annotations

import os
import re
import unittest
from datetime import timedelta
from unittest import mock

from durabletest.model.execution_view import Child, children_of
from durabletest.model.records import LogEntry
from durabletest.report.failure_report import MOST_LOG_RECORDS, MOST_OPERATIONS, failure_report
from tests.model.histories import ARN, START, Script, View, error, history_of, retry

REPORT = """
Operations of execution 'order-42'
name       type    status     after    duration    attempts    error
---------  ------  ---------  -------  ----------  ----------  -----------------------------
charge     STEP    FAILED     0s       5m          2           PaymentDeclined: card expired
cool-down  WAIT    SUCCEEDED  5m       1h

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
        self.assertRegex(
            "\n".join(self.report(script).splitlines()[-2:]), r"^charge: PaymentDeclined:\n    x{280}\.\.\.$"
        )

    def test_errors_and_logs_do_not_rule_the_terminal(self) -> None:
        script = Script().op("StepStarted", "1", name="charge")
        script.op("StepFailed", "1", {"Error": error(message="\x1b[2Jred")})
        logs = [LogEntry(1, "INFO", "shop", "\x1b[2Jgreen", START, "Traceback ...\nValueError: \x1b[2Jblue")]
        report = self.report(script, logs)
        self.assertNotIn("\x1b", report)
        for colour in ("red", "green", "blue"):
            self.assertIn(rf"\u001b[2J{colour}", report)

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


class NarrowTests(unittest.TestCase):
    maxDiff = None
    MESSAGE = "the bank at the other end of the line has declined the card after a long consideration"

    def report(self, script: Script, width: int) -> str:
        with mock.patch.dict(os.environ, {"CI": "", "COLUMNS": str(width)}):
            return failure_report(history_of(script), "execution 'order-42'", self.logs, stream=None)

    @property
    def logs(self) -> list[LogEntry]:
        return [LogEntry(1, "ERROR", "shop", f"charging the card: {self.MESSAGE}", START)]

    def script(self) -> Script:
        """Long names of every kind of separator, long errors, long durations, many endings."""
        script = Script().context("c", name="the order of a customer who wants a great deal")
        for key, name in enumerate(
            ("book a flight to the other side of the world", "book-a-hotel-near-the-beach", "pay")
        ):
            script.op("ChainedInvokeStarted", str(key), name=name, parent="c").at(key * 86399)
            ending = ("TimedOut", "Stopped", "Failed")[key]
            script.op(f"ChainedInvoke{ending}", str(key), {"Error": error("BankSaysNo", self.MESSAGE)})
        script.op("StepStarted", "9", name="charge").op("StepFailed", "9", {"Error": error(message=self.MESSAGE)})
        return script.wait("10", 3600, name="cool-down")

    def test_nothing_is_wider_than_the_terminal_and_no_word_is_cut(self) -> None:
        words = set(re.findall(r"\w+", f"{self.script().events} {self.MESSAGE}"))
        for width in (70, 80, 100, 120):
            with self.subTest(width):
                report = self.report(self.script(), width)
                self.assertLessEqual(max(map(len, report.splitlines())), width, report)
                cut = set(re.findall(r"(\w+)\W?\.\.\.", report))
                self.assertGreater(len(cut), 2)
                self.assertEqual(cut - words, set(), report)

    def test_at_eighty_columns(self) -> None:
        script = Script().op("StepStarted", "1", name="charge the card of the customer")
        script.op("StepFailed", "1", {"Error": error("shop.BankSaysNo", self.MESSAGE)})
        self.assertEqual(self.report(script, 80).split("\n\n")[:2], [
            "Operations of execution 'order-42'\n"
            "name           status    after    duration    attempts    error\n"
            "-------------  --------  -------  ----------  ----------  ------------------\n"
            "charge the...  FAILED    0s       0s          1           BankSaysNo: the...",
            "Errors of execution 'order-42'\n"
            "charge the card of the customer: shop.BankSaysNo: the bank at the other end of\n"
            "    the line has declined the card after a long consideration",
        ])  # fmt: skip

    def test_a_wide_terminal_shows_the_whole_error(self) -> None:
        table = self.report(self.script(), 240).split("\n\n")[0]
        self.assertIn(f"BankSaysNo: {self.MESSAGE}", table)

    def test_sixty_columns_are_enough(self) -> None:
        for width in (20, 60):
            self.assertEqual(max(map(len, self.report(self.script(), width).splitlines())), 60)

    def test_contexts_nested_deeply_leave_room_for_names(self) -> None:
        script = Script().context("0", name="level-0")
        for i in range(1, 80):
            script.op("ContextStarted", str(i), name=f"level-{i}", parent=str(i - 1))
        report = self.report(script, 80)
        self.assertLessEqual(max(map(len, report.splitlines())), 80)
        self.assertIn("level-59  STARTED", report)


class Family(View):
    """An execution that knows the executions it has invoked."""

    def __init__(self, script: Script, arn: str = ARN, **children: Script) -> None:
        super().__init__(script)
        self.arn = arn
        self.children = children

    def sibling(self, arn: str) -> Family:
        return Family(self.children[arn.rpartition("/")[2]], arn, **self.children)


def invoking(name: str, ending: str = "Failed") -> Script:
    """An execution that has invoked one whose ARN ends with the name."""
    arn = f"{ARN.rpartition('/durable-execution/')[0]}/durable-execution/{name}/{name}"
    script = Script().op("ChainedInvokeStarted", name, {"DurableExecutionArn": arn}, name=f"call {name}")
    return script.op(f"ChainedInvoke{ending}", name, {} if ending == "Succeeded" else {"Error": error()})


OF_A_CHILD = """
Operations of execution 'bank', invoked by 'call bank': it is FAILED
name       type    status     after    duration    attempts    error
---------  ------  ---------  -------  ----------  ----------  -----------------------------
charge     STEP    FAILED     0s       5m          2           PaymentDeclined: card expired
cool-down  WAIT    SUCCEEDED  5m       1h

Errors of execution 'bank'
charge: PaymentDeclined: card expired
"""


class ChildrenTests(unittest.TestCase):
    def report(self, *children: Child) -> str:
        return failure_report(history_of(declined()), "execution 'order-42'", None, None, (), children)

    def test_an_execution_that_was_invoked_shows_its_operations_and_errors(self) -> None:
        bank = declined().add("ExecutionFailed", {"Error": error()})
        [child] = children_of(Family(invoking("bank"), bank=bank))
        lines = self.report(child).split("\n\n")[-2:]
        self.assertEqual("\n\n".join(lines), OF_A_CHILD.strip("\n"))

    def test_of_many_operations_some_are_shown(self) -> None:
        [child] = children_of(Family(invoking("bank"), bank=many(50)))
        self.assertIn("Operations of execution 'bank' (20 of 51), invoked by 'call bank'", self.report(child))

    def test_children_of_children_follow_their_parents(self) -> None:
        first = invoking("bank")
        for event in invoking("post").events[1:]:
            first.events.append({**event, "EventId": len(first.events) + 1})
        family = Family(first, bank=invoking("vault"), vault=Script(), post=Script())
        self.assertEqual([child.path for child in children_of(family)], ["call bank", "call vault", "call post"])
        self.assertEqual(next(children_of(family)).parent_arn, ARN)

    def test_only_those_that_are_wanted_are_asked(self) -> None:
        family = Family(invoking("bank", "Succeeded"))
        self.assertEqual(list(children_of(family, lambda invoke: invoke.status != "SUCCEEDED")), [])
        with self.assertRaises(KeyError):
            list(children_of(family))
