"""The stubs of a runner are looked at by its handlers' threads while the test adds to them."""

from __future__ import annotations

import unittest

from durabletest.local.stubbing import stub_for
from durabletest.stub_registry import StubRegistry
from durabletest.stubs import StepCall


class Intruding(str):
    """A name that adds another stub while it is looked at, as another thread may."""

    __slots__ = ()
    registry: StubRegistry

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        self.registry.stub_step(f"another step {len(self.registry.steps)}")
        return str.__eq__(self, other)


class StubRegistryTests(unittest.TestCase):
    def setUp(self) -> None:
        self.registry = Intruding.registry = StubRegistry()

    def test_steps_may_be_stubbed_while_one_is_looked_for(self) -> None:
        stub = self.registry.stub_step(Intruding("charge"))
        self.assertIs(self.registry.for_step("order/charge"), stub)
        self.assertEqual(list(map(str, self.registry.steps))[1:], ["another step 1"])

    def test_what_was_looked_at_stays_as_it_was(self) -> None:
        self.registry.stub_step("charge")
        self.registry.stub_invoke("bank")
        steps, invokes = self.registry.steps, self.registry.invokes
        self.registry.stub_step("ship")
        self.registry.stub_invoke("geo")
        self.assertEqual((list(steps), list(invokes)), (["charge"], ["bank"]))
        self.assertIs(stub_for(self.registry, "bank:live"), invokes["bank"])

    def test_each_call_raises_an_exception_of_its_own(self) -> None:
        declined = ValueError("no funds")
        stub = self.registry.stub_step("charge").raises(declined)
        raised = []
        for attempt in (1, 2):
            function = stub.respond(StepCall("charge", attempt, "arn"))
            assert function is not None
            with self.assertRaisesRegex(ValueError, "^no funds$") as caught:
                function(None)
            raised.append(caught.exception)
        self.assertEqual(len({id(error) for error in [declined, *raised]}), 3)
        self.assertIsNone(declined.__traceback__)
