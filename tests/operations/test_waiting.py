"""Waits, conditions, callbacks and invokes as users write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, WaitForCallbackConfig
from aws_durable_execution_sdk_python.retries import RetryPresets
from aws_durable_execution_sdk_python.serdes import JsonSerDes
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

from durabletest import DurableTestCase, FunctionNotRegisteredError


@durable_execution
def polling(event: dict[str, int], context: DurableContext) -> Any:
    def check(state: dict[str, int], _: Any) -> dict[str, int]:
        if state["polls"] == event.get("breaks"):
            raise RuntimeError("the other side is gone")
        return {"polls": state["polls"] + 1}

    def strategy(state: dict[str, int], attempt: int) -> WaitForConditionDecision:
        if state["polls"] >= event["ready"]:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_seconds(30 * attempt))

    config = WaitForConditionConfig(wait_strategy=strategy, initial_state={"polls": 0})
    return context.wait_for_condition(check, config, name="ready")


class ConditionTests(DurableTestCase):
    handler = polling

    def test_it_is_polled_until_the_condition_holds(self) -> None:
        result = self.execute({"ready": 3})
        self.assertExecution().succeeded({"polls": 3})
        self.assertOperation("ready").succeeded({"polls": 3}).attempts(3).waited(seconds=90)
        self.assertEqual(
            result.get_operation("ready").get_step_details().retry_delays,
            (timedelta(seconds=30), timedelta(seconds=60)),
        )

    def test_a_check_that_raises_fails_the_condition(self) -> None:
        self.execute({"ready": 3, "breaks": 1})
        self.assertOperation("ready").failed(message="the other side is gone").attempts(2)
        self.assertExecution().failed(message="the other side is gone")


@durable_execution
def two_callbacks(event: Any, context: DurableContext) -> Any:
    first = context.create_callback(name="first", config=CallbackConfig(timeout=Duration.from_hours(1)))
    second = context.create_callback(
        name="second", config=CallbackConfig(timeout=Duration.from_hours(3), serdes=JsonSerDes())
    )
    context.step(lambda _: first.callback_id, name="tell")
    return [second.result(), first.result()]


class CallbackTests(DurableTestCase):
    handler = two_callbacks

    def test_callbacks_are_created_together_and_answered_in_any_order(self) -> None:
        self.on_callback("first").succeed("one", after=timedelta(minutes=50))
        self.on_callback("second").succeed({"two": 2}, after=timedelta(minutes=10))
        result = self.execute()
        self.assertExecution().succeeded([{"two": 2}, "one"])
        told = result.get_operation("tell").get_step_details().result
        self.assertEqual(result.get_operation("first").get_callback_details().callback_id, told)

    def test_the_shorter_timeout_fails_the_execution(self) -> None:
        self.on_callback("second").succeed({}, after=timedelta(hours=2))
        self.execute()
        self.assertOperation("first").timed_out().waited(hours=1)
        self.assertExecution().failed()


@durable_execution
def submitting(event: Any, context: DurableContext) -> Any:
    def submit(callback_id: str, callback_context: Any) -> None:
        if event.get("broken"):
            raise ConnectionError("no route")

    config = WaitForCallbackConfig(
        timeout=Duration.from_hours(8), heartbeat_timeout=Duration.from_minutes(6), retry_strategy=RetryPresets.none()
    )
    return context.wait_for_callback(submit, name="sign", config=config)


class WaitForCallbackTests(DurableTestCase):
    handler = submitting

    def test_heartbeats_keep_it_alive_until_the_answer(self) -> None:
        self.on_callback("sign").heartbeat(every=timedelta(minutes=5), times=3).succeed(
            "signed", after=timedelta(minutes=20)
        )
        self.execute({})
        self.assertExecution().succeeded("signed")
        self.assertOperation("sign").succeeded().waited(minutes=20)

    def test_without_heartbeats_it_times_out(self) -> None:
        self.on_callback("sign", optional=True).succeed("signed", after=timedelta(minutes=20))
        self.execute({})
        self.assertOperation("sign").timed_out().waited(minutes=6)

    def test_a_submitter_that_fails_fails_the_execution(self) -> None:
        self.execute({"broken": True})
        self.assertExecution().failed(message="no route")


@durable_execution
def grandchild(event: int, context: DurableContext) -> int:
    context.wait(Duration.from_hours(2), name="sleep")
    return event + 1


@durable_execution
def child(event: int, context: DurableContext) -> int:
    return context.invoke("grandchild", event + 1, name="deeper") + 1


@durable_execution
def parent(event: int, context: DurableContext) -> Any:
    return [context.invoke("child", event, name="deep"), context.invoke("double", event, name="plain")]


class InvokeTests(DurableTestCase):
    handler = parent
    durable_functions = {"child": child, "grandchild": grandchild}
    functions = {"double": lambda event, context: event * 2}

    def test_r7_3_durable_functions_are_nested_to_any_depth(self) -> None:
        result = self.execute(1)
        self.assertExecution().succeeded([4, 2])
        self.assertEqual(result.get_operation("deep").duration, timedelta(hours=2))
        child_arn = result.get_operation("deep").get_invoke_details().child_arn
        assert child_arn is not None
        inner = self.runner.execution(child_arn).result()
        self.assertOperation("deeper", execution=inner).succeeded(3)

    def test_r7_2_a_registered_plain_function_that_raises_fails_the_invoke(self) -> None:
        def broken(event: Any, context: Any) -> None:
            raise LookupError("no such customer")

        self.register_function("double", broken)
        self.execute(1)
        self.assertOperation("plain").failed(LookupError, "no such customer")
        self.assertExecution().failed(message="no such customer")

    def test_a_plain_function_that_returns_nothing_succeeds_with_null(self) -> None:
        self.register_function("double", lambda event, context: None)
        self.execute(1)
        self.assertExecution().succeeded([4, None])

    def test_an_unknown_target_is_named(self) -> None:
        self.register_durable_function("child", two_targets)
        with self.assertRaisesRegex(FunctionNotRegisteredError, "'duoble'.*Did you mean 'double'"):
            self.execute(1)


@durable_execution
def two_targets(event: int, context: DurableContext) -> Any:
    return context.invoke("duoble", event)
