"""The example suites, unchanged, through boto3 against ``durabletest serve``."""

from __future__ import annotations

import json
import re
import unittest

from tests.cloud.test_examples import AT_LEAST, EXAMPLES
from tests.effort import LONG
from tests.endpoint.case import environment
from tests.endpoint.server import CREDENTIALS
from tests.serve.served import Served
from tests.subprocesses import StartedModule

ONBOARDING = "examples/onboarding.py"
TARGETS = (
    "examples/approval.py",
    "examples/fanout.py",
    f"{ONBOARDING}:onboarding_handler",
    f"screening={ONBOARDING}:screening_handler",
    f"contract={ONBOARDING}:contract_handler",
    f"geo-lookup={ONBOARDING}:geo_lookup",
    "examples/order.py",
    "examples/report_poller.py",
    "examples/subscription.py",
    "examples/trip.py",
)
AT_LEAST_OF_APPROVAL = 6
PATIENCE = "25"
"""Reads of an execution without news after which its callback counts as one that nobody answers."""


class ExamplesTests(unittest.TestCase):
    def test_the_example_suites_pass_against_the_endpoint(self) -> None:
        """All of them take some seconds; a usual run has the one with callbacks, answered and not."""
        with Served(*TARGETS, "--patience", PATIENCE) as served:
            names = re.findall(r"\b\w+_handler\b|\bbook_trip\b", served.greeting)
            variables = {
                **CREDENTIALS,
                "AWS_ENDPOINT_URL_LAMBDA": served.url,
                "DURABLETEST_MODE": "cloud",
                "DURABLETEST_FUNCTION_NAMES": json.dumps({name: f"{name}:live" for name in names}),
                "DURABLETEST_POLL_INTERVAL": "0.005",
            }
            command = ["unittest", "-v", *([] if LONG else ["test_approval"])]
            with environment(variables):
                run = StartedModule(*command, cwd=EXAMPLES).ended(120)
            self.assertEqual(run.returncode, 0, run.stderr)
            passed = len(re.findall(r"\.\.\. ok$", run.stderr, re.MULTILINE))
            self.assertGreaterEqual(passed, AT_LEAST if LONG else AT_LEAST_OF_APPROVAL, run.stderr)
            self.assertEqual(served.end(), (0, ""))


if __name__ == "__main__":
    unittest.main()
