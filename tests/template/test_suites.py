"""Suites that name nothing but a template: the handler and its settings come from there."""

from __future__ import annotations

import os
import sys
import unittest
from typing import Any
from unittest import mock

from aws_durable_execution_sdk_python import durable_execution

from durabletest import DurableTest, DurableTestCase
from durabletest.settings import workflow_of
from tests.cloud import suites
from tests.template.case import PROJECTS, TemplateTestCase, suite


def greets(self: DurableTestCase) -> None:
    self.execute({"name": "Ann"})
    self.assertExecution().succeeded({
        "greeting": "Hello Ann",
        "at import": "Hello",
        "variables": ["2026-01-01", "true", "8080"],
        "milliseconds": 900_000,
        "memory": "128",
    })  # fmt: skip


class LocalSuiteTests(TemplateTestCase):
    def test_the_handler_its_settings_and_its_variables_come_from_the_template(self) -> None:
        self.assertPasses(suite(greets, template="projects/hello/template.yaml"))
        self.assertNotIn("GREETING", os.environ)

    def test_the_execution_timeout_too(self) -> None:
        def test(case: DurableTestCase) -> None:
            result = case.execute({"name": "Ann", "minutes": 16})
            case.assertExecution().timed_out().took(minutes=15)
            description = case.runner.client.get_durable_execution(DurableExecutionArn=result.arn)
            case.assertEqual(description["DurableConfig"], {"ExecutionTimeout": 900, "RetentionPeriodInDays": 7})

        self.assertPasses(suite(test, template="projects/hello/template.yaml"))

    def test_what_the_class_says_wins(self) -> None:
        def test(case: DurableTestCase) -> None:
            value = case.execute({"name": "Ann", "minutes": 16}).get_result()
            found = (value["greeting"], value["variables"][1], value["milliseconds"], value["memory"])
            case.assertEqual(found, ("Hi Ann", "true", 7_000, "512"))

        settings = {"execution_timeout": 3_600, "function_timeout": 7, "memory_size": 512}
        self.assertPasses(
            suite(test, template="projects/hello/template.yaml", environment={"GREETING": "Hi"}, **settings)
        )

    def test_a_handler_of_the_class_is_the_one_that_runs(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.execute("hello")
            case.assertExecution().succeeded(["hello", "128", "Hello"])

        @durable_execution
        def handler(event: str, context: Any) -> list[str]:
            return [event, context.lambda_context.memory_limit_in_mb, os.environ["GREETING"]]

        self.assertPasses(suite(test, template="projects/hello", handler=handler))

    def test_cloudformation_without_sam(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.execute("Ann")
            case.assertExecution().succeeded(["good day, Ann", 3_000, "greet-people"])

        self.assertPasses(suite(test, template="projects/plain/template.yaml"))

    def test_a_suite_that_runs_in_the_cloud_runs_here(self) -> None:
        """It is run in the cloud by ``tests.cloud.test_stacks``."""
        self.assertPasses(suites.Greeting)

    def test_the_assembly_of_cdk(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.execute("books")
            case.assertExecution().succeeded("shipped a parcel with books")

        self.assertPasses(suite(test, template="projects/assembly"))
        for function in ("Ship", "Shipping/Ship", "ShipB12F9C3E", "Ship:live"):
            self.assertPasses(suite(test, template=PROJECTS / "assembly", template_function=function))

    def test_reports_name_the_workflow_as_the_template_does(self) -> None:
        for cls, expected in (
            (suite(greets, template=PROJECTS / "plain"), "greet-people"),
            (suite(greets, template=PROJECTS / "plain", function_name="orders:live"), "orders"),
            (suite(greets), None),
        ):
            self.assertEqual(workflow_of(cls), expected)

    def test_the_variable_takes_the_place_of_the_template(self) -> None:
        with mock.patch.dict(os.environ, DURABLETEST_TEMPLATE=str(PROJECTS / "hello" / "template.yaml")):
            self.assertPasses(suite(greets, template="projects/plain/template.yaml"))
            self.assertPasses(suite(greets))

    def test_the_variable_is_not_for_a_class_with_a_handler_only(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.assertEqual(case.execute("hello").get_result(), "hello")

        with mock.patch.dict(os.environ, DURABLETEST_TEMPLATE="/nowhere"):
            self.assertPasses(suite(test, handler=durable_execution(lambda event, context: event)))

    def test_without_a_test_case(self) -> None:
        path = PROJECTS / "hello" / "template.yaml"
        with DurableTest(template=path) as test:
            self.assertEqual(repr(test), "<DurableTest of HelloFunction of template.yaml>")
            self.assertEqual(test.execute({"name": "Ann"}).get_result()["greeting"], "Hello Ann")

    def test_nothing_of_the_environment_stays_if_the_import_fails(self) -> None:
        with mock.patch.dict(sys.modules, {"app": None}):
            self.message_of(suite(greets, template="projects/hello"))
        self.assertNotIn("GREETING", os.environ)


def checks_out(self: DurableTestCase) -> None:
    self.execute({"order": 1})
    charge = {"memory": "1024", "stage": "dev", "table": None}
    self.assertExecution().succeeded({
        "country": ["NL", 5_000], "charge": charge, "level": "DEBUG", "table": "OrdersTable",
    })  # fmt: skip


class InvokeTests(TemplateTestCase):
    """The functions that the function may invoke are registered, each with its own settings."""

    def suite(self, test: Any = checks_out, **settings: Any) -> type[DurableTestCase]:
        return suite(test, template="projects/orders/template.yaml", template_function="CheckoutFunction", **settings)

    def test_functions_that_it_may_invoke_are_registered(self) -> None:
        self.assertPasses(self.suite())

    def test_each_has_its_own_execution_timeout(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.execute({"order": 1, "settles in": 301})
            case.assertOperation("charge").timed_out()

        self.assertPasses(self.suite(test))

    def test_a_function_of_the_class_wins(self) -> None:
        def test(case: DurableTestCase) -> None:
            case.execute({"order": 1})
            case.assertOperation("locate").succeeded("DE")

        self.assertPasses(self.suite(test, functions={"GeoFunction": lambda event, context: "DE"}))

    def test_variables_of_the_class_hold_for_functions_that_have_them(self) -> None:
        def test(case: DurableTestCase) -> None:
            value = case.execute({"order": 1}).get_result()
            case.assertEqual((value["charge"]["stage"], value["charge"]["table"], value["table"]), ("b", None, "t"))

        self.assertPasses(self.suite(test, environment={"STAGE": "b", "TABLE": "t"}))

    def failure(self, also: str) -> str:
        def test(case: DurableTestCase) -> None:
            case.execute({"order": 1, "also": also})

        [(_, text)] = self.result(self.suite(test)).errors
        _, _, message = text.partition("FunctionNotRegisteredError: ")
        return message.partition("\n")[0]

    def test_a_function_that_it_may_not_invoke_is_not(self) -> None:
        self.assertEqual(
            self.failure("RefundFunction:live"),
            "the workflow invokes 'RefundFunction:live', which is not registered, as the template does not allow "
            "CheckoutFunction to invoke RefundFunction: give it a LambdaInvokePolicy, or a policy with "
            "lambda:InvokeFunction",
        )

    def test_a_function_that_cannot_run_here_says_so_when_it_is_invoked(self) -> None:
        self.assertEqual(
            self.failure("NotifyFunction"),
            "the workflow invokes 'NotifyFunction', which is not registered, as NotifyFunction of template.yaml runs "
            "on nodejs22.x, and only Python can be run here",
        )

    def test_any_other_function_is_told_as_ever(self) -> None:
        self.assertIn("which is not registered. Registered: 'dev-charge', 'GeoFunction'.", self.failure("unknown"))


class WrongTests(TemplateTestCase):
    def test_what_is_wrong_is_said_before_the_first_test(self) -> None:
        hello, orders = PROJECTS / "hello" / "template.yaml", PROJECTS / "orders" / "template.yaml"
        cases: list[tuple[dict[str, Any], str]] = [
            ({"template": 42}, "OrderTests.template is 42: give the path of a template, 'template.yaml'"),
            ({"template": ""}, "OrderTests.template is ''"),
            ({"template": hello, "template_function": ["X"]}, "OrderTests.template_function is ['X']: give the"),
            (
                {"template": "projects/none.yaml"},
                f"OrderTests.template is 'projects/none.yaml', which is neither in {PROJECTS.parent} nor in a folder "
                "above: give the path of template.yaml or cdk.out",
            ),
            (
                {"template_function": "OrderFunction"},
                "OrderTests.template_function is 'OrderFunction', and there is no template to choose it from: write "
                "template = 'template.yaml'",
            ),
            (
                {"template": orders},
                f"OrderTests: {orders} has 2 durable functions, CheckoutFunction, dev-charge: choose one, "
                "template_function = 'CheckoutFunction'",
            ),
            (
                {"template": orders, "template_function": "checkout"},
                f"OrderTests.template_function is 'checkout': {orders} has none of that name; durable are "
                "CheckoutFunction, dev-charge",
            ),
            (
                {"template": orders, "template_function": "GeoFunction"},
                "OrderTests.template_function is 'GeoFunction', which has no DurableConfig, so that Lambda does not "
                f"run it as a durable function. Durable in {orders} are: CheckoutFunction, dev-charge",
            ),
        ]  # fmt: skip
        for settings, message in cases:
            with self.subTest(message):
                self.assertTrue(self.message_of(suite(greets, **settings)).startswith(message))

    def test_a_variable_that_names_no_file(self) -> None:
        with mock.patch.dict(os.environ, DURABLETEST_TEMPLATE="/nowhere/template.yaml"):
            self.assertEqual(
                self.message_of(suite(greets)),
                "the environment variable DURABLETEST_TEMPLATE is '/nowhere/template.yaml': there is no such file",
            )

    def test_a_class_that_has_neither_handler_nor_template_is_told_of_both(self) -> None:
        self.assertIn("or `template = 'template.yaml'`", self.message_of(suite(greets)))


if __name__ == "__main__":
    unittest.main()
