"""Runs durable functions in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Unpack

from durabletest import configuration, endings, routes, sdk, value_checks
from durabletest.checkpoint_stubs import CheckpointStub
from durabletest.errors import ConfigurationError, NotAvailableError
from durabletest.execution_handle import Execution
from durabletest.local.client import Router, RunnerClient
from durabletest.local.deployment import Deployment, FunctionSettings, Origin, SettingsOfTarget
from durabletest.local.environment import EnvironmentSettings
from durabletest.local.execution import LocalExecution
from durabletest.local.process_environment import process_environment
from durabletest.local.repeating import RepeatingRunner, timeout_seconds
from durabletest.local.schedules import Schedule
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import FunctionSpec, split_name
from durabletest.local.server.quotas import INVOCATION_ATTEMPTS, Quotas
from durabletest.local.stubbing import unused
from durabletest.model.times import Duration
from durabletest.routes import Route
from durabletest.scripts import CallbackScript, unanswered
from durabletest.sdk_operations import AskedNotes
from durabletest.stubs import InvokeStub, StepStub

DEFAULT_FUNCTION_NAME = "handler"


class LocalDurableTestRunner(RepeatingRunner):
    """Executes a durable function locally, against a checkpoint server in a thread of its own (R1, R9).

    ``handler`` is any callable ``handler(event, context)`` that ends in the SDK's ``@durable_execution``: a function,
    a bound method, a partial, a callable object. ``durable_functions`` and ``functions`` map names to the targets of
    chained invokes. ``execution_timeout`` (a timedelta, or seconds) is virtual; ``watchdog`` is how many real seconds
    a handler may go without progress; ``state_page_size`` bounds how many operations the handler gets at once; with
    ``skip_sleep`` the handler's ``time.sleep`` passes in virtual time. ``function_timeout`` (a timedelta, or seconds)
    is the virtual time that one invocation of the handler may take, and ``invocation_attempts`` how often it is tried
    if it fails. ``memory_size`` is what the context says of its memory, in MB, and ``environment`` are the
    environment variables that are set while it runs. ``invocation_type`` says how executions are started, ``"Event"``
    or ``"RequestResponse"``: their input and result may have 1 MB or 6 MB. ``operation_limit`` and ``storage_limit``
    (bytes) are the quotas of each execution, by default the service's.

    Use it as a context manager, or call ``close``. ``skip_time``, ``start_time`` and ``clock`` shape the environment
    that the runner makes if ``setup_test_environment`` was not called before.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        durable_functions: Mapping[str, Callable[..., Any]] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        function_name: str | None = None,
        skip_time: bool | None = None,
        start_time: datetime | None = None,
        execution_timeout: Duration | None = None,
        watchdog: float = 30.0,
        state_page_size: int | None = None,
        skip_sleep: bool = False,
        clock: str | None = None,
        schedule: Schedule | None = None,
        function_timeout: Duration = value_checks.MAX_FUNCTION_TIMEOUT,
        invocation_attempts: int = INVOCATION_ATTEMPTS,
        invocation_type: str = value_checks.EVENT,
        operation_limit: int | None = None,
        storage_limit: int | None = None,
        retention_days: int = value_checks.DEFAULT_RETENTION_DAYS,
        memory_size: int = value_checks.DEFAULT_MEMORY_SIZE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        value_checks.check_handler(handler, "handler")
        configuration.check_arguments(
            durable_functions=durable_functions or {},
            functions=functions or {},
            function_name=function_name,
            execution_timeout=execution_timeout,
            watchdog=watchdog,
            state_page_size=state_page_size,
            skip_sleep=skip_sleep,
            invocation_attempts=invocation_attempts,
            invocation_type=invocation_type,
            operation_limit=operation_limit,
            storage_limit=storage_limit,
            retention_days=retention_days,
        )
        self._given_name, self._function_name = function_name, function_name or DEFAULT_FUNCTION_NAME
        self._timeout, self._invocation_type = timeout_seconds(execution_timeout), invocation_type
        chosen = EnvironmentSettings.wanted(skip_time, start_time, clock)
        own = FunctionSpec(split_name(self._function_name)[0], timeout=self._timeout)
        function = FunctionSettings(function_timeout, memory_size, environment or {})
        quotas = Quotas(operation_limit, storage_limit, invocation_attempts, retention_days)
        deployment = Deployment(
            handler, watchdog, Origin(), own, state_page_size, quotas, skip_sleep, schedule, function
        )
        self._session = process_environment.open_runner(chosen, deployment)
        self._deploy(durable_functions or {}, functions or {})

    def _deploy(
        self, durable_functions: Mapping[str, Callable[..., Any]], functions: Mapping[str, Callable[..., Any]]
    ) -> None:
        """Give the session all that the runner was made with; closes it if that fails."""
        with ExitStack() as undo:
            undo.callback(process_environment.close, self._session)
            self._environment = environment = self._session.environment
            self._deployment = self._session.deployment
            self._deployment.notes = AskedNotes() if endings.are_wanted() else None
            self._restored, self._faulty = set(), {}
            self._client = RunnerClient(
                environment.server,
                environment.settings.checkpoint_delay,
                self._session.use,
                environment.orchestrator.await_rest,
                self._deployment.number,
            )
            self._router = Router(self._client)
            environment.tell_of_references(self._deployment.handler)
            for name, function in durable_functions.items():
                self.register_durable_function(name, function)
            for name, function in functions.items():
                self.register_function(name, function)
            routes.opened(self)
            undo.pop_all()

    # --- the process-wide environment ---

    @staticmethod
    def setup_test_environment(
        skip_time: bool = True,
        checkpoint_delay: float | None = None,
        start_time: datetime | None = None,
        clock: str | None = None,
    ) -> None:
        """Set the process-wide environment up, which runners then share (R2.1).

        With ``skip_time`` virtual time begins at ``start_time`` and passes without waiting. ``checkpoint_delay`` is a
        latency in real seconds for every checkpoint. ``clock`` is the tool that shows virtual time to code,
        ``"freezegun"`` (the default) or ``"time-machine"``; the environment variable ``DURABLETEST_CLOCK`` wins.
        """
        value_checks.check_delay(checkpoint_delay, "checkpoint_delay")
        process_environment.set_up(EnvironmentSettings.checked(skip_time, start_time, clock, checkpoint_delay or 0.0))

    @staticmethod
    def teardown_test_environment() -> None:
        """End the process-wide environment and restore the real clock (R2.4)."""
        process_environment.tear_down()

    # --- executions ---

    def execution(self, arn: str) -> Execution:
        """A handle on an execution of this environment by its ARN, a child's for example."""
        self._check_open()
        return Execution(LocalExecution(arn, self._session))

    def reset(self) -> None:
        """Forget all executions, their operations and histories, all scripts and stubs (R1.6); registrations stay.

        If no other runner is open, virtual time and all ids begin again.
        """
        self.rewind()
        self._deployment.scripts.clear()
        self._deployment.stubs.clear()

    def close(self) -> None:
        """Close the runner; executions that still run are given up. Calling it twice does no harm."""
        try:
            if not (self._session.closed or self._deployment.lease.inherited):
                endings.tell(self._durable_ending)
        finally:
            try:
                routes.closed(self)
                self._router.close()
            finally:
                process_environment.close(self._session)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if exc is None and not self._session.closed:
                self.verify_used()
        finally:
            self.close()

    # --- clients, functions, scripts and stubs ---

    @property
    def client(self) -> Any:
        """A Lambda client with boto3's methods for durable executions, answered locally and without boto3."""
        return self._client

    def lambda_client(self) -> Any:
        """A real Lambda client of boto3 that the local server answers: for code under test that is given a client.

        Serialisation, validation, parsing and exceptions are boto3's; neither network, region nor credentials are
        needed. What durable executions need is answered, ``invoke`` with ``InvocationType="Event"`` included; the rest
        raises :class:`NotAvailableError`. It is the same client each time.
        """
        self._check_open()
        return self._router.client()

    def route(self, client: Any) -> Route:
        """Have an existing Lambda client of boto3 answered by the local server, until the route or runner is closed."""
        self._check_open()
        return self._router.route(client)

    @property
    def now(self) -> datetime:
        """The environment's time, virtual or real."""
        return self._environment.clock.now()

    def register_durable_function(
        self,
        name: str,
        handler: Callable[..., Any],
        *,
        execution_timeout: Duration | None = None,
        **settings: Unpack[SettingsOfTarget],
    ) -> None:
        """Register a durable function as a target of ``context.invoke`` (R7.1); each invoke is an execution of its own.

        ``name`` is a function name, ``name:qualifier`` or ARN; ``execution_timeout`` is virtual. ``function_timeout``,
        ``memory_size`` and ``environment`` are as for the runner's own handler.
        """
        self._register(name, handler, settings, durable=True, timeout=execution_timeout)
        self._deployment.durable_functions[name] = handler

    def register_function(self, name: str, handler: Callable[..., Any], **settings: Unpack[SettingsOfTarget]) -> None:
        """Register a plain function ``handler(event, context)`` as a target of ``context.invoke`` (R7.2)."""
        self._register(name, handler, settings, durable=False, timeout=None)
        self._deployment.functions[name] = handler

    def _note_missing(self, name: str, reason: str) -> None:
        """Say why a function is not registered, for the error that comes if the workflow invokes it."""
        self._deployment.missing[name] = reason

    def on_callback(self, name: str, *, optional: bool = False) -> CallbackScript:
        """Script the answers for callbacks of that name; see :class:`durabletest.scripts.CallbackScript`.

        An answer that no callback gets is an error at the end, unless the script is ``optional``.
        """
        self._check_open()
        return self._deployment.scripts.on_callback(name, optional)

    def stub_step(self, name: str, *, optional: bool = False) -> StepStub:
        """Stub the function of the steps of that name or path; see :class:`durabletest.StepStub`.

        It holds for all executions of this runner, those of durable functions that they invoke included. A stub that
        is never used is an error at the end, unless it is ``optional``.
        """
        self._check_open()
        if not sdk.can_stub_steps():
            raise NotAvailableError(
                f"stub_step({name!r}): version {sdk.require()} of the AWS SDK has no place, known to durabletest, "
                "where a step's function could be replaced; use unittest.mock.patch on the function itself"
            )
        return self._deployment.stubs.stub_step(name, optional)

    def stub_invoke(self, name: str, *, optional: bool = False) -> InvokeStub:
        """Stub a target of ``context.invoke``, registered or not; see :class:`durabletest.InvokeStub`.

        ``name`` is the function's name, ``name:qualifier`` or ARN; a bare name stands for each of its versions. A stub
        that is never used is an error at the end, unless it is ``optional``.
        """
        self._check_open()
        stub = self._deployment.stubs.stub_invoke(name, optional)
        self._decide_invokes()
        return stub

    def stub_checkpoints(self, *, optional: bool = False) -> CheckpointStub:
        """Have checkpoints of this runner's executions refused for a while; see :class:`durabletest.CheckpointStub`.

        A stub by which no checkpoint is refused is an error at the end, unless it is ``optional``.
        """
        self._check_open()
        return self._deployment.stubs.stub_checkpoints(optional)

    def unused(self) -> str | None:
        self._check_open()
        stubs, scripts = self._deployment.stubs, self._deployment.scripts
        if not (stubs.all() or scripts.scripts):
            return None
        arns = self._environment.server.call(CheckpointServer.executions_of, self._deployment.number)
        histories = {arn: LocalExecution(arn, self._session).history() for arn in arns}
        complaints = (unused(stubs, list(histories.values())), unanswered(scripts, histories))
        return "\n\n".join(filter(None, complaints)) or None

    def _register(
        self,
        name: str,
        handler: Callable[..., Any],
        given: SettingsOfTarget,
        *,
        durable: bool,
        timeout: Duration | None,
    ) -> None:
        self._check_open()
        value_checks.check_name(name, "the name of a function")
        value_checks.check_function(handler, f"the function registered as {name!r}")
        if not durable and sdk.is_decorated(handler):
            raise ConfigurationError(
                f"the function registered as {name!r} is decorated with @durable_execution: give it as a durable one, "
                "by durable_functions = {...}, register_durable_function(...) or DurableConfig in its template"
            )
        value_checks.check_execution_timeout(timeout, "execution_timeout")
        self._deployment.settings_of[name] = FunctionSettings(**given)
        deployment, seconds = self._deployment.number, timeout_seconds(timeout)
        self._environment.server.call(CheckpointServer.register, deployment, name, durable, seconds)
        self._environment.tell_of_references(handler)
