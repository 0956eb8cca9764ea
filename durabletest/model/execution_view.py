"""The interface between the model and a run: a local and a deployed execution offer the same view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from durabletest.errors import NotAvailableError
from durabletest.model.history import History
from durabletest.model.records import ErrorDetails, Injected, LogEntry, OperationRecord, WaitingStatus


class ExecutionView(Protocol):
    """One execution, running or ended: a ``LocalExecution`` or a ``CloudExecution``."""

    @property
    def arn(self) -> str: ...

    @property
    def client(self) -> Any:
        """A Lambda client as boto3 makes them, for answering callbacks."""
        ...

    @property
    def exact_time(self) -> bool:
        """True in virtual time, where durations are exact; in real time they are lower bounds of what is measured."""
        ...

    def blocking(self, future: Future[Any] | None = None) -> AbstractContextManager[object]:
        """A context for the time that a thread is blocked by a future which follows one from ``watch``."""
        ...

    def history(self) -> History:
        """The history so far; for a running execution this reads the events that are new."""
        ...

    def logs(self) -> Sequence[LogEntry] | None:
        """The log records so far, in order; ``None`` where they are not read, as in CloudWatch."""
        ...

    def injected(self) -> Sequence[Injected]:
        """The faults and the schedule that the test has put into the execution."""
        ...

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        """Decode a payload of an operation, or with ``None`` of the execution itself, whose payloads are JSON."""
        ...

    def refused_place(self, error: ErrorDetails) -> str | None:
        """The place of the value that a serialiser refused, ``value['items'][1] is a Money``; ``None`` if unknown.

        The recorded error does not have it, because that of a deployed function would not have it either.
        """
        ...

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        """A future that resolves when the operation reaches this status; see :mod:`durabletest.model.wait_for_data`.

        ``path`` may be an :class:`~durabletest.model.records.OperationId`, and has to be passed on as it is.
        """
        ...

    def sibling(self, arn: str) -> ExecutionView:
        """Another execution of the same environment, for example one that a chained invoke started."""
        ...

    def heartbeats(self, record: OperationRecord) -> int:
        """The number of heartbeats that a CALLBACK was sent; they leave no events in the history."""
        ...

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        """The part of a scripted answer's delay that was skipped, because the run is in real time."""
        ...

    def unavailable(self, what: str) -> NotAvailableError:
        """The error for a question that this kind of execution cannot answer."""
        ...


@dataclass(frozen=True)
class Child:
    """An execution that a chained invoke has started.

    ``invoke`` is that operation, in the execution ``parent_arn``, and ``path`` the operation's path there.
    """

    view: ExecutionView
    history: History
    parent_arn: str
    invoke: OperationRecord
    path: str

    @property
    def arn(self) -> str:
        return self.view.arn


def children_of(view: ExecutionView, wanted: Callable[[OperationRecord], bool] = lambda _: True) -> Iterator[Child]:
    """The executions that chained invokes of this one have started, each followed by those that it has started itself.

    ``wanted`` says of an invoke whether its execution is asked for.
    """
    seen = {view.arn}
    waiting = _invokes(view, wanted)
    while waiting:  # no recursion: executions may be nested deeply
        parent, history, record = waiting.pop()
        arn = record.child_arn or ""
        if arn in seen:
            continue
        seen.add(arn)
        child = parent.sibling(arn)
        yield Child(child, child.history(), parent.arn, record, history.path_of(record))
        waiting += _invokes(child, wanted)


def _invokes(
    view: ExecutionView, wanted: Callable[[OperationRecord], bool]
) -> list[tuple[ExecutionView, History, OperationRecord]]:
    """The invokes of executions, the last one first."""
    history = view.history()
    return [(view, history, record) for record in reversed(history.operations) if record.child_arn and wanted(record)]
