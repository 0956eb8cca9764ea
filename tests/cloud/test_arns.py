"""Names and ARNs of functions and executions, and console links."""

from __future__ import annotations

import re
import unittest

from durabletest.cloud.aws import arn_and_link, console_link, unique_execution_name, unqualified
from durabletest.local.server.service_model import service_model

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


class ExecutionNameTests(unittest.TestCase):
    def test_they_are_what_the_service_takes_and_never_the_same(self) -> None:
        shape = service_model().operation_model("Invoke").input_shape.members["DurableExecutionName"]
        prefixes = (None, "", "test_orders.OrderTests.test_ship", "ümlaut & spaces", "x" * 200, "a.b" * 50, "---")
        names = [unique_execution_name(prefix) for prefix in prefixes for _ in range(2)]
        for name in names:
            self.assertRegex(name, re.compile(rf"^(?:{shape.metadata['pattern']})$"))
            self.assertLessEqual(len(name), shape.metadata["max"])
        self.assertEqual(len(set(names)), len(names))

    def test_they_begin_with_the_prefix(self) -> None:
        self.assertRegex(
            unique_execution_name("tests.OrderTests.test_ship"), r"^tests-OrderTests-test_ship-[0-9a-f]{12}$"
        )
        self.assertRegex(unique_execution_name(None), r"^durabletest-[0-9a-f]{12}$")

    def test_of_a_long_prefix_the_end_is_kept(self) -> None:
        name = unique_execution_name("a.very.long.package.that.nobody.needs.to.see.OrderTests.test_ship_is_called_once")
        self.assertRegex(name, r"OrderTests-test_ship_is_called_once-[0-9a-f]{12}$")
        self.assertEqual(len(name), 64)


class UnqualifiedTests(unittest.TestCase):
    def test_names_and_arns(self) -> None:
        for qualified, bare in (
            ("orders", "orders"),
            ("orders:live", "orders"),
            ("orders:$LATEST", "orders"),
            ("my-function:live", "my-function"),
            ("function:live", "function"),
            (f"{FUNCTION.removesuffix('orders')}function:live", f"{FUNCTION.removesuffix('orders')}function"),
            (f"{FUNCTION}-function:live", f"{FUNCTION}-function"),
            (FUNCTION, FUNCTION),
            (f"{FUNCTION}:live", FUNCTION),
            ("123456789012:function:orders:7", "123456789012:function:orders"),
        ):
            with self.subTest(qualified):
                self.assertEqual(unqualified(qualified), bare)


class ConsoleTests(unittest.TestCase):
    def test_the_page_of_the_function_in_its_region(self) -> None:
        self.assertEqual(
            arn_and_link(f"{FUNCTION}:$LATEST/durable-execution/order-42/e-1"),
            f"Execution: {FUNCTION}:$LATEST/durable-execution/order-42/e-1\n"
            "Console:   https://eu-west-1.console.aws.amazon.com/lambda/home?region=eu-west-1"
            "#/functions/orders?tab=durableExecutions",
        )

    def test_other_partitions_have_other_domains(self) -> None:
        for partition, region, domain in (
            ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
            ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
            ("aws-eusc", "eusc-de-east-1", "console.amazonaws-eusc.eu"),
        ):
            arn = f"arn:{partition}:lambda:{region}:123456789012:function:orders:7/durable-execution/a/b"
            with self.subTest(partition):
                self.assertRegex(console_link(arn) or "", rf"^https://{region}\.{re.escape(domain)}/lambda/")

    def test_a_partition_whose_console_is_not_public_has_no_link(self) -> None:
        for partition in ("aws-iso", "aws-iso-b", "aws-new"):
            self.assertIsNone(console_link(f"arn:{partition}:lambda:r:123456789012:function:f:7/durable-execution/a/b"))

    def test_what_is_no_execution_has_no_page(self) -> None:
        for arn in (FUNCTION, "orders", "x/durable-execution/y/z"):
            with self.subTest(arn):
                self.assertIsNone(console_link(arn))
                self.assertEqual(arn_and_link(arn), f"Execution: {arn}")
