"""One test environment: a clock, a server and an orchestrator, which all open runners share."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import partial
from threading import current_thread
from typing import Any, NoReturn, Self

from durabletest import sdk, sdk_threads, value_checks
from durabletest.errors import RunnerClosedError
from durabletest.local import clock_drivers, clock_references
from durabletest.local.client import LocalLambdaClient
from durabletest.local.deployment import Deployment, Lease, module_of, name_of
from durabletest.local.foreign_clocks import ClockDriver
from durabletest.local.handler_threads import HandlerThreads, invoker_thread_of
from durabletest.local.invocations import HandlerInvocation
from durabletest.local.orchestrator import TestExecutionOrchestrator
from durabletest.local.primitives import Primitives
from durabletest.local.process_exit import ExitGuard
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.worker import CheckpointWorkerManager, RequestInstant
from durabletest.local.stubbing import step_replacement
from durabletest.local.timers import (
    DEFAULT_START,
    Clock,
    QueueScheduler,
    RealClock,
    Scheduler,
    TimerScheduler,
    VirtualClock,
    monotonic,
)
from durabletest.local.virtual_sleep import VirtualSleep
from durabletest.model.history import execution_title
from durabletest.model.times import plain
from durabletest.patches import PatchGroup
from durabletest.sdk_operations import OperationListener, OperationPatches
from durabletest.serialisers import SerialiserHooks
from durabletest.value_checks import FREEZEGUN, MAX_FUNCTION_TIMEOUT


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    """How an environment is set up.

    ``checkpoint_delay`` is in real seconds; virtual time begins at ``start_time``; ``clock`` names the tool that
    shows it to code.
    """

    skip_time: bool = True
    checkpoint_delay: float = 0.0
    start_time: datetime = DEFAULT_START
    clock: str = field(default_factory=clock_drivers.chosen)

    @classmethod
    def checked(
        cls, skip_time: bool, start_time: datetime | None, clock: str | None, checkpoint_delay: float = 0.0
    ) -> Self:
        """These settings; raises :class:`ConfigurationError` for values that are none."""
        value_checks.check_flag(skip_time, "skip_time")
        value_checks.optional(value_checks.check_clock)(clock, "clock")
        if start_time is not None:
            value_checks.check_start_time(start_time, "start_time")
        return cls(skip_time, checkpoint_delay, start_time or DEFAULT_START, clock_drivers.chosen(clock))

    @classmethod
    def wanted(cls, skip_time: bool | None, start_time: datetime | None, clock: str | None) -> Self | None:
        """The settings for a runner that was given these; None if it was given none, and any environment will do."""
        if (skip_time, start_time, clock) == (None, None, None):
            return None
        return cls.checked(True if skip_time is None else skip_time, start_time, clock)

    def unlike(self, other: Self) -> str:
        """The settings that are not the same as those of another environment: ``clock='time-machine'``."""
        names = [one.name for one in fields(self) if getattr(self, one.name) != getattr(other, one.name)]
        return ", ".join(f"{name}={plain(getattr(self, name))!r}" for name in names)


class LocalEnvironment:
    """Owns the threads, the clock and all patches; a process has one at a time, as it has one clock."""

    def __init__(self, settings: EnvironmentSettings) -> None:
        sdk.require()
        self.settings = settings
        self.clock: Clock
        self.check_clock: Callable[[], None] = lambda: None
        """Raises :class:`ForeignClockError` if another tool holds the clock."""
        scheduler: Scheduler
        self._driver: ClockDriver | None = None
        if settings.skip_time:
            self._virtual = self.clock = VirtualClock(settings.start_time)
            scheduler = QueueScheduler(self._virtual)
            self._driver = clock_drivers.driver(
                settings.clock,
                lambda: self.orchestrator.calls.invoker.end_if_abandoned(),  # noqa: PLW0108 - made later
            )
            self.check_clock = self._driver.check
        else:
            self.clock = RealClock()
            scheduler = TimerScheduler(self.clock)
        instant = RequestInstant(self.clock.now)
        self.server = CheckpointWorkerManager(
            lambda: CheckpointServer(instant.now, self.orchestrator.announcement_handlers),
            before_request=instant.arrive,
            monotonic=monotonic,
        )
        self.client = LocalLambdaClient(self.server, settings.checkpoint_delay)
        self.can_take_turns = take_turns = settings.skip_time and sdk_threads.can_take_turns() and sdk.can_wake_up()
        self.orchestrator = TestExecutionOrchestrator(self.server, self.client, scheduler, self.clock, take_turns)
        self.crash = self.orchestrator.calls.crash
        self._hooks = sdk.Hooks(self.crash, self._step_replacement)
        self._parts: tuple[PatchGroup, ...] = (
            HandlerThreads(),
            self.orchestrator.calls.logs,
            SerialiserHooks(self.orchestrator.values),
            self._hooks,
            OperationPatches(self._listeners),
            sdk.ClientHook(self._client_here),
            *((sdk_threads.ThreadPatches(Primitives()),) if take_turns else ()),
            ExitGuard(self.orchestrator.calls.crash),
        )
        self._sleep = VirtualSleep(self._sleep_virtually, self._sleeps_virtually, self._seconds_passed)
        self._numbers = itertools.count(1)
        self._open_runners: dict[int, Deployment] = {}
        self._undo_patches = ExitStack()
        self._threads = ExitStack()

    def start(self) -> None:
        """Freeze time, patch the SDK, start the threads; if a part fails, those before it are undone."""
        with ExitStack() as patches, ExitStack() as threads:
            if self._driver is not None:
                self._driver.start(self.settings.start_time)
                patches.callback(self._driver.stop)
                self._virtual.followers.append(self._driver.move_to)
            for part in self._parts:
                part.install()
                patches.callback(part.remove)
            patches.callback(self.orchestrator.calls.put_variables_back)  # if threads of ours have died
            self.server.start(self.orchestrator)
            threads.callback(self.server.stop)
            threads.callback(self.orchestrator.stop)
            self._undo_patches, self._threads = patches.pop_all(), threads.pop_all()

    def stop(self) -> None:
        """Undo ``start``, in the reverse order; a part that fails does not keep the others from being undone.

        Every later use of a runner that is still open raises :class:`RunnerClosedError`.
        """
        for deployment in self._open_runners.values():
            deployment.lease.end(partial(_torn_down, deployment))
        with self._undo_patches, self._threads:
            pass

    def forsake(self) -> None:
        """Undo the patches only, in a forked child: the threads are the parent's."""
        self._undo_patches.close()

    def open_runner(self, deployment: Deployment) -> None:
        """Open a runner, whose deployment gets a new number; for the only one, time and ids begin again."""
        deployment.number = next(self._numbers)
        start = None if self._open_runners else self.settings.start_time
        if deployment.skip_sleep and self.settings.skip_time and not self._sleep.installed:
            self._sleep.install()
            self._undo_patches.callback(self._sleep.remove)
        self.orchestrator.open(deployment, start)
        self._open_runners[deployment.number] = deployment

    def reset_runner(self, deployment: Deployment) -> None:
        """Forget the runner's executions; if it is the only one, time and ids begin again."""
        deployment.lease.end(partial(_over, deployment, "the runner was reset"))
        self.orchestrator.forget(deployment, partial(_in_vain, "reset"))
        if [*self._open_runners] == [deployment.number]:
            self.orchestrator.restart(self.settings.start_time)
        deployment.lease = Lease()

    def close_runner(self, deployment: Deployment) -> None:
        deployment.lease.end(partial(_over, deployment, "the runner was closed"))
        if self._open_runners.pop(deployment.number, None) is not None:
            last = self.settings.skip_time and not self._open_runners
            self.orchestrator.close(deployment, partial(_in_vain, "closed"), last)

    @property
    def open_runners(self) -> list[Deployment]:
        return list(self._open_runners.values())

    def tell_of_references(self, function: Callable[..., Any]) -> None:
        """Warn if the modules of that function hold the real clock where the virtual one does not reach."""
        if self.settings.skip_time and self.settings.clock == FREEZEGUN:
            module = module_of(function)
            clock_references.tell(clock_references.search([module], {module.partition(".")[0]}))

    def _seconds_passed(self) -> float:
        return (self.clock.now() - self.settings.start_time).total_seconds()

    def _sleeps_virtually(self) -> bool:
        running = self.orchestrator.calls.current()
        return running is not None and running.deployment.skip_sleep

    def _sleep_virtually(self, seconds: float) -> None:
        """Sleep after the checkpoints that are about to be sent, so that the history has their order."""
        self._hooks.flush()
        self.orchestrator.sleepers.sleep(seconds)

    def _time_out(self) -> NoReturn:
        """The function times out in the step that calls this; its thread ends when its invocation has been given up."""
        self._sleep_virtually(2 * MAX_FUNCTION_TIMEOUT.total_seconds())
        raise SystemExit

    def _client_here(self) -> object | None:
        """The client for ``@durable_execution`` in the calling thread; None if it runs no handler code.

        A thread of a call that was given up ends here, as it must get neither a client of ours nor a real one.
        """
        running = self.orchestrator.calls.current()
        if running is not None:
            return running.call.event.enter() if isinstance(running.call, HandlerInvocation) else None
        if invoker_thread_of(current_thread()) is not None:
            raise SystemExit
        return None

    def _listeners(self) -> Sequence[OperationListener]:
        running = self.orchestrator.calls.running
        if running is None:
            return ()
        faults, notes = running.deployment.faults, running.deployment.notes
        return [listener for listener in (notes, faults) if isinstance(listener, OperationListener)]

    def _step_replacement(self, arn: str) -> sdk.Replace | None:
        running = self.orchestrator.calls.running
        if running is None or running.call.arn != arn:
            return None
        return step_replacement(running.deployment.stubs, running.deployment.faults, arn, self._time_out)


def _over(deployment: Deployment, event: str, _purpose: str) -> RunnerClosedError:
    return RunnerClosedError(
        f"{event} ({name_of(deployment.handler)}): its executions are over, and so are the handles on them and its "
        "clients. Keep what execute(), run() or result() has returned, which can be read at any time, and start a new "
        "execution for anything else"
    )


def _in_vain(event: str, arn: str) -> RunnerClosedError:
    awaited = execution_title(arn) if arn else "virtual time"
    return RunnerClosedError(
        f"the runner was {event} while a thread still waited for {awaited}: have the thread end before the test does, "
        "for example by joining it"
    )


def _torn_down(deployment: Deployment, _purpose: str) -> RunnerClosedError:
    return RunnerClosedError(
        f"the test environment ended (teardown_test_environment, or the end of a test class) while {deployment} was "
        "open: close each runner before, and let threads that make runners of their own end before"
    )
