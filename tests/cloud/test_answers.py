"""Scripted answers in real time."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from unittest import mock

from durabletest import (
    CallbackScript,
    CloudDurableTestRunner,
    ConfigurationError,
    Execution,
    NeverUsedError,
    ScriptedCallback,
    TestResult,
    WaitingStatus,
)
from durabletest.serve.rest_json import HttpAnswer
from tests.cloud.workflows import approval, approvals, forgotten, lively, parent
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase

HEARTBEAT = "SendDurableExecutionCallbackHeartbeat"
SUCCESS = "SendDurableExecutionCallbackSuccess"
FAILURE = "SendDurableExecutionCallbackFailure"
HISTORY = "GetDurableExecutionHistory"
A_DAY = timedelta(days=1)
SUBMITTED = range(5, 100)
"""The events of ``approval`` from the end of its submitter on."""


class AnswersTestCase(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("forgotten", forgotten)
        cls.endpoint.deploy("approval", approval)
        cls.endpoint.deploy("approvals", approvals)
        cls.endpoint.deploy("lively", lively)
        cls.endpoint.deploy("parent", parent, durable_functions={"child": approval})

    def answers(self) -> list[str]:
        """The answers that were sent, in order."""
        operations = [received.call.operation for received in self.endpoint.log.all()]
        return [operation for operation in operations if operation.startswith("SendDurableExecutionCallback")]


class DelaysLeftOutTests(AnswersTestCase):
    def test_an_answer_does_not_take_the_time_that_its_script_says(self) -> None:
        runner = self.runner("approval:live")
        runner.on_callback("approval").succeed("yes", after=timedelta(hours=23))
        self.assertEqual(runner.run().get_result(), "yes")

    def test_a_callback_without_a_submitter_is_found_by_its_own_name(self) -> None:
        runner = self.runner("forgotten:live")
        runner.on_callback("approval").fail("Refused", "too expensive", after=A_DAY)
        error = runner.run().get_error()
        assert error is not None
        self.assertEqual(error.message, "too expensive")

    def test_what_would_have_come_after_the_timeout_does_not_come(self) -> None:
        runner = self.runner("approval:live")
        runner.on_callback("approval", optional=True).succeed("yes", after=A_DAY)
        result = runner.run()
        self.assertEqual(result.get_operation("approval create callback id").status, "TIMED_OUT")
        self.assertEqual(self.answers(), [])

    def test_nobody_answers(self) -> None:
        runner = self.runner("approval:live")
        runner.on_callback("approval").never()
        self.assertEqual(runner.run().get_status(), "FAILED")
        self.assertEqual(self.answers(), [])

    def test_heartbeats_come_before_the_answer_that_they_lead_to(self) -> None:
        runner = self.runner("lively:live")
        script = runner.on_callback("upload").heartbeat(every=timedelta(minutes=9), times=3)
        script.succeed("done", after=timedelta(minutes=30))
        self.assertEqual(runner.run().get_result(), "done")
        self.assertEqual(self.answers(), [HEARTBEAT, HEARTBEAT, HEARTBEAT, SUCCESS])

    def test_what_would_have_come_after_a_missing_heartbeat_does_not_come(self) -> None:
        runner = self.runner("lively:live")
        script = runner.on_callback("upload", optional=True).heartbeat(every=timedelta(minutes=9))
        script.succeed("done", after=timedelta(minutes=30))
        result = runner.run()
        self.assertEqual(result.get_operation("upload").status, "TIMED_OUT")
        self.assertEqual(self.answers(), [HEARTBEAT])

    def test_without_a_delay_the_answer_comes_after_the_heartbeats(self) -> None:
        runner = self.runner("lively:live")
        runner.on_callback("upload").heartbeat(every=540, times=2).succeed("done")
        self.assertEqual(runner.run().get_result(), "done")
        self.assertEqual(self.answers(), [HEARTBEAT, HEARTBEAT, SUCCESS])

    def test_a_function_decides(self) -> None:
        seen: list[ScriptedCallback] = []

        def decide(callback: ScriptedCallback) -> str:
            seen.append(callback)
            return f"{callback.name}: yes"

        runner = self.runner("approval:live")
        runner.on_callback("approval").call(decide)
        result = runner.run()
        self.assertEqual(result.get_result(), "approval: yes")
        callback_id = result.get_operation("approval").get_callback_details().callback_id
        self.assertEqual(seen, [ScriptedCallback(callback_id or "", "approval", result.arn, 86_400, None)])

    def test_a_function_that_raises_fails_the_callback(self) -> None:
        def refuse(callback: ScriptedCallback) -> str:
            raise PermissionError("not today")

        runner = self.runner("approval:live")
        runner.on_callback("approval").call(refuse)
        error = runner.run().get_error()
        assert error is not None
        self.assertEqual(error.message, "not today")
        self.assertEqual(self.answers(), [FAILURE])

    def test_the_first_callback_gets_the_first_answer(self) -> None:
        runner = self.runner("approval:live")
        runner.on_callback("approval").succeed("one").succeed("two")
        self.assertEqual([runner.run().get_result() for _ in range(2)], ["one", "two"])

    def test_a_callback_of_an_invoked_function_is_answered_too(self) -> None:
        runner = self.runner("parent:live")
        runner.on_callback("approval").succeed("yes", after=timedelta(hours=2))
        self.assertEqual(runner.run().get_result(), "the child says yes")

    def test_no_answer_comes_before_the_submitter_has_succeeded(self) -> None:
        self.endpoint.faults.always(HISTORY, faults.Without(SUBMITTED))
        runner = self.runner("approval:live")
        runner.on_callback("approval").succeed("yes")
        execution = runner.start()
        execution.operation("approval create callback id").wait_for_data().result(timeout=20)
        self.endpoint.log.wait_for(HISTORY, self.endpoint.log.counts()[HISTORY] + 5)
        self.assertEqual(self.answers(), [])
        self.endpoint.faults.clear()
        self.assertEqual(execution.result(timeout=20).get_result(), "yes")
        self.assertEqual(self.answers(), [SUCCESS])

    def test_a_callback_that_had_ended_before_its_execution_was_followed_uses_no_answer_up(self) -> None:
        execution = self.runner("approvals:live").start()
        first, second = execution.operation("approval"), execution.operation("approval", 1)
        first.wait_for_data().result(timeout=20)
        first.send_callback_success("by hand")
        second.wait_for_data().result(timeout=20)
        late = self.runner("approvals:live")
        script = late.on_callback("approval").succeed("by script")
        result = late.execution(execution.arn).result(timeout=20)
        self.assertEqual(result.get_result(), ["by hand", "by script"])
        self.assertEqual([use.answered for use in script.uses], [True])

    def test_one_that_has_ended_since_then_does_as_it_does_in_virtual_time(self) -> None:
        runner = self.runner("approvals:live")
        script = runner.on_callback("approval", optional=True).succeed("not needed").succeed("by script")
        ended = Event()

        def answered_first(answering: faults.Answering, closing: Event) -> HttpAnswer:
            """The first callback is answered by hand before its runner has seen it."""
            if not ended.is_set():
                ended.set()
                other = self.runner("approvals:live").execution(self.arn_of_the_newest("approvals"))
                callback = other.operation("approval")
                callback.wait_for_data().result(timeout=20)
                callback.send_callback_success("by hand")
            return answering()

        self.endpoint.faults.add(HISTORY, answered_first)
        self.assertEqual(runner.run().get_result(), ["by hand", "by script"])
        self.assertEqual([use.answered for use in script.uses], [False, True])

    def arn_of_the_newest(self, function: str) -> str:
        listed = self.client.list_durable_executions_by_function(FunctionName=function)["DurableExecutions"]
        arn: str = listed[0]["DurableExecutionArn"]
        return arn

    def test_an_answer_that_the_service_refuses_is_kept_by_the_script(self) -> None:
        runner = self.runner("forgotten:live")
        script: CallbackScript = runner.on_callback("approval", optional=True).succeed("yes")
        self.endpoint.faults.add(SUCCESS, faults.Refused(400, "CallbackTimeoutException", "the callback is gone"))
        execution = runner.start()
        self.endpoint.log.wait_for(SUCCESS, 1)
        execution.operation("approval").send_callback_success("by hand")
        self.assertEqual(execution.result(timeout=20).get_result(), "by hand")
        words = (
            f"An error occurred (CallbackTimeoutException) when calling the {SUCCESS} operation: the callback is gone"
        )
        self.assertEqual(script.refused, [words])

    def test_a_refused_answer_that_the_execution_waits_for_ends_the_run_at_once(self) -> None:
        for refusal in (
            faults.Refused(400, "InvalidParameterValueException", "too large"),
            faults.Refused(404, "ResourceNotFoundException", "no such callback"),
        ):
            with self.subTest(refusal.code):
                runner = self.runner("forgotten:live", timeout=2)
                runner.on_callback("approval").succeed("yes")
                self.endpoint.faults.add(SUCCESS, refusal)
                with self.assertRaises(NeverUsedError) as caught:
                    runner.run()
                self.assertEqual(
                    str(caught.exception),
                    f"on_callback('approval'): the answer was refused: An error occurred ({refusal.code}) when calling "
                    f"the {SUCCESS} operation: {refusal.message}\n"
                    "If it need not be used, write on_callback('approval', optional=True)",
                )
                runner.reset()

    def test_one_that_comes_too_late_does_not(self) -> None:
        runner = self.runner("approvals:live")
        script = runner.on_callback("approval").succeed("too late").succeed("by script")

        def answered_by_hand(answering: faults.Answering, closing: Event) -> HttpAnswer:
            [first] = self.endpoint.log.members(SUCCESS)
            self.client.send_durable_execution_callback_success(CallbackId=first["CallbackId"], Result="by hand")
            return faults.Refused(404, "ResourceNotFoundException", "no such callback")(answering, closing)

        self.endpoint.faults.add(SUCCESS, answered_by_hand)
        self.assertEqual(runner.run().get_result(), ["by hand", "by script"])
        self.assertEqual(len(script.refused), 1)
        runner.reset()

    def test_an_answer_that_is_not_permitted_ends_the_run(self) -> None:
        runner = self.runner("forgotten:live")
        runner.on_callback("approval").succeed("yes")
        self.endpoint.faults.add(SUCCESS, faults.forbidden)
        with self.assertRaisesRegex(PermissionError, f"the credentials do not permit lambda:{SUCCESS}"):
            runner.run()


class FailingAnswerTests(AnswersTestCase):
    """Errors while an answer is given are those of the test, whether the callback is its own or a child's."""

    def test_an_assertion_that_fails_in_a_script(self) -> None:
        def check(callback: ScriptedCallback) -> None:
            raise AssertionError(f"not {callback.name}")

        for function in ("approval:live", "parent:live"):
            with self.subTest(function):
                runner = self.runner(function, timeout=5)
                runner.on_callback("approval").call(check)
                with self.assertRaises(AssertionError) as caught:
                    runner.run()
                self.assertEqual(str(caught.exception), "not approval")
                self.assertEqual(self.endpoint.running(), [])
                runner.reset()

    def test_an_answer_to_a_child_that_is_not_permitted_or_refused(self) -> None:
        for fault, error in (
            (faults.forbidden, PermissionError),
            (faults.Refused(404, "ResourceNotFoundException", "no such callback"), NeverUsedError),
        ):
            with self.subTest(fault.code):
                runner = self.runner("parent:live", timeout=5)
                runner.on_callback("approval").succeed("yes")
                self.endpoint.faults.add(SUCCESS, fault)
                with self.assertRaises(error):
                    runner.run()
                runner.reset()


class UnansweredTests(AnswersTestCase):
    """Scripts that nothing came to."""

    def complaint(self, function: str, script: Callable[[CloudDurableTestRunner], object]) -> str:
        """What is said when the runner is left after one execution; empty if nothing is."""
        try:
            with self.new_runner(function) as runner:
                script(runner)
                runner.run()
        except NeverUsedError as error:
            return str(error)
        return ""

    def test_a_misspelt_name(self) -> None:
        self.assertEqual(
            self.complaint("approval:live", lambda runner: runner.on_callback("aproval").fail("Refused")),
            "on_callback('aproval') was never used: no callback has that name; did you mean 'approval'?\n"
            "The callbacks of the test's executions: 'approval'\n"
            "If it need not be used, write on_callback('aproval', optional=True)",
        )

    def test_an_answer_after_the_timeout(self) -> None:
        text = self.complaint(
            "approval:live", lambda runner: runner.on_callback("approval").succeed("yes", after=A_DAY)
        )
        self.assertRegex(
            text, r"^on_callback\('approval'\): the answer after 1d never came: callback 'approval' is TIMED_OUT"
        )

    def test_an_answer_that_is_refused(self) -> None:
        self.endpoint.faults.add(SUCCESS, faults.Refused(400, "InvalidParameterValueException", "too large"))
        text = self.complaint("approval:live", lambda runner: runner.on_callback("approval").succeed("x"))
        self.assertIn("on_callback('approval'): the answer was refused: An error occurred (InvalidParameterValue", text)

    def test_what_came_is_not_complained_of(self) -> None:
        for function, script in (
            ("approval:live", lambda runner: runner.on_callback("approval").succeed("yes")),
            ("approval:live", lambda runner: runner.on_callback("approval").never()),
            ("parent:live", lambda runner: runner.on_callback("approval").succeed("yes")),
            ("parent:live", lambda runner: runner.on_callback("approval").never()),
            ("lively:live", lambda runner: runner.on_callback("upload").heartbeat(every=540, times=2)),
            ("approval:live", lambda runner: runner.on_callback("aproval", optional=True).succeed("yes")),
        ):
            self.assertEqual(self.complaint(function, script), "")

    def test_an_error_in_the_with_block_is_not_hidden(self) -> None:
        with self.assertRaises(ZeroDivisionError), self.new_runner("approval:live") as runner:
            runner.on_callback("approval")
            raise ZeroDivisionError


class RealDelaysTests(AnswersTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enterContext(mock.patch.dict(os.environ, DURABLETEST_REAL_DELAYS="1"))

    def submitted(self, runner: CloudDurableTestRunner) -> Execution:
        execution = runner.start()
        execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=20)
        return execution

    def test_an_answer_comes_when_its_script_says(self) -> None:
        runner = self.runner("forgotten:live")
        runner.on_callback("approval").succeed("yes", after=timedelta(seconds=0.1))
        result: TestResult = runner.run()
        self.assertEqual(result.get_result(), "yes")
        [answer] = self.endpoint.log.of(SUCCESS)
        polls = [received.at for received in self.endpoint.log.of("GetDurableExecutionHistory")]
        self.assertGreaterEqual(answer.at - polls[0], 0.1)

    def test_it_does_not_wait_for_the_next_poll(self) -> None:
        execution = self.submitted(self.runner("forgotten:live"))
        slow = self.runner("forgotten:live", poll_interval=60)
        slow.on_callback("approval").succeed("yes", after=timedelta(seconds=0.1))
        slow.execution(execution.arn)
        self.assertEqual(execution.result(timeout=20).get_result(), "yes")

    def test_an_answer_that_takes_long_is_pending(self) -> None:
        runner = self.runner("forgotten:live")
        runner.on_callback("approval").succeed("yes", after=A_DAY)
        execution = self.submitted(runner)
        [pending] = [entry for entry in execution.pending() if entry.reason == "scripted answer"]
        self.assertEqual(pending.operation, "approval")
        assert pending.due is not None
        self.assertAlmostEqual(pending.due, execution.now + A_DAY, delta=timedelta(minutes=1))
        self.assertEqual(self.answers(), [])

    def test_other_values_of_the_variable_are_refused(self) -> None:
        with (
            mock.patch.dict(os.environ, DURABLETEST_REAL_DELAYS="yes"),
            self.assertRaises(ConfigurationError) as caught,
        ):
            self.runner("forgotten:live")
        self.assertEqual(
            str(caught.exception), "the environment variable DURABLETEST_REAL_DELAYS is 'yes': write 1 or 0"
        )
