"""Plugins and the durable logger work as they do in Lambda."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, __version__, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.plugin import DurableInstrumentationPlugin

from durabletest import DurableTestCase

SEEN: list[str] = []


class Recorder(DurableInstrumentationPlugin):
    def on_invocation_start(self, info: Any) -> None:
        SEEN.append("invocation")

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

    def test_plugins_see_every_invocation_and_the_end_of_every_operation(self) -> None:
        self.execute()
        self.assertExecution().succeeded("done")
        self.assertEqual(SEEN.count("invocation"), 2)
        self.assertEqual(sorted(SEEN)[:2], ["end of one", "end of pause"])

    def test_the_logger_writes_once_although_the_handler_is_replayed(self) -> None:
        with self.assertLogs(level="INFO") as logs:
            self.execute()
        self.assertEqual([record.getMessage() for record in logs.records].count("awake again"), 1)
