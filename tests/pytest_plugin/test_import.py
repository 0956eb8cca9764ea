"""The plugin costs nearly nothing until it is used, and nothing at all if it is not wanted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.pytest_plugin.conftest import Run
from tests.subprocesses import ROOT
from tests.test_public_names import HEAVY

pytest_plugins = ["pytester"]


def output_of(program: str) -> str:
    """What a new interpreter prints."""
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, check=True, cwd=ROOT, text=True, capture_output=True, timeout=60).stdout.strip()


def test_it_loads_nothing_heavy() -> None:
    heavy = (*HEAVY, "durabletest.case", "durabletest.local.runner")
    program = f"import sys, durabletest.pytest_plugin; print([name for name in {heavy!r} if name in sys.modules])"
    assert output_of(program) == "[]"


def test_a_run_that_does_not_use_it_loads_nothing_more(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_other="""
        import sys

        def test_loaded():
            assert "durabletest.pytest_plugin" in sys.modules
            assert "durabletest.durable_test" not in sys.modules
        """
    )
    plugin = ("-p", "no:durabletest", "-p", "durabletest.pytest_plugin", "-p", "no:cacheprovider", "test_other.py")
    pytester.runpytest_subprocess(*plugin).assert_outcomes(passed=1)


def test_without_it_a_test_case_is_run_as_ever(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        test_case="""
        from aws_durable_execution_sdk_python import durable_execution
        from durabletest import DurableTestCase


        class EchoTests(DurableTestCase):
            handler = durable_execution(lambda event, context: event)

            def test_echo(self):
                self.execute("hello")
                self.assertExecution().succeeded("hello")

            def test_failure(self):
                self.execute("hello")
                self.assertExecution().succeeded("bye")


        def test_fixture(durable):
            pass
        """
    )
    without = pytester.runpytest_inprocess("-p", "no:durabletest")
    without.assert_outcomes(passed=1, failed=1, errors=1)
    without.stdout.fnmatch_lines(["E*fixture 'durable' not found"])
    with_it = pytester.runpytest_inprocess("-p", "no:durabletest", "-p", "durabletest.pytest_plugin")
    with_it.assert_outcomes(passed=2, failed=1)

    def failure(done: pytest.RunResult) -> list[str]:
        lines = done.stdout.lines
        [start] = [number for number, line in enumerate(lines) if "EchoTests.test_failure _" in line]
        [end] = [number for number, line in enumerate(lines) if "short test summary" in line]
        return lines[start:end]

    assert failure(without) == failure(with_it)
