"""A test of a durable function without a test case, as any framework can make it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import ConfigurationError, DurableTest, ExecutionFailedError, RunnerClosedError, UsageError
from durabletest.configuration import _CHECKS
from durabletest.settings import DurableSettings, GivenSettings

ROOT = Path(__file__).parent.parent


@durable_execution
def order_handler(event: Any, context: DurableContext) -> str:
    context.step(lambda _: event["order"], name="charge")
    context.wait(Duration.from_hours(1), name="cool-down")
    return "shipped"


@durable_execution
def failing_handler(event: Any, context: DurableContext) -> None:
    raise ValueError("no stock")


class DurableTestTests(unittest.TestCase):
    def setUp(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, {"DURABLETEST_MODE": ""}))

    def message(self, error: type[Exception], test: Any) -> str:
        with self.assertRaises(error) as raised:
            test()
        return "\n".join([str(raised.exception), *getattr(raised.exception, "__notes__", ())])

    def test_it_executes_and_claims(self) -> None:
        with DurableTest(order_handler) as order:
            self.assertEqual(order.execute({"order": 1}).get_result(), "shipped")
            order.assertExecution().succeeded("shipped").took(hours=1)
            order.assertOperation("charge").succeeded(1)
            order.assertNoOperation("refund")
            self.assertEqual(order.now, order.start_time + timedelta(hours=1))

    def test_it_is_closed_at_the_end_and_by_hand(self) -> None:
        with DurableTest(order_handler) as order:
            execution = order.start({"order": 1})
        with self.assertRaises(RunnerClosedError):
            execution.result()
        order.close()
        other = DurableTest(order_handler)
        other.close()
        with self.assertRaises(RunnerClosedError):
            other.execute()

    def test_a_failed_claim_ends_with_a_report(self) -> None:
        def test() -> None:
            with DurableTest(order_handler) as order:
                order.execute({"order": 1})
                order.assertOperation("charge").attempts(2)

        message = self.message(AssertionError, test)
        self.assertRegex(message, "Expected: 2 attempts\n.*but: 1 attempt")
        self.assertEqual(message.count("Operations of execution 'execution-1'"), 1)

    def test_other_failures_get_a_report_and_other_errors_none(self) -> None:
        def test(error: Exception) -> None:
            with DurableTest(order_handler) as order:
                order.execute({"order": 1})
                raise error

        self.assertIn("Operations of", self.message(AssertionError, lambda: test(AssertionError("no"))))
        self.assertEqual(self.message(KeyError, lambda: test(KeyError("no"))), "'no'")

    def test_the_result_of_a_failed_execution(self) -> None:
        def test() -> None:
            with DurableTest(failing_handler) as order:
                order.execute().get_result()

        message = self.message(ExecutionFailedError, test)
        self.assertRegex(message, "(?s)no stock.*Operations of execution")

    def test_what_was_never_used_fails_it_if_it_passes_and_is_noted_if_not(self) -> None:
        def test(fails: bool) -> None:
            with DurableTest(order_handler) as order:
                order.stub_invoke("locate").succeeds("NL")
                order.execute({"order": 1})
                assert not fails, "something else"

        self.assertIn("stub_invoke('locate') was never used", self.message(AssertionError, lambda: test(False)))
        message = self.message(AssertionError, lambda: test(True))
        self.assertRegex(message, r"(?s)^something else.*stub_invoke\('locate'\) was never used")

    def test_an_assertion_without_a_claim_fails_it(self) -> None:
        def test() -> None:
            with DurableTest(order_handler) as order:
                order.execute({"order": 1})
                order.assertExecution()

        self.assertIn("nothing was claimed", self.message(UsageError, test))

    def test_it_keeps_snapshots_next_to_the_module_of_the_caller(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "snapshots.py").write_text(
                "from durabletest import DurableTest\n"
                "from tests.test_durable_test import order_handler\n"
                "with DurableTest(order_handler) as order:\n"
                "    order.execute({'order': 1})\n"
                "    order.assertHistory().matches('order.json')\n"
            )
            variables = {**os.environ, "PYTHONPATH": str(ROOT), "CI": ""}
            subprocess.run([sys.executable, f"{folder}/snapshots.py"], check=True, env=variables, timeout=60)
            self.assertTrue(Path(folder, "order.json").exists())

    def test_settings(self) -> None:
        start = datetime(2030, 5, 1, tzinfo=UTC)
        with DurableTest(order_handler, start_time=start, function_name="orders", skip_sleep=True) as order:
            self.assertIn(":function:orders:", order.execute({"order": 1}).arn)
            self.assertEqual(order.start_time, start)

    def test_it_joins_the_environment_that_is_there(self) -> None:
        start = datetime(2030, 5, 1, tzinfo=UTC)
        with DurableTest(order_handler, start_time=start) as order, DurableTest(order_handler) as other:
            order.execute({"order": 1})
            self.assertEqual(other.now, start + timedelta(hours=1))

    def test_wrong_settings_are_told(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"skip_slep": True}, r"DurableTest\(\.\.\.\) has no setting 'skip_slep': did you mean 'skip_sleep'\?"),
            (
                {"abstract": True},
                r"DurableTest\(\.\.\.\) has no setting 'abstract': there are handler, .*poll_interval",
            ),
            ({"watchdog": 0}, r"DurableTest\(\.\.\.\)\.watchdog is 0: give a positive number of real seconds"),
            (
                {"mode": "clod"},
                r"DurableTest\(\.\.\.\)\.mode is 'clod': write 'local' or 'cloud'; did you mean 'cloud'",
            ),
            ({"functions": {"a": 7}}, r"DurableTest\(\.\.\.\)\.functions\['a'\] is 7, which cannot be called"),
        ]
        for settings, message in cases:
            with self.subTest(settings), self.assertRaisesRegex(ConfigurationError, message):
                DurableTest(order_handler, **settings)
        with self.assertRaisesRegex(ConfigurationError, r"there is no handler, .* DurableTest\(order_handler\)"):
            DurableTest()

    def test_the_settings_that_can_be_given_are_those_of_a_class(self) -> None:
        own = set(DurableSettings.__annotations__)
        self.assertEqual({"handler", "abstract", "check_determinism", *GivenSettings.__annotations__}, own)
        self.assertEqual({*_CHECKS, "mode"}, own)

    def test_its_repr_names_what_it_is_about(self) -> None:
        with DurableTest(order_handler) as order:
            self.assertEqual(repr(order), "<DurableTest of order_handler>")


if __name__ == "__main__":
    unittest.main()
