"""The seam through which results and operations reach their run; a local or deployed execution stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol

from durabletest.errors import NotAvailableError
from durabletest.model.details import ErrorDetails
from durabletest.model.enums import WaitingStatus
from durabletest.model.history import History
from durabletest.model.logs import LogEntry
from durabletest.model.records import OperationRecord


class ExecutionView(Protocol):
    """One execution, running or ended."""

    @property
    def arn(self) -> str: ...

    @property
    def client(self) -> Any:
        """A Lambda client as boto3 shapes it, for answering callbacks."""
        ...

    @property
    def exact_time(self) -> bool:
        """Whether time is virtual, so that durations are exact; otherwise they are lower bounds of what is measured."""
        ...

    def blocking(self, future: Future[Any] | None = None) -> AbstractContextManager[object]:
        """Entered by a thread while it is blocked by a future that one of the futures of ``watch`` settles."""
        ...

    def history(self) -> History:
        """The history so far; of a running execution, with whatever is new."""
        ...

    def logs(self) -> Sequence[LogEntry] | None:
        """What was logged so far, in order; ``None`` where log records do not come back to the test."""
        ...

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        """A payload as the value it stands for; without a record it is the execution's own, which is JSON."""
        ...

    def refused_place(self, error: ErrorDetails) -> str | None:
        """Where a value holds what a serialiser has refused, ``value['items'][1] is a Money``; None if that is unknown.

        It stands beside the error that the service has recorded, which says as little as the deployed function's would.
        """
        ...

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        """Resolves when the operation gets there; see :mod:`durabletest.model.waiting`.

        ``path`` may be an :class:`~durabletest.model.records.OperationId` and has to be handed on as it is.
        """
        ...

    def sibling(self, arn: str) -> ExecutionView:
        """Another execution in the same place, for example one that a chained invoke has started."""
        ...

    def heartbeats(self, record: OperationRecord) -> int:
        """How many heartbeats a CALLBACK was sent; they leave no event, so the history does not tell."""
        ...

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        """By how much a scripted answer came earlier than its script says, because nobody waits in real time."""
        ...

    def unavailable(self, what: str) -> NotAvailableError:
        """The error for something that cannot be asked of an execution that runs where this one does."""
        ...


def execution_name(arn: str) -> str:
    """The name in ``.../durable-execution/NAME/ID``, or the whole text where it has another form."""
    head, separator, tail = arn.partition("/durable-execution/")
    return tail.split("/")[0] if head and separator else arn


def execution_title(arn: str) -> str:
    """How messages speak of an execution."""
    return f"execution {execution_name(arn)!r}"
