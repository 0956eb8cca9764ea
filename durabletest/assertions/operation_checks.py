"""Checks of one operation, apart from those that executions have too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from durabletest.assertions.check import Claim, arguments_of, call, counted, listed, show, unmet, valid_number
from durabletest.assertions.compare import counts, equals
from durabletest.assertions.outcome_checks import UNSET, OutcomeSubject, described, status_check
from durabletest.assertions.time_checks import (
    UNDECIDED,
    Order,
    Unit,
    Units,
    duration_text,
    given_delays,
    given_duration,
    lasted,
    order_of,
)
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, callback_of, title
from durabletest.model.lookup import check_index, means, member, why_not_found
from durabletest.model.records import WAIT_FOR_CONDITION, OperationRecord, OperationStatus, OperationType
from durabletest.model.times import plain, span, stamp

__unittest = True
__tracebackhide__ = True

_CHECKS_OF = {
    OperationType.STEP: ".attempts(...), .retried_after(...), .result(...) and .took(...)",
    OperationType.WAIT: ".waited(...)",
    OperationType.CALLBACK: ".callback_id(), .heartbeats(...), .waited(...) and .result(...)",
    OperationType.CHAINED_INVOKE: ".invoked(...), .child(), .result(...) and .took(...)",
    OperationType.CONTEXT: ".result(...) and .took(...)",
}
_NO_ID = "It gets its id when it is created, which a CALLBACK inside a wait_for_callback is a moment after it started."


@dataclass(frozen=True)
class OperationFacts:
    """The facts about one operation; ``record`` is kept up to date by its history."""

    view: ExecutionView
    record: OperationRecord

    @property
    def history(self) -> History:
        return self.view.history()

    @property
    def story(self) -> str:
        record = self.record
        error = f" with {described(record.error, self.view)}" if record.error else ""
        if record.next_attempt_at is not None:
            last = f"attempt {record.attempts} {'failed' if record.error else 'ended'}{error}"
            return f"{record.status}: {last}, the next is due {stamp(record.next_attempt_at)}"
        attempt = f" on attempt {record.attempts}" if record.attempts > 1 else ""
        if not record.status.is_terminal:
            return f"{record.status}{attempt} since {stamp(record.started_at)}"
        inside = " (its callback TIMED_OUT)" if self._callback_timed_out else ""
        return f"{record.status}{attempt}{error}{inside}"

    @property
    def remedy(self) -> str:
        if self.history.execution.ended or self.record.status.is_terminal:
            return ""
        return "The execution has not ended yet: wait for it with execution.result(timeout=...) first."

    @property
    def instead(self) -> str:
        return ".timed_out()" if self._callback_timed_out else status_check(self.record.status, self.record.error)

    @property
    def callback(self) -> OperationRecord | None:
        """The CALLBACK that the operation is or, as a ``wait_for_callback``, has inside it."""
        return callback_of(self.history, self.record)

    @property
    def is_undecoded(self) -> bool:
        """The result of a CALLBACK is plain text; all others are written by a serialiser."""
        return self.record.type is not OperationType.CALLBACK and self.result() == self.record.result is not None

    @property
    def _callback_timed_out(self) -> bool:
        """Whether it is a ``wait_for_callback`` that FAILED because the callback inside it TIMED_OUT."""
        callback = self.callback
        timed_out = callback is not None and callback.status is OperationStatus.TIMED_OUT
        return timed_out and self.record.status is OperationStatus.FAILED

    def has(self, status: str) -> bool:
        return self.record.status == status or (status == OperationStatus.TIMED_OUT and self._callback_timed_out)

    def result(self) -> object:
        record = self.record
        return None if record.result is None else plain(self.view.decode(record.result, record))


class OperationChecks(OutcomeSubject[OperationFacts]):
    """One operation, or each or any of several. A check that has no meaning for the operation's type fails.

    Its message lists those that have one, from ``_CHECKS_OF``.
    """

    def cancelled(self) -> Self:
        """It was CANCELLED."""
        return self._has_status("CANCELLED")

    def started(self) -> Self:
        """It is STARTED: in progress, so neither ended nor between two attempts."""
        return self._has_status("STARTED")

    def pending(self) -> Self:
        """It is PENDING: between two attempts of a step."""
        return self._has_status("PENDING")

    def attempts(self, number: object) -> Self:
        """A step had this many attempts, a running one included; for a ``wait_for_condition``, this many polls."""
        expected = valid_number("attempts", number)
        return self._check(lambda facts: _attempts(facts, expected))

    def retried_after(
        self, *delays: object, days: Units = None, hours: Units = None, minutes: Units = None, seconds: Units = None
    ) -> Self:
        """A step was retried, and these were the delays between its attempts: ``retried_after(minutes=[1, 2, 4])``."""
        expected = given_delays(delays, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._check(lambda facts: _retried_after(facts, expected))

    def waited(
        self,
        duration: object = None,
        *,
        days: Unit = None,
        hours: Unit = None,
        minutes: Unit = None,
        seconds: Unit = None,
    ) -> Self:
        """A wait, a callback or a ``wait_for_condition`` ended this long after its start.

        For a wait that succeeded this is its configured duration, in the cloud too. Otherwise it is measured, and in
        real time it is a lower bound.
        """
        expected = given_duration("waited", duration, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._check(lambda facts: _waited(facts, expected))

    def of_type(self, type: OperationType | str) -> Self:
        """It is a STEP, WAIT, CALLBACK, CHAINED_INVOKE or CONTEXT."""
        expected = member(OperationType, type, "operation type")
        return self._check(lambda facts: _of_type(facts, expected))

    def inside(self, context: str, index: int | None = None) -> Self:
        """It is in the context of this name or path, directly or in a nested one.

        If several contexts have the name, ``index`` selects one, counted from 0.
        """
        return self._check(lambda facts: _inside(facts, context, index))

    def before(self, path: str, index: int | None = None) -> Self:
        """It ended before the operation of this name or path started; of several, ``index`` selects one."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.BEFORE))

    def after(self, path: str, index: int | None = None) -> Self:
        """It started after the operation of this name or path ended; of several, ``index`` selects one."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.AFTER))

    def overlaps(self, path: str, index: int | None = None) -> Self:
        """It and the operation of this name or path were in progress at the same time; ``index`` selects one."""
        return self._check(lambda facts: _ordered(facts, path, index, Order.OVERLAPS))

    def callback_id(self, value: object = UNSET) -> Self:
        """A callback has an id, and it is this one if one is given."""
        return self._check(lambda facts: _callback_id(facts, value))

    def heartbeats(self, number: object) -> Self:
        """A callback received this many heartbeats. They leave no event, so in the cloud this check is an error."""
        expected = valid_number("heartbeats", number)
        return self._check(lambda facts: _heartbeats(facts, expected))

    def invoked(self, function_name: object, payload: object = UNSET) -> Self:
        """A chained invoke called this function, named as in the workflow, with this payload if one is given."""
        return self._check(lambda facts: _invoked(facts, function_name, payload))


def wrong_type(facts: OperationFacts, expected: str) -> Claim:
    """The unmet precondition of a check that has no meaning for the operation's type."""
    record = facts.record
    sub_type = f" ({record.sub_type})" if record.type is OperationType.CONTEXT and record.sub_type else ""
    remedy = f"Of a {record.type} you can claim {_CHECKS_OF[record.type]}"
    return unmet(expected, f"a {record.type}{sub_type}", remedy)


def _attempts(facts: OperationFacts, expected: object) -> Claim:
    if facts.record.type is not OperationType.STEP:
        return wrong_type(facts, "a STEP, which has attempts")
    return _counts(facts, "attempt", expected, facts.record.attempts)


def _counts(facts: OperationFacts, noun: str, expected: object, actual: int) -> Claim:
    return counts(
        f"{noun}s", noun, expected, actual, lambda: f"{counted(actual, noun)}: {facts.story}", lambda: facts.remedy
    )


def _retried_after(facts: OperationFacts, expected: list[object]) -> Claim:
    """The delays are exact in real time too."""
    if facts.record.type is not OperationType.STEP:
        return wrong_type(facts, "a STEP, which has attempts")
    actual = [timedelta(seconds=seconds) for seconds in facts.record.retry_delays]
    story = f"retried after {', '.join(map(span, actual))}" if actual else "never retried"
    instead = f".retried_after({_series(facts.record.retry_delays)})" if actual else ".attempts(1)"
    wanted = f"retried after {', '.join(map(duration_text, expected))}"
    return Claim(expected == actual, wanted, f"{story}: {facts.story}", instead)


def _series(delays: list[int]) -> str:
    """Seconds as the argument of ``retried_after``, in the largest unit in which all of them are whole numbers."""
    if len(delays) == 1:
        return arguments_of(timedelta(seconds=delays[0]))
    units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
    name, unit = next((name, unit) for name, unit in units.items() if not any(delay % unit for delay in delays))
    return f"{name}={[delay // unit for delay in delays]}"


def _waited(facts: OperationFacts, expected: object) -> Claim:
    record = facts.record
    waits = record.type in (OperationType.WAIT, OperationType.CALLBACK)
    if not waits and not record.is_wait_for_callback and record.sub_type != WAIT_FOR_CONDITION:
        return wrong_type(facts, "a WAIT, a callback or a condition, which can wait")
    confirmed = record.type is OperationType.WAIT and record.status is OperationStatus.SUCCEEDED
    if confirmed and record.wait_seconds is not None:
        # The time from start to end is never exact in real time; the duration that the service confirmed is.
        return lasted("waited", facts, expected, timedelta(seconds=record.wait_seconds), None)
    leeway = None if facts.view.exact_time else facts.view.delay_left_out(record)
    return lasted("waited", facts, expected, record.duration, leeway)


def _of_type(facts: OperationFacts, expected: OperationType) -> Claim:
    actual = facts.record.type
    return Claim(actual is expected, f"a {expected}", f"a {actual}", call("of_type", str(actual)))


def _inside(facts: OperationFacts, context: str, index: int | None) -> Claim:
    history = facts.history
    around = history.ancestors(facts.record)
    selected = history.get(context, index or 0)
    expected = f"inside {context!r}" + ("" if index is None else f" (index {index})")
    if selected is None:
        story = why_not_found(history, context, index or 0, len(history.find_all(context)))
        return unmet(expected, story, "Name a context that exists.")
    if index is None:
        holds = any(means(history, record, context) for record in around)
    else:
        holds = any(record is selected for record in around)
    return Claim(
        holds,
        expected,
        lambda: "inside " + " in ".join(title(history, record) for record in around) if around else "in no context",
        lambda: call("inside", history.path_of(around[0])) if around else call("never.inside", context),
    )


def _ordered(facts: OperationFacts, path: str, index: int | None, expected: Order) -> Claim:
    history, record = facts.history, facts.record
    found, other = find_operation(history, path, index)
    if other is None:
        if index is None and found:
            story, remedy = namesakes(history, found), "Say which one, by its path or with index="
        else:
            story = why_not_found(history, path, index or 0, len(found))
            remedy = "Name an operation that exists: a name at any depth, or a path such as 'order/charge'."
        return unmet(f"{expected.value} {requested(path, index)}", story, remedy)
    order = order_of(history, record, other)
    story = f"{order.value} it\nthis one: {_span_of(record)}\nthe other: {_span_of(other)}"
    wanted = f"{expected.value} {title(history, other)}"
    if order is Order.UNDECIDED:
        return unmet(wanted, story, UNDECIDED)
    return Claim(order is expected, wanted, story, call(order.name.lower(), path, *([index] if index else [])))


def _span_of(record: OperationRecord) -> str:
    end = "and has not ended" if record.ended_at is None else f"to {stamp(record.ended_at)}"
    return f"from {stamp(record.started_at)} {end}"


def _callback_id(facts: OperationFacts, value: object) -> Claim:
    callback = facts.callback
    if callback is None and not facts.record.is_wait_for_callback:
        return wrong_type(facts, "a CALLBACK, which has an id")
    actual = None if callback is None else callback.callback_id
    if value is UNSET or actual is None:
        story = "has none yet" if actual is None else f"callback id {actual!r}"
        return Claim(actual is not None, "a callback id", story, remedy=_NO_ID)
    return equals(value, actual, "callback id", ".callback_id()")


def _heartbeats(facts: OperationFacts, expected: object) -> Claim:
    callback = facts.callback
    if callback is None and not facts.record.is_wait_for_callback:
        return wrong_type(facts, "a CALLBACK, which can be sent heartbeats")
    actual = 0 if callback is None else facts.view.heartbeats(callback)
    return _counts(facts, "heartbeat", expected, actual)


def _invoked(facts: OperationFacts, function_name: object, payload: object) -> Claim:
    record = facts.record
    if record.type is not OperationType.CHAINED_INVOKE:
        return wrong_type(facts, "a CHAINED_INVOKE, which invokes a function")
    actual = f"invoked {record.function_name!r}"
    if not bool(function_name == record.function_name):
        return Claim(False, f"invoked {show(function_name)}", actual, call("invoked", record.function_name))
    if payload is UNSET:
        return Claim(True, lambda: f"invoked {show(function_name)}", actual)
    sent = plain(facts.view.decode(record.input, record))
    return equals(payload, sent, "payload", lambda: call("invoked", record.function_name, sent))


def find_operation(
    history: History, path: str, index: int | None
) -> tuple[list[OperationRecord], OperationRecord | None]:
    """All operations of that name or path, and the one at the index or, without an index, the only one."""
    found = history.find_all(path)
    if index is None:
        return found, found[0] if len(found) == 1 else None
    check_index(index)
    return found, found[index] if -len(found) <= index < len(found) else None


def requested(path: str, index: int | None) -> str:
    """The title of an operation that was not found, ``operation 'charge' (index 1)``."""
    return f"operation {path!r}" + (f" (index {index})" if index else "")


def namesakes(history: History, found: Sequence[OperationRecord]) -> str:
    """The message for a name that several operations have."""
    return f"{len(found)} have that name: {listed([title(history, record) for record in found])}"
