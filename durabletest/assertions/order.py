"""The order of operations and events, which in parallel branches is undecided where they come at the same instant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Generic, TypeVar

from durabletest.model.history import History, details_of
from durabletest.model.records import SIDE_BY_SIDE, OperationRecord

__unittest = True
__tracebackhide__ = True

T = TypeVar("T")

UNDECIDED = "They are in parallel branches: which comes first at one instant is open, so claim nothing of it."
"""The remedy for claims about such an order."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Order(Enum):
    """The order of one operation and another. UNDECIDED: one ended, in a parallel branch, when the other started."""

    BEFORE = "ended before"
    AFTER = "started after the end of"
    OVERLAPS = "overlaps"
    UNDECIDED = "at the same instant as"


def order_of(history: History, one: OperationRecord, other: OperationRecord) -> Order:
    """Compares the ends and starts of two operations: in parallel branches by time, otherwise by their events."""
    if in_parallel(history, one, other):
        return _order_in_time(one, other)
    if _last_event(one) < _first_event(other):
        return Order.BEFORE
    return Order.AFTER if _last_event(other) < _first_event(one) else Order.OVERLAPS


def started_before(history: History, one: OperationRecord, other: OperationRecord) -> bool | None:
    """``None`` if that is undecided."""
    if not in_parallel(history, one, other):
        return _first_event(one) < _first_event(other)
    return None if one.started_at == other.started_at else one.started_at < other.started_at


def in_parallel(history: History, one: OperationRecord, other: OperationRecord) -> bool:
    """Whether two operations are in different branches of a parallel or map."""
    ones, others = ([*reversed(history.ancestors(record)), record] for record in (one, other))
    shared = [record for record, opposite in zip(ones, others, strict=False) if record is opposite]
    around = shared[-1] if shared else None
    return around is not None and around.sub_type in SIDE_BY_SIDE and around is not one and around is not other


@dataclass(frozen=True)
class OrderBreak(Generic[T]):
    """Where things are not in the claimed order: none named ``name`` comes after ``last``, which is named ``after``.

    ``last`` and ``after`` are ``None`` if the first name is missing. ``candidates`` are all things named ``name``.
    ``undecided`` is true if one of them comes at the instant of ``last`` in a parallel branch.
    """

    name: str
    after: str | None
    last: T | None
    candidates: Sequence[T]
    undecided: bool


def first_break(
    names: Iterable[str], named: Callable[[str], Sequence[T]], precedes: Callable[[T, T], bool | None]
) -> OrderBreak[T] | None:
    """Find a thing of each name after the one of the name before; others may come in between.

    ``precedes`` returns ``None`` if the order of two things is undecided. The result is ``None`` if there is no break.
    """
    last: T | None = None
    after: str | None = None
    for name in names:
        candidates, undecided = named(name), False
        for thing in candidates:
            follows = last is None or precedes(last, thing)
            if follows:
                break
            undecided = undecided or follows is None
        else:
            return OrderBreak(name, after, last, candidates, undecided)
        last, after = thing, name
    return None


def _order_in_time(one: OperationRecord, other: OperationRecord) -> Order:
    one_end, other_end = one.ended_at or _NEVER, other.ended_at or _NEVER
    if one_end < other.started_at:
        return Order.BEFORE
    if other_end < one.started_at:
        return Order.AFTER
    touching = one_end == other.started_at or other_end == one.started_at
    return Order.UNDECIDED if touching else Order.OVERLAPS


def _first_event(record: OperationRecord) -> int:
    number: int = record.events[0]["EventId"]
    return number


def _last_event(record: OperationRecord) -> float:
    """The id of the event that ended the operation, infinity if there is none.

    An operation that was in progress when its execution was stopped has an end without such an event.
    """
    last = record.events[-1]
    retried = "NextAttemptDelaySeconds" in (details_of(last).get("RetryDetails") or {})
    ended_by_it = record.ended_at is not None and not retried and not last["EventType"].endswith("Started")
    number: int = last["EventId"]
    return number if ended_by_it else float("inf")
