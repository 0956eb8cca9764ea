"""How an execution is started in the cloud."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from time import monotonic
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from durabletest.cloud.names import unqualified
from durabletest.cloud.refusals import explained, is_not_found, not_durable
from durabletest.errors import CloudTimeoutError

_clock = [monotonic]
"""In a list, where a tool that freezes time does not look for it."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What is invoked, and how: ``Event`` answers at once, ``RequestResponse`` when the execution has ended."""

    client: Any
    function: str
    type: str
    poll_interval: float
    timeout: float
    _waiting: list[Thread] = field(default_factory=list, init=False)

    def close(self, timeout: float = 5.0) -> None:
        """Wait for the answers that are still to come, now that all executions have been stopped."""
        for thread in self._waiting:
            thread.join(timeout)

    def start(self, payload: str, name: str, tenant_id: str | None) -> str:
        """Invoke the function and give the ARN of the durable execution.

        A request is repeated with the same name and payload, so that one execution comes of it, also when the answer to
        the first request was lost.
        """
        request = {
            "FunctionName": self.function,
            "InvocationType": self.type,
            "DurableExecutionName": name,
            "Payload": payload.encode(),
            **({} if tenant_id is None else {"TenantId": tenant_id}),
        }
        try:
            return self._invoke(request) if self.type == "Event" else self._invoke_and_find(request, name)
        except (BotoCoreError, ClientError) as error:
            if _may_have_started(error):
                self._stop(name)
            raise explained(error, self.function) from error
        except BaseException:
            self._stop(name)
            raise

    def _invoke(self, request: dict[str, Any]) -> str:
        arn: str | None = self.client.invoke(**request).get("DurableExecutionArn")
        if arn is None:
            raise not_durable(self.function)
        return arn

    def _invoke_and_find(self, request: dict[str, Any], name: str) -> str:
        """Whoever waits for the answer cannot follow the execution: so another thread does, and its name tells it."""
        answer: Future[str] = Future()
        thread = Thread(target=self._fill, args=(answer, request), name="durabletest-cloud-invoke", daemon=True)
        thread.start()
        self._waiting.append(thread)
        end = _clock[0]() + self.timeout
        while _clock[0]() < end:
            with suppress(FutureTimeoutError):
                return answer.result(self.poll_interval)
            arn = self._find(name)
            if arn is not None:
                return arn
        raise CloudTimeoutError(
            f"{self.function!r} was invoked, and no execution {name!r} appeared within {self.timeout:g} seconds"
        )

    def _fill(self, answer: Future[str], request: dict[str, Any]) -> None:
        try:
            answer.set_result(self._invoke(request))
        except Exception as error:
            answer.set_exception(error)

    def _find(self, name: str) -> str | None:
        """The name is nobody else's, and a list for an alias would need its version: so all versions are searched."""
        try:
            found = self.client.list_durable_executions_by_function(
                FunctionName=unqualified(self.function), DurableExecutionName=name
            )["DurableExecutions"]
        except ClientError as error:
            if is_not_found(error):
                return None
            raise
        return found[0]["DurableExecutionArn"] if found else None

    def _stop(self, name: str) -> None:
        """The answer never came, and the execution may run all the same."""
        with suppress(BotoCoreError, ClientError):
            arn = self._find(name)
            if arn is not None:
                self.client.stop_durable_execution(DurableExecutionArn=arn)


def _may_have_started(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, HTTPClientError) and not isinstance(error, EndpointConnectionError)
