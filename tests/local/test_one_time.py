"""Everything that a handler is made of sees one time: the virtual one, also in threads and in modules imported late."""

from __future__ import annotations

import importlib
import logging
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from unittest.mock import MagicMock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import DurableTestCase, LocalDurableTestRunner

WAIT = timedelta(days=40)
seen: dict[str, set[tuple[datetime, date, float]]] = {}


def look(where: str) -> str:
    """Note what the three clocks say."""
    today = date.today()  # noqa: DTZ011 - it is one of the clocks
    seen.setdefault(where, set()).add((datetime.now(UTC), today, time.time()))
    return where


def look_in_threads(_: Any) -> str:
    thread = Thread(target=look, args=["thread"])
    thread.start()
    thread.join()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(look, ["pool", "pool"]))
    MagicMock(side_effect=look)("through a mock")
    return "looked"


@durable_execution
def looking(event: Any, context: DurableContext) -> None:
    context.wait(Duration.from_days(40))
    look("body")
    context.step(lambda _: look("step"))
    context.map(["map"], lambda child, item, *_: look(item))
    context.run_in_child_context(lambda _: look("child context"))
    context.step(look_in_threads)
    config = WaitForConditionConfig(
        wait_strategy=lambda *_: WaitForConditionDecision.stop_polling(), initial_state="condition"
    )
    context.wait_for_condition(lambda state, _: look(state), config)
    context.wait_for_callback(lambda *_: look("submitter") and None, name="callback")
    context.invoke("plain", None)
    context.invoke("durable", None)


@durable_execution
def durable_target(event: Any, context: DurableContext) -> str:
    return look("durable function")


class OneTimeTests(DurableTestCase):
    handler = looking
    functions = {"plain": lambda event, context: look("plain function")}
    durable_functions = {"durable": durable_target}

    def test_all_handler_code_sees_the_virtual_time(self) -> None:
        seen.clear()
        self.on_callback("callback").call(lambda _: look("script"))
        self.execute()
        now = self.start_time + WAIT
        everywhere = ["body", "step", "map", "thread", "pool", "condition", "submitter", "script"]
        everywhere += ["child context", "through a mock", "plain function", "durable function"]
        self.assertEqual(seen, {where: {(now, now.date(), now.timestamp())} for where in everywhere})

    def test_the_test_sees_it_too(self) -> None:
        self.assertEqual((datetime.now(UTC), time.time()), (self.start_time, self.start_time.timestamp()))
        self.on_callback("callback").succeed()
        self.execute()
        self.assertEqual((datetime.now(UTC), self.now), (self.start_time + WAIT, self.start_time + WAIT))

    def test_clocks_that_measure_are_real(self) -> None:
        began, monotonic = time.perf_counter(), time.monotonic()
        while time.perf_counter() == began or time.monotonic() == monotonic:
            pass
        self.assertGreater(time.perf_counter(), began)


class Collecting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.created: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.created.append(record.created)


@durable_execution
def logging_handler(event: Any, context: DurableContext) -> None:
    logging.getLogger("tests.one_time").warning("before")
    context.wait(Duration.from_hours(1))
    context.logger.warning("after")


class LogTimeTests(DurableTestCase):
    handler = logging_handler

    def test_log_records_carry_it(self) -> None:
        collecting = Collecting()
        logging.getLogger().addHandler(collecting)
        self.addCleanup(logging.getLogger().removeHandler, collecting)
        self.execute()
        start = self.start_time.timestamp()
        self.assertEqual(collecting.created, [start, start + 3600, start + 3600])


MODULE = """
from datetime import date, datetime
from time import time


def clocks():
    return datetime.now().timestamp(), date.today(), time()
"""
BEGIN_ALIKE = (
    "gift_shop",
    "queue_worker",
    "threading_helpers",
    "pytest_timeout_rules",
    "unittest_data",
    "selenium_page",
)


class ModuleTests(unittest.TestCase):
    """Modules with names that clock tools like to leave out, and modules that are imported while time is frozen."""

    def setUp(self) -> None:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        for name in (*BEGIN_ALIKE, "imported_late"):
            Path(folder, f"{name}.py").write_text(MODULE, encoding="utf-8")
            self.addCleanup(sys.modules.pop, name, None)
        sys.path.insert(0, folder)
        self.addCleanup(sys.path.remove, folder)
        self.addCleanup(importlib.invalidate_caches)

    def run_after_a_day(self, look: Callable[[], Any]) -> Any:
        @durable_execution
        def handler(event: Any, context: DurableContext) -> str:
            context.wait(Duration.from_days(1))
            return repr(look())

        with LocalDurableTestRunner(handler) as runner:
            return runner.run().get_result(), runner.now

    def test_names_that_begin_like_those_of_the_standard_library(self) -> None:
        for name in BEGIN_ALIKE:
            with self.subTest(name):
                module = importlib.import_module(name)
                result, now = self.run_after_a_day(lambda module=module: [*module.clocks()[::2]])
                self.assertEqual(result, repr([now.timestamp(), now.timestamp()]))

    def test_a_module_that_a_handler_imports_late_and_the_real_time_afterwards(self) -> None:
        result, now = self.run_after_a_day(lambda: importlib.import_module("imported_late").clocks()[2])
        self.assertEqual(result, repr(now.timestamp()))
        module = sys.modules["imported_late"]
        for clock in (module.clocks()[0], module.clocks()[2]):
            self.assertAlmostEqual(clock, time.time(), delta=60)
