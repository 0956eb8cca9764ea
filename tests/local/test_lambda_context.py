"""The Lambda context: what handlers and plain functions read from it is what Lambda would say, in each invocation."""

from __future__ import annotations

import contextlib
import io
import re
from datetime import UTC, datetime
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, InvokeConfig

from durabletest import DurableTestCase, LocalDurableTestRunner

ARN = "arn:aws:lambda:us-east-1:123456789012:function:"
SEEN: list[dict[str, Any]] = []


def facts(context: Any) -> dict[str, Any]:
    """What user code reads from a Lambda context."""
    return {
        "request": context.aws_request_id,
        "function": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "tenant": context.tenant_id,
        "client": context.client_context,
        "cognito": (context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id),
    }


@durable_execution
def child(event: Any, context: DurableContext) -> None:
    SEEN.append(facts(context.lambda_context))


def plain(event: Any, context: Any) -> None:
    SEEN.append(facts(context))


@durable_execution
def twice(event: Any, context: DurableContext) -> None:
    SEEN.append(facts(context.lambda_context))
    context.wait(Duration.from_hours(36))


@durable_execution
def invoking(event: dict[str, Any], context: DurableContext) -> None:
    context.invoke(event["target"], None, config=InvokeConfig(tenant_id=event.get("tenant")))


class OwnContextTests(DurableTestCase):
    handler = twice
    function_name = "orders:7"

    def setUp(self) -> None:
        SEEN.clear()

    def test_every_invocation_has_a_context_of_its_own(self) -> None:
        result = self.execute()
        first, second = SEEN
        self.assertEqual(
            [one["request"] for one in SEEN], [invocation.request_id for invocation in result.get_invocations()]
        )
        self.assertNotEqual(first["stream"], second["stream"])
        self.assertTrue(first["stream"].startswith("2026/01/01/[7]"), first)
        self.assertTrue(second["stream"].startswith("2026/01/02/[7]"), second)

    def test_it_says_what_lambda_says(self) -> None:
        self.execute()
        request, stream = SEEN[0].pop("request"), SEEN[0].pop("stream")
        self.assertEqual(
            SEEN[0],
            {
                "function": "orders",
                "version": "7",
                "arn": f"{ARN}orders:7",
                "group": "/aws/lambda/orders",
                "memory": "128",
                "remaining": 900_000,
                "tenant": None,
                "client": None,
                "cognito": (None, None),
            },
        )
        self.assertRegex(request, r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
        self.assertTrue(re.fullmatch(r"\d{4}/\d\d/\d\d/\[7\][0-9a-f]{32}", stream), stream)

    def test_the_executions_tenant_is_named(self) -> None:
        self.runner.run(tenant_id="blue")
        self.assertEqual({one["tenant"] for one in SEEN}, {"blue"})


class InvokedContextTests(DurableTestCase):
    handler = invoking
    durable_functions = {"child": child, "billing:prod": child}
    functions = {"plain": plain, "geo:live": plain, f"{ARN}maps:3": plain, "dotted.name": plain}

    def setUp(self) -> None:
        SEEN.clear()

    def test_each_target_is_told_its_own_name_and_version(self) -> None:
        for target, name, version in [
            ("child", "child", "$LATEST"),
            ("child:$LATEST", "child", "$LATEST"),
            ("child:12", "child", "12"),
            ("child:blue", "child", "$LATEST"),
            (f"{ARN}child:12", "child", "12"),
            ("123456789012:function:child", "child", "$LATEST"),
            ("billing:prod", "billing", "$LATEST"),
            ("plain", "plain", "$LATEST"),
            ("plain:12", "plain", "12"),
            ("geo:live", "geo", "$LATEST"),
            (f"{ARN}maps:3", "maps", "3"),
            ("dotted.name", "dotted.name", "$LATEST"),
        ]:
            with self.subTest(target):
                result = self.execute({"target": target})
                self.assertExecution().succeeded()
                seen = SEEN.pop()
                self.assertEqual((seen["function"], seen["version"]), (name, version))
                self.assertEqual(seen["arn"], f"{ARN}{name}:{version}")
                self.assertEqual(seen["group"], f"/aws/lambda/{name}")
                details = result.history[1]["ChainedInvokeStartedDetails"]
                self.assertEqual((details["FunctionName"], details["ExecutedVersion"]), (target, version))

    def test_the_tenant_of_an_invoke_is_named(self) -> None:
        for target in ("child", "plain"):
            self.execute({"target": target, "tenant": "blue"})
            self.assertEqual(SEEN.pop()["tenant"], "blue")


class RealTimeTests(DurableTestCase):
    handler = twice
    skip_time = False

    def test_the_remaining_time_runs_down_with_the_clock(self) -> None:
        remaining: list[int] = []

        @durable_execution
        def looking(event: Any, context: DurableContext) -> None:
            first = context.lambda_context.get_remaining_time_in_millis()
            while context.lambda_context.get_remaining_time_in_millis() == first:
                pass
            remaining.extend([first, context.lambda_context.get_remaining_time_in_millis()])

        with LocalDurableTestRunner(looking) as runner:
            runner.run()
        self.assertLess(remaining[1], remaining[0])
        self.assertLessEqual(remaining[0], 900_000)


class LogTests(DurableTestCase):
    handler = twice

    def test_log_writes_to_standard_output(self) -> None:
        @durable_execution
        def talking(event: Any, context: DurableContext) -> None:
            context.lambda_context.log("said")

        with contextlib.redirect_stdout(io.StringIO()) as printed, LocalDurableTestRunner(talking) as runner:
            runner.run()
        self.assertEqual(printed.getvalue(), "said\n")


class FrozenTimeTests(DurableTestCase):
    handler = twice
    start_time = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)

    def setUp(self) -> None:
        SEEN.clear()

    def test_time_stands_still_within_an_invocation_so_that_all_of_it_remains(self) -> None:
        self.execute()
        self.assertEqual([one["remaining"] for one in SEEN], [900_000, 900_000])
        self.assertTrue(SEEN[0]["stream"].startswith("2024/02/29/"))
