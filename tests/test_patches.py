"""Patches are undone where they are still in place; a patch that another tool has put on top is left alone."""

from __future__ import annotations

import unittest
from types import SimpleNamespace
from unittest.mock import patch

from durabletest.patches import Patches


class Greeter:
    def greet(self) -> str:
        return "hello"

    @staticmethod
    def name() -> str:
        return "greeter"


class Child(Greeter):
    """Inherits everything."""


class PatchesTests(unittest.TestCase):
    def setUp(self) -> None:
        self.patches = Patches()
        self.addCleanup(self.patches.undo)

    def test_an_attribute_is_replaced_until_the_patches_are_undone(self) -> None:
        before = dict(vars(Greeter))
        self.patches.replace(Greeter, "greet", lambda greeter: "bye")
        self.patches.replace(Greeter, "name", staticmethod(lambda: "patched"))
        self.assertEqual((Greeter().greet(), Greeter.name()), ("bye", "patched"))
        self.patches.undo()
        self.assertEqual(dict(vars(Greeter)), before)

    def test_a_wrapper_is_made_of_what_is_there_and_those_of_one_attribute_come_off_in_reverse(self) -> None:
        owner = SimpleNamespace(number=1)
        self.patches.wrap(owner, "number", lambda number: number + 1)
        self.patches.wrap(owner, "number", lambda number: number * 10)
        self.assertEqual(owner.number, 20)
        self.patches.undo()
        self.assertEqual(vars(owner), {"number": 1})

    def test_an_inherited_attribute_is_inherited_again(self) -> None:
        self.patches.wrap(Child, "greet", lambda greet: lambda child: f"{greet(child)}, child")
        self.assertEqual((Child().greet(), Greeter().greet()), ("hello, child", "hello"))
        self.patches.undo()
        self.assertNotIn("greet", vars(Child))
        self.assertEqual(Child().greet(), "hello")

    def test_an_attribute_that_does_not_exist_is_an_error_and_nothing_is_set(self) -> None:
        owner = SimpleNamespace()
        with self.assertRaises(AttributeError):
            self.patches.replace(owner, "number", 1)
        self.patches.undo()
        self.assertEqual(vars(owner), {})

    def test_a_patch_on_top_keeps_its_place_and_the_others_are_undone(self) -> None:
        owner = SimpleNamespace(covered=1, free=1)
        self.patches.replace(owner, "covered", 2)
        self.patches.replace(owner, "free", 2)
        with patch.object(owner, "covered", 3):
            self.patches.undo()
            self.assertEqual((owner.covered, owner.free), (3, 1))
        self.assertEqual(owner.covered, 2, "the tool on top restores what it has found")

    def test_a_patch_on_top_that_has_ended_before_is_no_obstacle(self) -> None:
        owner = SimpleNamespace(number=1)
        self.patches.replace(owner, "number", 2)
        with patch.object(owner, "number", 3):
            pass
        self.patches.undo()
        self.assertEqual(owner.number, 1)

    def test_undone_twice_does_no_harm_and_they_can_be_made_again(self) -> None:
        owner = SimpleNamespace(number=1)
        for value in (2, 3):
            self.patches.replace(owner, "number", value)
            self.assertEqual(owner.number, value)
            self.patches.undo()
            self.patches.undo()
            self.assertEqual(owner.number, 1)

    def test_as_a_context_manager_they_are_undone_after_an_error_too(self) -> None:
        owner = SimpleNamespace(number=1)
        with self.assertRaises(ZeroDivisionError), Patches() as patches:
            patches.replace(owner, "number", 2)
            raise ZeroDivisionError
        self.assertEqual(owner.number, 1)


if __name__ == "__main__":
    unittest.main()
