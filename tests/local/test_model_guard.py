"""The guard that holds every answer and event against the service model: what is wrong fails a test."""

from __future__ import annotations

import io
import re
import unittest
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

import tests
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.journal import Journal
from tests.cloud.test_examples import example_suites
from tests.local.model_guard import API_OPERATIONS, Guard
from tests.local.server.harness import Harness
from tests.local.server.test_requests import Prepared
from tests.subprocesses import FreshSuite, ProcessTestCase, Started

SUITE = """
import unittest
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase
from durabletest.local.server.operation_changes import OperationChanges

def start_step(self, operation, update):
    return {}, {"Colour": "red"}

OperationChanges.start_step.__code__ = start_step.__code__

@durable_execution
def one_step(event, context):
    return context.step(lambda _: 1, name="one")

@durable_execution
def nothing(event, context):
    return 1

class Wrong(DurableTestCase):
    handler = one_step
    def test_wrong(self):
        self.execute()

class Right(DurableTestCase):
    handler = nothing
    def test_right(self):
        self.execute()
        self.assertExecution().succeeded(1)
"""
"""A server that records something wrong, which the SDK takes for a refusal; the test itself asserts nothing."""


def run(test: unittest.TestCase) -> list[str]:
    """Run a test under the guard of this process, and give the messages of its failures; they are not ours."""
    guard, result = tests.MODEL_GUARD, unittest.TestResult()
    before = list(guard.found)
    test.run(result)
    guard.found[:] = before
    return [text for _, text in result.failures + result.errors]


class WatchedTests(unittest.TestCase):
    """A guard of its own watches copies of the classes, so that nothing is left behind."""

    def setUp(self) -> None:
        self.guard = Guard()

    def watched(self, api_operation: str, method: str, answer: Any) -> Any:
        class Server:
            pass

        setattr(Server, method, lambda _self, **_request: answer())
        self.guard.watch_api(Server, api_operation)
        return getattr(Server(), method)

    def assert_objected(self, says: str) -> None:
        self.assertEqual(len(self.guard.found), 1)
        self.assertRegex(self.guard.found[0], says)

    def test_a_right_answer_passes(self) -> None:
        self.watched("StopDurableExecution", "stop_durable_execution", lambda: {"StopTimestamp": 1})()
        self.assertEqual(self.guard.found, [])

    def test_an_answer_with_something_more_or_less_does_not(self) -> None:
        for answer, says in [
            ({}, 'Missing required parameter.*"StopTimestamp"'),
            ({"StopTimestamp": 1, "x": 2}, '"x"'),
        ]:
            self.guard.found.clear()
            with self.assertRaisesRegex(AssertionError, says):
                self.watched("StopDurableExecution", "stop_durable_execution", lambda answer=answer: answer)()
            self.assert_objected(says)

    def test_nor_an_exception_that_is_no_error_of_the_operation(self) -> None:
        def refuse(error: BaseException) -> Any:
            raise error

        foreign = ClientError({"Error": {"Code": "CallbackTimeoutException"}}, "StopDurableExecution")
        for error, says in [(KeyError("x"), "no error of the API"), (foreign, "CallbackTimeoutException is none of")]:
            self.guard.found.clear()
            with self.assertRaisesRegex(AssertionError, says):
                self.watched("StopDurableExecution", "stop_durable_execution", lambda error=error: refuse(error))()
            self.assert_objected(says)

    def test_nor_an_event_or_a_state_of_another_shape(self) -> None:
        class Server:
            def begin_invocation(self, **_request: Any) -> Any:
                state = {"Operations": [{"Id": "s", "Type": "STEP", "StartTimestamp": 1}]}
                return {"DurableExecutionArn": "order-1", "CheckpointToken": "dG9rZW4=", "InitialExecutionState": state}

        self.guard.watch_invocations(Server)
        with self.assertRaisesRegex(AssertionError, 'Missing required parameter in Operations.*"Status"'):
            Server().begin_invocation(arn="order-1")
        self.assert_objected("the state in an invocation's event .* is 'order-1': it must match arn")

    def test_every_operation_of_the_api_is_watched_and_so_are_events_and_invocations(self) -> None:
        for api_operation in API_OPERATIONS:
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", api_operation).lower()
            self.assertTrue(hasattr(getattr(CheckpointServer, name), "__wrapped__"), name)
        for watched in (Journal.record, CheckpointServer.begin_invocation, unittest.TestCase.run):
            self.assertTrue(hasattr(watched, "__wrapped__"), watched)

    def test_all_api_operations_can_be_asked_for_in_the_tests(self) -> None:
        self.assertEqual(set(Prepared().requests), set(API_OPERATIONS))


class FailingTests(unittest.TestCase):
    def test_a_wrong_event_fails_the_test_even_if_the_error_is_swallowed(self) -> None:
        class Swallowing(unittest.TestCase):
            def runTest(self) -> None:
                execution = Harness().start()
                checkpoints = execution.harness.server._executions.get(execution.arn).checkpoints
                with suppress(AssertionError):
                    checkpoints.journal.record("StepStarted", {"Colour": "red"})

        (message,) = run(Swallowing())
        self.assertIn("is not what the service model says", message)
        self.assertIn('Unknown parameter in StepStartedDetails: "Colour"', message)

    def test_a_test_without_findings_passes(self) -> None:
        class Quiet(unittest.TestCase):
            def runTest(self) -> None:
                Harness().start()

        self.assertEqual(run(Quiet()), [])


class OtherProcessTests(ProcessTestCase):
    @classmethod
    def start_processes(cls) -> Mapping[str, Started]:
        return {
            "unittest": FreshSuite("unittest", suite=SUITE),
            "pytest": FreshSuite("pytest", "-q", "-p", "no:cacheprovider", suite=SUITE),
            "found late": Started("-c", "import tests; tests.MODEL_GUARD.found.append('found late')"),
        }

    def test_it_watches_in_processes_that_tests_start_and_under_every_runner(self) -> None:
        for command in ("unittest", "pytest"):
            with self.subTest(command):
                done = self.ended(command)
                self.assertNotEqual(done.returncode, 0)
                printed = done.stdout + done.stderr
                self.assertIn('Unknown parameter in StepStartedDetails: "Colour"', printed)
                self.assertRegex(printed, r"FAILED \(failures=1\)|1 failed, 1 passed")

    def test_what_no_test_was_told_ends_the_process_with_a_failure(self) -> None:
        done = self.ended("found late")
        self.assertIn("found outside of tests:\nfound late\n", done.stderr)
        self.assertEqual(done.returncode, 1)


class ExampleTests(unittest.TestCase):
    def test_the_example_suites_run_under_the_guard_too(self) -> None:
        with example_suites() as suites:
            loaded = [unittest.defaultTestLoader.loadTestsFromTestCase(suite) for suite in suites]
            result = unittest.TextTestRunner(io.StringIO()).run(unittest.TestSuite(loaded))
        self.assertGreater(result.testsRun, 10)
        self.assertEqual(result.failures + result.errors, [])


if __name__ == "__main__":
    unittest.main()
