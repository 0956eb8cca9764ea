"""The outcomes of operations in a history, each under the place in the workflow that its author knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from durabletest.model.history import History, as_written, callback_of, word_for
from durabletest.model.records import SIDE_BY_SIDE, WAIT_FOR_CONDITION, OperationRecord, OperationStatus, OperationType

CALLBACK, CONDITION, INVOKE, STEP = "callback", "condition", "invoke", "step"
_EACH = "*"
"""The name of every iteration of a map: they run the same code."""
_ITERATION = "MapIteration"
_HEARTBEAT_ERROR = "Callback.Heartbeat"


class OperationOutcome(StrEnum):
    """One of the things that can happen to an operation; several may happen to the same one."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETRIED = "retried"
    """An attempt of a step has failed, and another one followed or was due."""
    POLLED_AGAIN = "polled again"
    """A condition was not met at its first poll."""
    TIMED_OUT = "timed out"
    HEARTBEAT_TIMED_OUT = "heartbeat timed out"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    """A branch that has not begun, because its map or parallel was complete before."""
    CUT_SHORT = "cut short"
    """It was open when the map or parallel around it was complete, and was left as it was."""
    UNFINISHED = "unfinished"
    """It was open when the execution ended, or was looked at."""
    REPLAYED = "replayed"
    """The handler, which had its outcome, was invoked again and got it again."""


class Trait(StrEnum):
    """A fact about an operation that makes an outcome possible, whether or not this has ever come."""

    RETRIES = "retries"
    TIMEOUT = "timeout"
    HEARTBEAT_TIMEOUT = "heartbeat timeout"


@dataclass(frozen=True)
class Noted:
    """Requests of one execution to the SDK that no history records; all of it is empty for a deployed function.

    ``retrying`` are the ids of steps with a retry strategy of their own; ``branches`` maps the id of each map or
    parallel to the type (``MapIteration``, ``ParallelBranch``) and the names of all its branches.
    """

    retrying: frozenset[str] = frozenset()
    branches: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


class WorkflowPlace(NamedTuple):
    """An operation in the code of a workflow: its word (``step``, ``branch``) and its path, with ``*`` for each item.

    The operations of a loop that have the same name are at the same place, and so are unnamed ones beside each other.
    """

    kind: str
    path: str


@dataclass
class SeenOutcomes:
    """The outcomes seen at one place, each with the number of operations that had it."""

    traits: set[Trait] = field(default_factory=set)
    outcomes: Counter[OperationOutcome] = field(default_factory=Counter)

    def add(self, other: SeenOutcomes) -> None:
        self.traits |= other.traits
        self.outcomes += other.outcomes


def outcomes_of(history: History, noted: Noted) -> dict[WorkflowPlace, SeenOutcomes]:
    """The outcomes of one execution, by place, in execution order."""
    found: dict[WorkflowPlace, SeenOutcomes] = {}
    ends = [event["EventId"] for event in history.events if event["EventType"] == "InvocationCompleted"]
    for record in history.operations:
        if as_written(history, record) is record:
            path = "/".join([*_names_around(history, record), _name(record) or "(unnamed)"])
            place = WorkflowPlace(word_for(record.sub_type, record.type), path)
            seen = found.setdefault(place, SeenOutcomes())
            # the CALLBACK inside a wait_for_callback, which else could fail by its submitter
            decisive = callback_of(history, record) or record
            seen.traits |= _traits(decisive, noted)
            seen.outcomes.update(_outcomes(history, decisive, ends))
        for place in _never_begun(history, record, noted):
            found.setdefault(place, SeenOutcomes()).outcomes[OperationOutcome.SKIPPED] += 1
    return found


def _names_around(history: History, record: OperationRecord) -> list[str]:
    """The names of the contexts around an operation, the outermost first."""
    return [name for one in reversed(history.ancestors(record)) if (name := _name(one))]


def _name(record: OperationRecord) -> str | None:
    return _EACH if record.sub_type == _ITERATION else record.name


def _traits(record: OperationRecord, noted: Noted) -> set[Trait]:
    traits = {
        Trait.RETRIES: record.id in noted.retrying,
        Trait.TIMEOUT: record.timeout,
        Trait.HEARTBEAT_TIMEOUT: record.heartbeat_timeout,
    }
    return {trait for trait, is_so in traits.items() if is_so}


def _outcomes(history: History, record: OperationRecord, invocation_ends: list[int]) -> Iterator[OperationOutcome]:
    if record.retry_delays:
        yield OperationOutcome.POLLED_AGAIN if record.sub_type == WAIT_FOR_CONDITION else OperationOutcome.RETRIED
    end = _end(record)
    if end is None:
        cut_short = any(one.sub_type in SIDE_BY_SIDE and _end(one) is not None for one in history.ancestors(record))
        yield OperationOutcome.CUT_SHORT if cut_short else OperationOutcome.UNFINISHED
        return
    if record.status is OperationStatus.TIMED_OUT and record.error and record.error.type == _HEARTBEAT_ERROR:
        yield OperationOutcome.HEARTBEAT_TIMED_OUT
    else:
        yield OperationOutcome(record.status.lower().replace("_", " "))
    if _is_replayed(history, record, end, invocation_ends):
        yield OperationOutcome.REPLAYED


def _end(record: OperationRecord) -> int | None:
    """The id of the event that has ended it; None for one that is open, or has ended with its execution only."""
    last: Mapping[str, Any] = record.events[-1]
    ended = record.status.is_terminal and last["EventType"].endswith(record.status.title().replace("_", ""))
    return int(last["EventId"]) if ended else None


def _is_replayed(history: History, record: OperationRecord, end: int, invocation_ends: list[int]) -> bool:
    """Whether two invocations have ended since: the first one had the outcome, and the second one got it again.

    Inside a context that was complete by then nothing is asked for again, as the handler gets the context's result.
    """
    since = [number for number in invocation_ends if number > end]
    if len(since) < 2:
        return False
    return not any((_end(one) or since[0]) < since[0] for one in history.ancestors(record))


def _never_begun(history: History, record: OperationRecord, noted: Noted) -> Iterator[WorkflowPlace]:
    """The branches of a map or parallel that was complete before they began, by what the execution has asked for."""
    if record.id not in noted.branches or _end(record) is None:
        return
    sub_type, names = noted.branches[record.id]
    begun = Counter(child.name or "" for child in history.children(record))
    around = [*_names_around(history, record), *filter(None, [_name(record)])]
    for name, count in (Counter(names) - begun).items():
        path = "/".join([*around, _EACH if sub_type == _ITERATION else name])
        yield from [WorkflowPlace(word_for(sub_type, OperationType.CONTEXT), path)] * count
