"""The subjects of executions, of single operations, which lead to each other, and of several operations at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Literal, Self

from durabletest.assertions.check import (
    CheckContext,
    Claim,
    Members,
    Missing,
    Subject,
    call,
    check,
    counted,
    listed,
    unmet,
    valid_number,
)
from durabletest.assertions.compare import counts
from durabletest.assertions.operation_checks import (
    OperationChecks,
    OperationFacts,
    find_operation,
    namesakes,
    requested,
    wrong_type,
)
from durabletest.assertions.outcome_checks import ExecutionFacts, OutcomeSubject, billed
from durabletest.assertions.time_checks import UNDECIDED, OrderBreak, first_break, started_before
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import execution_title, title
from durabletest.model.lookup import closest, did_you_mean, member, why_not_found
from durabletest.model.records import ExecutionStatus, OperationRecord, OperationStatus, OperationType
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True

_NO_CHILD = (
    "Only durable functions run as executions of their own; of others claim .invoked(name, payload) and .result()."
)


class ExecutionSubject(OutcomeSubject[ExecutionFacts]):
    """One execution."""

    def running(self) -> Self:
        """It has not ended, and is not paused."""
        return self._has_status("RUNNING")

    def paused(self) -> Self:
        """It is PAUSED, and has not been resumed yet."""
        return self._has_status("PAUSED")

    def operations_billed(self, number: object = None, *, at_most: int | None = None) -> Self:
        """The service bills this many durable operations, or at most this many; see ``TestResult.cost``.

        Executions that it has invoked are billed separately.
        """
        if (number is None) is (at_most is None):
            raise UsageError("operations_billed() compares with a number: write operations_billed(18) or at_most=18")
        expected = valid_number("operations_billed", at_most if number is None else number)
        return self._check(lambda facts: billed(facts, expected, at_most=number is None))

    def operation(self, path: str, index: int | None = None) -> OperationSubject:
        """Go on to the operation of this name or path; of several, ``index`` selects one, counted from 0."""
        view = self._navigate(lambda facts: facts.view)
        if isinstance(view, Missing):
            return OperationSubject(self._context, view)
        return operation_subject(self._context, path, index)


class OperationSubject(OperationChecks):
    """One operation."""

    def never_started(self) -> Self:
        """The workflow never started an operation of this name or path."""
        context = self._context
        if context.negated:
            raise UsageError(
                f"{context.title}: .never.never_started() says nothing; leave it out, or write another check"
            )
        context.test.claimed(self)
        facts = self._facts
        if isinstance(facts, OperationFacts):
            subject = f"assertOperation({facts.view.history().path_of(facts.record)!r})"
            check(context, Claim(False, "never started", lambda: facts.story, lambda: subject + facts.instead))
        elif isinstance(facts, Ambiguous):
            remedy = f"If that is right, claim something of them: assertOperations(name={facts.path!r})"
            check(context, Claim(False, "never started", facts.claim.actual, remedy=remedy))
        return self

    def child(self) -> ExecutionSubject:
        """Go on to the child execution that a chained invoke started."""
        found = self._navigate(_child_of)
        if isinstance(found, Missing):
            return ExecutionSubject(self._context, found)
        return execution_subject(self._context, found)


@dataclass(frozen=True)
class Ambiguous(Missing):
    """Takes the place of the facts about an operation if several have its path."""

    path: str


def execution_subject(context: CheckContext, view: ExecutionView) -> ExecutionSubject:
    return ExecutionSubject(context.of(execution_title(view.arn), view), ExecutionFacts(view))


def operation_subject(context: CheckContext, path: str, index: int | None) -> OperationSubject:
    """The operation of this name or path.

    If there is none, the first check fails or, without a check, the end of the test. If there are several and no
    ``index``, the first check fails.
    """
    view = context.view
    history, execution = view.history(), execution_title(view.arn)
    found, record = find_operation(history, path, index)
    if record is not None:
        own_context = context.of(f"{title(history, record)} of {execution}", operation=record.id)
        return OperationSubject(own_context, OperationFacts(view, record))
    own_context = context.of(f"{requested(path, index)} of {execution}")
    if index is None and found:
        remedy = f"Say which one, by its path or with index=; or claim it of all: assertOperations(name={path!r}).each"
        several = unmet("a single operation", partial(namesakes, history, found), remedy)
        return OperationSubject(own_context, Ambiguous(several, path))
    missing = Missing(_exists(view, path, index or 0, len(found)))
    subject = OperationSubject(own_context, missing)
    context.test.expect_claim(subject, lambda: check(own_context, missing.claim))
    return subject


def _exists(view: ExecutionView, path: str, index: int, found: int) -> Claim:
    """The unmet claim that the operation exists, with the failure of the execution as the likeliest reason."""
    execution = ExecutionFacts(view)
    error = execution.record.error
    succeeded = execution.record.status is ExecutionStatus.SUCCEEDED
    reason = "" if succeeded else f"The execution is {execution.story}\n"
    remedy = execution.remedy or "If that is right, write .never_started()"

    def story() -> str:
        if view.history().get(path, index) is not None:  # the claim may be checked as late as at the end of the test
            return "it had not started when it was asked for"
        return why_not_found(view.history(), path, index, found)

    return unmet("exists", story, reason + remedy, error.stack_trace if error else ())


def _child_of(facts: OperationFacts) -> ExecutionView | Missing:
    record = facts.record
    if record.type is not OperationType.CHAINED_INVOKE:
        return Missing(wrong_type(facts, "a CHAINED_INVOKE, which starts a child execution"))
    if record.child_arn is None:
        story = f"{record.function_name!r} is a plain function, or a stub: {facts.story}"
        return Missing(unmet("started a child execution", story, _NO_CHILD))
    return facts.view.sibling(record.child_arn)


class EachOperation(OperationChecks):
    """Each of several operations, or any of them."""


@dataclass(frozen=True)
class OperationFilter:
    """Selects operations by name or path, status and type; ``None`` selects all."""

    name: str | None = None
    status: OperationStatus | None = None
    type: OperationType | None = None

    @classmethod
    def given(cls, name: str | None, status: str | None, type: str | None) -> OperationFilter:
        return cls(
            name,
            None if status is None else member(OperationStatus, status, "operation status"),
            None if type is None else member(OperationType, type, "operation type"),
        )

    def __str__(self) -> str:
        """For the end of a sentence: `` named 'charge' with status FAILED``."""
        named = "" if self.name is None else f" named {self.name!r}"
        parts = {"status": self.status, "type": self.type}
        others = " and ".join(f"{key} {value}" for key, value in parts.items() if value is not None)
        return named + (f" with {others}" if others else "")


@dataclass(frozen=True)
class OperationSetFacts:
    """The facts about the operations that a filter selects, at the moment of a check."""

    view: ExecutionView
    filter: OperationFilter = field(default_factory=OperationFilter)

    @property
    def all(self) -> list[OperationFacts]:
        history, chosen = self.view.history(), self.filter
        records = history.operations if chosen.name is None else history.find_all(chosen.name)
        operations = [OperationFacts(self.view, record) for record in records]
        return [
            operation
            for operation in operations
            if (chosen.status is None or operation.has(chosen.status))
            and (chosen.type is None or operation.record.type is chosen.type)
        ]

    def titles(self) -> list[str]:
        return sorted(title(self.view.history(), facts.record) for facts in self.all)

    def by_name(self) -> Callable[[str], list[OperationRecord]]:
        """A function that returns those of a name or path; the filter is applied only once."""
        history, selected = self.view.history(), {facts.record.id for facts in self.all}
        return cache(lambda name: [record for record in history.find_all(name) if record.id in selected])

    def suggestion(self, name: str | None) -> str:
        """``; did you mean 'charge'?`` for a name that no operation has."""
        history = self.view.history()
        if name is None or history.find_all(name):
            return ""
        return did_you_mean(closest(history, name)) or "; no operation has that name"


class OperationsSubject(Subject[OperationSetFacts]):
    """Several operations: all of an execution, or those of a name or path, status and type."""

    @property
    def each(self) -> EachOperation:
        """Each check that follows has to hold for every one of them. With no operations it fails."""
        return self._members("each")

    @property
    def any(self) -> EachOperation:
        """Each check that follows has to hold for at least one of them, not always the same. With none it fails."""
        return self._members("any")

    def count(self, number: object) -> Self:
        """There are this many of them."""
        expected = valid_number("count", number)
        return self._check(lambda facts: _count(facts, expected))

    def in_order(self, *names: str) -> Self:
        """Operations of these names or paths started one after the other, possibly with others in between.

        The order of parallel branches at the same instant is undecided, and a claim about it fails.
        """
        if len(names) < 2:
            given = ", ".join(map(repr, names))
            raise UsageError(f"in_order({given}) orders nothing; give at least two names, in_order('charge', 'ship')")
        return self._check(lambda facts: _in_order(facts, names))

    def _members(self, quantifier: Literal["each", "any"]) -> EachOperation:
        facts = self._navigate(lambda facts: facts)
        assert isinstance(facts, OperationSetFacts), "a set always exists, even an empty one"
        history = facts.view.history()
        titled = [(title(history, operation.record), operation) for operation in facts.all]
        # by time and title, which do not depend on the order in which parallel branches are recorded
        titled.sort(key=lambda pair: (pair[1].record.started_at, pair[0]))
        members = Members(
            quantifier,
            titled,
            "If that is right, claim it of others: assertOperations(name=, status=, type=)",
            empty=unmet(
                "at least one operation",
                lambda: f"there is none{facts.suggestion(facts.filter.name)}",
                "Ask for operations that exist: assertOperations(name=, status=, type=)",
            ),
        )
        context = self._context.of(f"{quantifier} of the {self._context.title}")
        return EachOperation(context, members)._awaiting_check(".succeeded()")


def _count(facts: OperationSetFacts, expected: object) -> Claim:
    actual = len(facts.all)

    def story() -> str:
        if not actual:
            return f"none{facts.suggestion(facts.filter.name)}"
        return f"{counted(actual, 'operation')}: {listed(facts.titles())}"

    return counts("count", "operation", expected, actual, story, ExecutionFacts(facts.view).remedy)


def _in_order(facts: OperationSetFacts, names: Sequence[str]) -> Claim:
    history = facts.view.history()
    found = first_break(names, facts.by_name(), lambda one, other: started_before(history, one, other))
    expected = lambda: f"in order: {', '.join(map(repr, names))}"  # noqa: E731
    if found is None:
        return Claim(True, expected, "they started in that order")
    if not found.candidates:
        story = f"{found.name!r} is not among them{facts.suggestion(found.name)}"
        return unmet(expected, story, f"There are {listed(facts.titles())}")
    story = _break_story(found)
    if found.undecided:
        return unmet(expected, story, UNDECIDED)
    actual = _actual_order(facts, names)
    instead = call("in_order", *actual) if len(actual) > 1 else call("count", len(facts.all))
    return Claim(False, expected, story, instead)


def _break_story(found: OrderBreak[OperationRecord]) -> str:
    """Operations are named as in the check: which of several of one name came first may be undecided."""
    assert found.last is not None, "the first name only has to exist"
    if found.candidates[-1] is found.last:
        return f"there is no further {found.name!r}"
    other = f"{found.after!r} started {stamp(found.last.started_at)}"
    return f"{found.name!r} started {stamp(found.candidates[-1].started_at)}\n{other}"


def _actual_order(facts: OperationSetFacts, names: Sequence[str]) -> list[str]:
    """The names in the order in which the first operation of each started."""
    position = {record.id: number for number, record in enumerate(facts.view.history().operations)}
    named = facts.by_name()
    firsts = {name: position[found[0].id] for name in dict.fromkeys(names) if (found := named(name))}
    return sorted(firsts, key=firsts.__getitem__)
