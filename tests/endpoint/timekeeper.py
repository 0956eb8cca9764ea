"""Moves the virtual time behind the endpoint, as if the hours between polls had passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Condition, RLock, Thread

from durabletest import Execution, ExecutionStatus
from durabletest.errors import DurableTestError, UsageError

MAX_POLLS = 25
"""After so many polls of an execution, its open callback counts as one that will not be answered."""


class Timekeeper:
    """A thread that lets time pass whenever the executions have nothing else to do.

    In the cloud a callback is answered in real time, while the hours of its timeout would pass in an instant here. So
    time stands still while a callback is open, until the client has looked at the history often enough to have
    answered it; then it moves on by one instant, and stands still again.
    """

    def __init__(self) -> None:
        self._changed = Condition(RLock())
        self._executions: dict[str, Execution] = {}
        self._polls: Counter[str] = Counter()
        self._standing = False
        self._news = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="endpoint-timekeeper", daemon=True)
        self._problem: Exception | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(10)

    def raise_problem(self) -> None:
        """Raise what has ended the thread, if anything has."""
        if self._problem is not None:
            raise self._problem

    # --- told by the threads that answer requests ---

    def started(self, execution: Execution) -> None:
        with self._changed:
            self._executions[execution.arn] = execution
        self.touched()

    def touched(self) -> None:
        """Something was answered or stopped from outside: what comes next is open again."""
        with self._changed:
            self._news += 1
            self._move()
            self._changed.notify_all()

    def polled(self, arn: str) -> None:
        """The client has looked at this execution; it counts while time stands still for a callback."""
        with self._changed:
            self._polls[arn] += self._standing
            self._changed.notify_all()

    def forget(self) -> None:
        with self._changed:
            self._executions.clear()

    def running(self) -> list[Execution]:
        with self._changed:
            executions = list(self._executions.values())
        return [execution for execution in executions if execution.status is ExecutionStatus.RUNNING]

    def wait_for(self, condition: Callable[[], bool], timeout: float) -> None:
        """Return when this has become true, or after so many real seconds; it is looked at whenever time has passed."""
        with self._changed:
            self._changed.wait_for(condition, timeout)

    # --- the thread ---

    def _run(self) -> None:
        try:
            while not self._closed:
                self._step()
        except DurableTestError as error:
            self._problem = None if self._closed else error

    def _step(self) -> None:
        news = self._news
        running = self.running()
        if not running:
            self._wait_for_news(news)
            return
        running[0].advance(timedelta(0))
        self._tell()
        if self._may_be_answered(running):
            with self._changed:
                self._standing = True
                self._changed.wait(1.0)
        elif news == self._news:
            self._advance(running[0], news)

    def _advance(self, execution: Execution, news: int) -> None:
        with self._changed:
            self._move()
        try:
            execution.advance_to_next()
        except UsageError:
            self._wait_for_news(news)
        self._tell()

    def _move(self) -> None:
        """Time does not stand still any longer."""
        self._standing = False
        self._polls.clear()

    def _may_be_answered(self, running: list[Execution]) -> bool:
        return any(_waits_for_an_answer(execution) and self._polls[execution.arn] < MAX_POLLS for execution in running)

    def _wait_for_news(self, news: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._news != news)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _waits_for_an_answer(execution: Execution) -> bool:
    """Whether a callback is open in an execution, or in one that it has invoked."""
    if any(pending.reason.startswith("callback") for pending in execution.pending()):
        return True
    view = execution.snapshot().view
    children = [record.child_arn for record in view.history().operations if not record.status.is_terminal]
    return any(_waits_for_an_answer(Execution(view.sibling(arn))) for arn in children if arn is not None)
