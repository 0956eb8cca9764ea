"""Decorators of aws-lambda-powertools around a durable function do what they do in Lambda, at first and on replay."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import logging
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import DurableTestCase, ErrorDetails, LocalDurableTestRunner, TestResult
from tests.sdk_versions import needs_turns

if importlib.util.find_spec("aws_lambda_powertools") is None:
    raise unittest.SkipTest("aws-lambda-powertools is not installed")

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.middleware_factory import lambda_handler_decorator
from aws_lambda_powertools.utilities.validation import SchemaValidationError, validator

ENVELOPE = "powertools_json(InitialExecutionState.Operations[0].ExecutionDetails.InputPayload)"
ORDER = {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}
EVENT = {"type": "object", "required": ["DurableExecutionArn", "CheckpointToken", "InitialExecutionState"]}
ANSWER = {"type": "object", "required": ["Status"], "properties": {"Status": {"enum": ["SUCCEEDED", "PENDING"]}}}


@durable_execution
def plain(event: dict[str, Any], context: DurableContext) -> int:
    context.step(lambda _: None, name="charge")
    context.wait(Duration.from_seconds(1), name="wait")
    order: int = event["order"]
    return order


class PowertoolsTestCase(unittest.TestCase):
    def run_it(self, handler: Callable[..., Any], payload: Any = None) -> TestResult:
        """Run a handler, which takes two invocations."""
        with LocalDurableTestRunner(handler) as runner:
            result = runner.run({"order": 42} if payload is None else payload)
            self.assertEqual(result.get_status(), "SUCCEEDED", result.get_error())
            self.assertEqual(len(result.get_invocations()), 2)
        return result


class LoggerTests(PowertoolsTestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()
        self.logger = Logger(service=f"shop of {self.id()}", stream=self.stream)
        own = logging.getLogger(self.logger.service)
        self.addCleanup(own.handlers.clear)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def test_the_event_is_logged_once_for_each_invocation(self) -> None:
        handler = self.logger.inject_lambda_context(plain, log_event=True, correlation_id_path="DurableExecutionArn")
        result = self.run_it(handler)
        first, second = self.lines
        self.assertEqual([line["message"]["DurableExecutionArn"] for line in (first, second)], [result.arn] * 2)
        self.assertEqual(first["correlation_id"], result.arn)
        self.assertEqual([len(line["message"]["InitialExecutionState"]["Operations"]) for line in self.lines], [1, 3])
        self.assertEqual(
            [line["function_request_id"] for line in self.lines],
            [invocation.request_id for invocation in result.get_invocations()],
        )
        self.assertEqual((first["function_name"], first["function_memory_size"]), ("handler", "128"))
        own = [entry for entry in result.logs if entry.logger == self.logger.service]
        self.assertEqual([entry.invocation for entry in own], [1, 2])

    @needs_turns
    def test_what_the_workflow_logs_is_not_logged_again_on_replay(self) -> None:
        @self.logger.inject_lambda_context
        @durable_execution
        def handler(event: dict[str, Any], context: DurableContext) -> None:
            context.set_logger(self.logger)
            context.logger.info("begun")
            context.step(lambda step: step.logger.info("charging"), name="charge")
            context.wait(Duration.from_seconds(1), name="wait")
            context.logger.info("waited")

        result = self.run_it(handler)
        self.assertEqual([line["message"] for line in self.lines], ["begun", "charging", "waited"])
        own = [entry.message for entry in result.logs if entry.logger == self.logger.service]
        self.assertEqual(own, ["begun", "charging", "waited"])


class MetricsTests(PowertoolsTestCase):
    @contextlib.contextmanager
    def emitted(self) -> Iterator[list[dict[str, Any]]]:
        """What is written to stdout in the block, as CloudWatch reads it."""
        blobs: list[dict[str, Any]] = []
        with contextlib.redirect_stdout(io.StringIO()) as stream, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "No application metrics to publish")
            yield blobs
        blobs += map(json.loads, stream.getvalue().splitlines())

    def test_a_metric_of_a_step_is_published_once(self) -> None:
        metrics = Metrics(namespace="shop", service="orders")
        self.addCleanup(metrics.clear_metrics)

        @metrics.log_metrics
        @durable_execution
        def handler(event: dict[str, Any], context: DurableContext) -> None:
            add = lambda _: metrics.add_metric(name="Charged", unit=MetricUnit.Count, value=1)  # noqa: E731
            context.step(add, name="charge")
            context.wait(Duration.from_seconds(1), name="wait")

        with self.emitted() as blobs:
            self.run_it(handler)
        [blob] = blobs
        self.assertEqual((blob["Charged"], blob["service"]), ([1.0], "orders"))
        self.assertEqual(blob["_aws"]["Timestamp"], 1_767_225_600_000)

    def test_what_is_counted_outside_of_steps_is_counted_by_each_invocation(self) -> None:
        metrics = Metrics(namespace="shop", service="orders")
        self.addCleanup(metrics.clear_metrics)

        @metrics.log_metrics
        @durable_execution
        def handler(event: dict[str, Any], context: DurableContext) -> None:
            metrics.add_metric(name="Invoked", unit=MetricUnit.Count, value=1)
            context.wait(Duration.from_seconds(1), name="wait")

        with self.emitted() as blobs:
            self.run_it(handler)
        self.assertEqual([blob["Invoked"] for blob in blobs], [[1.0], [1.0]])
        self.assertEqual([blob["_aws"]["Timestamp"] for blob in blobs], [1_767_225_600_000, 1_767_225_601_000])


class MiddlewareTests(PowertoolsTestCase):
    def test_a_middleware_of_ones_own_is_called_for_each_invocation(self) -> None:
        seen: list[Any] = []

        @lambda_handler_decorator
        def traced(handler: Callable[..., Any], event: dict[str, Any], context: Any) -> Any:
            self.assertIs(type(event), dict)
            seen.append((json.loads(json.dumps(event))["DurableExecutionArn"], context.aws_request_id))
            event["traced"] = True
            answer = handler(event, context)
            seen.append(answer["Status"])
            return answer

        result = self.run_it(traced(plain))
        ids = [invocation.request_id for invocation in result.get_invocations()]
        self.assertEqual(seen, [(result.arn, ids[0]), "PENDING", (result.arn, ids[1]), "SUCCEEDED"])
        self.run_it(traced(traced(plain)))


class ValidatorTests(PowertoolsTestCase):
    def test_the_event_and_the_answer_are_validated_in_each_invocation(self) -> None:
        self.run_it(validator(inbound_schema=EVENT, outbound_schema=ANSWER)(plain))

    def test_inside_it_validates_the_payload_of_the_execution(self) -> None:
        @durable_execution
        @validator(inbound_schema=ORDER)
        def handler(event: dict[str, Any], context: DurableContext) -> int:
            context.wait(Duration.from_seconds(1), name="wait")
            order: int = event["order"]
            return order

        self.run_it(handler)
        with LocalDurableTestRunner(handler) as runner:
            error = runner.run({"order": "42"}).get_error()
        assert isinstance(error, ErrorDetails)
        self.assertEqual(str(error.type).rpartition(".")[2], SchemaValidationError.__name__)
        self.assertIn("data.order must be integer", error.message or "")

    def test_what_is_not_valid_fails_the_invocation_as_in_lambda(self) -> None:
        wrong = {**EVENT, "required": ["Records"]}
        with LocalDurableTestRunner(validator(inbound_schema=wrong)(plain)) as runner:
            result = runner.run({"order": 42})
        error = result.get_error()
        assert isinstance(error, ErrorDetails)
        self.assertEqual(error.type, SchemaValidationError.__name__)
        self.assertEqual(len(result.get_invocations()), 5)

    def test_an_envelope_takes_the_event_away_from_the_function_as_in_lambda(self) -> None:
        handler = validator(inbound_schema=ORDER, envelope=ENVELOPE)(plain)
        with LocalDurableTestRunner(handler) as runner:
            error = runner.run({"order": 42}).get_error()
        self.assertIn("Unexpected payload provided to start the durable execution", str(error))


LOGGER = Logger(service="shop that is replayed", stream=io.StringIO())


@needs_turns
class ForcedReplayTests(DurableTestCase):
    """Replays that durabletest forces do not disturb the decorators either."""

    handler = LOGGER.inject_lambda_context(
        validator(inbound_schema=EVENT, outbound_schema=ANSWER)(plain), log_event=True
    )

    def test_determinism(self) -> None:
        self.assertDeterministic({"order": 42})

    def test_crashes(self) -> None:
        self.assertSurvivesCrashes({"order": 42}, faults="answer lost")


if __name__ == "__main__":
    unittest.main()
