"""The fixture ``durable``: running, asserting, settings, and how its tests fail."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.conftest import Run

pytest_plugins = ["pytester"]


def test_a_workflow_is_executed_and_claims_are_made(run: Run) -> None:
    done = run("""
def test_order(durable):
    order = durable(order_handler)
    result = order.execute({"order": 42})
    assert result.get_result() == {"status": "shipped"}
    order.assertExecution().succeeded({"status": "shipped"}).took(hours=1)
    order.assertOperation("charge").succeeded(42).attempts(1)
    order.assertNoOperation("refund")
    order.assertOperations(type="STEP").count(1)
    order.assertInvocations().count(2)
    order.assertHistory().contains("ExecutionSucceeded")
    with order.softly():
        order.assertOperation("cool-down").waited(hours=1)
    assert order.now == order.start_time + timedelta(hours=1)


def test_the_next_one_begins_at_the_start_again(durable):
    order = durable(order_handler)
    assert order.now == datetime.now(UTC) == datetime(2026, 1, 1, tzinfo=UTC)
    order.start({"order": 42}, name="order-42")
    order.assertExecution().running()


def test_time_is_real_without_it():
    assert datetime.now(UTC).year != 2026 or datetime.now(UTC).microsecond
""")
    done.assert_outcomes(passed=3)


def test_callbacks_and_stubs_and_functions(run: Run) -> None:
    done = run("""
def test_callback(durable):
    approval = durable(approval_handler)
    approval.on_callback("approval").succeed("yes", after=timedelta(hours=2))
    assert approval.execute().get_result() == "yes"


def test_functions(durable):
    located = durable(locating_handler, functions={"locate": lambda event, context: "NL"})
    assert located.execute().get_result() == "NL"


def test_durable_functions(durable):
    located = durable(locating_handler, durable_functions={"locate": order_handler})
    located.execute({"order": 1})
    located.assertOperation("where").succeeded({"status": "shipped"}).took(hours=1)


def test_registered_and_stubbed(durable):
    located = durable(locating_handler)
    located.register_function("locate", lambda event, context: "NL")
    assert located.execute().get_result() == "NL"
    located.stub_invoke("locate").succeeds("BE")
    assert located.execute().get_result() == "BE"
    assert located.lambda_client() is located.runner.lambda_client()
""")
    done.assert_outcomes(passed=4)


def test_two_runners_in_one_test_share_their_time(run: Run) -> None:
    done = run("""
def test_two(durable):
    first, second = durable(order_handler), durable(approval_handler)
    second.on_callback("approval").succeed("yes", after=timedelta(days=1))
    approved = second.start()
    first.execute({"order": 1})
    first.assertExecution().succeeded()
    second.assertExecution().running()
    assert approved.result().get_result() == "yes"
    assert first.now == first.start_time + timedelta(days=1)
""")
    done.assert_outcomes(passed=1)


def test_settings_are_arguments(run: Run) -> None:
    done = run("""
def test_start_time(durable):
    order = durable(order_handler, start_time=datetime(2030, 5, 1, tzinfo=UTC), function_name="orders")
    assert ":function:orders:" in order.execute({"order": 1}).arn
    order.assertExecution().started_at(datetime(2030, 5, 1, tzinfo=UTC))


def test_timeout(durable):
    order = durable(order_handler, execution_timeout=60)
    order.execute({"order": 1})
    order.assertExecution().timed_out()
""")
    done.assert_outcomes(passed=2)


def test_a_fixture_of_the_suite_makes_the_runner(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("")
    done = run("""
@pytest.fixture
def order(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    yield order
    order.assertExecution().succeeded()


@pytest.mark.parametrize("name", ["charge", "cool-down"])
def test_operations(order, name):
    order.assertOperation(name).succeeded()


class TestInAClass:
    def test_method(self, order):
        order.assertOperations().count(2)
""")
    done.assert_outcomes(passed=3)


def test_a_snapshot_is_kept_next_to_the_test(
    run: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest("""
import pytest


@pytest.fixture
def ordered(durable):
    from test_suite import order_handler

    order = durable(order_handler)
    order.execute({"order": 1})
    return order
""")
    done = run("""
def test_history(ordered):
    ordered.assertHistory().matches("order.json")
""")
    done.assert_outcomes(passed=1)
    assert (pytester.path / "order.json").exists()


# --- failures ---


def test_a_failed_claim_is_shown_with_a_section(run: Run) -> None:
    done = run("""
def test_order(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertOperation("charge").attempts(2)
""")
    done.assert_outcomes(failed=1)
    text = done.stdout.str()
    assert text.count("Operations of ") == 1
    done.stdout.fnmatch_lines([
        "durable = <durable of test_order>",
        ">*order.assertOperation(\"charge\").attempts(2)",
        "E*AssertionError: step 'charge' of execution 'execution-1'",
        "E*Expected: *",
        "E*but: *",
        "test_suite.py:*: AssertionError",
        "*- durabletest report -*",
        "Operations of execution 'execution-1'",
        "*cool-down*",
    ])  # fmt: skip
    done.stdout.no_fnmatch_line("*durabletest/*.py*")


def test_a_plain_assert_is_shown_with_a_section_too(run: Run) -> None:
    done = run("""
def test_order(durable):
    result = durable(order_handler).execute({"order": 42})
    assert result.get_result()["status"] == "lost"


def test_failed(durable):
    durable(order_handler).execute({}).get_result()


def test_fail(durable):
    durable(order_handler).execute({"order": 1})
    pytest.fail("no")
""")
    done.assert_outcomes(failed=3)
    text = done.stdout.str()
    assert text.count("Operations of execution 'execution-1'") == text.count("- durabletest report -") == 3
    assert "ExecutionFailedError" in text


def test_the_section_has_a_place_beside_what_other_plugins_show(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
import pytest


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.longrepr = "shown in another way"
    return report
""")
    done = run("""
def test_order(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertOperation("charge").attempts(2)
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["shown in another way", "*- durabletest report -*", "Operations of *"])


@pytest.mark.parametrize("style", ["short", "native", "line", "auto", "long", "no"])
def test_every_style_of_tracebacks_works(run: Run, style: str) -> None:
    suite = """
def test_order(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertOperation("charge").attempts(2)


def test_unused(durable):
    durable(order_handler).stub_invoke("locate").succeeds("NL")


@pytest.mark.durable(skip_slep=True)
def test_misspelt(durable):
    pass
"""
    done = run(suite, f"--tb={style}")
    done.assert_outcomes(failed=2, errors=1)
    if style not in ("line", "no"):
        done.stdout.fnmatch_lines_random(["Operations of *", "*stub_invoke('locate') was never used*", "*skip_sleep*"])
    assert "INTERNALERROR" not in done.stdout.str()


def test_other_errors_and_other_tests_have_no_section(run: Run) -> None:
    done = run("""
def test_error(durable):
    durable(order_handler).execute({"order": 42})
    raise KeyError("charge")


def test_before_an_execution(durable):
    durable(order_handler)
    assert False


def test_without_it():
    assert False
""")
    done.assert_outcomes(failed=3)
    assert "durabletest report" not in done.stdout.str()


def test_failures_in_fixtures_have_a_section(run: Run) -> None:
    done = run("""
@pytest.fixture
def order(durable):
    order = durable(order_handler)
    order.execute({"order": 1})
    yield order
    order.assertOperation("charge").attempts(7)


@pytest.fixture
def lost(order):
    order.assertExecution().succeeded("lost")


def test_set_up(lost):
    pass


def test_teardown(order):
    pass
""")
    done.assert_outcomes(passed=1, errors=3)
    assert done.stdout.str().count("Operations of execution 'execution-1'") == 2
    assert done.stdout.str().count("(The operations are shown with the failure before.)") == 1


def test_what_was_never_used_fails_a_test_that_passes(run: Run) -> None:
    done = run("""
def test_stub(durable):
    durable(order_handler).stub_invoke("locate").succeeds("NL")


def test_optional(durable):
    durable(order_handler).stub_invoke("locate", optional=True).succeeds("NL")


def test_answer(durable):
    order = durable(order_handler)
    order.on_callback("approval").succeed("yes")
    order.execute({"order": 42})


def test_it_is_told_beside_another_failure(durable):
    order = durable(order_handler)
    order.stub_invoke("locate").succeeds("NL")
    order.execute({"order": 42})
    assert order.now == 7


@pytest.mark.xfail(raises=AssertionError, strict=True)
def test_expected(durable):
    durable(order_handler).stub_invoke("locate").succeeds("NL")
""")
    done.assert_outcomes(failed=3, passed=1, xfailed=1)
    done.stdout.fnmatch_lines([
        "*_ test_stub _*",
        "stub_invoke('locate') was never used: nothing was executed",
        "*_ test_answer _*",
        "on_callback('approval') was never used: no callback has that name",
        "*_ test_it_is_told_beside_another_failure _*",
        "E*assert *",
        "E*'locate'*never used*",
        "FAILED test_suite.py::test_stub - AssertionError: *'locate'*",
    ])  # fmt: skip
    done.stdout.no_fnmatch_line("*pluggy/*")


def test_an_assertion_without_a_claim_fails_a_test_that_passes(run: Run) -> None:
    done = run("""
def test_no_claim(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertExecution()
""")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        ["nothing was claimed about execution 'execution-1': add a check*", "(at test_suite.py:*)"]
    )
    done.stdout.no_fnmatch_line("*pluggy/*")


def test_all_runners_are_closed_at_the_end_of_the_test(run: Run) -> None:
    done = run("""
KEPT = []


@pytest.mark.parametrize("fails", [True, False])
def test_one(durable, fails):
    KEPT.append(durable(order_handler).start({"order": 1}))
    assert not fails


def test_closed():
    assert datetime.now(UTC) != datetime(2026, 1, 1, tzinfo=UTC)
    for execution in KEPT:
        with pytest.raises(RunnerClosedError):
            execution.result()
""")
    done.assert_outcomes(failed=1, passed=2)


def test_a_unittest_case_and_a_doctest_can_use_it(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makefile(
        ".txt",
        test_doc="""
        >>> from test_suite import order_handler
        >>> order = getfixture("durable")(order_handler)
        >>> order.execute({"order": 42}).get_result()
        {'status': 'shipped'}
        >>> claimed = order.assertExecution().succeeded()
        """,
    )
    done = run(
        """
import unittest


class PlainTests(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def use(self, durable):
        self.order = durable(order_handler)

    def test_order(self):
        self.order.execute({"order": 42})
        self.order.assertExecution().succeeded()

    def test_claim(self):
        self.order.execute({"order": 42})
        self.order.assertExecution().failed()
""",
        "--doctest-glob=test*.txt",
    )
    done.assert_outcomes(passed=2, failed=1)
    assert done.stdout.str().count("Operations of execution 'execution-1'") == 1


def test_another_clock_is_told(run: Run) -> None:
    done = run("""
from freezegun import freeze_time


@freeze_time("2020-01-01")
def test_frozen(durable):
    durable(order_handler)


def test_frozen_inside(durable):
    order = durable(order_handler)
    with freeze_time("2020-01-01"):
        order.execute({"order": 42})


def test_travel(durable):
    time_machine = pytest.importorskip("time_machine")
    order = durable(order_handler)
    with time_machine.travel(0):
        order.execute({"order": 42})
""")
    done.assert_outcomes(failed=3)
    done.stdout.fnmatch_lines(["E*ForeignClockError: *"] * 3)


def test_it_may_be_closed_earlier_by_a_block_which_checks_or_by_hand(run: Run) -> None:
    done = run("""
def test_block(durable):
    with durable(order_handler) as order:
        order.execute({"order": 42})
        order.assertExecution().succeeded()
    with durable(order_handler, start_time=datetime(2030, 1, 1, tzinfo=UTC)) as other:
        assert other.now.year == 2030


def test_by_hand(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.stub_invoke("locate").succeeds("NL")
    order.close()


def test_unused_in_a_block(durable):
    with durable(order_handler) as order:
        order.stub_invoke("locate").succeeds("NL")


def test_failure_in_a_block(durable):
    with durable(order_handler) as order:
        order.execute({"order": 42})
        order.assertOperation("charge").attempts(2)
""")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines_random(["E*stub_invoke('locate') was never used*", "E*Expected: 2 attempts"])
    assert done.stdout.str().count("Operations of execution 'execution-1'") == 1


def test_misuse_is_told_without_the_frames_of_the_package(run: Run) -> None:
    done = run("""
def test_unknown_setting(durable):
    durable(order_handler, skip_slep=True)


def test_far_off(durable):
    durable(order_handler, zzz=7)


def test_wrong_value(durable):
    durable(order_handler, skip_sleep="yes")


def test_no_handler(durable):
    durable()


def test_no_execution(durable):
    durable(order_handler).assertExecution()


def test_other_settings(durable):
    durable(order_handler)
    durable(order_handler, start_time=datetime(2030, 1, 1, tzinfo=UTC))
""")
    done.assert_outcomes(failed=6)
    done.stdout.fnmatch_lines([
        "E*ConfigurationError: durable(...) has no setting 'skip_slep': did you mean 'skip_sleep'?",
        "E*ConfigurationError: durable(...) has no setting 'zzz': there are handler, *poll_interval*",
        "E*ConfigurationError: durable(...).skip_sleep is 'yes': write True or False",
        "E*ConfigurationError: there is no handler, *durable(order_handler)",
        "E*UsageError: there is no execution to assert on: call execute(payload) or start(payload) first",
        "E*ConfigurationError: a runner with *cannot join*",
    ])  # fmt: skip
    done.stdout.no_fnmatch_line("*durabletest/*.py*")
