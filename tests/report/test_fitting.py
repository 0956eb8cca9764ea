from __future__ import annotations

import io
import os
import unittest
from unittest import mock

from durabletest.report.table import one_line, shortened, width_of, wrapped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class WidthTests(unittest.TestCase):
    def width(self, stream: io.StringIO | None, terminal: int = 140, **environment: str) -> int:
        size = os.terminal_size((terminal, 24))
        with (
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch("os.get_terminal_size", return_value=size),
            mock.patch("sys.__stdout__"),
        ):
            return width_of(stream)

    def test_a_terminal_is_used_to_its_width(self) -> None:
        self.assertEqual(self.width(Terminal()), 140)
        self.assertEqual(self.width(Terminal(), 80), 80)

    def test_what_is_no_terminal_has_a_hundred_columns(self) -> None:
        for stream in (io.StringIO(), None):
            self.assertEqual(self.width(stream), 100)

    def test_where_columns_is_set_it_counts_for_both(self) -> None:
        for stream in (Terminal(), io.StringIO()):
            self.assertEqual(self.width(stream, COLUMNS="120"), 120)

    def test_in_ci_the_width_is_fixed(self) -> None:
        self.assertEqual(self.width(Terminal(), CI="true", COLUMNS="120"), 100)
        self.assertEqual(self.width(Terminal(), CI=""), 140)

    def test_not_narrower_than_sixty(self) -> None:
        self.assertEqual(self.width(Terminal(), 20), 60)


class ShortenedTests(unittest.TestCase):
    def test_texts_are_cut_before_a_word(self) -> None:
        for text, room, expected in (
            ("card expired", 12, "card expired"),
            ("PaymentDeclined: the card has expired", 30, "PaymentDeclined: the card..."),
            ("PaymentDeclined: the card has expired", 28, "PaymentDeclined: the card..."),
            ("PaymentDeclined: the card has expired", 27, "PaymentDeclined: the..."),
            ("book-the-flight-to-lisbon", 20, "book-the-flight-..."),
            ("order/charge/again", 16, "order/charge/..."),
        ):
            with self.subTest(text, room=room):
                self.assertEqual(shortened(text, room), expected)

    def test_a_word_too_long_for_that_is_cut_itself(self) -> None:
        self.assertEqual(shortened("x" * 40, 10), "x" * 7 + "...")
        self.assertEqual(shortened("Lost: " + "x" * 40, 30), "Lost: " + "x" * 21 + "...")

    def test_a_name_stays_on_one_line(self) -> None:
        self.assertEqual(one_line("a\nb"), "a\\nb")


class WrappedTests(unittest.TestCase):
    def test_between_words(self) -> None:
        self.assertEqual(wrapped("one two three four", 10), ["one two", "    three", "    four"])
        self.assertEqual(wrapped("one two", 7), ["one two"])

    def test_a_long_word_stays_whole(self) -> None:
        self.assertEqual(wrapped("id: " + "x" * 20 + " end", 10), ["id:", "    " + "x" * 20, "    end"])
        self.assertEqual(wrapped("x" * 20, 10), ["x" * 20])

    def test_indented_lines(self) -> None:
        self.assertEqual(wrapped("    shop.Declined: expired", 20), ["    shop.Declined:", "    expired"])
