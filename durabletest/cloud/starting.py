"""Starts executions: invokes the deployed function and finds the execution's ARN."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Event, Thread
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, HTTPClientError

from durabletest.cloud import stopping
from durabletest.cloud.aws import explained, is_not_found, is_outage, not_durable, unqualified
from durabletest.cloud.stopping import TEST_ENDED, not_stopped, stop_with_children
from durabletest.errors import CloudServiceError, CloudTimeoutError
from durabletest.model.times import real_seconds

MIN_SECONDS = 5.0
"""How long a start may take at least, however short the timeout."""
LOOKUP_SECONDS = 5.0
"""How long an ``Event`` Invoke may take before the execution is looked up by its name."""
STOP_SECONDS = 3.5
"""How long an execution is searched for that may have been started, and is listed late."""
EXISTS_SECONDS = 2.0
"""How long the answer may take whether an execution of a name exists already."""
T = TypeVar("T")


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
        self._open: dict[str, Future[str | None]] = {}
        """The answers of Invoke, by the names of executions that no poller follows yet."""

    def close(self, timeout: float = 5.0) -> None:
        """Wait for the outstanding answers of Invoke, once all executions have been stopped."""
        for thread in self._invoking:
            thread.join(timeout)

    def start(self, payload: str, name: str, tenant_id: str | None, *, unique: bool) -> tuple[str, bool]:
        """Invoke the function with a JSON text; returns the ARN of the durable execution, and whether it was started.

        A retry sends the same name and payload, so that it starts no second execution if only the answer to the first
        request was lost. If an execution of a name that is not ``unique`` exists already, Invoke returns that one. One
        that was started is stopped by ``stop_all`` until ``forget`` is called.
        """
        end = real_seconds() + self._timeout
        owned = unique or self._find_within(name, EXISTS_SECONDS) is None
        request = {
            "FunctionName": self._function,
            "InvocationType": self._type,
            "DurableExecutionName": name,
            "Payload": payload.encode(),
            **({} if tenant_id is None else {"TenantId": tenant_id}),
        }
        answer: Future[str | None] = Future()
        if owned:
            self._open[name] = answer
        try:
            stopping.refuse_start()
        except CloudServiceError:
            self.forget(name)
            raise
        try:
            # in a thread of its own, as a synchronous Invoke is answered when the execution has ended
            invoking = _in_thread("invoke", lambda: self._client.invoke(**request).get("DurableExecutionArn"), answer)
            arn = self._answered_or_found(answer, name, invoking, end)
        except (BotoCoreError, ClientError) as error:
            failure = explained(error, self._function)
            self._give_up(name, failure)
            raise failure from error
        except BaseException as error:
            self._give_up(name, error)
            raise
        if arn is None:
            self.forget(name)
            raise not_durable(self._function)
        return arn, owned

    def forget(self, name: str) -> None:
        """Leave the execution to its poller, which stops it."""
        self._open.pop(name, None)

    def stop_all(self) -> dict[str, Exception]:
        """Stop what was started and is not followed; returns the errors, by what may still run."""
        failures: dict[str, Exception] = {}
        for name, answer in list(self._open.items()):
            failures |= self._stop(name, answer, stopping.interrupted_seconds())
        return failures

    def not_stopped(self) -> list[str]:
        """The titles of the executions that may have been started, and are not followed."""
        return [self._title(name) for name in list(self._open)]

    def _answered_or_found(self, answer: Future[str | None], name: str, thread: Thread, end: float) -> str | None:
        """The ARN, looked up by name if the answer takes long; None if the execution is not a durable one."""
        now = real_seconds()
        next_lookup = now + self._lookup_interval
        while now < end:
            if wait([answer], min(self._poll_interval, end - now)).done:
                return answer.result()
            now = real_seconds()
            if next_lookup <= now < end:
                next_lookup = now + self._lookup_interval
                arn = self._find_within(name, end - now, denied=self._type == "Event")
                if arn is not None:
                    self._invoking.append(thread)
                    return arn
        raise CloudTimeoutError(
            f"{self._function!r} was invoked, and no execution {name!r} appeared within {self._timeout:g} seconds"
        )

    def _find_within(self, name: str, seconds: float, *, denied: bool = True) -> str | None:
        """As ``_find``; None also if that takes longer, during an outage, and if lists may be ``denied``."""
        try:
            return within(seconds, lambda: self._find(name), None)
        except (BotoCoreError, ClientError) as error:
            if denied or is_outage(error):
                return None
            raise

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

    def _give_up(self, name: str, error: BaseException) -> None:
        """Stop the execution if there is one, although Invoke has not returned it; if that fails, add it to the error.

        It is done in a second thread, since a request may take longer than is left.
        """
        if name not in self._open:
            return
        seconds = STOP_SECONDS if isinstance(error, Exception) else stopping.interrupted_seconds()
        unfinished: dict[str, Exception] = {self._title(name): CloudServiceError("its stop takes too long")}
        failures = within(1.1 * seconds, lambda: self._stop(name, self._open[name], seconds), unfinished)
        self.forget(name)
        if failures:
            error.add_note(not_stopped(failures))

    def _stop(self, name: str, answer: Future[str | None], seconds: float) -> dict[str, Exception]:
        """Stop what an Invoke has started, once its answer or a list says what that is.

        If neither does within ``seconds``, it is stopped when the answer finally comes.
        """
        end = real_seconds() + seconds
        while real_seconds() < end:
            if name not in self._open:
                return {}
            if answer.done() and not _may_have_started(answer.exception()):
                return self._stop_arn(None if answer.exception() else answer.result())
            with suppress(BotoCoreError, ClientError):
                arn = self._find(name)
                if arn is not None:
                    return self._stop_arn(arn)
            if answer.done():
                Event().wait(self._poll_interval)
            else:
                wait([answer], self._poll_interval)
        answer.add_done_callback(lambda late: late.exception() or self._stop_arn(late.result()))
        return {self._title(name): CloudServiceError("Invoke has not said its ARN")}

    def _title(self, name: str) -> str:
        return f"execution {name!r} of {self._function!r}"

    def _stop_arn(self, arn: str | None) -> dict[str, Exception]:
        return {} if arn is None else stop_with_children(self._client, arn, TEST_ENDED)


def within(seconds: float, call: Callable[[], T], otherwise: T) -> T:
    """What ``call`` returns or raises in a thread of its own, or ``otherwise`` if it takes longer."""
    result: Future[T] = Future()
    _in_thread("request", call, result)
    return result.result() if wait([result], seconds).done else otherwise


def _in_thread(name: str, call: Callable[[], T], result: Future[T]) -> Thread:
    def run() -> None:
        try:
            result.set_result(call())
        except Exception as error:
            result.set_exception(error)

    thread = Thread(target=run, name=f"durabletest-cloud-{name}", daemon=True)
    thread.start()
    return thread


def _may_have_started(error: BaseException | None) -> bool:
    """Whether a request with this error may still have started an execution."""
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500
    return isinstance(error, HTTPClientError) and not isinstance(error, EndpointConnectionError)
