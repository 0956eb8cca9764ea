"""Log records belong to the execution that they were written for, and are not printed; the test's own logging works."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import TestCase, mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

from durabletest import ConfigurationError, DurableTestCase, LocalDurableTestRunner, LogEntry
from durabletest.local.logs import LOGS_VARIABLE

LOG = logging.getLogger("orders")
MINUTE_LATER = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(max_attempts=2, initial_delay=Duration.from_minutes(1), jitter_strategy=JitterStrategy.NONE)
    )
)


def charge(step: Any) -> str:
    LOG.warning("charging, attempt %d", step.attempt)
    if step.attempt == 1:
        raise ValueError("card expired")
    return "ok"


@durable_execution
def order(event: Any, context: DurableContext) -> Any:
    LOG.warning("begun")
    receipt = context.step(charge, name="charge", config=MINUTE_LATER)
    LOG.error("receipt %s", receipt, extra={"receipt": receipt})
    return receipt


def plain(event: Any, context: Any) -> str:
    LOG.warning("plain function")
    return "plain"


@durable_execution
def child(event: Any, context: DurableContext) -> None:
    LOG.warning("child")


@durable_execution
def parent(event: Any, context: DurableContext) -> None:
    context.invoke("child", {}, name="child")
    context.invoke("plain", {}, name="plain")


@durable_execution
def threaded(event: Any, context: DurableContext) -> None:
    def branch(number: int) -> Callable[[DurableContext], None]:
        def step(_: Any) -> None:
            thread = threading.Thread(target=LOG.warning, args=("from a thread of branch %d", number))
            thread.start()
            thread.join()

        return lambda branch_context: branch_context.step(step, name=f"step {number}")

    context.parallel([branch(0), branch(1)], name="both")


def user_messages(entries: tuple[LogEntry, ...]) -> list[tuple[int, str]]:
    return [(entry.invocation, entry.message) for entry in entries if entry.logger == "orders"]


@contextlib.contextmanager
def stderr() -> Iterator[io.StringIO]:
    """What is written to stderr, also by logging's last resort, whose stream is looked up at each record."""
    with contextlib.redirect_stderr(io.StringIO()) as stream:
        yield stream


class LogsOfAnExecutionTests(DurableTestCase):
    handler = order
    functions = {"plain": plain}
    durable_functions = {"child": child}

    def test_records_carry_the_invocation_and_the_virtual_time(self) -> None:
        result = self.execute()
        self.assertEqual(
            user_messages(result.logs),
            [
                (1, "begun"),
                (1, "charging, attempt 1"),
                (2, "begun"),
                (2, "charging, attempt 2"),
                (2, "receipt ok"),
            ],
        )
        last = result.logs[-1]
        start = datetime(2026, 1, 1, tzinfo=UTC)
        self.assertEqual((last.level, last.logger, last.time), ("ERROR", "orders", start + timedelta(minutes=1)))
        self.assertEqual(last.extra, {"receipt": "ok"})
        self.assertEqual(str(last), "2026-01-01 00:01:00 invocation 2 ERROR orders: receipt ok")
        self.assertEqual(len(result.get_invocations()), last.invocation)

    def test_the_sdk_logs_the_traceback_of_a_failed_step(self) -> None:
        [entry] = [entry for entry in self.execute().logs if entry.traceback]
        self.assertTrue(entry.logger.startswith("aws_durable_execution_sdk_python"), entry)
        self.assertIn('raise ValueError("card expired")', str(entry))

    def test_nothing_is_printed(self) -> None:
        with stderr() as printed:
            self.execute()
        self.assertEqual(printed.getvalue(), "")

    def test_a_running_execution_shows_what_was_logged_so_far(self) -> None:
        execution = self.start()
        execution.advance(timedelta(seconds=30))
        self.assertEqual(len(user_messages(execution.snapshot().logs)), 2)
        execution.result(timeout=5)
        self.assertEqual(len(user_messages(execution.snapshot().logs)), 5)

    def test_levels_of_loggers_hold(self) -> None:
        with mock.patch.object(LOG, "level", logging.ERROR):
            LOG.manager._clear_cache()
            self.addCleanup(LOG.manager._clear_cache)
            self.assertEqual(user_messages(self.execute().logs), [(2, "receipt ok")])

    def test_filters_of_loggers_hold(self) -> None:
        def not_begun(record: logging.LogRecord) -> bool:
            return record.getMessage() != "begun"

        LOG.addFilter(not_begun)
        self.addCleanup(LOG.removeFilter, not_begun)
        self.assertNotIn((1, "begun"), user_messages(self.execute().logs))

    def test_a_record_whose_arguments_do_not_fit_is_kept_with_the_reason(self) -> None:
        @durable_execution
        def careless(event: Any, context: DurableContext) -> None:
            LOG.warning("%d items", "many")

        # pytest's own handler on the root logger raises what does not fit, where logging only prints it.
        with mock.patch.object(LOG, "propagate", False), LocalDurableTestRunner(careless) as runner:
            [entry] = runner.run().logs
        self.assertRegex(entry.message, r"^'%d items' with arguments \('many',\) \(no message: TypeError: ")

    def test_a_record_of_something_without_a_repr_fails_no_handler(self) -> None:
        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError("no repr")

        @durable_execution
        def careless(event: Any, context: DurableContext) -> None:
            LOG.warning("about %s", Broken())

        with mock.patch.object(LOG, "propagate", False), LocalDurableTestRunner(careless) as runner:
            result = runner.run()
        self.assertEqual(result.get_status(), "SUCCEEDED")
        [entry] = result.logs
        self.assertEqual(entry.message, "(no message, and arguments that cannot be shown: RuntimeError)")


class LogsOfOthersTests(DurableTestCase):
    handler = parent
    functions = {"plain": plain}
    durable_functions = {"child": child}

    def test_a_child_has_its_own_and_a_plain_function_logs_for_its_invoker(self) -> None:
        result = self.execute()
        self.assertEqual(user_messages(result.logs), [(2, "plain function")])
        child_arn = result.history[1]["ChainedInvokeStartedDetails"]["DurableExecutionArn"]
        self.assertEqual(user_messages(self.runner.execution(child_arn).result().logs), [(1, "child")])

    def test_what_the_test_itself_logs_is_none_of_it(self) -> None:
        execution = self.start()
        with self.assertLogs("orders") as taken:
            LOG.warning("from the test")
        result = execution.result(timeout=5)
        self.assertIn("WARNING:orders:from the test", taken.output)
        self.assertNotIn("from the test", [message for _, message in user_messages(result.logs)])

    def test_what_the_test_itself_logs_is_printed_as_ever(self) -> None:
        with mock.patch.object(logging.getLogger(), "handlers", []), stderr() as printed:
            self.execute()
            LOG.warning("from the test")
        self.assertEqual(printed.getvalue(), "from the test\n")


class LogsOfThreadsTests(DurableTestCase):
    handler = threaded

    def test_threads_that_a_branch_starts_log_for_its_invocation(self) -> None:
        logged = sorted(user_messages(self.execute().logs))
        self.assertEqual(logged, [(1, "from a thread of branch 0"), (1, "from a thread of branch 1")])

    def test_a_thread_that_outlives_its_invocation_still_logs_for_it(self) -> None:
        go, left = threading.Event(), []

        def late() -> None:
            go.wait(10)
            LOG.warning("late")

        @durable_execution
        def leaves_a_thread(event: Any, context: DurableContext) -> None:
            if not left:
                left.append(threading.Thread(target=late))
                left[0].start()
            context.wait(Duration.from_hours(1), name="pause")
            go.set()
            left[0].join(10)

        with LocalDurableTestRunner(leaves_a_thread) as runner:
            self.assertEqual(user_messages(runner.run().logs), [(1, "late")])

    def test_a_thread_that_the_test_starts_meanwhile_does_not(self) -> None:
        entered, go = threading.Event(), threading.Event()

        @durable_execution
        def waits(event: Any, context: DurableContext) -> None:
            entered.set()
            go.wait(10)

        with LocalDurableTestRunner(waits) as runner, self.assertLogs("orders") as taken:
            execution = runner.start()
            entered.wait(10)
            thread = threading.Thread(target=LOG.warning, args=("from a thread of the test",))
            thread.start()
            thread.join(10)
            go.set()
            self.assertEqual(user_messages(execution.result(timeout=5).logs), [])
        self.assertEqual([record.getMessage() for record in taken.records], ["from a thread of the test"])


class LogsAndRunnersTests(TestCase):
    def test_logs_outlive_the_runner(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            result = runner.run()
        self.assertEqual(len(user_messages(result.logs)), 5)

    def test_a_reset_runner_begins_with_no_logs(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            before = runner.run()
            runner.reset()
            after = runner.run()
            self.assertEqual(before.arn, after.arn)
            self.assertEqual(user_messages(after.logs), user_messages(before.logs))
            self.assertEqual(len(user_messages(after.logs)), 5)

    def test_logging_is_as_it_was_when_the_runner_is_closed(self) -> None:
        before = logging.Logger.callHandlers
        with LocalDurableTestRunner(order):
            self.assertIsNot(logging.Logger.callHandlers, before)
        self.assertIs(logging.Logger.callHandlers, before)

    def test_another_tool_that_has_put_itself_on_top_is_left_in_place(self) -> None:
        before = logging.Logger.callHandlers
        self.addCleanup(setattr, logging.Logger, "callHandlers", before)
        seen: list[str] = []
        runner = LocalDurableTestRunner(order)
        below = logging.Logger.callHandlers

        def watching(logger: logging.Logger, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())
            below(logger, record)

        logging.Logger.callHandlers = watching  # type: ignore[method-assign]
        runner.close()
        self.assertIs(logging.Logger.callHandlers, watching)
        with self.assertLogs("orders"):
            LOG.warning("still heard")
        self.assertEqual(seen, ["still heard"])


class OwnLoggingTests(DurableTestCase):
    """The test's own logging set-up works as without durabletest; ``result.logs`` has the records as well."""

    handler = order

    def test_assert_logs(self) -> None:
        with self.assertLogs("orders", level="WARNING") as taken:
            result = self.execute()
        self.assertEqual([record.getMessage() for record in taken.records][:2], ["begun", "charging, attempt 1"])
        self.assertEqual(len(user_messages(result.logs)), 5)

    def test_assert_no_logs(self) -> None:
        with self.assertNoLogs("orders", level="CRITICAL"):
            self.execute()
        with self.assertRaisesRegex(AssertionError, "Unexpected logs found"), self.assertNoLogs("orders"):
            self.execute()

    def test_a_handler_on_a_logger_that_does_not_propagate(self) -> None:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        LOG.addHandler(handler)
        self.addCleanup(LOG.removeHandler, handler)
        with mock.patch.object(LOG, "propagate", False):
            result = self.execute()
        self.assertEqual(stream.getvalue().splitlines()[0], "begun")
        self.assertEqual(len(user_messages(result.logs)), 5)

    def test_basic_config_in_a_test(self) -> None:
        stream = io.StringIO()
        root = logging.getLogger()
        with mock.patch.object(root, "handlers", []), mock.patch.object(root, "level", root.level):
            logging.basicConfig(stream=stream, format="%(levelname)s %(message)s")
            self.execute()
        self.assertIn("WARNING begun\n", stream.getvalue())


class LiveLogsTests(TestCase):
    def test_live_logs_are_written_to_stderr_as_well(self) -> None:
        with (
            mock.patch.dict(os.environ, {LOGS_VARIABLE: "live"}),
            stderr() as printed,
            LocalDurableTestRunner(order) as runner,
        ):
            result = runner.run(name="order-42")
        self.assertEqual(len(user_messages(result.logs)), 5)
        lines = printed.getvalue().splitlines()
        self.assertEqual(lines[0], "[order-42] 2026-01-01 00:00:00 invocation 1 WARNING orders: begun")
        self.assertIn("ValueError: card expired", lines)

    def test_captured_is_the_default_and_may_be_written(self) -> None:
        for value in ("", "captured"):
            with (
                self.subTest(value),
                mock.patch.dict(os.environ, {LOGS_VARIABLE: value}),
                stderr() as printed,
                LocalDurableTestRunner(order) as runner,
            ):
                runner.run()
                self.assertEqual(printed.getvalue(), "")

    def test_an_unknown_value_is_refused(self) -> None:
        with mock.patch.dict(os.environ, {LOGS_VARIABLE: "verbose"}), self.assertRaises(ConfigurationError) as refusal:
            LocalDurableTestRunner(order)
        self.assertEqual(
            str(refusal.exception),
            "the environment variable DURABLETEST_LOGS is 'verbose': write 'live' to see log records on stderr as they "
            "are written, or 'captured' (the default) to have them in result.logs and failure reports only",
        )
