"""A handler in another process takes part by Lambda's runtime API: the protocol, and its refusals."""

from __future__ import annotations

import json
import unittest
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from durabletest import Execution, LocalDurableTestRunner, TestResult
from durabletest.errors import HandlerNotDurableError, HandlerStuckError
from durabletest.serve.runtime_api import MAX_PAYLOAD, PATH
from durabletest.serve.runtime_server import RuntimeServer, RuntimeSpec
from tests.serve.runtime_client import BOUND, Reply, RuntimeClient

NEXT = f"{PATH}/invocation/next"
START = datetime(2026, 1, 1, tzinfo=UTC)
DONE = {"Status": "SUCCEEDED", "Result": '"done"'}


class RuntimeTestCase(unittest.TestCase):
    """A function ``orders``; the tests play its runtime, one that was started by hand."""

    server: RuntimeServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = RuntimeServer([RuntimeSpec("orders")])
        cls.addClassCleanup(cls.server.close)
        cls.server.start("http://127.0.0.1:1")

    def setUp(self) -> None:
        handler = self.server.functions["orders"]
        self.runner = self.enterContext(LocalDurableTestRunner(handler, function_name="orders", start_time=START))
        self.pool = self.enterContext(ThreadPoolExecutor())
        self.runtime = self.client()

    def client(self) -> RuntimeClient:
        client = RuntimeClient(self.server.ports["orders"])
        self.addCleanup(client.close)
        return client

    def started(self, payload: Any = None, **members: Any) -> tuple[Execution, Reply, Future[TestResult]]:
        """An execution, its first invocation as the runtime gets it, and its result."""
        execution = self.runner.start(payload, **members)
        return execution, self.runtime.next(), self.pool.submit(execution.result, BOUND)

    def errors(self, execution: Execution) -> list[dict[str, Any]]:
        """The errors of the failed invocations, from the history."""
        completed = [event.get("InvocationCompletedDetails", {}) for event in execution.snapshot().history]
        return [details["Error"]["Payload"] for details in completed if details.get("Error")]


class ProtocolTests(RuntimeTestCase):
    def test_an_invocation_goes_to_the_runtime_and_its_answer_ends_the_execution(self) -> None:
        execution, invocation, result = self.started({"order": 42})
        event = invocation.json
        [operation] = event["InitialExecutionState"]["Operations"]
        self.assertEqual(json.loads(operation["ExecutionDetails"]["InputPayload"]), {"order": 42})
        self.assertEqual(operation["StartTimestamp"], START.timestamp() * 1000)
        self.assertEqual(event["DurableExecutionArn"], execution.arn)
        reply = self.runtime.succeed(invocation.request_id, {"status": "shipped"})
        self.assertEqual((reply.status, reply.json), (202, {"status": "OK"}))
        self.assertEqual(result.result(BOUND).get_result(), {"status": "shipped"})

    def test_the_headers_are_those_of_lambda_and_the_deadline_is_by_the_real_clock(self) -> None:
        execution, invocation, result = self.started()
        headers = invocation.headers
        self.assertEqual(headers["Content-Type"], "application/json")
        arn, _, _ = execution.arn.partition("/durable-execution")
        self.assertEqual(headers["Lambda-Runtime-Invoked-Function-Arn"], arn)
        self.assertRegex(headers["Lambda-Runtime-Trace-Id"], r"^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Sampled=0$")
        self.assertNotIn("Lambda-Runtime-Aws-Tenant-Id", headers)
        virtual = (START.timestamp() + 900) * 1000
        self.assertGreater(int(headers["Lambda-Runtime-Deadline-Ms"]), virtual, "the deadline is in virtual time")
        self.runtime.succeed(invocation.request_id, None)
        result.result(BOUND)

    def test_a_tenant_is_told(self) -> None:
        _, invocation, result = self.started(tenant_id="acme")
        self.assertEqual(invocation.headers["Lambda-Runtime-Aws-Tenant-Id"], "acme")
        self.runtime.succeed(invocation.request_id, None)
        result.result(BOUND)

    def test_time_does_not_pass_while_the_invocation_is_at_the_runtime(self) -> None:
        execution, invocation, result = self.started()
        other = self.pool.submit(execution.advance, timedelta(minutes=1))
        while not other.running():
            execution.snapshot()
        execution.snapshot()
        self.assertEqual(self.runner.now, START)
        self.assertFalse(result.done() or other.done())
        self.runtime.succeed(invocation.request_id, "done")
        self.assertEqual(result.result(BOUND).get_result(), "done")
        other.result(BOUND)


class FailedInvocationTests(RuntimeTestCase):
    def finish(self, result: Future[TestResult]) -> None:
        """The invocation is repeated, and answered this time."""
        self.runtime.succeed(self.runtime.next().request_id, "done")
        self.assertEqual(result.result(BOUND).get_result(), "done")

    def test_a_reported_error_is_the_invocations(self) -> None:
        report = {"errorType": "TypeError", "errorMessage": "x is undefined", "stackTrace": ["at a", "at b"]}
        error = {"ErrorType": "TypeError", "ErrorMessage": "x is undefined"}
        trace = {"StackTrace": ["at a", "at b"]}
        typed = {"Lambda-Runtime-Function-Error-Type": "Runtime.Odd"}
        cases: dict[str, tuple[Any, Mapping[str, str], dict[str, Any]]] = {
            "as documented": (report, {}, error | trace),
            "as Node.js has it": ({**report, "stackTrace": None, "trace": ["at a", "at b"]}, {}, error | trace),
            "without a trace": ({**report, "stackTrace": []}, typed, error),
            "of a type in the header": (
                {"errorMessage": "x"},
                typed,
                {"ErrorType": "Runtime.Odd", "ErrorMessage": "x"},
            ),
            "a text": (b"oops", {}, {"ErrorType": "Runtime.Unknown", "ErrorMessage": "oops"}),
            "a number": (7, typed, {"ErrorType": "Runtime.Odd", "ErrorMessage": "7"}),
            "nothing": (None, {}, {"ErrorType": "Runtime.Unknown", "ErrorMessage": ""}),
        }
        for title, (body, headers, expected) in cases.items():
            with self.subTest(title):
                execution, invocation, result = self.started()
                self.assertEqual(self.runtime.fail(invocation.request_id, body, headers).status, 202)
                self.finish(result)
                self.assertEqual(self.errors(execution), [expected])

    def test_a_runtime_that_asks_again_without_an_answer_has_crashed(self) -> None:
        execution, first, result = self.started()
        self.finish(result)
        [error] = self.errors(execution)
        self.assertEqual(error["ErrorType"], "Runtime.ExitError")
        self.assertIn(first.request_id, error["ErrorMessage"])
        self.assertIn("asked for the next invocation", error["ErrorMessage"])

    def test_a_runtime_that_cannot_begin_reports_it(self) -> None:
        execution = self.runner.start()
        result = self.pool.submit(execution.result, BOUND)
        report = {"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"}
        for _ in range(1000):  # the first may come before the invocation
            self.assertEqual(self.runtime.request("POST", f"{PATH}/init/error", report).status, 202)
            if self.errors(execution):
                break
        self.finish(result)
        expected = {"ErrorType": "Runtime.ImportModuleError", "ErrorMessage": "no module"}
        self.assertEqual(self.errors(execution)[0], expected)

    def test_a_runtime_that_hangs_up_while_it_waits_gets_nothing(self) -> None:
        self.runtime.send("GET", NEXT)
        self.runtime.close()
        result = self.pool.submit(self.runner.run)
        self.runtime = self.client()
        self.finish(result)

    def test_a_runtime_that_hangs_up_in_its_answer_has_not_answered(self) -> None:
        _, invocation, result = self.started()
        path = f"{PATH}/invocation/{invocation.request_id}/response"
        self.runtime.send("POST", path, b"{", {"Content-Length": "100"})
        self.runtime.close()
        self.runtime = self.client()
        self.runtime.succeed(invocation.request_id, "done")
        self.assertEqual(result.result(BOUND).get_result(), "done")

    def test_an_invocation_for_which_no_runtime_asks_is_given_up_like_a_handler_that_is_stuck(self) -> None:
        with (
            LocalDurableTestRunner(self.server.functions["orders"], watchdog=0.05) as impatient,
            self.assertRaisesRegex(HandlerStuckError, "^orders made no progress .*: no process has asked"),
        ):
            impatient.run()
        self.finish(self.pool.submit(self.runner.run))

    def test_an_answer_that_is_too_large_fails_the_invocation(self) -> None:
        execution, invocation, result = self.started()
        reply = self.runtime.respond(invocation.request_id, b'"' + b"x" * (MAX_PAYLOAD - 1) + b'"')
        self.assertEqual(reply.error, (413, "RequestEntityTooLarge"))
        self.assertIn(str(MAX_PAYLOAD), reply.json["errorMessage"])
        self.finish(result)
        self.assertEqual([error["ErrorType"] for error in self.errors(execution)], ["Function.ResponseSizeTooLarge"])

    def test_an_unknown_response_mode_fails_the_invocation(self) -> None:
        execution, invocation, result = self.started()
        mode = {"Lambda-Runtime-Function-Response-Mode": "fast"}
        reply = self.runtime.respond(invocation.request_id, DONE, mode)
        self.assertEqual(reply.error, (400, "InvalidFunctionResponseMode"))
        self.finish(result)
        self.assertEqual(
            [error["ErrorType"] for error in self.errors(execution)], ["Runtime.InvalidResponseModeHeader"]
        )

    def test_what_no_durable_function_answers_ends_the_run(self) -> None:
        answers: list[Any] = [
            b"hello",
            b"",
            7,
            {"Status": "GREAT"},
            {"Status": "SUCCEEDED", "Result": {"a": 1}},
            {"Status": "FAILED", "Error": "oops"},
            {"Status": "FAILED", "Error": {"errorType": "E"}},
        ]
        for answer in answers:
            with self.subTest(answer), self.assertRaisesRegex(HandlerNotDurableError, "orders answered .*language"):
                _, invocation, result = self.started()
                self.assertEqual(self.runtime.respond(invocation.request_id, answer).status, 202)
                result.result(BOUND)


@dataclass(frozen=True)
class Bad:
    """A request, and its refusal: the status and, if the body is an error of the runtime API, its type."""

    method: str
    path: str
    status: int
    error_type: str | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


ORIGIN = {"Origin": "https://example.com"}
SITE = {"Sec-Fetch-Site": "cross-site"}


class RefusedRequestTests(RuntimeTestCase):
    def table(self, running: str, before: str) -> dict[str, Bad]:
        """The invocation ``running`` is at the runtime; ``before`` belonged to an execution that has ended."""
        one, foreign = f"{PATH}/invocation/{running}", f"{PATH}/invocation/{before}"
        unknown = f"{PATH}/invocation/unknown"
        large = b"x" * (MAX_PAYLOAD + 1)
        return {
            "an unknown id": Bad("POST", f"{unknown}/response", 400, "InvalidRequestID", DONE),
            "an error for an unknown id": Bad("POST", f"{unknown}/error", 400, "InvalidRequestID", {}),
            "late": Bad("POST", f"{foreign}/response", 400, "InvalidRequestID", DONE),
            "a late error": Bad("POST", f"{foreign}/error", 400, "InvalidRequestID", {}),
            "an id in upper case": Bad(
                "POST", f"{PATH}/invocation/{running.upper()}X/response", 400, "InvalidRequestID"
            ),
            "too large for an unknown id": Bad("POST", f"{unknown}/response", 400, "InvalidRequestID", large),
            "no id": Bad("POST", f"{PATH}/invocation//response", 404),
            "an init error that is too large": Bad("POST", f"{PATH}/init/error", 413, "RequestEntityTooLarge", large),
            "GET for a response": Bad("GET", f"{one}/response", 405),
            "PUT for a response": Bad("PUT", f"{one}/response", 405, body=DONE),
            "GET for an error": Bad("GET", f"{one}/error", 405),
            "DELETE of an invocation": Bad("DELETE", f"{one}/response", 405),
            "POST for the next": Bad("POST", NEXT, 405, body={}),
            "HEAD for the next": Bad("HEAD", NEXT, 405),
            "GET for an init error": Bad("GET", f"{PATH}/init/error", 405),
            "another version": Bad("GET", "/2015-03-31/runtime/invocation/next", 404),
            "no version": Bad("GET", "/runtime/invocation/next", 404),
            "an extension": Bad("POST", "/2020-01-01/extension/register", 404, body={}),
            "the root": Bad("GET", "/", 404),
            "a path outside": Bad("GET", f"{PATH}/invocation/../../../etc/passwd", 404),
            "an encoded path outside": Bad("POST", f"{PATH}/invocation/..%2f..%2f/response", 404, body=DONE),
            "another page's origin": Bad("POST", f"{one}/response", 403, "AccessDeniedException", DONE, ORIGIN),
            "another page's origin for the next": Bad("GET", NEXT, 403, "AccessDeniedException", headers=ORIGIN),
            "another host": Bad("POST", f"{one}/response", 403, "AccessDeniedException", DONE, {"Host": "example.com"}),
            "a page of another site": Bad("GET", NEXT, 403, "AccessDeniedException", headers=SITE),
        }

    def test_a_bad_request_is_refused_and_the_invocation_goes_on(self) -> None:
        _, before, _ = self.started()
        self.runtime.succeed(before.request_id, None)
        _, running, result = self.started()
        for title, bad in self.table(running.request_id, before.request_id).items():
            with self.subTest(title):
                reply = self.client().request(bad.method, bad.path, bad.body, bad.headers)
                self.assertEqual(reply.status, bad.status)
                if bad.error_type is not None:
                    self.assertEqual(reply.json["errorType"], bad.error_type)
        self.assertEqual(self.runtime.succeed(running.request_id, "done").status, 202)
        self.assertEqual(result.result(BOUND).get_result(), "done")

    def test_the_content_type_does_not_matter_as_in_lambda(self) -> None:
        for kind in ("text/plain", "application/octet-stream", "application/vnd.aws.lambda.error.cause+json", ""):
            with self.subTest(kind):
                _, invocation, result = self.started()
                reply = self.runtime.respond(invocation.request_id, DONE, {"Content-Type": kind})
                self.assertEqual(reply.status, 202)
                self.assertEqual(result.result(BOUND).get_result(), "done")

    def test_an_invocation_is_answered_once(self) -> None:
        _, invocation, result = self.started()
        self.runtime.succeed(invocation.request_id, "done")
        reason = "failed for runtime. Error: State transition is not allowed"
        transition = f"State transition from RuntimeResponseSentState to {{}} {reason}"
        again = self.runtime.succeed(invocation.request_id, "again")
        self.assertEqual(again.error, (403, "InvalidStateTransition"))
        self.assertEqual(again.json["errorMessage"], transition.format("InvocationResponse"))
        error = self.runtime.fail(invocation.request_id, {})
        self.assertEqual(error.json["errorMessage"], transition.format("InvocationErrorResponse"))
        self.assertEqual(result.result(BOUND).get_result(), "done")

    def test_while_a_runtime_waits_none_can_report_that_it_cannot_begin(self) -> None:
        self.runtime.send("GET", NEXT)
        other = self.client()
        replies = (other.request("POST", f"{PATH}/init/error", {}) for _ in range(1000))
        refusal = next(reply for reply in replies if reply.status != 202)
        self.assertEqual(refusal.error, (403, "InvalidStateTransition"))
        self.assertIn("from Ready to InitError", refusal.json["errorMessage"])
        execution = self.runner.start()
        self.runtime.succeed(self.runtime.receive().request_id, "done")
        self.assertEqual(execution.result(BOUND).get_result(), "done")

    def test_a_stopped_execution_takes_no_answer(self) -> None:
        _, invocation, _ = self.started()
        self.runner.reset()
        reply = self.runtime.succeed(invocation.request_id, "done")
        self.assertEqual(reply.error, (400, "InvalidRequestID"))


if __name__ == "__main__":
    unittest.main()
