"""The page about the cloud: its suite runs there, and its policy permits what is called and no more."""

from __future__ import annotations

import json
import os
import re
import sys
import types
import unittest
from unittest import mock

from tests.docs.pages import GUIDE, ROOT, python_of
from tests.endpoint.case import EndpointTestCase

PAGE = GUIDE / "cloud.md"
CALL = re.compile(r"client\.((?:get|list|send|stop|invoke)_?durable\w*|invoke)\(")


class SuiteTests(EndpointTestCase):
    def test_the_suite_of_the_page_runs_in_the_cloud(self) -> None:
        module = types.ModuleType("page_cloud")
        self.enterContext(mock.patch.dict(sys.modules, page_cloud=module))
        exec(python_of(PAGE), vars(module))
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
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(vars(module)["DeployedOrderTests"]).run(result)
        self.assertEqual((result.errors, result.failures), ([], []))
        self.assertEqual(len(result.skipped), 1)
        self.assertIn(result.testsRun, (2, 3), "Python 3.12.1 does not count those that are skipped")


class PolicyTests(unittest.TestCase):
    def test_the_policy_permits_what_is_called_and_no_more(self) -> None:
        found = re.search(r"<!-- iam -->\n```json\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        assert found is not None
        [statement] = json.loads(found[1])["Statement"]
        self.assertEqual(sorted(statement["Action"]), sorted(self.actions()))

    def actions(self) -> set[str]:
        """The IAM action of every method that the package calls on a client, local runs left out."""
        files = set((ROOT / "durabletest").rglob("*.py")) - set((ROOT / "durabletest" / "local").rglob("*.py"))
        methods = {method for file in files for method in CALL.findall(file.read_text(encoding="utf-8"))}
        self.assertIn("invoke", methods)
        names = {"".join(part.title() for part in method.split("_")) for method in methods - {"invoke"}}
        return {f"lambda:{name}" for name in names} | {"lambda:InvokeFunction"}
