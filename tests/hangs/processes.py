"""Python processes that run one of the cases, all at once, each with a bound on its time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.subprocesses import ONLY_NAMED_PLUGINS

ROOT = Path(__file__).parents[2]
BOUND = 60.0
"""Real seconds; a process takes about one alone, and many start at once."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: by itself, with an exit code (negative: by that signal) and an output."""

    code: int
    output: str

    def errors_of(self, case: str) -> str:
        """What unittest printed of the errors and failures of one case."""
        sections = self.output.split("=" * 70)
        return "".join(section for section in sections[1:] if f".{case}." in section.splitlines()[1])


class CaseProcess:
    """One process; ``python`` are the interpreter's arguments."""

    def __init__(self, *python: str) -> None:
        environment = {**os.environ, **ONLY_NAMED_PLUGINS, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            [sys.executable, *python],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._ended: Ended | None = None

    def interrupt_when_ready(self) -> None:
        """Send Ctrl-C as soon as the process says that it is ready."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "ready" in line:
                self._process.send_signal(signal.SIGINT)
                return

    def ended(self) -> Ended:
        """Wait for the end; a process that takes longer than ``BOUND`` is killed, and that is an error."""
        if self._ended is None:
            try:
                output, _ = self._process.communicate(timeout=BOUND)
            except subprocess.TimeoutExpired:
                self.close()
                raise AssertionError(f"{self._process.args} did not end within {BOUND:g} seconds") from None
            self._ended = Ended(self._process.returncode, output)
        return self._ended

    def close(self) -> None:
        """End the process if it still runs, and read what is left."""
        if self._ended is None:
            self._process.kill()
            self._ended = Ended(self._process.returncode, self._process.communicate()[0])


def unittest_process(*cases: str) -> CaseProcess:
    return CaseProcess("-W", "error", "-m", "unittest", "-v", *(f"tests.hangs.cases.{case}" for case in cases))


def pytest_process(case: str) -> CaseProcess:
    return CaseProcess(
        *("-W", "error", "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", f"tests/hangs/cases.py::{case}")
    )
