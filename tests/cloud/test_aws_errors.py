"""Mistakes in the setup: the error for each, and its advice."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from botocore.loaders import JSONFileLoader, create_loader

from durabletest import (
    CloudCredentialsError,
    CloudDurableTestRunner,
    CloudFunctionNotDurableError,
    CloudFunctionNotFoundError,
    CloudFunctionNotQualifiedError,
    CloudPermissionError,
    CloudRegionError,
    CloudServiceError,
    CloudSetupError,
    ConfigurationError,
    NotAvailableError,
    OperationNotFoundError,
)
from durabletest.cloud.aws import lambda_client
from tests.cloud.workflows import order
from tests.endpoint import faults
from tests.endpoint.case import EndpointTestCase

SET_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary ones), or AWS_PROFILE to a "
    "profile of your AWS configuration, logged in"
)


class RefusalTestCase(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders", order)
        cls.endpoint.deploy_plain("plain", lambda event, context: event)

    def assertRefused(
        self, error: type[Exception], message: str, function: str = "orders:live", **settings: Any
    ) -> None:
        with self.assertRaises(error) as caught:
            self.runner(function, **settings).run({"order": 42})
        self.assertEqual(str(caught.exception), message)


class SetupTests(RefusalTestCase):
    def without(self, *variables: str) -> None:
        self.enterContext(mock.patch.dict(os.environ))
        for variable in variables:
            del os.environ[variable]

    def test_no_credentials(self) -> None:
        self.without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        self.assertRefused(
            CloudCredentialsError,
            f"there are no AWS credentials (Unable to locate credentials): {SET_CREDENTIALS}",
            client=None,
        )
        self.assertEqual(self.endpoint.log.all(), [])

    def test_half_the_credentials(self) -> None:
        self.without("AWS_SECRET_ACCESS_KEY")
        self.assertRefused(
            CloudCredentialsError,
            "there are no AWS credentials (Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY): "
            f"{SET_CREDENTIALS}",
            client=None,
        )

    def test_a_profile_that_does_not_exist(self) -> None:
        self.enterContext(mock.patch.dict(os.environ, AWS_PROFILE="staging"))
        self.assertRefused(
            CloudCredentialsError,
            f"there are no AWS credentials (The config profile (staging) could not be found): {SET_CREDENTIALS}",
            client=None,
        )

    def test_no_region(self) -> None:
        self.without("AWS_DEFAULT_REGION")
        self.assertRefused(
            CloudRegionError,
            "no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one",
            client=None,
        )

    def test_a_region_that_is_empty_is_none(self) -> None:
        """As in CI, from a variable that nobody has set there."""
        self.without("AWS_ENDPOINT_URL_LAMBDA")
        self.enterContext(mock.patch.dict(os.environ, AWS_DEFAULT_REGION=""))
        self.assertRefused(
            CloudRegionError,
            "no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one",
            client=None,
        )

    def test_settings_that_boto3_cannot_read(self) -> None:
        for name, value, reason in (
            ("AWS_ENDPOINT_URL_LAMBDA", "localhost:5000", "Invalid endpoint: localhost:5000"),
            ("AWS_MAX_ATTEMPTS", "many", "invalid literal for int() with base 10: 'many'"),
        ):
            with self.subTest(name), mock.patch.dict(os.environ, {name: value}):
                self.assertRefused(
                    CloudSetupError,
                    f"boto3 cannot read its settings ({reason}): set AWS_MAX_ATTEMPTS to a number, and "
                    "AWS_ENDPOINT_URL_LAMBDA to a URL with its scheme, like http://127.0.0.1:9014; or leave them out",
                    client=None,
                )

    def test_the_region_of_the_variable_that_boto3_does_not_know(self) -> None:
        """AWS_REGION is what Lambda and many other tools read; boto3 reads AWS_DEFAULT_REGION only."""
        self.without("AWS_DEFAULT_REGION")
        self.enterContext(mock.patch.dict(os.environ, AWS_REGION="eu-west-1"))
        self.assertRefused(
            CloudRegionError,
            "no AWS region is set: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one "
            "(AWS_REGION is 'eu-west-1', which boto3 does not read)",
            client=None,
        )

    def test_number_of_attempts_and_mode_are_those_of_the_environment(self) -> None:
        for variables, attempts, mode in (
            ({}, 8, "standard"),
            ({"AWS_MAX_ATTEMPTS": "3"}, 3, "standard"),
            ({"AWS_RETRY_MODE": "adaptive"}, 8, "adaptive"),
        ):
            with self.subTest(variables), mock.patch.dict(os.environ, variables):
                retries = self.runner("orders:live", client=None).client.meta.config.retries
                self.assertEqual((retries["total_max_attempts"], retries["mode"]), (attempts, mode))

    def test_the_models_of_services_are_read_once_for_all_clients(self) -> None:
        self.enterContext(mock.patch("botocore.session.create_loader", create_loader))  # all tests share one
        lambda_client().close()
        reading = mock.patch.object(JSONFileLoader, "load_file", side_effect=RuntimeError("it is read"))
        with reading:
            lambda_client().close()
        with self.subTest("others are not the same"), mock.patch.dict(os.environ, AWS_DATA_PATH="."), reading:
            self.assertRaisesRegex(RuntimeError, "it is read", lambda_client)

    def test_what_the_service_says_of_bad_credentials(self) -> None:
        self.endpoint.faults.add("Invoke", faults.Refused(403, "UnrecognizedClientException", "The token is invalid."))
        self.assertRefused(
            CloudCredentialsError,
            "the service does not take the AWS credentials (An error occurred (UnrecognizedClientException) when "
            f"calling the Invoke operation: The token is invalid.): {SET_CREDENTIALS}",
        )

    def test_a_clock_that_is_wrong_is_not_taken_for_bad_credentials(self) -> None:
        for code, words in (
            ("InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z"),
            ("InvalidSignatureException", "Signature not yet current: 20260101T020000Z is still later than 20260101T"),
            ("SignatureDoesNotMatch", "Signature expired: 20260101T000000Z is now earlier than 20260101T005500Z"),
            ("RequestTimeTooSkewed", "The difference between the request time and the current time is too large."),
        ):
            with self.subTest(words):
                self.endpoint.faults.add("Invoke", faults.Refused(403, code, words))
                self.assertRefused(
                    CloudSetupError,
                    "the service does not take the time of the request: set the clock of this machine\n"
                    f"An error occurred ({code}) when calling the Invoke operation: {words}",
                )

    def test_a_request_that_has_expired_has_a_wrong_clock_or_old_credentials(self) -> None:
        self.endpoint.faults.add("Invoke", faults.Refused(400, "RequestExpired", "Request has expired."))
        self.assertRefused(
            CloudCredentialsError,
            "the service takes the request for expired: get new credentials if they are temporary, or set the clock of "
            "this machine\nAn error occurred (RequestExpired) when calling the Invoke operation: Request has expired.",
        )


class FunctionTests(RefusalTestCase):
    def test_no_permission(self) -> None:
        self.endpoint.faults.add("Invoke", faults.forbidden)
        self.assertRefused(
            CloudPermissionError,
            "the credentials do not permit lambda:InvokeFunction: allow it in their IAM policy\n"
            "An error occurred (AccessDeniedException) when calling the Invoke operation: "
            "User: arn:aws:iam::123456789012:user/ci is not authorized to perform this action",
        )

    def test_no_function(self) -> None:
        self.assertRefused(
            CloudFunctionNotFoundError,
            "there is no function 'nobody:live' in that account and region: deploy it, or set function_name (or "
            "DURABLETEST_FUNCTION_NAMES) to the deployed name or ARN, and AWS_DEFAULT_REGION to its region\n"
            "An error occurred (ResourceNotFoundException) when calling the Invoke operation: "
            "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody",
            "nobody:live",
        )

    def test_not_durable(self) -> None:
        for how in ("Event", "RequestResponse"):
            with self.subTest(how):
                self.assertRefused(
                    CloudFunctionNotDurableError,
                    "'plain:live' is no durable function: deploy it with a DurableConfig (ExecutionTimeout), "
                    "which only a new function can be given, and name the new version",
                    "plain:live",
                    invocation_type=how,
                )

    def test_not_durable_in_the_words_of_the_service(self) -> None:
        words = "DurableExecutionName is only supported for durable functions."
        self.endpoint.faults.add("Invoke", faults.Refused(400, "InvalidParameterValueException", words))
        self.assertRefused(
            CloudFunctionNotDurableError,
            "'orders:live' is no durable function: deploy it with a DurableConfig (ExecutionTimeout), which only a new "
            "function can be given, and name the new version\nAn error occurred (InvalidParameterValueException) when "
            f"calling the Invoke operation: {words}",
        )

    def test_not_qualified(self) -> None:
        self.assertRefused(
            CloudFunctionNotQualifiedError,
            "durable functions need a version or an alias, and 'orders' has none: write 'orders:$LATEST', or a version "
            "or alias of yours\nAn error occurred (InvalidParameterValueException) when calling the Invoke operation: "
            "You cannot invoke a durable function using an unqualified ARN.",
            "orders",
        )

    def test_too_long_for_a_synchronous_invoke(self) -> None:
        words = "You cannot synchronously invoke a durable function with an executionTimeout greater than 15 minutes."
        self.endpoint.faults.add("Invoke", faults.Refused(400, "InvalidParameterValueException", words))
        self.assertRefused(
            CloudSetupError,
            "'orders:live' may run for more than 15 minutes, so it cannot be invoked synchronously: use "
            "invocation_type 'Event', or deploy it with a shorter ExecutionTimeout\n"
            f"An error occurred (InvalidParameterValueException) when calling the Invoke operation: {words}",
            invocation_type="RequestResponse",
        )

    def test_all_these_are_errors_of_the_setup(self) -> None:
        with self.assertRaises(CloudSetupError):
            self.runner("orders").run()

    def test_nothing_was_started(self) -> None:
        with self.assertRaises(CloudSetupError):
            self.runner("orders").run()
        self.assertEqual(self.endpoint.log.counts(), {"Invoke": 1})


class ArgumentTests(RefusalTestCase):
    def test_arguments_that_mean_nothing(self) -> None:
        for arguments, message in (
            (
                {"function_name": ""},
                "function_name is '': give the deployed function's name with a version or alias, like 'orders:live'",
            ),
            ({"poll_interval": 0}, "poll_interval is 0: give a timedelta, or a positive number of seconds"),
            ({"timeout": -1}, "timeout is -1: give a timedelta, or a positive number of seconds"),
            ({"timeout": True}, "timeout is True: give a timedelta, or a positive number of seconds"),
            ({"invocation_type": "Dry"}, "invocation_type is 'Dry': write 'Event' or 'RequestResponse'"),
        ):
            with self.subTest(arguments), self.assertRaises(ConfigurationError) as caught:
                CloudDurableTestRunner(**{"function_name": "orders:live", "client": self.client, **arguments})
            self.assertEqual(str(caught.exception), message)

    def test_a_request_that_botocore_does_not_send(self) -> None:
        with self.assertRaises(CloudServiceError) as caught:
            self.runner("orders:live").run({"order": 1}, tenant_id="")
        self.assertRegex(
            str(caught.exception),
            r"^botocore \S+ cannot send the request: Parameter validation failed:\nInvalid length for parameter Tenant",
        )

    def test_durations_are_taken_as_timedeltas_too(self) -> None:
        settings = {"timeout": timedelta(seconds=20), "poll_interval": timedelta(milliseconds=5)}
        self.assertEqual(len(self.runner("orders:live", **settings).run({"order": 1}).get_operations()), 5)

    def test_what_cannot_be_done_in_the_cloud(self) -> None:
        runner = self.runner("orders:live")
        execution = runner.start({"order": 1})
        by_itself = "moves virtual time; in the cloud time passes by itself: mark the test @local_only"
        deployed = (
            "<built-in function print> cannot be registered as 'tax' in the cloud, where workflows invoke what is "
            "deployed: deploy a function of that name, and list it in durable_functions or functions of the class for "
            "local runs; or mark the test @local_only"
        )
        attempts: dict[Callable[[], object], str] = {
            lambda: execution.advance(timedelta(hours=1)): f"advance(datetime.timedelta(seconds=3600)) {by_itself}",
            execution.advance_to_next: f"advance_to_next() {by_itself}",
            lambda: runner.register_function("tax", print): deployed,
            lambda: runner.register_durable_function("tax", print): deployed,
        }
        for attempt, message in attempts.items():
            with self.assertRaises(NotAvailableError) as caught:
                attempt()
            self.assertEqual(str(caught.exception), message)
        execution.result(timeout=20)

    def test_nothing_was_executed_yet(self) -> None:
        with self.assertRaises(OperationNotFoundError) as caught:
            self.runner("orders:live").get_operation("pack")
        self.assertEqual(str(caught.exception), "nothing was executed yet: call run(payload) or start(payload) first")

    def test_look_ups_are_about_the_last_execution(self) -> None:
        runner = self.runner("orders:live")
        runner.run({"order": 1})
        runner.run({"order": 2})
        pack = runner.get_operation("pack")
        self.assertEqual(pack.get_step_details().result, "parcel 2")
        self.assertEqual(runner.get_operation_by_index(4), pack)
        self.assertEqual(runner.get_operation_by_name_and_index("pack", 0), pack)
        self.assertEqual(runner.get_operation_by_id(pack.id), pack)

    def test_a_name_that_was_used_before_is_the_same_execution(self) -> None:
        runner = self.runner("orders:live")
        first, again = (runner.run({"order": 1}, name="order-1").arn for _ in range(2))
        self.assertEqual(first, again)

    def test_a_tenant_is_handed_on(self) -> None:
        self.runner("orders:live").run({"order": 1}, tenant_id="acme")
        self.assertEqual(self.endpoint.log.members("Invoke")[0]["TenantId"], "acme")

    def test_a_client_that_was_given_is_left_open(self) -> None:
        client = boto3.client("lambda", config=Config(retries={"mode": "standard"}))
        self.addCleanup(client.close)
        with self.runner("orders:live", client=client):
            pass
        self.assertEqual(client.get_paginator("list_functions").__class__.__name__, "Lambda.Paginator.ListFunctions")
