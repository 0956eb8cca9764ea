"""Errors as boto3 raises them: the classes, the codes, the HTTP statuses, the members that it parses."""

from __future__ import annotations

import unittest

import boto3
from botocore.exceptions import ClientError

from durabletest.local.server.service_model import exceptions, modelled_error, service_model

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
