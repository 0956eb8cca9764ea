"""Futures for operations that do not exist yet or have not got far enough (``wait_for_data``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from durabletest.errors import (
    DurableTestError,
    OperationNotFoundError,
    OperationNotReachedError,
    WaitTimeoutError,
    WrongOperationTypeError,
)
from durabletest.model.enums import OperationStatus, OperationType, WaitingStatus
from durabletest.model.history import History
from durabletest.model.lookup import listing, possible_names
from durabletest.model.records import OperationRecord
from durabletest.model.titles import title
from durabletest.model.traits import callback_child, submitter_child

__all__ = ["OpenWatches", "WaitingStatus", "Watch", "resolve"]


@dataclass(frozen=True, eq=False)
class Watch:
    """One outstanding wait; ``future`` gets the record, or the reason why it never will."""

    path: str
    index: int = 0
    status: WaitingStatus = WaitingStatus.STARTED
    future: Future[OperationRecord] = field(default_factory=Future)

    @cached_property
    def hints(self) -> frozenset[str]:
        """The names that an operation at the path can have, or its id if it is that."""
        return frozenset(possible_names(self.path))


class OpenWatches:
    """The watches on one execution that are not settled, each found by the names or the id that it can mean."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._open: dict[Watch, int] = {}
        self._by_hint: dict[str, dict[Watch, None]] = {}

    def __bool__(self) -> bool:
        """Whether anybody waits for one of their futures; one that was cancelled has nobody."""
        return any(not watch.future.done() for watch in self._open)

    def add(self, watch: Watch, history: History, ended: bool) -> None:
        """Settle it, or keep it."""
        for kept in resolve([watch], history, ended):
            self._open[kept] = next(self._numbers)
            for hint in kept.hints:
                self._by_hint.setdefault(hint, {})[kept] = None

    def settle(self, history: History, ended: bool, news: Iterable[Mapping[str, Any]]) -> None:
        """Look at the watches that these new events of the history concern; at all of them if the execution ended."""
        watches = list(self._open) if ended else self._concerned(history, news)
        left = set(resolve(watches, history, ended))
        for watch in watches:
            if watch not in left:
                self._drop(watch)

    def take_all(self) -> list[Watch]:
        """Give them up."""
        taken = list(self._open)
        self._open.clear()
        self._by_hint.clear()
        return taken

    def _concerned(self, history: History, news: Iterable[Mapping[str, Any]]) -> list[Watch]:
        """Those that can mean the operations of these events, or what these are inside of, in the order they came."""
        records = {record.id: record for event in news if (record := history.operation_of(event)) is not None}
        around = [parent for record in records.values() if (parent := history.parent(record)) is not None]
        hints = {hint for record in [*records.values(), *around] for hint in (record.name, record.id) if hint}
        return sorted({watch for hint in hints for watch in self._by_hint.get(hint, ())}, key=self._open.__getitem__)

    def _drop(self, watch: Watch) -> None:
        del self._open[watch]
        for hint in watch.hints:
            del self._by_hint[hint][watch]
            if not self._by_hint[hint]:
                del self._by_hint[hint]


def resolve(watches: Iterable[Watch], history: History, ended: bool) -> list[Watch]:
    """Settle every watch that the history decides, and return those that are still open.

    Once the execution has ended nothing can change any more, so none stays open: the rest fail. Watches whose future
    was cancelled are dropped.
    """
    return [watch for watch in watches if not watch.future.done() and not _settled(watch, history, ended)]


def _settled(watch: Watch, history: History, ended: bool) -> bool:
    try:
        record = _reached(watch, history)
        if record is None and ended:
            raise _never_reached(watch, history)
    except DurableTestError as error:
        if watch.future.set_running_or_notify_cancel():
            watch.future.set_exception(error)
        return True
    if record is None:
        return False
    if watch.future.set_running_or_notify_cancel():
        watch.future.set_result(record)
    return True


def _reached(watch: Watch, history: History) -> OperationRecord | None:
    """The record if it is where it was waited for, ``None`` if it may still get there."""
    record = history.get(watch.path, watch.index)
    if record is None:
        return None
    if watch.status is WaitingStatus.SUBMITTED and not _is_submitted(record, history):
        if record.status.is_terminal:
            raise _never_reached(watch, history)
        return None
    if watch.status is WaitingStatus.COMPLETED and not record.status.is_terminal:
        return None
    return record


def _is_submitted(record: OperationRecord, history: History) -> bool:
    if record.type is OperationType.CALLBACK:
        return True
    if not record.is_wait_for_callback:
        msg = (
            f"{title(history, record)} is a {record.type}: only callbacks are SUBMITTED; wait for STARTED or COMPLETED"
        )
        raise WrongOperationTypeError(msg)
    submitter = submitter_child(history, record)
    return (
        callback_child(history, record) is not None
        and submitter is not None
        and submitter.status is OperationStatus.SUCCEEDED
    )


def _never_reached(watch: Watch, history: History) -> OperationNotReachedError:
    status = history.execution.status
    try:
        record = history.find(watch.path, watch.index)
    except OperationNotFoundError as error:
        msg = f"the execution is {status}, and {watch.path!r} was never {watch.status}\n{error}"
        return OperationNotReachedError(msg)
    end = f": {record.error}" if record.error else ""
    msg = f"{title(history, record)} was never {watch.status}: it is {record.status}{end}; the execution is {status}"
    return OperationNotReachedError(f"{msg}\n{listing(history)}")


def not_in_time(path: str, index: int, status: WaitingStatus, history: History, timeout: float) -> WaitTimeoutError:
    """An operation did not get there within so many real seconds."""
    try:
        record = history.find(path, index)
    except OperationNotFoundError as error:
        return WaitTimeoutError(f"after {timeout:g} real seconds there is no such operation: {error}")
    return WaitTimeoutError(
        f"{title(history, record)} was not {status} within {timeout:g} real seconds: it is {record.status}\n"
        f"{listing(history)}"
    )
