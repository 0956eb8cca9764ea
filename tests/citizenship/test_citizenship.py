"""A suite in which everything happens that happens to test cases, under unittest and under pytest."""

from __future__ import annotations

from pathlib import Path

from tests.citizenship.outcomes import (
    ERROR,
    EXPECTED,
    FAILED,
    PASSED,
    SKIPPED,
    Recorder,
    UnderPytest,
    under_unittest,
)
from tests.subprocesses import ProcessTestCase

SUITE = Path(__file__).with_name("suite.txt").read_text(encoding="utf-8")
HANDLER_KINDS = ("A11Function", "A12StaticMethod", "A13Partial", "A14CallableObject", "A15BoundMethod", "A16Wrapped")
SAME_EVERYWHERE = {
    "A02PlainClass.test_the_clock_is_real_after_a_class_that_could_not_be_set_up": PASSED,
    "A03NothingPassedOnToSuper.test_one": PASSED,
    "A03NothingPassedOnToSuper.test_two_begins_anew": PASSED,
    "A05PlainClass.test_the_clock_is_real_after_two_classes_in_a_row": PASSED,
    "A06Base.test_inherited": PASSED,
    "A07Derived.test_inherited": PASSED,
    "A07Derived.test_of_its_own": PASSED,
    "A08Outcomes.test_fails": FAILED,
    "A08Outcomes.test_fails_in_a_subtest": FAILED,
    "A08Outcomes.test_is_expected_to_fail": EXPECTED,
    "A08Outcomes.test_is_skipped": SKIPPED,
    "A08Outcomes.test_passes_after_all_that": PASSED,
    "A08Outcomes.test_skips_itself": SKIPPED,
    "A10SkippedClass.test_is_skipped": SKIPPED,
    **{f"{kind}.test_it_is_called_with_event_and_context": PASSED for kind in (*HANDLER_KINDS, "A17Lambda")},
    "A18Async.test_fails": FAILED,
    "A18Async.test_waits_for_an_operation": PASSED,
    "A20Debug.test_debug_runs_a_single_test_and_raises_what_it_raises": PASSED,
    "A22Concrete.test_inherited": PASSED,
    "A22Concrete.test_expected": EXPECTED,
    "A24ConcreteAgain.test_inherited": PASSED,
    "A24ConcreteAgain.test_expected": EXPECTED,
    "A24ConcreteAgain.test_of_its_own": PASSED,
    "A29Last.test_nothing_is_left_at_the_end": PASSED,
}


class CitizenshipTests(ProcessTestCase):
    maxDiff = None
    unittest_run: Recorder

    @classmethod
    def start_processes(cls) -> dict[str, UnderPytest]:
        return {"pytest": UnderPytest(SUITE)}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.unittest_run = under_unittest(SUITE)

    def test_under_unittest_every_test_ends_as_it_should(self) -> None:
        expected = {
            **SAME_EVERYWHERE,
            "setUpClass A01SetUpClassRaises": ERROR,
            "A04TearDownClassRaises.test_passes": PASSED,
            "tearDownClass A04TearDownClassRaises": ERROR,
            "A08Outcomes.test_is_an_error": ERROR,
            "A09SetUpRaises.test_is_not_run": ERROR,
            "A19AsyncTestOfAPlainClass.test_would_pass_without_having_been_run": ERROR,
        }
        self.assertEqual(self.unittest_run.outcomes, expected)

    def test_under_pytest_every_test_ends_alike(self) -> None:
        expected = {  # pytest knows no difference between failures and errors of a test
            **SAME_EVERYWHERE,
            "A01SetUpClassRaises.test_is_not_run": ERROR,
            "A04TearDownClassRaises.test_passes": ERROR,
            "A08Outcomes.test_is_an_error": FAILED,
            "A09SetUpRaises.test_is_not_run": FAILED,
            "A19AsyncTestOfAPlainClass.test_would_pass_without_having_been_run": FAILED,
        }
        self.assertEqual(self.processes["pytest"].outcomes(), expected)

    def test_a_failure_in_a_subtest_names_it_and_shows_its_own_execution(self) -> None:
        text = self.unittest_run.texts["A08Outcomes.test_fails_in_a_subtest"]
        self.assertIn("but: result == 'hello ann'", text)
        self.assertNotIn("hello bob'\n     but: result == 'hello bob'", text)

    def test_an_async_test_of_a_plain_class_says_what_to_write(self) -> None:
        name = "A19AsyncTestOfAPlainClass"
        self.assertIn(
            f"{name}.test_would_pass_without_having_been_run is async, and would never be awaited: write class "
            f"{name}(DurableTestCase, unittest.IsolatedAsyncioTestCase), or def instead of async def",
            self.unittest_run.texts[f"{name}.test_would_pass_without_having_been_run"],
        )

    def test_an_error_shows_no_frames_of_the_test_case(self) -> None:
        text = self.unittest_run.texts["A08Outcomes.test_fails"]
        self.assertNotIn("durabletest/case.py", text)
        self.assertNotIn("durabletest/durable_methods.py", text)
