"""The seam through which results and operations reach their run; a local or deployed execution stands behind it."""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol

from durabletest.model.enums import WaitingStatus
from durabletest.model.history import History
from durabletest.model.records import OperationRecord


class ExecutionView(Protocol):
    """One execution, running or ended."""

    @property
    def arn(self) -> str: ...

    @property
    def client(self) -> Any:
        """A Lambda client as boto3 shapes it, for answering callbacks."""
        ...

    def blocking(self) -> AbstractContextManager[object]:
        """Entered by a thread while it is blocked by one of the futures of ``watch``."""
        ...

    def history(self) -> History:
        """The history so far; of a running execution, with whatever is new."""
        ...

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        """A payload as the value it stands for; without a record it is the execution's own."""
        ...

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        """Resolves when the operation gets there; see :mod:`durabletest.model.waiting`.

        ``path`` may be an :class:`~durabletest.model.records.OperationId` and has to be handed on as it is.
        """
        ...


def execution_name(arn: str) -> str:
    """The name in ``.../durable-execution/NAME/ID``, or the whole text where it has another form."""
    head, separator, tail = arn.partition("/durable-execution/")
    return tail.split("/")[0] if head and separator else arn


def execution_title(arn: str) -> str:
    """How messages speak of an execution."""
    return f"execution {execution_name(arn)!r}"
