"""The output of a failing test: the message, the report once, and only the user's own frames."""

from __future__ import annotations

import functools
import io
import os
import re
import unittest
from pathlib import Path
from unittest import mock

from durabletest.errors import CloudPermissionError
from tests.assertions import failing_suite
from tests.subprocesses import ONLY_NAMED_PLUGINS, StartedModule

ROOT = Path(__file__).parent.parent.parent
REPORT = "Operations of execution 'execution-"
SHOWN_BEFORE = "(The operations are shown with the failure before.)"


@functools.cache
def printed(test: str, case: type[unittest.TestCase] = failing_suite.Failing) -> str:
    """The output of unittest for one test."""
    stream = io.StringIO()
    unittest.TextTestRunner(stream).run(unittest.TestSuite([case(test)]))
    return stream.getvalue()


class ReportTests(unittest.TestCase):
    def assertReported(self, text: str, times: int = 1) -> None:
        self.assertEqual(text.count(REPORT), times, text)

    def test_a_failed_claim_is_followed_by_the_operations_and_the_timeline(self) -> None:
        text = printed("test_claim")
        self.assertReported(text)
        self.assertRegex(text, r"(?s)write \.attempts\(2\)\n\nOperations of.*\n\nTimeline from 2026-01-01.*\n\nLog of")

    def test_so_is_a_failed_assert_equal(self) -> None:
        text = printed("test_plain")
        self.assertIn("AssertionError: ExecutionStatus.SUCCEEDED != 'FAILED'\n\n" + REPORT, text)
        self.assertReported(text)

    def test_details_are_compared_field_by_field(self) -> None:
        text = printed("test_plain_on_details")
        self.assertIn("""\
AssertionError: two StepDetails differ in 2 places
 First: attempts == 1
        retry_delays[0] absent
Second: attempts == 2
        retry_delays[0] == datetime.timedelta(seconds=300) : attempts

Operations of execution 'execution-3'
""", text)  # fmt: skip
        self.assertReported(text)

    def test_operations_and_results_read_well(self) -> None:
        self.assertIn("<DurableOperation step 'charge': SUCCEEDED> != 'receipt'", printed("test_plain_on_an_operation"))
        result = "<TestResult of execution 'execution-2': SUCCEEDED, 4 operations> != {'status': 'shipped'}"
        self.assertIn(result, printed("test_plain_on_a_result"))

    def test_once_in_a_scope(self) -> None:
        text = printed("test_soft")
        self.assertReported(text)
        self.assertRegex(text, r"(?s)AssertionError: 2 claims failed\n\n1\. .*\n\n2\. .*\n\nOperations of")

    def test_nested_scopes_report_together_in_order(self) -> None:
        text = printed("test_nested_soft_scopes")
        self.assertReported(text)
        self.assertIn("3 claims failed", text)
        self.assertLess(text.index("waited 3h"), text.index("waited 4h"))

    def test_once_where_a_plain_assertion_ends_a_scope(self) -> None:
        text = printed("test_plain_in_a_soft_scope")
        self.assertReported(text)
        self.assertRegex(text, r"(?s)AssertionError: 1 != 2\n\nBefore that, 1 claim failed\n\n1\. .*\n\nOperations of")

    def test_skipping_the_rest_of_a_scope_does_not_hide_what_failed(self) -> None:
        text = printed("test_skip_in_a_soft_scope")
        self.assertReported(text)
        self.assertIn("AssertionError: 1 claim failed", text)
        self.assertNotIn("SkipTest", text)

    def test_once_a_test_though_several_subtests_fail(self) -> None:
        text = printed("test_subtests")
        self.assertIn("FAILED (failures=3)", text)
        self.assertReported(text)
        self.assertEqual(text.count(SHOWN_BEFORE), 1, text)

    def test_each_execution_once(self) -> None:
        text = printed("test_two_executions")
        self.assertReported(text, times=2)
        self.assertIn("3 claims failed", text)

    def test_the_result_of_a_failed_execution(self) -> None:
        text = printed("test_no_result")
        self.assertIn("ExecutionFailedError: execution 'execution-2' has no result", text)
        self.assertReported(text)

    def test_a_test_that_is_skipped_has_no_report(self) -> None:
        text = printed("test_skipped")
        self.assertIn("OK (skipped=1)", text)
        self.assertReported(text, times=0)

    def test_an_expected_failure_is_one(self) -> None:
        self.assertIn("OK (expected failures=1)", printed("test_expected"))

    def test_no_report_where_nothing_was_executed(self) -> None:
        self.assertReported(printed("test_nothing_was_executed", failing_suite.Unasserted), times=0)

    def test_where_nothing_was_claimed(self) -> None:
        for name, code in (
            ("begun", 'self.assertOperations(type="STEP")'),
            ("missing", 'self.assertOperation("chrge")'),
        ):
            with self.subTest(name):
                self.assertIn(f"(at failing_suite.py:{self.line_of(code)})", printed(f"test_{name}"))

    @staticmethod
    def line_of(code: str) -> int:
        lines = Path(failing_suite.__file__).read_text(encoding="utf-8").splitlines()
        return next(number for number, line in enumerate(lines, 1) if code in line)


class FramesTests(unittest.TestCase):
    def test_unittest_shows_no_frame_of_ours(self) -> None:
        for name in unittest.defaultTestLoader.getTestCaseNames(failing_suite.Failing):
            with self.subTest(name):
                text = printed(name)
                files = set(re.findall(r'File ".*?([^/\\]+)", line', text))
                handler = {"scenarios.py"} if name == "test_no_result" else set()  # where its code was when it failed
                self.assertLessEqual(files, {"failing_suite.py"} | handler, text)

    def test_a_matcher_that_raises_is_shown_with_its_own_line_and_what_it_was_compared_with(self) -> None:
        text = printed("test_matcher")
        self.assertIn('raise RuntimeError("cannot compare")', text)
        self.assertIn("raised while comparing result, 'receipt', with <tests.assertions.failing_suite.Raising", text)

    def test_pytest_shows_no_frame_of_ours(self) -> None:
        options = ["-q", "-p", "no:cacheprovider", "--show-capture=no", "-c", os.devnull, "--rootdir", str(ROOT)]
        options += ["-p", "durabletest.pytest_plugin"]
        run = StartedModule("pytest", *options, str(Path(failing_suite.__file__)), **ONLY_NAMED_PLUGINS).ended()
        self.assertIn(" failed, 1 skipped, 1 xfailed", run.stdout, run.stderr)
        self.assertIn("failing_suite.py:", run.stdout)
        self.assertNotRegex(run.stdout, r"\bdurabletest[/\\]\S+\.py:\d+")
        self.assertIn("E       AssertionError: step 'charge' of execution 'execution-1'", run.stdout)


class ChildTests(unittest.TestCase):
    def test_a_failed_invoke_shows_what_failed_in_the_execution_that_it_has_invoked(self) -> None:
        text = printed("test_paid", failing_suite.Invoking)
        self.assertRegex(
            text, r"Operations of execution 'execution-\d+', invoked by 'pay': it is FAILED\n(.*\n){2}debit"
        )
        self.assertRegex(text, r"Errors of execution 'execution-\d+'\ndebit: .*CardDeclined: no funds")

    def test_one_that_has_succeeded_is_not_shown(self) -> None:
        self.assertNotIn("invoked by", printed("test_free", failing_suite.Invoking))

    def test_one_that_cannot_be_read_hides_nothing_else(self) -> None:
        refusal = CloudPermissionError("no access to it")
        with mock.patch("durabletest.local.execution.LocalExecution.sibling", side_effect=refusal):
            text = printed.__wrapped__("test_paid", failing_suite.Invoking)
        self.assertRegex(text, r"An execution that execution '.*' has invoked cannot be shown: no access to it")
        self.assertRegex(text, r"\npay +CHAINED_INVOKE +FAILED ")
