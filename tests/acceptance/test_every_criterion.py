"""No acceptance criterion is without a test that proves it."""

from __future__ import annotations

import unittest

from tests.acceptance.criteria import Proofs, all_criteria, may_be_skipped, numbers, proofs, suite


class EveryCriterionTests(unittest.TestCase):
    proofs: Proofs

    @classmethod
    def setUpClass(cls) -> None:
        cls.proofs = proofs(suite())

    def test_every_criterion_is_proved(self) -> None:
        self.assertEqual([criterion for criterion, tests in self.proofs.items() if not tests], [])

    def test_every_number_is_that_of_a_criterion(self) -> None:
        unknown = {number: tests for number, tests in self.proofs.items() if number not in all_criteria()}
        self.assertEqual(unknown, {})

    def test_no_proof_is_skipped(self) -> None:
        skipped = [test.id() for tests in self.proofs.values() for test in tests if may_be_skipped(test)]
        self.assertEqual(skipped, [])


class IndexTests(unittest.TestCase):
    def test_a_name_carries_one_number_or_several_or_none(self) -> None:
        self.assertEqual(numbers("test_r7_4_unregistered_function_is_an_error"), ["R7.4"])
        self.assertEqual(numbers("test_r2_2_r16_3_ten_years_pass_at_once"), ["R2.2", "R16.3"])
        self.assertEqual(numbers("test_an_r7_4_somewhere_else"), [])

    def test_a_test_that_is_skipped_or_may_skip_itself_is_no_proof(self) -> None:
        class Proofs(unittest.TestCase):
            def proof(self) -> None:
                """It runs."""

            @unittest.skip("not today")
            def skipped(self) -> None:
                """It never runs."""

            def skips_itself(self) -> None:
                self.skipTest("not today")

        found = [may_be_skipped(Proofs(name)) for name in ("proof", "skipped", "skips_itself")]
        self.assertEqual(found, [False, True, True])
