"""A local execution: the source of its history, and what a test can do with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any

from durabletest.errors import NotAvailableError, UsageError, WaitTimeoutError
from durabletest.local.process_environment import RunnerSession
from durabletest.local.schedules import written
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.timers import VirtualClock
from durabletest.model.history import History, execution_title
from durabletest.model.lookup import listing
from durabletest.model.records import ErrorDetails, Injected, LogEntry, OperationRecord, WaitingStatus
from durabletest.model.wait_for_data import Watch


class LocalExecution:
    """Reads one execution's history from the server as it grows, and keeps it.

    It belongs to its runner until the next reset; afterwards it only has what it has kept. It is the
    :class:`durabletest.execution_handle.ExecutionControl` of local runs.
    """

    def __init__(self, arn: str, session: RunnerSession) -> None:
        environment = session.environment
        self.arn = arn
        self._session = session
        self._deployment = session.deployment
        self._lease = session.deployment.lease
        self._server = environment.server
        self._orchestrator = environment.orchestrator
        self.client = environment.client.leased(self._lease.use, self._orchestrator.await_rest)
        self._clock = environment.clock
        self.exact_time = isinstance(self._clock, VirtualClock)
        self._faults = session.deployment.faults
        self._ended = False
        self._seen = 0
        self._logs = self._orchestrator.calls.logs.entries(arn)
        self._lock = Lock()

    @cached_property
    def _history(self) -> History:
        """What is kept of the history: ``_seen`` events, which are all if the execution has ``_ended``."""
        return History()

    def history(self) -> History:
        with self._lock:
            if not self._ended:
                with self._lease.use():
                    self._keep(self._server.call(CheckpointServer.events_after, self.arn, self._seen))
            return self._history

    def _keep(self, events: list[dict[str, Any]]) -> None:
        self._history.extend(events)
        self._seen, self._ended = len(self._history.events), self._history.execution.ended

    def logs(self) -> list[LogEntry]:
        return self._logs

    def injected(self) -> list[Injected]:
        """The faults at the time of its start, and the schedule, if that is not the default one."""
        schedule = self._deployment.schedule
        told = [] if self._faults is None else self._faults.injected()
        if schedule is not None and schedule.stories():
            told.append(Injected(f"schedule {written(schedule.chosen())!r}: {'; '.join(schedule.stories())}"))
        return told

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        return self._orchestrator.values.decode(self.arn, payload, record)

    def refused_place(self, error: ErrorDetails) -> str | None:
        return self._orchestrator.values.place(self.arn, error)

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        watch = Watch(path, index, status)
        self._orchestrator.await_rest(self._lease.use())
        with self._lease.use():
            self._orchestrator.watch(self._deployment, self.arn, watch)
        return watch.future

    def blocking(self, future: Future[Any] | None = None) -> AbstractContextManager[object]:
        """Count the calling thread as one that waits, until the future is done."""
        return self._waiting("result() of a future of wait_for_data()", followed=future)

    def sibling(self, arn: str) -> LocalExecution:
        with self._lease.use():
            return LocalExecution(arn, self._session)

    def heartbeats(self, record: OperationRecord) -> int:
        with self._lease.use():
            return self._server.call(CheckpointServer.heartbeats, record.callback_id or "")

    def delay_left_out(self, record: OperationRecord) -> timedelta:  # noqa: ARG002
        """Zero: local scripts wait for their delays."""
        return timedelta(0)

    def unavailable(self, what: str) -> NotAvailableError:
        return NotAvailableError(what)

    def wait_until_ended(self, timeout: float | None) -> None:
        """Wait for the end; virtual time moves meanwhile."""
        if self._ended:
            self._orchestrator.raise_if_aborted(self.arn)
            return
        with self._waiting("result() (or execute(), or run())", self.arn, seen=self._seen) as future:
            try:
                events = future.result(timeout)
            except FutureTimeoutError:
                title, operations = execution_title(self.arn), listing(self.history())
                raise WaitTimeoutError(f"{title} did not end within {timeout:g} real seconds\n{operations}") from None
        with self._lock:
            self._keep(events)

    def stop(self, error: Mapping[str, Any]) -> None:
        self.client.stop_durable_execution(DurableExecutionArn=self.arn, **({"Error": error} if error else {}))

    @property
    def now(self) -> datetime:
        return self._clock.now()

    def advance(self, delta: timedelta | None) -> None:
        if not isinstance(self._clock, VirtualClock):
            raise NotAvailableError("advance moves virtual time: with skip_time = False time passes by itself")
        self._orchestrator.refuse_handlers("advance()")
        until = self._next_due() if delta is None else self._clock.now() + delta
        with self._waiting("advance()", until=until) as future:
            future.result()
        self._orchestrator.next_due().result()

    def due_times(self) -> list[tuple[str | None, str, datetime]]:
        with self._lease.use():
            due_times = self._orchestrator.due_times(self.arn)
        return due_times.result()

    @contextmanager
    def _waiting(
        self,
        call: str,
        arn: str | None = None,
        until: datetime | None = None,
        followed: Future[Any] | None = None,
        seen: int = 0,
    ) -> Iterator[Future[Any]]:
        """Count the calling thread as one that waits during the block, for the future that is given."""
        self._orchestrator.refuse_handlers(call)
        with self._lease.use():
            wait = self._orchestrator.wait(self._deployment, arn, until, followed, seen)
        try:
            yield wait.future
        finally:
            self._orchestrator.withdraw(wait)

    def _next_due(self) -> datetime:
        with self._lease.use():
            next_due = self._orchestrator.next_due()
        due = next_due.result()
        if due is None:
            raise UsageError(
                f"{execution_title(self.arn)} has nothing to advance to: no timer is armed\n{listing(self.history())}"
            )
        return due
