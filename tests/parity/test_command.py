"""The command, as people type it."""

from __future__ import annotations

import configparser
import contextlib
import importlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

from durabletest.__main__ import main
from tests.endpoint.case import EndpointTestCase, environment
from tests.endpoint.server import CREDENTIALS
from tests.subprocesses import StartedModule

ROOT = Path(__file__).parents[2]
SUITE = """
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase, local_only

@durable_execution
def shop(event, context):
    return context.step(lambda _: event["order"], name="charge")

class ShopTests(DurableTestCase):
    handler = shop
    function_name = "shop"

    def test_an_order(self):
        self.assertEqual(self.execute({"order": 42}).get_status(), "SUCCEEDED")

    @local_only
    def test_of_time(self):
        self.execute({"order": 42})

    def test_the_receipt(self):
        self.assertEqual(self.execute({"order": 7}).get_result(), 7)
"""


@durable_execution
def same_shop(event: dict[str, Any], context: DurableContext) -> Any:
    return context.step(lambda _: event["order"], name="charge")


@durable_execution
def other_shop(event: dict[str, Any], context: DurableContext) -> Any:
    """Charges at the second attempt, waits a minute, and has the receipt as text."""
    at_once = RetryStrategyConfig(
        max_attempts=2, initial_delay=Duration.from_seconds(1), jitter_strategy=JitterStrategy.NONE
    )

    def charge(step: Any) -> Any:
        if step.attempt == 1:
            raise ConnectionError("the bank is busy")
        return event["order"]

    order = context.step(charge, name="charge", config=StepConfig(retry_strategy=create_retry_strategy(at_once)))
    context.wait(Duration.from_minutes(1), name="cool-down")
    return str(order)


@durable_execution
def slow_shop(event: dict[str, Any], context: DurableContext) -> Any:
    """Waits a minute with the order of one of the tests, which passes all the same."""
    charged = context.step(lambda _: event["order"], name="charge")
    if event["order"] == 7:
        context.wait(Duration.from_minutes(1), name="cool-down")
    return charged


class CommandTests(EndpointTestCase):
    def verify(self, handler: Any, suite: str = SUITE, module: str = "test_shop") -> subprocess.CompletedProcess[str]:
        self.endpoint.deploy("shop", handler)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        Path(folder, "test_shop.py").write_text(suite, encoding="utf-8")
        variables = {
            "DURABLETEST_FUNCTION_NAMES": '{"shop": "shop:live"}',
            "DURABLETEST_POLL_INTERVAL": "0.005",
        }
        return StartedModule("durabletest", "verify-parity", module, cwd=Path(folder), **variables).ended()

    def test_a_suite_that_does_the_same_in_both_modes(self) -> None:
        run = self.verify(same_shop)
        self.assertEqual(run.stderr, "")
        self.assertEqual(
            run.stdout,
            "Running 3 tests of test_shop locally, then in the cloud.\n"
            "test_shop.ShopTests.test_an_order: agrees\n"
            "test_shop.ShopTests.test_of_time: not compared\n"
            "    skipped in the cloud: local only: DURABLETEST_MODE or the class says cloud\n"
            "test_shop.ShopTests.test_the_receipt: agrees\n"
            "\n"
            "3 tests: 2 agree, 1 not compared.\n",
        )
        self.assertEqual(run.returncode, 0)
        self.assertEqual(self.endpoint.log.counts()["Invoke"], 2)

    def test_a_suite_whose_deployed_function_is_another_one(self) -> None:
        run = self.verify(other_shop)
        self.assertEqual(run.stderr, "")
        self.assertEqual(
            run.stdout,
            "Running 3 tests of test_shop locally, then in the cloud.\n"
            "test_shop.ShopTests.test_an_order: differs\n"
            "    execution: result: '42' instead of 42\n"
            "    step 'charge': attempts: 2 instead of 1\n"
            "    wait 'cool-down' is not expected: it is SUCCEEDED\n"
            "test_shop.ShopTests.test_of_time: not compared\n"
            "    skipped in the cloud: local only: DURABLETEST_MODE or the class says cloud\n"
            "test_shop.ShopTests.test_the_receipt: failed\n"
            "    failed in the cloud: AssertionError: '7' != 7\n"
            "\n"
            "3 tests: 1 differs, 1 failed, 1 not compared.\n",
        )
        self.assertEqual(run.returncode, 1)

    def test_a_suite_of_which_one_test_agrees_and_another_does_not(self) -> None:
        run = self.verify(slow_shop)
        self.assertEqual(run.stderr, "")
        self.assertRegex(run.stdout, r"test_an_order: agrees\n(.*\n)*test_shop.ShopTests.test_the_receipt: differs\n")
        self.assertTrue(run.stdout.endswith("\n3 tests: 1 agrees, 1 differs, 1 not compared.\n"), run.stdout)
        self.assertEqual(run.returncode, 1)

    def test_a_suite_of_which_nothing_can_be_compared(self) -> None:
        run = self.verify(same_shop, SUITE.replace("class ShopTests", "@local_only\nclass ShopTests"))
        self.assertEqual(run.stderr, "")
        self.assertTrue(run.stdout.endswith("\nNothing was compared: no test runs an execution in both modes.\n"))
        self.assertEqual(run.returncode, 1)

    def test_a_file_is_named_as_well(self) -> None:
        run = self.verify(same_shop, module="test_shop.py")
        self.assertEqual((run.returncode, run.stderr), (0, ""))


class UsageTests(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.enterContext(contextlib.chdir(self.folder))
        self.enterContext(mock.patch.object(sys, "path", [*sys.path]))
        self.enterContext(mock.patch.dict(sys.modules))
        self.enterContext(environment({**CREDENTIALS, "DURABLETEST_FUNCTION_NAMES": '{"shop": "shop:live"}'}))

    def assertUsage(self, message: str, *arguments: str) -> None:
        errors, output = io.StringIO(), io.StringIO()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(output):
            status = main(["verify-parity", *arguments])
        self.assertEqual((status, errors.getvalue(), output.getvalue()), (2, f"durabletest: {message}\n", ""))

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    def test_a_module_that_does_not_exist(self) -> None:
        self.write("test_shop_a.py", SUITE)
        self.assertUsage(
            f"there is no module 'test_shop', seen from {self.folder}; did you mean 'test_shop_a'?", "test_shop"
        )
        self.assertUsage(f"there is no module 'nowhere.tests', seen from {self.folder}", "nowhere.tests")

    def test_a_file_by_any_path(self) -> None:
        self.write("test_shop_g.py", "import unittest\n")
        for path in (self.folder / "test_shop_g.py", f"./../{self.folder.name}/test_shop_g.py"):
            self.assertUsage(
                "test_shop_g has no tests of a DurableTestCase: name the module with the test case classes whose "
                "handlers are deployed",
                str(path),
            )
        self.assertUsage(
            f"the file '../test_shop.py' is not below {self.folder}: go to the folder of its imports",
            "../test_shop.py",
        )

    def test_a_module_that_cannot_be_imported(self) -> None:
        self.write("test_shop_b.py", "import nowhere_at_all\n")
        self.assertUsage(
            "'test_shop_b' cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all' "
            f"({self.folder / 'test_shop_b.py'}, line 1)",
            "test_shop_b",
        )
        self.write("test_shop_c.py", "\n1 / 0\n")
        self.assertUsage(
            "'test_shop_c' cannot be imported: ZeroDivisionError: division by zero "
            f"({self.folder / 'test_shop_c.py'}, line 2)",
            "test_shop_c",
        )

    def test_a_module_without_a_durable_test_case(self) -> None:
        self.write("test_shop_d.py", "import unittest\nclass T(unittest.TestCase):\n    def test(self): pass\n")
        self.assertUsage(
            "test_shop_d has no tests of a DurableTestCase: name the module with the test case classes whose handlers "
            "are deployed",
            "test_shop_d",
        )

    def test_a_class_that_does_not_say_what_is_deployed(self) -> None:
        self.write("test_shop_e.py", SUITE.replace('    function_name = "shop"\n', ""))
        with mock.patch.dict(os.environ, DURABLETEST_FUNCTION_NAMES=""):
            self.assertUsage(
                "ShopTests has no function_name, so nothing can be invoked in the cloud: write function_name = "
                '\'orders:live\', or set DURABLETEST_FUNCTION_NAMES={"shop": "orders:live"}',
                "test_shop_e",
            )

    def test_no_region_and_no_credentials(self) -> None:
        self.write("test_shop_f.py", SUITE)
        with mock.patch.dict(os.environ):
            del os.environ["AWS_ACCESS_KEY_ID"]
            self.assertUsage(
                "there are no AWS credentials (Unable to locate credentials): set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary ones), or AWS_PROFILE to a profile of your "
                "AWS configuration, logged in",
                "test_shop_f",
            )
            del os.environ["AWS_DEFAULT_REGION"]
            self.assertUsage(
                "no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one", "test_shop_f"
            )

    def test_no_arguments(self) -> None:
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as caught:
            main([])
        self.assertEqual(caught.exception.code, 2)
        self.assertIn("durabletest: error: the following arguments are required: COMMAND", errors.getvalue())

    def test_the_console_script_is_this_command(self) -> None:
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg", encoding="utf-8")
        name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
        module, _, function = target.partition(":")
        self.assertEqual(name, "durabletest")
        self.assertIs(getattr(importlib.import_module(module), function), main)
