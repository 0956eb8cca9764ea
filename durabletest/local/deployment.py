"""The deployment of a runner: its handler, its functions and their settings, its scripts and stubs."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock, current_thread
from traceback import walk_stack
from types import MappingProxyType
from typing import Any, TypedDict, TypeVar

from durabletest import sdk
from durabletest.errors import RunnerClosedError
from durabletest.local.faults import FaultInjector
from durabletest.local.handler_threads import is_authored
from durabletest.local.schedules import Schedule
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import FunctionSpec, split_name
from durabletest.local.server.quotas import Quotas
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.model.times import Duration, duration
from durabletest.scripts import ScriptRegistry
from durabletest.sdk_operations import AskedNotes
from durabletest.stub_registry import StubRegistry
from durabletest.value_checks import (
    DEFAULT_MEMORY_SIZE,
    MAX_FUNCTION_TIMEOUT,
    check_environment,
    check_function_timeout,
    check_memory_size,
)


class SettingsOfTarget(TypedDict, total=False):
    """The settings that the target of a chained invoke can be given."""

    function_timeout: Duration
    memory_size: int
    environment: Mapping[str, str]


class FunctionSettings:
    """The timeout of one invocation, the memory in MB, and the environment variables while the function runs.

    The environment is the whole process's. So what a test sets itself wins: a variable that has changed since these
    settings were made is left alone. Raises :class:`ConfigurationError` for values that Lambda does not take.
    """

    def __init__(
        self,
        function_timeout: Duration = MAX_FUNCTION_TIMEOUT,
        memory_size: int = DEFAULT_MEMORY_SIZE,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        check_function_timeout(function_timeout, "function_timeout")
        check_memory_size(memory_size, "memory_size")
        check_environment(environment, "environment")
        self.timeout = duration(function_timeout, "")
        self.memory_size = memory_size
        self._environment = dict(environment)
        self._before = {name: os.environ.get(name) for name in self._environment}
        self._replaced: dict[str, str | None] = {}

    def __enter__(self) -> None:
        for name, value in self._environment.items():
            if os.environ.get(name) == self._before[name]:
                self._replaced[name] = self._before[name]
                os.environ[name] = value

    def __exit__(self, *_: object) -> None:
        while self._replaced:
            name, value = self._replaced.popitem()
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


FaultsT = TypeVar("FaultsT", bound=FaultInjector)


class Lease:
    """The right of handles, clients and waits to use a runner's executions, until these are forgotten.

    A request that is sent ``with lease.use()`` is in the inbox of its receiver before the lease can end, so that it
    never reaches a later execution of the same name: the executions of the next test have the ARNs of this one. The
    block must not wait for handlers, which may use the lease, too. In a forked child the parent's leases have ended.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        self.process = os.getpid()
        self.refusal: Callable[[str], Exception] | None = None

    def use(self, purpose: str = "") -> AbstractContextManager[object]:
        """Keep the lease from ending during the block; entering it raises the refusal if it has ended."""
        return _Use(self, purpose)

    def end(self, refusal: Callable[[str], Exception]) -> None:
        """Have every later use raise a new exception, ``refusal(purpose)``; the first end counts."""
        with self.lock:
            self.refusal = self.refusal or refusal

    @property
    def inherited(self) -> bool:
        """Whether this is another process than the one in which the lease began."""
        return os.getpid() != self.process


class _Use:
    """One use of a lease: a class, which costs a third of what a generator does, at each request."""

    __slots__ = ("_lease", "_purpose")

    def __init__(self, lease: Lease, purpose: str) -> None:
        self._lease = lease
        self._purpose = purpose

    def __enter__(self) -> None:
        lease = self._lease
        if lease.inherited:
            raise RunnerClosedError(
                f"this runner was made in process {lease.process}, of which this process ({os.getpid()}) is a forked "
                "child: the threads that run executions are not in it; make a new runner here"
            )
        lease.lock.acquire()
        if lease.refusal is not None:
            lease.lock.release()
            raise lease.refusal(self._purpose)

    def __exit__(self, *_: object) -> None:
        self._lease.lock.release()


class Origin:
    """Where something was made, for messages: the thread, and the innermost line of the author's code on its stack.

    There is no line if no code of the author's is on the stack.
    """

    def __init__(self) -> None:
        self.thread = current_thread()
        lines = ((frame.f_code.co_filename, number) for frame, number in walk_stack(sys._getframe(1)))
        self._line = next((line for line in lines if is_authored(line[0])), None)

    @property
    def is_done(self) -> bool:
        """Whether waiting for the thread is useless: it is the current one, or has ended."""
        return self.thread is current_thread() or not self.thread.is_alive()

    def __str__(self) -> str:
        if self._line is None:
            return f"in thread {self.thread.name!r}"
        file, number = Path(self._line[0]), self._line[1]
        shown = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
        return f"at {shown}:{number} in thread {self.thread.name!r}"


_DEFAULT_WATCHDOG = 30.0
"""Real seconds, while no runner is open."""


@dataclass(slots=True, eq=False)
class Deployment:
    """The functions of one runner, and how their executions run.

    ``number`` is set when the runner is opened, and identifies the deployment to the server. ``watchdog`` is in real
    seconds. ``own`` is the function of the runner's handler, ``settings`` are those of the handler, and ``page_size``
    is the number of operations in a page of the state of executions that ``invoke`` starts. With ``skip_sleep``,
    ``time.sleep`` in handler code passes in virtual time. ``schedule`` decides the order in which threads go on; None
    is the default order. The ``lease`` on the executions ends with the next reset, or with the runner.
    ``durable_functions`` and ``functions`` are the targets of chained invokes by their names, ``settings_of`` has the
    settings of those that were given some, and ``missing`` says why a function is not among them; ``faults`` is told
    of every checkpoint and step. ``quotas`` hold for each execution. With ``cold``, each invocation has freshly
    imported modules. ``notes`` are kept if the executions are reported when they end.
    """

    number: int = field(init=False)
    handler: Callable[..., Any]
    watchdog: float
    origin: Origin
    own: FunctionSpec
    page_size: int | None
    quotas: Quotas
    skip_sleep: bool = False
    schedule: Schedule | None = None
    settings: FunctionSettings = field(default_factory=FunctionSettings)
    lease: Lease = field(default_factory=Lease)
    durable_functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)
    settings_of: dict[str, FunctionSettings] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    scripts: ScriptRegistry = field(default_factory=ScriptRegistry)
    stubs: StubRegistry = field(default_factory=StubRegistry)
    faults: FaultInjector | None = None
    cold: bool = False
    notes: AskedNotes | None = None

    @contextmanager
    def set_aside(self) -> Iterator[None]:
        """In the block there are no scripts and stubs, and what is registered is forgotten at its end."""
        before = self.scripts, self.stubs
        functions = dict(self.durable_functions), dict(self.functions), dict(self.settings_of)
        self.scripts, self.stubs = ScriptRegistry(), StubRegistry()
        try:
            yield
        finally:
            self.scripts, self.stubs = before
            self.durable_functions, self.functions, self.settings_of = functions

    @contextmanager
    def intercepted(self, faults: FaultsT) -> Iterator[FaultsT]:
        """In the block, ``faults`` are told of every checkpoint and step."""
        before, self.faults = self.faults, faults
        try:
            yield faults
        finally:
            self.faults = before

    def __str__(self) -> str:
        return f"the runner for {name_of(self.handler)}, made {self.origin}"


class Deployments:
    """The deployments of an environment by their numbers."""

    def __init__(self, server: CheckpointWorkerManager) -> None:
        self._server = server
        self._by_number: dict[int, Deployment] = {}

    def add(self, deployment: Deployment) -> None:
        self._by_number[deployment.number] = deployment

    def remove(self, deployment: Deployment) -> None:
        self._by_number.pop(deployment.number, None)

    def of(self, arn: str) -> Deployment | None:
        """The deployment that the execution, or the one that invoked it, belongs to; None after a reset or close."""
        number = self._server.call(CheckpointServer.deployment_of, arn)
        return None if number is None else self._by_number.get(number)

    def shortest_watchdog(self) -> float:
        """The shortest watchdog of all open runners, in seconds."""
        return min((deployment.watchdog for deployment in self._by_number.values()), default=_DEFAULT_WATCHDOG)


def name_of(handler: object) -> str:
    name = getattr(sdk.decorated(handler), "__qualname__", None)
    if name is not None:
        return str(name)
    inner = getattr(handler, "func", None)
    return name_of(inner) if inner is not None else type(handler).__qualname__


def workflow_name(handler: object, function_name: str | None) -> str:
    """The name of a workflow in reports: that of its function, or else that of its handler, with its module."""
    return f"{module_of(handler)}.{name_of(handler)}" if function_name is None else split_name(function_name)[0]


def module_of(handler: object) -> str:
    while isinstance(handler, functools.partial):
        handler = handler.func
    return str(sdk.decorated(handler).__module__)
