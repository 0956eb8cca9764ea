"""Puts a mutant into a copy of the project, and runs the tests that should notice it there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import ROOT, MendTheData, Mutant

_COPIED = (
    "durabletest",
    "tests",
    "examples",
    "docs",
    ".ci",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
)
TIME_LIMIT = 120.0
"""Real seconds for the tests of one mutant; one that makes them hang is noticed too."""
NOBODY = "-"


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant; ``noticed_by`` is the first test that failed, or what else told."""

    mutant: Mutant
    noticed_by: str | None
    seconds: float
    text: str = ""

    @property
    def verdict(self) -> str:
        """One word, or a few."""
        if self.noticed_by is None:
            return "NOT NOTICED" if self.mutant.nothing is None else "changes nothing"
        return "noticed" if self.mutant.nothing is None else "NOTICED, BUT EXPLAINED"

    @property
    def as_expected(self) -> bool:
        """A fault is noticed, and what changes nothing is not."""
        return (self.noticed_by is None) is (self.mutant.nothing is not None)


def run_all(mutants: Iterable[Mutant], jobs: int) -> Iterator[Outcome]:
    """Run each mutant's tests, so many at once, and give the outcomes as they come, in the order of the mutants."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(run, mutants)


def run(mutant: Mutant, project: Path = ROOT, limit: float = TIME_LIMIT) -> Outcome:
    """Run one mutant's tests."""
    noticed_by, text, seconds = _run_tests(mutant.tests, mutant.put_into, project, limit)
    return Outcome(mutant, None if noticed_by == NOBODY else noticed_by, seconds, text)


def check_without_mutant(mutants: Iterable[Mutant], jobs: int = 1, project: Path = ROOT) -> None:
    """Raise :class:`MendTheData` if one of the tests fails by itself, since it would notice every mutant.

    It may fail once: a machine that is busy is no fault of the package.
    """

    def failure(name: str) -> tuple[str, str]:
        failed, text, _ = _run_tests([name], lambda _: None, project, TIME_LIMIT)
        return (failed, text) if failed == NOBODY else _run_tests([name], lambda _: None, project, TIME_LIMIT)[:2]

    names = dict.fromkeys(name for mutant in mutants for name in mutant.tests)
    with ThreadPoolExecutor(jobs) as pool:
        for failed, text in pool.map(failure, names):
            if failed != NOBODY:
                raise MendTheData(f"without any mutant {failed} fails\n{text}")


def _run_tests(
    names: Iterable[str], prepare: Callable[[Path], None], project: Path, limit: float
) -> tuple[str, str, float]:
    """The id of the first test that failed (or what else told), its traceback, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as folder:
        root, output, printed = (Path(folder, name) for name in ("project", "noticed", "printed"))
        _copy(project, root)
        prepare(root)
        command, began = [sys.executable, "-W", "error", "-m", "tests.mutants.notice", str(output)], time.monotonic()
        with _process([*command, *names], root, printed) as process:
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                return f"(the time limit of {limit:g} s)", "", time.monotonic() - began
        seconds = time.monotonic() - began
        if not output.exists():
            text = printed.read_text(encoding="utf-8", errors="replace")
            return f"(the process, which ended with {process.returncode})", text, seconds
        first, _, text = output.read_text(encoding="utf-8").partition("\n")
        return first, text, seconds


def _copy(project: Path, root: Path) -> None:
    """Compiled files come along, with the times of their sources, so that only the mutant is compiled."""
    root.mkdir()
    for source in (project / name for name in _COPIED):
        if source.is_dir():
            shutil.copytree(source, root / source.name, ignore=shutil.ignore_patterns("node_modules"))
        elif source.exists():
            shutil.copy2(source, root / source.name)


@contextmanager
def _process(command: list[str], root: Path, printed: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, which is ended as a whole, with all that the tests have started."""
    environment = {**os.environ, "PYTHONPATH": str(root), "DURABLETEST_LONG_TESTS": "1"}
    with printed.open("wb") as sink:
        process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
