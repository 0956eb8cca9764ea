"""The stubs of a runner are looked at by its handlers' threads while the test adds to them."""

from __future__ import annotations

import unittest

from durabletest.local.stubbing import stub_for
from durabletest.stubs.book import StubBook
from durabletest.stubs.steps import StepCall


class Intruding(str):
    """A name that adds another stub while it is looked at, as another thread may."""

    __slots__ = ()
    book: StubBook

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        self.book.stub_step(f"another step {len(self.book.steps)}")
        return str.__eq__(self, other)


class StubBookTests(unittest.TestCase):
    def setUp(self) -> None:
        self.book = Intruding.book = StubBook()

    def test_steps_may_be_stubbed_while_one_is_looked_for(self) -> None:
        stub = self.book.stub_step(Intruding("charge"))
        self.assertIs(self.book.for_step("order/charge"), stub)
        self.assertEqual(list(map(str, self.book.steps))[1:], ["another step 1"])

    def test_what_was_looked_at_stays_as_it_was(self) -> None:
        self.book.stub_step("charge")
        self.book.stub_invoke("bank")
        steps, invokes = self.book.steps, self.book.invokes
        self.book.stub_step("ship")
        self.book.stub_invoke("geo")
        self.assertEqual((list(steps), list(invokes)), (["charge"], ["bank"]))
        self.assertIs(stub_for(self.book, "bank:live"), invokes["bank"])

    def test_each_call_raises_an_exception_of_its_own(self) -> None:
        declined = ValueError("no funds")
        stub = self.book.stub_step("charge").raises(declined)
        raised = []
        for attempt in (1, 2):
            act = stub.stand_in(StepCall("charge", attempt, "arn"))
            assert act is not None
            with self.assertRaisesRegex(ValueError, "^no funds$") as caught:
                act(None)
            raised.append(caught.exception)
        self.assertEqual(len({id(error) for error in [declined, *raised]}), 3)
        self.assertIsNone(declined.__traceback__)
