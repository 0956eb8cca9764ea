"""Suites that name a template in the cloud: the names of what is deployed come from a stack."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from durabletest import DurableTestCase
from durabletest.template.handlers import import_handler
from durabletest.template.selection import choose
from tests.cloud import suites
from tests.cloud.test_suite import outcome
from tests.cloud.workflows import order
from tests.endpoint.case import EndpointTestCase
from tests.endpoint.server import ACCOUNT, REGION
from tests.endpoint.stacks import Stack, refused_for_lack_of_permission
from tests.modules import forgotten
from tests.template.case import PROJECTS

ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders-dev"


class StackTests(EndpointTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.endpoint.deploy("orders-dev", order)

    def setUp(self) -> None:
        super().setUp()
        self.set(DURABLETEST_MODE="cloud", DURABLETEST_STACK="shop")

    def set(self, **variables: str) -> None:
        self.enterContext(mock.patch.dict(os.environ, variables))

    def invoked(self, cls: type[DurableTestCase]) -> str:
        """The name that a suite has invoked, which passes."""
        result = outcome(cls)
        self.assertEqual((result.errors, result.failures, result.skipped), ([], [], []))
        return str(self.endpoint.log.members("Invoke")[-1]["FunctionName"])

    def refused(self, cls: type[DurableTestCase]) -> str:
        [(_, text)] = outcome(cls).errors
        return text.rstrip()

    def stack(self, outputs: dict[str, str], **resources: str) -> None:
        self.endpoint.stacks["shop"] = Stack(outputs, resources)

    def file(self, outputs: Any) -> str:
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = Path(folder) / "cdk-outputs.json"
        path.write_text(outputs if isinstance(outputs, str) else json.dumps(outputs))
        self.set(DURABLETEST_STACK=str(path))
        return str(path)

    def test_an_output_with_the_alias_is_taken_as_it_is(self) -> None:
        self.stack({"FunctionArn": ARN, "AliasArn": f"{ARN}:prod"})
        self.assertEqual(self.invoked(suites.Templated), f"{ARN}:prod")
        self.assertEqual(self.endpoint.log.counts()["DescribeStacks"], 1)

    def test_an_output_without_one_gets_the_alias_of_the_template(self) -> None:
        self.stack({"HelloFunction": ARN})
        self.assertEqual(self.invoked(suites.TemplatedHello), f"{ARN}:Live")
        self.stack({"HelloFunction": "orders-dev"})
        self.assertEqual(self.invoked(suites.TemplatedHello), "orders-dev:Live")

    def test_a_suite_that_runs_locally_runs_here(self) -> None:
        """It is run locally by ``tests.template.test_suites``."""
        with forgotten(PROJECTS):
            handler = import_handler(choose(PROJECTS / "plain", None, "Greeting"))
            self.endpoint.deploy("greet-dev", handler)
            self.stack({"AliasArn": ARN.replace("orders", "greet") + ":prod"})
            self.assertEqual(self.invoked(suites.Greeting), f"{ARN.replace('orders', 'greet')}:prod")

    def test_an_alias_can_be_chosen(self) -> None:
        class Chosen(suites.TemplatedHello):
            template_function = "HelloFunction:beta"

        self.stack({"HelloFunction": ARN})
        self.assertEqual(self.invoked(Chosen), f"{ARN}:beta")

    def test_without_an_output_the_resource_is_looked_up(self) -> None:
        self.stack({"HelloApi": "https://api"}, HelloFunction="orders-dev")
        self.assertEqual(self.invoked(suites.TemplatedHello), "orders-dev:Live")

    def test_outputs_in_a_file_of_cdk(self) -> None:
        self.file({"shipping-dev": {"ShipFunctionArn": f"{ARN}:live"}, "other": {"ShipFunctionArn": "wrong"}})
        self.assertEqual(self.invoked(suites.TemplatedShipping), f"{ARN}:live")
        self.assertEqual(self.endpoint.log.counts()["DescribeStacks"], 0)

    def test_a_function_name_may_be_the_key_of_an_output(self) -> None:
        class Named(suites.Templated):
            template = None
            function_name = "OrderFunctionArn"

        self.stack({"OrderFunctionArn": f"{ARN}:live"})
        self.assertEqual(self.invoked(Named), f"{ARN}:live")
        self.set(DURABLETEST_FUNCTION_NAMES=json.dumps({"OrderFunctionArn": "orders-dev:beta"}))
        self.assertEqual(self.invoked(Named), "orders-dev:beta")

    def test_names_that_the_variable_maps_need_no_stack(self) -> None:
        self.set(DURABLETEST_STACK="", DURABLETEST_FUNCTION_NAMES=json.dumps({"HelloFunction": "orders-dev:live"}))
        self.assertEqual(self.invoked(suites.TemplatedHello), "orders-dev:live")

    def test_without_any_name(self) -> None:
        self.set(DURABLETEST_STACK="")
        self.assertTrue(
            self.refused(suites.TemplatedHello).endswith(
                'or set DURABLETEST_FUNCTION_NAMES={"HelloFunction": "orders:live"}, or DURABLETEST_STACK to the name '
                "of the stack, 'orders-dev'"
            )
        )

    def test_a_stack_that_does_not_exist(self) -> None:
        self.assertIn(
            "ConfigurationError: the environment variable DURABLETEST_STACK is 'shop', and there is no such stack in "
            "that account and region: ",
            self.refused(suites.TemplatedHello),
        )

    def test_a_stack_without_the_function(self) -> None:
        self.stack({})
        self.assertIn(
            "there is no resource 'HelloFunction' in that stack in that account", self.refused(suites.TemplatedHello)
        )

    def test_credentials_that_may_not_look(self) -> None:
        self.endpoint.faults.add("DescribeStacks", lambda serve, closing: refused_for_lack_of_permission())
        text = self.refused(suites.TemplatedHello)
        self.assertIn("CloudPermissionError: the credentials do not permit cloudformation:DescribeStacks", text)

    def test_files_that_hold_no_outputs(self) -> None:
        for content, expected in (
            ("{", "is no JSON: Expecting property name"),
            ([1], "is no file of outputs: write it with cdk deploy --outputs-file"),
            ({"shop": "x"}, "is no file of outputs"),
            ({"shop": {}}, "cdk-outputs.json has no output with the name or ARN of ShipB12F9C3E of Shipping.template"),
        ):
            with self.subTest(expected):
                self.file(content)
                self.assertIn(expected, self.refused(suites.TemplatedShipping))
        self.set(DURABLETEST_STACK="/nowhere/cdk-outputs.json")
        self.assertIn(
            "/nowhere/cdk-outputs.json, which cannot be read: No such file", self.refused(suites.TemplatedShipping)
        )

    def test_an_output_of_two_stacks(self) -> None:
        path = self.file({"a": {"FunctionArn": ARN}, "b": {"FunctionArn": ARN}})
        self.assertIn(
            f"'FunctionArn' is an output of the stacks a, b in {path}, and only one can be meant: set "
            "DURABLETEST_STACK to the name of a stack",
            self.refused(suites.Templated),
        )
