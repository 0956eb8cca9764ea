"""The recording of a suite in each mode, and the comparison of two recordings."""

from __future__ import annotations

import os
import sys
import types
import unittest
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest import DurableTestCase, local_only
from durabletest.configuration import Mode
from durabletest.model.comparison import Canonical
from durabletest.parity import Comparison, Parity, Recording, compare, in_mode, record


@durable_execution
def double(event: int, context: DurableContext) -> int:
    return context.step(lambda _: event * 2, name="double")


def twice(test: DurableTestCase) -> None:
    test.assertEqual(test.execute(1).get_result(), 2)


STEP = {"name": "double", "type": "STEP", "sub_type": "Step", "status": "SUCCEEDED", "attempts": 1, "result": 2}
DOUBLED = {"status": "SUCCEEDED", "input": 1, "result": 2, "operations": [STEP]}


class Suites:
    """Classes inside of a class are not collected."""

    class Doubling(DurableTestCase):
        handler = double

        def test_twice(self) -> None:
            self.assertEqual([self.execute(number).get_result() for number in (1, 2)], [2, 4])

        def test_wrong(self) -> None:
            self.execute(1)
            self.assertExecution().succeeded(3)

        def test_wrong_in_a_subtest(self) -> None:
            with self.subTest("first"):
                self.fail("one")
            with self.subTest("second"):
                self.fail("two")

        def test_broken(self) -> None:
            raise ZeroDivisionError("nothing divides")

        @unittest.expectedFailure
        def test_unexpected_success(self) -> None:
            self.execute(1)
            self.assertExecution().succeeded(2)

        def test_left_out(self) -> None:
            self.skipTest("not today")

    class Broken(DurableTestCase):
        handler = double

        @classmethod
        def setUpClass(cls) -> None:
            raise ConnectionError("no database")

        def test_never(self) -> None:
            raise AssertionError("this is never run")

    @local_only
    class Local(DurableTestCase):
        handler = double

        def test_here(self) -> None:
            self.execute(1)


def recordings(cls: type[DurableTestCase], mode: Mode = Mode.LOCAL) -> dict[str, Recording]:
    tests: Any = list(unittest.defaultTestLoader.loadTestsFromTestCase(cls))
    return {test_id.rpartition(".")[2]: recording for test_id, recording in record(tests, mode).items()}


class RecordingTests(unittest.TestCase):
    def test_executions_and_outcomes(self) -> None:
        found = recordings(Suites.Doubling)
        self.assertEqual([execution["result"] for execution in found["test_twice"].executions], [2, 4])
        self.assertEqual((found["test_twice"].failure, found["test_twice"].skipped), (None, None))
        self.assertRegex(
            found["test_wrong"].failure or "", "(?s)^AssertionError: execution 'execution-1'\nExpected: .*3"
        )
        self.assertEqual(len(found["test_wrong"].executions), 1)
        self.assertEqual(found["test_wrong_in_a_subtest"].failure, "AssertionError: one")
        self.assertEqual(found["test_broken"].failure, "ZeroDivisionError: nothing divides")
        self.assertEqual(found["test_unexpected_success"].failure, "it was expected to fail, and has succeeded")
        self.assertEqual(found["test_left_out"], Recording(skipped="not today"))

    def test_what_becomes_of_a_class_becomes_of_its_tests(self) -> None:
        self.assertEqual(
            recordings(Suites.Broken), {"test_never": Recording(failure="setUpClass: ConnectionError: no database")}
        )
        self.assertEqual(
            recordings(Suites.Local, Mode.CLOUD),
            {"test_here": Recording(skipped="local only: DURABLETEST_MODE or the class says cloud")},
        )

    def test_what_becomes_of_a_module_becomes_of_its_tests(self) -> None:
        def fail() -> None:
            raise ConnectionError("no database")

        def skip() -> None:
            raise unittest.SkipTest("not today")

        for fixture, function, outcome in (
            ("setUpModule", fail, Recording(failure="setUpModule: ConnectionError: no database")),
            ("setUpModule", skip, Recording(skipped="not today")),
            ("tearDownModule", fail, Recording([DOUBLED], failure="tearDownModule: ConnectionError: no database")),
        ):
            module = types.ModuleType("tests.parity.fixtures")
            cls = type(
                "Doubling", (DurableTestCase,), {"__module__": module.__name__, "handler": double, "test": twice}
            )
            setattr(module, fixture, function)
            with self.subTest(fixture), mock.patch.dict(sys.modules, {module.__name__: module}):
                self.assertEqual(recordings(cls), {"test": outcome})

    def test_a_class_that_does_not_clean_up_has_failed(self) -> None:
        class Untidy(DurableTestCase):
            handler = double
            test = twice

            @classmethod
            def tearDownClass(cls) -> None:
                raise ConnectionError("no database")

        failure = "tearDownClass: ConnectionError: no database"
        self.assertEqual(recordings(Untidy), {"test": Recording([DOUBLED], failure=failure)})

    def test_the_mode_is_given_back(self) -> None:
        before = os.environ.get("DURABLETEST_MODE")
        with mock.patch.dict(os.environ):
            os.environ.pop("DURABLETEST_MODE", None)
            with in_mode(Mode.CLOUD):
                self.assertEqual(os.environ["DURABLETEST_MODE"], "cloud")
            self.assertNotIn("DURABLETEST_MODE", os.environ)
        with in_mode(Mode.CLOUD), in_mode(Mode.LOCAL):
            self.assertEqual(os.environ["DURABLETEST_MODE"], "local")
        self.assertEqual(os.environ.get("DURABLETEST_MODE"), before)


def run(**charge: Any) -> Canonical:
    """An execution with one step."""
    step = {"name": "charge", "type": "STEP", "sub_type": "Step", "status": "SUCCEEDED", "attempts": 1, **charge}
    return {"status": "SUCCEEDED", "operations": [step]}


class ComparisonTests(unittest.TestCase):
    def assertVerdict(self, local: Recording, cloud: Recording, verdict: Parity, *because: str) -> None:
        self.assertEqual(compare("a test", local, cloud), Comparison("a test", verdict, list(because)))

    def test_equal_executions_agree(self) -> None:
        self.assertVerdict(Recording([run()]), Recording([run()]), Parity.AGREES)

    def test_what_the_cloud_does_instead(self) -> None:
        self.assertVerdict(
            Recording([run(attempts=3)]),
            Recording([run(attempts=2)]),
            Parity.DIFFERS,
            "step 'charge': attempts: 2 instead of 3",
        )

    def test_of_several_executions_it_is_said_which(self) -> None:
        self.assertVerdict(
            Recording([run(), run()]),
            Recording([run(), run(status="FAILED")]),
            Parity.DIFFERS,
            "execution 2: step 'charge': status: FAILED instead of SUCCEEDED",
        )

    def test_more_or_fewer_executions(self) -> None:
        self.assertVerdict(
            Recording([run()]), Recording([run(), run()]), Parity.DIFFERS, "2 executions in the cloud instead of 1"
        )

    def test_what_is_handed_to_an_invoked_function_counts(self) -> None:
        self.assertVerdict(
            Recording([run(input={"order": 42})]),
            Recording([run(input={"order": 43})]),
            Parity.DIFFERS,
            "step 'charge': input['order']: 43 instead of 42",
        )

    def test_every_fact_but_the_functions_name_counts(self) -> None:
        facts = {"type": "WAIT", "sub_type": "Map", "status": "FAILED", "attempts": 2, "seconds": 5, "timeout": 5}
        facts |= {"heartbeat_timeout": 5, "input": 1, "result": 1, "error": {"type": "E"}}
        facts |= {"operations": run()["operations"]}
        for name, value in facts.items():
            with self.subTest(name):
                comparison = compare("a test", Recording([run()]), Recording([run(**{name: value})]))
                self.assertIs(comparison.verdict, Parity.DIFFERS)

    def test_the_names_of_deployed_functions_do_not_count(self) -> None:
        self.assertVerdict(Recording([run(function="a")]), Recording([run(function="b")]), Parity.AGREES)

    def test_a_test_that_fails_is_not_compared(self) -> None:
        self.assertVerdict(
            Recording([run()], failure="AssertionError: no"),
            Recording([run()], failure="ValueError: oh"),
            Parity.FAILED,
            "failed locally: AssertionError: no",
            "failed in the cloud: ValueError: oh",
        )

    def test_a_test_that_is_skipped_is_not_compared(self) -> None:
        self.assertVerdict(
            Recording([run()]),
            Recording(skipped="local only"),
            Parity.NOT_COMPARED,
            "skipped in the cloud: local only",
        )

    def test_a_test_without_executions(self) -> None:
        self.assertVerdict(Recording(), Recording(), Parity.NOT_COMPARED, "it starts no execution")
