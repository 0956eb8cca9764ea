"""One test environment: a clock, a server, an orchestrator, shared by the runners that are open."""

from __future__ import annotations

import itertools
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread, current_thread

from durabletest import sdk
from durabletest.errors import ConfigurationError, EnvironmentAlreadySetUpError, EnvironmentNotSetUpError
from durabletest.local import drivers
from durabletest.local.client import LocalLambdaClient
from durabletest.local.clock import DEFAULT_START, Clock, RealClock, VirtualClock
from durabletest.local.crash import ExitGuard
from durabletest.local.drivers import ClockDriver
from durabletest.local.families import FamilyRegister
from durabletest.local.orchestrator import TestExecutionOrchestrator
from durabletest.local.scheduler import QueueScheduler, Scheduler, TimerScheduler
from durabletest.local.scope import RunnerScope
from durabletest.local.server.instant import RequestInstant
from durabletest.local.server.service import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager
from durabletest.local.sleeping import VirtualSleep
from durabletest.local.stubbing import replacing


@dataclass(frozen=True, slots=True)
class Settings:
    """How an environment is set up.

    ``checkpoint_delay`` is in real seconds, ``start_time`` where virtual time begins, ``clock`` the name of the tool
    that shows it to code.
    """

    skip_time: bool = True
    checkpoint_delay: float = 0.0
    start_time: datetime = DEFAULT_START
    clock: str = field(default_factory=drivers.chosen)


class LocalEnvironment:
    """Owns the threads and the clock. There is one at a time in a process, as there is one clock."""

    def __init__(self, settings: Settings) -> None:
        sdk.require()
        self.settings = settings
        self.clock: Clock
        scheduler: Scheduler
        self._frozen: ClockDriver | None = None
        if settings.skip_time:
            self._virtual = self.clock = VirtualClock(settings.start_time)
            scheduler = QueueScheduler(self._virtual)
            self._frozen = drivers.driver(settings.clock, self._look_at_clock)
        else:
            self.clock = RealClock()
            scheduler = TimerScheduler(self.clock)
        self._instant = RequestInstant(self.clock.now)
        self.server = CheckpointWorkerManager(self._make_server, before_request=self._instant.arrive)
        self.client = LocalLambdaClient(self.server, settings.checkpoint_delay)
        self.orchestrator = TestExecutionOrchestrator(self.server, self.client, scheduler, self.clock)
        self._hooks = sdk.Hooks(self.orchestrator.crash, self._replacing)
        self._installed = (
            FamilyRegister(),
            self.orchestrator.logs,
            sdk.SerialiserHooks(),
            self._hooks,
            ExitGuard(self.orchestrator.crash),
        )
        self._sleep = VirtualSleep(self._sleep_virtually, self._sleeps_virtually)
        self._numbers = itertools.count(1)
        self._open_runners: set[int] = set()
        self._undo = ExitStack()

    def start(self) -> None:
        """Freeze time, start the threads, prepare the SDK; what was begun is undone if a later part fails."""
        with ExitStack() as undo:
            if self._frozen is not None:
                self._frozen.start(self.settings.start_time)
                undo.callback(self._frozen.stop)
                self._virtual.followers.append(self._frozen.move_to)
            self.server.start()
            undo.callback(self.server.stop)
            for part in self._installed:
                part.install()
                undo.callback(part.remove)
            self.orchestrator.start()
            undo.callback(self.orchestrator.stop)
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Undo ``start``, in the reverse order; a part that fails does not keep the others from being undone."""
        self._undo.close()

    def open_runner(self, scope: RunnerScope) -> None:
        """A runner begins to use this environment; the only one finds it as new."""
        if not self._open_runners:
            self._restart()
        if scope.skip_sleep and self.settings.skip_time and not self._sleep.installed:
            self._sleep.install()
            self._undo.callback(self._sleep.remove)
        self._open_runners.add(scope.number)
        self.orchestrator.open(scope)

    def reset_runner(self, scope: RunnerScope) -> None:
        """Forget the runner's executions; if it is the only one, time and ids begin anew."""
        self.orchestrator.forget(scope.number)
        if self._open_runners == {scope.number}:
            self._restart()

    def close_runner(self, scope: RunnerScope) -> None:
        """The runner is closed: its executions are given up."""
        self._open_runners.discard(scope.number)
        self.orchestrator.close(scope.number)

    @property
    def in_use(self) -> bool:
        """Whether a runner is open."""
        return bool(self._open_runners)

    def next_scope(self) -> int:
        """A number for a new runner."""
        return next(self._numbers)

    def check_clock(self) -> None:
        """Refuse to run under a clock that another tool holds."""
        if self._frozen is not None:
            self._frozen.check()

    def _restart(self) -> None:
        self.server.call("restart_ids")
        if self._frozen is not None:
            self._virtual.restart(self.settings.start_time)

    def _look_at_clock(self) -> None:
        self.orchestrator.invoker.end_if_abandoned(current_thread())

    def _make_server(self) -> CheckpointServer:
        return CheckpointServer(self._instant.now, self.orchestrator.announce)

    def _sleeps_virtually(self, thread: Thread) -> bool:
        scope = self.orchestrator.scope_of(thread)
        return scope is not None and scope.skip_sleep

    def _sleep_virtually(self, seconds: float) -> None:
        """What was begun before the sleep has begun before it in the history too."""
        self._hooks.flush()
        self.orchestrator.sleepers.sleep(seconds)

    def _replacing(self, arn: str) -> sdk.Replace | None:
        scope = self.orchestrator.running(arn)
        return replacing(scope.stubs, arn) if scope is not None and scope.stubs.steps else None


_current: list[LocalEnvironment] = []
_set_up: list[LocalEnvironment] = []


def set_up(settings: Settings) -> LocalEnvironment:
    """Make the process-wide environment."""
    if _set_up:
        raise EnvironmentAlreadySetUpError(
            "setup_test_environment was called twice: call teardown_test_environment in between, or leave one out"
        )
    if _current:
        raise EnvironmentAlreadySetUpError(
            "a runner is open that made an environment of its own: close it first, or set up before it is made"
        )
    environment = _begin(settings)
    _set_up.append(environment)
    return environment


def tear_down() -> None:
    """Undo ``set_up``."""
    if not _set_up:
        raise EnvironmentNotSetUpError("teardown_test_environment without setup_test_environment: nothing is set up")
    _set_up.clear()
    _end()


def acquire(settings: Settings | None) -> LocalEnvironment:
    """The environment for a new runner: the one that is there, else a new one that ends with its last runner."""
    if not _current:
        return _begin(settings or Settings())
    environment = _current[0]
    if settings is not None and settings != environment.settings:
        raise ConfigurationError(
            f"a runner with {settings} cannot join the environment with {environment.settings}: "
            "time is shared by all runners of a process; give them the same settings, or close the others first"
        )
    return environment


def release(environment: LocalEnvironment) -> None:
    """A runner of this environment has been closed."""
    if _current == [environment] and not _set_up and not environment.in_use:
        _end()


def _begin(settings: Settings) -> LocalEnvironment:
    environment = LocalEnvironment(settings)
    environment.start()
    _current.append(environment)
    return environment


def _end() -> None:
    _current.pop().stop()
