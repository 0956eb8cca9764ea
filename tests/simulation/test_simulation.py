"""Generated workflows: the package does what the model predicts, event by event, second by second, and does it again.

``DURABLETEST_WORKFLOWS`` is how many are tried; the default is the fixed seed's 500.
"""

from __future__ import annotations

import os
import unittest
from typing import Any

from hypothesis import HealthCheck, assume, given, note, settings

from durabletest import LocalDurableTestRunner
from tests.simulation.interpreter import canonical, durable, events, histories, prepare, recorded
from tests.simulation.model import Tie, predict
from tests.simulation.workflows import Body, workflows

WORKFLOWS = int(os.environ.get("DURABLETEST_WORKFLOWS", "500"))


class SimulationTests(unittest.TestCase):
    maxDiff = None
    body: Body = ()

    @classmethod
    def setUpClass(cls) -> None:
        LocalDurableTestRunner.setup_test_environment()
        cls.addClassCleanup(LocalDurableTestRunner.teardown_test_environment)

    @settings(
        max_examples=WORKFLOWS,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(workflows())
    def test_package_and_model_agree(self, body: Body) -> None:
        try:
            predicted = predict(body)
        except Tie:
            assume(False)
        note(f"workflow: {body}")
        found, outcome = self.run_once(body)
        self.assertEqual(outcome, ("FAILED", None) if predicted.failed else ("SUCCEEDED", predicted.outcome))
        self.assertEqual(events(found), recorded(predicted.events))
        again, _ = self.run_once(body)
        self.assertEqual(canonical(again), canonical(found))

    def run_once(self, body: Body) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, Any]]:
        with LocalDurableTestRunner(durable(body)) as runner:
            prepare(body, runner)
            result = runner.run()
            succeeded = result.get_status() == "SUCCEEDED"
            return histories(result, runner), (str(result.get_status()), result.get_result() if succeeded else None)
