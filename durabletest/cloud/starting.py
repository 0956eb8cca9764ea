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
from durabletest.cloud.aws_errors import explained, is_not_found, is_outage, not_durable
from durabletest.errors import CloudTimeoutError

MIN_SECONDS = 5.0
"""How long a start may take at least, however short the timeout."""
LOOKUP_SECONDS = 5.0
"""How long an ``Event`` Invoke may take before the execution is looked up by its name."""
STOP_SECONDS = 5.0
"""How long the search for an execution that may have been started, and its stop, may take."""
_clock = [monotonic]
"""In a list, where freezegun does not look for it."""


class Starter:
    """Invokes one function: with ``Event`` it answers at once, with ``RequestResponse`` when the execution has ended.

    ``poll_interval`` and ``timeout`` are in seconds; no start takes longer than the timeout, or 5 s if that is less.
    """

    def __init__(self, client: Any, function: str, invocation_type: str, poll_interval: float, timeout: float) -> None:
        self._client = client
        self._function = function
        self._type = invocation_type
        self._poll_interval = poll_interval
        self._lookup_interval = LOOKUP_SECONDS if invocation_type == "Event" else poll_interval
        self._timeout = max(timeout, MIN_SECONDS)
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
            return self._invoke(request, name)
        except (BotoCoreError, ClientError) as error:
            if _may_have_started(error):
                self._stop(name)
            raise explained(error, self._function) from error
        except BaseException:
            self._stop(name)
            raise

    def _invoke(self, request: dict[str, Any], name: str) -> str:
        """Invoke in a second thread, and look the ARN up by name if the answer takes long.

        A synchronous Invoke is answered when the execution has ended. If this thread gives up, the second one stops the
        execution when the answer comes.
        """
        answer: Future[str | None] = Future()

        def invoke() -> None:
            try:
                arn = self._client.invoke(**request).get("DurableExecutionArn")
            except Exception as error:
                if answer.set_running_or_notify_cancel():
                    answer.set_exception(error)
            else:
                if answer.set_running_or_notify_cancel():
                    answer.set_result(arn)
                else:
                    self._stop_arn(arn)

        thread = Thread(target=invoke, name="durabletest-cloud-invoke", daemon=True)
        thread.start()
        try:
            arn = self._answered_or_found(answer, name)
        except BaseException:
            answer.cancel()
            raise
        if not answer.done():
            self._invoking.append(thread)
        if arn is None:
            raise not_durable(self._function)
        return arn

    def _answered_or_found(self, answer: Future[str | None], name: str) -> str | None:
        now = _clock[0]()
        end, next_lookup = now + self._timeout, now + self._lookup_interval
        while now < end:
            with suppress(FutureTimeoutError):
                return answer.result(min(self._poll_interval, end - now))
            now = _clock[0]()
            if now >= next_lookup:
                next_lookup = now + self._lookup_interval
                try:
                    arn = self._find(name)
                except (BotoCoreError, ClientError) as error:
                    if self._type != "Event" and not is_outage(error):
                        raise
                else:
                    if arn is not None:
                        return arn
        raise CloudTimeoutError(
            f"{self._function!r} was invoked, and no execution {name!r} appeared within {self._timeout:g} seconds"
        )

    def _find(self, name: str) -> str | None:
        """The ARN of the execution with that unique name, in any version: a list by alias would not contain it."""
        marker: dict[str, str] = {}
        while True:
            try:
                page = self._client.list_durable_executions_by_function(
                    FunctionName=unqualified(self._function), DurableExecutionName=name, **marker
                )
            except ClientError as error:
                if is_not_found(error):
                    return None
                raise
            if page.get("DurableExecutions"):
                return str(page["DurableExecutions"][0]["DurableExecutionArn"])
            if not page.get("NextMarker"):
                return None
            marker = {"Marker": page["NextMarker"]}

    def _stop(self, name: str) -> None:
        """Stop the execution if there is one, although Invoke has not returned it."""

        def stop() -> None:
            with suppress(BotoCoreError, ClientError):
                self._stop_arn(self._find(name))

        thread = Thread(target=stop, name="durabletest-cloud-stop", daemon=True)
        thread.start()
        thread.join(STOP_SECONDS)

    def _stop_arn(self, arn: str | None) -> None:
        if arn is not None:
            with suppress(BotoCoreError, ClientError):
                self._client.stop_durable_execution(DurableExecutionArn=arn)


def _may_have_started(error: Exception) -> bool:
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, HTTPClientError) and not isinstance(error, EndpointConnectionError)
