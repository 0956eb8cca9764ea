"""The configuration of a test case class: what is wrong with it is said before the first test starts."""

from __future__ import annotations

import functools
import os
import sys
import unittest
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any
from unittest.mock import patch

import freezegun.api
import time_machine
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import CloudDurableTestRunner, ConfigurationError, DurableTestCase, LocalDurableTestRunner
from durabletest.local.server.quotas import LONGEST_TIMEOUTS
from durabletest.value_checks import MAX_EXECUTION_TIMEOUT, MAX_SYNCHRONOUS_TIMEOUT
from tests.acceptance.workflows import approval, double, order


def configured(**attributes: Any) -> type[DurableTestCase]:
    """A test case class with those attributes, and one test."""

    def test(self: DurableTestCase) -> None:
        self.execute({"order": 1})

    return type("OrderTests", (DurableTestCase,), {"handler": order, "test": test, **attributes})


def message_of(cls: type[unittest.TestCase]) -> str:
    """What is said when the class is run: exactly one error, of the configuration."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
    if result.wasSuccessful():
        return ""
    ((where, text),) = result.errors
    assert "setUpClass" in str(where), where
    return text.splitlines()[-1].removeprefix("durabletest.errors.ConfigurationError: ")


async def asynchronous(event: Any, context: Any) -> None:
    """No handler: Lambda would get a coroutine."""


class Handler:
    def __call__(self, event: Any, context: Any) -> Any:
        return order(event, context)


WRONG: list[tuple[str, Any, str]] = [
    ("handler", "order", "'order', which cannot be called: give the function decorated with @durable_execution"),
    ("handler", Handler, "the class Handler: give a function, or an object of it"),
    *(
        ("handler", handler, "asynchronous, an async function: Lambda calls plain functions, so write it with def")
        for handler in (asynchronous, durable_execution(asynchronous))
    ),
    ("durable_functions", [order], f"[{order!r}]: write a dictionary, {{'function-name': function}}"),
    ("durable_functions", None, "None: write a dictionary, {'function-name': function}"),
    ("functions", "double", "'double': write a dictionary, {'function-name': function}"),
    ("function_name", 42, "42: give a function's name, like 'orders' or 'orders:live', or its ARN"),
    ("function_name", "", "'': give a function's name, like 'orders' or 'orders:live', or its ARN"),
    ("function_name", "my orders", "'my orders': give a function's name, like 'orders' or 'orders:live', or its ARN"),
    ("skip_time", "no", "'no': write True or False"),
    ("skip_time", 0, "0: write True or False"),
    ("start_time", "2026-01-01", "'2026-01-01': give a datetime, like datetime(2026, 1, 1, tzinfo=UTC)"),
    (
        "start_time",
        date(2026, 1, 1),
        "datetime.date(2026, 1, 1): give a datetime, like datetime(2026, 1, 1, tzinfo=UTC)",
    ),
    (
        "start_time",
        datetime(2026, 1, 1),  # noqa: DTZ001 - this is what is wrong with it
        "datetime.datetime(2026, 1, 1, 0, 0), without a time zone: write datetime(..., tzinfo=UTC)",
    ),
    (
        "start_time",
        datetime(9001, 1, 1, tzinfo=UTC),
        "datetime.datetime(9001, 1, 1, 0, 0, tzinfo=datetime.timezone.utc): give a year up to 9000; time moves on from "
        "it",
    ),
    *(
        (
            "execution_timeout",
            value,
            f"{value!r}: give a timedelta, or a number of seconds: whole seconds, from 1 second to 366 days, as the "
            "service allows",
        )
        for value in (0, 1.5, True, timedelta(0), timedelta(seconds=1.5), timedelta(days=367), "1h")
    ),
    *(
        ("watchdog", value, f"{value!r}: give a positive number of real seconds")
        for value in (0, -1.0, "30", True, None, float("nan"), float("inf"), timedelta(seconds=30))
    ),
    *(
        (
            "state_page_size",
            value,
            f"{value!r}: give the number of operations in a page, at least 1, or None",
        )
        for value in (0, -1, 10.0, "10", True)
    ),
    ("clock", "time_machine", "'time_machine': write 'freezegun' or 'time-machine'"),
    ("clock", None, "None: write 'freezegun' or 'time-machine'"),
    ("abstract", "yes", "'yes': write True or False"),
    ("mode", "clowd", "'clowd': write 'local' or 'cloud'; did you mean 'cloud'?"),
    ("mode", None, "None: write 'local' or 'cloud'"),
    ("cloud", "lenient", "'lenient': write 'skip' or 'strict'"),
    ("cloud_timeout", 0, "0: give a timedelta, or a positive number of seconds"),
    ("cloud_timeout", "5m", "'5m': give a timedelta, or a positive number of seconds"),
    ("poll_interval", -1, "-1: give a timedelta, or a positive number of seconds"),
    ("cloud_logs", 1, "1: write True or False, or the name of the function's log group"),
    ("cloud_logs", "", "'': write True or False, or the name of the function's log group"),
    ("poll_interval", "fast", "'fast': give a timedelta, or a positive number of seconds"),
]

MISSPELT: list[tuple[str, Any, str]] = [
    ("durable_function", {"child": order}, "durable_functions"),
    ("function", {"double": double}, "functions"),
    ("skiptime", False, "skip_time"),
    ("start_tme", datetime(2026, 1, 1, tzinfo=UTC), "start_time"),
    ("execution_time_out", timedelta(hours=1), "execution_timeout"),
    ("watch_dog", 5.0, "watchdog"),
    ("state_pagesize", 10, "state_page_size"),
]

THEIR_OWN: dict[str, Any] = {
    "functions_called": [],
    "function": lambda self: "a helper",
    "start": lambda self, payload=None: DurableTestCase.start(self, payload),
    "clouds": 3,
    "start_times": (1, 2),
    "_watchdog": 5.0,
    "orders": {"one": 1},
}


class ClassAttributeTests(unittest.TestCase):
    maxDiff = None
    BASE = ", or `template = 'template.yaml'`; or `abstract = True`, if it is only the base of classes that have one"

    def test_a_wrong_value_names_the_class_the_attribute_and_what_to_write(self) -> None:
        for attribute, value, text in WRONG:
            with self.subTest(attribute, value=value):
                if attribute == "handler" and callable(value):
                    wrapped = staticmethod(value)
                    self.assertEqual(message_of(configured(handler=wrapped)), f"OrderTests.handler is {text}")
                else:
                    self.assertEqual(message_of(configured(**{attribute: value})), f"OrderTests.{attribute} is {text}")

    def test_functions_have_names_and_can_be_called(self) -> None:
        self.assertEqual(
            message_of(configured(functions={"double": 2})),
            "OrderTests.functions['double'] is 2, which cannot be called: give a function (event, context)",
        )
        self.assertEqual(
            message_of(configured(durable_functions={1: order})),
            "a name in OrderTests.durable_functions is 1: give a function's name, like 'orders' or 'orders:live', "
            "or its ARN",
        )
        self.assertEqual(
            message_of(configured(durable_functions={"double": order}, functions={"double": double})),
            "'double' is in OrderTests.durable_functions and in OrderTests.functions: leave one out",
        )

    def test_a_misspelt_attribute_is_not_ignored(self) -> None:
        for attribute, value, meant in MISSPELT:
            with self.subTest(attribute):
                self.assertEqual(
                    message_of(configured(**{attribute: value})),
                    f"OrderTests.{attribute} is not a setting: did you mean {meant!r}? If it is something of your own, "
                    "give it a name that is less like one",
                )

    def test_a_class_without_a_handler_says_so_and_what_was_perhaps_meant(self) -> None:
        self.assertEqual(
            message_of(configured(handler=None)),
            "OrderTests has no handler: write `handler = my_function`, the function decorated with @durable_execution"
            f"{self.BASE}",
        )
        self.assertEqual(
            message_of(configured(handler=None, handlers=order)),
            "OrderTests has no handler (OrderTests.handlers is not it): write `handler = my_function`, the function "
            f"decorated with @durable_execution{self.BASE}",
        )

        def prepare(cls: type[DurableTestCase]) -> None:
            super(cls, cls).setUpClass()
            cls.handler = order

        self.assertEqual(
            message_of(configured(handler=None, setUpClass=classmethod(prepare))),
            "OrderTests has no handler: write `handler = my_function` (or cls.handler = my_function, before "
            f"super().setUpClass()), the function decorated with @durable_execution{self.BASE}",
        )

    def test_what_else_a_class_has_is_its_own_business(self) -> None:
        for attribute, value in THEIR_OWN.items():
            with self.subTest(attribute):
                self.assertEqual(message_of(configured(**{attribute: value})), "")

    def test_good_values_are_taken(self) -> None:
        good = {
            "handler": [order, staticmethod(order), Handler(), functools.partial(order), Handler().__call__],
            "function_name": [None, "orders", "orders:live", "arn:aws:lambda:us-east-1:123456789012:function:orders:7"],
            "execution_timeout": [None, timedelta(days=366), timedelta(hours=2), 60],
            "watchdog": [5, 0.5],
            "state_page_size": [None, 1, 1000],
            "cloud_timeout": [60, 0.5, timedelta(minutes=1)],
        }
        for attribute, values in good.items():
            for value in values:
                with self.subTest(attribute, value=value):
                    self.assertEqual(message_of(configured(**{attribute: value})), "")

    def test_the_configuration_of_a_class_is_inherited(self) -> None:
        base = configured(durable_function={})
        self.assertIn("DerivedTests.durable_function is not", message_of(type("DerivedTests", (base,), {})))


class SecondsTests(DurableTestCase):
    handler = approval
    execution_timeout = 90

    def test_a_number_is_a_number_of_seconds(self) -> None:
        self.on_callback("approval").never()
        self.execute({})
        self.assertExecution().timed_out().took(minutes=1, seconds=30)


class EnvironmentVariableTests(unittest.TestCase):
    def test_an_unknown_mode_is_refused(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_MODE": "aws"}):
            self.assertEqual(
                message_of(configured()), "the environment variable DURABLETEST_MODE is 'aws': write 'local' or 'cloud'"
            )

    def test_an_empty_mode_is_none(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_MODE": ""}):
            self.assertEqual(message_of(configured()), "")

    def test_an_unknown_way_to_show_logs_is_refused(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_LOGS": "yes"}):
            self.assertRegex(
                message_of(configured()),
                r"^the environment variable DURABLETEST_LOGS is 'yes': write 'live' .*'captured'",
            )

    def test_a_poll_interval_that_is_no_number_is_refused(self) -> None:
        variables = {"DURABLETEST_MODE": "cloud", "DURABLETEST_POLL_INTERVAL": "fast"}
        with patch.dict(os.environ, variables):
            self.assertEqual(
                message_of(configured(function_name="orders:live")),
                "the environment variable DURABLETEST_POLL_INTERVAL is 'fast': give a positive number of seconds",
            )


class ClockTests(unittest.TestCase):
    """Which tool shows virtual time: the environment variable, then the class or argument, then freezegun."""

    def shown_by(self, clock: str | None = None) -> str:
        """The tool that is active while a test runs."""
        seen: list[str] = []

        def test(case: DurableTestCase) -> None:
            seen.append("time-machine" if time_machine.escape_hatch.is_travelling() else "")
            seen.append("freezegun" if freezegun.api.freeze_factories else "")

        self.assertEqual(message_of(configured(test=test, **({} if clock is None else {"clock": clock}))), "")
        return "".join(seen)

    def test_freezegun_is_the_default_and_the_class_chooses(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_CLOCK": ""}):
            self.assertEqual(self.shown_by(), "freezegun")
            self.assertEqual(self.shown_by("time-machine"), "time-machine")

    def test_the_environment_variable_wins(self) -> None:
        for clock in ("freezegun", "time-machine"):
            with patch.dict(os.environ, {"DURABLETEST_CLOCK": clock}):
                self.assertEqual({self.shown_by(), self.shown_by("freezegun"), self.shown_by("time-machine")}, {clock})

    def test_the_environment_variable_is_checked(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_CLOCK": "sundial"}):
            expected = "the environment variable DURABLETEST_CLOCK is 'sundial': write 'freezegun' or 'time-machine'"
            self.assertEqual(message_of(configured()), expected)

    def test_a_runner_chooses_and_joins_only_an_environment_with_the_same_clock(self) -> None:
        with patch.dict(os.environ, {"DURABLETEST_CLOCK": ""}), LocalDurableTestRunner(order, clock="time-machine"):
            self.assertTrue(time_machine.escape_hatch.is_travelling())
            LocalDurableTestRunner(order, clock="time-machine").close()
            LocalDurableTestRunner(order).close()
            with self.assertRaisesRegex(ConfigurationError, "a runner with .*clock='freezegun'.* cannot join"):
                LocalDurableTestRunner(order, clock="freezegun")

    def test_the_variable_makes_runners_agree_that_would_not(self) -> None:
        with (
            patch.dict(os.environ, {"DURABLETEST_CLOCK": "time-machine"}),
            LocalDurableTestRunner(order, clock="freezegun"),
        ):
            LocalDurableTestRunner(order, clock="time-machine").close()

    def test_a_tool_that_is_not_installed_or_too_old(self) -> None:
        old = ModuleType("time_machine")
        for module, text in ((None, "is not installed"), (old, "its installed version is too old")):
            with patch.dict(sys.modules, {"time_machine": module}):  # type: ignore[dict-item]
                message = message_of(configured(clock="time-machine"))
                self.assertIn(f"clock is 'time-machine', {'which' if module is None else 'and'} {text}", message)
                self.assertIn("pip install 'time-machine>=3'", message)
        self.assertEqual(self.shown_by("time-machine"), os.environ.get("DURABLETEST_CLOCK") or "time-machine")

    def test_a_version_that_would_show_another_time_is_refused_and_nothing_is_left(self) -> None:
        class Deaf(time_machine.Traveller):
            """Keeps a method of its own, as one written in C would."""

            def __setattr__(self, name: str, value: object) -> None:
                if name != "time_ns":
                    super().__setattr__(name, value)

        with patch.object(time_machine, "Traveller", Deaf):
            message = message_of(configured(clock="time-machine"))
        self.assertIn("this version of time-machine does not ask its traveller for the time", message)
        self.assertFalse(time_machine.escape_hatch.is_travelling())


class RunnerArgumentTests(unittest.TestCase):
    def test_arguments_of_a_runner_are_checked_as_class_attributes_are(self) -> None:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"handler": None}, "handler is None, which cannot be called: .*@durable_execution"),
            ({"watchdog": 0}, "watchdog is 0: give a positive number of real seconds"),
            (
                {"execution_timeout": 0},
                "execution_timeout is 0: give a timedelta, or a number of seconds: whole seconds",
            ),
            ({"state_page_size": 0}, "state_page_size is 0: give the number of operations in a page"),
            ({"skip_time": "no"}, "skip_time is 'no': write True or False"),
            ({"clock": "sundial"}, "clock is 'sundial': write 'freezegun' or 'time-machine'"),
            ({"start_time": "now"}, "start_time is 'now': give a datetime"),
            ({"functions": {"double": 2}}, r"functions\['double'\] is 2, which cannot be called"),
            ({"function_name": "a b"}, "function_name is 'a b': give a function's name"),
        ]
        for arguments, text in cases:
            with self.subTest(**arguments), self.assertRaisesRegex(ConfigurationError, text):
                LocalDurableTestRunner(**{"handler": order, **arguments})
        with self.assertRaisesRegex(ConfigurationError, "poll_interval is 0"):
            CloudDurableTestRunner("orders:live", client=object(), poll_interval=0)

    def test_a_refused_runner_leaves_no_environment_behind(self) -> None:
        with self.assertRaises(ConfigurationError):
            LocalDurableTestRunner(order, durable_functions={"no such name": order})
        with LocalDurableTestRunner(order, skip_time=True, start_time=datetime(2030, 1, 1, tzinfo=UTC)) as runner:
            self.assertEqual(runner.now.year, 2030)

    def test_time_moves_on_from_the_latest_start(self) -> None:
        @durable_execution
        def year(event: object, context: DurableContext) -> int:
            context.wait(Duration.from_days(365))
            return datetime.now(UTC).year

        with LocalDurableTestRunner(year, skip_time=True, start_time=datetime(9000, 12, 31, tzinfo=UTC)) as runner:
            self.assertEqual(runner.run().get_result(), 9001)

    def test_registered_functions_are_checked(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            with self.assertRaisesRegex(ConfigurationError, "the function registered as 'double' is 2, which cannot"):
                runner.register_function("double", 2)  # type: ignore[arg-type]
            with self.assertRaisesRegex(ConfigurationError, "the name of a function is 2: give a function's name"):
                runner.register_durable_function(2, order)  # type: ignore[arg-type]

    def test_the_settings_of_the_environment_are_checked(self) -> None:
        for arguments in (
            {"skip_time": 1},
            {"checkpoint_delay": -1},
            {"checkpoint_delay": "x"},
            {"start_time": 0},
            {"clock": 1},
        ):
            with self.subTest(**arguments), self.assertRaisesRegex(ConfigurationError, next(iter(arguments))):
                LocalDurableTestRunner.setup_test_environment(**arguments)

    def test_a_runner_that_wants_another_time_than_the_environment_is_refused(self) -> None:
        with (
            LocalDurableTestRunner(order),
            self.assertRaisesRegex(ConfigurationError, "time is shared by all runners of a process"),
        ):
            LocalDurableTestRunner(order, skip_time=False)


class LongestTimeoutTests(unittest.TestCase):
    def test_settings_are_checked_against_what_the_server_allows(self) -> None:
        longest = {"Event": MAX_EXECUTION_TIMEOUT, "RequestResponse": MAX_SYNCHRONOUS_TIMEOUT}
        self.assertEqual({kind: timeout.total_seconds() for kind, timeout in longest.items()}, LONGEST_TIMEOUTS)
