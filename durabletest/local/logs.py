"""Log records of handlers, of the SDK and of plain functions, kept per execution instead of printed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Thread, current_thread
from typing import Any
from weakref import WeakKeyDictionary

from durabletest.errors import ConfigurationError
from durabletest.local.handler_threads import threads_of, worker_of
from durabletest.model.naming import execution_name
from durabletest.model.records import LogEntry

LOGS_VARIABLE = "DURABLETEST_LOGS"
_CAPTURED, _LIVE = "captured", "live"
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_TRACEBACKS = logging.Formatter()


def logs_are_live() -> bool:
    """Whether ``DURABLETEST_LOGS`` asks for records on stderr as they are written."""
    value = os.environ.get(LOGS_VARIABLE) or _CAPTURED
    if value not in (_CAPTURED, _LIVE):
        raise ConfigurationError(
            f"the environment variable {LOGS_VARIABLE} is {value!r}: write 'live' to see log records on stderr as they "
            f"are written, or 'captured' (the default) to have them in result.logs and failure reports only"
        )
    return value == _LIVE


@dataclass(slots=True, eq=False)
class _Source:
    """One call of handler code, and where its records go."""

    arn: str
    entries: list[LogEntry]
    invocation: int


class LogCapture:
    """Keeps what is logged by the calls of handlers and functions, and by the threads that they start.

    It listens where a record that has passed its logger's level and filters sets out to the handlers, and lets it go on
    to all of them: handlers, ``propagate``, ``assertLogs``, ``caplog`` and later set-ups of logging work as they do
    without it. A record that would find no handler is not printed by logging's last resort, which would show a
    traceback for every step that a test expects to fail. What other threads log is none of its business.
    """

    def __init__(self, now: Callable[[], datetime], live: bool = False) -> None:
        self._now = now
        self._live = live
        self._entries: dict[str, list[LogEntry]] = {}
        self._invocations: dict[str, int] = {}
        self._sources: WeakKeyDictionary[Thread, _Source] = WeakKeyDictionary()
        self._original: Any = None
        self._replacement: Any = None

    def install(self) -> None:
        """Begin to listen."""
        self._original = logging.Logger.callHandlers
        self._replacement = self._call_handlers()
        logging.Logger.callHandlers = self._replacement  # type: ignore[method-assign]

    def remove(self) -> None:
        """Stop listening; another tool that has put itself on top since is left in place."""
        if logging.Logger.callHandlers is self._replacement:
            logging.Logger.callHandlers = self._original  # type: ignore[method-assign]

    def entries(self, arn: str) -> list[LogEntry]:
        """What is logged for this execution, in order: the list itself, which grows and outlives ``forget``."""
        return self._entries.setdefault(arn, [])

    def forget(self, arn: str) -> None:
        """The ARN may be given out anew."""
        self._entries.pop(arn, None)
        self._invocations.pop(arn, None)

    # --- calls ---

    def during(self, arn: str, call: Callable[[], Any], *, new_invocation: bool) -> Callable[[], Any]:
        """The call, which when it is made logs for this execution: in a new invocation of it, or in the last one.

        It has to be made by the thread that founded a family (see :mod:`durabletest.local.handler_threads`).
        """

        def captured() -> Any:
            number = self._invocations.get(arn, 0) + new_invocation
            self._invocations[arn] = number
            source = _Source(arn, self.entries(arn), number)
            self._sources[current_thread()] = source
            try:
                return call()
            finally:
                self._keep_what_outlives(source)

        return captured

    def _keep_what_outlives(self, source: _Source) -> None:
        """Threads that are still there when their call has ended go on to log for it."""
        for thread in threads_of(current_thread()):
            self._sources.setdefault(thread, source)

    def _source(self) -> _Source | None:
        """The call that the current thread works for, given up or not: its own, or the one that its worker makes."""
        thread = current_thread()
        worker = worker_of(thread)
        return None if worker is None else self._sources.get(thread) or self._sources.get(worker)

    # --- records ---

    def _call_handlers(self) -> Callable[[logging.Logger, logging.LogRecord], None]:
        original: Callable[[logging.Logger, logging.LogRecord], None] = self._original

        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            source = self._source()
            if source is not None:
                self._keep(source, record)
            if source is None or logger.hasHandlers():
                original(logger, record)

        return callHandlers

    def _keep(self, source: _Source, record: logging.LogRecord) -> None:
        entry = LogEntry(
            source.invocation,
            record.levelname,
            record.name,
            _message(record),
            self._now(),
            _TRACEBACKS.formatException(record.exc_info) if record.exc_info else None,
            {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS},
        )
        source.entries.append(entry)
        if self._live:
            sys.stderr.write(f"[{execution_name(source.arn)}] {entry}\n")


def _message(record: logging.LogRecord) -> str:
    """The message; one whose arguments do not fit is told as it was written, with the reason."""
    try:
        return record.getMessage()
    except Exception as error:
        return f"{record.msg!r} with arguments {record.args!r} (no message: {type(error).__name__}: {error})"
