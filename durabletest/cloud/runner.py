"""Runs deployed durable functions: the runner behind cloud mode, and its public API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, NoReturn

from durabletest import endings, routes
from durabletest.cloud import stopping
from durabletest.cloud.answers import REAL_DELAYS_VARIABLE
from durabletest.cloud.aws import (
    drop_unknown_fields,
    keep_unknown_fields,
    lambda_client,
    unique_execution_name,
    unqualified,
)
from durabletest.cloud.cloudwatch import CloudWatchLogs
from durabletest.cloud.execution import CloudExecution, CloudExecutions
from durabletest.cloud.history_quota import history_quota
from durabletest.cloud.poller import CloudContext
from durabletest.cloud.starting import Starter, within
from durabletest.cloud.stopping import not_stopped
from durabletest.errors import CloudServiceError, ConfigurationError, NotAvailableError, RunnerClosedError
from durabletest.execution_handle import Execution, Runner
from durabletest.model.execution_view import ExecutionView, children_of
from durabletest.model.payloads import encode
from durabletest.model.times import Duration, duration, utc
from durabletest.result import TestResult
from durabletest.routes import Route
from durabletest.scripts import CallbackScript, ScriptRegistry, unanswered
from durabletest.value_checks import check_cloud_logs, check_duration, is_set

DEFAULT_TIMEOUT = timedelta(minutes=5)
MIN_STOP_SECONDS, MAX_STOP_SECONDS = 4.0, 30.0
"""How long stopping may take, depending on the timeout of executions."""
_INVOCATION_TYPES = ("Event", "RequestResponse")


class CloudDurableTestRunner(Runner):
    """Executes a deployed durable function and follows its history (R8).

    ``function_name`` is the deployed function's name with a version or alias (``orders:live``, ``orders:$LATEST``), or
    its ARN. ``client`` is a boto3 Lambda client; the default is one that boto3's own variables configure.
    ``poll_interval`` is the time between two reads of the history, ``timeout`` the limit of each execution.
    ``invocation_type`` is ``"Event"`` or, for executions of at most 15 minutes, ``"RequestResponse"``. The names of
    executions start with ``execution_prefix``. With ``cloud_logs`` results have the function's log, read from the log
    group of that name or, with True, from Lambda's own. ``workflow`` is the name that reports of coverage have for the
    function; the default is the function's own.

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
        cloud_logs: bool | str | CloudWatchLogs | None = False,
        workflow: str | None = None,
    ) -> None:
        _check(function_name, invocation_type)
        interval, limit = seconds_of(poll_interval, "poll_interval"), seconds_of(timeout, "timeout")
        real = is_set(REAL_DELAYS_VARIABLE, "write 1 or 0")
        self._function_name = function_name
        self._prefix = execution_prefix
        self._own_name = unqualified(function_name).rpartition(":")[2]
        self._workflow = workflow or self._own_name
        self._unavailable = unavailable
        self._owns_client = client is None
        self._client = client if client is not None else lambda_client()
        history_quota(self._client)  # complains before anything is started
        self._starter = Starter(self._client, function_name, invocation_type, interval, limit)
        self._scripts = ScriptRegistry()
        self._logs = cloud_logs if isinstance(cloud_logs, CloudWatchLogs) else cloud_watch_logs(cloud_logs)
        self._owns_logs = self._logs is not cloud_logs
        self._executions = CloudExecutions(
            CloudContext(self._client, self._scripts, interval, limit, real, unavailable, self._logs)
        )
        self._longest_stop = self._stop_seconds = max(MIN_STOP_SECONDS, min(0.8 * limit, MAX_STOP_SECONDS))
        self._last = None
        self._told: list[CloudExecution] = []
        self._closed = False
        keep_unknown_fields(self._client)
        stopping.register(self._stop_all)
        routes.opened(self)

    def run(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Invoke the function with a JSON-able payload and wait until the execution ends (R8.2, R8.3).

        An error or an interruption of the wait stops it, and whatever else this runner has started and still runs.
        """
        execution = self.start(payload, name=name, tenant_id=tenant_id)
        try:
            return execution.result()
        except BaseException as error:
            self._hurry(error)
            self._stop_within(self._executions.stop_all)
            raise

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution and follow it in the background.

        ``name`` is the execution's name. A name that was used before with the same payload means the same execution; if
        it exists already, it is followed, and not stopped at the end.
        """
        self._check_open()
        unique = name is None
        name = unique_execution_name(self._prefix) if name is None else name
        arn, owned = self._starter.start(encode(payload), name, tenant_id, unique=unique)
        self._last = execution = self._executions.started(arn, owned=owned)
        if execution not in self._told:
            self._told.append(execution)
        self._starter.forget(name)
        return Execution(self._last)

    def execution(self, arn: str) -> Execution:
        """A handle on any execution, such as a child, by its ARN; it is followed, and not stopped at the end."""
        self._check_open()
        return Execution(self._executions.other(arn))

    def reset(self) -> None:
        """Stop the executions that still run, and forget all executions and scripts.

        Raises :class:`CloudServiceError` with the ARNs of executions that could not be stopped.
        """
        self._check_open()
        try:
            self._forget()
        finally:
            self._scripts.clear()
            self._last = None
            self._stop_seconds = self._longest_stop

    def close(self) -> None:
        """Stop the executions that still run, and release the client. A second call does nothing.

        Raises :class:`CloudServiceError` with the ARNs of executions that could not be stopped.
        """
        if not self._closed:
            self._closed = True
            routes.closed(self)
            drop_unknown_fields(self._client)
            try:
                self._forget()
            except CloudServiceError:
                stopping.unregister(self._stop_all)
                raise
            else:
                stopping.unregister(self._stop_all)
                self._starter.close()
            finally:
                if self._owns_client:
                    self._client.close()
                if self._logs is not None and self._owns_logs:
                    self._logs.close()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hurry(exc)
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

    def on_callback(self, name: str, *, optional: bool = False) -> CallbackScript:
        """Script the answers for callbacks of that name; see :class:`durabletest.scripts.CallbackScript`.

        They are sent as soon as the callback can be answered, unless ``DURABLETEST_REAL_DELAYS=1``. An answer that was
        never used is an error at the end, unless the script is ``optional``.
        """
        self._check_open()
        return self._scripts.on_callback(name, optional)

    def unused(self) -> str | None:
        self._check_open()
        if unanswered(self._scripts, self._executions.histories()) is None:
            return None
        return unanswered(self._scripts, self._executions.settled_histories())

    # --- not available in the cloud ---

    def register_function(self, name: str, handler: Callable[..., Any], **settings: Any) -> NoReturn:  # noqa: ARG002
        """Functions cannot be registered in the cloud."""
        raise self._unavailable(
            f"{handler!r} cannot be registered as {name!r} in the cloud, where workflows invoke what is deployed: "
            "deploy a function of that name, and list it in durable_functions or functions of the class for local "
            "runs; or mark the test @local_only"
        )

    register_durable_function = register_function

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

    def stub_checkpoints(self, *, optional: bool = False) -> NoReturn:  # noqa: ARG002 - the local signature
        """Checkpoints cannot be stubbed in the cloud."""
        raise self._unavailable(
            "stub_checkpoints() is local: in the cloud the service decides which checkpoints it takes; mark the test "
            "@local_only"
        )

    def with_fault(self, fault: str | None = None) -> NoReturn:  # noqa: ARG002 - the local signature
        """Faults cannot be put into deployed functions."""
        raise self._unavailable(
            "faults cannot be put into what is deployed: assertSurvivesCrashes is local; mark the test @local_only"
        )

    def _hurry(self, error: BaseException | None) -> None:
        """Leave less time for stopping if the test was interrupted."""
        if error is not None and not isinstance(error, Exception):
            self._stop_seconds = min(self._stop_seconds, stopping.interrupted_seconds())

    def _stop_all(self, seconds: float | None) -> dict[str, Exception]:
        def stop() -> dict[str, Exception]:
            return self._starter.stop_all() | self._executions.stop_all()  # in this order: the first hands over

        if seconds is None:
            return stop()
        self._stop_seconds = min(self._stop_seconds, seconds)
        return self._stop_within(stop)

    def _forget(self) -> None:
        try:
            endings.tell(self._durable_ending)
        finally:
            self._told.clear()
            failures = self._stop_within(lambda: self._starter.stop_all() | self._executions.close())
            if failures:
                raise CloudServiceError(not_stopped(failures))

    def _durable_ending(self) -> endings.Ending:
        """The executions that were started here, and those that they have invoked."""
        views: dict[str, ExecutionView] = {execution.arn: execution for execution in self._told}
        for execution in self._told:
            views.update((child.arn, child.view) for child in children_of(execution) if child.arn not in views)
        return endings.Ending(self._workflow, self._own_name, list(views.values()), self)

    def _stop_within(self, stop: Callable[[], dict[str, Exception]]) -> dict[str, Exception]:
        """The errors of stopping, for which requests that hang have a limited time, and only once."""
        unfinished: dict[str, Exception] = {}
        failures = within(self._stop_seconds, stop, unfinished)
        if failures is unfinished:
            self._stop_seconds = 0.0
            left = [*self._starter.not_stopped(), *self._executions.not_stopped()]
            unfinished |= dict.fromkeys(left, CloudServiceError("its stop takes too long"))
        return failures

    def _check_open(self) -> None:
        if self._closed:
            raise RunnerClosedError(
                f"this runner for {self._function_name!r} is closed: make a new one, or stay in its with block"
            )


def seconds_of(value: Duration, what: str) -> float:
    """A positive duration as seconds."""
    check_duration(value, what)
    return duration(value, what).total_seconds()


def cloud_watch_logs(cloud_logs: bool | str | None) -> CloudWatchLogs | None:
    """The reader of logs for that setting; None if the setting is off."""
    check_cloud_logs(bool(cloud_logs) and cloud_logs, "cloud_logs")
    return CloudWatchLogs(None if cloud_logs is True else cloud_logs) if cloud_logs else None


def _check(function_name: object, invocation_type: object) -> None:
    if not isinstance(function_name, str) or not function_name:
        raise ConfigurationError(
            f"function_name is {function_name!r}: give the deployed function's name with a version or alias, "
            "like 'orders:live'"
        )
    if invocation_type not in _INVOCATION_TYPES:
        raise ConfigurationError(f"invocation_type is {invocation_type!r}: write 'Event' or 'RequestResponse'")
