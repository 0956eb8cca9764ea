"""A runtime in a thread of the tests: it speaks Lambda's runtime API over one connection, well or badly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

from durabletest.serve.runtime_api import PATH

BOUND = 20.0
"""Real seconds that a request may take."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        return self.headers["Lambda-Runtime-Aws-Request-Id"]

    @property
    def error(self) -> tuple[int, str]:
        """The status and the type of the error."""
        return self.status, self.json["errorType"]


class RuntimeClient:
    """Asks at a port of the loopback address."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=BOUND)

    def close(self) -> None:
        self._connection.close()

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        self.send(method, path, body, headers)
        return self.receive()

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> None:
        """Send a request, for ``receive``; a body that is not bytes is sent as JSON."""
        given = body if body is None or isinstance(body, bytes) else json.dumps(body)
        self._connection.request(method, path, given, dict(headers or {}))

    def receive(self) -> Reply:
        response = self._connection.getresponse()
        return Reply(response.status, response.headers, response.read())

    def next(self) -> Reply:
        return self.request("GET", f"{PATH}/invocation/next")

    def respond(self, request_id: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self.request("POST", f"{PATH}/invocation/{request_id}/response", body, headers)

    def fail(self, request_id: str, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return self.request("POST", f"{PATH}/invocation/{request_id}/error", body, headers)

    def succeed(self, request_id: str, result: Any) -> Reply:
        """Answer what a durable function answers that has ended."""
        return self.respond(request_id, {"Status": "SUCCEEDED", "Result": json.dumps(result)})
