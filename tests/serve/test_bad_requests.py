"""Requests that cannot be served get the service's errors, and leave the endpoint as it was."""

from __future__ import annotations

import http.client
import json
import socket
import unittest
from collections.abc import Iterator
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from durabletest.serve.app import MAX_BODY
from tests.serve.case import BOUND, Answer, ServeTestCase, path_of

MB = 1_048_576
API = "/2025-12-01"
INVOKE = "/2015-03-31/functions/{}/invocations"
UNKNOWN_ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST/durable-execution/none/00000000"
TOKEN = "bm9uZQ=="
JSON = "application/json"


@durable_execution
def approval(_event: Any, context: DurableContext) -> Any:
    return context.create_callback("approval").result()


def plain(event: Any, _context: Any) -> Any:
    return event


class BadRequestTests(ServeTestCase):
    functions = {"approval": approval, "plain": plain}

    def check(self, wanted: tuple[int, str], method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        with self.subTest(f"{method} {target[:80]} {body[:40]!r} {headers}"):
            answer = self.send(method, target, body, **headers)
            self.assertEqual((answer.status, answer.code), wanted, answer.body[:300])
            self.assertEqual(answer.headers["content-type"], JSON)
            self.assertEqual(set(answer.json), {"Type", "Message", "message"})
            self.assertTrue(answer.json["message"])
            self.assertIn("x-amzn-requestid", answer.headers)
        return answer

    def test_the_table(self) -> None:
        arn = self.start("approval")
        callback = self.callback(arn)
        table = [*self.paths_and_methods(), *self.invokes(), *self.documents(path_of(arn)), *self.names(path_of(arn))]
        table += [*self.callbacks(f"{API}/durable-execution-callbacks/"), *self.sizes(path_of(arn), callback)]
        self.assertGreaterEqual(len(table), 60)
        for wanted, method, target, body, headers in table:
            self.check(wanted, method, target, body, **headers)
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"yes")
        self.assertEqual(self.ended(arn)["Result"], '"yes"')

    def paths_and_methods(self) -> Iterator[Any]:
        unknown = (404, "UnknownOperationException")
        for target in (
            "/nowhere",
            "/2015-03-31/functions",
            "/2015-03-31/functions/approval",
            "/2014-11-13/functions/approval/invoke-async",
            "/2025-12-01/durable-executions",
            "/2025-12-01/durable-executions/",
            "/etc/passwd",
            "/../../../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/..%2f..%2fsetup.cfg",
            "//etc/passwd",
            "//[",
            "/durabletest/../../setup.cfg",
            "/" + "a" * 5000,
        ):
            yield unknown, "GET", target, b"", {}
        for method in ("PUT", "PATCH", "OPTIONS", "POST", "FROBNICATE"):
            yield unknown, method, path_of(UNKNOWN_ARN), b"{}", {"Content_Type": JSON}
        for method in ("GET", "PUT", "DELETE"):
            yield unknown, method, INVOKE.format("approval:1"), b"", {}
        yield unknown, "GET", f"{path_of(UNKNOWN_ARN)}/stop", b"", {}

    def invokes(self) -> Iterator[Any]:
        target, invalid = INVOKE.format("approval:1"), (400, "InvalidParameterValueException")
        content = (400, "InvalidRequestContentException")
        yield (404, "ResourceNotFoundException"), "POST", INVOKE.format("nobody:1"), b"1", {}
        yield invalid, "POST", INVOKE.format("approval"), b"1", {}
        yield invalid, "POST", INVOKE.format("app%20roval:1"), b"1", {}
        yield (404, "ResourceNotFoundException"), "POST", INVOKE.format("a" * 200), b"1", {}
        yield (400, "SerializationException"), "POST", INVOKE.format("%ff"), b"1", {}
        yield content, "POST", target, b"{not json", {}
        yield content, "POST", target, b"\xff\xfe", {}
        yield content, "POST", INVOKE.format("plain"), b"{not json", {}
        yield invalid, "POST", target, b"1", {"X_Amz_Invocation_Type": "Sometimes"}
        yield invalid, "POST", target, b"1", {"X_Amz_Log_Type": "Tail"}
        yield invalid, "POST", target, b"1", {"X_Amz_Client_Context": "e30="}
        yield invalid, "POST", target, b"1", {"X_Amz_Durable_Execution_Name": "no spaces"}
        yield invalid, "POST", f"{target}?Qualifier=no%20spaces", b"1", {}
        yield (415, "UnsupportedMediaTypeException"), "POST", target, b"<a/>", {"Content_Type": "text/xml"}

    def documents(self, path: str) -> Iterator[Any]:
        unreadable, invalid = (400, "SerializationException"), (400, "InvalidParameterValueException")
        kind = {"Content_Type": JSON}
        for body in (b"{", b"[]", b'"text"', b"17", b"\xff", b"[" * 100_000, b'{"CheckpointToken": "x"} trailing'):
            yield unreadable, "POST", f"{path}/checkpoint", body, kind
        for updates in ("{}", '"none"', "[1]", '[{"Id": "1", "StepOptions": []}]'):
            body = f'{{"CheckpointToken": "{TOKEN}", "Updates": {updates}}}'.encode()
            yield unreadable, "POST", f"{path}/checkpoint", body, kind
        for body in (b"", b"{}", b'{"CheckpointToken": 1}', b'{"CheckpointToken": "no base64!"}', b'{"Updates": []}'):
            yield invalid, "POST", f"{path}/checkpoint", body, kind
        update = {"Id": "1", "Type": "DREAM", "Action": "START"}
        yield invalid, "POST", f"{path}/checkpoint", _json(CheckpointToken=TOKEN, Updates=[update]), kind
        wrong = (415, "UnsupportedMediaTypeException")
        for other in ("text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"):
            yield wrong, "POST", f"{path}/checkpoint", _json(CheckpointToken=TOKEN), {"Content_Type": other}
        yield unreadable, "GET", f"{path}/history?MaxItems=many", b"", {}
        yield unreadable, "GET", f"{path}/history?ReverseOrder=perhaps", b"", {}
        for instant in ("soon", "1e400", "9" * 20):
            yield unreadable, "GET", f"{API}/functions/approval/durable-executions?StartedAfter={instant}", b"", {}
        yield invalid, "GET", f"{API}/functions/approval/durable-executions?Statuses=DREAMING", b"", {}
        yield invalid, "GET", f"{path}/history?MaxItems=1000000", b"", {}
        yield invalid, "GET", f"{path}/history?MaxItems=-1", b"", {}
        yield invalid, "GET", f"{path}/history?Marker=nowhere", b"", {}

    def names(self, path: str) -> Iterator[Any]:
        missing, invalid = (404, "ResourceNotFoundException"), (400, "InvalidParameterValueException")
        kind, unknown = {"Content_Type": JSON}, path_of(UNKNOWN_ARN)
        for suffix in ("", "/history"):
            yield missing, "GET", f"{unknown}{suffix}", b"", {}
        for suffix in ("/stop", "/pause", "/resume"):
            yield missing, "POST", f"{unknown}{suffix}", b"{}", kind
        yield missing, "DELETE", unknown, b"", {}
        yield missing, "GET", f"{API}/functions/nobody/durable-executions", b"", {}
        yield invalid, "GET", path_of("no-arn"), b"", {}
        yield invalid, "GET", f"{unknown}/state?CheckpointToken={TOKEN}", b"", {}
        yield invalid, "GET", f"{path}/state", b"", {}
        yield invalid, "GET", f"{path}/state?CheckpointToken={TOKEN}", b"", {}
        for at in (unknown, path):
            yield invalid, "POST", f"{at}/checkpoint", _json(CheckpointToken=TOKEN), kind
        yield (409, "ResourceConflictException"), "DELETE", path, b"", {}
        yield (409, "ResourceConflictException"), "POST", f"{path}/resume", b"{}", kind

    def callbacks(self, path: str) -> Iterator[Any]:
        missing, invalid = (404, "ResourceNotFoundException"), (400, "InvalidParameterValueException")
        for suffix in ("succeed", "fail", "heartbeat"):
            yield missing, "POST", f"{path}{TOKEN}/{suffix}", b"", {}
        yield invalid, "POST", f"{path}no%20base64/succeed", b"", {}
        yield (400, "SerializationException"), "POST", f"{path}{TOKEN}/fail", b"[]", {"Content_Type": JSON}
        yield (404, "UnknownOperationException"), "POST", f"{path}{TOKEN}/ignore", b"", {}

    def sizes(self, path: str, callback: str) -> Iterator[Any]:
        large, kind = b'"' + b"a" * MB + b'"', {"Content_Type": JSON}
        invalid, too_large = (400, "InvalidParameterValueException"), (413, "RequestTooLargeException")
        event = {"X_Amz_Invocation_Type": "Event"}
        yield too_large, "POST", INVOKE.format("approval:1"), large, event
        yield too_large, "POST", INVOKE.format("approval:1"), b'"' + b"a" * 6 * MB + b'"', {}
        yield too_large, "POST", INVOKE.format("approval:1"), b"a" * (MAX_BODY + 1), {}
        yield too_large, "POST", f"{path}/checkpoint", b"a" * (2 * MAX_BODY), kind
        yield invalid, "POST", f"{API}/durable-execution-callbacks/{callback}/succeed", large, {}
        yield (
            invalid,
            "POST",
            f"{API}/durable-execution-callbacks/{callback}/fail",
            _json(ErrorMessage="a" * 2 * MB),
            kind,
        )

    def test_an_answer_to_a_callback_that_has_one_is_refused(self) -> None:
        arn = self.start("approval")
        callback = self.callback(arn)
        self.client.send_durable_execution_callback_success(CallbackId=callback, Result=b"yes")
        self.assertEqual(self.ended(arn)["Status"], "SUCCEEDED")
        path = f"{API}/durable-execution-callbacks/{callback}"
        self.check((400, "CallbackTimeoutException"), "POST", f"{path}/succeed", b"no")
        self.check((400, "CallbackTimeoutException"), "POST", f"{path}/heartbeat")

    def test_a_body_whose_size_is_not_declared_is_bounded_too(self) -> None:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=BOUND)
        self.addCleanup(connection.close)
        pieces = (b"a" * MB for _ in range(MAX_BODY // MB + 2))
        connection.request("POST", INVOKE.format("approval:1"), pieces, encode_chunked=True)
        answer = Answer(connection.getresponse())
        self.assertEqual((answer.status, answer.code), (413, "RequestTooLargeException"))

    def test_a_client_that_hangs_up_in_its_request_is_no_error(self) -> None:
        host, port = self.url.removeprefix("http://").split(":")
        head = f"POST {INVOKE.format('plain')} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
        with self.assertNoLogs("uvicorn.error", "ERROR"):
            with socket.create_connection((host, int(port)), BOUND) as connection:
                connection.sendall(head.encode() + b"abc")
            for _ in range(3):
                self.assertEqual(self.send("POST", INVOKE.format("plain"), b"1").json, 1)

    def test_time_is_moved_by_nothing_but_a_length_of_time(self) -> None:
        for body in (
            b"{",
            b"[]",
            b"1",
            b'{"seconds": 0}',
            b'{"seconds": -1}',
            b'{"seconds": "1"}',
            b'{"seconds": true}',
            b'{"seconds": 1e99}',
            b'{"seconds": NaN}',
            b'{"minutes": 1}',
            b'{"seconds": 1, "minutes": 1}',
        ):
            self.check((400, "InvalidParameterValueException"), "POST", "/durabletest/time", body)

    def test_pages_that_do_not_exist(self) -> None:
        self.check((404, "ResourceNotFoundException"), "GET", "/durabletest/executions/none")
        self.check((404, "UnknownOperationException"), "GET", "/durabletest/executions/../live.js")
        self.check((404, "UnknownOperationException"), "GET", "/durabletest/static/live.js")
        self.check((404, "UnknownOperationException"), "GET", "/durabletest/time")
        self.check((404, "UnknownOperationException"), "POST", "/")

    def test_what_is_no_http_is_refused(self) -> None:
        host, port = self.url.removeprefix("http://").split(":")
        for text in (
            b"hello\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"a" * 100_000,
            b"GET /" + b"a" * 100_000,
        ):
            with self.subTest(text[:60]), socket.create_connection((host, int(port)), 30) as connection:
                connection.sendall(text)
                self.assertRegex(connection.recv(100), rb"^HTTP/1.1 4\d\d ")


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


if __name__ == "__main__":
    unittest.main()
