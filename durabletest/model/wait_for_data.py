"""``wait_for_data``: futures for operations that do not exist yet, or have not got far enough."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from durabletest import errors
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, callback_of, submitter_child, title
from durabletest.model.lookup import listing, possible_names
from durabletest.model.records import OperationRecord, OperationStatus, OperationType, WaitingStatus

OperationT = TypeVar("OperationT")


@dataclass(frozen=True, eq=False)
class Watch:
    """One wait for an operation; ``future`` resolves to its record, or fails if it can no longer get that far."""

    path: str
    index: int = 0
    status: WaitingStatus = WaitingStatus.STARTED
    future: Future[OperationRecord] = field(default_factory=Future)

    @cached_property
    def hints(self) -> frozenset[str]:
        """The names that an operation at the path can have; if the path is an id, that id."""
        return frozenset(possible_names(self.path))


class OpenWatches:
    """The unsettled watches on one execution, indexed by the names or the id that their operations can have."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._open: dict[Watch, int] = {}
        self._by_hint: dict[str, dict[Watch, None]] = {}

    def __bool__(self) -> bool:
        """True if there are any; cancelled ones do not count."""
        return any(not watch.future.done() for watch in self._open)

    def add(self, watch: Watch, history: History, ended: bool) -> None:
        """Settle the watch at once if the history decides it; otherwise keep it."""
        for kept in resolve([watch], history, ended):
            self._open[kept] = next(self._numbers)
            for hint in kept.hints:
                self._by_hint.setdefault(hint, {})[kept] = None

    def settle(self, history: History, ended: bool, new_events: Iterable[Mapping[str, Any]]) -> None:
        """Resolve the watches that these new events can affect; if the execution has ended, all of them."""
        watches = list(self._open) if ended else self._affected(history, new_events)
        still_open = set(resolve(watches, history, ended))
        for watch in watches:
            if watch not in still_open:
                self._drop(watch)

    def take_all(self) -> list[Watch]:
        taken = list(self._open)
        self._open.clear()
        self._by_hint.clear()
        return taken

    def _affected(self, history: History, new_events: Iterable[Mapping[str, Any]]) -> list[Watch]:
        """The watches on operations of these events, or on the contexts directly around them, the oldest first."""
        records = {record.id: record for event in new_events if (record := history.operation_of(event)) is not None}
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

    When the execution has ended, none stays open: the rest fail. Watches whose future was cancelled are dropped.
    """
    return [watch for watch in watches if not watch.future.done() and not _settled(watch, history, ended)]


def _settled(watch: Watch, history: History, ended: bool) -> bool:
    try:
        record = _reached(watch, history)
        if record is None and ended:
            raise _never_reached(watch, history)
    except errors.DurableTestError as error:
        if watch.future.set_running_or_notify_cancel():
            watch.future.set_exception(error)
        return True
    if record is None:
        return False
    if watch.future.set_running_or_notify_cancel():
        watch.future.set_result(record)
    return True


def _reached(watch: Watch, history: History) -> OperationRecord | None:
    """The record if it has got far enough, ``None`` if it may still do so; raises if it no longer can."""
    record = history.get(watch.path, watch.index)
    if record is None:
        return None
    if watch.status is WaitingStatus.SUBMITTED and not is_submitted(history, record):
        if record.status.is_terminal:
            raise _never_reached(watch, history)
        return None
    if watch.status is WaitingStatus.COMPLETED and not record.status.is_terminal:
        return None
    return record


def is_submitted(history: History, record: OperationRecord) -> bool:
    """Whether a CALLBACK, or the one inside a ``wait_for_callback``, can be answered or has been."""
    if record.type is OperationType.CALLBACK:
        return True
    if not record.is_wait_for_callback:
        msg = (
            f"{title(history, record)} is a {record.type}: only callbacks are SUBMITTED; wait for STARTED or COMPLETED"
        )
        raise errors.WrongOperationTypeError(msg)
    submitter = submitter_child(history, record)
    return (
        callback_of(history, record) is not None
        and submitter is not None
        and submitter.status is OperationStatus.SUCCEEDED
    )


def _never_reached(watch: Watch, history: History) -> errors.OperationNotReachedError:
    status = history.execution.status
    try:
        record = history.find(watch.path, watch.index)
    except errors.OperationNotFoundError as error:
        msg = f"the execution is {status}, and {watch.path!r} was never {watch.status}\n{error}"
        return errors.OperationNotReachedError(msg)
    end = f": {record.error}" if record.error else ""
    msg = f"{title(history, record)} was never {watch.status}: it is {record.status}{end}; the execution is {status}"
    return errors.OperationNotReachedError(f"{msg}\n{listing(history)}")


class OperationFuture(Future[OperationT]):
    """The future that ``wait_for_data`` returns: follows one from :meth:`ExecutionView.watch`, and can time out.

    While a thread is blocked by it, the run knows: virtual time may move, and a wait that nothing can end fails at
    once. ``convert`` makes the future's result of the record. Cancelling it cancels the watch.
    """

    def __init__(
        self,
        view: ExecutionView,
        path: str,
        index: int,
        status: WaitingStatus,
        convert: Callable[[OperationRecord], OperationT],
    ) -> None:
        super().__init__()
        self._view, self._path, self._index, self._status = view, path, index, status
        self._convert = convert
        watched = view.watch(path, index, status)
        self.add_done_callback(lambda done: done.cancelled() and watched.cancel())
        watched.add_done_callback(self._follow)

    def result(self, timeout: float | None = None) -> OperationT:
        """The operation; raises ``WaitTimeoutError`` after that many real seconds."""
        with self._blocking(timeout):
            return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        with self._blocking(timeout):
            return super().exception(timeout)

    @contextmanager
    def _blocking(self, timeout: float | None) -> Iterator[None]:
        with nullcontext() if self.done() else self._view.blocking(self):
            try:
                yield
            except TimeoutError:
                if timeout is None or self.done():
                    raise
                raise self._timed_out(timeout) from None

    def _timed_out(self, timeout: float) -> errors.WaitTimeoutError:
        history = self._view.history()
        try:
            record = history.find(self._path, self._index)
        except errors.OperationNotFoundError as error:
            return errors.WaitTimeoutError(f"after {timeout:g} real seconds there is no such operation: {error}")
        return errors.WaitTimeoutError(
            f"{title(history, record)} was not {self._status} within {timeout:g} real seconds: it is {record.status}\n"
            f"{listing(history)}"
        )

    def _follow(self, watched: Future[OperationRecord]) -> None:
        if watched.cancelled():
            self.cancel()
        if not self.set_running_or_notify_cancel():
            return
        error = watched.exception()
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(self._convert(watched.result()))
