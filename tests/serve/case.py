"""Test cases in front of an endpoint in a thread of this process."""

from __future__ import annotations

import http.client
import json
import unittest
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from durabletest.serve import serving
from tests.serve.served import client_of

BOUND = 30.0
"""Real seconds that the tests wait for what should come at once."""


class Answer:
    """An answer as it came over the wire."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def code(self) -> str | None:
        """The error's code, where SDKs look for it."""
        return self.headers.get("x-amzn-errortype")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ServeTestCase(unittest.TestCase):
    """Each class has an endpoint of its own for its ``functions``, and a client of boto3."""

    functions: ClassVar[Mapping[str, Callable[..., Any]]]
    settings: ClassVar[Mapping[str, Any]] = {}
    url: str
    client: Any

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.url = cls.enterClassContext(serving(cls.functions, **cls.settings))
        cls.client = client_of(cls.url, max_pool_connections=200)
        cls.addClassCleanup(cls.client.close)

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        """A request as it is, with headers whose names are written with ``_`` for ``-``."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=BOUND)
        try:
            connection.request(method, target, body, {name.replace("_", "-"): text for name, text in headers.items()})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def start(self, function: str, payload: Any = None, **members: Any) -> str:
        """Start an execution; returns its ARN."""
        answer = self.client.invoke(
            FunctionName=f"{function}:$LATEST", InvocationType="Event", Payload=json.dumps(payload), **members
        )
        arn: str = answer["DurableExecutionArn"]
        return arn

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        """Ask until this is true; returns what it is."""
        for _ in range(10_000):
            if value := condition():
                return value
        raise AssertionError("it has not become true")

    def ended(self, arn: str) -> dict[str, Any]:
        """The execution, once it has ended."""

        def end() -> dict[str, Any] | None:
            execution: dict[str, Any] = self.client.get_durable_execution(DurableExecutionArn=arn)
            return None if execution["Status"] in ("RUNNING", "PAUSING", "PAUSED") else execution

        found: dict[str, Any] = self.wait_for(end)
        return found

    def callback(self, arn: str) -> str:
        """The id of the open callback of an execution, once there is one."""

        def find() -> str | None:
            events = self.client.get_durable_execution_history(DurableExecutionArn=arn)["Events"]
            ids = [e["CallbackStartedDetails"]["CallbackId"] for e in events if e["EventType"] == "CallbackStarted"]
            ended = sum(e["EventType"] in ("CallbackSucceeded", "CallbackFailed", "CallbackTimedOut") for e in events)
            return ids[-1] if len(ids) > ended else None

        found: str = self.wait_for(find)
        return found


def path_of(arn: str) -> str:
    """The path of an execution in the API."""
    return f"/2025-12-01/durable-executions/{quote(arn, safe='')}"
