"""Steps stubbed by name: what stands in for their functions, what stays real, and stubs that nothing has used."""

from __future__ import annotations

import io
import re
import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution, durable_step
from aws_durable_execution_sdk_python.config import Duration, JitterStrategy, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy
from aws_durable_execution_sdk_python.state import ExecutionState
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import (
    CloudDurableTestRunner,
    DurableTestCase,
    LocalDurableTestRunner,
    NeverUsedError,
    NotAvailableError,
    StepCall,
    UsageError,
)
from durabletest.stub_registry import StubRegistry
from tests.subprocesses import run_suite


class CardDeclined(Exception):
    pass


REAL: list[str] = []
"""What ran for real."""


def real(name: str) -> Callable[[Any], str]:
    def run(_: Any) -> str:
        REAL.append(name)
        return f"real {name}"

    return run


@durable_step
def notify(step: Any, address: str) -> str:
    return real("notify")(step)


MINUTES = StepConfig(
    retry_strategy=create_retry_strategy(
        RetryStrategyConfig(max_attempts=4, initial_delay=Duration.from_minutes(1), jitter_strategy=JitterStrategy.NONE)
    )
)


@durable_execution
def order(event: Any, context: DurableContext) -> Any:
    charge = context.step(real("charge"), name="charge", config=MINUTES)
    context.wait(Duration.from_hours(1), name="cool-down")
    ship = context.step(real("ship"), name="ship")
    notified = context.step(notify("ann@example.org"))
    return [charge, ship, notified]


class StubTestCase(DurableTestCase):
    def setUp(self) -> None:
        REAL.clear()


class OrderTests(StubTestCase):
    handler = order

    def test_retries_are_real(self) -> None:
        charge = self.stub_step("charge").raises(CardDeclined("no funds"), times=2).then_returns({"id": 1})
        self.execute()
        self.assertExecution().succeeded([{"id": 1}, "real ship", "real notify"])
        self.assertOperation("charge").attempts(3)
        self.assertOperation("cool-down").waited(hours=1)
        self.assertEqual(self.now, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=1 + 2, hours=1))
        self.assertEqual(REAL, ["ship", "notify"])
        self.assertEqual([call.attempt for call in charge.received], [1, 2, 3])

    def test_what_comes_first_comes_before_a_stub_and_before_the_steps_own_function(self) -> None:
        self.stub_step("charge").first_raises(CardDeclined, times=2)
        charge = self.stub_step("charge").returns("stubbed", times=1)
        ship = self.stub_step("ship").first_raises(OSError("no truck"))
        self.execute()
        self.assertExecution().succeeded(["stubbed", "real ship", "real notify"])
        self.assertOperation("charge").attempts(3)
        self.assertEqual([len(stub.received) for stub in (charge, ship)], [3, 1])
        charge.rewind()
        self.execute()
        self.assertOperation("charge").attempts(3)

    def test_a_retry_records_the_stubs_error(self) -> None:
        self.stub_step("charge").raises(CardDeclined)
        self.execute()
        self.assertOperation("charge").failed("CardDeclined").attempts(4)

    def test_the_last_word_is_for_all_further_calls(self) -> None:
        self.stub_step("ship").returns("stubbed")
        for _ in range(2):
            self.assertEqual(self.execute().get_result()[1], "stubbed")
        self.assertNotIn("ship", REAL)

    def test_after_a_last_word_with_times_the_own_function_runs(self) -> None:
        charge = self.stub_step("charge").raises(CardDeclined, times=1)
        self.execute()
        self.assertOperation("charge").succeeded("real charge").attempts(2)
        self.assertEqual(len(charge.received), 1)

    def test_a_chain_is_played_in_order(self) -> None:
        stub = self.stub_step("ship").returns(1).then_returns(2, times=2).then_calls(lambda _: 3)
        results = [self.execute().get_result()[1] for _ in range(5)]
        self.assertEqual(results, [1, 2, 2, 3, 3])
        self.assertEqual({call.path for call in stub.received}, {"ship"})

    def test_a_function_is_called_with_the_steps_context(self) -> None:
        self.stub_step("charge").calls(lambda step: f"attempt {step.attempt}")
        self.execute()
        self.assertOperation("charge").succeeded("attempt 1")

    def test_then_raises(self) -> None:
        self.stub_step("charge").calls(self.declined).then_raises(ValueError("late")).then_returns(7)
        self.assertEqual(self.execute().get_result()[0], 7)
        self.assertOperation("charge").attempts(3)

    def declined(self, step: Any) -> None:
        raise CardDeclined(step.attempt)

    def test_stubbing_again_begins_anew_with_the_same_stub(self) -> None:
        first = self.stub_step("ship").returns(1)
        self.execute()
        second = self.stub_step("ship").returns(2)
        self.assertEqual(self.execute().get_result()[1], 2)
        self.assertIs(first, second)
        self.assertEqual(len(second.received), 2)

    def test_a_step_is_found_by_the_name_of_its_decorated_function(self) -> None:
        self.stub_step("notify").returns("stubbed")
        self.assertEqual(self.execute().get_result()[2], "stubbed")

    def test_results_are_serialised_as_those_of_the_own_function(self) -> None:
        value = {"paid": Decimal("9.90"), "at": datetime(2026, 1, 1, tzinfo=UTC)}
        self.stub_step("ship").returns(value)
        self.execute()
        self.assertOperation("ship").succeeded(value)

    def test_a_result_that_cannot_be_serialised_fails_the_step(self) -> None:
        self.stub_step("ship").returns(object())
        self.execute()
        self.assertOperation("ship").failed()

    def test_a_stub_may_crash_the_invocation(self) -> None:
        self.stub_step("ship").raises(SystemExit(1)).then_returns("after the crash")
        result = self.execute()
        self.assertEqual(result.get_result()[1], "after the crash")
        self.assertIn("Runtime.ExitError", [call.error.type for call in result.get_invocations() if call.error])

    def test_what_was_received(self) -> None:
        stub = self.stub_step("charge").returns(1)
        result = self.execute()
        self.assertEqual(stub.received, [StepCall("charge", 1, result.arn)])


@durable_execution
def nested(event: Any, context: DurableContext) -> Any:
    def inside(child: DurableContext) -> str:
        return child.step(real("inner"), name="charge")

    outer = context.run_in_child_context(inside, name="order")
    mapped = context.map(["a", "b"], lambda branch, item, *_: branch.step(real(item), name=item), name="items")
    return [outer, mapped.get_results(), context.step(real("outer"), name="charge")]


class PathTests(StubTestCase):
    handler = nested

    def test_a_name_is_found_at_any_depth(self) -> None:
        stub = self.stub_step("charge").returns("stubbed")
        self.assertEqual(self.execute().get_result(), ["stubbed", ["real a", "real b"], "stubbed"])
        self.assertEqual([call.path for call in stub.received], ["order/charge", "charge"])

    def test_a_path_leads_through_contexts(self) -> None:
        self.stub_step("order/charge").returns("stubbed")
        self.assertEqual(self.execute().get_result()[::2], ["stubbed", "real outer"])

    def test_neither_the_end_of_a_name_nor_a_context_is_a_step_of_that_name(self) -> None:
        names = ("harge", "charg", "rder/charge", "order/charg", "order")
        stubs = [self.stub_step(name, optional=True).returns("stubbed") for name in names]
        self.assertEqual(self.execute().get_result(), ["real inner", ["real a", "real b"], "real outer"])
        self.assertEqual([stub.received for stub in stubs], [[]] * len(names))

    def test_the_most_exact_stub_wins(self) -> None:
        self.stub_step("charge").returns("any")
        self.stub_step("order/charge").returns("inner")
        self.assertEqual(self.execute().get_result()[::2], ["inner", "any"])

    def test_what_a_stub_means_is_a_whole_name(self) -> None:
        registry = StubRegistry()
        charge, slashed, path = (registry.stub_step(name) for name in ("charge", "eu/charge", "order/eu/charge"))
        for step, stub in (
            ("charge", charge),
            ("order/charge", charge),
            ("eu/charge", slashed),
            ("item/eu/charge", slashed),
            ("order/eu/charge", path),
            ("items/order/eu/charge", path),
            ("recharge", None),
            ("charge/card", None),
            ("order", None),
        ):
            with self.subTest(step):
                self.assertIs(registry.for_step(step), stub)

    def test_branches_of_a_map(self) -> None:
        [stub] = [self.stub_step("b").returns("stubbed")]
        self.assertEqual(self.execute().get_result()[1], ["real a", "stubbed"])
        self.assertRegex(stub.received[0].path, r"^items/.*b$")
        self.assertOperation(stub.received[0].path).succeeded("stubbed")


@durable_execution
def child(event: Any, context: DurableContext) -> Any:
    return context.step(real("charge"), name="charge")


@durable_execution
def parent(event: Any, context: DurableContext) -> Any:
    return context.invoke("child", {}, name="call")


class ChildExecutionTests(StubTestCase):
    handler = parent
    durable_functions = {"child": child}

    def test_steps_of_invoked_executions_are_stubbed_too(self) -> None:
        stub = self.stub_step("charge").returns("stubbed")
        result = self.execute()
        self.assertEqual(result.get_result(), "stubbed")
        self.assertNotEqual(stub.received[0].arn, result.arn)


@durable_execution
def waiting(event: Any, context: DurableContext) -> Any:
    def check(state: int, _: Any) -> int:
        REAL.append("check")
        return state + 1

    def decide(state: int, attempt: int) -> WaitForConditionDecision:
        if state >= 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_minutes(10))

    config = WaitForConditionConfig(wait_strategy=decide, initial_state=0)
    polled = context.wait_for_condition(check, config, name="poll")
    return [polled, context.wait_for_callback(lambda *_: REAL.append("submitter"), name="approval")]


class OtherFunctionsTests(StubTestCase):
    handler = waiting

    def test_checks_and_submitters_are_steps_too(self) -> None:
        polls = self.stub_step("poll").calls(lambda state, context: state + context.attempt).then_returns(9)
        self.stub_step("approval submitter").raises(ValueError("no mail"), times=1)
        self.on_callback("approval").succeed("yes")
        self.execute()
        self.assertExecution().succeeded([9, "yes"])
        self.assertEqual([call.attempt for call in polls.received], [1, 2])
        self.assertOperation("approval submitter").attempts(2)
        self.assertEqual(REAL, ["submitter"])


@durable_execution
def once(event: Any, context: DurableContext) -> Any:
    config = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=RetryPresets.none())
    return context.step(real("once"), name="once", config=config)


class SemanticsTests(StubTestCase):
    handler = once

    def test_a_step_that_runs_at_most_once_is_not_called_again_after_a_crash(self) -> None:
        stub = self.stub_step("once").raises(SystemExit(1)).then_returns(1)
        self.execute()
        self.assertExecution().failed()
        self.assertEqual(len(stub.received), 1)


class MisuseTests(StubTestCase):
    handler = order

    def assert_refused(self, call: Callable[[], object], message: str) -> None:
        with self.assertRaises(UsageError) as refusal:
            call()
        self.assertEqual(str(refusal.exception), message)

    def test_wrong_input(self) -> None:
        stub = self.stub_step("charge", optional=True)
        for call, message in (
            (
                lambda: self.stub_step(""),
                "stub_step(''): give the name of a step, or a path like 'order/charge'",
            ),
            (
                lambda: stub.then_returns(1),
                "stub_step('charge').then_returns(...) follows nothing: begin with stub_step('charge').returns(...)",
            ),
            (
                lambda: stub.raises("CardDeclined"),  # type: ignore[arg-type]
                "stub_step('charge').raises('CardDeclined'): give an exception, or a class of exceptions",
            ),
            (
                lambda: stub.raises(str),  # type: ignore[type-var]
                "stub_step('charge').raises(<class 'str'>): give an exception, or a class of exceptions",
            ),
            (
                lambda: stub.calls(7),  # type: ignore[arg-type]
                "stub_step('charge').calls(7): give a function; to return a value write "
                "stub_step('charge').returns(...)",
            ),
            (
                lambda: stub.first_raises("no funds"),  # type: ignore[arg-type]
                "stub_step('charge').raises('no funds'): give an exception, or a class of exceptions",
            ),
            (
                lambda: stub.returns(7, times=0),
                "stub_step('charge'): times=0 means nothing; give a number from 1 on, or leave it out",
            ),
        ):
            with self.subTest(message):
                self.assert_refused(call, message)

    def test_a_stub_that_says_nothing(self) -> None:
        self.stub_step("charge", optional=True)
        self.execute()
        self.assertOperation("charge").succeeded("real charge")

    def test_an_sdk_without_the_place(self) -> None:
        def wrap_user_function(self: object, operation: object, function: object) -> None:
            """Another order of parameters."""

        expected = self.assertRaisesRegex(
            NotAvailableError, r"^stub_step\('charge'\): version .* of the AWS SDK has no"
        )
        with mock.patch.object(ExecutionState, "wrap_user_function", wrap_user_function), expected:
            self.stub_step("charge")

    def test_in_the_cloud(self) -> None:
        runner = CloudDurableTestRunner("orders:live", client=mock.MagicMock())
        self.addCleanup(runner.close)
        with self.assertRaisesRegex(
            NotAvailableError, r"^stub_step\('charge'\) is local: .* mark the test @local_only$"
        ):
            runner.stub_step("charge")


@durable_execution
def everything(event: Any, context: DurableContext) -> Any:
    context.step(real("charge"), name="charge")
    context.wait(Duration.from_hours(1), name="cool-down")
    context.run_in_child_context(lambda inner: inner.step(real("inner"), name="inner"), name="group")
    context.invoke("plain", {}, name="call")
    context.wait_for_callback(lambda *_: None, name="approval")
    context.create_callback(name="bare").result()


class UnusedStubTests(unittest.TestCase):
    """Each stub is not used, for another reason."""

    def complaint(self, name: str, run: bool = True) -> str:
        with LocalDurableTestRunner(everything, functions={"plain": lambda event, context: 1}) as runner:
            runner.on_callback("approval", optional=True).succeed()
            runner.on_callback("bare", optional=True).succeed()
            if run:
                runner.run()
            runner.stub_step(name).returns(1)
            with self.assertRaises(NeverUsedError) as error:
                runner.verify_used()
            runner.reset()
            self.assertIsNone(runner.unused())
        return str(error.exception)

    def test_a_misspelt_name(self) -> None:
        self.assertEqual(
            self.complaint("chrage"),
            "stub_step('chrage') was never used: no step has that name; did you mean 'charge'?\n"
            "The steps of the test's executions: 'charge', 'group/inner', 'approval/approval submitter'\n"
            "If it need not be used, write stub_step('chrage', optional=True)",
        )

    def test_a_path_that_leads_nowhere(self) -> None:
        self.assertIn("did you mean 'group/inner'?", self.complaint("grup/inner"))

    def test_a_name_of_something_else(self) -> None:
        for name, reason in (
            ("cool-down", "'cool-down' is a WAIT, not a step: it passes by itself, in virtual time"),
            (
                "group",
                "'group' is a CONTEXT, not a step: stub the steps inside it, stub_step('group/...')",
            ),
            (
                "call",
                "'call' is a CHAINED_INVOKE, not a step: write stub_invoke(...) with the name of the function it "
                "invokes",
            ),
            (
                "approval",
                "'approval' is a wait_for_callback, not a step: write on_callback('approval') for its answer, and "
                "stub_step('approval submitter') for its submitter",
            ),
            ("bare", "'bare' is a CALLBACK, not a step: write on_callback('bare') for its answer"),
            (
                "charge",
                "the step 'charge' ran before it was there, or had succeeded already; write stub_step(...) before "
                "self.execute(...)",
            ),
        ):
            with self.subTest(name):
                self.assertEqual(self.complaint(name), f"stub_step({name!r}) was never used: {reason}")

    def test_nothing_was_executed(self) -> None:
        self.assertEqual(
            self.complaint("charge", run=False), "stub_step('charge') was never used: nothing was executed"
        )

    def test_a_stub_that_says_nothing(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            runner.stub_step("charge")
            runner.run()
            complaint = "stub_step('charge') was never used: it says nothing; write what happens, "
            self.assertEqual(runner.unused(), complaint + "stub_step('charge').returns(...) for example")
            runner.stub_step("charge").first_raises(ValueError("no funds"))
            self.assertIn("the step 'charge' ran before it was there", runner.unused() or "")
            runner.reset()

    def test_leaving_the_with_block_complains(self) -> None:
        with self.assertRaisesRegex(NeverUsedError, "never used"), LocalDurableTestRunner(order) as runner:
            runner.stub_step("chrage").returns(1)
        with LocalDurableTestRunner(order):
            """The first one was closed all the same."""

    def test_leaving_it_with_an_error_does_not_hide_the_error(self) -> None:
        with self.assertRaises(ZeroDivisionError), LocalDurableTestRunner(order) as runner:
            runner.stub_step("chrage").returns(1)
            raise ZeroDivisionError

    def test_an_optional_stub(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            runner.stub_step("chrage", optional=True).returns(1)

    def test_the_sdk_is_as_it_was(self) -> None:
        before = ExecutionState.wrap_user_function
        with LocalDurableTestRunner(order) as runner:
            self.assertIsNot(ExecutionState.wrap_user_function, before)
            runner.stub_step("charge").returns(1)
            runner.run()
        self.assertIs(ExecutionState.wrap_user_function, before)


def suite(test: str) -> unittest.TestSuite:
    """One test of a class that only this module's tests run."""

    class Suite(DurableTestCase):
        handler = order

        def test_unused(self) -> None:
            self.stub_step("chrage").returns(1)
            self.execute()

        def test_unused_and_failing(self) -> None:
            self.stub_step("chrage").returns(1)
            self.execute()
            self.assertExecution().succeeded("something else")

        def test_unused_and_skipped(self) -> None:
            self.stub_step("chrage").returns(1)
            self.skipTest("for once")

        def test_unused_after_a_failing_subtest(self) -> None:
            self.stub_step("chrage").returns(1)
            with self.subTest("first"):
                self.fail("on purpose")

    return unittest.TestSuite([Suite(test)])


class UnusedStubInATestCaseTests(unittest.TestCase):
    def outcome(self, name: str) -> unittest.TestResult:
        return unittest.TextTestRunner(io.StringIO()).run(suite(name))

    def test_the_test_fails_with_a_report(self) -> None:
        result = self.outcome("test_unused")
        [(_, text)] = result.failures
        self.assertIn("AssertionError: stub_step('chrage') was never used: no step has that name; did you mean", text)
        self.assertIn("Operations of execution 'execution-1'", text)
        self.assertNotIn("durabletest/", text)

    def test_another_failure_is_not_hidden(self) -> None:
        result = self.outcome("test_unused_and_failing")
        [(_, text)] = result.failures
        self.assertIn("something else", text.split("stub_step")[0])
        self.assertIn("\nstub_step('chrage') was never used", text)

    def test_a_skipped_test_is_skipped(self) -> None:
        result = self.outcome("test_unused_and_skipped")
        self.assertEqual((len(result.skipped), result.failures, result.errors), (1, [], []))

    def test_a_failing_subtest_is_told_as_well(self) -> None:
        texts = [text for _, text in self.outcome("test_unused_after_a_failing_subtest").failures]
        self.assertEqual(["on purpose" in text for text in texts], [True, False])

    def test_under_pytest(self) -> None:
        done = run_suite("pytest", "-q", "-p", "no:cacheprovider", suite=PYTEST_SUITE)
        self.assertRegex(done.stdout, r"2 failed, 2 passed in")
        shown = re.findall(r"E +(.*)Error: stub_step\('chrage'\) was never used: no step has that name", done.stdout)
        self.assertEqual(shown, ["Assertion", "durabletest.errors.NeverUsed"])


PYTEST_SUITE = """
from aws_durable_execution_sdk_python import durable_execution
from durabletest import DurableTestCase, LocalDurableTestRunner

@durable_execution
def order(event, context):
    return context.step(lambda _: 1, name="charge")

class OrderTests(DurableTestCase):
    handler = order

    def test_used(self):
        self.stub_step("charge").returns(2)
        self.execute()
        self.assertExecution().succeeded(2)

    def test_unused(self):
        self.stub_step("chrage").returns(2)
        self.execute()

def test_runner_used():
    with LocalDurableTestRunner(order) as runner:
        runner.stub_step("charge").returns(2)
        assert runner.run().get_result() == 2

def test_runner_unused():
    with LocalDurableTestRunner(order) as runner:
        runner.stub_step("chrage").returns(2)
        runner.run()
"""
