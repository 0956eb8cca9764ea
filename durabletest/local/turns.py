"""One thread at a time: of the threads of an invocation at most one runs, and a schedule says which goes next.

A thread gives its turn up where it waits for another one inside the SDK, where it sleeps in virtual time, and when it
is seen to wait elsewhere (see :mod:`durabletest.local.blocking`). What each of them then does, and in which order, is
the same in every run.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from threading import Lock, Thread
from typing import Protocol

from durabletest.local.blocking import Sight, pool_threads, sight_of
from durabletest.local.tasks import Task, TaskState, Unwound, set_current_task


class Schedule(Protocol):
    """Decides who goes next; without one it is the task that became ready first, and the sender after all others."""

    def next_task(self, ready: list[Task], sender: Task | None) -> Task:
        """One of the ready tasks, which are in the order in which they became ready, or the sender."""
        ...

    def jitter(self, default: float) -> float:
        """A number from 0 to 1 for the SDK's jitter; ``default`` is what it is without a schedule."""
        ...


class Turns:
    """The tasks of one invocation, of which one has the turn.

    ``now`` gives the virtual time in seconds since the epoch; ``seed`` decides the SDK's jitter. ``on_idle`` is called
    when no task is left to take the turn, in the thread that gave it up; ``wanted`` tells whether somebody waits for
    that. ``helpers`` are the threads that the author's code has started.
    """

    def __init__(
        self,
        now: Callable[[], float],
        seed: str = "",
        schedule: Schedule | None = None,
        on_idle: Callable[[], None] = lambda: None,
        wanted: Callable[[], bool] = lambda: False,
        helpers: Callable[[], Iterable[Thread]] = lambda: (),
    ) -> None:
        self.now = now
        self._random = Random(seed)
        self._schedule = schedule
        self._on_idle = on_idle
        self._wanted = wanted
        self._helpers = helpers
        self._lock = Lock()
        self._ready: deque[Task] = deque()
        self._unfinished: set[Task] = set()
        self._outside: dict[Task, Sight | None] = {}
        self._returned: set[Task] = set()
        self._coming = False
        self._losses = itertools.count()
        self._sender: Task | None = None
        self._sender_has_work = False
        self._holder: Task | None = None
        self._held = False
        self._over = False
        self._deadlines: dict[Task, float] = {}
        self._numbers = itertools.count()
        self._threads: list[Thread] = []
        self.handovers = 0

    # --- tasks ---

    def spawn(self, run: Callable[[], None], doing: object = None) -> Task:
        """A task that begins when its turn comes; only then does it need a thread.

        Raises :class:`Unwound` when the invocation is over.
        """
        task = Task(self, run, doing)
        with self._lock:
            self._check()
            self._unfinished.add(task)
            self._ready.append(task)
            begun = self._next_if_free()
        self._hand_to(begun)
        return task

    def spawn_sender(self, run: Callable[[], None]) -> Task:
        """The task that sends checkpoints: it has its turn when there is something to send and nobody else can run."""
        self._sender = task = Task(self, run, None)
        with self._lock:
            self._check()
            self._unfinished.add(task)
        return task

    def sender_has_work(self) -> None:
        """There is something to send; any thread may say so."""
        with self._lock:
            self._sender_has_work = True
            chosen = self._next_if_free()
        self._hand_to(chosen)

    def run_here(self, task: Task) -> bool:
        """Run a task that has not begun in the calling thread, which has the turn; tell whether it was so."""
        with self._lock:
            if task.state is not TaskState.NEW:
                return False
            task.state = TaskState.DONE
            self._unfinished.discard(task)
        task.run()
        return True

    def drop(self, tasks: list[Task]) -> None:
        """Take tasks that have not begun out of the queue."""
        with self._lock:
            for task in tasks:
                if task.state is TaskState.NEW:
                    task.state = TaskState.DONE
                    self._ready.remove(task)
                    self._unfinished.discard(task)

    # --- turns ---

    def park(self, task: Task) -> None:
        """See :meth:`Task.park`."""
        with self._lock:
            if not self._over and task.take_permit():
                return
            self._block(task)
            chosen = self._next_if_free()
            idle = self._holder is None
        self._hand_to(chosen)
        if idle:
            self._on_idle()
        self._await_turn(task)

    def park_until(self, task: Task, deadline: float | None) -> None:
        """As ``park``; the task is also woken when the virtual time reaches ``deadline``."""
        if deadline is not None:
            self._deadlines[task] = deadline
        try:
            self.park(task)
        finally:
            self._deadlines.pop(task, None)

    def has_come(self, deadline: float) -> bool:
        """Whether it is that late; half a microsecond is what seconds as floats cannot tell."""
        return self.now() >= deadline - 5e-7

    def time_moved(self) -> None:
        """Wake the tasks whose deadline has come; the sender looks whether something is due to be sent."""
        for task in [task for task, deadline in list(self._deadlines.items()) if self.has_come(deadline)]:
            self.wake(task)
        self.sender_has_work()

    def park_sender(self, task: Task, *, has_work: bool) -> None:
        """The sender gives the turn up until it is chosen, which it can be while there is something to send."""
        with self._lock:
            self._sender_has_work = has_work
            self._block(task)
            chosen = self._next_if_free()
            idle = self._holder is None
        self._hand_to(chosen)
        if idle:
            self._on_idle()
        self._await_turn(task)

    def wake(self, task: Task) -> None:
        """See :meth:`Task.wake`."""
        with self._lock:
            if task.state is not TaskState.BLOCKED:
                task.permit()
                return
            task.state = TaskState.READY
            self._ready.append(task)
            chosen = self._next_if_free()
        self._hand_to(chosen)

    def enter(self, task: Task) -> None:
        """Get in line, if the turn was taken from the calling task while it waited outside."""
        with self._lock:
            self._check()
            if task.state is TaskState.RUNNING:
                task.entries += 1
                return
            task.state = TaskState.READY
            self._outside.pop(task, None)
            self._returned.add(task)
            chosen = self._next_if_free()
        self._hand_to(chosen)
        self._await_turn(task)

    def give_way(self, task: Task) -> None:
        """Let those go first who are ready, if the schedule says so."""
        with self._lock:
            if self._schedule is None or self._holder is not task or not self.contended:
                return
            self._holder = None
            task.state = TaskState.READY
            self._ready.appendleft(task)
            chosen = self._next_if_free()
        if chosen is not task:
            self._hand_to(chosen)
            self._await_turn(task)
        else:
            self._check()

    def take_turn_from(self, task: Task, seen: tuple[int, int], sight: Sight | None = None) -> bool:
        """The task waits outside: let another one go on. Tell whether it still was the same turn.

        ``seen`` is what ``stint_of`` was when it was seen waiting, and ``sight`` where.
        """
        with self._lock:
            if self._holder is not task or self.stint_of(task) != seen:
                return False
            task.state = TaskState.OUTSIDE
            task.lost = next(self._losses)
            self._outside[task] = sight
            self._holder = None
            chosen = self._next_if_free()
            idle = self._holder is None
        self._hand_to(chosen)
        if idle:
            self._on_idle()
        return True

    def stint_of(self, task: Task) -> tuple[int, int]:
        """Something that is another one when the task has had its next turn, or has come to the SDK."""
        return self.handovers, task.entries

    def hold(self) -> bool:
        """Let no task begin or go on until ``let_go``; False if one runs."""
        with self._lock:
            self._held = self._held or (self._holder is None and not self._over and not self._coming)
            return self._held

    def let_go(self) -> None:
        """Go on after ``hold``."""
        with self._lock:
            self._held = False
            chosen = self._next_if_free()
        self._hand_to(chosen)

    def end(self) -> None:
        """The invocation is over: whoever waits, or comes to wait, is unwound. Any thread may say so."""
        with self._lock:
            if self._over:
                return
            self._over = True
            for task in [task for task in self._unfinished if not task.begun]:
                task.state = TaskState.DONE
                self._unfinished.discard(task)
            parked = [task for task in self._unfinished if task.state in (TaskState.READY, TaskState.BLOCKED)]
            for task in parked:
                task.state = TaskState.RUNNING
            self._ready.clear()
            self._returned.clear()
            self._outside.clear()
            self._coming = False
        for task in parked:
            task.baton.release()

    def note(self, task: Task, doing: object) -> None:
        """Keep what the task does next, for the story of a schedule."""
        if self._schedule is not None:
            task.trail.append(doing)

    def note_sent(self, doing: object) -> None:
        """Keep that the sender takes an update to send it."""
        if self._schedule is not None and self._sender is not None:
            self._sender.trail.append(doing)

    @property
    def sender(self) -> Task | None:
        """The task that sends checkpoints."""
        return self._sender

    @property
    def explored(self) -> bool:
        """Whether a schedule other than the built-in one decides."""
        return self._schedule is not None

    def jitter(self) -> float:
        """The next random number from 0 to 1 for the SDK's jitter."""
        drawn = self._random.random()
        return drawn if self._schedule is None else self._schedule.jitter(drawn)

    # --- tasks that wait elsewhere ---

    def sights_outside(self) -> dict[Task, Sight | None] | None:
        """Where the tasks outside are, of which one seems about to get in line; None if none does."""
        with self._lock:
            return {task: sight_of(task.thread) for task in self._outside} if self._coming else None

    def leave_outside(self, sights: dict[Task, Sight | None]) -> None:
        """Do not wait for the tasks outside any longer, as long as they are where they have been seen."""
        with self._lock:
            self._outside.update((task, sight) for task, sight in sights.items() if task in self._outside)
            chosen = self._next_if_free()
            idle = self._holder is None and not self._coming
        self._hand_to(chosen)
        if idle:
            self._on_idle()

    def wanted(self) -> bool:
        """Whether the turn would be of use to another than the one who has it."""
        return self.contended or self._wanted()

    def helpers(self) -> list[Thread]:
        """Threads that take no turns, and may do something for one that does."""
        return list(dict.fromkeys([*self._helpers(), *pool_threads()]))

    def join(self) -> None:
        """Wait, in a thread that takes no turns, until the threads of all tasks have ended."""
        while self._threads:
            self._threads.pop().join()

    # --- what can be seen from outside ---

    @property
    def over(self) -> bool:
        """Whether the invocation has been ended from outside."""
        return self._over

    @property
    def holder(self) -> Task | None:
        """The task that has the turn."""
        return self._holder

    @property
    def contended(self) -> bool:
        """Whether another task could go on if the turn were free."""
        return bool(self._ready or self._returned) or self._sender_can_go()

    @property
    def resting(self) -> bool:
        """Whether there are tasks, of which none runs and none can go on."""
        return bool(self._unfinished) and self._holder is None and not self._coming and not self.contended

    def is_task(self, thread: Thread) -> bool:
        """Whether the thread runs a task, or has done so."""
        return thread in self._threads

    def parked_threads(self) -> set[Thread]:
        """The threads of those tasks that wait for their turn, or for another task."""
        parked = (TaskState.READY, TaskState.BLOCKED)
        with self._lock:
            return {task.thread for task in self._unfinished if task.state in parked and task.thread is not None}

    # --- the state, under the lock ---

    def _block(self, task: Task) -> None:
        task.state = TaskState.BLOCKED
        self._outside.pop(task, None)
        if self._holder is task:
            self._holder = None
        if self._over:
            task.state = TaskState.RUNNING
            task.baton.release()

    def _sender_can_go(self) -> bool:
        sender = self._sender
        waits = sender is not None and sender.state in (TaskState.NEW, TaskState.BLOCKED)
        return self._sender_has_work and waits

    def _next_if_free(self) -> Task | None:
        """Give the turn to the next task, if it is free and there is one."""
        if self._holder is not None or self._held or self._over:
            return None
        self._coming = any(_has_moved(task, sight) for task, sight in self._outside.items())
        if self._coming:
            return None
        self._ready.extend(sorted(self._returned, key=lambda task: task.lost))
        self._returned.clear()
        sender = self._sender if self._sender_can_go() else None
        if not self._ready and sender is None:
            return None
        if self._schedule is None:
            chosen = self._ready[0] if self._ready or sender is None else sender
        else:
            chosen = self._schedule.next_task(list(self._ready), sender)
        if chosen is sender:
            self._sender_has_work = False
        else:
            self._ready.remove(chosen)
        chosen.state = TaskState.RUNNING
        self._holder = chosen
        self.handovers += 1
        return chosen

    # --- threads ---

    def _hand_to(self, chosen: Task | None) -> None:
        if chosen is None:
            return
        if chosen.begun:
            chosen.baton.release()
        else:
            chosen.begun = True
            name = f"durabletest-handler-{next(self._numbers)}"
            thread = Thread(target=self._work, args=(chosen,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _await_turn(self, task: Task) -> None:
        task.baton.acquire()
        self._check()

    def _check(self) -> None:
        if self._over:
            raise Unwound

    def _work(self, task: Task | None) -> None:
        while task is not None:
            set_current_task(task)
            task.thread = threading.current_thread()
            task.run()
            task = self._finish(task)

    def _finish(self, task: Task) -> Task | None:
        """The task has ended; what its thread goes on with, if the next one has no thread yet."""
        with self._lock:
            task.state = TaskState.DONE
            self._unfinished.discard(task)
            self._outside.pop(task, None)
            if self._holder is task:
                self._holder = None
            chosen = self._next_if_free()
            idle = self._holder is None and bool(self._unfinished)
            if chosen is not None and not chosen.begun:
                chosen.begun = True
                return chosen
        self._hand_to(chosen)
        if idle:
            self._on_idle()
        return None


def _has_moved(task: Task, sight: Sight | None) -> bool:
    """Whether a task outside does not wait any longer where it was seen."""
    return sight is None or sight_of(task.thread) != sight
