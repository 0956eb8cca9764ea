"""Executions in the cloud: one as results and handles see it, and all that a runner follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from math import inf
from threading import Lock
from typing import Any

from durabletest.cloud.aws import arn_and_link
from durabletest.cloud.poller import CloudContext, Poller
from durabletest.cloud.stopping import TEST_ENDED
from durabletest.errors import NotAvailableError, WaitTimeoutError
from durabletest.model.history import History, execution_title
from durabletest.model.lookup import listing
from durabletest.model.records import ErrorDetails, Injected, LogEntry, OperationRecord, OperationType, WaitingStatus
from durabletest.model.times import real_seconds, utc
from durabletest.model.wait_for_data import Watch
from durabletest.serialisers import decode

_JOIN_SECONDS = 2.0
"""How long the ends of the threads of all pollers may take, one of which may wait for an answer."""
_WAIT_SLICE = 1.0
"""The longest single wait, in seconds, since some systems deliver Ctrl-C only between two waits."""


class CloudExecution:
    """One execution: its history as the poller reads it, and what can be done with it."""

    exact_time = False

    def __init__(self, poller: Poller, context: CloudContext, follow: Callable[[str], CloudExecution]) -> None:
        self.arn = poller.arn
        self.poller = poller
        self._context = context
        self._follow = follow
        self._entries: list[LogEntry] | None = None
        self._history = History()
        self._lock = Lock()

    @property
    def client(self) -> Any:
        return self._context.client

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        skipped = self.poller.answers.skipped_delays
        ids = (record.id, *(child.id for child in self.history().children(record)))
        return next((skipped[key] for key in ids if key in skipped), timedelta(0))

    def sibling(self, arn: str) -> CloudExecution:
        """Another execution; if this one's invoke of it has ended, its history is read to its end first."""
        sibling = self._follow(arn)
        if any(record.child_arn == arn and record.status.is_terminal for record in self.history().operations):
            sibling.wait_until_ended(None)
        return sibling

    def heartbeats(self, record: OperationRecord) -> int:
        """The service does not count them."""
        raise self.unavailable(
            f"the heartbeats of callback {record.name!r} leave no trace in the cloud: mark the test @local_only"
        )

    def unavailable(self, what: str) -> NotAvailableError:
        return self._context.unavailable(what)

    def history(self) -> History:
        with self._lock:
            self._history.extend(self.poller.take_new_events())
            return self._history

    def logs(self) -> list[LogEntry] | None:
        """The entries in CloudWatch; None if they are not to be read, or cannot be. After the end they are kept."""
        if self._context.logs is None or self._entries is not None:
            return self._entries
        entries = self._context.logs.entries(self.arn, self.history())
        if self.poller.ended.is_set():
            self._entries = entries
        return entries

    def injected(self) -> tuple[Injected, ...]:
        """Nothing can be put into what is deployed."""
        return ()

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        return decode(payload, record)

    def refused_place(self, error: ErrorDetails) -> None:
        """None: deployed functions do not say."""

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        return self.poller.watch(Watch(path, index, status))

    def blocking(self, future: Future[Any] | None = None) -> AbstractContextManager[object]:  # noqa: ARG002 - any
        """Shows the progress line in the block."""
        return self.poller.progress.shown()

    def wait_until_ended(self, timeout: float | None) -> None:
        """Wait for the end behind the progress line; without a terminal, a long wait leaves a line in the log."""
        seen_before, end = self.poller.ended.is_set(), inf if timeout is None else real_seconds() + timeout
        with self.blocking():
            while not self.poller.ended.wait(max(0.0, min(_WAIT_SLICE, end - real_seconds()))):
                if real_seconds() >= end:
                    raise WaitTimeoutError(
                        f"{execution_title(self.arn)} did not end within {timeout:g} real seconds\n"
                        f"{arn_and_link(self.arn)}\n{listing(self.history())}"
                    )
        if self.poller.error is not None:
            raise self.poller.error
        if not seen_before:
            self.poller.progress.summarise(str(self.history().execution.status))

    def stop(self, error: Mapping[str, Any]) -> None:
        for failure in self.poller.stop(error).values():
            raise failure

    @property
    def now(self) -> datetime:
        return utc(datetime.now(UTC))

    def advance(self, delta: timedelta | None) -> None:
        """There is no virtual time in the cloud."""
        how = "advance_to_next()" if delta is None else f"advance({delta!r})"
        raise self._context.unavailable(
            f"{how} moves virtual time; in the cloud time passes by itself: mark the test @local_only"
        )

    def due_times(self) -> list[tuple[str | None, str, datetime]]:
        """The open timers in the history and the scheduled answers, the earliest first; the service may fire later."""
        history, now = self.history(), self.now
        due = [
            (record.id, why, when)
            for record in history.operations
            if not record.status.is_terminal
            for why, when in _timers(record)
        ]
        due += [(key, "scripted answer", now + delay) for key, delay in self.poller.answers.pending(real_seconds())]
        return sorted(due, key=lambda entry: entry[2])


def _timers(record: OperationRecord) -> Iterator[tuple[str, datetime]]:
    if record.type is OperationType.WAIT and record.scheduled_end is not None:
        yield "wait", record.scheduled_end
    if record.next_attempt_at is not None:
        yield "step retry", record.next_attempt_at
    if record.timeout:
        yield "callback timeout", record.started_at + timedelta(seconds=record.timeout)


class CloudExecutions:
    """All executions that one runner follows, one poller for each; those that it started are stopped at the end."""

    def __init__(self, context: CloudContext) -> None:
        self._context = context
        self._lock = Lock()
        self._executions: dict[str, CloudExecution] = {}
        self._started: list[Poller] = []

    def started(self, arn: str, *, owned: bool) -> CloudExecution:
        """Follow an execution that this runner has just started, or, if it is not ``owned``, others before."""
        execution = self._follow(arn, owned=owned)
        if owned and execution.poller not in self._started:
            self._started.append(execution.poller)
        return execution

    def other(self, arn: str) -> CloudExecution:
        """Follow any other execution, and return when its history was read once."""
        execution = self._follow(arn, late=True)
        execution.poller.wait_for_first_poll()
        return execution

    def histories(self) -> dict[str, History]:
        """The histories so far, by ARN."""
        with self._lock:
            executions = dict(self._executions)
        return {arn: execution.history() for arn, execution in executions.items()}

    def settled_histories(self) -> dict[str, History]:
        """The histories, by ARN; those of children whose invokes have ended are read to their ends first."""
        ended = {
            record.child_arn
            for history in self.histories().values()
            for record in history.operations
            if record.child_arn is not None and record.status.is_terminal
        }
        with self._lock:
            pollers = [execution.poller for arn, execution in self._executions.items() if arn in ended]
        for poller in pollers:
            poller.ended.wait()
        return self.histories()

    def close(self) -> dict[str, Exception]:
        """Stop what was started and still runs, and end all pollers; returns what ``stop_all`` does."""
        with self._lock:
            pollers = [execution.poller for execution in self._executions.values()]
            self._executions.clear()
        for poller in pollers:
            poller.close()
        failures = self.stop_all()
        end = real_seconds() + _JOIN_SECONDS
        for poller in pollers:
            poller.join(max(0.0, end - real_seconds()))
            if poller in self._started:  # others may have been started since, as stopping can take long
                self._started.remove(poller)
        return failures

    def not_stopped(self) -> list[str]:
        """The ARNs of the executions that were started, and may still run."""
        return [poller.arn for poller in self._started if not (poller.stopped or poller.saw_end)]

    def _follow(self, arn: str, owned: bool = False, late: bool = False) -> CloudExecution:
        with self._lock:
            if arn not in self._executions:
                poller = Poller(arn, self._context, owned=owned, late=late, on_child=self._on_child)
                self._executions[arn] = CloudExecution(poller, self._context, self.other)
                poller.start()
            return self._executions[arn]

    def _on_child(self, arn: str) -> Poller | None:
        """Follow an invoked execution if a script may have to answer its callbacks."""
        return self._follow(arn).poller if self._context.scripts.has_answers_left else None

    def stop_all(self) -> dict[str, Exception]:
        """Stop what was started and still runs; returns the errors, by the ARN of the execution that may still run."""
        failures: dict[str, Exception] = {}
        for poller in list(self._started):
            failures |= poller.stop(TEST_ENDED)
        return failures
