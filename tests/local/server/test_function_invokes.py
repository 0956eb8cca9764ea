"""``Invoke``: executions that code under test starts by name."""

from __future__ import annotations

import io
import unittest
from typing import Any

from botocore.exceptions import ClientError

from durabletest import NotAvailableError
from tests.local.server.harness import Harness, Started, code_of

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"


class InvokeTests(unittest.TestCase):
    def setUp(self) -> None:
        self.harness = Harness()
        self.harness.server.register(1, "child", True, 600)
        self.harness.server.register(1, "billing:prod", True)
        self.harness.server.register(1, "plain", False)

    def invoke(self, function: str = "child:$LATEST", **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.harness.api.invoke(FunctionName=function, InvocationType="Event", **request)
        return answer

    def started(self, answer: dict[str, Any]) -> Started:
        execution = Started(self.harness, answer["DurableExecutionArn"])
        execution.begin()
        return execution

    def assert_refused(self, code: str, says: str, *args: Any, **request: Any) -> None:
        before = len(self.harness.announced.all)
        with self.assertRaisesRegex(ClientError, says) as caught:
            self.invoke(*args, **request)
        self.assertEqual(code_of(caught.exception), code)
        self.assertEqual(len(self.harness.announced.all), before)

    def test_an_execution_is_started_and_its_arn_is_given_at_once(self) -> None:
        answer = self.invoke(Payload=b'{"order": 42}', DurableExecutionName="order-42", TenantId="blue")
        arn = answer["DurableExecutionArn"]
        self.assertTrue(arn.startswith(f"{ARN}child:$LATEST/durable-execution/order-42/"), arn)
        self.assertEqual(answer, {**answer, "StatusCode": 202, "ExecutedVersion": "$LATEST", "Payload": b""})
        self.assertEqual(self.harness.announced.invocations_due, [arn])
        execution = self.started(answer)
        self.assertEqual(execution.event["TenantId"], "blue")
        self.assertEqual(execution.event["Target"], "child")
        self.assertEqual(execution.description()["InputPayload"], '{"order": 42}')
        self.assertEqual(execution.description()["DurableConfig"]["ExecutionTimeout"], 600)

    def test_the_runners_own_function_is_known(self) -> None:
        execution = self.started(self.invoke("orders:7"))
        self.assertEqual((execution.event["Target"], execution.event["Version"]), (None, "7"))

    def test_functions_are_named_in_every_form(self) -> None:
        for function, more, target, version in [
            ("child:$LATEST", {}, "child", "$LATEST"),
            ("child", {"Qualifier": "7"}, "child", "7"),
            ("child:blue", {}, "child", "$LATEST"),
            ("billing:prod", {}, "billing:prod", "$LATEST"),
            ("123456789012:function:child:3", {}, "child", "3"),
            (f"{ARN}child:3", {}, "child", "3"),
            (f"{ARN}child", {"Qualifier": "3"}, "child", "3"),
        ]:
            with self.subTest(function, **more):
                answer = self.invoke(function, **more)
                execution = self.started(answer)
                self.assertEqual((execution.event["Target"], execution.event["Version"]), (target, version))
                self.assertEqual(answer["ExecutedVersion"], version)

    def test_the_payload_is_json_in_any_kind_of_blob(self) -> None:
        for payload, text in [(b"1", "1"), ('"☕"', '"☕"'), (io.BytesIO(b"[]"), "[]"), (b"", None)]:
            with self.subTest(repr(payload)):
                description = self.started(self.invoke(Payload=payload)).description()
                self.assertEqual(description.get("InputPayload"), text)

    def test_a_payload_that_is_no_json_is_refused(self) -> None:
        for payload in (b"{order: 42}", b"\xff"):
            self.assert_refused("InvalidRequestContentException", "Could not parse request body", Payload=payload)

    def test_a_payload_over_1_mb_is_refused(self) -> None:
        payload = b'"' + b"x" * 1_048_574 + b'"'
        self.started(self.invoke(Payload=payload))
        self.assert_refused("RequestTooLargeException", "may have 1048576", Payload=payload[:-1] + b'x"')

    def test_the_same_name_and_payload_mean_the_same_execution(self) -> None:
        first = self.invoke(DurableExecutionName="order-42", Payload=b"1")
        self.assertEqual(self.invoke(DurableExecutionName="order-42", Payload=b"1"), first)
        self.assertEqual(len(self.harness.announced.invocations_due), 1)
        self.assert_refused(
            "DurableExecutionAlreadyStartedException",
            "'order-42' was already started with another input",
            DurableExecutionName="order-42",
            Payload=b"2",
        )

    def test_an_unknown_function_is_not_found_and_the_message_says_how_to_register_it(self) -> None:
        self.assert_refused(
            "ResourceNotFoundException", r"not found: nobody. Register it with register_durable_f.*'nobody'", "nobody:1"
        )

    def test_a_name_without_a_qualifier_is_refused_as_in_the_service(self) -> None:
        self.assert_refused("InvalidParameterValueException", "unqualified ARN: write 'child:.LATEST'", "child")

    def test_what_does_not_fit_a_test_is_refused_with_what_to_write(self) -> None:
        for request, says in [
            ({"InvocationType": "RequestResponse"}, "Write InvocationType='Event', or context.invoke"),
            ({"InvocationType": "DryRun"}, "Write InvocationType='Event'"),
            ({"FunctionName": "plain:1"}, "'plain', a plain function, .* call it by context.invoke"),
            ({"LogType": "Tail"}, "with LogType is not answered locally: leave it out"),
            ({"ClientContext": "e30="}, "with ClientContext is not answered locally"),
        ]:
            with self.subTest(says), self.assertRaisesRegex(NotAvailableError, says):
                self.harness.api.invoke(**{"FunctionName": "child:1", "InvocationType": "Event", **request})

    def test_without_a_type_the_caller_would_wait(self) -> None:
        with self.assertRaisesRegex(NotAvailableError, "InvocationType='RequestResponse'"):
            self.harness.api.invoke(FunctionName="child:1")


if __name__ == "__main__":
    unittest.main()
