"""The checks of one operation that speak of time and order: how long it waited, and what came before it."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from durabletest.assertions.check import Claim
from durabletest.assertions.durations import Unit, Units, delays_given, duration_given, lasted, parts_given, retried
from durabletest.assertions.facts import OperationFacts
from durabletest.assertions.operation_claims import asked, found_all, several, wrong_type
from durabletest.assertions.order import Order, order_of
from durabletest.assertions.outcome import OutcomeSubject
from durabletest.assertions.text import call
from durabletest.model.enums import WAIT_FOR_CONDITION, OperationStatus, OperationType
from durabletest.model.lookup import why_not_found
from durabletest.model.naming import title
from durabletest.model.records import OperationRecord
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True


class TimedOperation(OutcomeSubject[OperationFacts]):
    """An operation among others."""

    def waited(
        self,
        duration: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """A wait, a callback or a condition has ended after exactly this (virtual) time.

        Of a wait that succeeded this is the duration it was given, in the cloud too; of all else the time from start to
        end.
        """
        expected = duration_given("waited", duration, parts_given(days, hours, minutes, seconds))
        return self._check(lambda facts: _waited(facts, expected))

    def retried_after(
        self, *delays: object, days: Units = None, hours: Units = None, minutes: Units = None, seconds: Units = None
    ) -> Self:
        """These were the delays between the attempts of a step, all of them: ``retried_after(minutes=[1, 2, 4])``."""
        expected = delays_given(delays, {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds})

        def claim(facts: OperationFacts) -> Claim:
            if facts.record.type is not OperationType.STEP:
                return wrong_type(facts, "a STEP, which has attempts")
            return retried(facts, facts.record, expected)

        return self._check(claim)

    def before(self, path: str, index: int | None = None) -> Self:
        """It had ended when that other operation started; of several by that name, ``index`` says which."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.BEFORE))

    def after(self, path: str, index: int | None = None) -> Self:
        """It started when that other operation had ended."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.AFTER))

    def overlaps(self, path: str, index: int | None = None) -> Self:
        """For some time both it and that other operation were in progress."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.OVERLAPS))


def _waited(facts: OperationFacts, expected: object) -> Claim:
    record = facts.record
    plain_wait = record.type in (OperationType.WAIT, OperationType.CALLBACK)
    if not plain_wait and not record.is_wait_for_callback and record.sub_type != WAIT_FOR_CONDITION:
        return wrong_type(facts, "a WAIT, a callback or a condition, which can wait")
    confirmed = record.type is OperationType.WAIT and record.status is OperationStatus.SUCCEEDED
    if confirmed and record.wait_seconds is not None:
        # The time from start to end is never exact in real time; the duration that the service confirmed is.
        return lasted("waited", facts, expected, timedelta(seconds=record.wait_seconds), None)
    early = None if facts.view.exact_time else facts.view.delay_left_out(record)
    return lasted("waited", facts, expected, record.duration, early)


def _ordered(facts: OperationFacts, path: str, index: int | None, wanted: Order) -> Claim:
    history = facts.history
    found, other = found_all(history, path, index)
    if other is None:
        which = index is None and bool(found)
        reason = several(history, found) if which else why_not_found(history, path, index or 0, len(found))
        remedy = _WHICH if which else _COMPARED
        return Claim(False, f"{wanted.value} {asked(path, index)}", reason, remedy=remedy, granted=True)
    order = order_of(history, facts.record, other)
    spans = f"{order.value} it\n{_from_to('this one', facts.record)}\n{_from_to('the other', other)}"
    expected = f"{wanted.value} {title(history, other)}"
    if order is Order.BY_CHANCE:
        remedy = "They are in parallel branches: which comes first at one instant is open, so claim nothing of it."
        return Claim(False, expected, spans, remedy=remedy, granted=True)
    check = order.name.lower()
    return Claim(order is wanted, expected, spans, call(check, path, *([index] if index else [])))


def _from_to(who: str, record: OperationRecord) -> str:
    end = "and has not ended" if record.ended_at is None else f"to {stamp(record.ended_at)}"
    return f"{who}: from {stamp(record.started_at)} {end}"


_WHICH = "Say which one, by its path or with index="
_COMPARED = "Name an operation that exists: a name at any depth, or a path such as 'order/charge'."
