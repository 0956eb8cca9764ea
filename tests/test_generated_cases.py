"""``@explore(payloads=...)``: what is generated, what is found, and the test method that is told."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import textwrap
import time
import unittest
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import (
    CallbackError,
    CallbackTimeoutError,
    DurableContext,
    ParallelBranch,
    StepError,
    durable_execution,
)
from aws_durable_execution_sdk_python.config import Duration, StepConfig, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryPresets
from hypothesis import strategies as st

from durabletest import ConfigurationError, DurableTestCase, UsageError, explore
from tests.sdk_versions import needs_turns

ORDERS = st.fixed_dictionaries({"order": st.integers(1, 999), "express": st.booleans()})
ONCE = StepConfig(retry_strategy=RetryPresets.none())
DAY = WaitForCallbackConfig(timeout=Duration.from_days(1))


class CardDeclined(Exception):
    """The bank says no."""


@durable_execution
def ship(event: dict[str, Any], context: DurableContext) -> str:
    """Express orders above 500 are lost."""
    if event["express"] and event["order"] > 500:
        return "lost"
    return context.step(lambda _: "shipped", name="ship")


@durable_execution
def approve(event: dict[str, Any], context: DurableContext) -> list[str]:
    """After two hours the goods are gone, and an approval is taken for a shipment all the same."""
    began = context.step(lambda step: 0, name="ask")
    waited: Any = context.parallel(
        [
            ParallelBranch(lambda branch: branch.wait(Duration.from_hours(2), name="hold"), name="hold"),
            ParallelBranch(
                lambda branch: branch.wait_for_callback(lambda _id, _: None, name="approval", config=DAY), name="ask"
            ),
        ]
    )
    assert began == 0
    return [str(one.error) if one.error else "in time" for one in waited.all]


@durable_execution
def pay(event: dict[str, Any], context: DurableContext) -> list[str]:
    """A refused payment is not noticed if it is the second one."""
    done = []
    for name in ("deposit", "rest"):
        try:
            done.append(context.step(lambda _: name, name=name, config=ONCE))  # noqa: B023 - it runs at once
        except StepError:
            if name == "deposit":
                return []
            done.append("rest")
    return done


@durable_execution
def checkout(event: dict[str, Any], context: DurableContext) -> int:
    """The list is empty when the handler replays."""
    receipts: list[str] = []
    context.step(lambda _: receipts.append("paid"), name="charge")
    context.step(lambda _: "sent", name="send")
    return len(receipts)


@durable_execution
def collect(event: dict[str, Any], context: DurableContext) -> int:
    """The branches both pay if the second one looks before the first one has paid."""
    paid: list[str] = []

    def charge(branch: DurableContext, by: str) -> None:
        if not paid:
            paid.append(branch.step(lambda _: by, name=f"charge {by}"))

    def by_account(branch: DurableContext) -> None:
        branch.step(lambda _: "please pay", name="remind")
        charge(branch, "account")

    branches: list[Any] = [
        ParallelBranch(lambda branch: charge(branch, "card"), name="card"),
        ParallelBranch(by_account, "account"),
    ]
    context.parallel(branches, name="ways").throw_if_error()
    return len(paid)


Case = type[DurableTestCase]


def outcome(case: Case, **variables: str) -> tuple[str, str]:
    """The failure of the test of a case, empty if it passes, and what stands on stderr."""
    result = unittest.TestResult()
    with contextlib.redirect_stderr(io.StringIO()) as err, mock.patch.dict(os.environ, variables):
        unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    texts = [text for _, text in (*result.failures, *result.errors)]
    return texts[0] if texts else "", err.getvalue()


def pasted(report: str) -> str:
    """The test method that a report tells."""
    found = re.search(r"as a test of its own:\n\n(.*?)\n\n", report, re.DOTALL)
    assert found is not None, report
    return textwrap.dedent(found[1])


@needs_turns
class FoundTests(unittest.TestCase):
    def fails_when_pasted(self, case: Case, method: str) -> str:
        """The failure of the method in a class beside the explored test."""
        names = {"explore": explore, "timedelta": timedelta, "CardDeclined": CardDeclined}
        exec(method, names)

        class Pasted(case):  # type: ignore[misc, valid-type]
            test_found = names["test_found"]

        result = unittest.TestResult()
        unittest.TestSuite([Pasted("test_found")]).run(result)
        [(_, text)] = [*result.failures, *result.errors]
        return text

    def check(self, case: Case, expected: str, words: str) -> str:
        """The case fails; told is the expected method, which fails in the same way."""
        report, _ = outcome(case)
        self.assertEqual(pasted(report), textwrap.dedent(expected).strip())
        self.assertIn(words, report)
        self.assertIn(words, self.fails_when_pasted(case, pasted(report)))
        return report

    def test_a_payload(self) -> None:
        class Tests(DurableTestCase):
            handler = ship

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded("shipped")

        expected = """
            def test_found(self):
                self.test({'order': 501, 'express': True})
            """
        report = self.check(Tests, expected, "Expected: result == 'shipped'\n     but: result == 'lost'")
        self.assertRegex(
            report, r"AssertionError: It fails with a generated case, \d+ were tried \(seed=0\)\. The small"
        )

    def test_without_time_for_smaller_ones_the_first_case_that_fails_is_told(self) -> None:
        class Tests(DurableTestCase):
            handler = ship

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded("shipped")

        with mock.patch("durabletest.generated_cases._SHRINKING_SECONDS", 0.0):
            report, _ = outcome(Tests)
        self.assertNotIn("'order': 501", report)
        self.assertIn("result == 'lost'", self.fails_when_pasted(Tests, pasted(report)))

    def test_a_crash(self) -> None:
        class Tests(DurableTestCase):
            handler = checkout

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded(1)

        expected = """
            def test_found(self):
                with self.runner.with_fault('request lost 2'):
                    self.test({'order': 1, 'express': False})
            """
        self.check(Tests, expected, "Expected: result == 1\n     but: result == 0")

    def test_crashes_may_be_left_out(self) -> None:
        class Tests(DurableTestCase):
            handler = checkout

            @explore(payloads=ORDERS, crashes=False, schedules=10)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded(1)

        self.assertEqual(outcome(Tests), ("", ""))

    def test_a_schedule(self) -> None:
        class Tests(DurableTestCase):
            handler = collect

            @explore(payloads=st.none(), crashes=False)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded(1)

        expected = """
            @explore(schedule="1:1", same_result=False)
            def test_found(self):
                self.test(None)
            """
        report = self.check(Tests, expected, "Expected: result == 1\n     but: result == 2")
        self.assertIn("In another order than by default:\n  - step 'account/remind' began before", report)

    def test_an_answer_near_a_timer_of_the_workflow(self) -> None:
        class Tests(DurableTestCase):
            handler = approve

            @explore(payloads=st.none(), answers={"approval": st.sampled_from(["yes", "no"])}, crashes=False)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertOperation("approval").succeeded()

        report, _ = outcome(Tests)
        method = pasted(report)
        self.assertRegex(method, r"self\.on_callback\('approval', optional=True\)\.succeed\('yes', after=timedelta\(")
        self.assertRegex(method, r"seconds=8640[01]\)")
        self.assertIn("TIMED_OUT", self.fails_when_pasted(Tests, method))

    def test_an_answer_near_a_timer_that_only_some_payloads_show(self) -> None:
        @durable_execution
        def ask(event: bool, context: DurableContext) -> int:
            if not event:
                return 0
            began = context.step(lambda _: time.time(), name="begin")
            config = WaitForCallbackConfig(timeout=Duration.from_seconds(5000))
            with contextlib.suppress(CallbackError):
                context.wait_for_callback(lambda _id, _: None, name="approval", config=config)
                return int(context.step(lambda _: time.time(), name="end") - began)
            return 0

        class Tests(DurableTestCase):
            handler = ask

            @explore(payloads=st.booleans(), answers={"approval": st.just("yes")}, crashes=False)
            def test(self, payload: bool) -> None:
                self.assertNotEqual(self.execute(payload).get_result(), 4999)

        report, _ = outcome(Tests)
        self.assertIn("seconds=4999", pasted(report))

    def test_an_answer_that_is_an_exception_fails_the_callback(self) -> None:
        @durable_execution
        def ask(event: Any, context: DurableContext) -> Any:
            try:
                return context.create_callback(name="approval").result()
            except CallbackTimeoutError:
                raise
            except CallbackError as error:
                return f"refused: {error.message}"

        class Tests(DurableTestCase):
            handler = ask

            @explore(payloads=st.none(), answers={"approval": st.sampled_from(["yes", CardDeclined("no funds")])})
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded("yes")

        expected = """
            def test_found(self):
                self.on_callback('approval', optional=True).fail(CardDeclined('no funds'))
                self.test(None)
            """
        self.check(Tests, expected, "result == 'refused: no funds'")

    def test_a_step_that_fails(self) -> None:
        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=ORDERS, failures={"deposit": CardDeclined, "rest": [CardDeclined("no"), OSError]})
            def test(self, payload: Any) -> None:
                result = self.execute(payload)
                if result.get_result():
                    self.assertOperation("rest").succeeded()

        expected = """
            def test_found(self):
                self.stub_step('rest', optional=True).first_raises(CardDeclined('no'), times=1)
                self.test({'order': 1, 'express': False})
            """
        self.check(Tests, expected, "CardDeclined")

    def test_stubs_of_the_test_come_after_the_failures(self) -> None:
        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=ORDERS, failures={"deposit": CardDeclined}, schedules=20)
            def test(self, payload: Any) -> None:
                deposit = self.stub_step("deposit").returns("stubbed")
                result = self.execute(payload)
                seen.add((len(deposit.received), tuple(result.get_result())))

        seen: set[Any] = set()
        self.assertEqual(outcome(Tests)[0], "")
        self.assertEqual(seen, {(1, ("stubbed", "rest")), (1, ())})

    def test_async_tests(self) -> None:
        class Tests(DurableTestCase, unittest.IsolatedAsyncioTestCase):
            handler = ship

            @explore(payloads=ORDERS)
            async def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertExecution().succeeded("lost")

        expected = """
            async def test_found(self):
                await self.test({'order': 1, 'express': False})
            """
        self.check(Tests, expected, "result == 'shipped'")


@needs_turns
class RunTests(unittest.TestCase):
    def cases(self, payloads: Any = ORDERS, **options: Any) -> tuple[Case, list[Any]]:
        """A case that passes, and the payloads that its test is run with."""
        seen: list[Any] = []

        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=payloads, **options)
            def test(self, payload: Any) -> None:
                seen.append(payload)
                self.execute(payload)

        return Tests, seen

    def test_the_seed_decides(self) -> None:
        runs = []
        for seed in (0, 0, 1):
            case, seen = self.cases(schedules=8, seed=seed)
            outcome(case)
            runs.append(seen)
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])

    def test_as_many_as_schedules_says_and_the_simplest_is_reported(self) -> None:
        case, seen = self.cases(schedules=20)
        self.assertEqual(outcome(case), ("", ""))
        self.assertIn(len(seen), range(15, 22))
        self.assertEqual(seen[0], {"order": 1, "express": False})
        self.assertEqual(seen[-1], seen[0])

    def test_each_part_has_a_share_of_its_own(self) -> None:
        parts = []
        for part in ("1/2", "2/2"):
            case, seen = self.cases(schedules=20)
            _, told = outcome(case, DURABLETEST_SHARD=part)
            parts.append(seen)
            self.assertRegex(
                told, rf"Tests.test was run with \d+ of 20 generated cases \(seed=0\), part {part[0]} of 2\n"
            )
            self.assertLess(len(seen), 15)
        both = [case for case in parts[0] if case in parts[1] and case != parts[0][0]]
        self.assertLess(len(both), 4, "the parts try different cases, but for the simplest one")

    def test_the_number_for_a_whole_run(self) -> None:
        for number, part, runs in (("5", "1/1", 7), ("1", "1/1", 2), ("1", "2/2", 2)):
            case, seen = self.cases(schedules=200)
            outcome(case, DURABLETEST_SCHEDULES=number, DURABLETEST_SHARD=part)
            self.assertLessEqual(len(seen), runs)

    def test_a_test_that_skips_itself(self) -> None:
        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                runs.append(payload)
                self.skipTest("not today")

        runs: list[Any] = []
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
        self.assertEqual((len(runs), len(result.skipped)), (2, 1))

    def test_one_that_fails_with_every_case_is_told_with_the_simplest(self) -> None:
        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                self.execute(payload)
                self.assertNoOperation("deposit")

        report, _ = outcome(Tests)
        self.assertIn("1 were tried (seed=0)", report)
        self.assertIn("self.test({'order': 1, 'express': False})", report)

    def test_a_failure_that_does_not_come_again_is_told_as_such(self) -> None:
        class Tests(DurableTestCase):
            handler = pay

            @explore(payloads=ORDERS)
            def test(self, payload: Any) -> None:
                runs.append(payload)
                self.assertNotEqual(len(runs), 7)

        runs: list[Any] = []
        self.assertIn("and passes when just that schedule is run again", outcome(Tests)[0])

    def test_where_nothing_can_be_explored_it_is_run_once(self) -> None:
        class Tests(DurableTestCase):
            handler = ship
            skip_time = False

            @explore(payloads=ORDERS, answers={"approval": st.just("yes")})
            def test(self, payload: Any) -> None:
                runs.append(payload)
                self.execute(payload)

        runs: list[Any] = []
        failure, told = outcome(Tests)
        self.assertEqual((failure, runs), ("", [{"order": 1, "express": False}]))
        self.assertIn("is run once, and not explored", told)
        Tests("test").debug()
        self.assertEqual(len(runs), 2)


class MisuseTests(unittest.TestCase):
    def test_what_is_no_strategy_is_told(self) -> None:
        cases: dict[str, Callable[[], Any]] = {
            "@explore(payloads={'order': 1}): give a strategy": lambda: explore(payloads={"order": 1}),
            "@explore(answers={'a': 'yes'}): give strategies": lambda: explore(payloads=ORDERS, answers={"a": "yes"}),
            "@explore(answers=3): give strategies": lambda: explore(payloads=ORDERS, answers=3),  # type: ignore[call-overload]
            "@explore(failures=3): give": lambda: explore(payloads=ORDERS, failures=3),  # type: ignore[call-overload]
            "@explore(failures={'a': 'no'}): give an exception": lambda: explore(payloads=ORDERS, failures={"a": "no"}),
            "@explore(failures={'a': []}): give an exception": lambda: explore(payloads=ORDERS, failures={"a": []}),
            "@explore(crashes=1): give True or False": lambda: explore(payloads=ORDERS, crashes=1),  # type: ignore[call-overload]
            "takes neither schedule=": lambda: explore(payloads=ORDERS, schedule="1:1"),  # type: ignore[call-overload]
            "need payloads=": lambda: explore(answers={"a": ORDERS}),  # type: ignore[call-overload]
            "crashes= need payloads=": lambda: explore(crashes=False),  # type: ignore[call-overload]
        }
        for words, use in cases.items():
            with self.subTest(words), self.assertRaisesRegex(UsageError, re.escape(words)):
                use()

    def test_without_hypothesis_it_says_what_to_install(self) -> None:
        with (
            mock.patch.dict(sys.modules, {"hypothesis": None}),
            self.assertRaisesRegex(ConfigurationError, re.escape("pip install 'durabletest[hypothesis]'")),
        ):
            explore(payloads=ORDERS)


if __name__ == "__main__":
    unittest.main()
