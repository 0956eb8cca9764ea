"""Time is frozen around each test, and nowhere else; clocks that other tools hold are refused."""

from __future__ import annotations

import re
import time
import unittest
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, ClassVar

import freezegun.api
import time_machine
from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration
from freezegun import freeze_time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import DeadlineExceeded

from durabletest import DurableTestCase
from tests.subprocesses import ProcessTestCase, StartedSuite

SPRING = datetime(2026, 3, 1, tzinfo=UTC)


@durable_execution
def sleeper(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_hours(1))
    return datetime.now(UTC).isoformat()


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


def errors(case: type[unittest.TestCase]) -> str:
    result = run(case)
    return "\n".join(text for _, text in result.errors + result.failures)


class FrozenAroundTests(unittest.TestCase):
    def test_from_before_set_up_to_after_the_last_cleanup_and_each_test_anew(self) -> None:
        seen: list[tuple[str, datetime, datetime]] = []

        class Case(DurableTestCase):
            handler = sleeper
            start_time = SPRING

            def note(self, where: str) -> None:
                seen.append((where, datetime.now(UTC), self.now))

            def setUp(self) -> None:
                self.addCleanup(self.note, "cleanup")
                self.note("setUp")

            def tearDown(self) -> None:
                self.note("tearDown")

            def test_one(self) -> None:
                self.execute()
                self.note("test")

            test_two = test_one

        before = datetime.now(UTC)
        self.assertTrue(run(Case).wasSuccessful())
        later = SPRING + timedelta(hours=1)
        once = [("setUp", SPRING), ("test", later), ("tearDown", later), ("cleanup", later)]
        self.assertEqual(seen, [(where, at, at) for where, at in once * 2])
        self.assertLess(datetime.now(UTC) - before, timedelta(minutes=1))

    def test_sleep_and_the_clocks_are_what_they_were_afterwards(self) -> None:
        class Case(DurableTestCase):
            handler = sleeper

            def test(self) -> None:
                self.execute()

        clocks = (time.time, time.sleep, time.monotonic, time.perf_counter, datetime)
        self.assertTrue(run(Case).wasSuccessful())
        self.assertEqual((time.time, time.sleep, time.monotonic, time.perf_counter, datetime), clocks)


class ForeignClockTests(unittest.TestCase):
    TOOLS: ClassVar[dict[str, Callable[[], AbstractContextManager[Any]]]] = {
        "freezegun's freeze_time": lambda: freeze_time("2020-01-01"),
        "time-machine's travel": lambda: time_machine.travel("2020-01-01"),
    }

    def assert_refused(self, message: str, tool: str) -> None:
        self.assertIn(f"ForeignClockError: {tool} is active, and virtual time cannot move under it", message)
        self.assertIn("set start_time on the test class", message)
        self.assertIn("execution.advance(...)", message)

    def test_one_that_is_active_when_the_class_is_set_up(self) -> None:
        class Case(DurableTestCase):
            handler = sleeper

            def test(self) -> None:
                raise AssertionError("not reached")

        for name, tool in self.TOOLS.items():
            with self.subTest(name):
                with tool():
                    self.assert_refused(errors(Case), name)
                self.assertIn("not reached", errors(Case))

    def test_a_decorated_class_is_named_and_the_next_one_runs(self) -> None:
        for name, tool in self.TOOLS.items():
            with self.subTest(name):

                class Case(DurableTestCase):
                    handler = sleeper

                    def test(self) -> None:
                        self.execute()

                class NextTests(Case):
                    pass

                message = errors(tool()(Case))  # type: ignore[operator]
                self.assert_refused(message, name)
                where = f"by its decorator on {Case.__qualname__}."
                self.assertIn(f"It shows 2020-01-01 00:00:00, and was begun {where}", message)
                self.assertEqual(freezegun.api.freeze_factories, [])

                class FreshTests(DurableTestCase):
                    handler = sleeper
                    test = Case.test

                self.assertEqual(errors(FreshTests), "")
                self.assert_refused(errors(NextTests), name)
                self.assertEqual(errors(FreshTests), "")

    def test_a_class_that_is_refused_for_another_reason_ends_its_decorators_clock_too(self) -> None:
        @freeze_time("2020-01-01")
        class Case(DurableTestCase):
            start_time = None  # type: ignore[assignment]

            def test(self) -> None:
                raise AssertionError("not reached")

        self.assertIn("Case.start_time is None", errors(Case))
        self.assertEqual(freezegun.api.freeze_factories, [])

    def test_a_decorated_class_that_is_set_up_by_itself(self) -> None:
        @freeze_time("2020-01-01")
        class Case(DurableTestCase):
            handler = sleeper

            @classmethod
            def setUpClass(cls) -> None:
                pass

            def test(self) -> None:
                self.execute()

        message = errors(Case)
        self.assert_refused(message, "freezegun's freeze_time")
        self.assertIn(f"was begun by its decorator on {Case.__qualname__}.", message)

    def test_a_decorated_test_method_is_named(self) -> None:
        for name, tool in self.TOOLS.items():
            with self.subTest(name):

                class Case(DurableTestCase):
                    handler = sleeper

                    @tool()  # type: ignore[operator,untyped-decorator]
                    def test(self) -> None:
                        self.execute()

                message = errors(Case)
                self.assert_refused(message, name)
                self.assertIn(f"was begun by its decorator on {Case.__qualname__}.test. Leave", message)

    def test_one_that_was_begun_before_is_told_with_what_it_shows(self) -> None:
        class Case(DurableTestCase):
            handler = sleeper

            def test(self) -> None:
                raise AssertionError("not reached")

        for tool in self.TOOLS.values():
            with tool():
                self.assertIn("It shows 2020-01-01 00:00:00, and was begun before virtual time was", errors(Case))

    def test_one_that_is_left_active_is_an_error_of_the_tests_that_follow(self) -> None:
        class Case(DurableTestCase):
            handler = sleeper

            def test_1_leaves_it_active(self) -> None:
                freeze_time("2020-01-01").start()

            def test_2_finds_it(self) -> None:
                raise AssertionError("not reached")

        before = datetime.now(UTC)
        message = errors(Case)
        self.assert_refused(message, "freezegun's freeze_time")
        self.assertIn("it was not stopped again", message)
        self.assertRegex(message, rf"was begun in \S+\.test_1_leaves_it_active \({re.escape(__file__)}, line \d+\)")
        self.assertEqual(freezegun.api.freeze_factories, [])
        self.assertNotIn("not reached", message)
        self.assertLess(abs(datetime.now(UTC) - before), timedelta(minutes=1))

    def test_one_that_is_started_inside_a_test(self) -> None:
        for name, tool in self.TOOLS.items():
            with self.subTest(name):
                self.one_that_is_started_inside_a_test(name, tool)

    def one_that_is_started_inside_a_test(self, name: str, tool: Callable[[], AbstractContextManager[Any]]) -> None:
        class Case(DurableTestCase):
            handler = sleeper
            foreign = staticmethod(tool)

            def test_around_execute(self) -> None:
                with self.foreign():
                    self.execute()

            def test_around_result(self) -> None:
                execution = self.start()
                with self.foreign():
                    execution.result()

            def test_around_advance(self) -> None:
                execution = self.start()
                with self.foreign():
                    execution.advance(timedelta(hours=1))

            def test_that_comes_next(self) -> None:
                self.execute()
                self.assertExecution().succeeded("2026-01-01T01:00:00+00:00")

        result = run(Case)
        self.assertEqual(len(result.errors), 3, result.errors)
        self.assertEqual(result.failures, [])
        for _, message in result.errors:
            self.assert_refused(message, name)

    def test_one_that_a_handler_leaves_active(self) -> None:
        @durable_execution
        def careless(event: Any, context: DurableContext) -> None:
            context.step(lambda _: freeze_time("2020-01-01").start() and None)
            context.wait(Duration.from_hours(1))

        class Case(DurableTestCase):
            handler = careless

            def test(self) -> None:
                self.execute()

        self.assert_refused(errors(Case), "freezegun's freeze_time")

    def test_one_that_a_step_starts_and_stops_again_is_the_steps_own(self) -> None:
        @durable_execution
        def careful(event: Any, context: DurableContext) -> str:
            def step(_: Any) -> str:
                with freeze_time("2020-01-01"):
                    return f"{datetime.now(UTC):%Y}"

            year = context.step(step)
            context.wait(Duration.from_hours(1))
            return f"{year} {datetime.now(UTC):%Y}"

        class Case(DurableTestCase):
            handler = careful

            def test(self) -> None:
                self.execute()
                self.assertExecution().succeeded("2020 2026")

        self.assertEqual(errors(Case), "")


class RealClocksOfTestRunnersTests(DurableTestCase):
    handler = sleeper

    # Subclasses run this test with another clock, which hypothesis takes for another executor.
    @settings(max_examples=5, deadline=2000, database=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers())
    def test_a_deadline_of_hypothesis_is_kept(self, number: int) -> None:
        self.execute(number)

    def test_a_deadline_of_hypothesis_is_real_time(self) -> None:
        @settings(max_examples=1, deadline=20, database=None)
        @given(st.none())
        def slow(_: None) -> None:
            Event().wait(0.05)

        with self.assertRaises(DeadlineExceeded):
            slow()


SUITE = """
import threading
from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import Duration
from durabletest import DurableTestCase

@durable_execution
def sleeper(event, context):
    context.wait(Duration.from_hours(5))

class Sleeping(DurableTestCase):
    handler = sleeper

    def test(self):
        self.execute()
        threading.Event().wait(EVENT)
"""


class DurationTests(ProcessTestCase):
    @classmethod
    def start_processes(cls) -> Mapping[str, StartedSuite]:
        options = ("-q", "-p", "no:cacheprovider", "--durations=0", "--durations-min=0.01")
        return {
            "pytest": StartedSuite("pytest", *options, suite=SUITE.replace("EVENT", "0.02")),
            "unittest": StartedSuite("unittest", "test_suite", suite=SUITE.replace("EVENT", "0.02")),
        }

    def test_pytest_reports_real_durations(self) -> None:
        done = self.ended("pytest")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\d\d?\.\d\ds call +test_suite\.py::Sleeping::test")

    def test_unittest_reports_real_durations(self) -> None:
        done = self.ended("unittest")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stderr, r"Ran 1 test in \d\d?\.\d\d\ds")
