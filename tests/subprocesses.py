"""Runs suites in processes of their own, as users do, beside the tests of this one."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from tests.forks import started

ROOT = Path(__file__).parent.parent
BOUND = 60.0
"""Real seconds; a process takes about one alone, and several are started at once."""
ONLY_NAMED_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""For pytest, which takes seconds for all that are installed, where no byte code is kept for the next process."""


class Started:
    """A process that runs beside the tests: ``python arguments``, in a folder, with some variables set."""

    def __init__(self, *arguments: str, cwd: Path = ROOT, **variables: str) -> None:
        self._files = ExitStack()
        self._out = self._files.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - closed with the process
        self._err = self._files.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115
        self._process = self._start(arguments, cwd, {**os.environ, **variables})

    def _start(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Any:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
            text=True,
        )

    def ended(self, bound: float = BOUND) -> subprocess.CompletedProcess[str]:
        """Wait for its end; one that takes longer than ``bound`` in real seconds is killed, and that is an error."""
        try:
            code = self._process.wait(bound)
            for file in (self._out, self._err):
                file.seek(0)
            return subprocess.CompletedProcess(self._process.args, code, self._out.read(), self._err.read())
        finally:
            self.close()

    def close(self) -> None:
        """End the process if it still runs."""
        self._process.kill()
        self._process.wait()
        self._files.close()


class StartedModule(Started):
    """``python -W error -m command``, by a process that has imported this package before: that takes longer than most.

    What is about the imports themselves begins with :class:`Started`.
    """

    def __init__(self, *command: str, cwd: Path = ROOT, **variables: str) -> None:
        super().__init__("-W", "error", "-m", *command, cwd=cwd, **{"PYTHONPATH": str(ROOT), **variables})

    def _start(self, arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Any:
        _, _, _, *command = arguments
        return started(command, cwd, environment, self._out, self._err)


class StartedSuite(StartedModule):
    """``python -m command`` in a folder with this text as ``test_suite.py``; warnings are errors.

    Its empty first line is used to set the guard of all tests there too; the numbers of the lines stay what they are.
    """

    def __init__(self, *command: str, suite: str, **variables: str) -> None:
        if command[0] == "pytest":
            command, variables = (*command, "-p", "durabletest.pytest_plugin"), {**ONLY_NAMED_PLUGINS, **variables}
        assert suite.startswith("\n"), "the first line must be empty"
        self._folder = tempfile.TemporaryDirectory()
        Path(self._folder.name, "test_suite.py").write_text(f"import tests{suite}", encoding="utf-8")
        super().__init__(*command, cwd=Path(self._folder.name), **variables)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


class FreshSuite(StartedSuite):
    """The same in a process that has imported nothing."""

    _start = Started._start


def run_suite(*command: str, suite: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run such a suite to its end."""
    return StartedSuite(*command, suite=suite, **variables).ended()


class ProcessTestCase(unittest.TestCase):
    """The processes of the class run beside each other, from the set-up of the process test case before it on.

    Until they are asked for, the tests in between go on in this process; tests are run in the order of their loading.
    """

    early = True
    """False where the processes cannot be started before the class is set up."""
    _all: ClassVar[list[type[ProcessTestCase]]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        ProcessTestCase._all.append(cls)

    @classmethod
    def start_processes(cls) -> Mapping[str, Any]:
        """Start what the tests ask for, by name; each has a method ``close``."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls._start()
        for process in cls.processes.values():
            cls.addClassCleanup(process.close)
        if "PYTEST_XDIST_WORKER" not in os.environ:  # the next one may be another worker's
            for following in cls._all[cls._all.index(cls) + 1 :][:1]:
                if following.early:
                    following._start()

    @classmethod
    def _start(cls) -> None:
        if "processes" not in vars(cls):
            cls.processes = cls.start_processes()
            for process in cls.processes.values():
                atexit.register(process.close)

    def ended(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.processes[name].ended()
