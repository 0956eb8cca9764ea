"""Executions that a test case starts under a name, and for a tenant."""

from __future__ import annotations

from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from botocore.exceptions import ClientError

from durabletest import DurableTestCase

TENANTS: list[Any] = []


@durable_execution
def noting(event: Any, context: DurableContext) -> Any:
    assert context.lambda_context is not None
    TENANTS.append(context.lambda_context.tenant_id)
    return event


class NamingTests(DurableTestCase):
    handler = noting

    def setUp(self) -> None:
        TENANTS.clear()

    def test_execute_and_start_take_a_name(self) -> None:
        self.assertIn("/durable-execution/order-42/", self.execute(1, name="order-42").arn)
        self.assertIn("/durable-execution/order-43/", self.start(1, name="order-43").result().arn)

    def test_a_name_and_payload_that_were_used_before_mean_the_same_execution(self) -> None:
        first, again, other = (self.execute(1, name=name) for name in ("order-42", "order-42", "order-43"))
        self.assertEqual(first.arn, again.arn)
        self.assertNotEqual(first.arn, other.arn)
        self.assertEqual(len(TENANTS), 2)

    def test_a_name_that_was_used_with_another_payload_is_refused(self) -> None:
        self.execute(1, name="order-42")
        with self.assertRaisesRegex(ClientError, "order-42"):
            self.execute(2, name="order-42")

    def test_a_name_that_the_service_would_refuse(self) -> None:
        for name in ("", "order 42"):
            with self.subTest(name), self.assertRaisesRegex(ClientError, "DurableExecutionName|durableExecutionName"):
                self.start(1, name=name)

    def test_execute_and_start_take_a_tenant(self) -> None:
        self.execute(1, tenant_id="acme")
        self.start(1, tenant_id="umbrella").result()
        self.execute(1)
        self.assertEqual(TENANTS, ["acme", "umbrella", None])
