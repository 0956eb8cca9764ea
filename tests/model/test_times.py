from __future__ import annotations

import importlib
import pickle
import unittest
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from freezegun import freeze_time

from durabletest.errors import UsageError
from durabletest.model import times
from tests.model.histories import START

REAL = type(START)
PARIS = timezone(timedelta(hours=1))


def frozen(make: Callable[[], Any]) -> Any:
    """A value made under a frozen clock, as a handler would make it."""
    with freeze_time("2026-01-01 02:00:00"):
        return make()


class UtcTest(unittest.TestCase):
    def test_a_plain_moment_in_utc_stays_the_same_object(self) -> None:
        self.assertIs(times.utc(START), START)

    def test_another_zone_is_converted(self) -> None:
        moment = times.utc(datetime(2026, 1, 1, 1, tzinfo=PARIS))
        self.assertEqual(repr(moment), repr(START))

    def test_a_frozen_moment_becomes_a_real_one(self) -> None:
        fake = frozen(lambda: datetime.now(UTC))
        self.assertNotEqual(type(fake), REAL)
        self.assertEqual(repr(times.utc(fake)), repr(datetime(2026, 1, 1, 2, tzinfo=UTC)))

    def test_conversion_under_a_frozen_clock_gives_real_ones_too(self) -> None:
        moment = frozen(lambda: times.utc(datetime.now(PARIS)))
        self.assertIs(type(moment), REAL)

    def test_a_moment_without_zone_is_refused(self) -> None:
        with self.assertRaises(UsageError) as raised:
            times.utc(datetime(2026, 1, 1))  # noqa: DTZ001
        message = "2026-01-01T00:00:00 has no time zone; times of executions are aware, as in boto3's answers"
        self.assertEqual(str(raised.exception), message)

    def test_the_real_classes_are_found_when_imported_under_a_frozen_clock(self) -> None:
        reloaded = frozen(lambda: importlib.reload(times))
        self.addCleanup(importlib.reload, times)
        self.assertIs(reloaded._Real.DATETIME, REAL)
        self.assertEqual(reloaded._Real.DATE.__mro__, (reloaded._Real.DATE, object))


class PlainTest(unittest.TestCase):
    def test_no_stand_in_is_left_at_any_depth(self) -> None:
        value = frozen(
            lambda: {
                "when": datetime.now(PARIS),
                "days": [date.today()],  # noqa: DTZ011
                "pair": (datetime.now(), 1),  # noqa: DTZ005
                "set": {date.today()},  # noqa: DTZ011
                date.today(): 1.5,  # noqa: DTZ011
            }
        )
        self.assertIn("Fake", repr(value))
        plain = times.plain(value)
        self.assertNotIn("Fake", repr(plain))
        self.assertEqual(plain, value)

    def test_other_values_are_passed_on(self) -> None:
        for value in ("text", 1, True, None, 1.5, b"bytes", object(), START, REAL(2026, 1, 1).date()):
            with self.subTest(value=value):
                self.assertIs(times.plain(value), value)

    def test_an_event_shares_nothing_with_its_source(self) -> None:
        source = {"At": datetime(2026, 1, 1, 1, tzinfo=PARIS), "Details": {"Lines": ["a", {"b": 1}]}, "Id": 3}
        event = times.plain_event(source)
        source["Details"]["Lines"].append("c")
        self.assertEqual(repr(event), repr({"At": START, "Details": {"Lines": ["a", {"b": 1}]}, "Id": 3}))
        self.assertEqual(pickle.loads(pickle.dumps(event)), event)


class TextTest(unittest.TestCase):
    def test_stamps(self) -> None:
        for moment, text in (
            (START, "2026-01-01 00:00:00 UTC"),
            (START + timedelta(milliseconds=1500), "2026-01-01 00:00:01.500 UTC"),
            (datetime(2026, 1, 1, 1, tzinfo=PARIS), "2026-01-01 00:00:00 UTC"),
        ):
            with self.subTest(text):
                self.assertEqual(times.stamp(moment), text)

    def test_spans(self) -> None:
        for duration, text in (
            ({}, "0s"),
            ({"seconds": 5}, "5s"),
            ({"seconds": 60}, "1m"),
            ({"hours": 1, "minutes": 30}, "1h 30m"),
            ({"days": 2, "seconds": 1}, "2d 1s"),
            ({"milliseconds": 250}, "0.25s"),
            ({"minutes": 1, "microseconds": 1}, "1m 0.000001s"),
            ({"minutes": -90}, "-1h 30m"),
        ):
            with self.subTest(text):
                self.assertEqual(times.span(timedelta(**duration)), text)
