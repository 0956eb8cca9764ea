"""What is to run, and the one job that runs now."""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from threading import RLock, Thread
from typing import TypeAlias

from durabletest.local.calls import Job
from durabletest.local.deployment import RunnerScope
from durabletest.local.invoker import Answered, InvocationTimedOut, Invoker, Raised
from durabletest.local.logs import LogCapture
from durabletest.local.scheduler import Scheduler, TimerScheduler

_monotonic = [time.monotonic]
"""In a list, where a tool that freezes time does not look for it."""
LAST_GASP = 1.0
"""Real seconds that the threads of a crashed invocation have to end by themselves, before they are left behind."""
_DEADLINE = ("deadline", None, "deadline")


@dataclass(slots=True, eq=False)
class Active:
    """The job that runs now, for which runner, and by what its process has ended in the meantime, if it has."""

    job: Job
    scope: RunnerScope
    crashed: BaseException | None = None


Make: TypeAlias = Callable[[], Active | None]
"""Makes a job when its turn has come; None if it is not wanted any more."""
Post: TypeAlias = Callable[[Callable[[], None]], None]
"""Puts a message in the orchestrator's inbox."""


class RunQueue:
    """Jobs run one at a time, in the order in which they came due; belongs to the orchestrator's thread.

    ``post`` brings the end of a job back to that thread; ``failed`` is told of an end that ends the whole run.
    """

    def __init__(
        self, post: Post, failed: Callable[[str, Exception], None], logs: LogCapture, scheduler: Scheduler
    ) -> None:
        self._post = post
        self._failed = failed
        self._scheduler = scheduler
        self._switching = RLock()
        self._due: OrderedDict[tuple[str, Hashable], Make] = OrderedDict()
        self._keys: defaultdict[str, set[Hashable]] = defaultdict(set)
        self._last_progress = _monotonic[0]()
        self.active: Active | None = None
        self.invoker = Invoker()
        self.logs = logs

    # --- what is due ---

    def put(self, arn: str, key: Hashable, make: Make) -> None:
        """Queue a job of an execution; one that is queued with this key keeps its place."""
        self._due.setdefault((arn, key), make)
        self._keys[arn].add(key)

    def drop(self, arn: str) -> None:
        """Take what is queued for an execution out of the queue."""
        for key in self._keys.pop(arn, ()):
            del self._due[arn, key]

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return self.active is None

    def begin_next(self) -> bool:
        """Begin with the first job that is due; tell whether there was one."""
        if not self._due:
            return False
        (arn, key), make = self._due.popitem(last=False)
        self._keys[arn].discard(key)
        active = make()
        if active is not None:
            self._begin(active)
        return True

    # --- the one that runs ---

    def _begin(self, active: Active) -> None:
        self.progressed()
        call = self.logs.during(active.job.arn, active.job.call, new_invocation=active.job.is_invocation)
        with self._switching:
            self.active = active
        if isinstance(self._scheduler, TimerScheduler):
            self.limit()
        self.invoker.invoke(call, lambda outcome: self._post(partial(self._finish, active, outcome)))

    def _finish(self, active: Active, outcome: Answered | Raised) -> None:
        if self.active is not active:
            return
        self._end()
        self._report(active, outcome if active.crashed is None else Raised(active.crashed, crashed=True))

    def _report(self, active: Active, outcome: Answered | Raised) -> None:
        error = active.job.report(outcome)
        if error is not None:
            self._failed(active.job.arn, error)

    def run_by(self, thread: Thread) -> Active | None:
        """The job, if that thread works for it (any thread may ask)."""
        with self._switching:
            return self.active if self.invoker.runs(thread) else None

    def crash(self, error: BaseException, thread: Thread) -> bool:
        """The process ends by ``error``: from this moment on the job writes nothing (any of its threads says so).

        Tells whether it was the job's process: a job that was given up has none.
        """
        with self._switching:
            active = self.run_by(thread)
            if active is not None and active.crashed is None:
                active.crashed = error
                active.job.revoke()
                self._post(self.progressed)
            return active is not None

    def abandon(self) -> None:
        """Give the job up, whatever it does: nothing that still comes of it counts."""
        with self._switching:
            if self.active is not None:
                self.active.job.revoke()
                self.invoker.abandon()
                self._end()

    def _end(self) -> None:
        with self._switching:
            self.active = None
        self._scheduler.cancel(_DEADLINE)

    def leave_behind(self) -> None:
        """The job has crashed, and some of its threads do not notice: their process is dead all the same."""
        active = self.active
        if active is not None and active.crashed is not None:
            self.abandon()
            self._report(active, Raised(active.crashed, crashed=True))

    def limit(self, timed_out: Callable[[], None] = lambda: None) -> None:
        """Have the job time out at its deadline, 15 minutes after it began, as in Lambda; then call ``timed_out``.

        In virtual time that can happen only to a job that sleeps.
        """
        active = self.active
        if active is not None and active.job.deadline is not None:
            self._scheduler.schedule(_DEADLINE, active.job.deadline, lambda: self._time_out(active, timed_out))

    def _time_out(self, active: Active, timed_out: Callable[[], None]) -> None:
        active.crashed = active.crashed or InvocationTimedOut()
        self.leave_behind()
        timed_out()

    # --- progress ---

    def progressed(self) -> None:
        """Something has happened; the watchdog's time begins anew."""
        self._last_progress = _monotonic[0]()

    def silence(self) -> float:
        """Real seconds since anything happened."""
        return _monotonic[0]() - self._last_progress
