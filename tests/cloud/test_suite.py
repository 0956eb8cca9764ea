"""Test case classes in the cloud: the same class, another mode."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest import (
    CloudDurableTestRunner,
    CloudServiceError,
    DurableTest,
    DurableTestCase,
    NotAvailableError,
    UsageError,
    local_only,
)
from durabletest.cloud.execution import CloudExecution
from durabletest.coverage import Coverage
from tests.cloud import suites
from tests.cloud.workflows import approval, forgotten, order, parent
from tests.endpoint import faults
from tests.endpoint.case import POLL_INTERVAL, EndpointTestCase
from tests.test_coverage import covered


def outcome(cls: type[DurableTestCase], *names: str) -> unittest.TestResult:
    """Run the tests of a class as unittest does, with its class fixtures."""
    result = unittest.TestResult()
    unittest.TestSuite([cls(name) for name in names or ("runTest",)]).run(result)
    return result


class SuiteTestCase(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders-staging", order)
        cls.endpoint.deploy("forgotten", forgotten)
        cls.endpoint.deploy("approval", approval)

    def setUp(self) -> None:
        super().setUp()
        self.set(DURABLETEST_MODE="cloud", DURABLETEST_FUNCTION_NAMES=json.dumps({"orders": "orders-staging:live"}))

    def set(self, **variables: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, variables))

    def assertPasses(self, cls: type[DurableTestCase], *names: str) -> None:
        result = outcome(cls, *names)
        self.assertEqual((result.errors, result.failures, result.skipped), ([], [], []))
        self.assertEqual(result.testsRun, max(len(names), 1))

    def assertConfigurationError(self, cls: type[DurableTestCase], message: str) -> None:
        result = outcome(cls)
        self.assertEqual(result.testsRun, 0)
        [(_, error)] = result.errors
        self.assertTrue(error.rstrip().endswith(f"ConfigurationError: {message}"), error)

    def skips(self, cls: type[DurableTestCase], *names: str) -> list[str]:
        """The reasons for which the tests are skipped, all of them."""
        result = outcome(cls, *names)
        self.assertEqual((result.errors, result.failures), ([], []))
        return [reason for _, reason in result.skipped]


class ModeTests(SuiteTestCase):
    def test_the_environment_variable_chooses_the_cloud(self) -> None:
        self.assertPasses(suites.Orders)
        [invoke] = self.endpoint.log.members("Invoke")
        self.assertEqual(invoke["FunctionName"], "orders-staging:live")

    def test_a_name_and_a_tenant_are_handed_on(self) -> None:
        class Named(suites.Orders):
            def runTest(self) -> None:
                self.execute({"order": 1}, name="order-1", tenant_id="acme")
                self.start({"order": 2}, name="order-2").result()

        self.assertPasses(Named)
        first, second = self.endpoint.log.members("Invoke")
        self.assertEqual((first["DurableExecutionName"], first["TenantId"]), ("order-1", "acme"))
        self.assertEqual((second["DurableExecutionName"], second.get("TenantId")), ("order-2", None))

    def test_the_class_says_how_executions_are_started(self) -> None:
        for expected in ("Event", "RequestResponse"):

            class Started(suites.Orders):
                invocation_type = expected

            self.assertPasses(Started)
            self.assertEqual(self.endpoint.log.members("Invoke")[-1]["InvocationType"], expected)

    def test_so_does_the_class(self) -> None:
        class InTheCloud(suites.Orders):
            mode = "cloud"

        self.set(DURABLETEST_MODE="")
        self.assertPasses(InTheCloud)
        self.assertEqual(self.endpoint.log.counts()["Invoke"], 1)

    def test_executions_carry_the_test_in_their_names(self) -> None:
        self.assertPasses(suites.Orders)
        [invoke] = self.endpoint.log.members("Invoke")
        self.assertRegex(invoke["DurableExecutionName"], r"^tests-cloud-suites-Orders-runTest-[0-9a-f]{12}$")

    def test_the_runner_is_one_for_the_cloud_and_each_test_has_its_own(self) -> None:
        seen: list[object] = []

        class Looking(suites.Orders):
            def test_one(self) -> None:
                seen.append(self.runner)
                self.execute({"order": 1})
                self.assertExecution().succeeded()

            test_two = test_one

        self.assertPasses(Looking, "test_one", "test_two")
        self.assertEqual([type(runner) for runner in seen], [CloudDurableTestRunner] * 2)
        self.assertIsNot(*seen)

    def test_a_test_that_leaves_an_execution_running_leaves_none(self) -> None:
        class Leaving(suites.Orders):
            function_name = "forgotten:live"

            def test_start(self) -> None:
                self.start().operation("approval").wait_for_data().result(timeout=20)

        self.assertPasses(Leaving, "test_start")
        self.assertEqual(self.endpoint.running(), [])

    def test_an_interrupted_test_stops_its_execution(self) -> None:
        class Forgotten(suites.Orders):
            function_name = "forgotten:live"

        self.endpoint.faults.add("GetDurableExecutionHistory", faults.interrupting, skip=2)
        with self.assertRaises(KeyboardInterrupt):
            outcome(Forgotten)
        self.assertEqual(self.endpoint.running(), [])

    def test_the_time_is_the_real_one(self) -> None:
        class Telling(suites.Orders):
            def test_now(self) -> None:
                with tempfile.NamedTemporaryFile() as file:
                    really = datetime.fromtimestamp(Path(file.name).stat().st_mtime, UTC)
                self.assertLess(abs(self.now - really), timedelta(minutes=1))

        self.assertPasses(Telling, "test_now")


class NameTests(SuiteTestCase):
    def test_a_name_that_is_not_mapped_is_the_deployed_one(self) -> None:
        class Deployed(suites.Orders):
            function_name = "orders-staging:live"

        self.assertPasses(Deployed)

    def test_without_a_name_the_handlers_is_taken(self) -> None:
        class Nameless(suites.Orders):
            function_name = None

        self.set(DURABLETEST_FUNCTION_NAMES='{"order": "orders-staging:live"}')
        self.assertPasses(Nameless)

    def test_a_handler_that_does_not_know_its_name_is_found_in_the_module_of_the_class(self) -> None:
        anonymous: Any = lambda event, context: None  # noqa: E731 - as version 2 of the SDK wraps handlers

        class Nameless(suites.Orders):
            function_name = None
            handler = anonymous

        self.enterContext(mock.patch.dict(vars(sys.modules[__name__]), checkout=anonymous))
        self.set(DURABLETEST_FUNCTION_NAMES='{"checkout": "orders-staging:live"}')
        self.assertPasses(Nameless)

    def test_no_name_at_all(self) -> None:
        class Nameless(suites.Orders):
            function_name = None

        self.assertConfigurationError(
            Nameless,
            f"{Nameless.__qualname__} has no function_name, so nothing can be invoked in the cloud: write "
            'function_name = \'orders:live\', or set DURABLETEST_FUNCTION_NAMES={"order": "orders:live"}',
        )

    def test_a_name_that_is_none(self) -> None:
        class Odd(suites.Orders):
            function_name = 7  # type: ignore[assignment]

        self.assertConfigurationError(
            Odd,
            f"{Odd.__qualname__}.function_name is 7: give a function's name, like 'orders' or 'orders:live', or its "
            "ARN",
        )

    def test_names_that_are_no_json(self) -> None:
        self.set(DURABLETEST_FUNCTION_NAMES="orders=orders-staging")
        self.assertConfigurationError(
            suites.Orders,
            "the environment variable DURABLETEST_FUNCTION_NAMES is no JSON (Expecting value: line 1 column 1 (char "
            '0)): write {"orders": "orders-staging:live"}',
        )

    def test_names_that_are_not_strings(self) -> None:
        self.set(DURABLETEST_FUNCTION_NAMES='{"orders": 1}')
        self.assertConfigurationError(
            suites.Orders,
            'the environment variable DURABLETEST_FUNCTION_NAMES is {"orders": 1}: write an object of strings, '
            '{"orders": "orders-staging:live"}',
        )


class SettingTests(SuiteTestCase):
    def test_values_that_mean_nothing(self) -> None:
        for attribute, value, rest in (
            ("cloud", "lenient", "'lenient': write 'skip' or 'strict'"),
            ("cloud_timeout", 0, "0: give a timedelta, or a positive number of seconds"),
            ("poll_interval", "fast", "'fast': give a timedelta, or a positive number of seconds"),
        ):
            with self.subTest(attribute):
                cls = type("Odd", (suites.Orders,), {attribute: value})
                self.assertConfigurationError(cls, f"Odd.{attribute} is {rest}")

    def test_the_poll_interval_of_the_environment_wins(self) -> None:
        class Slow(suites.Orders):
            poll_interval = 3600.0

        self.set(DURABLETEST_POLL_INTERVAL=str(POLL_INTERVAL))
        self.assertPasses(Slow)

    def test_a_poll_interval_that_is_no_number(self) -> None:
        for value in ("fast", "-1"):
            self.set(DURABLETEST_POLL_INTERVAL=value)
            with self.subTest(value):
                result = outcome(suites.Orders)
                self.assertIn("the environment variable DURABLETEST_POLL_INTERVAL is ", result.errors[0][1])

    def test_the_cloud_timeout_bounds_a_test(self) -> None:
        class Forgotten(suites.Orders):
            function_name = "forgotten:live"
            cloud_timeout = 0.2

        [(_, error)] = outcome(Forgotten).errors
        self.assertRegex(error, "did not end within 0.2s, its cloud timeout, and was stopped")


class LocalFeaturesTests(SuiteTestCase):
    tests = (
        "test_advance",
        "test_register",
        "test_stub",
        "test_moment",
        "test_crashes",
        "test_side_effect",
        "test_checkpoints",
    )

    def test_they_skip_the_test_with_the_reason(self) -> None:
        reasons = self.skips(suites.Virtual, *self.tests)
        self.assertEqual(len(reasons), 7)
        beginnings = (
            "advance(datetime.timedelta(days=1)) moves virtual time",
            "<built-in function print> cannot be registered",
            "stub_step('charge') is local",
            "ended_at(datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)) needs virtual time",
            "faults cannot be put into what is deployed",
            "faults cannot be put into what is deployed",
            "stub_checkpoints() is local",
        )
        for reason, beginning in zip(reasons, beginnings, strict=True):
            self.assertTrue(reason.startswith(beginning), reason)

    def test_in_a_strict_class_they_are_errors(self) -> None:
        class Strict(suites.Virtual):
            cloud = "strict"

        result = outcome(Strict, *self.tests)
        self.assertEqual(result.skipped, [])
        self.assertEqual(len(result.errors), 7)
        for _, error in result.errors:
            self.assertIn(NotAvailableError.__name__, error)


class OnlyTests(SuiteTestCase):
    def test_methods(self) -> None:
        reasons = self.skips(suites.Marked, "test_local", "test_cloud")
        self.assertEqual(reasons, ["local only: DURABLETEST_MODE or the class says cloud"])
        self.assertEqual(self.endpoint.log.counts()["Invoke"], 1)

    def test_classes(self) -> None:
        @local_only
        class Local(suites.Orders):
            function_name = None

        self.assertEqual(self.skips(Local), ["local only: DURABLETEST_MODE or the class says cloud"])


class OnlyLocallyTests(unittest.TestCase):
    def test_methods(self) -> None:
        with mock.patch.dict(os.environ, DURABLETEST_MODE="local"):
            result = outcome(suites.Marked, "test_local", "test_cloud")
        self.assertEqual((result.errors, result.failures), ([], []))
        reasons = [reason for _, reason in result.skipped]
        self.assertEqual(reasons, ["cloud only: DURABLETEST_MODE or the class says local"])

    def test_a_test_that_was_skipped_is_so_for_that_run_only(self) -> None:
        test, result = suites.Marked("test_cloud"), unittest.TestResult()
        with mock.patch.dict(os.environ, DURABLETEST_MODE="local"):
            test.run(result)
        self.assertEqual(len(result.skipped), 1)
        self.assertNotIn("test_cloud", vars(test))
        self.assertFalse(hasattr(test.test_cloud, "__unittest_skip__"))

    def test_on_another_class_it_is_a_mistake(self) -> None:
        with self.assertRaises(UsageError) as caught:
            local_only(unittest.TestCase)
        self.assertEqual(
            str(caught.exception),
            "@local_only on TestCase: it means nothing but on a DurableTestCase and its methods, "
            "and on test functions of pytest",
        )


class CoverageTests(SuiteTestCase):
    """Outcomes of deployed functions, under the name that the class gives them."""

    def test_of_a_suite(self) -> None:
        class Approvals(suites.Orders):
            function_name = "approval:live"

            def runTest(self) -> None:
                self.on_callback("approval").succeed("yes")
                self.execute()

        coverage = Coverage()
        with covered(coverage):
            self.assertPasses(suites.Orders)
            self.assertPasses(Approvals)
        self.assertEqual([workflow for _, workflow in coverage.executions], ["orders", "approval"])
        outcomes = {place.path: dict(seen.outcomes) for place, seen in coverage.workflows()["orders"].items()}
        self.assertEqual(outcomes["reserve"], {"succeeded": 1, "replayed": 1})
        self.assertEqual(outcomes["pack"], {"succeeded": 1})
        self.assertIn("callback 'approval' has a timeout that never passed", [goal.gap for goal in coverage.gaps()])

    def test_what_was_invoked_and_a_reset(self) -> None:
        self.endpoint.deploy("parent", parent, durable_functions={"child": order})
        coverage = Coverage()
        with covered(coverage), self.new_runner("parent:live") as runner:
            runner.run({"order": 1})
            runner.reset()
            runner.run({"order": 2})
        self.assertEqual(coverage.executions, {("", "parent"): 2, ("", "child"): 2})

    def test_what_cannot_be_read_is_told(self) -> None:
        coverage = Coverage()
        with covered(coverage), self.new_runner("orders-staging:live") as runner:
            runner.run({"order": 1})
            with mock.patch.object(CloudExecution, "history", side_effect=CloudServiceError("gone")):
                runner.close()
        self.assertEqual(coverage.not_counted(), ["Not counted (outside of tests): CloudServiceError: gone"])


class FailureTests(SuiteTestCase):
    def test_a_failure_tells_where_to_look(self) -> None:
        class Failing(suites.Orders):
            def runTest(self) -> None:
                self.execute({"order": 42})
                self.assertExecution().succeeded({"parcel": "parcel 43"})

        [(_, failure)] = outcome(Failing).failures
        self.assertIn("result['parcel'] == 'parcel 43'", failure)
        self.assertRegex(
            failure,
            r"\nExecution: arn:aws:lambda:us-east-1:\d{12}:function:orders-staging:\$LATEST/durable-execution/\S+\n"
            r"Console:   https://us-east-1\.console\.aws\.amazon\.com/lambda/home\?region=us-east-1"
            r"#/functions/orders-staging\?tab=durableExecutions\n$",
        )

    def test_it_has_a_page_too(self) -> None:
        class Failing(suites.Orders):
            def runTest(self) -> None:
                self.execute({"order": 42})
                self.assertExecution().failed()

        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.set(DURABLETEST_REPORT=folder)
        outcome(Failing)
        [file] = Path(folder).glob("*Failing*.html")
        page = file.read_text(encoding="utf-8")
        for text in (
            "but: SUCCEEDED",
            "StepSucceeded",
            "parcel 42",
            "what a deployed function logs is in CloudWatch",
        ):
            self.assertIn(text, page)

    def test_it_is_told_once(self) -> None:
        class Failing(suites.Orders):
            function_name = "forgotten:live"
            cloud_timeout = 0.2

        [(_, error)] = outcome(Failing).errors
        self.assertEqual(error.count("Execution: arn:"), 1)

    def test_what_fails_before_an_execution_has_nowhere_to_look(self) -> None:
        class Failing(suites.Orders):
            def runTest(self) -> None:
                self.fail("at once")

        [(_, failure)] = outcome(Failing).failures
        self.assertNotIn("Execution:", failure)

    def test_what_cannot_be_stopped_is_the_error_of_its_test(self) -> None:

        class Leaving(suites.Orders):
            function_name = "forgotten:live"

            def runTest(self) -> None:
                self.start().operation("approval").wait_for_data().result(timeout=20)

        self.endpoint.faults.add("StopDurableExecution", faults.forbidden)
        [(_, error)] = outcome(Leaving).errors
        self.assertIn("these executions may still run, because they could not be stopped:", error)
        [arn] = self.endpoint.running()
        self.client.stop_durable_execution(DurableExecutionArn=arn)

    def test_a_script_that_nothing_came_to_fails_its_test(self) -> None:
        class Misspelling(suites.Orders):
            function_name = "approval:live"
            handler = approval

            def runTest(self) -> None:
                self.on_callback("aproval").never()
                self.on_callback("approval").succeed("yes")
                self.execute()

        [(_, failure)] = outcome(Misspelling).failures
        self.assertIn("on_callback('aproval') was never used: no callback has that name; did you mean", failure)

    def test_durations_are_lower_bounds(self) -> None:
        class Waiting(suites.Orders):
            function_name = "approval:live"
            handler = approval

            def runTest(self) -> None:
                self.on_callback("approval").succeed("yes", after=timedelta(hours=2))
                self.execute()
                self.assertOperation("approval").waited(hours=2)

        self.assertPasses(Waiting)


class WithoutTestCaseTests(SuiteTestCase):
    def test_a_durable_test_runs_there(self) -> None:
        with DurableTest(
            function_name="orders", poll_interval=POLL_INTERVAL, test_id="orders.py::test_parcel"
        ) as orders:
            result = orders.execute({"order": 42})
            orders.assertExecution().succeeded({"parcel": "parcel 42"})
        self.assertIn(":function:orders-staging:", result.arn)
        self.assertIn("/orders-py-test_parcel-", result.arn)

    def test_its_function_can_be_known_by_the_name_of_the_handler(self) -> None:
        self.set(DURABLETEST_FUNCTION_NAMES=json.dumps({"order": "orders-staging:live"}))
        with DurableTest(order, poll_interval=POLL_INTERVAL) as orders:
            orders.execute({"order": 42})
            orders.assertExecution().succeeded()

    def test_a_failure_says_where_to_look(self) -> None:
        with (
            self.assertRaises(AssertionError) as raised,
            DurableTest(function_name="orders", poll_interval=0.005) as orders,
        ):
            orders.execute({"order": 42})
            raise AssertionError("no")
        notes = "\n".join(raised.exception.__notes__)
        self.assertIn(f"Execution: {orders._durable_executions()[0].arn}", notes)
        self.assertIn("reserve", notes)

    def test_what_is_local_skips_it_or_is_an_error(self) -> None:
        with self.assertRaises(unittest.SkipTest), DurableTest(function_name="orders") as orders:
            orders.stub_step("charge")
        with (
            self.assertRaises(NotAvailableError) as raised,
            DurableTest(function_name="orders", cloud="strict") as orders,
        ):
            orders.stub_step("charge")
        self.assertNotIsInstance(raised.exception, unittest.SkipTest)

    def test_without_a_name_nothing_can_be_invoked(self) -> None:
        with self.assertRaisesRegex(
            UsageError, r"DurableTest\(\.\.\.\) has no function_name, so nothing can be invoked"
        ):
            DurableTest(order)
