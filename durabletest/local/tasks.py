"""The tasks of an invocation, of which one runs at a time: the handler, branches, the sending of checkpoints."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from durabletest.local.turns import Turns

_here = threading.local()
"""``task``: the task that the current thread runs; ``turns``: those of the invocation that it waits for."""


_STACK = 200
"""Frames that the work on a request needs at most, with some to spare."""
_HANDOVER = 30
"""Frames that a thread needs at most to give its turn up, with some to spare."""
_FRAMES_PER_C_CALL = 8
"""Of so many frames of such work one is called by a C function, with many to spare."""


class Unwound(BaseException):
    """Raised where a thread waits once its invocation is over: in Lambda its process would have ended."""


class RoundOver(BaseException):
    """Raised in the SDK's loop that sends checkpoints when it has to wait: it goes on from its beginning later."""


class _Begun(Event):
    """Set when a thread has begun; the thread that starts it does not wait for that."""

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - as of Event
        """Return at once."""
        return self.is_set()


class TaskThread(Thread):
    """A daemon thread for tasks. Its ``start`` does not wait until it has begun.

    The thread that hands its turn over waits next anyway, for its own turn; ``Thread.start`` would wait once more, for
    the event that the new thread sets first (``_started``, in Python 3.11 to 3.13). Where Python has no such event,
    this is a thread like any other.
    """

    _begun: _Begun | None = None

    def __init__(self, target: Callable[[], None], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        if isinstance(getattr(self, "_started", None), Event):
            self._started = self._begun = _Begun()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, of a thread that has just been started, too."""
        if self._begun is not None:
            Event.wait(self._begun, timeout)
        super().join(timeout)


class TaskState(Enum):
    """The state of a task. The one that has the turn is RUNNING; one that is OUTSIDE goes on without it."""

    NEW = auto()
    READY = auto()
    RUNNING = auto()
    BLOCKED = auto()
    OUTSIDE = auto()
    DONE = auto()


class Task:
    """Code that a thread of an invocation runs when it has the turn.

    ``trail`` lists what it has done, for the story of a schedule; without a schedule it holds only what the task was
    spawned with. A task that is ``busy`` with a request to the server keeps its turn while it waits. ``entries`` counts
    how often it has entered the SDK; a ``permit`` is a wake that came while it was not parked; ``lost`` numbers the
    loss of its turn, which decides the order of getting in line. The ``baton`` is free when it may go on.

    ``run`` returns true if the task goes on with another call of it at its next turn, as only the sender does.
    """

    __slots__ = ("baton", "begun", "busy", "entries", "lost", "permit", "run", "state", "thread", "trail", "turns")

    def __init__(self, turns: Turns, run: Callable[[], object], doing: object) -> None:
        self.turns = turns
        self.run = run
        self.trail = [doing]
        self.state = TaskState.NEW
        self.begun = False
        self.busy = False
        self.entries = 0
        self.lost = 0
        self.thread: Thread | None = None
        self.baton = Lock()
        self.baton.acquire()
        self.permit = False

    @property
    def is_current(self) -> bool:
        """Whether the calling thread runs it."""
        return current_task() is self

    def check_stack(self, more: int = 0) -> None:
        """Raise ``RecursionError`` if its thread has no room to give the turn up, ``more`` frames further in.

        In the middle of that the error would lose the turn.
        """
        if not has_stack(_HANDOVER + more):
            raise RecursionError("maximum recursion depth exceeded")

    def note(self, doing: object) -> None:
        """Keep what it does next, for the story of a schedule."""
        if self.turns.explored:
            self.trail.append(doing)


def ended() -> None:
    """What a task has to run once it has ended: nothing.

    What it has run refers back to the task, so that only the garbage collector would free the two.
    """


class Sender(Task):
    """Sends checkpoints, a round in each turn, in the thread that has given the turn up: it needs none of its own.

    ``cancel`` is called instead of a further round when the invocation is over.
    """

    __slots__ = ("cancel",)

    def __init__(self, turns: Turns, run: Callable[[], object], cancel: Callable[[], None]) -> None:
        super().__init__(turns, run, None)
        self.cancel = cancel

    @property
    def can_run_here(self) -> bool:
        """Whether it can have its next round in the calling thread."""
        return not self.begun and has_stack()


class TaskOrder(Protocol):
    """Decides which task goes next; by default the one that became ready first, and the sender after all others."""

    def next_task(self, ready: list[Task], sender: Task | None) -> Task:
        """One of the ready tasks, which are in the order in which they became ready, or the sender."""
        ...

    def jitter(self, default: float) -> float:
        """A number from 0 to 1 for the SDK's jitter; ``default`` is what it is without a schedule."""
        ...


def may_serve() -> bool:
    """Whether the calling thread may do the server's work: it runs a task, and its stack is not nearly full.

    Nobody interrupts such a thread there, as Ctrl-C does the main thread.
    """
    return current_task() is not None and has_stack()


def has_stack(frames: int = _STACK) -> bool:
    """Whether the calling thread has room for so many more frames before a ``RecursionError``.

    Calls of C functions count, too, in Python 3.12 by a limit of their own, and nothing tells how many there are on the
    stack. So only a stack that is not even a quarter full is known by its frames; on another one both are tried.
    """
    try:
        sys._getframe(max((sys.getrecursionlimit() - frames) // 4, 0))
    except ValueError:  # the stack is not that deep
        return True
    try:
        _descend(frames)
        _descend_through_c(frames // _FRAMES_PER_C_CALL)
    except RecursionError:
        return False
    return True


def _descend(frames: int) -> None:
    if frames:
        _descend(frames - 1)


def _descend_through_c(calls: int) -> None:
    if calls:
        partial(_descend_through_c, calls - 1)()


def current_task() -> Task | None:
    """The task that the calling thread runs; None for a thread that takes no turns."""
    return getattr(_here, "task", None)


def current_turns() -> Turns | None:
    """The turns of the invocation that the calling thread works for, as a task or as the invoker thread."""
    task = current_task()
    return task.turns if task is not None else getattr(_here, "turns", None)


def enter() -> None:
    """If the calling thread has lost its turn, return when it has it again."""
    task = current_task()
    if task is not None:
        task.turns.enter(task)


def set_current_task(task: Task | None) -> None:
    """The calling thread runs this task from now on."""
    _here.task = task


def set_current_turns(turns: Turns | None) -> None:
    """The calling thread invokes a handler whose tasks take these turns; None when it has ended."""
    _here.turns = turns
