"""Events, queues, thread pools and the like that take turns, in the place of those with which the SDK waits.

Each has the part of the original's interface that the SDK uses. A thread that takes no turns (one that the author of a
handler started) waits as it would with the original.
"""

from __future__ import annotations

import queue
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from functools import partial
from threading import Event, Lock
from typing import Any, Generic, Self, TypeVar

from durabletest.local.blocking import watch_until
from durabletest.local.tasks import RoundOver, Task, TaskState, Unwound, current_task, current_turns, enter
from durabletest.local.turns import Turns

ItemT = TypeVar("ItemT")

_making = Lock()


class TurnEvent:
    """A completion event: set once, with or without an error that is then raised where it is waited for."""

    __slots__ = ("_error", "_others", "_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._error: BaseException | None = None
        self._waiting: list[Task] = []
        self._others: Event | None = None

    def set(self, error: BaseException | None = None) -> None:
        """Wake all waiting threads; the first error stays."""
        if self._error is None:
            self._error = error
        self._set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            task.turns.wake(task)
        if self._others is not None:
            self._others.set()

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and raise its error if it has one; ``timeout`` is in real seconds."""
        task = current_task()
        if task is None or timeout is not None:
            self._for_others().wait(timeout)
        else:
            while not self._set:
                self._waiting.append(task)
                if not self._set:
                    task.turns.park(task)
        if self._error is not None:
            raise self._error
        return self._set

    def _for_others(self) -> Event:
        """The event for threads that take no turns; made when the first one waits."""
        with _making:
            if self._others is None:
                self._others = Event()
                if self._set:
                    self._others.set()
            return self._others


class TurnQueue(Generic[ItemT]):
    """A queue from which one task takes; timeouts are seconds of virtual time."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._items: deque[ItemT] = deque()
        self._waiting: Task | None = None

    def put(self, item: ItemT) -> None:
        """Add an item; a task whose turn was taken gets in line first."""
        enter()
        self._items.append(item)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.turns.wake(waiting)

    def get_nowait(self) -> ItemT:
        """The next item; raises ``queue.Empty`` if there is none."""
        if not self._items:
            raise queue.Empty
        return self._items.popleft()

    def get(self, timeout: float | None = None) -> ItemT:
        """The next item, as soon as there is one; raises ``queue.Empty`` when so much virtual time has passed."""
        task = current_task()
        assert task is not None, "only the coordinator of branches takes from this queue"
        deadline = None if timeout is None else self._turns.now() + timeout
        while not self._items:
            if deadline is not None and self._turns.has_come(deadline):
                raise queue.Empty
            self._waiting = task
            self._turns.park_until(task, deadline)
        return self._items.popleft()


class CheckpointQueue(Generic[ItemT]):
    """The queue of updates from which the SDK's loop makes its batches, one in each round of the sender.

    A round begins when no other task can run, and finds all updates that there are: it never waits for more. Timeouts
    are ignored: after one the SDK would look whether it has to stop, for which it is woken. ``first`` is true while the
    batch is empty.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._items: deque[ItemT] = deque()
        self._batches = 0
        self._found_empty = False
        self.first = False
        turns.unwind_others = self.unwind

    def put(self, item: ItemT) -> None:
        """Add an update."""
        self._items.append(item)
        if self._turns.over:
            self.unwind()
        self._turns.sender_has_work()

    def unwind(self) -> None:
        """The invocation is over, and nothing more is sent: threads that wait for it end, the author's own, too."""
        for item in list(self._items):
            event = getattr(item, "completion_event", None)
            if event is not None:
                event.set(Unwound() if isinstance(event, TurnEvent) else SystemExit())

    def begin_round(self) -> None:
        """The sender has its turn."""
        self._batches = 0
        self._found_empty = False

    def begin_batch(self, has_more: Callable[[], bool]) -> None:
        """A batch is collected, or, if it is the second one of the round, when all other tasks had their turn.

        ``has_more`` tells whether there is something to send that is not in this queue.
        """
        self._batches += 1
        if self._batches > 1:
            if self._items or has_more():
                self._turns.sender_has_work()
            raise RoundOver

    def get(self, timeout: float | None = None) -> ItemT:  # noqa: ARG002 - see the class
        """The next update; ``queue.Empty`` lets the SDK see what else is due, and then the batch or the round ends."""
        if self.first and not self._items:
            if self._found_empty:
                raise RoundOver
            self._found_empty = True
        return self.get_nowait()

    def get_nowait(self) -> ItemT:
        """The next update; raises ``queue.Empty`` if there is none."""
        if not self._items:
            raise queue.Empty
        item = self._items.popleft()
        if self._turns.sender is not None:
            self._turns.sender.note(getattr(item, "operation_update", None))
        return item

    def empty(self) -> bool:
        """Whether there is no update."""
        return not self._items

    def task_done(self) -> None:
        """Does nothing: no thread joins this queue."""


class TurnFuture:
    """The outcome of a task. A task that waits for it gives its turn up; another thread waits as ever."""

    __slots__ = ("_done", "_error", "_turns", "_value", "task")

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._done = TurnEvent()
        self._value: Any = None
        self._error: BaseException | None = None
        self.task: Task | None = None

    def complete(self, call: Callable[[], Any]) -> None:
        """Run the call and keep its result or exception; a task that has lost its turn gets in line first."""
        try:
            try:
                self._value = call()
            finally:
                enter()
        except BaseException as error:
            self._error = error
        self._done.set()

    def send(self, loop: Callable[[], Any]) -> bool:
        """Run the loop that sends checkpoints for one round; true if it has to go on later."""
        try:
            try:
                loop()
            finally:
                enter()
        except RoundOver:
            return True
        except BaseException as error:
            self._error = error
        self._done.set()
        return False

    def cancel(self) -> None:
        """The invocation is over: the task does not go on."""
        self._error = Unwound()
        self._done.set()

    def await_end(self) -> None:
        """Return when it is done."""
        if current_task() is None:
            watch_until(self._turns, self._done.wait)
        else:
            self._done.wait()

    def result(self) -> Any:
        """The result of the task; raises its exception."""
        self.await_end()
        if self._error is not None:
            raise self._error
        return self._value


class TurnPool:
    """Runs calls as tasks of an invocation; a task needs a thread only when its turn comes."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._futures: list[TurnFuture] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> TurnFuture:
        """Run the call when its turn comes; the one that sends checkpoints has turns of its own kind."""
        future = TurnFuture(self._turns)
        if getattr(call, "sends_checkpoints", False):
            # In whatever thread it runs, its context is empty, as that of the thread that the SDK would start for it.
            loop = partial(Context().run, call)
            future.task = self._turns.spawn_sender(partial(future.send, loop), future.cancel)
        else:
            future.task = self._turns.spawn(partial(future.complete, partial(call, *arguments, **named)), arguments)
        self._futures.append(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for all tasks; with ``cancel_futures`` those that have not begun never will."""
        if cancel_futures:
            self._turns.drop([future.task for future in self._futures if future.task is not None])
        if wait:
            for future in self._futures:
                if future.task is not None and future.task.state is not TaskState.DONE:
                    future.await_end()
            if current_task() is None:
                self._turns.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.shutdown()


class TurnThread:
    """A thread that is a task, in the place of one that the SDK starts itself."""

    def __init__(self, turns: Turns, target: Callable[[], None]) -> None:
        self._turns = turns
        self._target = target
        self._future = TurnFuture(turns)

    def start(self) -> None:
        """Run the target when its turn comes; its context is empty, as that of a new thread."""
        self._turns.spawn(partial(self._future.complete, partial(Context().run, self._target)))

    def join(self) -> None:
        """Return when it has ended."""
        self._future.await_end()


class TurnCondition:
    """A condition on which tasks wait."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: deque[Task] = deque()

    def wait(self) -> None:
        """Wait for ``notify``."""
        task = current_task()
        assert task is not None, "only a thread that takes turns waits for this condition"
        self._waiting.append(task)
        self._lock.release()
        try:
            task.turns.park(task)
        finally:
            self._lock.acquire()

    def notify(self) -> None:
        """Wake the task that has waited longest, if there is one."""
        if self._waiting:
            task = self._waiting.popleft()
            task.turns.wake(task)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_raised: object) -> None:
        self._lock.release()


class Primitives:
    """Makes the primitives: those that take turns for threads of an invocation that takes them, else the originals."""

    def event(self, original: Callable[[], Any]) -> Any:
        """An event: the completion of something."""
        return original() if current_turns() is None else TurnEvent()

    def thread(self, original: Callable[..., Any], *, target: Callable[[], None], **named: Any) -> Any:
        """A thread of the SDK's own."""
        turns = current_turns()
        return original(target=target, **named) if turns is None else TurnThread(turns, target)

    def condition(self, original: Callable[[], Any]) -> Any:
        """A condition that such a thread waits for."""
        return original() if current_turns() is None else TurnCondition()

    def queue(self, original: Callable[[], Any]) -> Any:
        """The queue of a coordinator of branches."""
        turns = current_turns()
        return original() if turns is None else TurnQueue[Any](turns)

    def checkpoint_queue(self) -> CheckpointQueue[Any] | None:
        """The queue of the checkpoint thread; None for one that takes no turns."""
        turns = current_turns()
        return None if turns is None else CheckpointQueue(turns)

    def pool(self, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """A thread pool."""
        turns = current_turns()
        return original(*arguments, **named) if turns is None else TurnPool(turns)

    def wait(self, original: Callable[..., Any], futures: Iterable[Any]) -> Any:
        """Wait until all futures are done: those of one pool."""
        futures = tuple(futures)
        if not all(isinstance(future, TurnFuture) for future in futures):
            return original(futures)
        for future in futures:
            future.await_end()
        return futures

    def time(self) -> float:
        """Seconds since the epoch, in virtual time."""
        turns = current_turns()
        return time.time() if turns is None else turns.now()

    def random(self) -> float:
        """A number from 0 to 1, for the jitter of delays; in every run the same for an invocation that takes turns."""
        turns = current_turns()
        return random.random() if turns is None else turns.jitter()

    def enter_sdk(self, doing: object) -> None:
        """A thread comes to the SDK: a task whose turn was taken while it waited elsewhere gets in line."""
        task = current_task()
        if task is not None:
            task.check_stack(more=5)  # before the SDK queues what it then waits for
            task.turns.enter(task)
            task.note(doing)

    def replay_listener(self) -> Callable[[object], None] | None:
        """Note replayed operations only for the story of a schedule."""
        turns = current_turns()
        return _note if turns is not None and turns.explored else None

    def leave_sdk(self, doing: object) -> None:
        """A thread goes to the author's code: others may come first."""
        task = current_task()
        if task is not None:
            task.turns.give_way(task)
            task.note(doing)


def _note(doing: object) -> None:
    task = current_task()
    if task is not None:
        task.note(doing)
