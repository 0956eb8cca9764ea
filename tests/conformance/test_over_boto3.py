"""The same requirements once more, with the SDK's requests and their answers serialised and parsed by boto3."""

from __future__ import annotations

import unittest

from tests.conformance.matcher import history_mismatches
from tests.conformance.recording import SCENARIOS, run
from tests.conformance.requirements import requirement
from tests.local.over_boto3 import sdk_over_boto3


class OverBoto3Tests(unittest.TestCase):
    def test_every_history_is_the_same_when_boto3_is_in_between(self) -> None:
        for suite, scenarios in SCENARIOS.items():
            for number, scenario in scenarios.items():
                wanted = requirement(suite, number)
                with self.subTest(number), sdk_over_boto3() as clients:
                    recording = run(wanted, scenario)
                    self.assertEqual(history_mismatches(wanted.history, recording.history, wanted.status), [])
                    self.assertGreater(len(clients), 0)
