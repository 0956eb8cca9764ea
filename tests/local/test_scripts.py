"""Scripted answers, in virtual time, and what becomes of a callback that nobody answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import CallbackConfig, Duration, WaitForCallbackConfig

from durabletest import DurableTestCase, ExecutionStuckError, PayloadError, ScriptedCallback, UsageError

HOUR = timedelta(hours=1)


@durable_execution
def approvals(event: dict[str, int], context: DurableContext) -> list[str]:
    """As many approvals, one after the other, as the event says; timeouts are seconds, 0 is none."""
    config = CallbackConfig(
        timeout=Duration.from_seconds(event.get("timeout", 0)),
        heartbeat_timeout=Duration.from_seconds(event.get("heartbeat", 0)),
    )
    return [
        str(context.create_callback(name="approval", config=config).result()) for _ in range(event.get("callbacks", 1))
    ]


class ScriptTests(DurableTestCase):
    handler = approvals

    def test_r11_4_r18_5_an_answer_comes_when_the_script_says(self) -> None:
        self.on_callback("approval").succeed("yes", after=2 * HOUR)
        self.execute({"timeout": 3 * 3600})
        self.assertOperation("approval").succeeded().waited(2 * HOUR)
        self.assertExecution().succeeded(["yes"])

    def test_r11_4_r18_5_a_failure_has_a_type_and_a_message(self) -> None:
        self.on_callback("approval").fail("Refused", "too expensive", after=HOUR)
        self.execute({})
        self.assertOperation("approval").failed("Refused", "too expensive").waited(HOUR)

    def test_r16_4_repeated_callbacks_get_the_answers_in_order(self) -> None:
        self.on_callback("approval").succeed("one", after=HOUR).succeed("two", after=2 * HOUR).succeed("three")
        self.execute({"callbacks": 3})
        self.assertExecution().succeeded(["one", "two", "three"])
        self.assertEqual(self.now - self.start_time, 3 * HOUR)

    def test_a_script_can_be_written_in_several_calls(self) -> None:
        self.on_callback("approval").succeed("one")
        self.on_callback("approval").succeed("two")
        self.execute({"callbacks": 2})
        self.assertExecution().succeeded(["one", "two"])

    def test_r11_3_never_lets_the_timeout_decide(self) -> None:
        self.on_callback("approval").never()
        self.execute({"timeout": 86_400})
        self.assertOperation("approval").timed_out().waited(days=1)

    def test_never_is_one_of_several_answers(self) -> None:
        self.on_callback("approval").succeed("one").never()
        self.execute({"timeout": 60, "callbacks": 2})
        self.assertOperation("approval", 0).succeeded("one")
        self.assertOperation("approval", 1).timed_out()

    def test_heartbeats_lead_to_the_answer_that_they_are_chained_to(self) -> None:
        self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3).succeed(
            "kept alive", after=timedelta(minutes=20)
        ).never()
        self.execute({"heartbeat": 360, "callbacks": 2})
        self.assertOperation("approval", 0).succeeded().waited(minutes=20)
        self.assertOperation("approval", 1).timed_out().waited(minutes=6)

    def test_a_function_decides_from_the_details(self) -> None:
        seen: list[tuple[ScriptedCallback, Any]] = []

        def decide(callback: ScriptedCallback) -> dict[str, Any]:
            seen.append((callback, self.now))
            return {"by": "ann"}

        self.on_callback("approval").call(decide, after=HOUR)
        result = self.execute({"timeout": 7200, "heartbeat": 5400})
        self.assertOperation("approval").succeeded('{"by": "ann"}').waited(HOUR)
        callback, at = seen[0]
        self.assertEqual((callback.name, callback.timeout, callback.heartbeat_timeout), ("approval", 7200, 5400))
        self.assertEqual((callback.arn, at), (result.arn, self.start_time + HOUR))
        self.assertEqual(callback.callback_id, result.get_operation("approval").get_callback_details().callback_id)

    def test_what_a_function_raises_fails_the_callback(self) -> None:
        def decide(_: ScriptedCallback) -> None:
            raise PermissionError("not before noon")

        self.on_callback("approval").call(decide)
        self.execute({})
        self.assertOperation("approval").failed(PermissionError, "not before noon")

    def test_a_failed_assertion_in_a_function_fails_the_test(self) -> None:
        self.on_callback("approval").call(lambda callback: self.assertEqual(callback.timeout, 5))
        with self.assertRaisesRegex(AssertionError, "60 != 5"):
            self.execute({"timeout": 60})

    def test_what_a_function_returns_and_is_no_answer_is_the_tests_error(self) -> None:
        self.on_callback("approval", optional=True).call(lambda _: {"tags": {1, 2}})
        with self.assertRaisesRegex(PayloadError, r"^result\['tags'\] is a set; JSON has no such type"):
            self.execute({"timeout": 60})

    def test_a_wrong_use_of_durabletest_in_a_function_is_the_tests_error(self) -> None:
        self.on_callback("approval", optional=True).call(lambda _: self.on_callback(""))
        with self.assertRaisesRegex(UsageError, r"^on_callback\(''\): give the name of a callback"):
            self.execute({"timeout": 60})

    def test_a_function_that_exits_is_an_error_that_names_it(self) -> None:
        def decide(_: ScriptedCallback) -> None:
            raise SystemExit(2)

        self.on_callback("approval").call(decide)
        with self.assertRaisesRegex(
            UsageError, r"on_callback\('approval'\)\.call\(.*decide\) ended by SystemExit\(2\)"
        ):
            self.execute({})

    def test_functions_and_answers_can_follow_each_other(self) -> None:
        self.on_callback("approval").call(lambda _: "decided").succeed("second").call(lambda _: "third", after=HOUR)
        self.execute({"callbacks": 3})
        self.assertExecution().succeeded(["decided", "second", "third"])

    def test_an_answer_that_comes_too_late_is_refused(self) -> None:
        script = self.on_callback("approval", optional=True).succeed("late", after=2 * HOUR)
        self.execute({"timeout": 3600})
        self.assertOperation("approval").timed_out().waited(HOUR)
        self.assertEqual(script.refused, [])
        self.assertExecution().failed()

    def test_an_answer_at_the_instant_of_the_timeout_comes_second(self) -> None:
        self.on_callback("approval", optional=True).succeed("too late", after=HOUR)
        self.execute({"timeout": 3600})
        self.assertOperation("approval").timed_out().waited(HOUR)

    def test_a_script_does_not_outlive_its_test(self) -> None:
        self.on_callback("approval").succeed("yes")
        self.runner.reset()
        with self.assertRaises(ExecutionStuckError):
            self.execute({})

    def test_an_answer_comes_right_after_the_heartbeats_that_it_is_chained_to(self) -> None:
        self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3).succeed("kept alive")
        self.execute({"heartbeat": 360})
        self.assertOperation("approval").succeeded("kept alive").waited(minutes=15).heartbeats(3)

    def test_an_answer_may_come_with_the_last_heartbeat_and_not_before_it(self) -> None:
        beats = self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3)
        with self.assertRaises(UsageError) as caught:
            beats.fail("Refused", after=timedelta(minutes=14))
        self.assertEqual(
            str(caught.exception),
            "on_callback('approval'): the answer after 14m would come before its heartbeats, the last of which is sent "
            "after 15m: leave after= out, or give a longer one",
        )
        beats.succeed("yes", after=timedelta(minutes=15))
        self.execute({})
        self.assertOperation("approval").succeeded("yes").waited(minutes=15).heartbeats(3)

    def test_delays_may_be_seconds(self) -> None:
        self.on_callback("approval").heartbeat(every=300, times=2).succeed("one", after=1800)
        self.on_callback("approval").call(lambda _: "two", after=0.5)
        self.execute({"callbacks": 2})
        self.assertOperation("approval", 0).waited(minutes=30).heartbeats(2)
        self.assertOperation("approval", 1).succeeded("two").waited(seconds=0.5)

    def test_what_is_no_delay_is_refused(self) -> None:
        script = self.on_callback("approval", optional=True)
        for value in (-HOUR, -1, True, "1h", None, float("nan"), float("inf"), timedelta.max):
            with (
                self.subTest(repr(value)),
                self.assertRaisesRegex(UsageError, r"^every of on_callback\('approval'\)\.heart"),
            ):
                script.heartbeat(every=value)  # type: ignore[arg-type]
            if value is not None:
                with (
                    self.subTest(repr(value)),
                    self.assertRaisesRegex(UsageError, r"^after of on_callback\('approval'\) is "),
                ):
                    script.succeed("yes", after=value)  # type: ignore[arg-type]
        self.assertEqual(script.answers, [])

    def test_heartbeats_that_are_none_are_refused(self) -> None:
        script = self.on_callback("approval", optional=True)
        for every, times in ((HOUR, 0), (HOUR, True), (HOUR, 1.5), (HOUR, "3"), (timedelta(0), 1), (0, 1)):
            with self.subTest(every=every, times=times), self.assertRaises(UsageError) as caught:
                script.heartbeat(every=every, times=times)  # type: ignore[arg-type]
            self.assertEqual(
                str(caught.exception),
                f"on_callback('approval').heartbeat(every={every!r}, times={times!r}): every must be positive, times a "
                "number from 1 on",
            )

    def test_names_that_are_none_are_refused(self) -> None:
        for name in ("", None, 5):
            with self.subTest(repr(name)), self.assertRaises(UsageError) as caught:
                self.on_callback(name)  # type: ignore[arg-type]
            self.assertEqual(str(caught.exception), f"on_callback({name!r}): give the name of a callback")


@durable_execution
def nested(event: Any, context: DurableContext) -> Any:
    def order(child: DurableContext) -> Any:
        child.wait(Duration.from_hours(1), name="think")
        return child.wait_for_callback(lambda *_: None, name="sign", config=WaitForCallbackConfig())

    return context.run_in_child_context(order, name="order")


@durable_execution
def plain_callback_in_a_context(event: Any, context: DurableContext) -> Any:
    def order(child: DurableContext) -> Any:
        config = CallbackConfig(timeout=Duration.from_hours(2))
        return child.create_callback(name="approval", config=config).result()

    return context.run_in_child_context(order, name="order")


class NameTests(DurableTestCase):
    """A context's name stands for the callback inside it only if the context is a ``wait_for_callback``."""

    handler = plain_callback_in_a_context

    def test_the_name_of_a_context_answers_none_of_its_callbacks(self) -> None:
        wrong = self.on_callback("order", optional=True).succeed("no")
        self.on_callback("approval").succeed("yes", after=HOUR)
        self.assertEqual(self.execute().get_result(), "yes")
        self.assertOperation("approval").succeeded("yes").waited(HOUR)
        self.assertEqual(wrong.uses, [])


class WaitForCallbackNameTests(DurableTestCase):
    handler = nested

    def test_a_wait_for_callback_is_answered_by_the_name_that_its_author_gave_it(self) -> None:
        self.on_callback("order", optional=True).succeed("no")
        self.on_callback("sign").succeed("yes")
        self.assertEqual(self.execute().get_result(), "yes")


class StuckTests(DurableTestCase):
    handler = nested

    def test_a_callback_that_nobody_can_answer_ends_the_run_and_is_named(self) -> None:
        with self.assertRaisesRegex(
            ExecutionStuckError, r"callback 'order/sign', which has no timeout and no scripted"
        ):
            self.execute()
        with self.assertRaisesRegex(ExecutionStuckError, r"write self\.on_callback\('sign'\)\.succeed\(\.\.\.\)"):
            self.execute()

    def test_a_script_that_is_used_up_is_named(self) -> None:
        self.on_callback("sign").succeed("first")
        self.execute()
        with self.assertRaisesRegex(ExecutionStuckError, r"callback 'order/sign': its script's answers are used"):
            self.execute()

    def test_a_script_without_an_answer_is_told_as_such(self) -> None:
        silent = self.on_callback("sign", optional=True)
        with self.assertRaisesRegex(ExecutionStuckError, r"callback 'order/sign': its script says nothing: write"):
            self.execute()
        silent.heartbeat(every=60, times=2)
        with self.assertRaisesRegex(ExecutionStuckError, r"its script sends heartbeats and no answer: write"):
            self.execute()

    def test_an_answer_that_was_refused_is_told_with_the_services_words(self) -> None:
        self.on_callback("sign", optional=True).succeed(b"\xff")
        with self.assertRaisesRegex(
            ExecutionStuckError,
            r"callback 'order/sign': its script's answer was refused: .*InvalidParameterValue",
        ):
            self.execute()

    def test_never_without_a_timeout_cannot_end(self) -> None:
        self.on_callback("sign").never()
        with self.assertRaisesRegex(
            ExecutionStuckError,
            r"'order/sign': its script says \.never\(\), and it has no timeout: .*never\(\) needs a timeout in the",
        ):
            self.execute()

    def test_an_execution_that_is_stuck_can_still_be_answered(self) -> None:
        execution = self.start()
        with self.assertRaises(ExecutionStuckError):
            execution.result(timeout=5)
        execution.operation("order/sign").send_callback_success("after all")
        self.assertEqual(execution.result(timeout=5).get_result(), "after all")
