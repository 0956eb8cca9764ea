"""For each requirement of the service: a handler written from its text leaves the history that the service records."""

from __future__ import annotations

import unittest
from collections.abc import Callable

from durabletest.local.server.service_model import event_findings
from tests.conformance import requirements
from tests.conformance.matcher import history_mismatches, log_mismatches
from tests.conformance.recording import SCENARIOS, record


class CompletenessTests(unittest.TestCase):
    def test_there_is_a_handler_for_each_requirement_and_a_requirement_for_each_handler(self) -> None:
        self.assertEqual({suite: requirements.numbers(suite) for suite in requirements.SUITES}, _handled())

    def test_no_suite_of_requirements_is_left_out(self) -> None:
        requirements.need_folder()
        folders = {path.name for path in requirements.FOLDER.iterdir() if path.is_dir()}
        self.assertEqual(folders, set(requirements.SUITES))

    def test_there_is_a_test_for_each_handler(self) -> None:
        names = unittest.defaultTestLoader.getTestCaseNames(ConformanceTests)
        self.assertEqual(len(names), sum(len(scenarios) for scenarios in SCENARIOS.values()))


def _handled() -> dict[str, set[str]]:
    return {suite: set(scenarios) for suite, scenarios in SCENARIOS.items()}


class ConformanceTests(unittest.TestCase):
    """One test for each requirement, named after it; they are made below."""

    maxDiff = None

    def check(self, suite: str, number: str) -> None:
        recording = record(suite, number)
        wanted, history = recording.requirement, recording.history
        self.assertEqual(recording.status, wanted.status or "RUNNING")
        self.assertEqual(history_mismatches(wanted.history, history, wanted.status), [])
        self.assertEqual(recording.outcome, wanted.result if wanted.names_result else recording.outcome)
        self.assertEqual(log_mismatches(wanted.logs, recording.logs), [])
        self.assertEqual(recording.effects, recording.expected_effects)
        self.assertEqual([finding for event in history for finding in event_findings(event)], [])
        self.assertEqual(recording.tested, history)


def _test(suite: str, number: str) -> Callable[[ConformanceTests], None]:
    def test(self: ConformanceTests) -> None:
        self.check(suite, number)

    test.__doc__ = f"requirement {number} of the suite {suite}"
    return test


for _suite, _scenarios in SCENARIOS.items():
    for _number in _scenarios:
        _name = f"test_{_suite}_{_number.replace('-', '_')}"
        setattr(ConformanceTests, _name, _test(_suite, _number))
