"""An HTTP endpoint on the loopback interface that serves the Lambda API from the local checkpoint server."""

from __future__ import annotations

import contextlib
import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import ClientError

from durabletest import Execution, ExecutionStatus, LocalDurableTestRunner
from tests.endpoint import protocol
from tests.endpoint.faults import DroppedConnection, Faults
from tests.endpoint.protocol import Call, HttpAnswer, HttpRequest, refusal
from tests.endpoint.timekeeper import Timekeeper

ACCOUNT, REGION = "123456789012", "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
"""An environment in which boto3 finds these credentials and no others."""
_SYNCHRONOUS_LIMIT = 60.0
_POKES = frozenset({
    "SendDurableExecutionCallbackSuccess",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "StopDurableExecution",
})  # fmt: skip


@dataclass(frozen=True)
class Deployed:
    """A function that can be invoked; a plain one has no runner."""

    runner: LocalDurableTestRunner | None
    plain: Callable[..., Any] | None = None


class Endpoint:
    """A small Lambda: functions are deployed into it, and any boto3 client can be pointed at its ``url``."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.calls: list[Call] = []
        self.requests: list[HttpRequest] = []
        self._lock = Lock()
        self._closing = Event()
        self._deployed: dict[str, Deployed] = {}
        self._anything: LocalDurableTestRunner | None = None
        self._time = Timekeeper()
        self._http = _Server(self)
        self._thread = Thread(target=self._http.serve_forever, args=(0.01,), name="endpoint-http", daemon=True)

    def __enter__(self) -> Self:
        LocalDurableTestRunner.setup_test_environment()
        self._time.start()
        self._thread.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.hang_up()
        self._http.server_close()
        self._thread.join(10)
        self._time.close()
        for deployed in self._deployed.values():
            if deployed.runner is not None:
                deployed.runner.close()
        LocalDurableTestRunner.teardown_test_environment()

    # --- for tests ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes any boto3 client of a process talk to this endpoint."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL_LAMBDA": self.url}

    def deploy(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        durable_functions: Mapping[str, Callable[..., Any]] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        runner = LocalDurableTestRunner(
            handler, function_name=name, durable_functions=durable_functions, functions=functions
        )
        self._replace(name, Deployed(runner))

    def deploy_plain(self, name: str, function: Callable[..., Any]) -> None:
        """A function that is not durable."""
        self._replace(name, Deployed(None, function))

    def leaked(self) -> list[str]:
        """The executions that still run."""
        return [execution.arn for execution in self._time.running()]

    def counts(self) -> Counter[str]:
        """How often each operation of the API was called."""
        with self._lock:
            return Counter(call.operation for call in self.calls)

    def calls_of(self, operation: str) -> list[dict[str, Any]]:
        with self._lock:
            return [call.members for call in self.calls if call.operation == operation]

    def reset(self) -> None:
        """End what runs, and forget faults and calls; what is deployed stays."""
        self.faults.clear()
        for execution in self._time.running():
            execution.stop()
        self._time.forget()
        with self._lock:
            self.calls.clear()
            self.requests.clear()
        if self._time.problem is not None:
            raise self._time.problem

    def _replace(self, name: str, deployed: Deployed) -> None:
        old = self._deployed.pop(name, None)
        if old is not None and old.runner is not None:
            old.runner.close()
        self._deployed[name] = deployed

    # --- for the threads that answer ---

    def answer(self, request: HttpRequest) -> HttpAnswer:
        if "AWS4-HMAC-SHA256" not in request.headers.get("authorization", ""):
            return refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        call = protocol.decode(request)
        with self._lock:
            self.calls.append(call)
            self.requests.append(request)
        fault = self.faults.take(call.operation)
        return self._serve(call) if fault is None else fault(lambda: self._serve(call), self._closing)

    def _serve(self, call: Call) -> HttpAnswer:
        try:
            return self._invoke(call.members) if call.operation == "Invoke" else self._durable(call)
        except ClientError as error:
            return protocol.refusal_of(error)

    def _durable(self, call: Call) -> HttpAnswer:
        runner = next((d.runner for d in self._deployed.values() if d.runner is not None), None)
        if runner is None:
            return refusal(404, "ResourceNotFoundException", "Nothing is deployed")
        output = getattr(runner.client, _snake(call.operation))(**call.members)
        if call.operation == "GetDurableExecutionHistory":
            self._time.polled(call.members["DurableExecutionArn"])
        if call.operation in _POKES:
            self._time.touched()
        return protocol.encode(call.operation, output)

    def _invoke(self, members: dict[str, Any]) -> HttpAnswer:
        name, qualifier = _split(members["FunctionName"])
        qualifier = members.get("Qualifier", qualifier)
        deployed = self._deployed.get(name)
        if deployed is None:
            arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            return refusal(404, "ResourceNotFoundException", f"Function not found: {arn}")
        payload = json.loads(members.get("Payload") or b"null")
        if deployed.runner is None:
            return self._plain(deployed, payload)
        if qualifier is None:
            message = "You cannot invoke a durable function using an unqualified ARN."
            return refusal(400, "InvalidParameterValueException", message)
        execution = deployed.runner.start(
            payload, name=members.get("DurableExecutionName"), tenant_id=members.get("TenantId")
        )
        self._time.started(execution)
        if members.get("InvocationType") == "Event":
            return protocol.encode("Invoke", {"StatusCode": 202, "DurableExecutionArn": execution.arn, "Payload": b""})
        return self._synchronous(execution)

    def _synchronous(self, execution: Execution) -> HttpAnswer:
        self._time.wait_for_end(execution, _SYNCHRONOUS_LIMIT)
        result = execution.snapshot()
        output = {"StatusCode": 200, "DurableExecutionArn": execution.arn, "ExecutedVersion": "$LATEST"}
        if result.get_status() is ExecutionStatus.SUCCEEDED:
            return protocol.encode("Invoke", {**output, "Payload": json.dumps(result.get_result()).encode()})
        error = result.get_error()
        details = {"errorType": error and error.type, "errorMessage": error and error.message}
        failed = {"FunctionError": "Unhandled", "Payload": json.dumps(details).encode()}
        return protocol.encode("Invoke", {**output, **failed})

    def _plain(self, deployed: Deployed, payload: Any) -> HttpAnswer:
        assert deployed.plain is not None
        result = deployed.plain(payload, None)
        return protocol.encode("Invoke", {"StatusCode": 202, "Payload": json.dumps(result).encode()})


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def hang_up(self) -> None:
        """End the connections that clients keep alive, so that no thread is left behind."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of ours."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = self.server.endpoint.answer(HttpRequest(self.command, self.path, headers, body))
        except DroppedConnection:
            self.close_connection = True
            return
        except Exception as error:
            answer = refusal(501, type(error).__name__, repr(error))
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """The tests print nothing."""


def _snake(operation: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")


def _split(function: str) -> tuple[str, str | None]:
    """Name and qualifier of a function's name or ARN."""
    parts = function.split(":")
    if parts[0] == "arn":
        parts = parts[6:]
    return parts[0], parts[1] if len(parts) > 1 else None
