"""How a test with claims fails: the exception and its text, the report on the execution, the frames it shows."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from traceback import StackSummary, TracebackException, walk_tb
from types import FrameType, TracebackType
from typing import Any

from durabletest.errors import DurableTestError, ExecutionFailedError, UsageError
from durabletest.model.execution_view import Child, ExecutionView, children_of
from durabletest.model.history import execution_title
from durabletest.model.records import OperationStatus
from durabletest.report.failure_report import MOST_CHILDREN, failure_report

__unittest = True
__tracebackhide__ = True

_SHOWN_BEFORE = "(The operations are shown with the failure before.)"
_NOT_USER_CODE = frozenset({"durabletest", *sys.stdlib_module_names})


@dataclass(frozen=True)
class FailedClaim:
    """``location`` is where the test made the claim, ``operation`` the id of the operation it is about, if any."""

    text: str
    view: ExecutionView
    location: str
    operation: str | None


def _plain_message(note: object, text: str) -> str:
    return text if note is None else f"{text} : {note}"


class CurrentTest:
    """How one test fails.

    ``failure`` is the exception that failed claims raise, ``format_message`` is unittest's ``_formatMessage``.
    ``folder`` is the directory of the test's module, ``None`` if the module has no file. ``collectors`` are the open
    soft scopes, the innermost last.
    """

    def __init__(
        self,
        failure: type[AssertionError] = AssertionError,
        format_message: Callable[[Any, str], str] = _plain_message,
        folder: Path | None = None,
    ) -> None:
        self.folder = folder
        self.collectors: list[Callable[[FailedClaim], None]] = []
        self.failure = failure
        self._format_message = format_message
        self._unclaimed: dict[int, tuple[object, Callable[[], None], str]] = {}
        self._suffix = ""
        self._shown: set[str] = set()

    def fail(self, text: str, view: ExecutionView, note: object = None, operation: str | None = None) -> None:
        """Raise the failure, or hand it to the innermost soft scope."""
        failed = FailedClaim(self._with_note(note, text) + self._suffix, view, _location(), operation)
        if not self.collectors:
            raise self.error(failed.text, [failed])
        self.collectors[-1](failed)

    def error(self, text: str, failed: Sequence[FailedClaim]) -> AssertionError:
        """The exception to raise, which ends with a report on each execution that the claims are about."""
        views = {claim.view.arn: claim.view for claim in failed}
        operations = frozenset(claim.operation for claim in failed if claim.operation is not None)
        report = "\n\n".join(_report(view, operations) for view in views.values())
        error = self.failure(f"{text}\n\n{report}")
        error.__durable_report__ = report  # type: ignore[attr-defined]
        return error

    def _with_note(self, note: object, text: str) -> str:
        """Put the note after the subject, in the first line. Without ``longMessage`` the note replaces the text."""
        subject, line_break, rest = text.partition("\n")
        first = self._format_message(note, subject)
        return first + line_break + rest if subject in first else first

    def expect_claim(self, subject: object, complain: Callable[[], None]) -> None:
        """Call ``complain``, which raises, at the end of the test if :meth:`claimed` is not called before."""
        # the subject is kept alive, so that its id stays unique
        self._unclaimed[id(subject)] = subject, complain, _location()

    def claimed(self, subject: object) -> None:
        self._unclaimed.pop(id(subject), None)

    def finish(self) -> None:
        """Complain about the latest subject without a claim, with its location, which no traceback shows any more."""
        while self._unclaimed:
            _, (_, complain, location) = self._unclaimed.popitem()
            self._suffix = f"\n(at {location})"
            try:
                complain()
            except UsageError as error:
                error.args = (f"{error}{self._suffix}",)
                raise

    @contextmanager
    def reporting(self, last: Callable[[], ExecutionView | None]) -> Iterator[None]:
        """Add a report on the last execution to failures, except for a report that the test has shown before."""
        try:
            yield
        except unittest.SkipTest:
            raise
        except Exception as error:
            if isinstance(error, self.failure | ExecutionFailedError):
                self._report_once(error, last())
            trim_traceback(error)
            raise

    def _report_once(self, error: BaseException, view: ExecutionView | None) -> None:
        inside = hasattr(error, "__durable_report__")
        report = self.take_report(error, view)
        if report is not None and inside:
            error.args = (f"{error.args[0]}\n\n{report}",)
        elif report is not None:
            error.add_note(f"\n{report}")
        error.__durable_reported__ = True  # type: ignore[attr-defined]

    def take_report(self, error: BaseException, view: ExecutionView | None) -> str | None:
        """The report that an error is to be shown with: its own, which is taken out of its message, or one on ``view``.

        It is None if there is nothing to report on, if the error has its report already, or if the test has shown the
        same report before.
        """
        if hasattr(error, "__durable_reported__"):
            return None
        own: str | None = getattr(error, "__durable_report__", None)
        report = own if own is not None or view is None else _report(view, frozenset())
        if report is None:
            return None
        shown_before = report in self._shown
        self._shown.add(report)
        if own is not None:
            instead = f"\n\n{_SHOWN_BEFORE}" if shown_before else ""
            error.args = (str(error.args[0]).replace(f"\n\n{own}", instead),)
        return None if shown_before else report


def _report(view: ExecutionView, operations: frozenset[str]) -> str:
    title = execution_title(view.arn)
    children: list[Child] = []
    excuse = ""
    try:
        history = view.history()
        try:
            children.extend(
                islice(children_of(view, lambda invoke: invoke.status is not OperationStatus.SUCCEEDED), MOST_CHILDREN)
            )
        except DurableTestError as error:
            excuse = f"\n\nAn execution that {title} has invoked cannot be shown: {error}"
        return failure_report(history, title, view.logs(), sys.stderr, operations, children) + excuse
    except DurableTestError as error:  # must not hide the failure that is reported
        return f"The operations of {title} cannot be shown: {error}"


def trim_traceback(error: BaseException) -> None:
    """Leave only the user's frames in a traceback, starting with the first of them.

    Frames of this package between two of the user's are removed: a check has called a matcher, for example. Frames
    below the user's last one are removed if the error is one of this package's, whose message says it all. For any
    other error they stay, since it is a bug.
    """
    entries = list(_entries(error.__traceback__))
    users = [i for i, entry in enumerate(entries) if _package(entry.tb_frame) not in _NOT_USER_CODE]
    if not users:
        return
    first, last = users[0], users[-1]
    kept = [entry for entry in entries[first:last] if _package(entry.tb_frame) != "durabletest"] + [entries[last]]
    tail = None if isinstance(error, DurableTestError) else entries[last].tb_next
    for entry, following in zip(kept, [*kept[1:], tail], strict=True):
        entry.tb_next = following


def told(error: BaseException) -> str:
    """The traceback with notes as text, from the user's first frame on, without frames of this package and reports."""
    frames = list(walk_tb(error.__traceback__))
    first = next((i for i, (frame, _) in enumerate(frames) if _package(frame) not in _NOT_USER_CODE), 0)
    shown = [(frame, line) for frame, line in frames[first:] if _package(frame) != "durabletest"]
    exception = TracebackException.from_exception(error)
    exception.stack = StackSummary.extract(iter(shown))
    text = "".join(exception.format())
    report: str | None = getattr(error, "__durable_report__", None)
    return (text.replace(report, "") if report else text).rstrip()


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def _location() -> str:
    """File and line of the nearest frame outside this package."""
    frame = sys._getframe(1)
    while "__unittest" in frame.f_globals and frame.f_back is not None:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
