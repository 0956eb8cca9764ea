"""The page of an execution as HTML: what is on it, and that values stay inside their own cells."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import unittest
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

from durabletest.coverage import Coverage
from durabletest.errors import UsageError
from durabletest.failure_pages import add_coverage
from durabletest.model.outcomes import Noted
from durabletest.model.records import Injected, LogEntry
from durabletest.report import page
from durabletest.report.lanes import Field, Recorded, Scale, lanes
from durabletest.report.page import page_of, recorded
from durabletest.report.table import visible
from durabletest.result import TestResult
from tests.effort import examples
from tests.model.histories import ARN, START, Script, View, error, history_of, order, payload, retry
from tests.report.test_failure_report import Family, declined, invoking

HOSTILE = {
    "markup": "<b>bold</b></span></li></details><h1>big</h1>",
    "a script": "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">",
    "the end of the script": "</script></style></title><!-- --><![CDATA[",
    "quotes": "\" onmouseover=\"document.title='taken'\" '`",
    "template code": "{{ 7 * 7 }}{% raw %}{# not shown #}",
    "entities": "&lt;b&gt; &amp; &#x3c;",
    "right to left": "\u202etfel ot thgir\u202c \u2067isolated\u200f",
    "control characters": "".join(map(chr, (*range(9), *range(11, 32), *range(127, 160)))),
    "half a surrogate pair": "\ud83d and \udc00",
    "many characters": "x<&" * examples(3_500, long=350_000),
}
PLAIN = "harmless"


class Skeleton(HTMLParser):
    """The elements of a page with their attributes, and the texts between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(f"<{tag} {sorted((key, value) for key, value in attrs if key != 'aria-label')}>")

    def handle_endtag(self, tag: str) -> None:
        self.elements.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements.append("<!-->")


def telling(value: str) -> list[Recorded]:
    """An execution that has the value in every place where a page shows one."""
    script = Script()
    script.events[0]["ExecutionStartedDetails"]["Input"] = payload(value)
    script.context("c", name=value)
    script.op("StepStarted", "1", name=value, parent="c")
    trace = [f"  File {value}, line 1\n"]
    script.op("StepFailed", "1", {"Error": error(value, value, ErrorData=value, StackTrace=trace)})
    script.op("ChainedInvokeStarted", "2", {"Input": payload(value), "FunctionName": value}, name=value)
    script.op("ChainedInvokeSucceeded", "2", {"Result": payload(json.dumps({"value": value}))})
    script.callback("3", value, name=value)
    script.add("InvocationCompleted", {
        "StartTimestamp": START, "EndTimestamp": START, "RequestId": value, "Error": error(value, value),
    })  # fmt: skip
    script.add("ExecutionPaused", {"Reason": value, "PauseRequestTimestamp": START})
    script.add("ExecutionFailed", {"Error": error(value, value)})
    logs = [LogEntry(1, "ERROR", value, value, START, value), LogEntry(2, value, value, value, START)]
    return [Recorded(ARN, history_of(script), logs, injected=[Injected(value, START)])]


class HostileTests(unittest.TestCase):
    def test_a_value_changes_nothing_but_its_own_cell(self) -> None:
        plain = Skeleton(page_of(telling(PLAIN), PLAIN, PLAIN))
        cells = sum(text.count(PLAIN) for text in plain.texts)
        self.assertGreater(cells, 25)
        for name, value in HOSTILE.items():
            with self.subTest(name):
                found = Skeleton(page_of(telling(value), value, value))
                expected, elements = (
                    [re.sub(r"<pre [^>]*>|</pre>|<code [^>]*>|</code>", "", one) for one in page.elements]
                    for page in (plain, found)
                )
                self.assertTrue(expected == elements, "the page has other elements")
                self.assertEqual(len(found.texts) - len(plain.texts), 0)

    def test_nor_does_one_of_a_million_characters(self) -> None:
        def page(value: str) -> Skeleton:
            script = Script().op("StepStarted", "1", name=value).op("StepSucceeded", "1", {"Result": payload(value)})
            return Skeleton(page_of([Recorded(ARN, history_of(script))]))

        million, thousands = ("x<&" * times for times in (350_000, 3_500))
        found = page(million)
        self.assertTrue(page(thousands).elements == found.elements, "the page has other elements")
        shown = [text for text in found.texts if text.strip() == million]
        self.assertEqual(len(shown), sum(text.strip() == thousands for text in page(thousands).texts))
        self.assertGreater(len(shown), 1)

    def test_nor_on_the_page_of_coverage(self) -> None:
        def elements(value: str) -> list[str]:
            coverage = Coverage()
            coverage.add(value, value, history_of(Script().callback("1", name=value)), Noted())
            coverage.unread[value, value] += 1
            with mock.patch.dict(os.environ, {"DURABLETEST_REPORT": folder}):
                add_coverage(coverage)
            return Skeleton(Path(folder, "coverage.html").read_text("utf-8")).elements

        folder = self.enterContext(tempfile.TemporaryDirectory())
        plain = elements(PLAIN)
        for name, value in HOSTILE.items():
            with self.subTest(name):
                self.assertEqual(elements(value), plain)

    def test_it_is_shown_as_it_is(self) -> None:
        for name, value in HOSTILE.items():
            with self.subTest(name):
                texts = Skeleton(page_of(telling(value))).texts
                self.assertTrue(any(text.strip() == visible(value).strip() for text in texts))

    def test_characters_that_change_the_text_around_them_are_shown_as_codes(self) -> None:
        self.assertEqual(visible("a\u202eb\x00c\ud83d\n\té 日本 😀"), "a\\u202eb\\u0000c\\ud83d\n\té 日本 😀")
        for value in HOSTILE.values():
            page_of(telling(value)).encode("utf-8")

    def test_the_browser_is_told_to_load_nothing_and_to_run_one_script_only(self) -> None:
        html = page_of(telling(PLAIN))
        self.assertIn("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-", html)
        self.assertEqual(html.count("<script"), 1)
        self.assertEqual(re.findall(r"https?://", html), [])


class ContentTests(unittest.TestCase):
    def texts(self, *executions: Recorded, **options: str) -> list[str]:
        return [text.strip() for text in Skeleton(page_of(executions, **options)).texts if text.strip()]

    def test_every_operation_with_its_events_and_their_payloads(self) -> None:
        history = history_of(order())
        texts = self.texts(Recorded(ARN, history))
        for record in history.operations:
            self.assertIn(record.name, texts)
            self.assertIn(record.id, texts)
        for event in history.events:
            self.assertIn(event["EventType"], texts)
        self.assertIn('{\n  "status": "shipped",\n  "total": 7\n}', texts)
        self.assertIn("CurrentAttempt: 1, NextAttemptDelaySeconds: 5", texts)
        self.assertIn("PaymentDeclined: card expired", texts)
        self.assertIn("SUCCEEDED, took 2h 5s, started at 2026-01-01 00:00:00 UTC, 4 invocations", texts)
        self.assertIn("6 operations", texts)

    def test_executions_that_were_invoked_are_lanes_inside_the_invoke(self) -> None:
        html = page_of(recorded(Family(invoking("bank"), bank=invoking("vault"), vault=declined())))
        found = re.findall(
            r'data-depth="(\d+)".*?<bdi class="text">(.*?)</bdi> <span class="kind">(.*?)</', html, re.DOTALL
        )
        self.assertEqual(found, [
            ("0", "order-42", "execution"), ("1", "call bank", "invoke"),
            ("2", "bank", "execution"), ("3", "call vault", "invoke"),
            ("4", "vault", "execution"), ("5", "charge", "step"), ("5", "cool-down", "wait"),
        ])  # fmt: skip

    def test_attempts_and_the_pauses_between_them(self) -> None:
        html = page_of([Recorded(ARN, history_of(declined()))])
        bars = re.findall(r'<i class="b (.*?)" style="--l:(.*?);--sl:.*?;--w:(.*?);', html)
        self.assertEqual(bars, [
            ("context running", "0.0", "100.0"), ("pause", "0.0", "7.692"), ("wait succeeded", "7.692", "92.308"),
        ])  # fmt: skip
        self.assertEqual(len(re.findall(r'<b class="m failed" style', html)), 2)

    def test_log_lines_by_invocation(self) -> None:
        logs = [
            LogEntry(1, "INFO", "shop", "charging", START),
            LogEntry(1, "ERROR", "shop", "declined", START, "Traceback\nDeclined: no"),
            LogEntry(9, "NOTICE", "shop", "still here", START + timedelta(hours=3)),
        ]
        texts = self.texts(Recorded(ARN, history_of(order()), logs))
        begin = texts.index("Invocations and log")
        self.assertEqual(texts[begin + 2 : begin + 5], ["#1", "2026-01-01 00:00:00 UTC", "2 log lines"])
        self.assertLessEqual({"declined", "Traceback\nDeclined: no", "#9", "not completed", "still here"}, set(texts))

    def test_an_invocation_that_crashed(self) -> None:
        script = Script().step("1", name="a")
        details = {"StartTimestamp": START, "EndTimestamp": START, "RequestId": "r-1"}
        script.add("InvocationCompleted", {**details, "Error": error("Crash", "killed")})
        html = page_of([Recorded(ARN, history_of(script), [])])
        self.assertIn("crashed: Crash: killed", html)
        self.assertIn('class="b invocation failed"', html)

    def test_the_legend_has_what_is_drawn(self) -> None:
        def legend(script: Script) -> list[str]:
            html = page_of([Recorded(ARN, history_of(script))]).partition('<p class="legend"')[2].partition("</p>")[0]
            return re.findall(r"</b> ([^<]+)</span>", html)

        polled = Script().op("StepStarted", "1", name="ready", sub_type="WaitForCondition")
        polled.op("StepSucceeded", "1", {"Result": payload("1"), "RetryDetails": retry(1, 5)})
        self.assertEqual(legend(polled), ["running", "poll", "until the next attempt"])
        failed = Script().op("StepStarted", "1", name="charge")
        failed.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 5)}).at(5).op("StepStarted", "1")
        self.assertEqual(legend(failed), ["running", "failed attempt", "until the next attempt"])
        failed.op("StepSucceeded", "1", {"Result": payload("7"), "RetryDetails": retry(2)})
        self.assertEqual(legend(failed), ["succeeded", "failed attempt", "until the next attempt"])
        self.assertEqual(legend(Script().step("1")), ["succeeded"])

    def test_a_fault_and_its_moment(self) -> None:
        view = View(order())
        view.put_in = [Injected("killed in step 'charge'", START + timedelta(seconds=5)), Injected("late")]
        [execution] = recorded(view)
        html = page_of([execution])
        self.assertEqual(re.findall(r'<p class="facts">(Injected: .*?)</p>', html), [
            "Injected: killed in step &#39;charge&#39;", "Injected: late"
        ])  # fmt: skip
        scale = Scale([START, START + timedelta(seconds=7205)])
        lane = next(lanes([execution], scale))
        self.assertEqual([(mark.css, mark.at.true) for mark in lane.marks], [("fault", round(5 / 72.05, 3))])
        self.assertIn("injected fault", html)
        self.assertNotIn("injected fault", page_of(recorded(View(order()))))

    def test_pauses(self) -> None:
        script = Script().wait("1", 60).at(10).add("ExecutionPaused", {"Reason": "an incident"})
        script.at(40).add("ExecutionResumed").at(70).add("ExecutionPaused").at(100).op("WaitSucceeded", "1")
        execution = Recorded(ARN, history_of(script))
        scale = Scale([START, START + timedelta(seconds=100)])
        lane = next(lanes([execution], scale))
        self.assertEqual(
            [(bar.start.true, bar.end.true) for bar in lane.bars if bar.css == "paused"], [(10.0, 40.0), (70.0, 100.0)]
        )
        self.assertEqual([(mark.css, mark.at.true) for mark in lane.marks], [("paused", 10.0), ("paused", 70.0)])
        paused = "2026-01-01 00:00:10 UTC to 2026-01-01 00:00:40 UTC; 2026-01-01 00:01:10 UTC to now"
        self.assertIn(Field("Paused", paused), lane.facts)
        html = page_of([execution])
        self.assertIn("execution paused", html)
        self.assertIn("an incident", html)
        self.assertNotIn("execution paused", page_of(recorded(View(order()))))

    def test_where_logs_do_not_come_back(self) -> None:
        reason = "A history has no log lines: what a deployed function logs is in CloudWatch."
        self.assertIn(reason, self.texts(Recorded(ARN, history_of(order()), None)))
        self.assertNotIn(reason, self.texts(Recorded(ARN, history_of(order()), [])))

    def test_what_has_not_ended_reaches_to_where_it_is_due_or_to_the_end(self) -> None:
        script = Script().wait("1", 3600, name="nap").op("CallbackStarted", "2", name="answer")
        script.op("StepStarted", "3", name="charge")
        script.op("StepFailed", "3", {"Error": error(), "RetryDetails": retry(1, 1800)})
        html = page_of([Recorded(ARN, history_of(script))])
        bars = re.findall(r'<i class="b (.*?)" style="--l:(.*?);--sl:.*?;--w:(.*?);', html)
        self.assertEqual(bars[1:], [
            ("wait running", "0.0", "100.0"), ("outside running", "0.0", "100.0"), ("pause", "0.0", "50.0"),
        ])  # fmt: skip

    def test_a_failed_test_that_has_executed_nothing(self) -> None:
        texts = self.texts(title="tests.Test.test_a", failure="AssertionError: 1 != 2", index="index.html")
        self.assertLessEqual({"tests.Test.test_a", "AssertionError: 1 != 2", "All failing tests"}, set(texts))
        self.assertIn("The test has started no execution.", texts)


class SaveHtmlTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_it_writes_one_file_and_returns_its_path(self) -> None:
        path = TestResult(View(order())).save_html(str(self.folder / "new" / "order.html"))
        self.assertEqual(path, self.folder / "new" / "order.html")
        self.assertEqual([file.name for file in path.parent.iterdir()], ["order.html"])
        self.assertTrue(path.read_text(encoding="utf-8").startswith("<!doctype html>"))

    def test_the_same_execution_makes_the_same_page(self) -> None:
        one, other = (TestResult(View(order())).save_html(self.folder / f"{n}.html") for n in (1, 2))
        self.assertEqual(one.read_bytes(), other.read_bytes())

    def test_without_jinja2_it_says_what_to_install(self) -> None:
        page._environment.cache_clear()
        self.addCleanup(page._environment.cache_clear)
        with mock.patch.dict(sys.modules, {"jinja2": None}), self.assertRaises(UsageError) as raised:
            TestResult(View(order())).save_html(self.folder / "order.html")
        self.assertRegex(
            str(raised.exception), r"pages are written with Jinja2, .*: pip install 'durabletest\[report\]'"
        )
        self.assertEqual(list(self.folder.iterdir()), [])
