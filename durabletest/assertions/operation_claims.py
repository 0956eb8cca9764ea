"""The claims about one operation that are not about time or outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from durabletest.assertions.check import Claim
from durabletest.assertions.compare import equals
from durabletest.assertions.facts import ExecutionFacts, OperationFacts
from durabletest.assertions.outcome import UNSET
from durabletest.assertions.subject import Missing
from durabletest.assertions.text import call, counted, show
from durabletest.model.enums import ExecutionStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History
from durabletest.model.lookup import check_index, means, why_not_found
from durabletest.model.naming import title
from durabletest.model.records import OperationRecord
from durabletest.model.times import plain

__unittest = True
__tracebackhide__ = True

_HAS = {
    OperationType.STEP: ".attempts(...), .retried_after(...), .result(...) and .took(...)",
    OperationType.WAIT: ".waited(...)",
    OperationType.CALLBACK: ".callback_id(), .heartbeats(...), .waited(...) and .result(...)",
    OperationType.CHAINED_INVOKE: ".invoked(...), .child(), .result(...) and .took(...)",
    OperationType.CONTEXT: ".result(...) and .took(...)",
}
_LISTED = 12
_NO_ID = "It gets its id when it is created, which a CALLBACK inside a wait_for_callback is a moment after it started."
_NO_CHILD = (
    "Only durable functions run as executions of their own; of plain ones claim .invoked(name, payload) and .result()."
)


@dataclass(frozen=True)
class Ambiguous(Missing):
    """Stands for the facts of an operation that may be any of several."""

    path: str


def asked(path: str, index: int | None) -> str:
    """An operation by what was asked for, since it is not a single one that exists."""
    return f"operation {path!r}" + (f" (index {index})" if index else "")


def found_all(history: History, path: str, index: int | None) -> tuple[list[OperationRecord], OperationRecord | None]:
    """The operations that a path means, and the one at the index; without an index, the only one if there is one."""
    found = history.find_all(path)
    if index is None:
        return found, found[0] if len(found) == 1 else None
    check_index(index)
    return found, found[index] if -len(found) <= index < len(found) else None


def not_one(view: ExecutionView, path: str, index: int | None, found: Sequence[OperationRecord]) -> Missing:
    """Why a path and an index mean no single operation."""
    if index is None and found:
        remedy = f"Say which one, by its path or with index=; or claim it of all: assertOperations(name={path!r}).each"
        story = partial(several, view.history(), found)
        return Ambiguous(Claim(False, "a single operation", story, remedy=remedy, granted=True), path)
    return Missing(_exists(view, path, index or 0, len(found)))


def several(history: History, found: Sequence[OperationRecord]) -> str:
    """How many have one name, and what they are."""
    shown = [title(history, record) for record in found[:_LISTED]]
    more = [f"... and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    return f"{len(found)} have that name: {', '.join([*shown, *more])}"


def _exists(view: ExecutionView, path: str, index: int, found: int) -> Claim:
    """An execution that failed on the way is the likeliest reason why an operation is missing, so it is told too."""
    execution = ExecutionFacts(view)
    succeeded = execution.record.status is ExecutionStatus.SUCCEEDED
    likely = "" if succeeded else f"The execution is {execution.story}\n"
    remedy = execution.remedy or "If that is right, write .never_started()"
    trace = execution.error.stack_trace if execution.error else ()
    return Claim(
        False,
        "exists",
        lambda: _why_missing(view, path, index, found),
        remedy=likely + remedy,
        trace=trace,
        granted=True,
    )


def _why_missing(view: ExecutionView, path: str, index: int, found: int) -> str:
    """Nobody may ask before the end of the test, and then it may be there."""
    if view.history().get(path, index) is not None:
        return "it had not started when it was asked for"
    return why_not_found(view.history(), path, index, found)


def is_of_type(facts: OperationFacts, wanted: OperationType) -> Claim:
    actual = facts.record.type
    return Claim(actual is wanted, f"a {wanted}", f"a {actual}", call("of_type", str(actual)))


def wrong_type(facts: OperationFacts, wanted: str) -> Claim:
    """What is claimed first: that the operation is of a type that the check has a meaning for."""
    record = facts.record
    sub_type = f" ({record.sub_type})" if record.type is OperationType.CONTEXT and record.sub_type else ""
    remedy = f"Of a {record.type} you can claim {_HAS[record.type]}"
    return Claim(False, wanted, f"a {record.type}{sub_type}", remedy=remedy, granted=True)


def attempts(facts: OperationFacts, number: object) -> Claim:
    record = facts.record
    if record.type is not OperationType.STEP:
        return wrong_type(facts, "a STEP, which has attempts")
    expected = counted(number, "attempt") if isinstance(number, int) else f"attempts == {show(number)}"
    return Claim(
        bool(number == record.attempts),
        expected,
        lambda: f"{counted(record.attempts, 'attempt')}: {facts.story}",
        lambda: call("attempts", record.attempts),
        lambda: facts.remedy,
    )


def is_inside(facts: OperationFacts, context: str, index: int | None) -> Claim:
    history, around = facts.history, []
    parent = history.parent(facts.record)
    while parent is not None:
        around.append(parent)
        parent = history.parent(parent)
    there = history.get(context, index or 0)
    expected = f"inside {context!r}" + ("" if index is None else f" (index {index})")
    if there is None:
        story = why_not_found(history, context, index or 0, len(history.find_all(context)))
        return Claim(False, expected, story, remedy="Name a context that exists.", granted=True)
    if index is None:
        holds = any(means(history, record, context) for record in around)
    else:
        holds = any(record is there for record in around)
    return Claim(
        holds,
        expected,
        lambda: "inside " + " in ".join(title(history, record) for record in around) if around else "in no context",
        lambda: call("inside", history.path_of(around[0])) if around else call("never.inside", context),
    )


def has_callback_id(facts: OperationFacts, value: object) -> Claim:
    callback = facts.callback
    if callback is None and not facts.record.is_wait_for_callback:
        return wrong_type(facts, "a CALLBACK, which has an id")
    actual = None if callback is None else callback.callback_id
    if value is UNSET or actual is None:
        story = "has none yet" if actual is None else f"callback id {actual!r}"
        return Claim(actual is not None, "a callback id", story, remedy=_NO_ID)
    return equals(value, actual, "callback id", ".callback_id()")


def has_heartbeats(facts: OperationFacts, number: object) -> Claim:
    callback = facts.callback
    if callback is None and not facts.record.is_wait_for_callback:
        return wrong_type(facts, "a CALLBACK, which can be sent heartbeats")
    actual = 0 if callback is None else facts.view.heartbeats(callback)
    expected = counted(number, "heartbeat") if isinstance(number, int) else f"heartbeats == {show(number)}"
    return Claim(
        bool(number == actual),
        expected,
        lambda: f"{counted(actual, 'heartbeat')}: {facts.story}",
        lambda: call("heartbeats", actual),
        lambda: facts.remedy,
    )


def has_invoked(facts: OperationFacts, function_name: object, payload: object) -> Claim:
    record = facts.record
    if record.type is not OperationType.CHAINED_INVOKE:
        return wrong_type(facts, "a CHAINED_INVOKE, which invokes a function")
    if not bool(function_name == record.function_name):
        instead = call("invoked", record.function_name)
        return Claim(False, f"invoked {show(function_name)}", f"invoked {record.function_name!r}", instead)
    if payload is UNSET:
        return Claim(True, lambda: f"invoked {show(function_name)}", f"invoked {record.function_name!r}")
    sent = plain(facts.view.decode(record.input, record))
    return equals(payload, sent, "payload", lambda: call("invoked", record.function_name, sent))


def child_of(facts: OperationFacts) -> ExecutionView | Missing:
    """The execution that a chained invoke has started."""
    record = facts.record
    if record.type is not OperationType.CHAINED_INVOKE:
        return Missing(wrong_type(facts, "a CHAINED_INVOKE, which starts a child execution"))
    if record.child_arn is None:
        story = f"{record.function_name!r} is a plain function: {facts.story}"
        return Missing(Claim(False, "started a child execution", story, remedy=_NO_CHILD, granted=True))
    return facts.view.sibling(record.child_arn)


def never_started(facts: OperationFacts | Ambiguous) -> Claim:
    if isinstance(facts, Ambiguous):
        remedy = f"If that is right, claim something of them: assertOperations(name={facts.path!r})"
        return Claim(False, "never started", facts.claim.actual, remedy=remedy)
    return Claim(False, "never started", lambda: facts.story, lambda: facts.instead)
