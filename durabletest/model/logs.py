"""What was logged during an execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class LogEntry:
    """One log record of an execution: written by its handler, by the SDK for it, or by a plain function it invoked.

    ``invocation`` counts from 1, as in :meth:`~durabletest.TestResult.get_invocations`; a plain function logs in the
    invocation that invoked it. ``level`` is the level's name, ``time`` the time of the environment, ``traceback`` the
    text of the exception that was logged with it, and ``extra`` what else the record carries (the SDK's own loggers
    add ``executionArn``, ``operationName``, ``attempt``).
    """

    invocation: int
    level: str
    logger: str
    message: str
    time: datetime
    traceback: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        """One line, and the traceback below it."""
        when = f"{self.time:%Y-%m-%d %H:%M:%S}"
        line = f"{when} invocation {self.invocation} {self.level} {self.logger}: {self.message}"
        return line if self.traceback is None else f"{line}\n{self.traceback}"
