"""The plugin beside others: xdist, randomly, asyncio, subtests. Those that are not installed are not tested."""

from __future__ import annotations

import os

import pytest

from tests.pytest_plugin.conftest import Run
from tests.subprocesses import ROOT

pytest_plugins = ["pytester"]

SUITE = """
@pytest.mark.parametrize("number", range(6))
def test_passes(durable, number):
    order = durable(order_handler)
    arn = order.execute({"order": number}).arn
    assert "/durable-execution/execution-1/" in arn
    order.assertExecution().succeeded().took(hours=1)


def test_claim(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertOperation("charge").attempts(2)


def test_unused(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.stub_invoke("locate").succeeds("NL")


@pytest.mark.cloud_only
def test_cloud():
    pass


@pytest.mark.durable(skip_slep=True)
def test_misspelt():
    pass


class OrderTests(DurableTestCase):
    handler = order_handler

    def test_case(self):
        self.execute({"order": 42})
        self.assertExecution().succeeded()
"""


def check(done: pytest.RunResult, passed: int = 7) -> None:
    """The outcomes and reports of that suite."""
    done.assert_outcomes(passed=passed, failed=2, skipped=1, errors=1)
    done.stdout.fnmatch_lines_random([
        "E*AssertionError: step 'charge' of execution 'execution-1'",
        "*- durabletest report -*",
        "Operations of execution 'execution-1'",
        "stub_invoke('locate') was never used: no function of that name was invoked",
        "@pytest.mark.durable(...) has no setting 'skip_slep': did you mean 'skip_sleep'?",
    ])  # fmt: skip
    assert done.stdout.str().count("Operations of execution") == 2


@pytest.fixture
def root_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """For processes that are started in the folder of the suite."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


def test_alone(run: Run) -> None:
    check(run(SUITE))


@pytest.mark.usefixtures("root_on_path")
def test_with_xdist_reports_come_from_all_workers(run: Run) -> None:
    pytest.importorskip("xdist")
    mode = "def test_mode():\n    import os\n    assert os.environ['DURABLETEST_MODE'] == 'local'\n"
    check(run(SUITE + mode, "-p", "xdist.plugin", "-n", "2", "--durabletest-mode=local"), passed=8)


@pytest.mark.usefixtures("root_on_path")
def test_with_xdist_the_notes_of_an_interruption_are_not_lost(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """They name the executions that may still run in the cloud."""
    pytest.importorskip("xdist")
    interrupted = (
        "def test():\n"
        "    interruption = KeyboardInterrupt()\n"
        "    interruption.add_note('these may still run')\n"
        "    raise interruption\n"
    )
    run(interrupted, "-p", "xdist.plugin", "-n", "1")
    assert "these may still run\n" in capfd.readouterr().err


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_randomly_the_order_of_tests_does_not_matter(run: Run, seed: int) -> None:
    pytest.importorskip("pytest_randomly")
    check(run(SUITE, "-p", "pytest_randomly", f"--randomly-seed={seed}"))


ASYNC = """
import asyncio


@pytest.fixture
async def order(durable):
    order = durable(order_handler)
    yield order
    order.assertExecution().succeeded()


async def test_awaited(order):
    execution = order.start({"order": 42})
    waited = await asyncio.wrap_future(execution.operation("cool-down").wait_for_data(WaitingStatus.COMPLETED))
    assert waited.name == "cool-down"
    order.assertOperation("cool-down").waited(hours=1)
    execution.result()


async def test_failure(order):
    order.execute({"order": 42})
    await asyncio.sleep(0)
    order.assertOperation("charge").attempts(2)


async def test_unused(durable):
    order = durable(order_handler)
    order.stub_invoke("locate").succeeds("NL")
"""


def test_with_asyncio_tests_and_fixtures_are_coroutines(run: Run) -> None:
    pytest.importorskip("pytest_asyncio")
    options = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    done = run(ASYNC, "-p", "pytest_asyncio.plugin", *options)
    done.assert_outcomes(passed=1, failed=2)
    done.stdout.fnmatch_lines(
        ["E*step 'charge' of *", "*- durabletest report -*", "stub_invoke('locate') was never used*"]
    )


def test_with_subtests_each_has_its_report_and_none_is_repeated(run: Run) -> None:
    if pytest.version_tuple < (9,):
        pytest.skip("pytest has no subtests before version 9")
    done = run("""
def test_operations(durable, subtests):
    order = durable(order_handler)
    order.execute({"order": 42})
    for name in ("charge", "ship", "refund"):
        with subtests.test(name=name):
            order.assertOperation(name).succeeded()
""")
    done.assert_outcomes(failed=3)
    text = done.stdout.str()
    assert text.count("Operations of execution 'execution-1'") == 1
    assert text.count("(The operations are shown with the failure before.)") == 1
