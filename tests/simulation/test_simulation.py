"""Generated workflows: the package does what the model predicts, event by event, second by second, and does it again.

The second time everything is equal, byte for byte, and in the same order. By schedules of chance, see ``tests.seeds``,
only what is done at which second has to be the same.

``DURABLETEST_WORKFLOWS`` is how many are tried: the first 40 of a fixed seed by default, 500 with
``DURABLETEST_LONG_TESTS``.
"""

from __future__ import annotations

import os
import unittest
from typing import Any

from hypothesis import HealthCheck, given, note, settings

from durabletest import LocalDurableTestRunner
from tests.effort import examples
from tests.sdk_versions import needs_turns
from tests.simulation.interpreter import (
    by_thread,
    canonical,
    durable,
    events,
    histories,
    predicted_in_order,
    prepare,
    recorded,
    seen_in_order,
)
from tests.simulation.model import Tie, predict
from tests.simulation.workflows import Body, workflows

WORKFLOWS = int(os.environ.get("DURABLETEST_WORKFLOWS", "") or examples(40, long=500))


@needs_turns
class SimulationTests(unittest.TestCase):
    maxDiff = None
    body: Body = ()
    exactly = True
    """Whether the order is that of the default schedule."""

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
        suppress_health_check=[
            HealthCheck.differing_executors,  # instances of the class hold nothing
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
            HealthCheck.too_slow,
        ],
    )
    @given(workflows())
    def test_package_and_model_agree(self, body: Body) -> None:
        note(f"workflow: {body}")
        found, outcome = self.run_once(body)
        again, _ = self.run_once(body)
        self.assertEqual(*((found, again) if self.exactly else (canonical(found), canonical(again))))
        try:
            predicted = predict(body)
        except Tie:
            return
        self.assertEqual(outcome, ("FAILED", None) if predicted.failed else ("SUCCEEDED", predicted.outcome))
        self.assertEqual(events(found), recorded(predicted.events))
        if self.exactly:
            self.assertEqual(by_thread(seen_in_order(found)), by_thread(predicted_in_order(predicted.events)))

    def run_once(self, body: Body) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, Any]]:
        with LocalDurableTestRunner(durable(body)) as runner:
            prepare(body, runner)
            execution = runner.start()
            result = execution.result()
            execution.advance(0)  # what it has invoked may go on after its end
            succeeded = result.get_status() == "SUCCEEDED"
            return histories(result, runner), (str(result.get_status()), result.get_result() if succeeded else None)
