"""Types and messages of error patterns: names, classes with their subclasses, tuples of them, parts and patterns."""

from __future__ import annotations

import re
import unittest
from unittest import mock

from durabletest import UsageError
from durabletest.assertions.outcome_checks import ErrorPattern
from durabletest.model.records import ErrorDetails


class PaymentError(Exception):
    pass


class Declined(PaymentError):
    pass


class CardDeclined(Declined):
    class Twice(Declined):
        pass


class Fraud(PaymentError, PermissionError):
    pass


HERE = __name__
MATCHES: list[tuple[object, str | None]] = [
    ("CardDeclined", "CardDeclined"),
    ("CardDeclined", f"{HERE}.CardDeclined"),
    (f"{HERE}.CardDeclined", f"{HERE}.CardDeclined"),
    (CardDeclined, "CardDeclined"),
    (CardDeclined, f"{HERE}.CardDeclined"),
    (Declined, "CardDeclined"),
    (PaymentError, f"{HERE}.CardDeclined"),
    (Exception, "PaymentError"),
    (PaymentError, "CardDeclined.Twice"),
    (PaymentError, f"{HERE}.CardDeclined.Twice"),
    (OSError, "Fraud"),
    (PaymentError, "Fraud"),
    ((Fraud, Declined), "CardDeclined"),
    ((Declined, "Refused"), "Refused"),
    (("Refused", "Declined"), f"{HERE}.Declined"),
    ((Fraud, mock.ANY), None),
    (None, None),
]
NO_MATCHES: list[tuple[object, str | None]] = [
    ("Declined", "CardDeclined"),
    ("Declined", f"{HERE}.CardDeclined"),
    ("ardDeclined", f"{HERE}.CardDeclined"),
    ("CardDeclined", "Declined"),
    ("declined", "Declined"),
    ("other.CardDeclined", "CardDeclined"),
    ("error_pattern.CardDeclined", f"{HERE}.CardDeclined"),
    ("", "Declined"),
    (CardDeclined, "Declined"),
    (CardDeclined, "other.CardDeclined"),
    (Declined, "PaymentError"),
    (Declined, "Fraud"),
    (Exception, "Refused"),
    (Exception, "KeyboardInterrupt"),
    (Exception, None),
    ((Fraud, CardDeclined), "Declined"),
    ((CardDeclined, "Card"), f"{HERE}.Declined"),
    ((Fraud, "Refused"), None),
]


class TypeTests(unittest.TestCase):
    def test_what_a_type_means(self) -> None:
        for wanted, recorded in MATCHES:
            with self.subTest(wanted=wanted, recorded=recorded):
                self.assertTrue(ErrorPattern(wanted).matches(ErrorDetails(recorded, "no funds")))

    def test_what_it_does_not_mean(self) -> None:
        for wanted, recorded in NO_MATCHES:
            with self.subTest(wanted=wanted, recorded=recorded):
                self.assertFalse(ErrorPattern(wanted).matches(ErrorDetails(recorded, "no funds")))

    def test_no_error_at_all_has_no_type(self) -> None:
        self.assertFalse(ErrorPattern(Exception).matches(None))
        self.assertTrue(ErrorPattern().matches(None))

    def test_it_is_read_as_it_compares(self) -> None:
        for wanted, text in (
            (CardDeclined, " with CardDeclined"),
            (PaymentError, " with PaymentError (or a subclass)"),
            ((CardDeclined, "Refused"), " with CardDeclined or Refused"),
            (("Refused", mock.ANY), " with Refused or a type == <ANY>"),
        ):
            with self.subTest(text):
                self.assertEqual(str(ErrorPattern(wanted)), text)

    def test_the_module_is_told_where_only_that_differs(self) -> None:
        recorded = ErrorDetails("other.CardDeclined", "no funds")
        for wanted in (CardDeclined, f"{HERE}.CardDeclined", (Fraud, CardDeclined)):
            self.assertEqual(ErrorPattern(wanted).details(recorded), ", recorded as 'other.CardDeclined'")
        self.assertEqual(ErrorPattern(Fraud).details(recorded), "")

    def test_what_is_no_type(self) -> None:
        for wanted, text in (
            ((), r"^\(\) is no error type: give those that there may be"),
            ((Declined, int), "^<class 'int'> is no class of exceptions"),
            (int, "^<class 'int'> is no class of exceptions"),
            ((Declined("x"),), r"^Declined\('x'\) is an exception; give its class"),
        ):
            with self.subTest(text), self.assertRaisesRegex(UsageError, text):
                ErrorPattern(wanted)


class MessageTests(unittest.TestCase):
    def test_a_part_of_it_or_a_pattern_that_is_found_anywhere(self) -> None:
        for wanted in ("no funds", "funds", "n", re.compile("funds"), re.compile("^no"), mock.ANY):
            with self.subTest(wanted=wanted):
                self.assertTrue(ErrorPattern(message=wanted).matches(ErrorDetails("Declined", "no funds")))

    def test_what_is_not_in_it(self) -> None:
        for wanted in ("No funds", "no funds!", "nofunds", re.compile("^funds"), re.compile("no$"), 42):
            with self.subTest(wanted=wanted):
                self.assertFalse(ErrorPattern(message=wanted).matches(ErrorDetails("Declined", "no funds")))

    def test_an_empty_message_is_not_contained_in_all_of_them(self) -> None:
        with self.assertRaisesRegex(UsageError, r"^'' is contained in every message: .* re\.compile\('\^\$'\)$"):
            ErrorPattern("Declined", "")
        self.assertTrue(ErrorPattern(message=re.compile("^$")).matches(ErrorDetails("Declined", "")))
        self.assertFalse(ErrorPattern(message=re.compile("^$")).matches(ErrorDetails("Declined", "no funds")))
