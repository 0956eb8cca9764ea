"""Requirement 14: the printed table."""

from __future__ import annotations

import contextlib
import io
import unittest
from collections.abc import Sequence
from textwrap import dedent

from durabletest import LocalDurableTestRunner, TestResult
from tests.acceptance.workflows import order


def printed(result: TestResult, columns: Sequence[str] | None = None) -> str:
    stdout = io.StringIO()
    with contextlib.redirect_stdout(stdout):
        result.print(columns) if columns else result.print()
    return stdout.getvalue()


class DebugOutputTests(unittest.TestCase):
    maxDiff = None

    def setUp(self) -> None:
        runner = self.enterContext(LocalDurableTestRunner(order))
        self.result = runner.run({"order": 42, "declines": 1})

    def test_r14_1_print_writes_a_table_of_all_operations(self) -> None:
        expected = """\
            name       type    status     started              ended                duration    attempts
            ---------  ------  ---------  -------------------  -------------------  ----------  ----------
            charge     STEP    SUCCEEDED  2026-01-01 00:00:00  2026-01-01 00:01:00  1m          2
            cool-down  WAIT    SUCCEEDED  2026-01-01 00:01:00  2026-01-01 01:01:00  1h
            ship       STEP    SUCCEEDED  2026-01-01 01:01:00  2026-01-01 01:01:00  0s          1
            """
        self.assertEqual(printed(self.result), dedent(expected))

    def test_r14_2_print_with_columns_shows_only_those_in_that_order(self) -> None:
        expected = """\
            status     name
            ---------  ---------
            SUCCEEDED  charge
            SUCCEEDED  cool-down
            SUCCEEDED  ship
            """
        self.assertEqual(printed(self.result, ["status", "name"]), dedent(expected))

    def test_r14_3_by_default_the_table_has_name_type_status_and_times(self) -> None:
        header = printed(self.result).splitlines()[0].split()
        self.assertEqual(header[:6], ["name", "type", "status", "started", "ended", "duration"])
