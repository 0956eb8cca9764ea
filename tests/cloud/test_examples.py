"""The example suites, unchanged, against an endpoint that nothing but environment variables tells them of."""

from __future__ import annotations

import importlib
import json
import re
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from durabletest import DurableTestCase
from durabletest.cloud.aws import unqualified
from durabletest.cloud.suite import handler_names
from durabletest.model.times import span
from tests.endpoint.case import environment
from tests.endpoint.server import Endpoint
from tests.subprocesses import StartedModule

EXAMPLES = Path(__file__).parents[2] / "examples"
OUTCOME = re.compile(r"^(?P<test>\S+) \(\S+\) \.\.\. (?P<outcome>ok|skipped '(?P<reason>.*)')$", re.MULTILINE)
PAGE = EXAMPLES.parent / "docs" / "cloud.md"
AT_LEAST = 25
"""So many tests of the examples run in the cloud; those that are about virtual time cannot."""


@contextmanager
def example_suites() -> Iterator[list[type[DurableTestCase]]]:
    """The test case classes of the examples, imported for as long as the block lasts."""
    before = set(sys.modules)
    sys.path.insert(0, str(EXAMPLES))
    try:
        modules = [importlib.import_module(path.stem) for path in sorted(EXAMPLES.glob("test_*.py"))]
        values = [value for module in modules for value in vars(module).values()]
        yield [v for v in values if isinstance(v, type) and issubclass(v, DurableTestCase) and v.handler is not None]
    finally:
        sys.path.remove(str(EXAMPLES))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "").parent == EXAMPLES:
                del sys.modules[name]


def deploy(endpoint: Endpoint, suites: list[type[DurableTestCase]]) -> dict[str, str]:
    """Deploy what the suites are about, and give the names under which it is found: DURABLETEST_FUNCTION_NAMES."""
    names: dict[str, str] = {}
    for suite in suites:
        name = suite.function_name or handler_names(suite)[0]
        if name not in names:
            deployed = f"deployed-{unqualified(name)}"
            functions = {"durable_functions": suite.durable_functions, "functions": suite.functions}
            endpoint.deploy(deployed, suite.handler, **functions)
            names[name] = f"{deployed}:live"
    return names


def longest(endpoint: Endpoint, suites: list[type[DurableTestCase]]) -> dict[str, timedelta]:
    """The longest time that executions have taken, by the modules of the suites."""
    found: dict[str, timedelta] = {}
    modules = {
        f"deployed-{unqualified(suite.function_name or handler_names(suite)[0])}": suite.__module__ for suite in suites
    }
    for execution in endpoint.all():
        record = execution.snapshot().view.history().execution
        assert record.started_at is not None
        assert record.ended_at is not None
        suite = modules[execution.arn.split(":")[6]]
        found[suite] = max(record.ended_at - record.started_at, found.get(suite, timedelta(0)))
    return found


def rows(outcomes: list[re.Match[str]], times: dict[str, timedelta]) -> Iterator[tuple[str, ...]]:
    """For each suite: how many tests run, how long the longest takes, and which are skipped."""
    for path in sorted(EXAMPLES.glob("test_*.py")):
        own = [outcome for outcome in outcomes if f"({path.stem}." in outcome[0]]
        skipped = [
            outcome["test"] if outcome["test"] != "setUpClass" else outcome[0].split(".")[1].split(")")[0]
            for outcome in own
            if outcome["reason"] is not None
        ]
        ran = len(own) - len(skipped)
        names = ", ".join(f"`{name}`" for name in skipped)
        yield f"`{path.name}`", str(ran), span(times[path.stem]) if ran else "", names


def table_of_the_page() -> list[tuple[str, ...]]:
    """The rows of the guide's table of suites; why tests are skipped is prose after a colon."""
    lines = re.findall(r"^\| (`test_\w+\.py`) \| (\d+) \| (.*?) \| (.*?) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [(file, ran, time.strip(), skipped.partition(":")[0].strip()) for file, ran, time, skipped in lines]


class ExamplesTests(unittest.TestCase):
    def test_the_example_suites_pass_in_the_cloud(self) -> None:
        with example_suites() as suites, Endpoint() as endpoint:
            variables = {
                **endpoint.environment,
                "DURABLETEST_MODE": "cloud",
                "DURABLETEST_FUNCTION_NAMES": json.dumps(deploy(endpoint, suites)),
                "DURABLETEST_POLL_INTERVAL": "0.005",
            }
            with environment(variables):
                run = StartedModule("unittest", "-v", cwd=EXAMPLES).ended(120)
            report = run.stderr
            self.assertEqual(run.returncode, 0, report)
            outcomes = list(OUTCOME.finditer(report))
            ran = [outcome["test"] for outcome in outcomes if outcome["outcome"] == "ok"]
            self.assertGreaterEqual(len(ran), AT_LEAST, report)
            for outcome in outcomes:
                if outcome["reason"] is not None:
                    self.assertRegex(outcome["reason"], "local|virtual", outcome["test"])
            self.assertGreaterEqual(endpoint.log.counts()["Invoke"], AT_LEAST)
            self.assertEqual(table_of_the_page(), list(rows(outcomes, longest(endpoint, suites))))
            self.assertEqual(endpoint.running(), [])
