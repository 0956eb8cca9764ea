"""The one environment that a process can have at a time: it begins with a set-up or a runner, and ends with it."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections import deque
from collections.abc import Mapping
from threading import Condition, Lock, current_thread
from typing import Any

from durabletest.errors import ConfigurationError, EnvironmentAlreadySetUpError, EnvironmentNotSetUpError
from durabletest.local.deployment import Deployment, Origin
from durabletest.local.environment import EnvironmentSettings, LocalEnvironment
from durabletest.local.handler_threads import invoker_thread_of, unmark
from durabletest.local.invoker_thread import forget_pools

WAIT_SECONDS = 60.0
"""Real seconds that a thread waits for the end of another thread's environment in which nothing happens."""


class RunnerSession:
    """A runner's use of an environment, from its opening to its end.

    The runner holds it, and so do the handles on its executions. A session that is garbage collected without having
    been closed is closed then, with a ``ResourceWarning``.
    """

    def __init__(self, environment: LocalEnvironment, deployment: Deployment) -> None:
        self.environment = environment
        self.deployment = deployment
        self.closed = False

    def use(self, purpose: str = "") -> Any:
        """The deployment's lease; who holds this method keeps the session, as clients do that outlive their runner."""
        return self.deployment.lease.use(purpose)

    def __del__(self) -> None:
        if not self.closed and not self.deployment.lease.inherited and not sys.is_finalizing():
            process_environment.dropped(self.environment, self.deployment)


class ProcessEnvironment:
    """Makes and ends environments, one at a time, under one lock.

    Runners of all threads join the current environment, and share its time. A thread that wants to set one up waits
    until that of another thread has ended.
    """

    def __init__(self) -> None:
        self._changed = Condition(Lock())
        self._current: LocalEnvironment | None = None
        self._set_up_by: Origin | None = None
        self._dropped: deque[tuple[LocalEnvironment, Deployment]] = deque()
        self._collecting = False
        gc.callbacks.append(self._collect)

    # --- set-up ---

    def set_up(self, settings: EnvironmentSettings) -> None:
        """Make an environment that lasts until ``tear_down``; while another thread has one, wait for its end."""
        self._refuse_handlers("setup_test_environment()")
        with self._changed:
            self._close_dropped()
            while self._current is not None:
                self._refuse_in_vain()
                if not self._changed.wait(WAIT_SECONDS) and self._current is not None:
                    raise EnvironmentAlreadySetUpError(self._not_in_time())
            self._begin(settings)
            self._set_up_by = Origin()

    def tear_down(self) -> None:
        self._refuse_handlers("teardown_test_environment()")
        with self._changed:
            self._close_dropped()
            if self._set_up_by is None:
                raise EnvironmentNotSetUpError(
                    "teardown_test_environment without setup_test_environment: nothing is set up"
                )
            self._set_up_by = None
            self._end()

    def _refuse_in_vain(self) -> None:
        """Raise if only the calling thread, or one that has ended, could end the current environment."""
        if self._set_up_by is not None:
            if self._set_up_by.is_done:
                raise EnvironmentAlreadySetUpError(
                    "setup_test_environment was called twice: call teardown_test_environment in between, or leave one "
                    "out"
                )
        elif any(deployment.origin.is_done for deployment in self._runners()):
            raise EnvironmentAlreadySetUpError(
                "a runner is open that made an environment of its own: close it first, or set up before it is made. "
                f"It is {self._holders()}: use it in a with block, or call its close()"
            )

    def _not_in_time(self) -> str:
        owner = self._set_up_by
        holder = self._holders() if owner is None else f"the environment that was set up {owner}"
        return (
            f"time is shared by all threads of a process, and for {WAIT_SECONDS:g} seconds nothing has happened in "
            f"{holder}: run what needs an environment of its own one after the other, or in processes"
        )

    # --- runners ---

    def open_runner(self, settings: EnvironmentSettings | None, deployment: Deployment) -> RunnerSession:
        """Open a runner in the current environment, or in a new one that ends with its last runner."""
        self._refuse_handlers("LocalDurableTestRunner()")
        with self._changed:
            self._close_dropped()
            environment = self._current or self._begin(settings or EnvironmentSettings())
            if settings is not None and settings != environment.settings:
                open_now = f". Open: {self._holders()}" if self._runners() else ""
                theirs = environment.settings
                raise ConfigurationError(
                    f"a runner with {settings.unlike(theirs)} cannot join the environment with "
                    f"{theirs.unlike(settings)}: time is shared by all runners of a process; give them the same "
                    f"settings, or close the others first{open_now}"
                )
            try:
                environment.open_runner(deployment)
            finally:
                self._end_if_unused()
            self._progress()
            return RunnerSession(environment, deployment)

    def reset(self, session: RunnerSession) -> None:
        """Give up the runner's executions; raises if the runner is closed, and in a forked child."""
        with session.use():
            pass
        self._refuse_handlers("reset()")
        with self._changed:
            session.environment.reset_runner(session.deployment)
            self._progress()

    def close(self, session: RunnerSession) -> None:
        """Close the runner; does nothing the second time, and in a forked child."""
        if session.closed or session.deployment.lease.inherited:
            return
        self._refuse_handlers("close()")
        session.closed = True
        with self._changed:
            self._close(session.environment, session.deployment)
            self._progress()

    def _close(self, environment: LocalEnvironment, deployment: Deployment) -> None:
        try:
            environment.close_runner(deployment)
        finally:
            self._end_if_unused()

    # --- runners that were not closed ---

    def dropped(self, environment: LocalEnvironment, deployment: Deployment) -> None:
        """Close a runner that was garbage collected: now, or with the next call where that might be a deadlock.

        The garbage collector calls this from any place in any thread, with any lock held.
        """
        self._dropped.append((environment, deployment))
        ours = invoker_thread_of(current_thread()) is not None or environment.server.is_mine
        if not self._collecting and not ours and self._changed.acquire(blocking=False):
            try:
                self._close_dropped()
                self._progress()
            finally:
                self._changed.release()
        warnings.warn(f"{deployment} was not closed: use it in a with block, or call its close()", ResourceWarning, 3)

    def _close_dropped(self) -> None:
        while self._dropped:
            self._close(*self._dropped.popleft())

    def _collect(self, phase: str, _details: Mapping[str, Any]) -> None:
        self._collecting = phase == "start"

    # --- begin and end ---

    def _begin(self, settings: EnvironmentSettings) -> LocalEnvironment:
        environment = LocalEnvironment(settings)
        environment.start()
        self._current = environment
        return environment

    def _end_if_unused(self) -> None:
        if self._current is not None and self._set_up_by is None and not self._current.open_runners:
            self._end()

    def _end(self) -> None:
        environment, self._current = self._current, None
        self._changed.notify_all()
        if environment is not None:
            environment.stop()

    def _progress(self) -> None:
        """Something happens in an environment that was set up: threads that wait for its end go on waiting.

        They do not for runners without a set-up, as those of several threads may overlap for ever.
        """
        if self._set_up_by is not None:
            self._changed.notify_all()

    def _refuse_handlers(self, call: str) -> None:
        current = self._current
        if current is not None:
            current.orchestrator.refuse_handlers(call)

    def _runners(self) -> list[Deployment]:
        return [] if self._current is None else self._current.open_runners

    def _holders(self) -> str:
        return "; ".join(map(str, self._runners()))

    # --- processes ---

    def forget_parent(self) -> None:
        """In a forked child: take the patches back, and forget the parent's environment, whose threads are not here."""
        environment, self._current, self._set_up_by = self._current, None, None
        self._changed = Condition(Lock())
        self._dropped.clear()
        forget_pools()
        unmark(current_thread())
        if environment is not None:
            environment.forsake()


process_environment = ProcessEnvironment()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=process_environment.forget_parent)
