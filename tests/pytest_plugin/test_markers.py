"""The markers ``durable``, ``local_only`` and ``cloud_only``, and the option ``--durabletest-mode``."""

from __future__ import annotations

import os

import pytest

from tests.pytest_plugin.conftest import Run

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURABLETEST_MODE", raising=False)


def test_settings_come_from_markers_and_the_closest_wins(run: Run) -> None:
    done = run("""
pytestmark = pytest.mark.durable(function_name="module", start_time=datetime(2030, 5, 1, tzinfo=UTC))


@pytest.mark.durable(function_name="class", handler=order_handler)
class TestOrders:
    @pytest.mark.durable(function_name="method")
    def test_method(self, durable):
        assert ":function:method:" in durable().execute({"order": 1}).arn

    def test_class(self, durable):
        order = durable()
        assert ":function:class:" in order.execute({"order": 1}).arn
        assert order.start_time == datetime(2030, 5, 1, tzinfo=UTC)

    def test_call(self, durable):
        assert ":function:call:" in durable(function_name="call").execute({"order": 1}).arn

    def test_handler_of_the_call(self, durable):
        assert durable(locating_handler, functions={"locate": lambda *_: "NL"}).execute().get_result() == "NL"


def test_module(durable):
    assert ":function:module:" in durable(order_handler).execute({"order": 1}).arn


def test_that_does_not_use_it():
    pass
""")
    done.assert_outcomes(passed=6)


def test_wrong_settings_of_a_marker_are_errors_before_the_test(run: Run) -> None:
    done = run("""
@pytest.mark.durable(skip_slep=True)
def test_unknown(durable):
    raise AssertionError("not reached")


@pytest.mark.durable(watchdog=-1)
def test_value(durable):
    raise AssertionError("not reached")


@pytest.mark.durable("local")
def test_without_name(durable):
    raise AssertionError("not reached")


@pytest.mark.durable(mode="clod")
def test_mode(durable):
    raise AssertionError("not reached")


@explore
def test_explored(durable):
    raise AssertionError("not reached")


class OrderTests(DurableTestCase):
    handler = order_handler

    @pytest.mark.durable(skip_sleep=True)
    def test_case(self):
        raise AssertionError("not reached")


@pytest.mark.durable(skip_sleep=True)
def test_right(durable):
    durable(order_handler)
""")
    done.assert_outcomes(errors=6, passed=1)
    done.stdout.fnmatch_lines([
        "@pytest.mark.durable(...) has no setting 'skip_slep': did you mean 'skip_sleep'?",
        "@pytest.mark.durable(...).watchdog is -1: give a positive number of real seconds",
        "@pytest.mark.durable('local'): give settings by their names, like skip_sleep=True",
        "@pytest.mark.durable(...).mode is 'clod': write 'local' or 'cloud'; did you mean 'cloud'?",
        "@explore on test_explored: *write the test as a method of a DurableTestCase",
        "@pytest.mark.durable(skip_sleep=...) on test_case: *so write skip_sleep = True in OrderTests",
    ])  # fmt: skip
    assert "not reached" not in done.stdout.str().replace('AssertionError("not reached")', "")
    done.stdout.no_fnmatch_line("*pluggy/*")


MODES = """
@pytest.mark.local_only
def test_local():
    pass


@pytest.mark.cloud_only
def test_cloud():
    pass


@local_only
def test_decorated_local():
    pass


@cloud_only
def test_decorated_cloud():
    pass


def test_both():
    pass


@pytest.mark.local_only
class TestLocal:
    def test_in_a_class(self):
        pass
"""


@pytest.mark.parametrize(
    ("variable", "arguments", "passed", "skipped"),
    [
        ("", [], "test_local test_decorated_local test_both test_in_a_class", 2),
        ("local", [], "test_local test_decorated_local test_both test_in_a_class", 2),
        ("cloud", [], "test_cloud test_decorated_cloud test_both", 3),
        ("", ["--durabletest-mode=cloud"], "test_cloud test_decorated_cloud test_both", 3),
        ("cloud", ["--durabletest-mode=local"], "test_local test_decorated_local test_both test_in_a_class", 2),
    ],
)
def test_tests_of_the_other_mode_are_skipped(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, arguments: list[str], passed: str, skipped: int
) -> None:
    monkeypatch.setenv("DURABLETEST_MODE", variable)
    done = run(MODES, "-v", *arguments)
    done.assert_outcomes(passed=len(passed.split()), skipped=skipped)
    done.stdout.fnmatch_lines([f"*::{name} PASSED*" for name in passed.split()])
    mode = "cloud" if "test_cloud" in passed else "local"
    other = "local" if mode == "cloud" else "cloud"
    done.stdout.fnmatch_lines([f"test_suite.py::*{other}* SKIPPED ({other} only: *{mode}*"])
    assert os.environ["DURABLETEST_MODE"] == variable
    if variable or arguments:
        done.stdout.fnmatch_lines([f"durabletest: {mode} mode"])


def test_a_marker_says_the_mode_of_a_test(run: Run) -> None:
    done = run(
        """
@pytest.mark.durable(mode="cloud")
@pytest.mark.local_only
def test_marked():
    raise AssertionError("not reached")


@pytest.mark.local_only
def test_called(durable):
    durable(order_handler, mode="cloud")
    raise AssertionError("not reached")


@pytest.mark.durable(mode="cloud")
@pytest.mark.cloud_only
def test_cloud():
    pass
""",
        "-rs",
    )
    done.assert_outcomes(passed=1, skipped=2)
    assert done.stdout.str().count("local only: the mode is cloud") == 2


def test_the_option_and_the_markers_hold_for_test_cases_too(run: Run) -> None:
    suite = """
class OrderTests(DurableTestCase):
    handler = order_handler

    @pytest.mark.local_only
    def test_marked(self):
        self.execute({"order": 1})
        self.assertExecution().succeeded()

    @local_only
    def test_decorated(self):
        self.test_marked()
"""
    run(suite).assert_outcomes(passed=2)
    run(suite, "--durabletest-mode=cloud", "-k", "marked").assert_outcomes(skipped=1, deselected=1)


def test_another_mode_is_refused(run: Run) -> None:
    done = run("", "--durabletest-mode=clod")
    assert done.ret is pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--durabletest-mode: invalid choice: 'clod' (choose from *local*cloud*)"])


def test_markers_and_option_are_described(run: Run) -> None:
    run("", "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.durable(?*settings): *", "@pytest.mark.local_only: *", "@pytest.mark.cloud_only: *"]
    )
    run("", "--help").stdout.fnmatch_lines(["*--durabletest-mode=*"])


def test_in_the_cloud_a_function_runs_where_it_is_deployed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.cloud.workflows import order
    from tests.endpoint.case import environment
    from tests.endpoint.server import Endpoint

    with Endpoint() as endpoint, environment(endpoint.environment):
        endpoint.deploy("orders", order)
        done = run(
            """
pytestmark = pytest.mark.durable(function_name="orders:live", poll_interval=0.005)


def test_order(durable):
    orders = durable()
    assert "/test_suite-py-test_order-" in orders.execute({"order": 42}).arn
    orders.assertExecution().succeeded({"parcel": "parcel 42"})


def test_failure(durable):
    orders = durable()
    orders.execute({"order": 42})
    orders.assertExecution().failed()


def test_what_is_local_is_skipped(durable):
    durable().stub_step("charge")


def test_time(durable):
    durable().start({"order": 42}).advance(timedelta(days=1))
""",
            "--durabletest-mode=cloud",
            "-rs",
        )
        assert endpoint.running() == []
    done.assert_outcomes(passed=1, failed=1, skipped=2)
    done.stdout.fnmatch_lines(["E*Execution: arn:aws:lambda:*", "*durabletest report*", "Operations of *"])
