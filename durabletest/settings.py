"""The settings of a test, which a test case class has as attributes and a ``DurableTest`` as arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypedDict

from durabletest.cloud.runner import DEFAULT_TIMEOUT
from durabletest.configuration import OF_RUNNERS, NoFunctions, own_attributes, validate
from durabletest.errors import ConfigurationError
from durabletest.local.deployment import FunctionSettings, SettingsOfTarget, workflow_name
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.local.server.identifiers import split_name
from durabletest.local.server.quotas import INVOCATION_ATTEMPTS
from durabletest.local.timers import DEFAULT_START
from durabletest.model.times import Duration
from durabletest.template.functions import TemplateFunction
from durabletest.template.handlers import import_handler
from durabletest.template.selection import function_of
from durabletest.value_checks import DEFAULT_MEMORY_SIZE, DEFAULT_RETENTION_DAYS, EVENT, FREEZEGUN, MAX_FUNCTION_TIMEOUT


class DurableSettings:
    """The settings, with their defaults."""

    handler: Callable[..., Any] | None = None
    """The function decorated with ``@durable_execution``."""
    durable_functions: Mapping[str, Callable[..., Any]] = NoFunctions("durable_functions")
    """Targets of ``context.invoke`` that are durable functions themselves, by name."""
    functions: Mapping[str, Callable[..., Any]] = NoFunctions("functions")
    """Targets of ``context.invoke`` that are plain functions ``(event, context)``, by name."""
    template: str | os.PathLike[str] | None = None
    """The template with which the function is deployed, of SAM, CloudFormation or CDK (``cdk.out``). It says what the
    other settings do not; ``DURABLETEST_TEMPLATE`` wins."""
    template_function: str | None = None
    """The function's logical id in the template, if that has several durable ones."""
    function_name: str | None = None
    """The function's name; in the cloud a qualified one, ``orders:prod``."""
    mode: str = "local"
    """``"local"`` or ``"cloud"``; the environment variable ``DURABLETEST_MODE`` wins."""
    skip_time: bool = True
    """Whether time is virtual; with False waits take real time."""
    skip_sleep: bool = False
    """Whether ``time.sleep`` in handler code takes virtual time, too; with False it takes real time."""
    start_time: datetime = DEFAULT_START
    """The start of virtual time, which is fixed so that histories are reproducible."""
    clock: str = FREEZEGUN
    """The tool that shows virtual time to code: ``"freezegun"`` or ``"time-machine"``; ``DURABLETEST_CLOCK`` wins."""
    execution_timeout: Duration | None = None
    """The execution's timeout in virtual time; None is the longest that the service allows.

    That is 366 days, or 15 minutes with ``invocation_type = "RequestResponse"``. It ends executions that go on, but
    time does not move to it for a callback that nobody answers."""
    function_timeout: Duration = MAX_FUNCTION_TIMEOUT
    """The timeout of one invocation of the function, in virtual time; Lambda's own default is 3 seconds."""
    invocation_attempts: int = INVOCATION_ATTEMPTS
    """How often an invocation is tried that fails each time, before its execution fails."""
    invocation_type: str = EVENT
    """How executions are started: ``"Event"``, or ``"RequestResponse"`` for synchronously, which allows 6 MB of input
    and result instead of 1 MB."""
    operation_limit: int | None = None
    """How many operations an execution may have before it fails; None is the service's quota of 3,000."""
    storage_limit: int | None = None
    """How many bytes an execution may write before it fails; None is the service's quota of 100 MB."""
    retention_days: int = DEFAULT_RETENTION_DAYS
    """Days that an execution is kept after its end, which ``get_durable_execution`` tells."""
    memory_size: int = DEFAULT_MEMORY_SIZE
    """The memory of the function in MB, which is what its context says."""
    environment: Mapping[str, str] = MappingProxyType({})
    """Environment variables that are set while the function runs, and put back after."""
    watchdog: float = 30.0
    """Real seconds without progress before a stuck handler is reported."""
    state_page_size: int | None = None
    """The number of operations in one page of the handler's state; None is as many as the service sends."""

    cloud: str = "skip"
    """Whether a test that needs a local feature is skipped in the cloud, ``"skip"``, or an error, ``"strict"``."""
    cloud_timeout: Duration = DEFAULT_TIMEOUT
    """The time after which an execution in the cloud is stopped."""
    poll_interval: Duration = 1.0
    """Seconds between two polls of an execution in the cloud; ``DURABLETEST_POLL_INTERVAL`` wins."""

    cloud_logs: bool | str = False
    """Whether a failure in the cloud shows the function's log; or the name of its log group, if it is not Lambda's."""

    check_determinism: bool = False
    """Whether each ``execute`` of a test is checked as ``assertDeterministic`` does, at the end of the test."""
    abstract: bool = False
    """Whether the class is only a base: its tests are run in subclasses, not in itself. Not inherited."""


class GivenSettings(TypedDict, total=False):
    """The settings that can be given as arguments."""

    durable_functions: Mapping[str, Callable[..., Any]]
    functions: Mapping[str, Callable[..., Any]]
    template: str | os.PathLike[str] | None
    template_function: str | None
    function_name: str | None
    mode: str
    skip_time: bool
    skip_sleep: bool
    start_time: datetime
    clock: str
    execution_timeout: Duration | None
    function_timeout: Duration
    invocation_attempts: int
    invocation_type: str
    operation_limit: int | None
    storage_limit: int | None
    retention_days: int
    memory_size: int
    environment: Mapping[str, str]
    watchdog: float
    state_page_size: int | None
    cloud: str
    cloud_timeout: Duration
    poll_interval: Duration
    cloud_logs: bool | str


_NAMES = ("handler", *GivenSettings.__annotations__)


def settings_from(given: Mapping[str, Any], what: str, module: str) -> type[DurableSettings]:
    """The settings that are given by name, checked, with the defaults of all others.

    ``what`` they are given to is named in messages, ``module`` is that of the test.
    """
    for name in given:
        if name not in _NAMES:
            close = get_close_matches(name, _NAMES, n=1, cutoff=0.6)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_NAMES)}"
            raise ConfigurationError(f"{what} has no setting {name!r}: {hint}")
    settings = type(what, (DurableSettings,), {**given, "__module__": module})
    validate(settings, settings)
    return settings


def workflow_of(settings: type[DurableSettings]) -> str | None:
    """The name of the workflow under test in reports; None if the settings have no name, no template and no handler."""
    deployed = function_of(settings) if settings.function_name is None else None
    if deployed is not None:
        return deployed.name
    if settings.handler is None and settings.function_name is None:
        return None
    return workflow_name(settings.handler, settings.function_name)


def local_runner(
    settings: type[DurableSettings], deployed: TemplateFunction | None = None, **more: Any
) -> LocalDurableTestRunner:
    """The local runner for a test with these settings, and with those of the function in its template.

    Without such a function the settings have a handler.
    """
    arguments: dict[str, Any] = {name: getattr(settings, name) for name in (*OF_RUNNERS, "function_name")}
    if deployed is None:
        return LocalDurableTestRunner(**arguments, **more)
    environment = deployed.environment(settings.environment)
    arguments |= {"handler": handler_of(settings, deployed), "environment": environment}
    given = dict(own_attributes(settings, DurableSettings))
    arguments |= {name: get(deployed) for name, get in _FROM_TEMPLATES.items() if name not in given}
    runner = LocalDurableTestRunner(**arguments, **more)
    with ExitStack() as undo:
        undo.callback(runner.close)
        _register_targets(runner, settings, deployed)
        undo.pop_all()
    return runner


_FROM_TEMPLATES: Mapping[str, Callable[[TemplateFunction], Any]] = {
    "function_name": lambda function: function.name,
    "execution_timeout": lambda function: function.execution_timeout,
    "retention_days": lambda function: function.retention_days,
    "function_timeout": lambda function: function.timeout,
    "memory_size": lambda function: function.memory_size,
}
"""Settings that a template says, unless the test does."""


def handler_of(settings: type[DurableSettings], deployed: TemplateFunction) -> Callable[..., Any]:
    """The handler of the test, or else that of the template, which is imported with its environment variables."""
    return settings.handler or _imported(deployed, deployed.environment(settings.environment))


def _imported(function: TemplateFunction, environment: Mapping[str, str]) -> Callable[..., Any]:
    with FunctionSettings(environment=environment):
        return import_handler(function)


def _register_targets(
    runner: LocalDurableTestRunner, settings: type[DurableSettings], deployed: TemplateFunction
) -> None:
    """Register the functions that the function may invoke, and note why others are not registered."""
    given = {split_name(name)[0] for name in (*settings.durable_functions, *settings.functions)}
    allowed = deployed.targets()
    for target in deployed.template.functions:
        if target.name in given:
            continue
        if target.logical_id not in allowed:
            runner._note_missing(
                target.name,
                f"the template does not allow {deployed.logical_id} to invoke {target.logical_id}: give it a "
                "LambdaInvokePolicy, or a policy with lambda:InvokeFunction",
            )
            continue
        try:
            _register(runner, settings, target)
        except ConfigurationError as error:
            runner._note_missing(target.name, str(error))


def _register(runner: LocalDurableTestRunner, settings: type[DurableSettings], target: TemplateFunction) -> None:
    names = (target.properties.get("Environment") or {}).get("Variables") or {}
    environment = target.environment({name: text for name, text in settings.environment.items() if name in names})
    own: SettingsOfTarget = {
        "function_timeout": target.timeout,
        "memory_size": target.memory_size,
        "environment": environment,
    }
    handler = _imported(target, environment)
    if target.durable:
        runner.register_durable_function(target.name, handler, execution_timeout=target.execution_timeout, **own)
    else:
        runner.register_function(target.name, handler, **own)
