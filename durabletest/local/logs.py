"""Log records of handlers, of the SDK and of plain functions, kept per execution instead of printed."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CapturedRecord:
    """One log record, and the number of the invocation (from 1) during which it was written."""

    invocation: int
    record: logging.LogRecord


class LogCapture(logging.Handler):
    """A handler on the root logger that keeps what is logged while a handler or function runs.

    Its presence also silences logging's last resort, which would print a traceback for every step that a test expects
    to fail. What is logged outside of invocations goes to the last resort as if this handler were not there; whatever
    the user has set up (handlers, levels, ``assertLogs``, ``caplog``) works on.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self._records: dict[str, list[CapturedRecord]] = defaultdict(list)
        self._invocations: dict[str, int] = defaultdict(int)
        self._active: str | None = None

    def install(self) -> None:
        """Begin to listen."""
        logging.getLogger().addHandler(self)

    def remove(self) -> None:
        """Stop listening."""
        logging.getLogger().removeHandler(self)

    def begin(self, arn: str) -> None:
        """An invocation for this execution begins."""
        self._active = arn
        self._invocations[arn] += 1

    def end(self) -> None:
        """No invocation runs."""
        self._active = None

    def records(self, arn: str) -> list[CapturedRecord]:
        """What was logged for this execution, in order."""
        return list(self._records.get(arn, ()))

    def forget(self, arn: str) -> None:
        """Drop what was logged for this execution."""
        self._records.pop(arn, None)
        self._invocations.pop(arn, None)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record, or pass it on to the last resort."""
        arn = self._active
        if arn is not None:
            self._records[arn].append(CapturedRecord(self._invocations[arn], record))
        elif logging.lastResort is not None and self._is_alone(record) and record.levelno >= logging.lastResort.level:
            logging.lastResort.handle(record)

    def _is_alone(self, record: logging.LogRecord) -> bool:
        """Whether no other handler gets the record."""
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True
