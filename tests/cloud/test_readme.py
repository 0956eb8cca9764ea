"""What the guide says about the cloud: its suites run there, and its policy is what is needed."""

from __future__ import annotations

import json
import os
import re
import sys
import types
import unittest
from pathlib import Path
from unittest import mock

from durabletest import DurableTestCase
from tests.endpoint.case import EndpointTestCase
from tests.test_readme import README, blocks

PACKAGE = Path(__file__).parents[2] / "durabletest"
TEXT = README.read_text(encoding="utf-8")
CALL = re.compile(r"client\.((?:get|list|send|stop|invoke)\w*)\(")


class ReadmeTests(EndpointTestCase):
    def test_the_suites_of_the_guide_run_in_the_cloud(self) -> None:
        module = types.ModuleType("readme_cloud")
        self.enterContext(mock.patch.dict(sys.modules, readme_cloud=module))
        first, *others = [block for block in blocks(TEXT) if block.language == "python"]
        [cloud] = [block for block in others if "@cloud_only" in block.code]
        exec(first.code + "from datetime import timedelta\n" + cloud.code, vars(module))
        suites = [vars(module)[name] for name in ("OrderTests", "DeployedOrderTests")]
        self.endpoint.deploy("orders-staging", vars(module)["order_handler"])
        names = json.dumps(dict.fromkeys(("orders", "order_handler"), "orders-staging:live"))
        self.enterContext(
            mock.patch.dict(
                os.environ,
                DURABLETEST_MODE="cloud",
                DURABLETEST_FUNCTION_NAMES=names,
                DURABLETEST_POLL_INTERVAL="0.005",
            )
        )
        result = self.run_all(suites)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(len(result.skipped), 1)
        self.assertIn(result.testsRun, (3, 4), "Python 3.12.1 does not count those that are skipped")

    def run_all(self, suites: list[type[DurableTestCase]]) -> unittest.TestResult:
        result = unittest.TestResult()
        unittest.TestSuite(map(unittest.defaultTestLoader.loadTestsFromTestCase, suites)).run(result)
        return result


class PolicyTests(unittest.TestCase):
    def test_the_policy_permits_what_is_called_and_no_more(self) -> None:
        found = re.search(r"<!-- iam -->\n```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
        assert found is not None
        [statement] = json.loads(found[1])["Statement"]
        self.assertEqual(sorted(statement["Action"]), sorted(self.actions()))

    def actions(self) -> set[str]:
        """The IAM action of every method of the client that the cloud mode calls."""
        files = [*PACKAGE.glob("cloud/*.py"), PACKAGE / "scripts.py", PACKAGE / "model" / "callbacks.py"]
        methods = {method for file in files for method in CALL.findall(file.read_text(encoding="utf-8"))}
        self.assertIn("invoke", methods)
        names = {"".join(part.title() for part in method.split("_")) for method in methods - {"invoke"}}
        return {f"lambda:{name}" for name in names} | {"lambda:InvokeFunction"}
