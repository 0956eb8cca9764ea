"""Redacted histories: what is replaced, what stays, and that they still replay."""

from __future__ import annotations

import json
import unittest
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from unittest import mock
from uuid import UUID

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import LocalDurableTestRunner, MissingSdkError, sdk
from durabletest.histories import breaks
from durabletest.redaction import redacted

CASES: list[tuple[Any, Any]] = [
    ("Ann Miller, 3rd floor", "xxx xxxxxx, 0xx xxxxx"),
    ("Zoë", "xxx"),
    ("ok", "ok"),
    ("ALL_COMPLETED", "ALL_COMPLETED"),
    ("ALL_PERSONAL", "xxx_xxxxxxxx"),
    ("2026-07-14", "2000-01-01"),
    ("2026-07-14T12:30:00+00:00", "2000-01-01T00:00:00+00:00"),
    ("8e0a1d20-8a3f-4f5e-9a53-0d1c7f9b2f11", "00000000-0000-0000-0000-000000000000"),
    (4111111111111111, 1000000000000000),
    (-12345, -10000),
    (1234, 1234),
    (19.99, 19.99),
    (52.52437, 0.0),
    (True, True),
    (None, None),
    ({"name": "Ann", "orders": [{"id": 123456}]}, {"name": "xxx", "orders": [{"id": 100000}]}),
]


class ValueTests(unittest.TestCase):
    def payload(self, text: str) -> str:
        event = {"EventType": "StepSucceeded", "StepSucceededDetails": {"Result": {"Payload": text}}}
        changed: str = redacted(event)["StepSucceededDetails"]["Result"]["Payload"]
        return changed

    def test_values_of_payloads(self) -> None:
        for value, expected in CASES:
            with self.subTest(repr(value)):
                self.assertEqual(json.loads(self.payload(json.dumps(value))), expected)

    def test_what_is_no_json_is_a_text(self) -> None:
        self.assertEqual(self.payload("{Ann"), "{xxx")

    def test_errors_and_reasons(self) -> None:
        error = {"ErrorType": "CardError", "ErrorMessage": "Ann's card", "ErrorData": "4111", "StackTrace": ["line 1"]}
        event = {
            "Name": "charge",
            "StepFailedDetails": {"Error": {"Payload": error}},
            "Details": {"Reason": "Ann asks"},
        }
        self.assertEqual(
            redacted(event),
            {
                "Name": "charge",
                "StepFailedDetails": {
                    "Error": {"Payload": {"ErrorType": "CardError", "ErrorMessage": "xxx'x xxxx", "ErrorData": "0000"}}
                },
                "Details": {"Reason": "xxx xxxx"},
            },
        )

    def test_without_the_constants_of_the_sdk_all_texts_are_replaced(self) -> None:
        sdk.written_constants.cache_clear()
        self.addCleanup(sdk.written_constants.cache_clear)
        with mock.patch.object(sdk, "module", side_effect=MissingSdkError("there is none")):
            self.assertEqual(self.payload('"ALL_COMPLETED"'), '"xxx_xxxxxxxxx"')


def mail(context: DurableContext, name: str, *_: Any) -> str:
    return context.step(lambda _: f"mail to {name}")


@durable_execution
def values(event: Any, context: DurableContext) -> Any:
    def all_kinds(_: Any) -> dict[str, Any]:
        instant = datetime(2026, 7, 14, tzinfo=UTC)
        return {"at": instant, "on": date(2026, 7, 14), "key": UUID(int=7), "due": Decimal("9.5")}

    found = context.step(all_kinds, name="look up")
    kinds = " ".join(type(value).__name__.removeprefix("Fake").lower() for value in found.values())
    context.step(lambda _: None, name=kinds)
    mailed: Any = context.map(["Ann", "Bob"], mail, name="mails")
    return len(mailed.get_results())


class ReplayTests(unittest.TestCase):
    def test_a_history_with_values_of_all_kinds_replays(self) -> None:
        with LocalDurableTestRunner(values) as runner:
            result = runner.run({"customer": "Ann"})
            self.assertEqual(result.get_operation_by_index(1).name, "datetime date uuid decimal")
            history = [redacted(event) for event in result.history]
            self.assertNotIn("Ann", json.dumps(history, default=str))
            self.assertNotIn("2026-07-14", json.dumps(history, default=str))
            self.assertEqual({*breaks(runner, history)}, {None})


if __name__ == "__main__":
    unittest.main()
