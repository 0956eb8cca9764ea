"""The queue of calls: which of them are due, and the one that runs now."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from threading import RLock, Thread, current_thread
from typing import Any, Protocol, TypeAlias

from durabletest.local.deployment import Deployment
from durabletest.local.invocations import Call
from durabletest.local.invoker_thread import Answered, Invoker, Raised
from durabletest.local.logs import LogCapture
from durabletest.local.process_exit import InvocationTimedOut
from durabletest.local.timers import Scheduler, TimerScheduler, monotonic
from durabletest.local.turns import Turns

GRACE_SECONDS = 1.0
"""Real seconds that the threads of a crashed invocation have to end by themselves, before they are left behind."""
_DEADLINE = ("deadline", None, "deadline")
"""The timer of the running call's deadline: kind, execution, operation."""


@dataclass(slots=True, eq=False)
class RunningCall:
    """A call, the deployment whose code it runs, and the exception by which its process has ended, if it has."""

    call: Call
    deployment: Deployment
    crashed: BaseException | None = None


MakeCall: TypeAlias = Callable[[], RunningCall | None]
"""Makes a call when its turn has come, for ``CallQueue.begin_next``; None if it is not wanted any more."""


class Post(Protocol):
    """Puts a message in the orchestrator's inbox, as :meth:`durabletest.local.waiting.Inbox.post`."""

    def __call__(self, message: Callable[[], None], here: bool = False) -> None: ...


class CallQueue:
    """Runs calls one at a time, in the order in which they came due; belongs to the orchestrator's thread.

    ``post`` brings the end of a call back to that thread; ``failed`` is told of an end that ends the whole run.
    """

    def __init__(
        self, post: Post, failed: Callable[[str, Exception], None], logs: LogCapture, scheduler: Scheduler
    ) -> None:
        self._post = post
        self._failed = failed
        self._scheduler = scheduler
        self._switching = RLock()
        self._due: OrderedDict[tuple[str, Hashable], MakeCall] = OrderedDict()
        self._keys: defaultdict[str, set[Hashable]] = defaultdict(set)
        self._last_progress = monotonic()
        self.running: RunningCall | None = None
        self.invoker = Invoker(self)
        self.logs = logs
        self.abandoned: Callable[[], None] = lambda: None
        """Called in the orchestrator's thread when the running call has crashed or was given up."""

    # --- what is due ---

    def put(self, arn: str, key: Hashable, make: MakeCall) -> None:
        """Queue a call of an execution; one that is queued with this key keeps its place."""
        self._due.setdefault((arn, key), make)
        self._keys[arn].add(key)

    def drop(self, arn: str) -> None:
        """Take what is queued for an execution out of the queue."""
        for key in self._keys.pop(arn, ()):
            del self._due[arn, key]

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return self.running is None

    def begin_next(self) -> bool:
        """Begin with the first call that is due; tell whether there was one."""
        if not self._due:
            return False
        (arn, key), make = self._due.popitem(last=False)
        self._keys[arn].discard(key)
        running = make()
        if running is not None:
            self._begin(running)
        return True

    # --- the one that runs ---

    def _begin(self, running: RunningCall) -> None:
        self.progressed()
        with self._switching:
            self.running = running
            running.call.settings.__enter__()
        if isinstance(self._scheduler, TimerScheduler):
            self.arm_deadline()
        self.invoker.invoke(running)

    def run(self, running: RunningCall) -> Any:
        """Make the call, in the invoker's thread."""
        call, faults = running.call, running.deployment.faults
        kept = faults is None or faults.keeps_logs
        with self.logs.during(call.arn, new_invocation=call.is_invocation, kept=kept):
            return call.run()

    def ended(self, running: RunningCall, outcome: Answered | Raised) -> None:
        """The call has ended, in the invoker's thread, which has nothing else to do if the call took turns."""
        turns = running.call.turns
        self._post(partial(self._finish, running, outcome), here=turns is not None and not turns.over)

    def _finish(self, running: RunningCall, outcome: Answered | Raised) -> None:
        if self.running is not running:
            return
        self._end()
        self._report(running, outcome if running.crashed is None else Raised(running.crashed, crashed=True))

    def _report(self, running: RunningCall, outcome: Answered | Raised) -> None:
        error = running.call.report(outcome)
        if error is not None:
            self._failed(running.call.arn, error)

    def current(self) -> RunningCall | None:
        """The running call, if the calling thread works for it; None for any other thread."""
        thread = current_thread()
        with self._switching:
            return self.running if self.invoker.runs(thread) else None

    @property
    def turns(self) -> Turns | None:
        """The turns of the running call; None if it takes none, or nothing runs."""
        return None if self.running is None else self.running.call.turns

    def helper_threads(self) -> list[Thread]:
        """The threads of the running call that take no turns, without the one that calls the handler."""
        turns = self.turns
        if turns is None:
            return []
        threads, invoker_thread = self.invoker.threads, self.invoker.thread
        return [thread for thread in threads if not (thread is invoker_thread or turns.is_task(thread))]

    def crash(self, error: BaseException) -> None:
        """The calling thread's process ends by ``error``: from this moment on the running call writes nothing.

        Does nothing in a thread of a call that was given up: its process has ended before.
        """
        with self._switching:
            running = self.current()
            if running is None:
                return
            if running.crashed is None:
                running.crashed = error
                running.call.revoke()
                self._post(self.progressed)
        self._post(self.abandoned)

    def abandon(self) -> None:
        """Give the running call up, whatever it does: nothing that it still does counts."""
        with self._switching:
            if self.running is not None:
                self.running.call.revoke()
                self.invoker.abandon()
                self._end()
        self.abandoned()

    def _end(self) -> None:
        with self._switching:
            self.put_variables_back()
            self.running = None
        self._scheduler.cancel(_DEADLINE)

    def put_variables_back(self) -> None:
        """Put back the environment variables that the running call has replaced, if there is one."""
        with self._switching:
            if self.running is not None:
                self.running.call.settings.__exit__()

    def leave_behind(self) -> None:
        """The call has crashed, and some of its threads do not notice: their process is dead all the same."""
        running = self.running
        if running is not None and running.crashed is not None:
            self.abandon()
            self._report(running, Raised(running.crashed, crashed=True))

    def arm_deadline(self) -> None:
        """Have the running call time out at its deadline, when its function times out.

        In virtual time that can happen only to a call that sleeps.
        """
        running = self.running
        if running is not None and running.call.deadline is not None:
            self._scheduler.schedule(_DEADLINE, running.call.deadline, partial(self._time_out, running))

    def _time_out(self, running: RunningCall) -> None:
        running.crashed = running.crashed or InvocationTimedOut()
        self.leave_behind()

    # --- progress ---

    def progressed(self) -> None:
        """Something has happened: the watchdog's time begins again."""
        self._last_progress = monotonic()

    def idle_seconds(self) -> float:
        """Real seconds since anything happened."""
        return monotonic() - self._last_progress
