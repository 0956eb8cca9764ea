"""What ``--junitxml`` writes of tests that use the fixture."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.pytest_plugin.conftest import Run
from tests.subprocesses import ROOT

pytest_plugins = ["pytester"]

Cases = dict[str, ElementTree.Element]


@pytest.fixture
def cases(run: Run, pytester: pytest.Pytester) -> Callable[..., Cases]:
    def cases(suite: str, *arguments: str) -> Cases:
        run(suite, "--junitxml=report.xml", "-o", "junit_family=xunit1", *arguments)
        tree = ElementTree.parse(Path(pytester.path, "report.xml"))
        return {case.attrib["name"]: case for case in tree.iter("testcase")}

    return cases


def properties(case: ElementTree.Element) -> dict[str, str]:
    return {one.attrib["name"]: one.attrib["value"] for one in case.iter("property")}


SUITE = """
def test_order(durable):
    durable(order_handler).execute({"order": 42})


def test_two(durable, record_property):
    record_property("colour", "red")
    durable(order_handler).execute({"order": 42})
    durable(approval_handler).start()


def test_none(durable):
    durable(order_handler)


def test_without():
    pass


def test_many(durable):
    order = durable(durable_execution(lambda event, context: event))
    for number in range(25):
        order.execute(number)


def test_reset(durable):
    order = durable(order_handler)
    order.start({"order": 1})
    order.runner.reset()
    order.execute({"order": 2})


def test_claim(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.assertOperation("charge").attempts(2)


def test_unused(durable):
    order = durable(order_handler)
    order.execute({"order": 42})
    order.stub_invoke("locate").succeeds("NL")
"""


def check(cases: Cases) -> None:
    found = {name: properties(case) for name, case in cases.items()}
    arn = found["test_order"].pop("durabletest.1.arn")
    assert "/durable-execution/execution-1/" in arn
    assert found["test_order"] == {
        "durabletest.executions": "1",
        "durabletest.1.status": "SUCCEEDED",
        "durabletest.1.seconds": "3600",
        "durabletest.1.operations": "2",
        "durabletest.1.invocations": "2",
    }
    assert found["test_two"]["colour"] == "red"
    assert found["test_two"]["durabletest.executions"] == "2"
    assert found["test_two"]["durabletest.2.status"] == "RUNNING"
    assert "durabletest.2.seconds" not in found["test_two"]
    assert found["test_none"] == found["test_without"] == {}
    assert found["test_many"]["durabletest.executions"] == "25"
    assert "durabletest.20.status" in found["test_many"]
    assert "durabletest.21.status" not in found["test_many"]
    assert "durabletest.1.status" not in found["test_reset"]
    assert found["test_reset"]["durabletest.2.status"] == "SUCCEEDED"
    assert found["test_claim"]["durabletest.1.status"] == "SUCCEEDED"


def test_executions_are_properties_of_their_tests(cases: Callable[..., Cases]) -> None:
    check(cases(SUITE))


def test_the_report_is_part_of_the_failure(cases: Callable[..., Cases]) -> None:
    found = cases(SUITE)
    [failure] = found["test_claim"].iter("failure")
    assert failure.attrib["message"].startswith("AssertionError: step 'charge' of execution 'execution-1'")
    assert "Operations of execution 'execution-1'" in str(failure.text)
    [failure] = found["test_unused"].iter("failure")
    assert "stub_invoke('locate') was never used" in failure.attrib["message"]
    assert "Operations of execution 'execution-1'" in str(failure.text)


def test_with_xdist_too(cases: Callable[..., Cases], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("xdist")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    found = cases(SUITE, "-p", "xdist.plugin", "-n", "1")
    check(found)
    [failure] = found["test_claim"].iter("failure")
    assert "Operations of execution 'execution-1'" in str(failure.text)


@pytest.mark.parametrize("options", [(), ("--junitxml=report.xml", "-o", "junit_family=xunit2")])
def test_where_there_is_no_place_for_them_histories_are_not_read_again(run: Run, options: tuple[str, ...]) -> None:
    suite = """
@pytest.fixture
def properties(request):
    yield
    assert request.node.user_properties == []


def test_order(properties, durable):
    durable(order_handler).execute({"order": 42})
"""
    run(suite, *options).assert_outcomes(passed=1)
