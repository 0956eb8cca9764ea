"""``self.side_effect``: what has happened how often, by which keys, and what crashes make of it."""

from __future__ import annotations

import unittest
from contextlib import suppress
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import DurableTestCase
from tests.durability.bugs import EFFECTS, charge, charge_in_the_body, charged_twice, key_of_the_attempt, world
from tests.durability.case import report
from tests.sdk_versions import needs_turns


@durable_execution
def key_of_the_order(event: Any, context: DurableContext) -> str:
    """The key is that of the order: a payment that is repeated is known."""
    return context.step(lambda _: charge(key="order-42"), name="charge")


@durable_execution
def key_of_a_step(event: Any, context: DurableContext) -> str:
    key = context.step(lambda _: f"key {world.setdefault('keys', 1)}", name="make a key")
    return context.step(lambda _: charge(key=key), name="charge")


@durable_execution
def two_in_a_step(event: Any, context: DurableContext) -> str:
    """A step that fails in the middle, so that its first run has used one key only."""

    def pay(step: StepContext) -> str:
        charge(key="tea")
        if step.attempt == 1:
            raise ConnectionError("busy")
        return charge(key="salt")

    return context.step(pay, name="charge")


@durable_execution
def with_a_wait(event: Any, context: DurableContext) -> str:
    context.wait(Duration.from_seconds(1), name="pause")
    return charge(key="order-42")


def recorded(test: DurableTestCase, keyed: bool = True) -> Any:
    effect = test.side_effect("charge-card")
    world["effect"] = effect
    return effect.with_key("key") if keyed else effect


@needs_turns
class CorpusTests(unittest.TestCase):
    def test_each_bug_is_found(self) -> None:
        for handler, words in EFFECTS.items():

            def body(test: DurableTestCase, handler: Any = handler) -> None:
                recorded(test, keyed=handler not in (charged_twice, charge_in_the_body)).at_most_once()
                test.assertSurvivesCrashes({})

            with self.subTest(handler.__name__):
                self.assertIn(words, report(handler, body))

    def test_there_is_no_false_alarm(self) -> None:
        def body(test: DurableTestCase) -> None:
            effect = recorded(test).at_most_once()
            test.assertSurvivesCrashes({})
            effect.happened(2 if vars(type(test))["handler"] is two_in_a_step else 1)

        for handler in (key_of_the_order, key_of_a_step, two_in_a_step, with_a_wait):
            with self.subTest(handler.__name__):
                self.assertEqual(report(handler, body), "")

    def test_with_reset_calls_are_forgotten_before_each_run(self) -> None:
        def body(test: DurableTestCase) -> None:
            effect = recorded(test)
            test.assertSurvivesCrashes({}, reset=lambda: None)
            effect.happened(1)

        self.assertEqual(report(key_of_the_order, body), "")


class ClaimTests(unittest.TestCase):
    def body(self, claim: Any, keyed: bool = False) -> Any:
        def run(test: DurableTestCase) -> None:
            effect = recorded(test, keyed)
            test.execute({})
            claim(effect)

        return run

    def test_how_often_it_has_happened(self) -> None:
        self.assertEqual(report(key_of_the_attempt, self.body(lambda effect: effect.happened(2))), "")
        text = report(key_of_the_attempt, self.body(lambda effect: effect.happened(1)))
        self.assertIn(
            "AssertionError: side effect 'charge-card'\n"
            "Expected: happened once\n"
            "     but: happened 2 times\n"
            "  - in step 'charge', 2 times\n",
            text,
        )
        self.assertIn("execution 'execution-1'", text, "the report of the execution follows")

    def test_by_the_same_key_it_has_happened_once(self) -> None:
        self.assertEqual(report(two_in_a_step, self.body(lambda effect: effect.happened(2), keyed=True)), "")
        self.assertIn("happened 3 times", report(two_in_a_step, self.body(lambda effect: effect.happened(2))))

    @needs_turns
    def test_what_does_not_happen_after_a_crash_is_told(self) -> None:
        once = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=RetryPresets.none())

        @durable_execution
        def forgiving(event: Any, context: DurableContext) -> str:
            with suppress(Exception):
                context.step(lambda _: charge(key="order-42"), name="charge", config=once)
            return "ok"

        def early(test: DurableTestCase) -> None:
            effect = test.side_effect("charge-card")
            test.stub_step("charge").calls(lambda _: effect())
            test.assertSurvivesCrashes({})

        def late(test: DurableTestCase) -> None:
            test.stub_step("charge").calls(lambda _: test.side_effect("charge-card")())
            test.assertSurvivesCrashes({})

        for body in (early, late):
            with self.subTest(body.__name__):
                text = report(forgiving, body)
                self.assertIn("does not survive 2 of 10 faults", text)
                self.assertIn("  - side effect 'charge-card' happened 0 times instead of 1\n", text)

    def test_rules_are_checked_at_the_end_of_a_test(self) -> None:
        def body(test: DurableTestCase) -> None:
            recorded(test, keyed=False).at_most_once()
            test.execute({})

        self.assertIn(
            "may happen at most once in step 'charge', and happened 2 times", report(key_of_the_attempt, body)
        )
        self.assertEqual(report(key_of_the_order, body), "")

    def test_a_function_makes_the_key_of_the_arguments(self) -> None:
        def body(test: DurableTestCase) -> None:
            effect = test.side_effect("charge-card").with_key(lambda key: key[:8])
            world["effect"] = effect
            test.execute({})
            effect.happened(1)
            test.assertEqual(effect.calls[0].kwargs, {"key": "order-42-1"})

        self.assertEqual(report(key_of_the_attempt, body), "")

    def test_what_is_called_outside_of_any_step_is_told(self) -> None:
        text = report(charge_in_the_body, self.body(lambda effect: effect.happened(0)))
        self.assertIn("  - outside of any step, once", text)

    def test_one_name_is_one_recorder_and_stubs_may_call_it(self) -> None:
        def body(test: DurableTestCase) -> None:
            test.stub_step("charge").calls(test.side_effect("charge-card"))
            test.execute({})
            test.side_effect("charge-card").happened(1)

        self.assertEqual(report(key_of_the_order, body), "")

    def test_misuse_is_told(self) -> None:
        cases = {
            "side_effect(''): give a name": lambda test: test.side_effect(""),
            "with_key(3): give the name": lambda test: test.side_effect("a").with_key(3),
            "happened(True): give a number": lambda test: test.side_effect("a").happened(True),
            "called without id=": lambda test: test.side_effect("a").with_key("id")(key=1),
        }
        for words, body in cases.items():
            with self.subTest(words):
                text = report(key_of_the_order, body)
                self.assertIn("UsageError", text)
                self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
