"""The example suites in unittest's and in pytest's style: the same tests, with the same claims and outcomes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cloud.test_examples import AT_LEAST, EXAMPLES, deploy, example_suites
from tests.docs.pages import GUIDE
from tests.endpoint.case import environment
from tests.endpoint.server import Endpoint
from tests.subprocesses import BOUND, ONLY_NAMED_PLUGINS, StartedModule

NAMES = sorted(path.stem.removeprefix("test_") for path in EXAMPLES.glob("test_*.py"))
CALLS = ("execute", "start", "on_callback", "stub_step", "stub_invoke", "assert[A-Z]\\w+on\\w*")
CALL = re.compile(rf"^(?:self|\w+)\.((?:{'|'.join(CALLS)})\(.*)$", re.DOTALL)
"""A chain that begins with a method of the test, whoever has it: ``self``, or what the fixture has made."""


def claims_of(path: Path) -> dict[str, list[str]]:
    """The chains of each test of a suite, sorted, as text; those of set-up and fixtures by the name ``before``."""
    found: dict[str, list[str]] = {"before": []}
    for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
        name = function.name if function.name.startswith("test") else "before"
        found[name] = sorted([*found.get(name, ()), *chains(function)])
    return found


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def chains(function: ast.FunctionDef) -> Iterator[str]:
    inner = {id(node.func.value) for node in ast.walk(function) if is_method_call(node)}  # type: ignore[attr-defined]
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and id(node) not in inner:
            match = CALL.match(ast.unparse(node))
            if match is not None:
                yield match[1]


def is_method_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


@pytest.mark.parametrize("name", NAMES)
def test_both_suites_have_the_same_tests_with_the_same_claims(name: str) -> None:
    by_unittest = claims_of(EXAMPLES / f"test_{name}.py")
    by_pytest = claims_of(EXAMPLES / "pytest_style" / f"{name}_test.py")
    assert sum(map(len, by_unittest.values())) > 8
    assert by_pytest == by_unittest


def test_there_are_as_many_of_both_and_the_guide_names_them() -> None:
    assert sorted(path.stem.removesuffix("_test") for path in (EXAMPLES / "pytest_style").glob("*_test.py")) == NAMES
    assert len(NAMES) >= 7
    page = (GUIDE / "pytest.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"(../examples/test_{name}.py) | [{name}_test.py](../examples/pytest_style/{name}_test.py)" in page


def test_a_claim_that_differs_would_be_seen(tmp_path: Path) -> None:
    suite = EXAMPLES / "pytest_style" / "order_test.py"
    changed = tmp_path / "order_test.py"
    changed.write_text(suite.read_text(encoding="utf-8").replace(".attempts(2)", ".attempts(3)"), encoding="utf-8")
    assert claims_of(changed) != claims_of(suite)


BY_UNITTEST = [f"test_{name}.py" for name in NAMES]


def passed(*paths: str) -> tuple[set[str], set[str]]:
    """Run these examples by pytest; which test functions pass in unittest's style, and which in pytest's.

    None may fail; one with parameters counts once.
    """
    arguments = ("-q", "-rA", "-p", "no:cacheprovider", "--tb=short", *paths)
    done = StartedModule("pytest", *arguments, cwd=EXAMPLES, **ONLY_NAMED_PLUGINS).ended(2 * BOUND)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^PASSED (\S*)::(\w+)", done.stdout, re.MULTILINE)
    by_pytest = {test for path, test in found if "pytest_style" in path}
    return {test for path, test in found if "pytest_style" not in path}, by_pytest


def test_locally_all_tests_of_both_styles_pass() -> None:
    expected = {test for path in BY_UNITTEST for test in claims_of(EXAMPLES / path)} - {"before"}
    assert passed("pytest_style") == (set(), expected)


def test_in_the_cloud_the_same_tests_pass_in_both_styles_and_the_others_are_skipped() -> None:
    with example_suites() as suites, Endpoint() as endpoint:
        variables = {
            **endpoint.environment,
            "DURABLETEST_MODE": "cloud",
            "DURABLETEST_FUNCTION_NAMES": json.dumps(deploy(endpoint, suites)),
            "DURABLETEST_POLL_INTERVAL": "0.005",
        }
        with environment(variables):
            by_unittest, by_pytest = passed(*BY_UNITTEST, "pytest_style")
        assert by_unittest == by_pytest
        assert len(by_pytest) >= AT_LEAST
        assert endpoint.running() == []
