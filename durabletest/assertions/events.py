"""The history of an execution: which events it has, how many, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from durabletest.assertions.check import About, Claim
from durabletest.assertions.facts import ExecutionFacts
from durabletest.assertions.operation_claims import found_all, several
from durabletest.assertions.order import side_by_side
from durabletest.assertions.sequence import Broken, broken
from durabletest.assertions.snapshot_file import SnapshotFile
from durabletest.assertions.snapshots import matches
from durabletest.assertions.subject import Subject, begun, number_given
from durabletest.assertions.text import call, counted, listed, show
from durabletest.errors import AmbiguousOperationError, UsageError
from durabletest.model.enums import event_types
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import History
from durabletest.model.lookup import not_found, unknown
from durabletest.model.naming import execution_title, title
from durabletest.model.omission import Omission
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True

Event = dict[str, Any]

_OPEN = "They are in parallel branches: which comes first at one instant is open, so claim nothing of it."


@dataclass(frozen=True)
class Wanted:
    """Which events are meant: those of a type, of one operation, or all."""

    type: str | None = None
    operation: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        of = "" if self.operation is None else f" of operation {self.operation!r}"
        return of + (f" (index {self.index})" if self.index else "")

    def of(self, history: History) -> list[Event]:
        return [event for event in self._place(history) if self.type in (None, event["EventType"])]

    def _place(self, history: History) -> Sequence[Event]:
        if self.operation is None:
            return history.events
        found, there = found_all(history, self.operation, self.index)
        if there is not None:
            return there.events
        if self.index is None and found:
            raise AmbiguousOperationError(
                f"operation={self.operation!r} may be any of several: {several(history, found)}. Say which one, by its "
                "path or with index="
            )
        raise not_found(history, self.operation, self.index or 0, len(found))


class HistorySubject(Subject[ExecutionView]):
    """The events of an execution, by the types that the service gives them."""

    def contains(self, event_type: str, *, operation: str | None = None, index: int | None = None) -> Self:
        """There is an event of this type, of that operation if one is named (``index`` says which of several)."""
        wanted = Wanted(_known(event_type), operation, index)
        return self._check(lambda view: _contains(view, wanted))

    def count(
        self, number: object, *, of: str | None = None, operation: str | None = None, index: int | None = None
    ) -> Self:
        """There are that many events, of this type and of that operation where they are named."""
        wanted = Wanted(None if of is None else _known(of), operation, index)
        given = number_given("count", number)
        return self._check(lambda view: _count(view, wanted, given))

    def in_order(self, *event_types: str) -> Self:
        """Events of these types come one after the other; others may be in between.

        In parallel branches nothing can be claimed of one instant.
        """
        if len(event_types) < 2:
            given = ", ".join(map(repr, event_types))
            raise UsageError(f"in_order({given}) orders nothing; give at least two event types")
        for event_type in event_types:
            _known(event_type)
        return self._check(lambda view: _in_order(view, event_types))

    def matches(self, file: str, *, without: str | Iterable[str] = (), ignore: str | Iterable[str] = ()) -> Self:
        """What happened is what the snapshot in that file says; the file lies next to the test's module.

        ``without`` are names or paths of operations that are left out, with all that is inside them. ``ignore`` are
        facts that are left out: of everything (``"attempts"``), of one operation or the execution (``"charge:
        result"``, ``"execution: input"``), or a place in a value (``"result['at']"``, ``"charge: result[*]['id']"``).

        A missing file is written, except in CI (``CI=true``), where that is a failure. With
        ``DURABLETEST_UPDATE_SNAPSHOTS=1`` every file is written anew.
        """
        if self._about.negated:
            raise UsageError(f"{self._about.title}: .never.matches({str(file)!r}) says nothing; leave it out")
        snapshot_file = SnapshotFile.of(file, self._about.test.folder)
        omission = Omission.given(without, ignore)
        return self._check(lambda view: matches(view, snapshot_file, omission))


def history_subject(about: About, view: ExecutionView) -> HistorySubject:
    subject = HistorySubject(about.of(f"history of {execution_title(view.arn)}", view), view)
    return begun(subject, "a check, for example .contains('ExecutionSucceeded')")


def _known(event_type: str) -> str:
    if event_type not in event_types():
        raise unknown(event_type, event_types(), "event type")
    return event_type


def _contains(view: ExecutionView, wanted: Wanted) -> Claim:
    history = view.history()
    found = wanted.of(history)
    expected = f"{wanted.type}{wanted} among the events"
    if found:
        return Claim(True, expected, lambda: f"{len(found)} {wanted.type}: {_times(found)}")
    place = Wanted(None, wanted.operation, wanted.index)
    return Claim(False, expected, f"there are {_tally(place.of(history))}", "", _running(view) or _no(wanted))


def _count(view: ExecutionView, wanted: Wanted, number: object) -> Claim:
    found = wanted.of(view.history())
    expected = _number(number, wanted.type) if isinstance(number, int) else f"count == {show(number)}"
    story = _number(len(found), wanted.type)
    of = "" if wanted.type is None else f", of={wanted.type!r}"
    instead = f".count({len(found)}{of}{_options(wanted)})"
    return Claim(
        bool(number == len(found)),
        f"{expected}{wanted}",
        lambda: story + (f": {_tally(found)}" if wanted.type is None else ""),
        instead,
        _running(view),
    )


def _times(events: Sequence[Event]) -> str:
    return listed([stamp(event["EventTimestamp"]) for event in events])


def _in_order(view: ExecutionView, types: Sequence[str]) -> Claim:
    history = view.history()
    of_type: defaultdict[str, list[Event]] = defaultdict(list)
    for event in history.events:
        of_type[event["EventType"]].append(event)
    break_ = broken(types, lambda name: of_type[name], lambda one, other: _precedes(history, one, other))
    expected = f"in order: {', '.join(types)}"
    if break_ is None:
        return Claim(True, expected, "they come in that order")
    if break_.by_chance:
        return Claim(False, expected, f"{break_.name} comes at the instant of {break_.after}", "", _OPEN, granted=True)
    actual = _actual(history, types)
    instead = call("in_order", *actual) if len(actual) > 1 else f".never.contains({break_.name!r})"
    return Claim(False, expected, _story(history, break_), instead, _running(view))


def _story(history: History, break_: Broken[Event]) -> str:
    if break_.last is None:
        return f"there is no {break_.name}"
    if not break_.instead:
        return f"there is no {break_.name} at all"
    after = f"there is no {break_.name} after {_event(history, break_.last)}"
    return f"{after}\nthe last is {_event(history, break_.instead[-1])}"


def _event(history: History, event: Event) -> str:
    """An event with its operation, unless others like it come at that instant: which is first may be open."""
    about = history.operation_of(event)
    alike = [one for one in Wanted(event["EventType"]).of(history) if one["EventTimestamp"] == event["EventTimestamp"]]
    of = "" if about is None or len(alike) > 1 else f" of {title(history, about)}"
    return f"{event['EventType']}{of} ({stamp(event['EventTimestamp'])})"


def _precedes(history: History, one: Event, other: Event) -> bool | None:
    ours, theirs = history.operation_of(one), history.operation_of(other)
    same_instant = one["EventTimestamp"] == other["EventTimestamp"]
    if ours is not None and theirs is not None and same_instant and side_by_side(history, ours, theirs):
        return None
    return bool(one["EventId"] < other["EventId"])


def _actual(history: History, types: Sequence[str]) -> list[str]:
    """The types in the order of their first events."""
    return list(dict.fromkeys(event["EventType"] for event in history.events if event["EventType"] in types))


def _number(number: int, event_type: str | None) -> str:
    return counted(number, "event") if event_type is None else f"{number} {event_type}"


def _tally(events: Sequence[Event]) -> str:
    """How many of each type, by name: their order may be open."""
    return listed([f"{number} {name}" for name, number in sorted(Counter(e["EventType"] for e in events).items())])


def _no(wanted: Wanted) -> str:
    return f"If that is right, write .never.contains({wanted.type!r}{_options(wanted)})"


def _options(wanted: Wanted) -> str:
    options = {"operation": wanted.operation, "index": wanted.index}
    return "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)


def _running(view: ExecutionView) -> str:
    return ExecutionFacts(view).remedy
