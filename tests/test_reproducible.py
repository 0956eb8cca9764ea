"""Two runs of a sequential workflow give equal histories, byte for byte."""

from __future__ import annotations

import json
import unittest
from datetime import datetime
from typing import Any

from durabletest import DurableTestCase, LocalDurableTestRunner, TestResult
from tests.acceptance.workflows import double, everything
from tests.subprocesses import Started


def text(result: TestResult) -> bytes:
    """The history as JSON, keys in the order in which they were recorded."""

    def moment(value: Any) -> str:
        if not isinstance(value, datetime) or type(value).__name__ != "datetime":
            raise TypeError(f"{value!r} in a history")
        return value.isoformat()

    return json.dumps(result.history, default=moment).encode()


def one_run() -> bytes:
    with LocalDurableTestRunner(everything, functions={"double": double}) as runner:
        runner.on_callback("callback").succeed("yes")
        return text(runner.run({"order": 42}))


class ReproducibleTests(unittest.TestCase):
    maxDiff = None

    def test_in_two_runners(self) -> None:
        first = one_run()
        self.assertIn(b"ChainedInvokeSucceeded", first)
        self.assertEqual(one_run(), first)

    def test_in_one_environment(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        self.assertEqual(one_run(), one_run())

    def test_in_two_processes_with_other_hashes(self) -> None:
        program = "import sys; from tests.test_reproducible import one_run; sys.stdout.buffer.write(one_run())"
        processes = [Started("-W", "error", "-c", program, PYTHONHASHSEED=seed) for seed in ("1", "2")]
        self.assertEqual([process.ended().stdout for process in processes], [one_run().decode()] * 2)


class InTestCasesTests(DurableTestCase):
    """Each test begins anew, whatever the test before it did."""

    handler = everything
    functions = {"double": double}

    def the_same_as_ever(self) -> None:
        self.on_callback("callback").succeed("yes")
        histories.add(text(self.execute({"order": 42})))
        self.assertEqual(len(histories), 1)

    def test_first(self) -> None:
        self.the_same_as_ever()

    def test_something_else_in_between(self) -> None:
        execution = self.start()
        execution.operation("callback").wait_for_data().result(timeout=5)
        execution.stop()

    def test_the_third(self) -> None:
        self.the_same_as_ever()


histories: set[bytes] = set()
"""What the tests of the class above have seen."""
