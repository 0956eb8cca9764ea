"""A set of operations: how many there are, in which order, and what holds of each or of any of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

from durabletest.assertions.check import About, Claim
from durabletest.assertions.facts import ExecutionFacts, OperationFacts
from durabletest.assertions.operation_checks import OperationChecks
from durabletest.assertions.order import started_before
from durabletest.assertions.sequence import Broken, broken
from durabletest.assertions.several import Quantifier, Several
from durabletest.assertions.subject import Subject, begun, number_given
from durabletest.assertions.text import call, counted, listed, show
from durabletest.errors import UsageError
from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.model.lookup import closest, member
from durabletest.model.naming import execution_title, title
from durabletest.model.records import OperationRecord
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True

_NARROW = "If that is right, claim it of others: assertOperations(name=, status=, type=)"
_WIDEN = "Ask for operations that exist: assertOperations(name=, status=, type=)"
_OPEN = "They are in parallel branches: which comes first at one instant is open, so claim nothing of it."


@dataclass(frozen=True)
class Filter:
    """Which operations are meant: those of a name or path, a status, a type; ``None`` is all."""

    name: str | None = None
    status: OperationStatus | None = None
    type: OperationType | None = None

    @classmethod
    def given(cls, name: str | None, status: str | None, type: str | None) -> Filter:
        return cls(
            name,
            None if status is None else member(OperationStatus, status, "operation status"),
            None if type is None else member(OperationType, type, "operation type"),
        )

    def __str__(self) -> str:
        named = "" if self.name is None else f" named {self.name!r}"
        parts = {"status": self.status, "type": self.type}
        others = " and ".join(f"{key} {value}" for key, value in parts.items() if value is not None)
        return named + (f" with {others}" if others else "")

    def matches(self, facts: OperationFacts) -> bool:
        status_fits = self.status is None or facts.has(self.status)
        return status_fits and (self.type is None or facts.record.type is self.type)


@dataclass(frozen=True)
class OperationsFacts:
    """The operations that a filter lets through, as they are at this moment."""

    view: ExecutionView
    filter: Filter = field(default_factory=Filter)

    @property
    def all(self) -> list[OperationFacts]:
        history, name = self.view.history(), self.filter.name
        records = history.operations if name is None else history.find_all(name)
        return [facts for record in records if self.filter.matches(facts := OperationFacts(self.view, record))]

    def titles(self) -> list[str]:
        return sorted(title(self.view.history(), facts.record) for facts in self.all)

    def by_name(self) -> Callable[[str], list[OperationRecord]]:
        """Gives those of a name or path."""
        history, chosen = self.view.history(), {facts.record.id for facts in self.all}
        return lambda name: [record for record in history.find_all(name) if record.id in chosen]

    def near(self, name: str | None) -> str:
        """The name that was most likely meant, where none has this one."""
        history = self.view.history()
        if name is None or history.find_all(name):
            return ""
        near = closest(history, name)
        return f"; did you mean {near!r}?" if near else "; no operation has that name"


class EachOperation(OperationChecks):
    """Each of several operations, or any one of them: a check holds if it holds of each or of any."""


class OperationsSubject(Subject[OperationsFacts]):
    """Several operations."""

    @property
    def each(self) -> EachOperation:
        """Every check that follows has to hold of each of them; of no operation nothing can be claimed."""
        return self._some(Quantifier.EACH)

    @property
    def any(self) -> EachOperation:
        """Every check that follows has to hold of one of them at least, not always of the same."""
        return self._some(Quantifier.ANY)

    def count(self, number: object) -> Self:
        """There are that many."""
        wanted = number_given("count", number)
        return self._check(lambda facts: _count(facts, wanted))

    def in_order(self, *names: str) -> Self:
        """Operations of these names or paths are among them, and started one after the other.

        Others may have started in between. In parallel branches nothing can be claimed of one instant.
        """
        if len(names) < 2:
            raise UsageError(f"in_order({', '.join(map(repr, names))}) orders nothing; give at least two names")
        return self._check(lambda facts: _in_order(facts, names))

    def _some(self, quantifier: Quantifier) -> EachOperation:
        facts = self._reach(lambda facts: facts)
        assert isinstance(facts, OperationsFacts), "a set always exists, be it empty"
        members = [(title(facts.view.history(), one.record), one) for one in _canonical(facts)]
        none = Claim(
            False,
            "at least one operation",
            lambda: f"there is none{facts.near(facts.filter.name)}",
            remedy=_WIDEN,
            granted=True,
        )
        about = self._about.of(f"{quantifier.value} of the {self._about.title}")
        subject = EachOperation(about, Several(quantifier, members, _NARROW, none))
        return begun(subject, "a check, for example .succeeded()")


def operations_subject(about: About, view: ExecutionView, chosen: Filter) -> OperationsSubject:
    facts = OperationsFacts(view, chosen)
    subject = OperationsSubject(about.of(f"operations{chosen} of {execution_title(view.arn)}", view), facts)
    return begun(subject, "a check, for example .count(2) or .each.succeeded()")


def _canonical(facts: OperationsFacts) -> list[OperationFacts]:
    """In an order that does not depend on which of two parallel branches came first."""
    history = facts.view.history()
    return sorted(facts.all, key=lambda one: (one.record.started_at, title(history, one.record)))


def _count(facts: OperationsFacts, number: object) -> Claim:
    actual = len(facts.all)
    expected = counted(number, "operation") if isinstance(number, int) else f"count == {show(number)}"
    remedy = ExecutionFacts(facts.view).remedy

    def story() -> str:
        if not actual:
            return f"none{facts.near(facts.filter.name)}"
        return f"{counted(actual, 'operation')}: {listed(facts.titles())}"

    return Claim(bool(number == actual), expected, story, call("count", actual), remedy)


def _in_order(facts: OperationsFacts, names: Sequence[str]) -> Claim:
    history = facts.view.history()
    break_ = broken(names, facts.by_name(), lambda one, other: started_before(history, one, other))
    expected = lambda: f"in order: {', '.join(map(repr, names))}"  # noqa: E731
    if break_ is None:
        return Claim(True, expected, "they started in that order")
    if not break_.instead:
        story = f"{break_.name!r} is not among them{facts.near(break_.name)}"
        return Claim(False, expected, story, remedy=f"There are {listed(facts.titles())}", granted=True)
    story = _story(break_)
    if break_.by_chance:
        return Claim(False, expected, story, remedy=_OPEN, granted=True)
    actual = _actual_order(facts, names)
    if len(actual) < 2:
        return Claim(False, expected, story, call("count", len(facts.all)))
    return Claim(False, expected, story, call("in_order", *actual))


def _story(break_: Broken[OperationRecord]) -> str:
    """By the names that were given: several operations may have one, and which of them came first may be open."""
    assert break_.last is not None, "the first name only has to exist"
    if break_.instead[-1] is break_.last:
        return f"there is no further {break_.name!r}"
    other = f"{break_.after!r} started {stamp(break_.last.started_at)}"
    return f"{break_.name!r} started {stamp(break_.instead[-1].started_at)}\n{other}"


def _actual_order(facts: OperationsFacts, names: Sequence[str]) -> list[str]:
    """The names in the order in which their first operations started."""
    order = {record.id: place for place, record in enumerate(facts.view.history().operations)}
    named = facts.by_name()
    firsts = {name: found[0].id for name in dict.fromkeys(names) if (found := named(name))}
    return sorted(firsts, key=lambda name: order[firsts[name]])
