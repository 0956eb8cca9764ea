"""Claims about a whole execution."""

from __future__ import annotations

from dataclasses import dataclass

from durabletest.assertions.check import About
from durabletest.assertions.subject import Outcome, Subject
from durabletest.model.times import plain
from durabletest.model.view import ExecutionView, execution_title

__unittest = True
__tracebackhide__ = True

_STILL_RUNNING = "It has not ended yet: wait for it with execution.result(timeout=...) first."


@dataclass(frozen=True, repr=False)
class ExecutionSubject(Subject):
    """One execution: it ``succeeded``, ``failed``, ``timed_out`` or was ``stopped``."""


def execution_subject(view: ExecutionView, fail: type[AssertionError]) -> ExecutionSubject:
    record = view.history().execution

    def result() -> object:
        return plain(view.decode(record.result, None))

    story = execution_story(view)
    outcome = Outcome(record.status, record.error, story, result, "" if record.ended else _STILL_RUNNING)
    return ExecutionSubject(About(execution_title(view.arn), view, fail), outcome)


def execution_story(view: ExecutionView) -> str:
    """Its status, and the error it ended with: ``FAILED with PaymentDeclined: card expired``."""
    record = view.history().execution
    return f"{record.status} with {record.error}" if record.error else str(record.status)
