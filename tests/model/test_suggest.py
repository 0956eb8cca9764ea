from __future__ import annotations

import unittest

from durabletest.errors import UsageError
from durabletest.model.enums import OperationType, WaitingStatus
from durabletest.model.suggest import member


class MemberTest(unittest.TestCase):
    def test_value_and_member(self) -> None:
        for value in ("STEP", OperationType.STEP):
            with self.subTest(type(value)):
                self.assertIs(member(OperationType, value, "operation type"), OperationType.STEP)

    def test_messages(self) -> None:
        for value, message in (
            ("submited", "'submited' is no status; did you mean 'SUBMITTED'? There are STARTED, SUBMITTED, COMPLETED."),
            ("zzz", "'zzz' is no status. There are STARTED, SUBMITTED, COMPLETED."),
        ):
            with self.subTest(value), self.assertRaises(UsageError) as raised:
                member(WaitingStatus, value, "status")
            self.assertEqual(str(raised.exception), message)
