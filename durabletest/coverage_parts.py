"""``DURABLETEST_COVERAGE=report.json``: each process of a run writes a part, and all parts together make the report.

A part belongs to one process, which appends to it and holds a lock on it while it runs: no two processes write to one
file, and a part without a lock is of a process that has ended or was killed. Parts stay until the next run.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any

from durabletest.coverage import FORMAT, Coverage
from durabletest.endings import COVERAGE_VARIABLE, Ending
from durabletest.errors import ConfigurationError, DurableTestError
from durabletest.failure_pages import add_coverage

_LOCKED, _NEW = ".jsonl", ".new"
"""The endings of parts: once it is locked, and before."""


def parts_of(report: Path) -> Path:
    return report.with_name(f"{report.name}.parts")


class Part:
    """What this process adds to a report: a line of JSON for each runner."""

    def __init__(self, report: Path) -> None:
        self.report = report
        self.process = os.getpid()
        folder = parts_of(report)
        folder.mkdir(parents=True, exist_ok=True)
        _remove_earlier_run(folder)
        new = folder / f"{self.process}-{secrets.token_hex(4)}{_NEW}"
        with ExitStack() as undo:
            self.file = undo.enter_context(new.open("x", encoding="utf-8"))
            _lock(self.file)
            self.path = new.rename(new.with_suffix(_LOCKED))
            undo.pop_all()

    def write(self, coverage: Coverage) -> None:
        self.file.write(json.dumps(coverage.raw(), ensure_ascii=False) + "\n")
        self.file.flush()

    def end(self) -> Coverage | None:
        """Write the report; what it says, or None if another process of the run goes on."""
        _write_report(self.report)
        self.file.close()
        others = [path for path in _paths(parts_of(self.report)) if path != self.path]
        return None if any(map(_is_alive, others)) else _write_report(self.report)


_parts: dict[str, Part] = {}
"""The open parts of this process, by the value of the variable."""
_guards = [Lock()]
"""Held by the thread that writes; a forked child has a new one, as another thread of the parent may hold this one."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _guards.__setitem__(0, Lock()))


def record(suite: str, ending: Ending | DurableTestError) -> None:
    """Add the executions of a runner to this process's part."""
    coverage = Coverage()
    if isinstance(ending, DurableTestError):
        coverage.unread[suite, _first_line(ending)] += 1
    else:
        for view in ending.views:
            try:
                coverage.add(suite, ending.workflow_of(view), view.history(), ending.noted(view.arn))
            except DurableTestError as refusal:
                coverage.unread[suite, _first_line(refusal)] += 1
    with _guards[0]:
        part = begin()
        if part is not None and (coverage.executions or coverage.unread):
            with _explained(part.report):
                part.write(coverage)


def begin() -> Part | None:
    """The part of this process, which is begun if it is not yet; None if no coverage is asked for."""
    value = os.environ.get(COVERAGE_VARIABLE)
    if not value:
        return None
    part = _parts.get(value)
    if part is not None and part.process != os.getpid():
        part.file.close()  # a forked child has a copy of the file, whose part is its parent's
        part = None
    if part is None:
        report = Path(value).absolute()
        if report.is_dir():
            raise ConfigurationError(
                f"the environment variable {COVERAGE_VARIABLE} is {value!r}, which is a folder: name the file of the "
                "report, report.json"
            )
        with _explained(report):
            part = _parts[value] = Part(report)
    return part


def end() -> Iterator[Coverage]:
    """End this process's parts; what the reports say for which it was the last process."""
    for value, part in list(_parts.items()):
        del _parts[value]
        if part.process == os.getpid():
            with _explained(part.report):
                coverage = part.end()
            if coverage is not None:
                add_coverage(coverage)
                yield coverage


@atexit.register
def _end_with_process() -> None:
    for coverage in end():
        sys.stderr.write(f"\n{coverage.text()}\n")


# --- reports and their parts ---


def read(report: Path) -> Coverage:
    """The coverage of a report: that of its parts while there are any, as they may be newer."""
    paths = _paths(parts_of(report))
    if paths:
        return _merged(paths)
    try:
        text = report.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(
            f"the report {str(report)!r} cannot be read: {reason}; run the tests with {COVERAGE_VARIABLE}={report}"
        ) from error
    return _parsed(text, str(report), whole=True)


def _parsed(text: str, what: str, *, whole: bool = False) -> Coverage:
    try:
        raw: Any = json.loads(text)
        if whole and raw["format"] != FORMAT:
            raise ValueError(f"its format is {raw['format']!r}, and not {FORMAT!r}")
        return Coverage.of_raw(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{what} is no report of coverage: {error!r}") from error


def _merged(paths: Iterable[Path]) -> Coverage:
    coverage = Coverage()
    for path in paths:
        *lines, torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, line in enumerate(lines, 1):
            coverage.merge(_parsed(line, f"line {number} of {str(path)!r}"))
        if torn:
            coverage.unread["", f"the process that wrote {path.name} ended in the middle of a line"] += 1
    return coverage


def _write_report(report: Path) -> Coverage:
    """Merge all parts there are, and again if others have grown meanwhile: the last one who writes has seen all."""
    coverage, merged = Coverage(), ""
    while merged != (text := (coverage := _merged(_paths(parts_of(report)))).report()):
        merged = text
        new = report.with_name(f".{report.name}.{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(report)
    return coverage


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_LOCKED}"))


def _remove_earlier_run(folder: Path) -> None:
    """Remove what processes have left that have ended, unless one of the same run goes on.

    The locks are taken in the order of names, so that of two processes which begin at once, one gets them all.
    """
    with ExitStack() as locks:
        paths = sorted([*folder.glob(f"*{_LOCKED}"), *folder.glob(f"*{_NEW}")])
        for path in paths:
            try:
                _lock(locks.enter_context(path.open(encoding="utf-8")))
            except FileNotFoundError:
                continue
            except BlockingIOError:
                return
        for path in paths:
            path.unlink(missing_ok=True)


def _is_alive(path: Path) -> bool:
    """Whether the process goes on that writes this part."""
    try:
        with path.open(encoding="utf-8") as file:
            _lock(file, shared=True)  # others may look at the same time
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _lock(file: IO[str], *, shared: bool = False) -> None:
    """Lock a file until it is closed, alone or shared; raises ``BlockingIOError`` if it is locked already."""
    try:
        import fcntl
    except ImportError as error:
        raise ConfigurationError(f"{COVERAGE_VARIABLE} needs locks of files as Linux and macOS have them") from error
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


@contextmanager
def _explained(report: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"the report {str(report)!r}, which {COVERAGE_VARIABLE} names, cannot be written: {error.strerror} "
            f"({error.filename})"
        ) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]
