"""Python processes that run one of the cases, all at once, each with a bound on its time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO, Any

from tests.forks import started
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
    """One process; ``start`` is given the file for all of its output."""

    def __init__(self, start: Callable[[IO[str]], Any]) -> None:
        reading, writing = os.pipe()
        self._output = os.fdopen(reading)
        with os.fdopen(writing, "w") as output:
            self._process = start(output)
        self._ended: Ended | None = None

    def interrupt_when_ready(self) -> None:
        """Send Ctrl-C as soon as the process says that it is ready."""
        for line in self._output:
            if "ready" in line:
                os.kill(self._process.pid, signal.SIGINT)
                return

    def ended(self) -> Ended:
        """Wait for the end; a process that takes longer than ``BOUND`` is killed, and that is an error."""
        if self._ended is None:
            end = Timer(BOUND, self._process.kill)
            end.start()
            output = self._output.read()
            self._ended = Ended(self._process.wait(), output)
            self._output.close()
            end.cancel()
            if end.finished.is_set() and self._ended.code == -signal.SIGKILL:
                raise AssertionError(f"{self._process.args} did not end within {BOUND:g} seconds")
        return self._ended

    def close(self) -> None:
        """End the process if it still runs."""
        if self._ended is None:
            self._process.kill()
            self.ended()


def unittest_process(*cases: str) -> CaseProcess:
    return _process("unittest", "-v", *(f"tests.hangs.cases.{case}" for case in cases))


def pytest_process(case: str) -> CaseProcess:
    return _process("pytest", "-q", "-s", "-p", "no:cacheprovider", f"tests/hangs/cases.py::{case}")


def script_process(script: str) -> CaseProcess:
    command = [sys.executable, "-c", script]
    return CaseProcess(
        lambda output: subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_environment()
        )
    )


def _process(*command: str) -> CaseProcess:
    return CaseProcess(lambda output: started(command, ROOT, _environment(), output, output))


def _environment() -> dict[str, str]:
    return {**os.environ, **ONLY_NAMED_PLUGINS, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
