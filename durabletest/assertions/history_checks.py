"""Checks of the events in the history of an execution: which there are, how many, in which order, and as a snapshot."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from durabletest.assertions.check import Claim, Subject, call, counted, listed, shortened, show, unmet, valid_number
from durabletest.assertions.operation_checks import find_operation, namesakes
from durabletest.assertions.outcome_checks import ExecutionFacts
from durabletest.assertions.time_checks import UNDECIDED, OrderBreak, first_break, in_parallel
from durabletest.errors import AmbiguousOperationError, UsageError
from durabletest.model.comparison import Canonical, Omission, canonical, differences
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History, title
from durabletest.model.lookup import closest, not_found, unknown
from durabletest.model.records import event_types
from durabletest.model.times import stamp
from durabletest.value_checks import is_set

__unittest = True
__tracebackhide__ = True

Event = dict[str, Any]


@dataclass(frozen=True)
class EventFilter:
    """Selects events by type and operation; ``None`` selects all."""

    type: str | None = None
    operation: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        """The operation, for the end of a sentence: `` of operation 'charge'``."""
        of = "" if self.operation is None else f" of operation {self.operation!r}"
        return of + (f" (index {self.index})" if self.index else "")

    def arguments(self) -> str:
        """The operation and index as further arguments of a check: ``, operation='charge', index=1``."""
        options = {"operation": self.operation, "index": self.index}
        return "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)

    def select(self, history: History) -> list[Event]:
        return [event for event in self._of_operation(history) if self.type in (None, event["EventType"])]

    def _of_operation(self, history: History) -> Sequence[Event]:
        if self.operation is None:
            return history.events
        found, record = find_operation(history, self.operation, self.index)
        if record is not None:
            return record.events
        if self.index is None and found:
            raise AmbiguousOperationError(
                f"operation={self.operation!r} may be any of several: {namesakes(history, found)}. Say which one, by "
                "its path or with index="
            )
        raise not_found(history, self.operation, self.index or 0, len(found))


class HistorySubject(Subject[ExecutionView]):
    """The events of an execution. Event types are the service's: ``"StepStarted"``, ``"WaitSucceeded"``, ..."""

    def contains(self, event_type: str, *, operation: str | None = None, index: int | None = None) -> Self:
        """There is an event of this type, and of this operation if one is given by name or path.

        If several operations have the name, ``index`` selects one, counted from 0.
        """
        wanted = EventFilter(_known(event_type), operation, index)
        return self._check(lambda view: _contains(view, wanted))

    def count(
        self, number: object, *, of: str | None = None, operation: str | None = None, index: int | None = None
    ) -> Self:
        """There are this many events: all, or those of the type ``of`` and of an operation, if these are given."""
        wanted = EventFilter(None if of is None else _known(of), operation, index)
        expected = valid_number("count", number)
        return self._check(lambda view: _count(view, wanted, expected))

    def in_order(self, *event_types: str) -> Self:
        """Events of these types come one after the other, possibly with others in between.

        The order of parallel branches at the same instant is undecided, and a claim about it fails.
        """
        if len(event_types) < 2:
            given = ", ".join(map(repr, event_types))
            example = "in_order('StepStarted', 'StepSucceeded')"
            raise UsageError(f"in_order({given}) orders nothing; give at least two event types, {example}")
        for event_type in event_types:
            _known(event_type)
        return self._check(lambda view: _in_order(view, event_types))

    def matches(self, file: str, *, without: str | Iterable[str] = (), ignore: str | Iterable[str] = ()) -> Self:
        """The history is as in the snapshot in this file, which lies next to the test's module.

        ``without`` are names or paths of operations to omit, with everything inside them. ``ignore`` are facts to
        omit: of everything (``"attempts"``), of one operation or the execution (``"charge: result"``, ``"execution:
        input"``), or a place in a value (``"result['at']"``, ``"charge: result[*]['id']"``).

        A missing file is written, except in CI (``CI=true``), where the check fails. With
        ``DURABLETEST_UPDATE_SNAPSHOTS=1`` every file is written.
        """
        if self._context.negated:
            raise UsageError(f"{self._context.title}: .never.matches({str(file)!r}) says nothing; leave it out")
        if not isinstance(file, str | os.PathLike):
            raise UsageError(f"matches({file!r}): give the name of a file next to the test, matches('order.json')")
        folder = self._context.test.folder
        if folder is None and not Path(file).is_absolute():
            raise UsageError(f"matches({str(file)!r}): the test's module is no file, so give an absolute path")
        path, omission = (folder or Path()) / file, Omission.given(without, ignore)
        if path.is_dir():
            raise UsageError(f"matches({str(file)!r}) names a folder: give the name of a file, matches('order.json')")
        return self._check(lambda view: _matches(view, str(file), path, omission))


def _known(event_type: str) -> str:
    if event_type not in event_types():
        raise unknown(event_type, event_types(), "event type")
    return event_type


def _contains(view: ExecutionView, wanted: EventFilter) -> Claim:
    history = view.history()
    found = wanted.select(history)
    expected = f"{wanted.type}{wanted} among the events"
    if found:
        return Claim(True, expected, lambda: f"{len(found)} {wanted.type}: {_times(found)}")
    instead = f".never.contains({wanted.type!r}{wanted.arguments()})"
    others = replace(wanted, type=None).select(history)
    return Claim(False, expected, f"there are {_tally(others)}", instead, ExecutionFacts(view).remedy)


def _count(view: ExecutionView, wanted: EventFilter, expected: object) -> Claim:
    found = wanted.select(view.history())
    number = _number(expected, wanted.type) if isinstance(expected, int) else f"count == {show(expected)}"
    of = "" if wanted.type is None else f", of={wanted.type!r}"
    return Claim(
        bool(expected == len(found)),
        f"{number}{wanted}",
        lambda: _number(len(found), wanted.type) + (f": {_tally(found)}" if wanted.type is None else ""),
        f".count({len(found)}{of}{wanted.arguments()})",
        ExecutionFacts(view).remedy,
    )


def _in_order(view: ExecutionView, types: Sequence[str]) -> Claim:
    history = view.history()
    of_type: defaultdict[str, list[Event]] = defaultdict(list)
    for event in history.events:
        of_type[event["EventType"]].append(event)
    found = first_break(types, lambda name: of_type[name], lambda one, other: _precedes(history, one, other))
    expected = f"in order: {', '.join(types)}"
    if found is None:
        return Claim(True, expected, "they come in that order")
    if found.undecided:
        return unmet(expected, f"{found.name} comes at the instant of {found.after}", UNDECIDED)
    actual = list(dict.fromkeys(event["EventType"] for event in history.events if event["EventType"] in types))
    instead = call("in_order", *actual) if len(actual) > 1 else f".never.contains({found.name!r})"
    return Claim(False, expected, _break_story(history, found), instead, ExecutionFacts(view).remedy)


def _precedes(history: History, one: Event, other: Event) -> bool | None:
    """``None`` if the order is undecided."""
    ours, theirs = history.operation_of(one), history.operation_of(other)
    same_instant = one["EventTimestamp"] == other["EventTimestamp"]
    if ours is not None and theirs is not None and same_instant and in_parallel(history, ours, theirs):
        return None
    return bool(one["EventId"] < other["EventId"])


def _break_story(history: History, found: OrderBreak[Event]) -> str:
    if found.last is None:
        return f"there is no {found.name}"
    if not found.candidates:
        return f"there is no {found.name} at all"
    after = f"there is no {found.name} after {_event_title(history, found.last)}"
    return f"{after}\nthe last is {_event_title(history, found.candidates[-1])}"


def _event_title(history: History, event: Event) -> str:
    """The event with its operation, unless there are others like it at that instant: their order may be undecided."""
    about = history.operation_of(event)
    alike = [
        one
        for one in EventFilter(event["EventType"]).select(history)
        if one["EventTimestamp"] == event["EventTimestamp"]
    ]
    of = "" if about is None or len(alike) > 1 else f" of {title(history, about)}"
    return f"{event['EventType']}{of} ({stamp(event['EventTimestamp'])})"


def _number(number: int, event_type: str | None) -> str:
    return counted(number, "event") if event_type is None else f"{number} {event_type}"


def _times(events: Sequence[Event]) -> str:
    return listed([stamp(event["EventTimestamp"]) for event in events])


def _tally(events: Sequence[Event]) -> str:
    """The number of events of each type, sorted by type since their order may be undecided."""
    return listed([f"{number} {name}" for name, number in sorted(Counter(e["EventType"] for e in events).items())])


# --- snapshots: the file that a history is compared with, and when that file is written ---

_UPDATE_VARIABLE = "DURABLETEST_UPDATE_SNAPSHOTS"
_CORRECT_IT = f"Correct it, or have it written anew with {_UPDATE_VARIABLE}=1"
_COMMIT_IT = "Run the test once where CI is not set, look at the file that it writes, and commit it."


def _matches(view: ExecutionView, name: str, path: Path, omission: Omission) -> Claim:
    """The claim that a history is as in the file, which is written first if it is missing or to be updated.

    ``name`` is the file in messages. What is omitted is neither compared nor written.
    """
    expected = f"as in {name!r}"
    execution = ExecutionFacts(view)
    if not execution.record.ended:
        return Claim(False, "an execution that has ended", execution.story, remedy=execution.remedy)
    write, now = updating() or not path.exists(), omission.left(canonical(view.history(), view.decode))
    in_ci = os.environ.get("CI", "").lower() in ("true", "1")  # some services set it to 1; a new file would be lost
    if write and in_ci and not updating():
        return Claim(False, expected, "there is no such file, and in CI none is written", remedy=_COMMIT_IT)
    if write:
        _refuse_unused(view, omission)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(now, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return Claim(True, expected, "it was written")
    before = omission.left(_read(name, path))
    _refuse_unused(view, omission)
    found = differences(before, now)
    actual = "\n".join(shortened(found, noun="difference")) or "nothing differs"
    remedy = f"If that is right, run the test once with {_UPDATE_VARIABLE}=1"
    return Claim(not found, expected, actual, remedy=remedy)


def _read(name: str, path: Path) -> Canonical:
    try:
        snapshot: Canonical = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{name!r} is no snapshot: {error}\n{_CORRECT_IT}") from None
    fault = _fault("the execution", snapshot, ("status",))
    if fault is not None:
        raise UsageError(f"{name!r} is no snapshot: {fault}\n{_CORRECT_IT}")
    return snapshot


def updating() -> bool:
    """Whether all snapshots are to be written."""
    return is_set(_UPDATE_VARIABLE, "set it to 1 to write snapshots anew, or do not set it")


def _fault(title: str, found: object, required: tuple[str, ...]) -> str | None:
    """The reason why an execution or operation of a file cannot be compared, ``None`` if it can."""
    if not isinstance(found, dict):
        return f"{title} is {found!r}"
    missing = [name for name in required if not isinstance(found.get(name), str)]
    if missing:
        return f"{title} has no {missing[0]}"
    operations = found.get("operations", [])
    if not isinstance(operations, list):
        return f"the operations of {title} are {operations!r}"
    faults = (_fault(f"operation {i} of {title}", one, ("status", "type")) for i, one in enumerate(operations))
    return next((fault for fault in faults if fault is not None), None)


def _refuse_unused(view: ExecutionView, omission: Omission) -> None:
    """An argument that omits nothing is misspelt, or not needed any more."""
    for argument, name in omission.unused:
        near = closest(view.history(), name) if argument.startswith("without") else None
        hint = f"; did you mean {near!r}?" if near else ": correct it, or take it away"
        raise UsageError(f"{argument} leaves nothing out{hint}")
