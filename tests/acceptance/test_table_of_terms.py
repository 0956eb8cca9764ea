"""What the words of the requirements stand for in this package."""

from __future__ import annotations

import unittest
from concurrent.futures import Future
from datetime import UTC, datetime

import durabletest
from durabletest import (
    DurableOperation,
    DurableTestCase,
    DurableTestError,
    ExecutionStatus,
    LocalDurableTestRunner,
    OperationStatus,
    TestResult,
)
from tests.acceptance.workflows import order

LATER = datetime(2030, 5, 1, tzinfo=UTC)


class RunnerTermsTests(unittest.TestCase):
    def test_the_process_wide_environment_is_set_up_by_static_methods_and_shared(self) -> None:
        LocalDurableTestRunner.setup_test_environment(skip_time=True, checkpoint_delay=None, start_time=LATER)
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        for _ in range(2):
            with LocalDurableTestRunner(order) as runner:
                self.assertEqual(runner.run({"order": 1}).get_invocations()[0].started_at, LATER)

    def test_statuses_are_those_of_the_service(self) -> None:
        words = "STARTED PENDING READY SUCCEEDED FAILED CANCELLED TIMED_OUT STOPPED"
        self.assertEqual([str(status) for status in OperationStatus], words.split())
        for word in ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"]:
            self.assertEqual(ExecutionStatus(word), word)

    def test_every_error_has_one_root_and_is_public(self) -> None:
        errors = [getattr(durabletest, name) for name in durabletest.__all__ if name.endswith("Error")]
        self.assertGreater(len(errors), 20)
        for error in errors:
            self.assertTrue(issubclass(error, DurableTestError), error)

    def test_classes_whose_names_begin_with_test_are_not_collected(self) -> None:
        named = [getattr(durabletest, name) for name in durabletest.__all__ if name.startswith("Test")]
        self.assertEqual(named, [TestResult])
        self.assertIs(TestResult.__test__, False)


class TestCaseTermsTests(DurableTestCase):
    """The test case sets the environment up for its class, and owns a runner for each test."""

    handler = order
    start_time = LATER

    def test_execute_is_what_the_requirements_call_run(self) -> None:
        result = self.execute({"order": 1})
        self.assertIsInstance(result, TestResult)
        self.assertEqual(self.runner.get_operation("charge"), result.get_operation("charge"))
        self.assertEqual(result.get_invocations()[0].started_at, LATER)

    def test_a_future_is_one_of_concurrent_futures(self) -> None:
        future = self.start({"order": 1}).operation("ship").wait_for_data()
        self.assertIsInstance(future, Future)
        self.assertIsInstance(future.result(timeout=5), DurableOperation)

    def test_the_error_of_a_success_is_none(self) -> None:
        self.assertIsNone(self.execute({"order": 1}).get_error())
