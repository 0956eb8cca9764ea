"""Starts executions: invokes the deployed function and finds the execution's ARN."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from threading import Thread
from time import monotonic
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from durabletest.cloud.arns import unqualified
from durabletest.cloud.aws_errors import explained, is_not_found, not_durable
from durabletest.errors import CloudTimeoutError

_clock = [monotonic]
"""In a list, where freezegun does not look for it."""


class Starter:
    """Invokes one function: with ``Event`` it answers at once, with ``RequestResponse`` when the execution has ended.

    ``poll_interval`` and ``timeout`` are in seconds, for the search for an execution whose Invoke does not return.
    """

    def __init__(self, client: Any, function: str, invocation_type: str, poll_interval: float, timeout: float) -> None:
        self._client = client
        self._function = function
        self._type = invocation_type
        self._poll_interval = poll_interval
        self._timeout = timeout
        self._invoking: list[Thread] = []

    def close(self, timeout: float = 5.0) -> None:
        """Wait for the outstanding answers of Invoke, once all executions have been stopped."""
        for thread in self._invoking:
            thread.join(timeout)

    def start(self, payload: str, name: str, tenant_id: str | None) -> str:
        """Invoke the function with a JSON text, and return the ARN of the durable execution.

        A retry sends the same name and payload, so that it starts no second execution if only the answer to the first
        request was lost.
        """
        request = {
            "FunctionName": self._function,
            "InvocationType": self._type,
            "DurableExecutionName": name,
            "Payload": payload.encode(),
            **({} if tenant_id is None else {"TenantId": tenant_id}),
        }
        try:
            return self._invoke(request) if self._type == "Event" else self._invoke_and_find(request, name)
        except (BotoCoreError, ClientError) as error:
            if _may_have_started(error):
                self._stop(name)
            raise explained(error, self._function) from error
        except BaseException:
            self._stop(name)
            raise

    def _invoke(self, request: dict[str, Any]) -> str:
        arn: str | None = self._client.invoke(**request).get("DurableExecutionArn")
        if arn is None:
            raise not_durable(self._function)
        return arn

    def _invoke_and_find(self, request: dict[str, Any], name: str) -> str:
        """Invoke in a second thread, which blocks until the execution has ended, and look the ARN up by name."""
        answer: Future[str] = Future()

        def invoke() -> None:
            try:
                answer.set_result(self._invoke(request))
            except Exception as error:
                answer.set_exception(error)

        thread = Thread(target=invoke, name="durabletest-cloud-invoke", daemon=True)
        thread.start()
        self._invoking.append(thread)
        end = _clock[0]() + self._timeout
        while _clock[0]() < end:
            with suppress(FutureTimeoutError):
                return answer.result(self._poll_interval)
            arn = self._find(name)
            if arn is not None:
                return arn
        raise CloudTimeoutError(
            f"{self._function!r} was invoked, and no execution {name!r} appeared within {self._timeout:g} seconds"
        )

    def _find(self, name: str) -> str | None:
        """The ARN of the execution with that unique name, in any version: a list by alias would not contain it."""
        try:
            found = self._client.list_durable_executions_by_function(
                FunctionName=unqualified(self._function), DurableExecutionName=name
            )["DurableExecutions"]
        except ClientError as error:
            if is_not_found(error):
                return None
            raise
        return found[0]["DurableExecutionArn"] if found else None

    def _stop(self, name: str) -> None:
        """Stop the execution if there is one, although Invoke has not returned it."""
        with suppress(BotoCoreError, ClientError):
            arn = self._find(name)
            if arn is not None:
                self._client.stop_durable_execution(DurableExecutionArn=arn)


def _may_have_started(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, HTTPClientError) and not isinstance(error, EndpointConnectionError)
