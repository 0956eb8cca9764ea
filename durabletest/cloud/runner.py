"""Runs deployed durable functions: the runner behind cloud mode, and its public API."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn, Self

from durabletest import routes
from durabletest.cloud.answers import real_delays
from durabletest.cloud.arns import unique_execution_name
from durabletest.cloud.client import drop_unknown_fields, keep_unknown_fields, lambda_client
from durabletest.cloud.execution import CloudExecutions
from durabletest.cloud.poller import PollSettings
from durabletest.cloud.starting import Starter
from durabletest.configuration import check_duration
from durabletest.errors import (
    CloudServiceError,
    ConfigurationError,
    NeverUsedError,
    NotAvailableError,
    RunnerClosedError,
    UsageError,
)
from durabletest.execution_handle import Execution, OperationLookups
from durabletest.model.payloads import ErrorSource, encode
from durabletest.model.times import Duration, duration, utc
from durabletest.result import TestResult
from durabletest.routes import Route
from durabletest.scripts import CallbackScript, ScriptRegistry, unanswered

DEFAULT_TIMEOUT = timedelta(minutes=5)
_INVOCATION_TYPES = ("Event", "RequestResponse")


class CloudDurableTestRunner(OperationLookups):
    """Executes a deployed durable function and follows its history (R8).

    ``function_name`` is the deployed function's name with a version or alias (``orders:live``, ``orders:$LATEST``), or
    its ARN. ``client`` is a boto3 Lambda client; the default is one that boto3's own variables configure.
    ``poll_interval`` is the time between two reads of the history, ``timeout`` the limit of each execution.
    ``invocation_type`` is ``"Event"`` or, for executions of at most 15 minutes, ``"RequestResponse"``. The names of
    executions start with ``execution_prefix``.

    Use it as a context manager, or call ``close``: this stops the executions that still run.
    """

    def __init__(
        self,
        function_name: str,
        client: Any = None,
        poll_interval: Duration = 1.0,
        timeout: Duration = DEFAULT_TIMEOUT,
        invocation_type: str = "Event",
        *,
        execution_prefix: str | None = None,
        unavailable: type[NotAvailableError] = NotAvailableError,
    ) -> None:
        _check(function_name, invocation_type)
        interval, limit = seconds_of(poll_interval, "poll_interval"), seconds_of(timeout, "timeout")
        settings = PollSettings(interval, limit, real_delays())
        self._function_name = function_name
        self._prefix = execution_prefix
        self._unavailable = unavailable
        self._owns_client = client is None
        self._client = client if client is not None else lambda_client()
        self._starter = Starter(self._client, function_name, invocation_type, interval, limit)
        self._scripts = ScriptRegistry()
        self._executions = CloudExecutions(self._client, self._scripts, settings, unavailable)
        self._last = None
        self._closed = False
        keep_unknown_fields(self._client)
        atexit.register(self._executions.stop_quietly)
        routes.opened(self)

    # --- run ---

    def run(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Invoke the function with a JSON-able payload and wait until the execution ends (R8.2, R8.3).

        An error or an interruption of the wait stops the execution.
        """
        execution = self.start(payload, name=name, tenant_id=tenant_id)
        try:
            return execution.result()
        except BaseException:
            self._executions.stop_quietly()
            raise

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution and follow it in the background.

        ``name`` is the execution's name. A name that was used before with the same payload means the same execution.
        """
        self._check_open()
        name = unique_execution_name(self._prefix) if name is None else name
        arn = self._starter.start(encode(payload), name, tenant_id)
        self._last = self._executions.started(arn)
        return Execution(self._last)

    def execution(self, arn: str) -> Execution:
        """A handle on any execution, such as a child, by its ARN; it is followed, and not stopped at the end."""
        self._check_open()
        return Execution(self._executions.other(arn))

    def stop(self, error: ErrorSource = None, message: str | None = None) -> None:
        """End the last execution with STOPPED; see :meth:`durabletest.Execution.stop`."""
        self._check_open()
        if self._last is None:
            raise UsageError("stop() without an execution: call start(payload) first")
        Execution(self._last).stop(error, message)

    def reset(self) -> None:
        """Stop the executions that still run, and forget all executions and scripts."""
        self._check_open()
        self._executions.close()
        self._scripts.clear()
        self._last = None

    def close(self) -> None:
        """Stop the executions that still run, and release the client. A second call does nothing."""
        if not self._closed:
            self._closed = True
            routes.closed(self)
            atexit.unregister(self._executions.stop_quietly)
            drop_unknown_fields(self._client)
            try:
                self._executions.close()
            finally:
                self._starter.close()
                if self._owns_client:
                    self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._closed:
                self.verify_used()
        finally:
            try:
                self.close()
            except CloudServiceError as error:
                if exc is None:
                    raise
                exc.add_note(str(error))

    # --- client and time ---

    @property
    def client(self) -> Any:
        return self._client

    def lambda_client(self) -> Any:
        """The boto3 Lambda client, for code that the test shares with the function."""
        self._check_open()
        return self._client

    def route(self, client: Any) -> Route:
        """Leave the client as it is: it talks to AWS, like the deployed function."""
        self._check_open()
        return Route(client, lambda: None)

    @property
    def now(self) -> datetime:
        """The real time."""
        return utc(datetime.now(UTC))

    # --- callbacks ---

    def on_callback(self, name: str, *, optional: bool = False) -> CallbackScript:
        """Script the answers for callbacks of that name; see :class:`durabletest.scripts.CallbackScript`.

        They are sent as soon as the callback can be answered, unless ``DURABLETEST_REAL_DELAYS=1``. An answer that was
        never used is an error at the end, unless the script is ``optional``.
        """
        self._check_open()
        return self._scripts.on_callback(name, optional)

    def verify_used(self) -> None:
        """Raise :class:`NeverUsedError` if a scripted answer was never used.

        It is called when the with block is left without an error.
        """
        complaint = self.unused()
        if complaint is not None:
            raise NeverUsedError(complaint)

    def unused(self) -> str | None:
        """The complaint about scripted answers that were never used, with advice; None if all were used."""
        self._check_open()
        if unanswered(self._scripts, self._executions.histories()) is None:
            return None
        return unanswered(self._scripts, self._executions.settled_histories())

    # --- not available in the cloud ---

    def register_durable_function(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        execution_timeout: Duration | None = None,  # noqa: ARG002 - the local runner's signature
    ) -> None:
        """Functions cannot be registered in the cloud."""
        self._refuse_to_register(name, handler)

    def register_function(self, name: str, handler: Callable[..., Any]) -> None:
        """Functions cannot be registered in the cloud."""
        self._refuse_to_register(name, handler)

    def stub_step(self, name: str, *, optional: bool = False) -> NoReturn:  # noqa: ARG002 - the local signature
        """Steps cannot be stubbed in the cloud."""
        raise self._unavailable(
            f"stub_step({name!r}) is local: in the cloud steps run the code that is deployed; mark the test @local_only"
        )

    def stub_invoke(self, name: str, *, optional: bool = False) -> NoReturn:  # noqa: ARG002 - the local signature
        """Invokes cannot be stubbed in the cloud."""
        raise self._unavailable(
            f"stub_invoke({name!r}) is local: in the cloud workflows invoke what is deployed; mark the test @local_only"
        )

    def _refuse_to_register(self, name: str, handler: object) -> NoReturn:
        raise self._unavailable(
            f"{handler!r} cannot be registered as {name!r} in the cloud, where workflows invoke what is deployed: "
            "deploy a function of that name, and list it in durable_functions or functions of the class for local "
            "runs; or mark the test @local_only"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise RunnerClosedError(
                f"this runner for {self._function_name!r} is closed: make a new one, or stay in its with block"
            )


def seconds_of(value: Duration, what: str) -> float:
    """A positive duration as seconds."""
    check_duration(value, what)
    return duration(value, what).total_seconds()


def _check(function_name: object, invocation_type: object) -> None:
    if not isinstance(function_name, str) or not function_name:
        raise ConfigurationError(
            f"function_name is {function_name!r}: give the deployed function's name with a version or alias, "
            "like 'orders:live'"
        )
    if invocation_type not in _INVOCATION_TYPES:
        raise ConfigurationError(f"invocation_type is {invocation_type!r}: write 'Event' or 'RequestResponse'")
