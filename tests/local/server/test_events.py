"""Every event that can come about locally, with its details, and what of it is given without execution data."""

from __future__ import annotations

import unittest
from datetime import timedelta
from typing import Any
from unittest import mock

from durabletest.local.server import checkpoint_server
from durabletest.local.server.service_model import service_model
from tests.local.server.harness import KNOWN_OPERATIONS, START, Harness, Started, cancel, fail, retry, start, succeed

ERROR = {"ErrorType": "Declined", "ErrorMessage": "card expired", "ErrorData": "{}", "StackTrace": ["line 1"]}
PAYLOADS = ("Input", "Result", "Error", "Reason")
REASON = {"ErrorType": "Manual", "ErrorMessage": "enough"}


def given(payload: Any) -> dict[str, Any]:
    return {"Payload": payload, "Truncated": False}


NOTHING_GIVEN = {"Truncated": False}


def eventful() -> list[Started]:
    """Executions in whose histories everything has happened that can happen."""
    harness = Harness()
    for name, durable, timeout in (("child", True, 60), ("plain", False, None)):
        harness.server.register(1, name, durable, timeout)
    main = harness.start(name="main", payload='{"order": 42}', timeout=86_400, tenant_id="blue")
    main.checkpoint(
        start("CONTEXT", "c", Name="outer", SubType="RunInChildContext"),
        start("STEP", "s", Name="charge", SubType="Step", ParentId="c"),
        retry("s", Error=ERROR),
        succeed("STEP", "t", Payload='"done"'),
        fail("STEP", "u", Error=ERROR),
        succeed("CONTEXT", "d", Payload="[]"),
        fail("CONTEXT", "e", Error=ERROR),
        start("WAIT", "w"),
        start("WAIT", "v"),
        start("CALLBACK", "a"),
        start("CALLBACK", "b", CallbackOptions={"TimeoutSeconds": 30}),
        start("CALLBACK", "n", CallbackOptions={"HeartbeatTimeoutSeconds": 40}),
        start("CALLBACK", "f", CallbackOptions={"TimeoutSeconds": 0, "HeartbeatTimeoutSeconds": 0}),
        *(
            start("CHAINED_INVOKE", f"i{number}", ChainedInvokeOptions={"FunctionName": "child"}, Payload=str(number))
            for number in range(4)
        ),
        start("CHAINED_INVOKE", "p", ChainedInvokeOptions={"FunctionName": "plain:3", "TenantId": "red"}),
    )
    main.checkpoint(cancel("WAIT", "v", Error=REASON))
    ids = {key: one["CallbackDetails"]["CallbackId"] for key, one in main.kept().items() if "CallbackDetails" in one}
    harness.server.send_durable_execution_callback_success(CallbackId=ids["a"], Result=b"yes")
    harness.server.send_durable_execution_callback_failure(CallbackId=ids["f"], Error=ERROR)
    harness.server.function_answered(main.arn, "p", None, None)
    children = [harness.child_of(main.arn, f"i{number}") for number in range(4)]
    children[0].answer("SUCCEEDED", Result="{}")
    children[1].answer("FAILED", Error=ERROR)
    children[2].stop(**REASON)
    while any(timer.due <= START + timedelta(seconds=60) for timer in harness.timers().values()):
        harness.fire_next()
    main.crash()
    main.stop(**REASON)
    failed = harness.start(payload="1")
    failed.answer("FAILED", Error=ERROR)
    timed_out = harness.start(payload="2", timeout=10)
    harness.fire_next(kind="execution timeout")
    paused = harness.start(payload="3")
    paused.answer("PENDING")
    if "PauseDurableExecution" in KNOWN_OPERATIONS:
        harness.server.pause_durable_execution(DurableExecutionArn=paused.arn, Reason="enough")
        harness.server.resume_durable_execution(DurableExecutionArn=paused.arn, Reason="again")
    return [main, *children, failed, timed_out, paused]


class EveryEventTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.executions = eventful()
        cls.main = cls.executions[0]

    def details(self, event_type: str, operation_id: str | None = None) -> dict[str, Any]:
        (found,) = [
            event[f"{event_type}Details"]
            for event in self.main.history()
            if event["EventType"] == event_type and event.get("Id") == operation_id
        ]
        return found

    def test_r12_1_every_type_that_the_model_knows_happens(self) -> None:
        seen = {event["EventType"] for execution in self.executions for event in execution.history()}
        self.assertEqual(seen, set(service_model().shape_for("EventType").enum))

    def test_r12_4_the_execution(self) -> None:
        self.assertEqual(
            self.details("ExecutionStarted"), {"Input": given('{"order": 42}'), "ExecutionTimeout": 86_400}
        )
        self.assertEqual(self.details("ExecutionStopped"), {"Error": given(REASON)})
        succeeded, failed, stopped, timed_out_child, ended_as_failed, timed_out = self.executions[1:7]
        self.assertEqual(succeeded.details("ExecutionSucceeded"), {"Result": given("{}")})
        self.assertEqual(failed.details("ExecutionFailed"), {"Error": given(ERROR)})
        self.assertEqual(ended_as_failed.details("ExecutionFailed"), {"Error": given(ERROR)})
        self.assertEqual(stopped.details("ExecutionStopped"), {"Error": given(REASON)})
        for execution in (timed_out_child, timed_out):
            error = {"ErrorType": "ExecutionTimedOut", "ErrorMessage": "Execution timed out"}
            self.assertEqual(execution.details("ExecutionTimedOut"), {"Error": given(error)})
            self.assertEqual(execution.description()["Error"], error)

    def test_steps(self) -> None:
        self.assertEqual(self.details("StepStarted", "s"), {})
        self.assertEqual(
            self.details("StepFailed", "s"),
            {"Error": given(ERROR), "RetryDetails": {"CurrentAttempt": 1, "NextAttemptDelaySeconds": 5}},
        )
        self.assertEqual(
            self.details("StepSucceeded", "t"), {"Result": given('"done"'), "RetryDetails": {"CurrentAttempt": 1}}
        )
        self.assertEqual(
            self.details("StepFailed", "u"), {"Error": given(ERROR), "RetryDetails": {"CurrentAttempt": 1}}
        )

    def test_contexts(self) -> None:
        self.assertEqual(self.details("ContextStarted", "c"), {})
        self.assertEqual(self.details("ContextSucceeded", "d"), {"Result": given("[]")})
        self.assertEqual(self.details("ContextFailed", "e"), {"Error": given(ERROR)})

    def test_waits(self) -> None:
        due = START + timedelta(seconds=60)
        self.assertEqual(self.details("WaitStarted", "w"), {"Duration": 60, "ScheduledEndTimestamp": due})
        self.assertEqual(self.details("WaitSucceeded", "w"), {"Duration": 60})
        self.assertEqual(self.details("WaitCancelled", "v"), {"Error": given(REASON)})

    def test_r12_3_callbacks(self) -> None:
        started = {key: self.details("CallbackStarted", key) for key in ("a", "b", "n", "f")}
        self.assertEqual(len({details.pop("CallbackId") for details in started.values()}), 4)
        self.assertEqual(started, {"a": {}, "b": {"Timeout": 30}, "n": {"HeartbeatTimeout": 40}, "f": {}})
        self.assertEqual(self.details("CallbackSucceeded", "a"), {"Result": given("yes")})
        self.assertEqual(self.details("CallbackFailed", "f"), {"Error": given(ERROR)})
        for operation_id, error_type, message in (
            ("b", "Callback.Timeout", "Callback timed out"),
            ("n", "Callback.Heartbeat", "Callback timed out on heartbeat"),
        ):
            error = self.details("CallbackTimedOut", operation_id)["Error"]["Payload"]
            self.assertEqual(error, {"ErrorType": error_type, "ErrorMessage": message})

    def test_invokes(self) -> None:
        started = self.details("ChainedInvokeStarted", "i1")
        self.assertEqual(
            started,
            {
                "FunctionName": "child",
                "Input": given("1"),
                "ExecutedVersion": "$LATEST",
                "DurableExecutionArn": self.executions[2].arn,
            },
        )
        self.assertEqual(
            self.details("ChainedInvokeStarted", "p"),
            {"FunctionName": "plain:3", "Input": NOTHING_GIVEN, "ExecutedVersion": "3", "TenantId": "red"},
        )
        self.assertEqual(self.details("ChainedInvokeSucceeded", "i0"), {"Result": given("{}")})
        self.assertEqual(self.details("ChainedInvokeFailed", "i1"), {"Error": given(ERROR)})
        self.assertEqual(self.details("ChainedInvokeStopped", "i2"), {"Error": given(REASON)})
        timed_out = {"ErrorType": "ChainedInvoke.Timeout", "ErrorMessage": "CHAINED_INVOKE timed out after 60 seconds."}
        self.assertEqual(self.details("ChainedInvokeTimedOut", "i3"), {"Error": given(timed_out)})
        self.assertEqual(self.details("ChainedInvokeSucceeded", "p"), {"Result": NOTHING_GIVEN})

    def test_operations_are_named_in_their_events(self) -> None:
        step = next(event for event in self.main.history() if event.get("Id") == "s")
        self.assertEqual((step["Name"], step["SubType"], step["ParentId"]), ("charge", "Step", "c"))
        for event in self.main.history():
            self.assertEqual("Id" in event, not event["EventType"].startswith(("Execution", "Invocation")))

    def test_without_execution_data_payloads_and_errors_are_left_out_and_everything_else_is_the_same(self) -> None:
        for execution in self.executions:
            whole, bare = execution.history(), execution.history(IncludeExecutionData=False)
            self.assertEqual([without_payloads(event) for event in whole], [without_payloads(event) for event in bare])
            wrappers = [wrapper for event in bare for wrapper in wrappers_of(event)]
            self.assertTrue(wrappers)
            self.assertTrue(all(wrapper == {"Truncated": True} for wrapper in wrappers), wrappers)
            self.assertFalse(any(wrapper["Truncated"] for event in whole for wrapper in wrappers_of(event)))

    def test_what_a_caller_does_to_an_answer_stays_his_own_business(self) -> None:
        self.main.history()[0]["ExecutionStartedDetails"].clear()
        self.assertEqual(self.details("ExecutionStarted")["ExecutionTimeout"], 86_400)
        error = self.details("StepFailed", "u")["Error"]["Payload"]
        error["StackTrace"] += ["line 2"]
        self.assertEqual(self.details("StepFailed", "u")["Error"]["Payload"]["StackTrace"], ["line 1"])

    def test_only_what_is_on_the_page_is_made_ready(self) -> None:
        for request, ids in [
            ({}, [1, 2]),
            ({"Marker": "item-4"}, [4, 5]),
            ({"ReverseOrder": True, "Marker": "item-4"}, [4, 3]),
        ]:
            stripping = mock.patch.object(checkpoint_server, "without_execution_data", side_effect=dict)
            copying = mock.patch.object(checkpoint_server, "copied", side_effect=dict)
            with self.subTest(**request), stripping as stripped, copying as copied:
                page = self.main.harness.server.get_durable_execution_history(
                    DurableExecutionArn=self.main.arn, MaxItems=2, **request
                )
                self.assertEqual([event["EventId"] for event in page["Events"]], ids)
                self.assertEqual((stripped.call_count, copied.call_count), (2, 2))

    def test_pages_in_reverse_order_go_on_where_the_last_one_ended_whatever_came_meanwhile(self) -> None:
        execution = Harness().start()
        execution.checkpoint(*(start("STEP", f"s{number}") for number in range(4)))

        def page(**request: Any) -> dict[str, Any]:
            return execution.harness.server.get_durable_execution_history(
                DurableExecutionArn=execution.arn, ReverseOrder=True, MaxItems=2, **request
            )

        pages = [page()]
        execution.checkpoint(start("STEP", "later"))
        while "NextMarker" in pages[-1]:
            pages.append(page(Marker=pages[-1]["NextMarker"]))
        self.assertEqual([[event["EventId"] for event in page["Events"]] for page in pages], [[5, 4], [3, 2], [1]])

    def test_that_is_what_a_request_gets_that_does_not_ask_for_data(self) -> None:
        page = self.main.harness.server.get_durable_execution_history(DurableExecutionArn=self.main.arn, MaxItems=1000)
        self.assertEqual(page["Events"], self.main.history(IncludeExecutionData=False))


def details_of(event: dict[str, Any]) -> dict[str, Any]:
    return event[f"{event['EventType']}Details"]


def wrappers_of(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [value for name, value in details_of(event).items() if name in PAYLOADS]


def without_payloads(event: dict[str, Any]) -> dict[str, Any]:
    key = f"{event['EventType']}Details"
    kept = {name: value for name, value in event[key].items() if name not in PAYLOADS}
    return {**event, key: kept}


if __name__ == "__main__":
    unittest.main()
