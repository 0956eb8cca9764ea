"""Which of two operations came first, as far as that can be promised."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from durabletest.model.enums import SIDE_BY_SIDE
from durabletest.model.history import History, details_of
from durabletest.model.records import OperationRecord

__unittest = True
__tracebackhide__ = True

_NEVER = datetime.max.replace(tzinfo=UTC)


class Order(Enum):
    """How one operation lies to another. BY_CHANCE: in parallel branches at one instant, where any order may come."""

    BEFORE = "ended before"
    AFTER = "started after the end of"
    OVERLAPS = "overlaps"
    BY_CHANCE = "at the same instant as"


def order_of(history: History, one: OperationRecord, other: OperationRecord) -> Order:
    """Whether ``one`` ended before ``other`` started, the other way round, or neither.

    In one sequence of operations the history's events tell, also at the same instant. In parallel branches only time
    does.
    """
    if side_by_side(history, one, other):
        return _by_time(one, other)
    if _last_event(one) < _first_event(other):
        return Order.BEFORE
    return Order.AFTER if _last_event(other) < _first_event(one) else Order.OVERLAPS


def started_before(history: History, one: OperationRecord, other: OperationRecord) -> bool | None:
    """Whether ``one`` started before ``other``; ``None`` where that is open."""
    if not side_by_side(history, one, other):
        return _first_event(one) < _first_event(other)
    return None if one.started_at == other.started_at else one.started_at < other.started_at


def side_by_side(history: History, one: OperationRecord, other: OperationRecord) -> bool:
    """Whether they are in two branches of one parallel or map."""
    ones, others = _line(history, one), _line(history, other)
    shared = [record for record, opposite in zip(ones, others, strict=False) if record is opposite]
    around = shared[-1] if shared else None
    return around is not None and around.sub_type in SIDE_BY_SIDE and around is not one and around is not other


def _by_time(one: OperationRecord, other: OperationRecord) -> Order:
    one_end, other_end = one.ended_at or _NEVER, other.ended_at or _NEVER
    if one_end < other.started_at:
        return Order.BEFORE
    if other_end < one.started_at:
        return Order.AFTER
    touching = one_end == other.started_at or other_end == one.started_at
    return Order.BY_CHANCE if touching else Order.OVERLAPS


def _line(history: History, record: OperationRecord) -> list[OperationRecord]:
    """The contexts around an operation, the outermost first, and itself."""
    line = [record]
    while (parent := history.parent(line[0])) is not None:
        line.insert(0, parent)
    return line


def _first_event(record: OperationRecord) -> int:
    return _id(record.events[0])


def _last_event(record: OperationRecord) -> float:
    """That which ended it; what was still going on when its execution was stopped has none."""
    last = record.events[-1]
    retried = "NextAttemptDelaySeconds" in (details_of(last).get("RetryDetails") or {})
    own_end = record.ended_at is not None and not retried and not last["EventType"].endswith("Started")
    return _id(last) if own_end else float("inf")


def _id(event: dict[str, Any]) -> int:
    number: int = event["EventId"]
    return number
