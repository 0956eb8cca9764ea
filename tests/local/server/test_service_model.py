"""The service model: errors as boto3 raises them, and values against shapes, each finding with its path."""

from __future__ import annotations

import io
import unittest
from typing import Any
from unittest import mock

import boto3
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from durabletest.local.server import service_model as validation
from durabletest.local.server.service_model import (
    event_findings,
    exceptions,
    findings,
    modelled_error,
    response_findings,
    service_model,
    validate_request,
)
from tests.effort import examples
from tests.local.server.batches import WILD_BATCHES
from tests.local.server.harness import START, Harness, start, succeed
from tests.model.histories import ARN

OPERATION = {"Id": "s", "Type": "STEP", "StartTimestamp": START, "Status": "STARTED"}
EVENT = {"EventType": "StepStarted", "EventId": 1, "EventTimestamp": START, "Id": "s", "StepStartedDetails": {}}
STATUSES = {
    "InvalidParameterValueException": 400,
    "CallbackTimeoutException": 400,
    "ResourceNotFoundException": 404,
    "DurableExecutionAlreadyStartedException": 409,
    "RequestTooLargeException": 413,
    "TooManyRequestsException": 429,
    "ServiceException": 500,
    "KMSDisabledException": 502,
}


def of_shape(name: str, value: object) -> list[str]:
    return findings(service_model().shape_for(name), value)


class Findings(unittest.TestCase):
    def test_a_value_as_the_shape_says_has_none(self) -> None:
        self.assertEqual(of_shape("Operation", OPERATION), [])

    def test_each_thing_that_is_wrong_is_one_finding(self) -> None:
        wrong = {**OPERATION, "Id": "a b", "Status": "DONE", "Name": "x" * 300}
        self.assertEqual(len(of_shape("Operation", wrong)), 3)

    def test_paths_lead_into_lists_and_structures(self) -> None:
        state = {"Operations": [OPERATION, {**OPERATION, "CallbackDetails": {"CallbackId": "?"}}]}
        (finding,) = of_shape("CheckpointUpdatedExecutionState", state)
        self.assertTrue(finding.startswith("Operations[1].CallbackDetails.CallbackId is '?': it must match"), finding)

    def test_long_values_are_shown_in_part(self) -> None:
        (finding,) = of_shape("OperationId", "é" * 60)
        self.assertLess(len(finding), 160)

    def test_a_pattern_must_match_the_whole_value(self) -> None:
        self.assertEqual(of_shape("OperationId", "ok"), [])
        self.assertEqual(len(of_shape("OperationId", "ok\n")), 1)
        self.assertEqual(len(of_shape("OperationId", "ok!")), 1)

    def test_a_file_is_a_blob_and_is_not_measured(self) -> None:
        request = {"CallbackId": "abc", "Result": io.BytesIO(b"yes")}
        validate_request("SendDurableExecutionCallbackSuccess", request)
        self.assertEqual(request["Result"].read(), b"yes")  # type: ignore[union-attr]

    def test_an_operation_without_an_answer_takes_an_empty_one_only(self) -> None:
        self.assertEqual(findings(None, {}), [])
        self.assertEqual(findings(None, {"a": 1}), ["nothing is expected, and {'a': 1} was given"])

    def test_a_list_that_is_too_long(self) -> None:
        (finding,) = of_shape("ExecutionStatusList", ["RUNNING"] * 11)
        self.assertIn("has length 11: it must be at most 10", finding)


class RequestsAnswersAndEvents(unittest.TestCase):
    def test_a_request_is_refused_with_all_its_findings(self) -> None:
        with self.assertRaises(ClientError) as caught:
            validate_request("GetDurableExecutionState", {"DurableExecutionArn": "x", "CheckpointToken": "?"})
        self.assertIn("DurableExecutionArn is 'x'", str(caught.exception))
        self.assertIn("; CheckpointToken is '?'", str(caught.exception))

    def test_an_answer_without_a_required_member(self) -> None:
        (finding,) = response_findings("CheckpointDurableExecution", {"CheckpointToken": "abc"})
        self.assertIn("NewExecutionState", finding)

    def test_an_answer_with_a_member_too_many(self) -> None:
        (finding,) = response_findings("SendDurableExecutionCallbackHeartbeat", {"Beats": 1})
        self.assertIn("Beats", finding)

    def test_events(self) -> None:
        self.assertEqual(event_findings(EVENT), [])
        self.assertIn("EventType is 'StepBegan'", event_findings({**EVENT, "EventType": "StepBegan"})[0])
        self.assertIn("StepBeganDetails", event_findings({**EVENT, "StepBeganDetails": {}})[0])
        self.assertIn("Result", event_findings({**EVENT, "StepSucceededDetails": {"RetryDetails": {}}})[0])


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(["CheckpointToken", "Updates", "ClientToken", "Marker", "MaxItems", "Id"])


class ShortcutTests(unittest.TestCase):
    """What is right beyond doubt is not shown to botocore, and that changes no finding."""

    def both(self, shape: Any, value: object) -> tuple[list[str], list[str]]:
        """The findings with the shortcut, and without."""
        short = findings(shape, value)
        with mock.patch.object(validation, "_fits", return_value=lambda _value: False):
            return short, findings(shape, value)

    def test_right_requests_answers_and_events_take_it(self) -> None:
        execution = Harness().start()
        update = {**start("STEP", "s", Name="charge"), "StepOptions": {"NextAttemptDelaySeconds": 5}}
        with mock.patch.object(validation.ParamValidator, "validate", side_effect=AssertionError("not needed")):
            answer = execution.checkpoint(update, succeed("STEP", "t", Payload="1"), ClientToken="once")
            self.assertEqual(response_findings("CheckpointDurableExecution", answer), [])
            for event in execution.history():
                self.assertEqual(event_findings(event), [])

    def test_bounds_enums_patterns_and_types_are_looked_at(self) -> None:
        for shape_name, right, wrong in [
            ("OperationId", ["a", "x" * 64], ["", "x" * 65, "a b", 1, None, b"a"]),
            ("OperationType", ["STEP"], ["STAIR", "step"]),
            ("ItemCount", [0, 1000], [-1, 1001, "1", 1.0, None]),
            ("ExecutionStatusList", [["RUNNING"], ("FAILED",)], [["GONE"], [1], "RUNNING", ["RUNNING"] * 11]),
            ("Operation", [OPERATION], [{**OPERATION, "Id": 1}, {**OPERATION, "Colour": "red"}, {}, [], None]),
        ]:
            shape = service_model().shape_for(shape_name)
            for value in right:
                self.assertTrue(validation._fits(shape)(value), (shape_name, value))
                self.assertEqual(self.both(shape, value), ([], []))
            for value in wrong:
                with self.subTest(shape_name, value=value):
                    self.assertFalse(validation._fits(shape)(value))
                    short, full = self.both(shape, value)
                    self.assertEqual(short, full)
                    self.assertTrue(full)

    @settings(derandomize=True, database=None, max_examples=examples(25, long=150), deadline=None)
    @given(WILD_BATCHES)
    def test_it_finds_what_the_long_way_finds(self, updates: list[dict[str, Any]]) -> None:
        shape = service_model().operation_model("CheckpointDurableExecution").input_shape
        request = {"DurableExecutionArn": ARN, "CheckpointToken": "dG9rZW4=", "Updates": updates}
        short, full = self.both(shape, request)
        self.assertEqual(short, full)


class Nonsense(unittest.TestCase):
    @settings(derandomize=True, database=None, max_examples=examples(25, long=150), deadline=None)
    @given(st.dictionaries(MEMBERS, JSON_LIKE, max_size=4))
    def test_whatever_is_sent_is_refused_in_the_apis_own_way(self, request: dict[str, Any]) -> None:
        for api_operation in ("CheckpointDurableExecution", "GetDurableExecutionState"):
            with self.assertRaises(ClientError) as caught:
                validate_request(api_operation, request)
            self.assertEqual(caught.exception.response["Error"]["Code"], "InvalidParameterValueException")
            self.assertIn("DurableExecutionArn", str(caught.exception))


class ModelledErrors(unittest.TestCase):
    def test_the_http_status_is_the_models(self) -> None:
        for code, status in STATUSES.items():
            with self.subTest(code):
                metadata = modelled_error(code, "no", "Invoke").response["ResponseMetadata"]
                self.assertEqual(metadata["HTTPStatusCode"], status)

    def test_each_refusal_has_a_class_of_its_own(self) -> None:
        error = modelled_error("ResourceNotFoundException", "no such execution", "GetDurableExecution")
        self.assertIsInstance(error, exceptions().ResourceNotFoundException)
        self.assertIsInstance(error, ClientError)
        self.assertNotIsInstance(error, exceptions().InvalidParameterValueException)

    def test_the_text_is_boto3s(self) -> None:
        error = modelled_error("ResourceNotFoundException", "no such execution", "GetDurableExecution")
        self.assertEqual(
            str(error),
            "An error occurred (ResourceNotFoundException) when calling the GetDurableExecution operation: "
            "no such execution",
        )
        self.assertEqual(error.operation_name, "GetDurableExecution")

    def test_the_response_has_the_members_that_boto3_parses(self) -> None:
        for code, member, fault in (
            ("ResourceNotFoundException", "Message", "User"),
            ("InvalidParameterValueException", "message", "User"),
            ("ServiceException", "Message", "Service"),
        ):
            with self.subTest(code):
                response = modelled_error(code, "no", "GetDurableExecution").response
                self.assertEqual(response["Error"], {"Code": code, "Message": "no"})
                self.assertEqual((response[member], response["Type"]), ("no", fault))

    def test_a_code_that_the_model_does_not_have_is_a_defect_of_the_server(self) -> None:
        with self.assertRaises(KeyError):
            modelled_error("TeapotException", "short and stout", "Invoke")

    def test_the_classes_have_the_names_that_a_client_of_boto3_has(self) -> None:
        client = boto3.session.Session().client(
            "lambda", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
        )
        for code in STATUSES:
            self.assertTrue(hasattr(client.exceptions, code))
            self.assertEqual(exceptions().from_code(code).__name__, client.exceptions.from_code(code).__name__)

    def test_the_model_is_read_once(self) -> None:
        self.assertIs(service_model(), service_model())
        self.assertEqual(service_model().service_name, "lambda")


if __name__ == "__main__":
    unittest.main()
