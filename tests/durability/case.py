"""How the workflows of this folder are put into tests, and what the tests report."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from typing import Any

from durabletest import DurableTestCase
from tests.durability.bugs import world
from tests.durability.correct import nothing_but_steps

Body = Callable[[Any], object]


def report(handler: Callable[..., Any], body: Body, **attributes: Any) -> str:
    """The failure of a test with this body; empty if it passes."""

    class Tests(DurableTestCase):
        durable_functions = {"child": nothing_but_steps}
        functions = {"plain": lambda event, context: event}

        def setUp(self) -> None:
            world.clear()

        def test(self) -> None:
            self.on_callback("approval", optional=True).succeed("yes")
            body(self)

    Tests.handler = handler
    for name, value in attributes.items():
        setattr(Tests, name, value)
    result = unittest.TestResult()
    unittest.TestSuite([Tests("test")]).run(result)
    texts = [text for _, text in (*result.failures, *result.errors)]
    assert len(texts) <= 1, texts
    assert texts or result.testsRun == 1
    return texts[0] if texts else ""
