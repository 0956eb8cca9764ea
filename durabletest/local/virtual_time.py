"""When virtual time moves, and to which instant."""

from __future__ import annotations

from durabletest.local.run_errors import RunErrors
from durabletest.local.timers import Scheduler, VirtualClock
from durabletest.local.virtual_sleep import Sleepers
from durabletest.local.waiting import Waiters


class VirtualTime:
    """Moves virtual time when nothing runs and a thread waits, to the earliest instant at which something is due.

    The orchestrator asks for it once nothing is left to do. ``service_timeouts`` end executions without a timeout of
    their own: time stops at one on its way to a later timer, but never moves for its sake.
    """

    def __init__(
        self,
        clock: VirtualClock,
        scheduler: Scheduler,
        service_timeouts: Scheduler,
        waiters: Waiters,
        sleepers: Sleepers,
        run_errors: RunErrors,
    ) -> None:
        self._clock = clock
        self._scheduler = scheduler
        self._service_timeouts = service_timeouts
        self._waiters = waiters
        self._sleepers = sleepers
        self._run_errors = run_errors

    def move_if_awaited(self) -> bool:
        """Move if a thread waits and no thread of a running invocation goes on; tell whether time has moved."""
        if not self._waiters.time_may_move:
            return False
        if self._sleepers.all_asleep:
            with self._sleepers.held() as held:
                return held and self.move()
        return self.move()

    def move(self) -> bool:
        """Move to the next instant at which something is due or awaited; tell whether there was one.

        If there is none, and no thread is left that could answer a callback, what is waited for is stuck.
        """
        goal, due, timeout = self._waiters.next_goal(), self._scheduler.next_due(), self._service_timeouts.next_due()
        destination = min((instant for instant in (goal, due) if instant is not None), default=None)
        if timeout is not None and destination is not None and timeout < destination:
            return self._service_timeouts.run_due()
        if goal is not None and (due is None or goal < due):
            self._clock.move_to(max(goal, self._clock.now()))
            self._waiters.reach(self._clock.now())
            return True
        if due is None:
            if self._waiters.all_blocked:
                self._waiters.give_up(self._run_errors.stuck)
            return False
        return self._scheduler.run_due()
