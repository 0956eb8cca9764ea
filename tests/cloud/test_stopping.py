"""However a run ends, no execution is left running in the cloud."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import unittest
from collections.abc import Callable
from threading import Event, Timer
from typing import Any
from unittest import mock

from durabletest import (
    CloudDurableTestRunner,
    CloudServiceError,
    CloudTimeoutError,
    Execution,
    ExecutionStatus,
    RunnerClosedError,
    WaitTimeoutError,
)
from durabletest.cloud.stopping import interrupted_seconds
from durabletest.serve.rest_json import HttpAnswer
from tests.cloud.workflows import approval, forgotten, grandparent, order, parent, race
from tests.endpoint import faults
from tests.endpoint.case import POLL_INTERVAL, EndpointTestCase

HISTORY = "GetDurableExecutionHistory"
STOP = "StopDurableExecution"


def still_running(execution: dict[str, Any]) -> dict[str, Any]:
    """The status of an execution as it was before its end."""
    return {key: value for key, value in execution.items() if key != "EndTimestamp"} | {"Status": "RUNNING"}


def without_stops(page: dict[str, Any]) -> dict[str, Any]:
    """A page of a history that does not tell of a stop."""
    stops = ("ExecutionStopped", "ChainedInvokeStopped")
    return {**page, "Events": [event for event in page["Events"] if event["EventType"] not in stops]}


class StoppingTestCase(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy("forgotten", forgotten)
        cls.endpoint.deploy("parent", parent, durable_functions={"child": approval})

    def let_children_outlast_their_parents(self) -> None:
        """As far as a client can see: the endpoint stops children with their parents."""
        self.endpoint.faults.always(HISTORY, faults.Rewritten(without_stops))

    def reasons(self) -> list[Any]:
        """The error of each stop request."""
        return [request.get("Error") for request in self.endpoint.log.members(STOP)]


class TimeoutTests(StoppingTestCase):
    def test_an_execution_that_never_ends_is_stopped_after_its_timeout(self) -> None:
        runner = self.runner("forgotten:live", timeout=1, execution_prefix="never")
        with self.assertRaises(CloudTimeoutError) as caught:
            runner.run()
        message = str(caught.exception)
        self.assertRegex(
            message,
            r"^execution 'never-\w{12}' did not end within 1s, its cloud timeout, and was stopped\n"
            r"Execution: arn:aws:lambda:us-east-1:\d{12}:function:forgotten:\$LATEST/durable-execution/never-\S+\n"
            r"Console:   https://us-east-1\.console\.aws\.amazon\.com/lambda/home\?region=us-east-1"
            r"#/functions/forgotten\?tab=durableExecutions\n"
            r"It waits for callback 'approval'\.\n"
            r"The operations of the execution:\n  approval  CALLBACK$",
        )
        self.assertEqual(self.reasons(), [{"ErrorType": "CloudTimeoutError", "ErrorMessage": message.splitlines()[0]}])

    def test_everybody_who_waits_is_told(self) -> None:
        execution = self.runner("forgotten:live", timeout=0.2).start()
        refund = execution.operation("refund").wait_for_data()
        with self.assertRaises(CloudTimeoutError):
            refund.result(timeout=20)
        with self.assertRaises(CloudTimeoutError):
            execution.result(timeout=20)
        with self.assertRaises(CloudTimeoutError):
            execution.operation("approval").wait_for_data().result(timeout=20)

    def test_who_waits_for_less_than_that_stops_nothing(self) -> None:
        execution = self.runner("forgotten:live").start()
        execution.operation("approval").wait_for_data().result(timeout=20)
        with self.assertRaises(WaitTimeoutError) as caught:
            execution.result(timeout=0.05)
        self.assertRegex(str(caught.exception), r"did not end within 0.05 real seconds\nExecution: arn:\S+\nConsole: ")
        self.assertNotIsInstance(caught.exception, CloudTimeoutError)
        self.assertIs(execution.status, ExecutionStatus.RUNNING)
        execution.operation("approval").send_callback_success("yes")
        self.assertEqual(execution.result(timeout=20).get_result(), "yes")

    def test_an_execution_that_others_have_started_is_left_alone(self) -> None:
        arn = self.client.invoke(FunctionName="forgotten:live", InvocationType="Event")["DurableExecutionArn"]
        with self.runner("orders:live", timeout=0.2) as runner:
            execution = runner.execution(arn)
            with self.assertRaisesRegex(CloudTimeoutError, "did not end within 0.2s, its cloud timeout\n"):
                execution.result()
        self.assertEqual(self.reasons(), [])
        self.assertEqual(self.endpoint.running(), [arn])
        self.client.stop_durable_execution(DurableExecutionArn=arn)


class ClosingTests(StoppingTestCase):
    def waiting(self, runner: CloudDurableTestRunner) -> Execution:
        execution = runner.start()
        execution.operation("approval").wait_for_data().result(timeout=20)
        return execution

    def test_closing_a_runner_stops_what_it_has_started(self) -> None:
        with self.runner("forgotten:live") as runner:
            execution = self.waiting(runner)
            self.assertEqual(self.endpoint.running(), [execution.arn])
        self.assertEqual(self.endpoint.running(), [])
        self.assertEqual(self.reasons(), [{"ErrorType": "durabletest", "ErrorMessage": "The test has ended"}])

    def test_what_has_ended_is_not_stopped(self) -> None:
        with self.runner("orders:live") as runner:
            runner.run({"order": 42})
        self.assertEqual(self.reasons(), [])

    def test_reset_stops_too_and_the_runner_goes_on(self) -> None:
        runner = self.runner("forgotten:live")
        self.waiting(runner)
        runner.reset()
        self.assertEqual(self.endpoint.running(), [])
        self.waiting(runner)

    def test_a_closed_runner_says_so(self) -> None:
        runner = self.runner("forgotten:live")
        execution = self.waiting(runner)
        future = execution.operation("refund").wait_for_data()
        runner.close()
        runner.close()
        with self.assertRaises(RunnerClosedError) as caught:
            runner.run()
        self.assertEqual(
            str(caught.exception),
            "this runner for 'forgotten:live' is closed: make a new one, or stay in its with block",
        )
        with self.assertRaisesRegex(RunnerClosedError, "is followed no longer: its runner was closed"):
            future.result(timeout=20)

    def test_whatever_is_asked_of_a_closed_runner(self) -> None:
        runner = self.runner("orders:live")
        arn = runner.run({"order": 42}).arn
        runner.close()
        calls: dict[str, Callable[[], object]] = {
            "run": runner.run,
            "start": runner.start,
            "execution": lambda: runner.execution(arn),
            "stop": runner.stop,
            "reset": runner.reset,
            "on_callback": lambda: runner.on_callback("approval"),
            "lambda_client": runner.lambda_client,
            "route": lambda: runner.route(self.client),
        }
        for name, call in calls.items():
            with self.subTest(name), self.assertRaisesRegex(RunnerClosedError, "this runner for 'orders:live' is clos"):
                call()

    def test_an_execution_that_was_followed_before_a_reset_can_be_followed_again(self) -> None:
        arn = self.client.invoke(FunctionName="forgotten:live", InvocationType="Event")["DurableExecutionArn"]
        runner = self.runner("forgotten:live")
        runner.execution(arn).operation("approval").wait_for_data().result(timeout=20)
        runner.reset()
        execution = runner.execution(arn)
        execution.operation("approval").wait_for_data().result(timeout=20)
        execution.operation("approval").send_callback_success("yes")
        self.assertEqual(execution.result(timeout=20).get_result(), "yes")

    def test_what_invoked_functions_do_is_stopped_too(self) -> None:
        with self.runner("parent:live") as runner:
            execution = runner.start()
            execution.operation("ask the child").wait_for_data().result(timeout=20)
            child = execution.operation("ask the child").get_invoke_details().child_arn
            self.let_children_outlast_their_parents()
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [execution.arn, child])
        answer = self.client.get_durable_execution(DurableExecutionArn=child)
        self.assertEqual(answer["Status"], "STOPPED")

    def test_what_those_have_invoked_is_stopped_too(self) -> None:
        functions = {"parent": parent, "child": approval}
        self.endpoint.deploy("grandparent", grandparent, durable_functions=functions)
        with self.runner("grandparent:live") as runner:
            execution = runner.start()
            execution.operation("ask the parent").wait_for_data().result(timeout=20)
            child = runner.execution(execution.operation("ask the parent").get_invoke_details().child_arn or "")
            child.operation("ask the child").wait_for_data().result(timeout=20)
            grandchild = child.operation("ask the child").get_invoke_details().child_arn
            self.let_children_outlast_their_parents()
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [execution.arn, child.arn, grandchild])

    def test_an_invoked_execution_that_outlasts_its_parent_is_stopped(self) -> None:
        self.endpoint.deploy("race", race, durable_functions={"child": approval})
        with self.runner("race:live") as runner:
            result = runner.run()
            child = result.get_operation("ask the child").get_invoke_details().child_arn
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [child])
        self.assertEqual(self.client.get_durable_execution(DurableExecutionArn=child)["Status"], "STOPPED")

    def test_an_execution_of_that_name_that_others_have_started_is_left_alone(self) -> None:
        first = self.runner("forgotten:live")
        execution = first.start(name="order-1")
        with self.runner("forgotten:live", client=self.client) as second:
            same = second.start(name="order-1")
            self.assertEqual(same.arn, execution.arn)
        with self.assertRaisesRegex(CloudTimeoutError, "did not end within 0.2s, its cloud timeout\n"):
            self.runner("forgotten:live", timeout=0.2).run(name="order-1")
        self.assertEqual((self.endpoint.running(), self.reasons()), ([execution.arn], []))
        first.start(name="order-1")
        first.close()
        self.assertEqual(self.endpoint.running(), [])

    def test_one_of_a_new_name_is_stopped_even_if_names_cannot_be_listed(self) -> None:
        for fault in (None, faults.forbidden):
            with self.subTest(fault=fault):
                if fault is not None:
                    self.endpoint.faults.add("ListDurableExecutionsByFunction", fault)
                with self.runner("forgotten:live") as runner:
                    runner.start(name=f"order-{fault}")
                self.assertEqual(self.endpoint.running(), [])

    def test_an_interrupted_start_does_not_stop_what_others_have_started(self) -> None:
        self.runner("forgotten:live").start(name="order-2")
        self.endpoint.faults.add("Invoke", lambda answering, closing: faults.interrupting(answering, closing))
        with self.assertRaises(KeyboardInterrupt), self.runner("forgotten:live") as second:
            second.start(name="order-2")
        self.assertEqual(len(self.endpoint.running()), 1)

    def test_an_execution_that_cannot_be_stopped_is_reported(self) -> None:
        runner = self.runner("forgotten:live")
        execution = self.waiting(runner)
        self.endpoint.faults.add(STOP, faults.forbidden)
        with self.assertRaises(CloudServiceError) as caught:
            runner.close()
        self.assertEqual(
            str(caught.exception),
            f"these executions may still run, because they could not be stopped:\n  {execution.arn}: An error occurred "
            "(AccessDeniedException) when calling the StopDurableExecution operation: User: "
            "arn:aws:iam::123456789012:user/ci is not authorized to perform this action",
        )
        self.client.stop_durable_execution(DurableExecutionArn=execution.arn)

    def test_an_execution_that_ends_before_it_is_stopped_is_no_failure(self) -> None:
        for refusal in (faults.already_ended, faults.not_found):
            with self.subTest(refusal.code):
                runner = self.runner("forgotten:live")
                execution = self.waiting(runner)

                def end(
                    answering: faults.Answering,
                    closing: Event,
                    refusal: faults.Refused = refusal,
                    execution: Execution = execution,
                ) -> HttpAnswer:
                    execution.operation("approval").send_callback_success("yes")
                    self.endpoint.wait_until_all_have_ended()
                    return refusal(answering, closing)

                self.endpoint.faults.add(STOP, end)
                runner.close()
                self.assertEqual(self.endpoint.faults.left(), 0)

    def test_a_child_that_cannot_be_stopped_is_reported_by_its_own_arn(self) -> None:
        runner = self.runner("parent:live")
        execution = runner.start()
        execution.operation("ask the child").wait_for_data().result(timeout=20)
        child = execution.operation("ask the child").get_invoke_details().child_arn
        self.let_children_outlast_their_parents()
        self.endpoint.faults.add(STOP, faults.forbidden, skip=1)
        self.endpoint.faults.always("GetDurableExecution", faults.Rewritten(still_running))
        with self.assertRaises(CloudServiceError) as caught:
            runner.close()
        self.assertIn(f"could not be stopped:\n  {child}: An error occurred (AccessDenied", str(caught.exception))
        self.assertNotIn(execution.arn, str(caught.exception))

    def test_a_parent_that_cannot_be_stopped_does_not_keep_its_child_running(self) -> None:
        runner = self.runner("parent:live")
        execution = runner.start()
        execution.operation("ask the child").wait_for_data().result(timeout=20)
        child = execution.operation("ask the child").get_invoke_details().child_arn
        self.let_children_outlast_their_parents()
        self.endpoint.faults.add(STOP, faults.forbidden)
        with self.assertRaises(CloudServiceError):
            runner.close()
        stopped = [request["DurableExecutionArn"] for request in self.endpoint.log.members(STOP)]
        self.assertEqual(stopped, [execution.arn, child])
        self.client.stop_durable_execution(DurableExecutionArn=execution.arn)

    def test_that_does_not_hide_why_the_block_was_left(self) -> None:
        with self.assertRaises(ZeroDivisionError) as caught, self.runner("forgotten:live") as runner:
            execution = self.waiting(runner)
            self.endpoint.faults.add(STOP, faults.forbidden)
            raise ZeroDivisionError
        self.assertRegex("".join(caught.exception.__notes__), "^these executions may still run")
        self.client.stop_durable_execution(DurableExecutionArn=execution.arn)

    def test_no_thread_is_left(self) -> None:
        with self.runner("forgotten:live") as runner:
            self.waiting(runner)
        names = [thread.name for thread in threading.enumerate()]
        self.assertFalse([name for name in names if name.startswith("durabletest-cloud")])
        self.assertFalse([thread for thread in threading.enumerate() if isinstance(thread, Timer)])


@unittest.skipIf(sys.platform == "win32", "signals")
class InterruptionTests(StoppingTestCase):
    def test_sigterm_is_handled_although_the_first_runner_was_made_in_another_thread(self) -> None:
        runners: list[CloudDurableTestRunner] = []
        thread = threading.Thread(target=lambda: runners.append(self.new_runner("forgotten:live")))
        thread.start()
        thread.join()
        self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
        runners.append(self.new_runner("forgotten:live"))
        self.assertIsNot(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
        for runner in runners:
            runner.close()
        self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)

    def test_workers_of_xdist_have_stopped_before_they_are_interrupted_again(self) -> None:
        with mock.patch.dict(os.environ):
            os.environ.pop("PYTEST_XDIST_WORKER", None)
            self.assertGreater(interrupted_seconds(), 5)
            os.environ["PYTEST_XDIST_WORKER"] = "gw1"
            self.assertLess(interrupted_seconds(), 5)

    def test_an_interrupted_run_stops_its_execution(self) -> None:
        self.endpoint.faults.add(HISTORY, faults.interrupting, skip=3)
        with self.assertRaises(KeyboardInterrupt):
            self.runner("forgotten:live").run()
        self.assertEqual(self.endpoint.running(), [])
        self.assertEqual(len(self.reasons()), 1)

    def test_an_interrupted_invocation_stops_what_has_come_of_it(self) -> None:
        held = faults.Held()
        self.addCleanup(held.release)

        def interrupt_after_the_start(answering: faults.Answering, closing: Event) -> HttpAnswer:
            answer = answering()
            return faults.interrupting(lambda: held(lambda: answer, closing), closing)

        self.endpoint.faults.add("Invoke", interrupt_after_the_start)
        with self.assertRaises(KeyboardInterrupt):
            self.runner("forgotten:live").run()
        self.assertEqual(self.endpoint.running(), [])
        self.assertEqual(len(self.reasons()), 1)
        held.release()

    def test_an_invocation_that_fails_after_it_has_started_something(self) -> None:
        self.endpoint.faults.always("Invoke", faults.broken)
        self.endpoint.faults.add(
            "Invoke", lambda answering, closing: (answering(), faults.broken(answering, closing))[1]
        )
        with self.assertRaisesRegex(CloudServiceError, "the Lambda service refuses Invoke, after 7 retries: "):
            self.runner("forgotten:live").run()
        self.assertEqual(self.endpoint.running(), [])
        self.assertEqual(len(self.reasons()), 1)

    def test_a_process_that_forgets_to_close_its_runner_stops_its_executions_at_its_end(self) -> None:
        script = (
            "from durabletest import CloudDurableTestRunner\n"
            f"runner = CloudDurableTestRunner('forgotten:live', poll_interval={POLL_INTERVAL})\n"
            "execution = runner.start()\n"
            "execution.operation('approval').wait_for_data().result(timeout=20)\n"
            "print(execution.arn)\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", script],
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertTrue(re.match("arn:", run.stdout))
        self.assertEqual(self.endpoint.running(), [])
        self.assertEqual(len(self.reasons()), 1)
