"""``DURABLETEST_REPORT=folder``: a page for every failing test, one about coverage, and an index of them."""

from __future__ import annotations

import hashlib
import html
import os
import re
import unittest
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from durabletest.assertions.failing import told
from durabletest.coverage import Coverage, outcomes_of_place, title_of
from durabletest.endings import Ending
from durabletest.errors import ConfigurationError, DurableTestError
from durabletest.model.history import execution_title
from durabletest.model.times import stamp
from durabletest.report.table import shortened
from durabletest.result import TestResult
from durabletest.routes import open_runners

if TYPE_CHECKING:
    from durabletest.durable_methods import DurableMethods
    from durabletest.report.lanes import Recorded

REPORT_VARIABLE = "DURABLETEST_REPORT"
INDEX = "index.html"
RECORDED = "__durable_recorded__"
"""The attribute of an error with the executions of an assertion that say why it has failed."""
COVERAGE_PAGE = "coverage.html"
_LONGEST_NAME = 120
"""Bytes of a test's name in that of its file; most systems take 255 in all."""
_LONGEST_SUMMARY = 300
_HEAD = re.compile(
    r'<meta name="generator" content="durabletest">\s*<meta name="description" content="(?P<summary>[^"]*)">\s*'
    r"<title>(?P<title>[^<]*)</title>"
)
_BYTES_OF_HEAD = 8192


PageT = TypeVar("PageT", bound="FailurePage")


@dataclass(frozen=True)
class Entry:
    """A failing test as the index lists it; ``written`` is the real time at which its page was written."""

    file: str
    title: str
    summary: str
    written: str


class FailurePage:
    """The page of one test, which is written while its runner is open, and again if something else of it fails."""

    def __init__(self, folder: Path, test_id: str) -> None:
        self._folder = folder
        self._title = test_id
        self._file = folder / _file_name(test_id)
        self._failures: list[str] = []
        self._summary = ""
        self._asserted: list[Recorded] = []

    def failed(
        self, error: BaseException, results: Callable[[], Iterable[TestResult]], others: Sequence[Recorded] = ()
    ) -> None:
        """Write the page about this failure and those before, with the executions of the test.

        ``others`` are executions that are over already; those that an assertion has made come with its error.
        """
        try:
            self._failures.append(told(error))
            self._summary = self._summary or _summary(error)
            self._asserted += getattr(error, RECORDED, ())
            self._show(results(), others)
        except Exception as problem:  # whatever it is, it must not take the place of the failure
            error.add_note(f"The page of this failure was not written: {problem!r}")

    def _show(self, results: Iterable[TestResult], others: Iterable[Recorded]) -> None:
        from durabletest.report.page import page_of, recorded  # tests that pass need no pages

        executions, texts = [], list(self._failures)
        for result in results:
            try:
                executions += recorded(result.view)
            except DurableTestError as refusal:  # the others can be shown
                texts.append(f"{execution_title(result.arn)} cannot be shown: {refusal}")
        executions += [*others, *self._asserted]
        _write(self._file, page_of(executions, self._title, "\n\n".join(texts), self._summary, INDEX))
        _write_index(self._folder)

    def ended(self) -> None:
        """Remove the page that an earlier run has left, unless the test has failed again."""
        if not self._failures and _entry(self._file) is not None:
            self._file.unlink(missing_ok=True)
            _write_index(self._folder)


class RunnerPage(FailurePage):
    """The page of a test without a test case: with what runners have executed that the test has made itself.

    What runners had executed before the test is left out, and what cannot be read.
    """

    def __init__(self, folder: Path, test_id: str) -> None:
        super().__init__(folder, test_id)
        self._kept: list[tuple[object, list[Recorded]]] = []
        self._before: dict[object, set[str]] = {}
        for runner in open_runners():
            with suppress(DurableTestError):
                self._before[runner] = {view.arn for view in runner._durable_ending().views}

    def keep(self, ending: Ending | DurableTestError) -> None:
        """Keep the executions that a runner is about to forget."""
        if isinstance(ending, Ending):
            with suppress(DurableTestError):
                self._kept.append((ending.runner, self._recorded(ending)))
            self._before.pop(ending.runner, None)

    def failed_after(self, error: BaseException, tests: Sequence[DurableMethods] | None) -> None:
        """Write the page, if anything was executed; ``tests`` are those of the test's fixture, None without it."""
        others = self.executions(without=[test.runner for test in tests or ()])
        if others or tests is not None:
            self.failed(error, lambda: [one for test in tests or () for one in test._durable_executions()], others)

    def executions(self, without: Collection[object] = ()) -> list[Recorded]:
        """Those of all runners, open ones included, but the runners ``without``."""
        kept = list(self._kept)
        for runner in open_runners():
            with suppress(DurableTestError):
                kept.append((runner, self._recorded(runner._durable_ending())))
        return [one for runner, executions in kept if runner not in without for one in executions]

    def _recorded(self, ending: Ending) -> list[Recorded]:
        from durabletest.report.page import recorded

        before = self._before.get(ending.runner, ())
        return [one for view in ending.roots() if view.arn not in before for one in recorded(view)]


def written_page(test_id: str) -> Path | None:
    """The file of the page about a test that has failed; ``None`` if none was written."""
    value = os.environ.get(REPORT_VARIABLE)
    file = Path(value).absolute() / _file_name(test_id) if value else None
    return file if file is not None and file.is_file() else None


def page_for(test: unittest.TestCase) -> FailurePage | None:
    """The page of a test case; ``None`` if no pages are asked for, or if the test is expected to fail."""
    method = getattr(test, test._testMethodName)
    expected = "__unittest_expecting_failure__"
    if getattr(method, expected, False) or getattr(test, expected, False):
        return None
    return page_of_test(test.id(), FailurePage)


def page_of_test(test_id: str, kind: type[PageT]) -> PageT | None:
    """The page of a test that may fail; ``None`` if no pages are asked for."""
    value = os.environ.get(REPORT_VARIABLE)
    if not value:
        return None
    from durabletest.report.page import require_jinja

    require_jinja()
    return kind(_folder(value), test_id)


def add_coverage(coverage: Coverage) -> None:
    """Write a page about coverage beside those of failing tests, if these are asked for, and link it from the index."""
    value = os.environ.get(REPORT_VARIABLE)
    if not value:
        return
    from durabletest.report.page import rendered

    folder = _folder(value)
    values = {"coverage": coverage, "title_of": title_of, "outcomes_of": outcomes_of_place, "index": INDEX}
    _write(folder / COVERAGE_PAGE, rendered("coverage.html", values))
    _write_index(folder)


def _folder(value: str) -> Path:
    folder = Path(value).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the environment variable {REPORT_VARIABLE} is {value!r}, which is no folder and cannot be made one "
            f"({error.strerror}): name the folder for the pages of failing tests"
        ) from error
    return folder


def _file_name(test: str) -> str:
    """A name that is the same in every run, and differs from that of every other test."""
    kept = re.sub(r"[^\w.-]+", "_", test).encode()[-_LONGEST_NAME:].decode(errors="ignore")
    if kept == test:
        return f"{kept}.html"
    return f"{kept}-{hashlib.sha256(test.encode()).hexdigest()[:8]}.html"


def _summary(error: BaseException) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    message = " · ".join(lines[:3])
    return shortened(f"{type(error).__name__}: {message}" if message else type(error).__name__, _LONGEST_SUMMARY)


def _write(file: Path, text: str) -> None:
    """Replace a file in one go: other processes of the same run read it."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def _write_index(folder: Path) -> None:
    """List the pages in the folder, also those of other processes: again, if one of these was quicker."""
    from durabletest.report.page import counted, rendered

    entries: list[Entry] | None = None
    while entries != (found := _entries(folder)):
        entries = found
        title = f"{counted(len(entries), 'failing test')}"
        coverage = _entry(folder / COVERAGE_PAGE)
        _write(folder / INDEX, rendered("index.html", {"title": title, "entries": entries, "coverage": coverage}))


def _entries(folder: Path) -> list[Entry]:
    found = (_entry(file) for file in sorted(folder.glob("*.html")) if file.name not in (INDEX, COVERAGE_PAGE))
    return [entry for entry in found if entry is not None]


def _entry(file: Path) -> Entry | None:
    """What the index says of a page; ``None`` if that does not exist, or is not one of ours."""
    try:
        with file.open(encoding="utf-8", errors="replace") as page:
            head = _HEAD.search(page.read(_BYTES_OF_HEAD))
        written = stamp(datetime.fromtimestamp(int(file.stat().st_mtime), UTC))
    except OSError:
        return None
    if head is None:
        return None
    return Entry(file.name, html.unescape(head["title"]), html.unescape(head["summary"]), written)
