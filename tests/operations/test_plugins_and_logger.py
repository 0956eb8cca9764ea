"""Plugins and the durable logger work as they do in Lambda."""

from __future__ import annotations

import unittest
from typing import Any
from unittest.mock import patch

from aws_durable_execution_sdk_python import DurableContext, __version__, durable_execution, plugin
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.plugin import DurableInstrumentationPlugin

from durabletest import DurableTestCase

SEEN: list[str] = []


class Recorder(DurableInstrumentationPlugin):
    def on_invocation_start(self, info: Any) -> None:
        SEEN.append("invocation")

    def on_operation_start(self, info: Any) -> None:
        SEEN.append(f"start of {info.name}")

    def on_user_function_start(self, info: Any) -> None:
        SEEN.append(f"{info.name} runs")

    def on_user_function_end(self, info: Any) -> None:
        SEEN.append(f"{info.name} ran")

    def on_operation_end(self, info: Any) -> None:
        SEEN.append(f"end of {info.name}")


class Factory:
    def create_plugin(self, info: Any) -> Recorder:
        return Recorder()


PLUGIN: Any = Recorder() if __version__.startswith("2.") else Factory()


@durable_execution(plugins=[PLUGIN])
def instrumented(event: Any, context: DurableContext) -> Any:
    context.step(lambda _: 1, name="one")
    context.wait(Duration.from_hours(1), name="pause")
    context.logger.info("awake again")
    return "done"


class PluginTests(DurableTestCase):
    handler = instrumented

    def setUp(self) -> None:
        SEEN.clear()

    def test_plugins_see_every_invocation_every_operation_and_every_function(self) -> None:
        self.execute()
        self.assertExecution().succeeded("done")
        self.assertEqual(SEEN.count("invocation"), 2)
        once = ["start of one", "one runs", "one ran", "end of one", "end of pause"]
        self.assertEqual([SEEN.count(seen) for seen in once], [1] * len(once), SEEN)
        self.assertEqual([seen for seen in SEEN if seen in once[:3]], once[:3])
        self.assertIn("start of pause", SEEN)

    def test_the_logger_writes_once_although_the_handler_is_replayed(self) -> None:
        with self.assertLogs(level="INFO") as logs:
            self.execute()
        self.assertEqual([record.getMessage() for record in logs.records].count("awake again"), 1)


@durable_execution
def unobserved(event: Any, context: DurableContext) -> Any:
    return context.step(lambda _: 1, name="one")


class WithoutPluginsTests(DurableTestCase):
    handler = unobserved

    @unittest.skipUnless(hasattr(plugin.PluginExecutor, "has_plugins"), "this SDK does not tell whether it has plugins")
    def test_nothing_is_put_together_for_nobody(self) -> None:
        told = ("OperationStartInfo", "UserFunctionStartInfo", "UserFunctionEndInfo")
        with patch.multiple(plugin, **dict.fromkeys(told)):
            self.execute()
        self.assertExecution().succeeded(1)
