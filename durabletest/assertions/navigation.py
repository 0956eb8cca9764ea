"""The subjects of executions and of single operations, which lead to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from durabletest.assertions.check import CheckContext, Claim, Missing, check, unmet
from durabletest.assertions.operation_checks import (
    OperationChecks,
    OperationFacts,
    find_operation,
    namesakes,
    requested,
    wrong_type,
)
from durabletest.assertions.outcome_checks import ExecutionFacts, OutcomeSubject
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import execution_title, title
from durabletest.model.lookup import why_not_found
from durabletest.model.records import ExecutionStatus, OperationRecord, OperationType

__unittest = True
__tracebackhide__ = True

_NO_CHILD = (
    "Only durable functions run as executions of their own; of plain ones claim .invoked(name, payload) and .result()."
)


class ExecutionSubject(OutcomeSubject[ExecutionFacts]):
    """One execution."""

    def running(self) -> Self:
        """It has not ended, and is not paused."""
        return self._has_status("RUNNING")

    def paused(self) -> Self:
        """It is PAUSED, and has not been resumed yet."""
        return self._has_status("PAUSED")

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
            check(context, Claim(False, "never started", lambda: facts.story, lambda: facts.instead))
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
        return OperationSubject(own_context, _ambiguous(view, path, found))
    missing = Missing(_exists(view, path, index or 0, len(found)))
    subject = OperationSubject(own_context, missing)
    context.test.expect_claim(subject, lambda: check(own_context, missing.claim))
    return subject


def _ambiguous(view: ExecutionView, path: str, found: Sequence[OperationRecord]) -> Ambiguous:
    remedy = f"Say which one, by its path or with index=; or claim it of all: assertOperations(name={path!r}).each"
    return Ambiguous(unmet("a single operation", partial(namesakes, view.history(), found), remedy), path)


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
        story = f"{record.function_name!r} is a plain function: {facts.story}"
        return Missing(unmet("started a child execution", story, _NO_CHILD))
    return facts.view.sibling(record.child_arn)
