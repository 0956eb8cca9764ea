"""``DURABLETEST_COVERAGE`` under pytest, with and without the fixture ``durable``, and with workers of xdist."""

from __future__ import annotations

from pathlib import Path

import pytest

from durabletest import coverage_parts
from durabletest.coverage_parts import read
from tests.pytest_plugin.conftest import Run
from tests.subprocesses import ROOT

pytest_plugins = ["pytester"]

TESTS = """
@pytest.mark.parametrize("number", [0, 1, 2, 3, "Order::4"])
def test_fixture(durable, number):
    durable(order_handler).execute({"order": number})


def test_runner():
    with LocalDurableTestRunner(approval_handler) as runner:
        runner.on_callback("approval").fail("Refused", "no")
        runner.run()


class TestGrouped:
    def test_one(self, durable):
        durable(order_handler).execute({"order": 1})


class OrderTests(DurableTestCase):
    handler = order_handler

    def test_case(self):
        self.execute({"order": 42})
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DURABLETEST_COVERAGE", str(tmp_path / "report.json"))
    monkeypatch.setattr(coverage_parts, "_parts", {})
    return tmp_path / "report.json"


def check(done: pytest.RunResult, report: Path) -> None:
    done.assert_outcomes(passed=8)
    done.stdout.fnmatch_lines([
        "*= durabletest coverage =*",
        "Coverage of outcomes: 4 of 5 (80%), in 8 executions",
        "Never exercised:",
        "  test_suite.approval_handler",
        "    callback 'approval' never succeeded",
    ])  # fmt: skip
    coverage = read(report)
    assert coverage.executions == {
        ("test_suite.py", "test_suite.order_handler"): 5,
        ("test_suite.py", "test_suite.approval_handler"): 1,
        ("test_suite.py::TestGrouped", "test_suite.order_handler"): 1,
        ("test_suite.OrderTests", "test_suite.order_handler"): 1,
    }


def test_the_summary_and_the_report(run: Run, report: Path) -> None:
    check(run(TESTS), report)


def test_a_value_that_is_no_file(run: Run, report: Path) -> None:
    report.mkdir()
    done = run(TESTS)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*DURABLETEST_COVERAGE is *report.json', which is a folder: name the file*"])


def test_tests_that_are_only_collected_leave_the_report_as_it_is(run: Run, report: Path) -> None:
    run(TESTS)
    before = report.read_text("utf-8")
    done = run(TESTS, "--collect-only")
    assert report.read_text("utf-8") == before
    done.stdout.no_fnmatch_line("*Coverage of outcomes*")


def test_without_the_variable_there_is_none(run: Run, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURABLETEST_COVERAGE")
    done = run(TESTS)
    done.stdout.no_fnmatch_line("*Coverage of outcomes*")
    assert not report.exists()


def test_workers_of_xdist_write_parts_of_one_report(run: Run, report: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    done = run(TESTS, "-p", "xdist.plugin", "-n", "2")
    check(done, report)
    assert done.stdout.str().count("Coverage of outcomes") == 1
