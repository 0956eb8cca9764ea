"""``DURABLETEST_REPORT`` for tests with the fixture ``durable``."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.pytest_plugin.conftest import Run
from tests.sdk_versions import needs_turns
from tests.test_failure_pages import Pages

pytest_plugins = ["pytester"]

TESTS = """
@pytest.mark.parametrize("order", [41, 42])
def test_claim(durable, order):
    shop = durable(order_handler)
    shop.execute({"order": order})
    shop.assertOperation("charge").succeeded(41)


def test_assert(durable):
    assert durable(order_handler).execute({"order": 7}).get_result() == {"status": "lost"}


def test_unused(durable):
    shop = durable(order_handler)
    shop.execute({"order": 1})
    shop.stub_step("refund").returns(1)


@pytest.fixture
def broken(durable):
    durable(order_handler).execute({"order": 8})
    raise ValueError("in the fixture")


def test_set_up(broken):
    pass


@pytest.fixture
def ending(durable):
    shop = durable(order_handler)
    yield shop
    shop.assertExecution().failed()


def test_teardown(ending):
    ending.execute({"order": 9})


@pytest.mark.xfail
def test_expected(durable):
    durable(order_handler).execute({"order": 1}).get_operation("refund")


def test_skipped(durable):
    pytest.skip("later")


def test_without_the_fixture():
    assert False


def test_passes(durable):
    durable(order_handler).execute({"order": 1})
"""


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pages:
    monkeypatch.setenv("DURABLETEST_REPORT", str(tmp_path / "pages"))
    return Pages(tmp_path / "pages")


def test_a_page_for_every_failing_test(run: Run, pages: Pages) -> None:
    run(TESTS)
    shown = {name: pages.text(name) for name in pages.listed()}
    assert sorted(name.rpartition("-")[0].rpartition("py_")[2] for name in shown) == [
        "test_assert",
        "test_claim_42_",
        "test_set_up",
        "test_teardown",
        "test_unused",
    ]
    for test, texts in {
        "test_claim_42_": ("::test_claim[42]", "but: result == 42", "charge", "StepSucceeded"),
        "test_assert": ("{'status': 'shipped'}", "cool-down", "7"),
        "test_unused": ("stub_step('refund') was never used",),
        "test_set_up": ("ValueError: in the fixture", "cool-down"),
        "test_teardown": ("Expected: FAILED", "cool-down"),
    }.items():
        [page] = [text for name, text in shown.items() if test in name]
        for text in texts:
            assert text in page, test
        assert "Operations of execution" not in page
    assert "5 failing tests" in pages.text("index.html")


OTHERS = """
import unittest


@pytest.fixture(scope="module")
def shared():
    with LocalDurableTestRunner(order_handler, function_name="shared") as runner:
        runner.run({"order": 0}, name="of-the-fixture")
        yield runner


@pytest.fixture
def own():
    with LocalDurableTestRunner(order_handler) as runner:
        yield runner


def test_closed_before_it_fails():
    with LocalDurableTestRunner(order_handler) as runner:
        runner.run({"order": 41}, name="closed")
    assert False


def test_open_when_it_fails(own):
    own.run({"order": 42}, name="open")
    assert False


def test_passes(shared):
    shared.run({"order": 43}, name="earlier")


def test_shared_runner(shared):
    shared.run({"order": 44}, name="later")
    assert False


def test_with_fixture_and_runner(durable, own):
    durable(order_handler).execute({"order": 45}, name="of-durable")
    own.run({"order": 46}, name="of-the-runner")
    assert False


class PlainTests(unittest.TestCase):
    def test_case(self):
        with LocalDurableTestRunner(order_handler) as runner:
            runner.run({"order": 47}, name="of-a-plain-case")
            self.fail("on purpose")


def test_fault():
    with LocalDurableTestRunner(order_handler) as runner:
        with runner.with_fault("killed 1"):
            runner.run({"order": 48}, name="faulty")
        runner.run({"order": 49}, name="clean")
        assert False


def test_nothing_executed():
    assert False
"""


@needs_turns
def test_without_the_fixture_what_runners_have_executed_is_shown(run: Run, pages: Pages) -> None:
    run(OTHERS).assert_outcomes(passed=1, failed=7)
    shown = {name: pages.text(name) for name in pages.listed()}
    executions = {
        name.rpartition("-")[0].rpartition("test_suite.py_")[2]: re.findall(r"execution '([\w-]+)': \w+", text)
        for name, text in shown.items()
    }
    assert executions == {
        "test_closed_before_it_fails": ["closed"],
        "test_open_when_it_fails": ["open"],
        "test_shared_runner": ["later"],
        "test_with_fixture_and_runner": ["of-durable", "of-the-runner"],
        "PlainTests_test_case": ["of-a-plain-case"],
        "test_fault": ["faulty", "clean"],
    }
    assert "6 failing tests" in pages.text("index.html"), "the seventh has executed nothing"
    [faulty] = [text for name, text in shown.items() if "test_fault" in name]
    assert faulty.count("Injected: process killed in step 'charge', after its function had run ('killed 1')") == 1
    assert all("StepSucceeded" in text for text in shown.values())


def test_a_test_that_passes_again_loses_its_page(run: Run, pages: Pages) -> None:
    test = """
def test_order(durable):
    durable(order_handler).execute({"order": 7}).get_operation("NAME")
"""
    run(test.replace("NAME", "refund"))
    assert len(pages.listed()) == 1
    run(test.replace("NAME", "charge"))
    assert pages.listed() == []


def test_a_value_that_is_no_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    monkeypatch.setenv("DURABLETEST_REPORT", str(file))
    done = run("def test_plain():\n    assert False\n")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*DURABLETEST_REPORT is *file', which is no folder and cannot be made one*"])


def test_nothing_is_written_without_the_variable(run: Run, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DURABLETEST_REPORT")
    run(TESTS)
    assert pages.names() == []


CASE = """
class OrderTests(DurableTestCase):
    handler = order_handler

    def test_case(self):
        self.execute({"order": 42})
        self.assertOperation("charge").succeeded(7)

    def test_case_that_passes(self):
        self.execute({"order": 42})
"""
HTML = ("-p", "pytest_html.plugin", "-p", "pytest_html.fixtures", "-p", "pytest_metadata.plugin")
_DATA = re.compile(r'data-jsonblob="([^"]*)"')


def links(report: Path) -> dict[str, list[str]]:
    """The links of each test in a report of pytest-html, by the test's name."""
    found = _DATA.search(report.read_text(encoding="utf-8"))
    assert found is not None
    tests: dict[str, list[dict[str, Any]]] = json.loads(unescape(found[1]))["tests"]
    return {
        name.partition("::")[2]: [extra["content"] for result in results for extra in result["extras"]]
        for name, results in tests.items()
    }


def test_pytest_html_links_the_pages(run: Run, pages: Pages, tmp_path: Path) -> None:
    report = tmp_path / "reports" / "all of them.html"
    run(TESTS + CASE, *HTML, f"--html={report}")
    found = links(report)
    assert {name for name, linked in found.items() if linked} == {
        "OrderTests::test_case",
        "test_assert",
        "test_claim[42]",
        "test_set_up",
        "test_teardown",
        "test_unused",
    }
    for linked in filter(None, found.values()):
        [link] = set(linked)  # the result of the test and that of its teardown have the same
        assert (report.parent / unquote(link)).resolve().name in pages.listed()


def test_pytest_html_without_pages_is_left_alone(
    run: Run, pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DURABLETEST_REPORT")
    run(TESTS, *HTML, f"--html={tmp_path / 'report.html'}")
    assert set(map(len, links(tmp_path / "report.html").values())) == {0}
