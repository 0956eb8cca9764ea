"""Log records of handlers, of the SDK and of plain functions, kept per execution instead of printed."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Thread, current_thread
from weakref import WeakKeyDictionary

from durabletest.errors import ConfigurationError
from durabletest.local.handler_threads import invoker_thread_of, threads_of
from durabletest.model.history import execution_name
from durabletest.model.records import LogEntry
from durabletest.patches import PatchGroup

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
    """One call of handler code, and the list to which its records are added; None if they are not kept."""

    arn: str
    entries: list[LogEntry] | None
    invocation: int


class LogCapture(PatchGroup):
    """Keeps what is logged by the calls of handlers and functions, and by the threads that they start.

    Records still go to all handlers: ``propagate``, ``assertLogs``, ``caplog`` and later set-ups of logging work as
    without it. A record without any handler is not printed by logging's last resort, which would show a traceback for
    every step that a test expects to fail. Records of other threads are left alone.
    """

    def __init__(self, now: Callable[[], datetime], live: bool = False) -> None:
        self._now = now
        self._live = live
        self._entries: dict[str, list[LogEntry]] = {}
        self._invocations: dict[str, int] = {}
        self._sources: WeakKeyDictionary[Thread, _Source] = WeakKeyDictionary()
        super().__init__()

    def install(self) -> None:
        # Every record that has passed its logger's level and filters comes here, whatever handlers there are; a handler
        # on the root logger would miss those of loggers that do not propagate, and change what ``logging`` prints.
        # Documented nowhere, but the same since Python 2.3; checked with Python 3.11.
        self._patches.wrap(logging.Logger, "callHandlers", self._patched_call_handlers)

    def entries(self, arn: str) -> list[LogEntry]:
        """The records of this execution, in order: the list itself, which grows and outlives ``forget``."""
        return self._entries.setdefault(arn, [])

    def forget(self, arn: str) -> None:
        self._entries.pop(arn, None)
        self._invocations.pop(arn, None)

    # --- calls ---

    @contextmanager
    def during(self, arn: str, *, new_invocation: bool, kept: bool = True) -> Iterator[None]:
        """Keep the records of the block for this execution, under the number of a new invocation or of the last one.

        Records that are not ``kept`` are only shown, if they are shown live: their tracebacks take long to format.
        The block has to be run by an invoker thread (see :mod:`durabletest.local.handler_threads`).
        """
        number = self._invocations.get(arn, 0) + new_invocation
        self._invocations[arn] = number
        source = _Source(arn, self.entries(arn) if kept or self._live else None, number)
        self._sources[current_thread()] = source
        try:
            yield
        finally:
            for thread in threads_of(current_thread()):  # those that outlive their call go on to log for it
                self._sources.setdefault(thread, source)

    def _source(self) -> _Source | None:
        """The call that the current thread works for, given up or not: its own, or that of its invoker thread."""
        thread = current_thread()
        invoker_thread = invoker_thread_of(thread)
        return None if invoker_thread is None else self._sources.get(thread) or self._sources.get(invoker_thread)

    # --- records ---

    def _patched_call_handlers(
        self, original: Callable[[logging.Logger, logging.LogRecord], None]
    ) -> Callable[[logging.Logger, logging.LogRecord], None]:
        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            source = self._source()
            if source is not None and source.entries is not None:
                source.entries.append(self._entry(source, record))
            if source is None or logger.hasHandlers():
                original(logger, record)

        return callHandlers

    def _entry(self, source: _Source, record: logging.LogRecord) -> LogEntry:
        entry = LogEntry(
            source.invocation,
            record.levelname,
            record.name,
            _message(record),
            self._now(),
            _TRACEBACKS.formatException(record.exc_info) if record.exc_info else None,
            {key: value for key, value in vars(record).items() if key not in _STANDARD_FIELDS},
        )
        if self._live:
            sys.stderr.write(f"[{execution_name(source.arn)}] {entry}\n")
        return entry


def _message(record: logging.LogRecord) -> str:
    """The message; if its arguments do not fit, the format string, the arguments and the reason."""
    try:
        return record.getMessage()
    except Exception as error:
        reason = error
    try:
        return f"{record.msg!r} with arguments {record.args!r} (no message: {type(reason).__name__}: {reason})"
    except Exception:  # arguments without a repr must not fail the handler that logs them
        return f"(no message, and arguments that cannot be shown: {type(reason).__name__})"
