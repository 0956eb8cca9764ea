"""Under pytest, in a process of its own: nothing is printed for what passes, and ``caplog`` works."""

from __future__ import annotations

from collections.abc import Mapping

from tests.subprocesses import ProcessTestCase, StartedSuite

SUITE = """
import io
import logging

from aws_durable_execution_sdk_python import durable_execution
from aws_durable_execution_sdk_python.config import StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets
from durabletest import DurableTestCase, LocalDurableTestRunner

logging.basicConfig(format="own set-up: %(message)s")


@durable_execution
def order(event, context):
    logging.getLogger("orders").warning("in the handler")

    def charge(_):
        raise ValueError("card expired")

    context.step(charge, name="charge", config=StepConfig(retry_strategy=RetryPresets.none()))


class OrderTests(DurableTestCase):
    handler = order

    def test_a_failure_that_the_test_expects(self):
        self.execute()
        self.assertExecution().failed()


def test_caplog(caplog):
    with LocalDurableTestRunner(order) as runner:
        result = runner.run()
    assert "in the handler" in caplog.messages
    assert "in the handler" in [entry.message for entry in result.logs]
    with caplog.at_level(logging.CRITICAL, "orders"), LocalDurableTestRunner(order) as runner:
        assert "in the handler" not in [entry.message for entry in runner.run().logs]


def test_a_handler_of_the_suite():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    with LocalDurableTestRunner(order) as runner:
        logging.getLogger().addHandler(handler)
        runner.run()
        logging.getLogger().removeHandler(handler)
    assert stream.getvalue().startswith("in the handler")
"""


WITHOUT_PYTEST = SUITE.split("def test_caplog")[0]
QUIET = WITHOUT_PYTEST.replace('logging.basicConfig(format="own set-up: %(message)s")', "")


class LogsInProcessesTests(ProcessTestCase):
    @classmethod
    def start_processes(cls) -> Mapping[str, StartedSuite]:
        return {
            "pytest": StartedSuite("pytest", "-q", "-p", "no:cacheprovider", suite=SUITE),
            "quiet": StartedSuite("unittest", suite=QUIET),
            "own set-up": StartedSuite("unittest", suite=WITHOUT_PYTEST),
            "live": StartedSuite("unittest", suite=QUIET, DURABLETEST_LOGS="live"),
        }

    def test_caplog_and_the_own_set_up_work_under_pytest(self) -> None:
        done = self.ended("pytest")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("3 passed", done.stdout)

    def test_a_suite_that_sets_nothing_up_is_quiet(self) -> None:
        done = self.ended("quiet")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"^\.\n-+\nRan 1 test in [0-9.]+s\n\nOK\n$")

    def test_the_own_set_up_goes_on_printing(self) -> None:
        done = self.ended("own set-up")
        self.assertEqual(done.stderr.count("own set-up: in the handler"), 1, done.stderr)

    def test_live(self) -> None:
        done = self.ended("live")
        self.assertIn("[execution-1] 2026-01-01 00:00:00 invocation 1 WARNING orders: in the handler\n", done.stderr)
        self.assertIn("ValueError: card expired", done.stderr)
