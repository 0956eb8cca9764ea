"""Runs suites with pytest in this process, with the plugin of this package and no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import durabletest.durable_test
import durabletest.explored_case
import durabletest.pytest_plugin

KEPT = (durabletest.durable_test, durabletest.explored_case, durabletest.pytest_plugin)
"""Modules that are imported here, so that not every run imports them again."""
PLUGINS_ARE_IMPORTED = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")
"""By this process, which rewrites no assertions."""
SUITE = """
from datetime import UTC, datetime, timedelta

import pytest
from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import *


@durable_execution
def order_handler(event, context):
    context.step(lambda _: event["order"], name="charge")
    context.wait(Duration.from_hours(1), name="cool-down")
    return {"status": "shipped"}


@durable_execution
def approval_handler(event, context):
    return context.wait_for_callback(lambda *_: None, name="approval")


@durable_execution
def locating_handler(event, context):
    return context.invoke("locate", event, name="where")


"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a suite of functions, which use the handlers above."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for variable in ("PYTEST_ADDOPTS", "CI", "BUILD_NUMBER"):  # with the last two pytest's summary repeats all texts
        monkeypatch.delenv(variable, raising=False)

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_suite=SUITE + text)
        plugin = ("-p", "durabletest.pytest_plugin", "-p", "no:cacheprovider", "-W", "error", "--strict-markers")
        return pytester.runpytest_inprocess(*plugin, *PLUGINS_ARE_IMPORTED, *arguments)

    return run
