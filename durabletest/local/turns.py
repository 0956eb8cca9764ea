"""One thread at a time: of the threads of an invocation at most one runs, and a schedule says which goes next.

A thread gives its turn up where it waits for another one inside the SDK, where it sleeps in virtual time, and when it
is seen to wait elsewhere (see :mod:`durabletest.local.blocking`). What each of them then does, and in which order, is
the same in every run.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from threading import Lock, Thread, current_thread

from durabletest.local.blocking import Sight, pool_threads, sight_of
from durabletest.local.tasks import Sender, Task, TaskOrder, TaskState, TaskThread, Unwound, ended, set_current_task


class Turns:
    """The tasks of one invocation, of which one has the turn.

    ``now`` gives the virtual time in seconds since the epoch; ``seed`` decides the SDK's jitter. ``on_idle`` is called
    when no task is left to take the turn, in the thread that gave it up; ``wanted`` tells whether a thread waits for
    that. ``helpers`` gives the threads that the author's code has started.

    ``sender`` sends checkpoints, ``holder`` has the turn; ``over`` tells that the invocation has been ended from
    outside, ``handovers`` how often the turn was given, ``explored`` that a schedule decides other than the default.
    ``unwind_others`` is called at that end, for threads that take no turns and wait for a checkpoint.
    """

    def __init__(
        self,
        now: Callable[[], float],
        seed: str = "",
        order: TaskOrder | None = None,
        on_idle: Callable[[], None] = lambda: None,
        wanted: Callable[[], bool] = lambda: False,
        helpers: Callable[[], Iterable[Thread]] = lambda: (),
    ) -> None:
        self.now = now
        self._random = Random(seed)
        self._order = order
        self._on_idle = on_idle
        self._wanted = wanted
        self._helpers = helpers
        self._lock = Lock()
        self._ready: deque[Task] = deque()
        self._unfinished: set[Task] = set()
        self._outside: dict[Task, Sight | None] = {}
        self._returned: set[Task] = set()
        self._losses = itertools.count()
        self._coming = False
        self._sender_has_work = False
        self._held = False
        self._deadlines: dict[Task, float] = {}
        self._numbers = itertools.count()
        self._threads: list[Thread] = []
        self._host: Task | None = None
        self.unwind_others: Callable[[], None] = lambda: None
        self.sender: Sender | None = None
        self.holder: Task | None = None
        self.explored = order is not None
        self.over = False
        self.handovers = 0

    # --- tasks ---

    def spawn(self, run: Callable[[], object], doing: object = None) -> Task:
        """A task that begins when its turn comes; only then does it need a thread.

        Raises :class:`Unwound` when the invocation is over.
        """
        task = Task(self, run, doing)
        with self._lock:
            self._check()
            self._unfinished.add(task)
            self._ready.append(task)
            chosen = self._next_if_free()
        self._hand_to(chosen)
        return task

    def spawn_sender(self, run: Callable[[], object], cancel: Callable[[], None]) -> Task:
        """The task that sends checkpoints: it has its turn when there is something to send and no other can run."""
        with self._lock:
            self._check()
            self.sender = Sender(self, run, cancel)
            self._unfinished.add(self.sender)
        return self.sender

    def sender_has_work(self) -> None:
        """There is something to send; any thread may call this."""
        if self.holder is not None and self.holder.is_current:
            self._sender_has_work = True  # seen when this task gives its turn up
            return
        with self._lock:
            self._sender_has_work = True
            chosen = self._next_if_free()
        self._hand_to(chosen)

    def drop(self, tasks: list[Task]) -> None:
        """Take those of the tasks out of the queue that have not begun."""
        with self._lock:
            for task in tasks:
                if task.state is TaskState.NEW:
                    task.state = TaskState.DONE
                    self._ready.remove(task)
                    self._unfinished.discard(task)

    # --- turns ---

    def park(self, task: Task) -> None:
        """Give the turn up until ``wake``, and return with the turn; at once, if ``wake`` has come before.

        Called by the task's thread. Raises :class:`Unwound` when the invocation is over.
        """
        task.check_stack()
        with self._lock:
            if task.permit and not self.over:
                task.permit = False
                return
            chosen, idle = self._leave_turn(task, TaskState.BLOCKED)
        self._await_turn(task, chosen, idle)

    def park_until(self, task: Task, deadline: float | None) -> None:
        """As ``park``; the task is also woken when the virtual time reaches ``deadline``."""
        if deadline is not None:
            self._deadlines[task] = deadline
        try:
            self.park(task)
        finally:
            self._deadlines.pop(task, None)

    def has_come(self, deadline: float) -> bool:
        """Whether virtual time has reached it, but for half a microsecond, which floats of this size do not resolve."""
        return self.now() >= deadline - 5e-7

    def time_moved(self) -> None:
        """Wake the tasks whose deadline has come; the sender looks whether something is due to be sent."""
        for task in [task for task, deadline in list(self._deadlines.items()) if self.has_come(deadline)]:
            self.wake(task)
        self.sender_has_work()

    def wake(self, task: Task) -> None:
        """Let the task go on when its turn comes; any thread may call this."""
        with self._lock:
            if task.state is not TaskState.BLOCKED:
                task.permit = True
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
        self._await_turn(task, chosen)

    def give_way(self, task: Task) -> None:
        """Let tasks that are ready go first, if the schedule says so."""
        with self._lock:
            if self._order is None or self.holder is not task or not self.contended:
                return
            self.holder = None
            task.state = TaskState.READY
            self._ready.appendleft(task)
            chosen = self._next_if_free()
        if chosen is not task:
            self._await_turn(task, chosen)
        else:
            self._check()

    def take_turn_from(self, task: Task, seen: tuple[int, int], sight: Sight | None = None) -> bool:
        """The task waits outside: let another one go on. Tell whether it still was the same turn.

        ``seen`` is what ``stint_of`` was when it was seen waiting, and ``sight`` where.
        """
        with self._lock:
            if self.holder is not task or self.stint_of(task) != seen:
                return False
            task.lost = next(self._losses)
            self._outside[task] = sight
            chosen, idle = self._leave_turn(task, TaskState.OUTSIDE)
        self._hand_to(chosen, idle)
        return True

    def stint_of(self, task: Task) -> tuple[int, int]:
        """A value that changes when the task gets its next turn, or comes to the SDK."""
        return self.handovers, task.entries

    def hold(self) -> bool:
        """Let no task begin or go on until ``let_go``; False if one runs."""
        with self._lock:
            self._held = self._held or (self.holder is None and not self.over and not self._coming)
            return self._held

    def let_go(self) -> None:
        """Go on after ``hold``."""
        with self._lock:
            self._held = False
            chosen = self._next_if_free()
        self._hand_to(chosen)

    def end(self) -> None:
        """The invocation is over: every thread that waits, or comes to wait, is unwound. Any thread may call this."""
        with self._lock:
            if self.over:
                return
            self.over = True
            never = [task for task in self._unfinished if not task.begun]
            self._unfinished.difference_update(never)
            for task in never:
                task.state = TaskState.DONE
            parked = [task for task in self._unfinished if task.state in (TaskState.READY, TaskState.BLOCKED)]
            for task in parked:
                task.state = TaskState.RUNNING
            self._ready.clear()
            self._returned.clear()
            self._outside.clear()
            self._coming = False
        for task in parked:
            task.baton.release()
        if self.sender in never:
            self.sender.cancel()
        self.unwind_others()

    def jitter(self) -> float:
        """The next random number from 0 to 1 for the SDK's jitter."""
        drawn = self._random.random()
        return drawn if self._order is None else self._order.jitter(drawn)

    # --- tasks that wait elsewhere ---

    def sights_outside(self) -> dict[Task, Sight | None] | None:
        """A look at each task outside, while one of them seems about to get in line; None otherwise."""
        with self._lock:
            return {task: sight_of(task.thread) for task in self._outside} if self._coming else None

    def leave_outside(self, sights: dict[Task, Sight | None]) -> None:
        """Do not wait for the tasks outside any longer, as long as they are where they have been seen."""
        with self._lock:
            self._outside.update((task, sight) for task, sight in sights.items() if task in self._outside)
            chosen = self._next_if_free()
            idle = self.holder is None and not self._coming
        self._hand_to(chosen, idle)

    def wanted(self) -> bool:
        """Whether the turn would be of use to another task, or its end to a waiting thread."""
        return self.contended or self._wanted()

    def helpers(self) -> list[Thread]:
        """Threads that take no turns, and may do something for one that does."""
        return list(dict.fromkeys([*self._helpers(), *pool_threads()]))

    def join(self) -> None:
        """Wait, in a thread that takes no turns, until the threads of all tasks have ended."""
        while self._threads:
            self._threads.pop().join()
        self.sender = None

    # --- what can be seen from outside ---

    @property
    def contended(self) -> bool:
        """Whether another task could go on if the turn were free."""
        return bool(self._ready or self._returned) or self._sender_can_go()

    @property
    def resting(self) -> bool:
        """Whether there are tasks, of which none runs and none can go on."""
        return bool(self._unfinished) and self.holder is None and not self._coming and not self.contended

    def is_task(self, thread: Thread) -> bool:
        """Whether the thread runs a task, or has done so."""
        return thread in self._threads

    def parked_threads(self) -> set[Thread]:
        """The threads of those tasks that wait for their turn, or for another task."""
        parked = (TaskState.READY, TaskState.BLOCKED)
        with self._lock:
            waiting = [task for task in self._unfinished if task.state in parked and task is not self._host]
            return {task.thread for task in waiting if task.thread is not None}

    # --- the state, under the lock ---

    def _leave_turn(self, task: Task, state: TaskState) -> tuple[Task | None, bool]:
        """Put the task in that state, without the turn: the task that gets it, and whether none has it then."""
        task.state = state
        if state is not TaskState.OUTSIDE:
            self._outside.pop(task, None)
        if self.holder is task:
            self.holder = None
        if self.over and state is TaskState.BLOCKED and task is not self.sender:
            task.state = TaskState.RUNNING  # to be unwound
            task.baton.release()
        return self._next_if_free(), self.holder is None

    def _sender_can_go(self) -> bool:
        sender = self.sender
        return self._sender_has_work and sender is not None and sender.state in (TaskState.NEW, TaskState.BLOCKED)

    def _next_if_free(self) -> Task | None:
        """Give the turn to the next task, if it is free and there is one."""
        if self.holder is not None or self._held or self.over:
            return None
        # A task outside that was not yet seen, or is no longer where it was seen, is about to get in line.
        outside = self._outside.items()
        self._coming = bool(outside) and any(sight is None or sight_of(task.thread) != sight for task, sight in outside)
        if self._coming:
            return None
        if self._returned:
            self._ready.extend(sorted(self._returned, key=lambda task: task.lost))
            self._returned.clear()
        sender = self.sender if self._sender_can_go() else None
        # The sender waits elsewhere, in the thread of its host, which cannot go on before.
        ready = self._ready if self._host is None else [task for task in self._ready if task is not self._host]
        if not ready and sender is None:
            return None
        first = ready[0] if ready or sender is None else sender
        chosen = first if self._order is None else self._order.next_task(list(ready), sender)
        if chosen is sender:
            self._sender_has_work = False
        else:
            self._ready.remove(chosen)
        chosen.state = TaskState.RUNNING
        self.holder = chosen
        self.handovers += 1
        return chosen

    # --- threads ---

    def _hand_to(self, chosen: Task | None, idle: bool = False) -> None:
        """Let the task go on that was given the turn, in a new thread if it has none; report idleness."""
        if chosen is not None and chosen.begun:
            chosen.baton.release()
        elif chosen is not None:
            chosen.begun = True
            thread = TaskThread(partial(self._work, chosen), f"durabletest-handler-{next(self._numbers)}")
            self._threads.append(thread)
            thread.start()
        if idle:
            self._on_idle()

    def _await_turn(self, task: Task, chosen: Task | None, idle: bool = False) -> None:
        """Let the chosen task go on, and return when this one has the turn; the sender has its turns here meanwhile."""
        while isinstance(chosen, Sender) and chosen.can_run_here:
            self._host = task
            chosen, idle = self._run(chosen)
            set_current_task(task)
        self._hand_to(chosen, idle)
        task.baton.acquire()
        self._check()

    def _check(self) -> None:
        if self.over:
            raise Unwound

    def _work(self, task: Task) -> None:
        """Run the task, and then others that have no thread yet, as long as one of them is the next."""
        chosen, idle = self._run(task)
        while chosen is not None and not chosen.begun:
            chosen, idle = self._run(chosen)
        self._hand_to(chosen, idle and bool(self._unfinished))

    def _run(self, task: Task) -> tuple[Task | None, bool]:
        """Run the task in the calling thread: the task that has the turn after it, and whether none has it then."""
        set_current_task(task)
        task.thread = current_thread()
        task.begun = True
        goes_on = task.run()
        with self._lock:
            self._host = None
            if goes_on and not self.over:
                task.thread, task.begun = None, False
                return self._leave_turn(task, TaskState.BLOCKED)
            self._unfinished.discard(task)
            left = self._leave_turn(task, TaskState.DONE)
        task.run = ended
        if goes_on and self.sender is not None:
            self.sender.cancel()
        return left
