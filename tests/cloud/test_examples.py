"""The example suites, unchanged, against an endpoint that nothing but environment variables tells them of."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from durabletest import DurableTestCase
from durabletest.cloud.arns import unqualified
from durabletest.cloud.suite import handler_names
from tests.endpoint.case import environment
from tests.endpoint.server import Endpoint

EXAMPLES = Path(__file__).parents[2] / "examples"
OUTCOME = re.compile(r"^(?P<test>\S+) \(\S+\) \.\.\. (?P<outcome>ok|skipped '(?P<reason>.*)')$", re.MULTILINE)
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
                command = [sys.executable, "-W", "error", "-m", "unittest", "-v"]
                run = subprocess.run(
                    command, cwd=EXAMPLES, env=dict(os.environ), capture_output=True, timeout=120, check=False
                )
            report = run.stderr.decode()
            self.assertEqual(run.returncode, 0, report)
            outcomes = list(OUTCOME.finditer(report))
            ran = [outcome["test"] for outcome in outcomes if outcome["outcome"] == "ok"]
            self.assertGreaterEqual(len(ran), AT_LEAST, report)
            for outcome in outcomes:
                if outcome["reason"] is not None:
                    self.assertRegex(outcome["reason"], "local|virtual", outcome["test"])
            self.assertGreaterEqual(endpoint.log.counts()["Invoke"], AT_LEAST)
            self.assertEqual(endpoint.running(), [])
