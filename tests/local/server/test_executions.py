"""Executions: their names, several of them side by side, how they are listed, stopped and timed out."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import ConfigurationError
from durabletest.local.server.function_invokes import FunctionDirectory
from durabletest.local.server.identifiers import split_name
from tests.local.server.harness import (
    KNOWN_OPERATIONS,
    START,
    Harness,
    Started,
    cancel,
    code_of,
    response_members,
    retry,
    start,
    succeed,
)

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


class NameTests(unittest.TestCase):
    def setUp(self) -> None:
        self.harness = Harness()

    def start(self, payload: str = "1", **more: Any) -> str:
        return self.harness.server.start(**{"deployment": 1, "function": "orders", "payload": payload, **more})

    def test_the_same_name_and_input_mean_the_same_execution(self) -> None:
        arn = self.start(name="order-42")
        self.assertEqual(self.start(name="order-42"), arn)
        self.assertIn("/durable-execution/order-42/", arn)

    def test_also_after_it_has_ended(self) -> None:
        execution = self.harness.start(payload="1", name="order-42")
        execution.answer("SUCCEEDED", Result="2")
        self.assertEqual(self.start(name="order-42"), execution.arn)
        self.assertEqual(execution.status, "SUCCEEDED")

    def test_another_input_is_refused(self) -> None:
        arn = self.start(name="order-42")
        with self.assertRaisesRegex(ClientError, "'order-42' was already started with another input") as caught:
            self.start("2", name="order-42")
        self.assertEqual(code_of(caught.exception), "DurableExecutionAlreadyStartedException")
        self.assertEqual(caught.exception.response["ResponseMetadata"]["HTTPStatusCode"], 409)
        self.assertEqual(self.harness.server.get_durable_execution(DurableExecutionArn=arn)["InputPayload"], "1")

    def test_a_name_belongs_to_a_function_and_a_runner(self) -> None:
        arns = {
            self.start(name="order-42"),
            self.start("2", name="order-42", function="billing"),
            self.start("3", name="order-42", deployment=2),
        }
        self.assertEqual(len(arns), 3)

    def test_the_qualifier_does_not_make_it_another_name(self) -> None:
        self.assertEqual(self.start(name="order-42", function="orders:7"), self.start(name="order-42"))

    def test_without_a_name_each_execution_has_one_of_its_own(self) -> None:
        self.start(name="execution-2")
        arns = [self.start(), self.start(), self.start()]
        names = [arn.split("/")[-2] for arn in arns]
        self.assertEqual(len({*names, "execution-2"}), 4, names)

    def test_a_forgotten_name_is_free_again(self) -> None:
        self.start(name="order-42")
        self.harness.server.forget(1)
        self.assertIn("/order-42/", self.start("2", name="order-42"))

    def test_names_are_what_the_service_allows(self) -> None:
        for name in ("a b", "", "x" * 65, "ä"):
            with self.subTest(name), self.assertRaisesRegex(ClientError, "DurableExecutionName"):
                self.start(name=name)


class SideBySideTests(unittest.TestCase):
    def test_r9_3_r10_1_each_has_its_own_token_state_history_and_timers(self) -> None:
        harness = Harness()
        first, second = harness.start(payload="1"), harness.start(payload="2")
        self.assertEqual(len({first.arn, second.arn, first.execution_id, second.execution_id}), 4)
        self.assertNotEqual(first.token, second.token)
        first.checkpoint(start("STEP", "same"), start("WAIT", "w"))
        second.checkpoint(start("STEP", "same"), succeed("STEP", "same"))
        self.assertEqual(first.operations()["same"]["Status"], "STARTED")
        self.assertEqual(second.operations()["same"]["Status"], "SUCCEEDED")
        self.assertEqual(first.event_types(), ["ExecutionStarted", "StepStarted", "WaitStarted"])
        self.assertEqual({timer.arn for timer in harness.timers().values()}, {first.arn})
        second.answer("SUCCEEDED", Result="2")
        self.assertEqual((first.status, second.status), ("RUNNING", "SUCCEEDED"))
        self.assertEqual(harness.announced.ends, [second.arn])

    def test_a_hundred_of_them_keep_apart(self) -> None:
        harness = Harness()
        executions = [harness.start(payload=str(number)) for number in range(100)]
        for number, execution in enumerate(executions):
            execution.checkpoint(succeed("STEP", "s", Payload=str(number)))
        for number, execution in enumerate(executions):
            self.assertEqual(execution.operations()["s"]["StepDetails"]["Result"], str(number))
            self.assertEqual(execution.description()["InputPayload"], str(number))


class ListTests(unittest.TestCase):
    def setUp(self) -> None:
        self.harness = Harness()
        self.harness.server.register(1, "billing:prod", True)
        self.started = [self.start_one("first"), self.start_one("second", function="orders:7")]
        self.harness.pass_time(hours=1)
        self.started += [self.start_one("third"), self.start_one("other", function="shipping")]
        self.started[0].answer("SUCCEEDED")
        self.started[1].stop()

    def start_one(self, name: str, **more: Any) -> Started:
        return self.harness.start(payload=f'"{name}"', name=name, **more)

    def names(self, function: str = "orders", **request: Any) -> list[str]:
        answer = self.harness.server.list_durable_executions_by_function(FunctionName=function, **request)
        return [found["DurableExecutionName"] for found in answer["DurableExecutions"]]

    def test_they_come_newest_first_or_in_reverse_order(self) -> None:
        self.assertEqual(self.names(), ["third", "second", "first"])
        self.assertEqual(self.names(ReverseOrder=True), ["first", "second", "third"])

    def test_each_is_summed_up(self) -> None:
        (found,) = self.harness.server.list_durable_executions_by_function(
            FunctionName="orders", DurableExecutionName="second"
        )["DurableExecutions"]
        self.assertEqual(
            found,
            {
                "DurableExecutionArn": self.started[1].arn,
                "DurableExecutionName": "second",
                "FunctionArn": f"{ARN}orders:7",
                "Status": "STOPPED",
                "StartTimestamp": START,
                "EndTimestamp": START + timedelta(hours=1),
            },
        )

    def test_every_filter(self) -> None:
        later = START + timedelta(minutes=1)
        for request, names in [
            ({"DurableExecutionName": "third"}, ["third"]),
            ({"DurableExecutionName": "thir"}, []),
            ({"Qualifier": "7"}, ["second"]),
            ({"Qualifier": "$LATEST"}, ["third", "first"]),
            ({"Statuses": ["SUCCEEDED"]}, ["first"]),
            ({"Statuses": ["SUCCEEDED", "RUNNING"]}, ["third", "first"]),
            ({"Statuses": ["FAILED"]}, []),
            ({"StartedAfter": later}, ["third"]),
            ({"StartedBefore": later}, ["second", "first"]),
            ({"StartedAfter": START, "StartedBefore": later}, []),
            ({"StartedBefore": later, "Statuses": ["STOPPED"], "Qualifier": "7"}, ["second"]),
        ]:
            with self.subTest(**request):
                self.assertEqual(self.names(**request), names)

    def test_the_function_is_named_in_every_form(self) -> None:
        for form in ("orders", f"{ARN}orders", "123456789012:function:orders"):
            self.assertEqual(self.names(form), ["third", "second", "first"])
        for form in ("orders:7", f"{ARN}orders:7"):
            self.assertEqual(self.names(form), ["second"])

    def test_they_come_in_pages(self) -> None:
        listing = self.harness.server.list_durable_executions_by_function
        first = listing(FunctionName="orders", MaxItems=2)
        second = listing(FunctionName="orders", MaxItems=2, Marker=first["NextMarker"])
        names = [[found["DurableExecutionName"] for found in page["DurableExecutions"]] for page in (first, second)]
        self.assertEqual(names, [["third", "second"], ["first"]])
        self.assertNotIn("NextMarker", second)

    def test_filtered_pages_are_full_and_the_last_one_has_no_marker(self) -> None:
        for name in ("fourth", "fifth"):
            self.start_one(name)
        listing = self.harness.server.list_durable_executions_by_function
        request = {"FunctionName": "orders", "Qualifier": "$LATEST", "MaxItems": 2}
        pages = [listing(**request)]
        self.start_one("later")
        pages.append(listing(**request, Marker=pages[0]["NextMarker"]))
        names = [[found["DurableExecutionName"] for found in page["DurableExecutions"]] for page in pages]
        self.assertEqual(names, [["fifth", "fourth"], ["third", "first"]])
        self.assertNotIn("NextMarker", pages[1])

    @unittest.skipUnless("DeleteDurableExecution" in KNOWN_OPERATIONS, "this botocore does not know the operation")
    def test_pages_go_on_where_they_were_when_executions_are_deleted_meanwhile(self) -> None:
        for order, names, all_but_one in (
            ({}, ["third", "second"], ["first"]),
            ({"ReverseOrder": True}, ["first", "second"], ["third"]),
        ):
            for victims in (names, names[:1], all_but_one):
                with self.subTest(order, deleted=victims):
                    self.setUp()
                    self.started[2].answer("SUCCEEDED", Result="1")
                    request = {"FunctionName": "orders", "MaxItems": 2, **order}
                    first = self.harness.server.list_durable_executions_by_function(**request)
                    self.assertEqual([one["DurableExecutionName"] for one in first["DurableExecutions"]], names)
                    for one in self.started:
                        if one.description()["DurableExecutionName"] in victims:
                            self.harness.api.delete_durable_execution(DurableExecutionArn=one.arn)
                    rest = [] if victims == all_but_one else all_but_one
                    self.assertEqual(self.names(Marker=first["NextMarker"], **order), rest)

    def test_those_that_were_forgotten_are_not_listed(self) -> None:
        self.harness.server.forget(1)
        self.assertEqual(self.names(), [])

    def test_a_marker_that_was_not_given_is_refused(self) -> None:
        for marker in ("page-1", "item-", "item-x", "42"):
            with self.subTest(marker), self.assertRaisesRegex(ClientError, "Invalid marker") as caught:
                self.names(Marker=marker)
            self.assertEqual(code_of(caught.exception), "InvalidParameterValueException")

    def test_a_function_that_was_never_invoked_has_none(self) -> None:
        self.assertEqual(self.names("billing"), [])
        self.assertEqual(
            Harness().server.list_durable_executions_by_function(FunctionName="orders"), {"DurableExecutions": []}
        )

    def test_an_unknown_function_is_not_found(self) -> None:
        with self.assertRaisesRegex(ClientError, "Function not found: nobody") as caught:
            self.names("nobody")
        self.assertEqual(code_of(caught.exception), "ResourceNotFoundException")


class DescriptionTests(unittest.TestCase):
    @unittest.skipUnless(
        "ExpectedExecutionTimeoutTimestamp" in response_members("GetDurableExecution"), "this botocore does not know it"
    )
    def test_a_running_execution_tells_when_it_will_time_out(self) -> None:
        for timeout, seconds in ((60, 60), (None, 366 * 86_400)):
            execution = Harness().start(timeout=timeout)
            description = execution.description()
            self.assertEqual(description["ExpectedExecutionTimeoutTimestamp"], START + timedelta(seconds=seconds))
            self.assertEqual(description["DurableConfig"]["ExecutionTimeout"], seconds)
            self.assertNotIn("EndTimestamp", description)
            execution.stop()
            self.assertNotIn("ExpectedExecutionTimeoutTimestamp", execution.description())
            self.assertEqual(execution.description()["EndTimestamp"], START)

    def test_without_execution_data_there_is_neither_input_nor_outcome(self) -> None:
        execution = Harness().start(payload="1")
        execution.answer("SUCCEEDED", Result="2")
        whole, bare = execution.description(), execution.description(IncludeExecutionData=False)
        self.assertEqual((whole.pop("InputPayload"), whole.pop("Result")), ("1", "2"))
        self.assertEqual({**whole, "ExecutionDataIncluded": False}, bare)


class EndTests(unittest.TestCase):
    """An execution that is stopped or timed out takes everything with it that is still open."""

    ENDS = {
        "STOPPED": lambda execution: execution.stop(ErrorType="Manual"),
        "TIMED_OUT": lambda execution: execution.harness.fire_next(kind="execution timeout"),
    }

    def open_execution(self) -> Started:
        harness = Harness()
        harness.server.register(1, "child", True)
        execution = harness.start(timeout=3600)
        execution.checkpoint(
            start("CONTEXT", "c"),
            start("STEP", "s", ParentId="c"),
            start("STEP", "r"),
            retry("r", StepOptions={"NextAttemptDelaySeconds": 7200}),
            start("WAIT", "w", WaitOptions={"WaitSeconds": 7200}),
            start("CALLBACK", "b"),
            start("CHAINED_INVOKE", "i"),
            succeed("STEP", "done"),
        )
        return execution

    def test_what_is_open_ends_with_it_and_what_has_ended_stays(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                end(execution)
                statuses = {key: one["Status"] for key, one in execution.kept().items()}
                self.assertEqual(statuses.pop("done"), "SUCCEEDED")
                self.assertEqual(set(statuses.values()), {status})

    def test_its_children_are_stopped(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                child = execution.harness.child_of(execution.arn, "i")
                end(execution)
                self.assertEqual(child.status, "STOPPED")
                self.assertEqual(child.description()["Error"]["ErrorMessage"], f"its invoking execution is {status}")

    def test_and_theirs_with_all_that_is_open_in_them(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                child = execution.harness.child_of(execution.arn, "i")
                child.checkpoint(start("CHAINED_INVOKE", "j"), start("WAIT", "v"), succeed("STEP", "done"))
                grandchild = execution.harness.child_of(child.arn, "j")
                grandchild.checkpoint(start("CALLBACK", "b"))
                end(execution)
                self.assertEqual(grandchild.status, "STOPPED")
                statuses = [{key: one["Status"] for key, one in each.kept().items()} for each in (child, grandchild)]
                self.assertEqual([statuses[0].pop("done"), *statuses[0].values()], ["SUCCEEDED", *["STOPPED"] * 3])
                self.assertEqual([*statuses[1].values()], ["STOPPED"] * 2)

    def test_an_execution_beside_it_goes_on(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                other = execution.harness.start(payload="1")
                other.checkpoint(start("CHAINED_INVOKE", "i"))
                child = other.harness.child_of(other.arn, "i")
                end(execution)
                self.assertEqual([other.status, child.status], ["RUNNING", "RUNNING"])

    def test_its_callbacks_take_no_answer_and_say_why(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                callback_id = execution.kept()["b"]["CallbackDetails"]["CallbackId"]
                end(execution)
                with self.assertRaisesRegex(ClientError, f"takes no answer any more: its execution is {status}"):
                    execution.harness.server.send_durable_execution_callback_success(CallbackId=callback_id)

    def test_r17_5_its_timers_are_not_wanted_any_more_and_do_nothing_if_they_fire(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                timers = list(execution.harness.timers().values())
                end(execution)
                before = execution.history(), execution.kept()
                for timer in timers:
                    execution.harness.fire(timer)
                self.assertEqual((execution.history(), execution.kept()), before)
                self.assertIn(execution.arn, execution.harness.announced.ends)

    def test_the_invocation_that_runs_is_completed_before_the_end(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                end(execution)
                kinds = execution.event_types()
                last = {"STOPPED": "ExecutionStopped", "TIMED_OUT": "ExecutionTimedOut"}[status]
                self.assertEqual(kinds[-2:], ["InvocationCompleted", last])

    def test_the_operation_that_stands_for_it_ends_with_it_whichever_way(self) -> None:
        ways = {
            **self.ENDS,
            "SUCCEEDED": lambda execution: execution.answer("SUCCEEDED", Result="1"),
            "FAILED": lambda execution: execution.answer("FAILED", Error={"ErrorType": "Declined"}),
        }
        for status, end in ways.items():
            with self.subTest(status):
                execution = Harness().start(timeout=3600)
                self.assertEqual(execution.kept()[execution.execution_id]["Status"], "STARTED")
                execution.harness.pass_time(minutes=5)
                end(execution)
                operation = execution.kept()[execution.execution_id]
                self.assertEqual((operation["Type"], operation["Status"]), ("EXECUTION", status))
                self.assertEqual(operation["EndTimestamp"], execution.harness.now)

    def test_it_is_not_invoked_any_more(self) -> None:
        for status, end in self.ENDS.items():
            with self.subTest(status):
                execution = self.open_execution()
                execution.answer("PENDING")
                end(execution)
                before = execution.history()
                self.assertIsNone(execution.harness.server.begin_invocation(execution.arn))
                self.assertEqual(execution.history(), before)

    def test_one_that_has_ended_stays_as_it_is(self) -> None:
        execution = Harness().start()
        execution.answer("SUCCEEDED", Result="1")
        execution.harness.pass_time(hours=1)
        before = execution.history()
        self.assertEqual(execution.stop(ErrorType="Manual"), START)
        self.assertEqual((execution.status, execution.history()), ("SUCCEEDED", before))

    def test_a_reason_may_be_left_out(self) -> None:
        execution = Harness().start()
        execution.stop()
        self.assertEqual(execution.details("ExecutionStopped")["Error"]["Payload"]["ErrorType"], "ExecutionStopped")

    def test_a_reason_has_1_mb_at_most(self) -> None:
        execution = Harness().start()
        with self.assertRaisesRegex(ClientError, "an error may have 1048576"):
            execution.stop(ErrorMessage="x" * 1_048_577)
        self.assertEqual(execution.status, "RUNNING")
        execution.stop(ErrorMessage="x" * 1_048_576)
        self.assertEqual(execution.status, "STOPPED")


class CancelTests(unittest.TestCase):
    """Nothing that comes from outside changes what the handler has cancelled."""

    def setUp(self) -> None:
        self.execution = Harness().start()
        self.harness = self.execution.harness
        self.harness.server.register(1, "child", True)

    def open_callback(self) -> str:
        answer = self.execution.checkpoint(start("CALLBACK", "b", CallbackOptions={"TimeoutSeconds": 60}))
        callback_id: str = answer["NewExecutionState"]["Operations"][0]["CallbackDetails"]["CallbackId"]
        return callback_id

    def assert_cancelled(self, operation_id: str, before: list[dict[str, Any]]) -> None:
        self.assertEqual(self.execution.operations()[operation_id]["Status"], "CANCELLED")
        self.assertEqual(self.execution.history(), before)

    def test_a_child_that_ends_does_not_complete_the_invoke_that_was_cancelled(self) -> None:
        for end in ("SUCCEEDED", "FAILED"):
            with self.subTest(end):
                self.setUp()
                self.execution.checkpoint(start("CHAINED_INVOKE", "i"))
                child = self.harness.child_of(self.execution.arn, "i")
                self.execution.checkpoint(cancel("CHAINED_INVOKE", "i"))
                before = self.execution.history()
                child.answer(end)
                self.assertEqual(child.status, end)
                self.assert_cancelled("i", before)

    def test_a_plain_function_that_answers_does_not_either(self) -> None:
        self.harness.server.register(1, "plain", False)
        self.execution.checkpoint(start("CHAINED_INVOKE", "p", ChainedInvokeOptions={"FunctionName": "plain"}))
        self.execution.checkpoint(cancel("CHAINED_INVOKE", "p"))
        before = self.execution.history()
        self.harness.server.function_answered(self.execution.arn, "p", "1", None)
        self.assert_cancelled("p", before)

    def test_a_cancelled_callback_takes_no_answer_and_says_why(self) -> None:
        callback_id = self.open_callback()
        self.execution.checkpoint(cancel("CALLBACK", "b"))
        before = self.execution.history()
        for answer in ("success", "failure", "heartbeat"):
            send = getattr(self.harness.server, f"send_durable_execution_callback_{answer}")
            with self.subTest(answer), self.assertRaisesRegex(ClientError, "it was cancelled") as caught:
                send(CallbackId=callback_id)
            self.assertEqual(code_of(caught.exception), "CallbackTimeoutException")
        self.assert_cancelled("b", before)

    def test_its_timeout_is_not_wanted_any_more(self) -> None:
        self.open_callback()
        (timer,) = self.harness.timers().values()
        self.execution.checkpoint(cancel("CALLBACK", "b"))
        self.assertEqual(self.harness.timers(), {})
        before = self.execution.history()
        self.harness.fire(timer)
        self.assert_cancelled("b", before)

    def test_a_cancelled_wait_does_not_end_when_its_time_has_come(self) -> None:
        self.execution.checkpoint(start("WAIT", "w"))
        (timer,) = self.harness.timers().values()
        self.execution.checkpoint(cancel("WAIT", "w"))
        self.assertEqual(self.harness.timers(), {})
        before = self.execution.history()
        self.harness.fire(timer)
        self.assert_cancelled("w", before)

    def test_what_is_open_beside_it_takes_what_comes(self) -> None:
        callback_id = self.open_callback()
        self.execution.checkpoint(start("CHAINED_INVOKE", "i"), start("CALLBACK", "c"))
        self.execution.checkpoint(cancel("CALLBACK", "c"))
        self.harness.server.send_durable_execution_callback_success(CallbackId=callback_id)
        self.harness.child_of(self.execution.arn, "i").answer("SUCCEEDED")
        statuses = {key: one["Status"] for key, one in self.execution.operations().items()}
        self.assertEqual((statuses["b"], statuses["c"], statuses["i"]), ("SUCCEEDED", "CANCELLED", "SUCCEEDED"))


class FunctionNameTests(unittest.TestCase):
    FORMS = {
        "orders": ("orders", None),
        "orders:7": ("orders", "7"),
        "orders:$LATEST": ("orders", "$LATEST"),
        "orders:prod": ("orders", "prod"),
        "function:orders": ("orders", None),
        "123456789012:orders:7": ("orders", "7"),
        "123456789012:function:orders": ("orders", None),
        "us-east-1:123456789012:function:orders:prod": ("orders", "prod"),
        f"{ARN}orders": ("orders", None),
        f"{ARN}orders:7": ("orders", "7"),
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:orders:prod": ("orders", "prod"),
        "my.function_name-1:a": ("my.function_name-1", "a"),
        "orders-2:live": ("orders-2", "live"),
    }

    def test_every_form_is_taken_apart(self) -> None:
        for name, parts in self.FORMS.items():
            with self.subTest(name):
                self.assertEqual(split_name(name), parts)

    def test_a_target_is_found_as_written_else_by_its_qualifier_else_by_its_bare_name(self) -> None:
        directory = FunctionDirectory()
        for name in ("orders", "orders:prod", f"{ARN}billing:3", "shipping:blue"):
            directory.register(name, durable=True)
        for target, found in [
            ("orders", "orders"),
            ("orders:prod", "orders:prod"),
            (f"{ARN}orders:prod", "orders:prod"),
            ("orders:7", "orders"),
            (f"{ARN}orders", "orders"),
            (f"{ARN}billing:3", f"{ARN}billing:3"),
            ("billing:3", f"{ARN}billing:3"),
            ("shipping:blue", "shipping:blue"),
            ("shipping:green", None),
            ("billing:4", None),
            ("nobody", None),
        ]:
            with self.subTest(target):
                entry = directory.find(target)
                self.assertEqual(None if entry is None else entry[0], found)

    def test_a_durable_function_has_a_name_that_fits_into_an_arn(self) -> None:
        FunctionDirectory().register("my.function", durable=False)
        with self.assertRaisesRegex(ConfigurationError, "'my.function' cannot be the name of a durable function"):
            FunctionDirectory().register("my.function", durable=True)


if __name__ == "__main__":
    unittest.main()
