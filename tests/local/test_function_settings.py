"""The memory and the environment variables of a function, while it runs and after."""

from __future__ import annotations

import os
import unittest
from threading import Event
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import (
    CheckpointServerError,
    ConfigurationError,
    DurableTestCase,
    HandlerStuckError,
    LocalDurableTestRunner,
    value_checks,
)
from durabletest.local.server import quotas
from durabletest.local.server.checkpoint_server import CheckpointServer


def seen(context: Any) -> dict[str, Any]:
    """What a function can see of its settings."""
    return {
        "table": os.environ.get("TABLE"),
        "stage": os.environ.get("STAGE"),
        "memory": context.memory_limit_in_mb,
        "milliseconds": context.get_remaining_time_in_millis(),
    }


@durable_execution
def looking(event: Any, context: DurableContext) -> list[dict[str, Any]]:
    first = context.step(lambda _: seen(context.lambda_context), name="first look")
    context.wait(Duration.from_hours(1))
    return [first, seen(context.lambda_context)]


@durable_execution
def asking(event: Any, context: DurableContext) -> Any:
    return [context.invoke("durable", None), context.invoke("plain", None), seen(context.lambda_context)]


def plain(event: Any, context: Any) -> Any:
    return seen(context)


BARE = {"table": None, "stage": None, "memory": "128", "milliseconds": 900_000}


class EnvironmentTests(DurableTestCase):
    handler = looking
    environment = {"TABLE": "orders", "STAGE": "test"}
    memory_size = 512

    def tearDown(self) -> None:
        self.assertNotIn("TABLE", os.environ)

    def test_each_invocation_has_it_and_nobody_has_it_after(self) -> None:
        self.execute()
        expected = {**BARE, "table": "orders", "stage": "test", "memory": "512"}
        self.assertExecution().succeeded([expected, expected])

    def test_a_variable_that_was_there_is_put_back(self) -> None:
        with (
            mock.patch.dict(os.environ, STAGE="before"),
            LocalDurableTestRunner(looking, environment={"STAGE": "inside"}) as runner,
        ):
            self.assertEqual(runner.run().get_result()[1]["stage"], "inside")
            self.assertEqual(os.environ["STAGE"], "before")

    def test_what_a_test_sets_itself_wins(self) -> None:
        with mock.patch.dict(os.environ, STAGE="of the test"):
            result = self.execute().get_result()
            self.assertEqual(os.environ["STAGE"], "of the test")
        self.assertEqual([look["stage"] for look in result], ["of the test"] * 2)
        self.assertEqual(self.execute().get_result()[0]["stage"], "test")

    def test_what_the_handler_makes_of_it_is_put_back_too(self) -> None:
        @durable_execution
        def changing(event: Any, context: DurableContext) -> str:
            os.environ["STAGE"] += "!"
            return os.environ.pop("TABLE")

        with LocalDurableTestRunner(changing, environment=self.environment) as runner:
            self.assertEqual([runner.run().get_result() for _ in range(2)], ["orders"] * 2)
            self.assertNotIn("STAGE", os.environ)


class EndTests(unittest.TestCase):
    """However an invocation ends, the variables are put back."""

    def test_after_a_crash(self) -> None:
        @durable_execution
        def crashing(event: Any, context: DurableContext) -> None:
            os._exit(int(os.environ["STATUS"]))

        with LocalDurableTestRunner(crashing, environment={"STATUS": "3"}) as runner:
            error = runner.run().get_error()
            assert error is not None
            self.assertIn("exit status 3", error.message or "")
            self.assertNotIn("STATUS", os.environ)

    def test_after_a_handler_that_was_given_up(self) -> None:
        @durable_execution
        def blocked(event: Any, context: DurableContext) -> None:
            started.set()
            forever.wait(30)

        started, forever = Event(), Event()
        self.addCleanup(forever.set)
        with LocalDurableTestRunner(blocked, environment={"STAGE": "test"}, watchdog=0.1) as runner:
            with self.assertRaises(HandlerStuckError):
                runner.run()
            self.assertTrue(started.is_set())
            self.assertNotIn("STAGE", os.environ)

    def test_of_a_runner_that_is_closed_meanwhile(self) -> None:
        started, forever = Event(), Event()
        self.addCleanup(forever.set)

        @durable_execution
        def blocked(event: Any, context: DurableContext) -> None:
            started.set()
            forever.wait(30)

        runner = LocalDurableTestRunner(blocked, environment={"STAGE": "test"})
        runner.start()
        self.assertTrue(started.wait(10))
        self.assertEqual(os.environ["STAGE"], "test")
        runner.close()
        self.assertNotIn("STAGE", os.environ)

    def test_after_the_server_has_died(self) -> None:
        def die(*_: Any, **__: Any) -> None:
            raise SystemExit("killed by the test")

        with (
            mock.patch.object(CheckpointServer, "checkpoint_durable_execution", die),
            self.assertRaises(CheckpointServerError),
            LocalDurableTestRunner(looking, environment={"STAGE": "test"}) as runner,
        ):
            runner.run()
        self.assertNotIn("STAGE", os.environ)


class TargetTests(unittest.TestCase):
    def test_each_function_has_its_own(self) -> None:
        with LocalDurableTestRunner(asking, environment={"TABLE": "orders"}) as runner:
            runner.register_durable_function(
                "durable", looking, environment={"STAGE": "a"}, memory_size=256, function_timeout=3
            )
            runner.register_function("plain", plain, environment={"STAGE": "b"}, function_timeout=4)
            [[durable, _], called, own] = runner.run().get_result()
        self.assertEqual(durable, {**BARE, "stage": "a", "memory": "256", "milliseconds": 3_000})
        self.assertEqual(called, {**BARE, "stage": "b", "milliseconds": 4_000})
        self.assertEqual(own, {**BARE, "table": "orders"})

    def test_a_function_that_is_registered_again_has_what_it_is_registered_with(self) -> None:
        with LocalDurableTestRunner(
            asking, functions={"plain": plain}, durable_functions={"durable": looking}
        ) as runner:
            runner.register_function("plain", plain, environment={"STAGE": "b"})
            with runner.afresh():
                runner.register_function("plain", plain)
                self.assertEqual(runner.run().get_result()[1], BARE)
            self.assertEqual(runner.run().get_result()[1], {**BARE, "stage": "b"})

    def test_how_long_executions_are_kept(self) -> None:
        self.assertEqual(quotas.RETENTION_DAYS, value_checks.DEFAULT_RETENTION_DAYS)
        for given, expected in (({}, 14), ({"retention_days": 90}, 90)):
            with LocalDurableTestRunner(looking, **given) as runner:
                arn = runner.run().arn
                config = runner.client.get_durable_execution(DurableExecutionArn=arn)["DurableConfig"]
                self.assertEqual(config["RetentionPeriodInDays"], expected)
        for days in (0, 91, 1.5, True):
            with self.assertRaisesRegex(ConfigurationError, "^retention_days is .*: give a whole number of days"):
                LocalDurableTestRunner(looking, retention_days=days)  # type: ignore[arg-type]

    def test_values_that_lambda_does_not_take_are_refused(self) -> None:
        with LocalDurableTestRunner(asking) as runner:
            for settings, message in (
                ({"memory_size": 127}, "memory_size is 127: give a whole number of MB, from 128 to 10240"),
                ({"memory_size": 10_241}, "memory_size is 10241: give a whole number of MB"),
                ({"memory_size": True}, "memory_size is True"),
                ({"function_timeout": 0}, "function_timeout is 0"),
                ({"environment": {"STAGE": 1}}, r"environment\['STAGE'\] is 1: environment variables are strings"),
                ({"environment": {"STAGE=1": ""}}, r"environment\['STAGE=1'\] is '': the system takes no such"),
                ({"environment": {"": "1"}}, r"environment\[''\] is '1': the system takes no such"),
                ({"environment": {"STAGE": "\0"}}, r"environment\['STAGE'\] is '\\x00': the system takes no such"),
                ({"environment": ["STAGE"]}, r"environment is \['STAGE'\]: write a dictionary of strings"),
            ):
                with self.assertRaisesRegex(ConfigurationError, f"^{message}"):
                    runner.register_function("plain", plain, **settings)
            runner.register_function("plain", plain, memory_size=128)
            runner.register_function("plain", plain, memory_size=10_240)


if __name__ == "__main__":
    unittest.main()
