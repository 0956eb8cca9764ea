from __future__ import annotations

import unittest

from durabletest.model.records import ErrorDetails


class ErrorDetailsTest(unittest.TestCase):
    def test_from_the_error_object_of_the_service(self) -> None:
        error = ErrorDetails.of(
            {"ErrorType": "shop.Declined", "ErrorMessage": "no", "ErrorData": "{}", "StackTrace": ["a", "b"]}
        )
        self.assertEqual(error, ErrorDetails("shop.Declined", "no", "{}", ("a", "b")))

    def test_what_was_not_recorded_is_none(self) -> None:
        self.assertEqual(ErrorDetails.of({}), ErrorDetails(None, None, None, ()))

    def test_repr_shows_what_is_known(self) -> None:
        for error, text in (
            (ErrorDetails(), "ErrorDetails()"),
            (ErrorDetails("A", "b"), "ErrorDetails(type='A', message='b')"),
            (ErrorDetails(data="d", stack_trace=("l",)), "ErrorDetails(data='d', stack_trace=('l',))"),
        ):
            with self.subTest(text):
                self.assertEqual(repr(error), text)

    def test_str_is_one_line(self) -> None:
        for error, text in (
            (ErrorDetails(), "an error without type and message"),
            (ErrorDetails("A"), "A"),
            (ErrorDetails(message="b"), "b"),
            (ErrorDetails("A", "b"), "A: b"),
        ):
            with self.subTest(text):
                self.assertEqual(str(error), text)
