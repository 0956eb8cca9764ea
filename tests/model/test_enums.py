from __future__ import annotations

import unittest

import botocore.session

from durabletest.model.records import ExecutionStatus, OperationStatus, OperationType, WaitingStatus


class EnumsTest(unittest.TestCase):
    def test_members_are_those_of_the_service(self) -> None:
        model = botocore.session.get_session().get_service_model("lambda")
        for enum in (OperationStatus, OperationType, ExecutionStatus):
            with self.subTest(enum.__name__):
                self.assertEqual([str(member) for member in enum], model.shape_for(enum.__name__).enum)

    def test_members_are_equal_to_their_strings(self) -> None:
        self.assertEqual(OperationStatus.SUCCEEDED, "SUCCEEDED")
        self.assertEqual(f"{WaitingStatus.SUBMITTED}", "SUBMITTED")

    def test_terminal_statuses(self) -> None:
        self.assertEqual(
            [str(status) for status in OperationStatus if status.is_terminal],
            ["SUCCEEDED", "FAILED", "CANCELLED", "TIMED_OUT", "STOPPED"],
        )
        self.assertEqual(
            [str(status) for status in ExecutionStatus if status.is_terminal],
            ["SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED"],
        )
