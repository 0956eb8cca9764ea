"""The watchdog: gives up handlers that make no progress, and waits for runs that nothing can move any more."""

from __future__ import annotations

from collections.abc import Callable

from durabletest.errors import DurableTestError, HandlerStuckError
from durabletest.local.call_queue import GRACE_SECONDS, CallQueue, RunningCall
from durabletest.local.deployment import Deployments
from durabletest.local.handler_threads import stacks_of
from durabletest.local.run_errors import Failures, stuck_handler
from durabletest.local.virtual_sleep import Sleepers
from durabletest.local.waiters import Waiters


class Watchdog:
    """Measures, in real seconds, how long nothing has happened; belongs to the orchestrator's thread.

    ``abort`` ends the run of a call with an error, if the call still runs.
    """

    def __init__(
        self,
        calls: CallQueue,
        sleepers: Sleepers,
        waiters: Waiters,
        deployments: Deployments,
        failures: Failures,
        abort: Callable[[RunningCall, DurableTestError], None],
    ) -> None:
        self._calls = calls
        self._sleepers = sleepers
        self._waiters = waiters
        self._deployments = deployments
        self._failures = failures
        self._abort = abort

    def seconds_left(self) -> float | None:
        """Real seconds until the next ``check`` is due; None while nothing has to happen."""
        return max(0.0, self._limit() - self._calls.idle_seconds()) if self._may_be_stuck() else None

    def check(self) -> None:
        """Give up what has been idle for too long."""
        if not self._may_be_stuck() or self._calls.idle_seconds() < self._limit():
            return
        running = self._calls.running
        if running is None:
            self._waiters.give_up(self._failures.stuck)
        elif running.crashed is not None:
            self._calls.leave_behind()
        else:
            stacks = stacks_of(self._calls.invoker.threads)
            self._abort(running, HandlerStuckError(stuck_handler(running.call, running.deployment, stacks)))

    def _may_be_stuck(self) -> bool:
        """Whether something should happen: a thread waits, or a call runs that does not sleep in virtual time."""
        return bool(self._waiters) or not (self._calls.idle or self._sleepers.all_asleep)

    def _limit(self) -> float:
        """The real seconds that may pass without progress."""
        running = self._calls.running
        if running is None:
            return self._deployments.shortest_watchdog()
        watchdog = running.deployment.watchdog
        return watchdog if running.crashed is None else min(GRACE_SECONDS, watchdog)
