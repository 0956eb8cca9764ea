"""What a user gets for bad input: a named exception, and a message that says what to do instead."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from botocore.exceptions import ClientError

import durabletest
from durabletest import (
    CallbackCompletedError,
    CallbackNotReadyError,
    ConfigurationError,
    DurableTestError,
    EnvironmentAlreadySetUpError,
    EnvironmentNotSetUpError,
    ExecutionFailedError,
    ExecutionNotCompletedError,
    FunctionNotRegisteredError,
    HandlerNotDurableError,
    LocalDurableTestRunner,
    OperationNotFoundError,
    PayloadError,
    RunnerClosedError,
    TestResult,
    UsageError,
    WaitingStatus,
    WrongOperationTypeError,
    sdk,
)
from tests.acceptance.workflows import ONCE, approval, failing, order, unlimited

OPERATIONS = """\
The operations of the execution:
  charge     STEP
  cool-down  WAIT
  ship       STEP"""


def plain(event: Any, context: Any) -> dict[str, int]:
    return {"a": 1}


def breaking(event: Any, context: Any) -> None:
    raise KeyError("region")


def swallowing(event: Any, context: Any) -> str:
    order(event, context)
    return "done"


class Money:
    """Something that is not JSON."""


@durable_execution
def money_maker(event: Any, context: DurableContext) -> Any:
    """A step whose work must not be lost, and then a value that cannot be written, at the place that is asked for."""
    context.step(lambda _: "a receipt", name="charge")
    if event == "step":
        return context.step(lambda _: {"items": ["a", Money()]}, name="broken", config=ONCE)
    if event == "invoke":
        return context.invoke("bank", {"items": ["a", Money()]}, name="broken")
    if event == "function":
        return context.invoke("bank", 1, name="bank")
    return {"items": ["a", {"paid": datetime.now(UTC)}]}


def bank(event: Any, context: Any) -> Any:
    return {"items": ["a", Money()]}


class MisuseTests(unittest.TestCase):
    maxDiff = None

    def refused(self, error: type[Exception], call: Callable[[], Any], *message: str) -> Exception:
        """The call raises just this, with just this message (of lines)."""
        with self.assertRaises(error) as caught:
            call()
        self.assertIs(type(caught.exception), error)
        self.assertEqual(str(caught.exception), "\n".join(message))
        return caught.exception

    def runner(self, handler: Callable[..., Any], **options: Any) -> LocalDurableTestRunner:
        return self.enterContext(LocalDurableTestRunner(handler, **options))

    def result(self) -> TestResult:
        return self.runner(order).run({"order": 42})


class RootTests(unittest.TestCase):
    def test_every_error_has_one_root_and_is_public(self) -> None:
        errors = [getattr(durabletest, name) for name in durabletest.__all__ if name.endswith("Error")]
        self.assertGreater(len(errors), 20)
        for error in errors:
            self.assertTrue(issubclass(error, DurableTestError), error)


class HandlerTests(MisuseTests):
    REMEDY = (
        ", and @durable_execution was not reached: decorate it with "
        "aws_durable_execution_sdk_python.durable_execution, or register it with register_function if it is plain; "
        "if it is decorated, see what is wrapped around the decorator"
    )

    def test_a_handler_that_is_not_durable(self) -> None:
        runner = self.runner(plain)
        self.refused(HandlerNotDurableError, runner.run, f"plain returned {{'a': 1}}{self.REMEDY}")

    def test_a_handler_that_raises_before_it_is_durable(self) -> None:
        runner = self.runner(breaking)
        error = self.refused(HandlerNotDurableError, runner.run, f"breaking raised KeyError('region'){self.REMEDY}")
        self.assertIsInstance(error.__cause__, KeyError)

    def test_a_wrapper_that_keeps_the_answer_for_itself(self) -> None:
        runner = self.runner(swallowing)
        self.refused(
            HandlerNotDurableError,
            lambda: runner.run({"order": 1}),
            "swallowing answered 'done' instead of what @durable_execution answers with, a dictionary with Status: "
            "whatever is wrapped around it must pass its answer on",
        )

    def test_a_durable_target_that_is_plain(self) -> None:
        @durable_execution
        def invoking(event: Any, context: DurableContext) -> Any:
            return context.invoke("plain", 1)

        runner = self.runner(invoking, durable_functions={"plain": plain})
        with self.assertRaisesRegex(HandlerNotDurableError, "^plain returned .*register it with register_function"):
            runner.run()


class PayloadTests(MisuseTests):
    def test_a_payload_that_is_not_json_names_the_place(self) -> None:
        runner = self.runner(order)
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        cases = [
            (
                {"order": {"at": [1, moment]}},
                "payload['order']['at'][1] is a datetime; JSON has no such type: send its isoformat()",
            ),
            ({1, 2}, "payload is a set; JSON has no such type: send a sorted list"),
            ([Money()], "payload[0] is a Money; JSON has no such type: send its fields as a dict"),
            ({"rate": float("nan")}, "payload['rate'] is nan; JSON has no such number: send None or a string"),
            ({(1, 2): 3}, "payload has the key (1, 2), a tuple; the keys of JSON objects are strings"),
        ]
        for payload, message in cases:
            with self.subTest(message):
                self.refused(PayloadError, lambda payload=payload: runner.run(payload), message)
        self.refused(OperationNotFoundError, lambda: runner.get_operation("charge"), NOTHING_RUN)

    def test_a_result_that_is_not_json_names_the_place_and_nothing_is_lost(self) -> None:
        money, instead = "is a Money", "; JSON has no such type: send its fields as a dict"
        cases = {
            "handler": ("Object of type datetime is not JSON serializable", "result['items'][1]['paid'] is a datetime"),
            "step": ("Unsupported type: <class 'tests.test_misuse.Money'>", f"value['items'][1] {money}"),
            "invoke": ("error: Object of type Money is not JSON serializable.", f"value['items'][1] {money}"),
            "function": (
                "Unable to marshal response: Object of type Money is not JSON serializable",
                f"the result of bank['items'][1] {money}{instead}",
            ),
        }
        runner = self.runner(money_maker, functions={"bank": bank})
        for where, (said, place) in cases.items():
            with self.subTest(where):
                result = runner.run(where)
                error = result.get_error()
                assert error is not None
                assert error.message is not None
                self.assertTrue(error.message.endswith(said), error.message)
                self.assertEqual(result.get_status(), "FAILED")
                self.assertEqual(result.get_operation("charge").get_step_details().result, "a receipt")
                with self.assertRaises(ExecutionFailedError) as caught:
                    result.get_result()
                self.assertIn(f"{said} ({place})", str(caught.exception))
                self.assertEqual(caught.exception.error_message, error.message)

    def test_an_answer_that_is_not_json_is_not_sent(self) -> None:
        execution = self.runner(unlimited).start()
        callback = execution.operation("approval").wait_for_data().result(timeout=5)
        self.refused(
            PayloadError,
            lambda: callback.send_callback_success({"items": [Money()]}),
            "result['items'][0] is a Money; JSON has no such type: send its fields as a dict",
        )
        self.assertEqual(callback.status, "STARTED")


NOTHING_RUN = "nothing was executed yet: call run(payload) or start(payload) first"


class OperationTests(MisuseTests):
    def test_r4_5_an_unknown_operation_lists_what_exists_and_the_closest_name(self) -> None:
        result = self.result()
        self.refused(
            OperationNotFoundError,
            lambda: result.get_operation("chrage"),
            "operation 'chrage' not found: no operation has that name; did you mean 'charge'?",
            OPERATIONS,
        )
        self.refused(
            OperationNotFoundError,
            lambda: result.get_operation("charge", 1),
            "operation 'charge' (index 1) not found: 1 operation has that name, so there is no index 1",
            OPERATIONS,
        )
        self.refused(
            OperationNotFoundError,
            lambda: result.get_operation_by_index(3),
            "there is no operation with index 3",
            OPERATIONS,
        )
        self.refused(
            OperationNotFoundError,
            lambda: result.get_operation_by_id("zz"),
            "there is no operation with id 'zz'",
            OPERATIONS,
        )

    def test_what_is_no_name_and_no_index(self) -> None:
        result = self.result()
        self.refused(
            UsageError,
            lambda: result.get_operation(3),  # type: ignore[arg-type]
            "3 is no name of an operation: give a string, or look it up with get_operation_by_index",
        )
        self.refused(
            UsageError,
            lambda: result.get_operation_by_index("charge"),  # type: ignore[arg-type]
            "'charge' is no index of an operation: give a number, counted from 0",
        )

    def test_an_unknown_status_or_column_lists_those_there_are(self) -> None:
        result = self.result()
        self.refused(
            UsageError,
            lambda: result.get_operations("SUCEEDED"),
            "'SUCEEDED' is no operation status; did you mean 'SUCCEEDED'? There are STARTED, PENDING, READY, "
            "SUCCEEDED, FAILED, CANCELLED, TIMED_OUT, STOPPED.",
        )
        self.refused(
            UsageError,
            lambda: result.get_operation("charge").wait_for_data("SUBMITED"),  # type: ignore[arg-type]
            "'SUBMITED' is no status to wait for; did you mean 'SUBMITTED'? There are STARTED, SUBMITTED, COMPLETED.",
        )

    def test_details_of_another_type(self) -> None:
        result = self.result()
        self.refused(
            WrongOperationTypeError,
            lambda: result.get_operation("charge").get_wait_details(),
            "step 'charge' is a STEP, not a WAIT: use get_step_details()",
        )

    def test_r7_4_unregistered_function_is_an_error(self) -> None:
        @durable_execution
        def invoking(event: Any, context: DurableContext) -> Any:
            return context.invoke("charge-crad", 1)

        runner = self.runner(invoking, durable_functions={"charge-card": order}, functions={"geo-lookup": plain})
        self.refused(
            FunctionNotRegisteredError,
            runner.run,
            "the workflow invokes 'charge-crad', which is not registered. Did you mean 'charge-card'? Registered: "
            "'charge-card', 'geo-lookup'. Write durable_functions = {'charge-crad': handler} or functions = "
            "{'charge-crad': handler} on the test class, or register_durable_function('charge-crad', handler) / "
            "register_function('charge-crad', handler); or, for a function that need not run, "
            "stub_invoke('charge-crad').succeeds(...)",
        )


class CallbackTests(MisuseTests):
    def test_r6_4_something_else_is_answered(self) -> None:
        step = self.result().get_operation("charge")
        for answer in (step.send_callback_success, step.send_callback_failure, step.send_callback_heartbeat):
            self.refused(WrongOperationTypeError, answer, "step 'charge' is a STEP; only callbacks can be answered")
        self.refused(
            WrongOperationTypeError,
            lambda: step.wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5),
            "step 'charge' is a STEP: only callbacks are SUBMITTED; wait for STARTED or COMPLETED",
        )

    def test_it_does_not_exist_yet(self) -> None:
        execution = self.runner(approval).start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        self.refused(
            CallbackNotReadyError,
            execution.operation("aproval").send_callback_success,
            "callback 'aproval' cannot be answered yet, because it does not exist yet; did you mean 'approval'?",
            "Wait for it first: .wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)",
        )

    def test_r11_5_it_is_answered_twice(self) -> None:
        execution = self.runner(approval).start()
        callback = execution.operation("approval").wait_for_data().result(timeout=5)
        callback.send_callback_success("yes")
        with self.assertRaises(CallbackCompletedError) as caught:
            callback.send_callback_failure("Refused", "no")
        self.assertEqual(
            str(caught.exception).splitlines()[0],
            "callback 'approval' of execution 'execution-1' is SUCCEEDED since 2026-01-01 00:00:00 UTC: the first "
            "answer stands",
        )
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")

    def test_it_is_answered_too_late(self) -> None:
        execution = self.runner(approval).start()
        callback = execution.operation("approval").wait_for_data().result(timeout=5)
        execution.advance(timedelta(hours=2))
        with self.assertRaises(CallbackCompletedError) as caught:
            callback.send_callback_success("yes")
        self.assertEqual(
            str(caught.exception).splitlines()[0],
            "callback 'approval' of execution 'execution-1' is TIMED_OUT since 2026-01-01 01:00:00 UTC: the answer "
            "comes too late",
        )

    def test_its_id_is_unknown(self) -> None:
        client = self.runner(approval).client
        with self.assertRaises(client.exceptions.ResourceNotFoundException) as caught:
            client.send_durable_execution_callback_success(CallbackId="bm90aGluZw==")
        self.assertIsInstance(caught.exception, ClientError)
        self.assertIn("Callback not found: bm90aGluZw==", str(caught.exception))

    def test_its_error_is_no_error(self) -> None:
        execution = self.runner(approval).start()
        callback = execution.operation("approval").wait_for_data().result(timeout=5)
        self.refused(
            UsageError,
            lambda: callback.send_callback_failure(404),  # type: ignore[arg-type]
            "404 is no error type: give its name, an exception, or an exception class",
        )


class RegistrationTests(MisuseTests):
    def test_a_durable_function_as_a_plain_one(self) -> None:
        message = (
            "the function registered as 'order' is decorated with @durable_execution: give it as a durable one, by "
            "durable_functions = {...}, register_durable_function(...) or DurableConfig in its template"
        )
        runner = self.runner(order)
        self.refused(ConfigurationError, lambda: runner.register_function("order", order), message)
        self.refused(ConfigurationError, lambda: LocalDurableTestRunner(order, functions={"order": order}), message)
        runner.register_function("order", lambda event, context: order(event, context))


class LifecycleTests(MisuseTests):
    def test_a_closed_runner(self) -> None:
        with LocalDurableTestRunner(order) as runner:
            result = runner.run({"order": 42})
        runner.close()
        handler = sdk.decorated(order).__qualname__
        uses: dict[str, Callable[[], Any]] = {
            "run": runner.run,
            "start": runner.start,
            "reset": runner.reset,
            "execution": lambda: runner.execution(result.arn),
            "register_function": lambda: runner.register_function("plain", plain),
            "register_durable_function": lambda: runner.register_durable_function("order", order),
            "on_callback": lambda: runner.on_callback("approval"),
        }
        for name, use in uses.items():
            with self.subTest(name):
                self.refused(
                    RunnerClosedError,
                    use,
                    f"this runner for {handler} is closed: make a new one, or stay in its with block",
                )
        self.assertEqual(result.get_result(), {"order": 42, "receipt": "receipt"})
        self.assertEqual(runner.get_operation("charge").status, "SUCCEEDED")

    def test_a_runner_that_cannot_join_the_others(self) -> None:
        """Time is frozen where the message is made: it shows plain datetimes all the same."""
        self.runner(order)
        with self.assertRaises(ConfigurationError) as caught:
            LocalDurableTestRunner(order, start_time=datetime(2030, 1, 1, tzinfo=UTC))
        self.assertIn(
            "a runner with start_time=datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc) cannot join "
            "the environment with start_time=datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc): time",
            str(caught.exception),
        )
        self.refused(
            ConfigurationError,
            lambda: LocalDurableTestRunner(order, start_time=datetime(2030, 1, 1)),  # noqa: DTZ001
            "start_time is datetime.datetime(2030, 1, 1, 0, 0), without a time zone: write datetime(..., tzinfo=UTC)",
        )

    def test_the_environment_is_set_up_twice(self) -> None:
        LocalDurableTestRunner.setup_test_environment()
        self.addCleanup(LocalDurableTestRunner.teardown_test_environment)
        self.refused(
            EnvironmentAlreadySetUpError,
            LocalDurableTestRunner.setup_test_environment,
            "setup_test_environment was called twice: call teardown_test_environment in between, or leave one out",
        )

    def test_the_environment_is_set_up_while_a_runner_has_its_own(self) -> None:
        self.runner(order)
        with self.assertRaisesRegex(
            EnvironmentAlreadySetUpError,
            "^a runner is open that made an environment of its own: close it first, or set up before it is made. It is "
            r"the runner for [^,]*, made at tests/test_misuse.py:\d+ in thread 'MainThread': use it in a with block, "
            r"or call its close\(\)$",
        ):
            LocalDurableTestRunner.setup_test_environment()

    def test_the_environment_is_torn_down_without_having_been_set_up(self) -> None:
        self.refused(
            EnvironmentNotSetUpError,
            LocalDurableTestRunner.teardown_test_environment,
            "teardown_test_environment without setup_test_environment: nothing is set up",
        )

    def test_nothing_was_run_yet(self) -> None:
        runner = self.runner(order)
        for look_up in (lambda: runner.get_operation("charge"), lambda: runner.get_operation_by_index(0)):
            self.refused(OperationNotFoundError, look_up, NOTHING_RUN)


class ResultTests(MisuseTests):
    def test_the_result_of_a_failed_execution_tells_its_error(self) -> None:
        result = self.runner(failing).run()
        with self.assertRaises(ExecutionFailedError) as caught:
            result.get_result()
        error = caught.exception
        self.assertRegex(
            str(error),
            r"^execution 'execution-1' has no result: it FAILED with \S*StepError: declined 1 times\n"
            r'    File "[^\n]*workflows.py", line \d+, in failing\n'
            r"      context.step\(charging\(1\), [^\n]*\n(?: +[\^~]+\n)?"
            r'    File "[^\n]*workflows.py", line \d+, in charge\n'
            r"      raise CardDeclined[^\n]*(?:\n +[\^~]+)?$",
        )
        self.assertEqual((error.status, error.error_message), ("FAILED", "declined 1 times"))
        self.assertRegex(error.error_type or "", r"StepError$")
        self.assertEqual(len(error.stack_trace or ()), 2)

    def test_a_stack_trace_is_told_where_one_was_recorded(self) -> None:
        runner = self.runner(unlimited)
        runner.on_callback("approval").fail(
            "Refused", "too expensive", stack_trace=["office.py, line 12, in decide", "office.py, line 99, in count"]
        )
        result = runner.run()
        callback_error = result.get_operation("approval").error
        assert callback_error is not None
        self.assertEqual(callback_error.stack_trace, ("office.py, line 12, in decide", "office.py, line 99, in count"))
        execution = runner.start()
        execution.stop(ValueError("not needed"))
        stopped = execution.result(timeout=5)
        with self.assertRaises(ExecutionFailedError) as caught:
            stopped.get_result()
        self.assertEqual((caught.exception.status, caught.exception.error_type), ("STOPPED", "ValueError"))

    def test_a_stack_trace_stands_under_the_message(self) -> None:
        @durable_execution
        def invoking(event: Any, context: DurableContext) -> Any:
            return context.invoke("breaking", 1, name="invoke")

        result = self.runner(invoking, functions={"breaking": breaking}).run()
        error = result.get_operation("invoke").error
        assert error is not None
        self.assertEqual((error.type, error.message), ("KeyError", "'region'"))
        self.assertIn("in breaking", "".join(error.stack_trace))

    def test_the_result_of_a_running_execution(self) -> None:
        execution = self.runner(unlimited).start()
        execution.operation("approval").wait_for_data().result(timeout=5)
        for question in (execution.snapshot().get_result, execution.snapshot().get_error):
            self.refused(
                ExecutionNotCompletedError,
                question,
                "execution 'execution-1' is RUNNING: it has no outcome yet; wait for execution.result()",
            )

    def test_a_negative_time(self) -> None:
        execution = self.runner(unlimited).start()
        self.refused(
            UsageError,
            lambda: execution.advance(timedelta(seconds=-1)),
            "delta of advance() is datetime.timedelta(days=-1, seconds=86399): time does not go back; give a duration "
            "that is not negative",
        )
