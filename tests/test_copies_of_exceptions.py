"""The copy of an exception says what the exception says; what cannot be copied soundly is raised itself."""

from __future__ import annotations

import unittest
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import copy_of


class Worded(Exception):
    """Its ``__init__`` takes something else than it hands on: called again, it would word the words."""

    def __init__(self, code: int) -> None:
        super().__init__(f"declined with {code}")
        self.code = code


class Quit(SystemExit):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status)
        self.reason = reason


class Slotted(Exception):
    __slots__ = ("detail",)

    def __init__(self, detail: str) -> None:
        super().__init__()
        self.detail = detail


class Stubborn(Exception):
    def __new__(cls, *args: Any) -> Stubborn:
        if not args or args[0] == "once":
            raise TypeError("cannot be made like this")
        return super().__new__(cls, *args)

    def __init__(self, first: str) -> None:
        super().__init__("once")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except type(error) as caught:
        return caught


class CopyTests(unittest.TestCase):
    def test_a_copy_says_the_same(self) -> None:
        response: Any = {"Error": {"Code": "Throttling", "Message": "slow down"}}
        errors = [
            ValueError("no funds", 5),
            KeyError("region"),
            OSError(2, "no such file", "orders.txt"),
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
            SystemExit(3),
            ExceptionGroup("several", [ValueError("one")]),
            ClientError(response, "Invoke"),
            Worded(5),
            Quit(7, "tired"),
        ]
        for error in errors:
            with self.subTest(repr(error)):
                made = copy_of(raised(error))
                self.assertIsNot(made, error)
                self.assertIs(type(made), type(error))
                self.assertEqual((str(made), made.args, vars(made)), (str(error), error.args, vars(error)))
                self.assertIsNone(made.__traceback__)
        self.assertEqual(copy_of(Quit(7, "tired")).code, 7)
        self.assertEqual(copy_of(OSError(2, "no such file", "orders.txt")).filename, "orders.txt")

    def test_its_cause_and_notes_come_with_it_and_the_notes_are_its_own(self) -> None:
        error = ValueError("no funds")
        error.__cause__ = KeyError("account")
        error.add_note("asked twice")
        made = copy_of(error)
        made.add_note("asked again")
        self.assertIs(made.__cause__, error.__cause__)
        self.assertTrue(made.__suppress_context__)
        self.assertEqual(error.__notes__, ["asked twice"])
        self.assertEqual(made.__notes__, ["asked twice", "asked again"])

    def test_what_cannot_be_copied_is_given_itself_without_its_last_traceback(self) -> None:
        for error in (raised(Slotted("in a slot")), raised(Stubborn("first"))):
            with self.subTest(repr(error)):
                self.assertIs(copy_of(error), error)
                self.assertIsNone(error.__traceback__)
