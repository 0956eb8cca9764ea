from __future__ import annotations

import unittest
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from freezegun import freeze_time

from durabletest.errors import (
    PayloadError,
    UsageError,
)
from durabletest.model.payloads import encode, error_object, result_argument


class Color(Enum):
    RED = 1


@dataclass
class Item:
    name: str


class Thing:
    pass


def itself() -> list[Any]:
    value: list[Any] = [1]
    value.append({"again": value})
    return value


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


class EncodeTest(unittest.TestCase):
    def refusal(self, value: Any, encoder: Callable[..., Any] = encode, **options: str) -> str:
        with self.assertRaises(PayloadError) as raised:
            encoder(value, **options)
        return str(raised.exception)

    def test_json_values(self) -> None:
        for value, text in (
            (None, "null"),
            ({"a": [1, 2.5, True, None, "é"]}, '{"a": [1, 2.5, true, null, "\\u00e9"]}'),
            ((1, 2), "[1, 2]"),
            ({2: "a", None: "b", True: "c"}, '{"2": "a", "null": "b", "true": "c"}'),
        ):
            with self.subTest(value=value):
                self.assertEqual(encode(value), text)

    def test_the_place_and_the_remedy(self) -> None:
        for value, message in (
            (datetime(2026, 1, 1, tzinfo=UTC), "payload is a datetime; JSON has no such type: send its isoformat()"),
            ({"order": {"at": date(2026, 1, 1)}}, "payload['order']['at'] is a date; {}: send its isoformat()"),
            ([0, time(1)], "payload[1] is a time; {}: send its isoformat()"),
            ({"t": timedelta(1)}, "payload['t'] is a timedelta; {}: send its total_seconds()"),
            ({"t": Decimal(1)}, "payload['t'] is a Decimal; {}: send str() or float() of it"),
            ({"t": UUID(int=1)}, "payload['t'] is an UUID; {}: send str() of it"),
            ({"t": Color.RED}, "payload['t'] is a Color; {}: send its value"),
            (({1},), "payload[0] is a set; {}: send a sorted list"),
            ([frozenset()], "payload[0] is a frozenset; {}: send a sorted list"),
            ([b""], "payload[0] is a bytes; {}: send its decode()"),
            ([bytearray()], "payload[0] is a bytearray; {}: send its decode()"),
            ([Item("a")], "payload[0] is an Item; {}: send dataclasses.asdict() of it"),
            ([Thing()], "payload[0] is a Thing; {}: send its fields as a dict"),
            ([1.0, float("nan")], "payload[1] is nan; JSON has no such number: send None or a string"),
            ([float("-inf")], "payload[0] is -inf; JSON has no such number: send None or a string"),
            ({"a": {(1, 2): 3}}, "payload['a'] has the key (1, 2), a tuple; the keys of JSON objects are strings"),
            (itself(), "payload[1]['again'] contains itself; JSON has no references"),
            (deep(), "payload is nested too deeply for JSON"),
        ):
            with self.subTest(message):
                self.assertEqual(self.refusal(value), message.format("JSON has no such type"))

    def test_what_only_the_encoder_notices(self) -> None:
        self.assertTrue(self.refusal({float("inf"): 1}).startswith("payload cannot be written as JSON: Out of range"))

    def test_the_same_value_twice_is_no_cycle(self) -> None:
        item = {"a": 1}
        self.assertEqual(encode([item, item]), '[{"a": 1}, {"a": 1}]')

    def test_the_name_of_the_value(self) -> None:
        self.assertTrue(self.refusal({"a": b""}, what="result").startswith("result['a'] is a bytes"))

    def test_a_frozen_datetime_is_called_a_datetime(self) -> None:
        with freeze_time("2026-01-01"):
            message = self.refusal([datetime.now(UTC)])
        self.assertTrue(message.startswith("payload[0] is a datetime;"), message)

    def test_a_payload_error_is_a_value_error(self) -> None:
        with self.assertRaises(ValueError):
            encode(b"")


class EncodeCallbackResultTest(unittest.TestCase):
    def test_text_and_bytes_as_they_are_and_all_else_as_json(self) -> None:
        for value, sent in (
            (None, None),
            ("yes", b"yes"),
            ("é", "é".encode()),
            ("", b""),
            (b"\x00", b"\x00"),
            (bytearray(b"a"), b"a"),
            ({"by": "ann"}, b'{"by": "ann"}'),
            (7, b"7"),
            (False, b"false"),
        ):
            with self.subTest(value=value):
                self.assertEqual(result_argument(value), {} if sent is None else {"Result": sent})

    def test_not_json(self) -> None:
        with self.assertRaises(PayloadError) as raised:
            result_argument("caf\udce9")
        self.assertIn("result cannot be sent: 'utf-8' codec can't encode", str(raised.exception))
        with self.assertRaises(PayloadError) as raised:
            result_argument({"when": datetime(2026, 1, 1, tzinfo=UTC)})
        self.assertEqual(
            str(raised.exception), "result['when'] is a datetime; JSON has no such type: send its isoformat()"
        )


class DeclinedError(Exception):
    pass


def raised_error() -> DeclinedError:
    try:
        raise DeclinedError("card expired")
    except DeclinedError as error:
        return error


class ErrorObjectTest(unittest.TestCase):
    def test_from_an_exception(self) -> None:
        fields = error_object(raised_error(), None, None, None)
        trace = fields.pop("StackTrace")
        self.assertEqual(fields, {"ErrorType": "DeclinedError", "ErrorMessage": "card expired"})
        self.assertIn('raise DeclinedError("card expired")', trace[0])

    def test_from_an_exception_that_was_not_raised(self) -> None:
        fields = error_object(DeclinedError("a"), "b", "data", None)
        self.assertEqual(fields, {"ErrorType": "DeclinedError", "ErrorMessage": "b", "ErrorData": "data"})

    def test_an_explicit_stack_trace_wins(self) -> None:
        self.assertNotIn("StackTrace", error_object(raised_error(), None, None, ()))
        self.assertEqual(error_object(raised_error(), None, None, ["x"])["StackTrace"], ["x"])

    def test_from_a_class(self) -> None:
        self.assertEqual(
            error_object(DeclinedError, "a", None, None), {"ErrorType": "DeclinedError", "ErrorMessage": "a"}
        )

    def test_something_else(self) -> None:
        for value in (42, int):
            with self.subTest(value=value), self.assertRaises(UsageError) as raised:
                error_object(value, None, None, None)
            message = f"{value!r} is no error type: give its name, an exception, or an exception class"
            self.assertEqual(str(raised.exception), message)
