"""The test in whose name claims are made: how it fails, what it collects softly, and what it has shown already."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from durabletest.assertions.frames import hide_our_frames, place
from durabletest.errors import DurableTestError, ExecutionFailedError, UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.naming import execution_title
from durabletest.report.failure_report import failure_report

__unittest = True
__tracebackhide__ = True


def _plain(note: object, text: str) -> str:
    return text if note is None else f"{text} : {note}"


@dataclass(frozen=True)
class _Failure:
    """One failed claim of a soft scope."""

    text: str
    view: ExecutionView
    place: str
    operation: str | None


@dataclass(frozen=True)
class _Begun:
    """A subject about which nothing was claimed yet; it is kept, so that its id stays its own."""

    subject: object
    complaint: Callable[[], None]
    place: str


class CurrentTest:
    """One for each test. ``failure`` is what a failed claim raises, ``worded`` is unittest's ``_formatMessage``.

    ``folder`` is the directory of the test's module, ``None`` where it has none.
    """

    def __init__(
        self,
        failure: type[AssertionError] = AssertionError,
        worded: Callable[[Any, str], str] = _plain,
        folder: Path | None = None,
    ) -> None:
        self.folder = folder
        self._failure = failure
        self._worded = worded
        self.scopes: list[SoftScope] = []
        self._open: dict[int, _Begun] = {}
        self._late = ""
        self._shown: set[str] = set()

    # --- failing ---

    def fail(self, text: str, view: ExecutionView, note: object = None, operation: str | None = None) -> None:
        """Raise the failure, or keep it if a soft scope is open; ``operation`` is the id of the one it is about."""
        failure = _Failure(self._noted(note, text) + self._late, view, place(), operation)
        if self.scopes:
            self.scopes[-1].add(failure)
        else:
            raise self.error(failure.text, [failure])

    def error(self, text: str, failures: Sequence[_Failure]) -> AssertionError:
        """The failure, with a report of the executions that it is about at its end."""
        report = _reports(failures)
        error = self._failure(f"{text}\n\n{report}")
        error.__durable_report__ = (text, report)  # type: ignore[attr-defined]
        return error

    def _noted(self, note: object, text: str) -> str:
        """The author's note belongs to the subject, not to the end; without ``longMessage`` it stands alone."""
        subject, line_break, rest = text.partition("\n")
        worded = self._worded(note, subject)
        return worded + line_break + rest if subject in worded else worded

    # --- soft scopes ---

    def softly(self) -> SoftScope:
        """A scope that collects failures and raises them together when it is left."""
        scope = SoftScope(self)
        self.begun(scope, _never_entered)
        return scope

    # --- claims that were begun ---

    def begun(self, subject: object, complaint: Callable[[], None]) -> None:
        """Something was said that claims nothing yet; ``complaint`` raises if it stays so."""
        self._open[id(subject)] = _Begun(subject, complaint, place())

    def claimed(self, subject: object) -> None:
        """A claim was made about this subject."""
        self._open.pop(id(subject), None)

    def finish(self) -> None:
        """The test is over: complain of what was begun and never claimed, and say where, since no traceback does."""
        while self._open:
            _, begun = self._open.popitem()
            self._late = f"\n(at {begun.place})"
            try:
                begun.complaint()
            except UsageError as error:
                error.args = (f"{error}{self._late}",)
                raise

    # --- reports ---

    @contextmanager
    def reporting(self, last: Callable[[], ExecutionView | None]) -> Iterator[None]:
        """What fails in here carries a report of the last execution, unless the test has shown the same before."""
        try:
            yield
        except unittest.SkipTest:
            raise
        except Exception as error:
            if isinstance(error, self._failure | ExecutionFailedError):
                self._report_once(error, last())
            hide_our_frames(error)
            raise

    def _report_once(self, error: BaseException, view: ExecutionView | None) -> None:
        text, report = getattr(error, "__durable_report__", (None, None))
        if report is None and view is not None:
            report = _report(view, frozenset())
            if report not in self._shown:
                error.add_note(f"\n{report}")
        elif report in self._shown:
            error.args = (f"{text}\n\n(The operations are shown with the failure before.)",)
        if report is not None:
            self._shown.add(report)


class SoftScope:
    """``with self.softly():`` collects the failures of claims, and raises them numbered in one error at its end.

    An exception that ends the block early is raised as it is, and carries what was collected as a note; skipping the
    rest of the test hides nothing that has failed. In a nested scope failures are handed to the outer one.
    """

    def __init__(self, test: CurrentTest) -> None:
        self._test = test
        self._failures: dict[str, _Failure] = {}

    def add(self, failure: _Failure) -> None:
        """Keep a failure; one that repeats another word for word tells nothing new."""
        self._failures.setdefault(failure.text, failure)

    def __enter__(self) -> None:
        self._test.claimed(self)
        self._test.scopes.append(self)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._test.scopes.remove(self)
        if not self._failures:
            return
        if exc is not None and not isinstance(exc, unittest.SkipTest):
            exc.add_note(f"\nBefore that, {self._listed()}")
        elif self._test.scopes:
            for failure in self._failures.values():
                self._test.scopes[-1].add(failure)
        else:
            raise self._test.error(self._listed(), list(self._failures.values())) from None

    def _listed(self) -> str:
        count = len(self._failures)
        head = "1 claim failed" if count == 1 else f"{count} claims failed"
        return "\n\n".join([head, *(_numbered(n, failure) for n, failure in enumerate(self._failures.values(), 1))])


def _never_entered() -> NoReturn:
    raise UsageError("self.softly() was never entered: write with self.softly(): ...")


def _numbered(number: int, failure: _Failure) -> str:
    label = f"{number}. "
    return label + f"{failure.text}\n(at {failure.place})".replace("\n", "\n" + " " * len(label))


def _reports(failures: Sequence[_Failure]) -> str:
    """One for each execution."""
    views = {failure.view.arn: failure.view for failure in failures}
    operations = frozenset(failure.operation for failure in failures if failure.operation is not None)
    return "\n\n".join(_report(view, operations) for view in views.values())


def _report(view: ExecutionView, operations: frozenset[str]) -> str:
    """A report that cannot be had must not hide the failure itself."""
    title = execution_title(view.arn)
    try:
        return failure_report(view.history(), title, view.logs(), sys.stderr, operations)
    except DurableTestError as error:
        return f"The operations of {title} cannot be shown: {error}"
