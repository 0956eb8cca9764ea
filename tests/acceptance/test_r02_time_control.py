"""Requirement 2: time control for local testing."""

from __future__ import annotations

import time
import unittest
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import LocalDurableTestRunner
from tests.acceptance.workflows import sleeper

perf_counter = [time.perf_counter]
SPRING = datetime(2026, 3, 1, tzinfo=UTC)


@durable_execution
def timetable(event: Any, context: DurableContext) -> list[str]:
    """What the clocks say before and after a wait."""

    def clocks(_: Any) -> str:
        today = date.today()  # noqa: DTZ011 - it is one of the clocks
        return f"{datetime.now(UTC):%d %H:%M} {today:%d} {datetime.fromtimestamp(time.time(), UTC):%d %H:%M}"

    before = context.step(clocks, name="before")
    context.wait(Duration.from_hours(36))
    return [before, context.step(clocks, name="after")]


@durable_execution
def nap(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_seconds(1), name="nap")
    return "rested"


def took(call: Any) -> float:
    """Real seconds."""
    began = perf_counter[0]()
    call()
    return perf_counter[0]() - began


class TimeControlTests(unittest.TestCase):
    def set_up(self, **settings: Any) -> None:
        LocalDurableTestRunner.setup_test_environment(**settings)
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)

    def test_r2_1_with_time_skipping_the_clocks_of_the_handler_are_moved(self) -> None:
        self.set_up(skip_time=True, start_time=SPRING)
        with LocalDurableTestRunner(timetable) as runner:
            self.assertEqual(runner.run().get_result(), ["01 00:00 01 01 00:00", "02 12:00 02 02 12:00"])
            self.assertEqual(runner.now, SPRING + timedelta(hours=36))

    def test_r2_2_a_skipped_wait_blocks_nobody(self) -> None:
        self.set_up(skip_time=True)
        with LocalDurableTestRunner(sleeper) as runner:
            self.assertLess(took(runner.run), 5)
            wait = runner.get_operation("sleep")
        self.assertEqual((wait.status, wait.duration), ("SUCCEEDED", timedelta(hours=2)))

    def test_r2_3_without_time_skipping_a_wait_takes_its_time(self) -> None:
        self.set_up(skip_time=False)
        with LocalDurableTestRunner(nap) as runner:
            self.assertGreaterEqual(took(runner.run), 0.9)
            wait = runner.get_operation("nap")
        assert wait.duration is not None
        self.assertGreaterEqual(wait.duration, timedelta(seconds=1))
        self.assertLess(abs(datetime.now(UTC) - wait.started_at), timedelta(minutes=1))

    def test_r2_4_teardown_gives_the_real_clock_back(self) -> None:
        before = datetime.now(UTC)
        LocalDurableTestRunner.setup_test_environment(start_time=SPRING)
        try:
            self.assertEqual(datetime.now(UTC), SPRING)
        finally:
            LocalDurableTestRunner.teardown_test_environment()
        self.assertLess(datetime.now(UTC) - before, timedelta(minutes=1))
        self.assertGreater(time.time(), SPRING.timestamp() + 1)
        self.assertEqual(type(datetime.now(UTC)).__name__, "datetime")
        with LocalDurableTestRunner(sleeper, skip_time=True, start_time=SPRING) as runner:
            self.assertEqual(runner.run().get_result(), "rested")
        self.assertLess(datetime.now(UTC) - before, timedelta(minutes=1))
