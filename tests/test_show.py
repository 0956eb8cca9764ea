"""The command ``durabletest show``."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest.__main__ import main
from durabletest.report.page import page_of, recorded
from tests.model.histories import View, order
from tests.report.browser import BrowserTestCase

EVENTS = order().events


class ShowTestCase(unittest.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def write(self, recording: Any, name: str = "order.json") -> Path:
        file = self.folder / name
        file.write_text(recording if isinstance(recording, str) else json.dumps(recording, default=str), "utf-8")
        return file

    def show(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what was printed to stdout and to stderr."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = main(["show", *arguments])
        return status, out.getvalue(), err.getvalue()


class ShowTests(ShowTestCase):
    def test_it_writes_the_page_beside_the_history_and_prints_its_path(self) -> None:
        page = self.folder / "order.html"
        self.assertEqual(self.show(str(self.write({"Events": EVENTS}))), (0, f"{page}\n", ""))
        self.assertIn("execution &#39;order-42&#39;", page.read_text(encoding="utf-8"))

    def test_the_page_is_that_of_the_execution_but_for_arn_and_log(self) -> None:
        view = View(order())
        view.logged = None
        expected = page_of(recorded(view)).splitlines()
        self.show(str(self.write(EVENTS)))
        found = (self.folder / "order.html").read_text(encoding="utf-8").splitlines()
        differences = [(one, other) for one, other in zip(expected, found, strict=True) if one != other]
        self.assertEqual(len(differences), 1)
        self.assertIn("<dt>ARN</dt>", differences[0][0])

    def test_times_as_boto3_as_the_command_line_and_as_json_write_them(self) -> None:
        pages = set()
        for write in (
            str,
            lambda time: time.isoformat(),
            lambda time: time.isoformat().replace("+00:00", "Z"),
            lambda time: time.timestamp(),
            lambda time: time.astimezone().isoformat(),
        ):
            file = self.folder / "order.json"
            file.write_text(json.dumps(EVENTS, default=write), encoding="utf-8")
            self.assertEqual(self.show(str(file))[0], 0)
            pages.add((self.folder / "order.html").read_text(encoding="utf-8"))
        self.assertEqual(len(pages), 1)

    def test_events_in_any_order(self) -> None:
        pages = set()
        for events in (EVENTS, EVENTS[::-1]):
            self.show(str(self.write(events)))
            pages.add((self.folder / "order.html").read_text(encoding="utf-8"))
        self.assertEqual(len(pages), 1)

    def test_another_page_in_a_new_folder(self) -> None:
        page = self.folder / "pages" / "one.html"
        self.show(str(self.write(EVENTS)), "--output", str(page))
        self.assertTrue(page.exists())

    def test_the_standard_input(self) -> None:
        with mock.patch.object(sys, "stdin", io.StringIO(json.dumps(EVENTS, default=str))):
            self.assertEqual(self.show("-", "-o", str(self.folder / "page.html"))[0], 0)

    def test_an_execution_without_a_name_has_that_of_the_file(self) -> None:
        events = copy.deepcopy(EVENTS)
        del events[0]["Name"]
        self.show(str(self.write(events, "nameless.json")))
        self.assertIn(
            "<title>execution &#39;nameless&#39;", (self.folder / "nameless.html").read_text(encoding="utf-8")
        )

    def test_events_of_an_unknown_type_are_shown_with_the_execution(self) -> None:
        event = {"EventType": "ExecutionMoved", "EventId": 99, "EventTimestamp": EVENTS[-1]["EventTimestamp"]}
        self.assertEqual(self.show(str(self.write([*EVENTS, event])))[0], 0)
        self.assertIn("ExecutionMoved", (self.folder / "order.html").read_text(encoding="utf-8"))


class MisuseTests(ShowTestCase):
    def assertRefused(self, expected: str, *arguments: str) -> None:
        status, out, err = self.show(*arguments)
        self.assertEqual((status, out), (2, ""))
        self.assertRegex(err, f"^durabletest: {expected}")
        self.assertEqual(list(self.folder.glob("*.html")), [])

    def test_what_is_no_history(self) -> None:
        step = next(event for event in EVENTS if event["EventType"] == "StepStarted")
        for recording, expected in (
            ("no JSON", r"the history '.*order\.json' is not JSON: .*(?s:.*)aws lambda get-durable-execution-history"),
            ({}, r"it has no events: it should be an object with Events, or a list; record one with:"),
            ([], r"it has no events"),
            ("3", r"it has no events"),
            ([1], r"event 1 is 1, and not an object"),
            ([EVENTS[0], {**step, "EventId": None}], r"event 2 has no EventId that could be one: it is None"),
            ([{**step, "EventType": 7}], r"event 1 has no EventType that could be one: it is 7"),
            ([{**step, "EventTimestamp": True}], r"event 1 has no EventTimestamp that could be one: it is True"),
            (
                [{**step, "EventTimestamp": "soon"}],
                r"the event \d+, StepStarted, has the EventTimestamp 'soon', which is no time: ",
            ),
            ([{**step, "EventTimestamp": "2026-01-01T00:00:00"}], r"the event .* which is no time: .* no time zone"),
            ([{**step, "EventTimestamp": 1e30}], r"the event .* has the EventTimestamp 1e\+30, which"),
            (
                {"Events": EVENTS, "NextMarker": "x"},
                r"it is one page of a history, with a NextMarker: record all pages",
            ),
        ):
            with self.subTest(expected):
                self.assertRefused(expected, str(self.write(recording)))

    def test_a_file_that_cannot_be_read(self) -> None:
        self.assertRefused(r"the history '.*none\.json' cannot be read: No such file", str(self.folder / "none.json"))
        (self.folder / "bytes.json").write_bytes(b"\xff\xfe\x00")
        self.assertRefused(r"the history '.*bytes\.json' cannot be read: 'utf-8'", str(self.folder / "bytes.json"))

    def test_a_page_that_cannot_be_written(self) -> None:
        history = str(self.write(EVENTS))
        self.assertRefused(r"the page '.*' cannot be written: ", history, "-o", str(Path(history) / "page"))
        self.assertRefused(r"the page would replace the history", history, "-o", history)

    def test_no_file(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as err, self.assertRaises(SystemExit) as raised:
            main(["show"])
        self.assertEqual(raised.exception.code, 2)
        self.assertIn("HISTORY", err.getvalue())


class ShownTests(BrowserTestCase):
    def test_in_a_browser(self) -> None:
        history = self.folder / "order.json"
        history.write_text(json.dumps({"Events": EVENTS}, default=str), encoding="utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            main(["show", str(history)])
        page = history.with_suffix(".html")
        self.open(page)
        self.assertEqual(self.shown()[:3], ["order-42", "order", "charge"])
        self.assertQuiet(page)
