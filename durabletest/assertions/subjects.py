"""Executions and operations, which lead to one another."""

from __future__ import annotations

from typing import Self

from durabletest.assertions import operation_claims as claims
from durabletest.assertions.check import About, check
from durabletest.assertions.facts import ExecutionFacts, OperationFacts
from durabletest.assertions.operation_checks import OperationChecks
from durabletest.assertions.outcome import OutcomeSubject
from durabletest.assertions.subject import Missing
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.naming import execution_title, title

__unittest = True
__tracebackhide__ = True


class ExecutionSubject(OutcomeSubject[ExecutionFacts]):
    """One execution: it ``succeeded``, ``failed``, ``timed_out`` or was ``stopped``, or is still ``running``."""

    def running(self) -> Self:
        """It has not ended."""
        return self._has_status("RUNNING")

    def operation(self, path: str, index: int | None = None) -> OperationSubject:
        """Go on to an operation of this execution; of several by that name or path, ``index`` says which."""
        view = self._reach(lambda facts: facts.view)
        if isinstance(view, Missing):
            return OperationSubject(self._about, view)
        return operation_subject(self._about, path, index)


class OperationSubject(OperationChecks):
    """One operation."""

    def never_started(self) -> Self:
        """There is no such operation: the workflow never got there."""
        about = self._about
        if about.negated:
            raise UsageError(
                f"{about.title}: .never.never_started() says nothing; leave it out, or write another check"
            )
        about.test.claimed(self)
        if isinstance(self._facts, OperationFacts | claims.Ambiguous):
            check(about, claims.never_started(self._facts))
        return self

    def child(self) -> ExecutionSubject:
        """Go on to the execution that a chained invoke has started."""
        found = self._reach(claims.child_of)
        if isinstance(found, Missing):
            return ExecutionSubject(self._about, found)
        return execution_subject(self._about, found)


def execution_subject(about: About, view: ExecutionView) -> ExecutionSubject:
    return ExecutionSubject(about.of(execution_title(view.arn), view), ExecutionFacts(view))


def operation_subject(about: About, path: str, index: int | None) -> OperationSubject:
    """The operation of that name or path.

    One that does not exist fails with the first check; if no check comes, at the end of the test. So does one of
    several, with the first check: which of them it is about would be a guess.
    """
    view = about.view
    where = execution_title(view.arn)
    found, there = claims.found_all(view.history(), path, index)
    if there is not None:
        spoken_of = about.of(f"{title(view.history(), there)} of {where}", operation=there.id)
        return OperationSubject(spoken_of, OperationFacts(view, there))
    missing = claims.not_one(view, path, index, found)
    subject = OperationSubject(about.of(f"{claims.asked(path, index)} of {where}"), missing)
    if not isinstance(missing, claims.Ambiguous):
        about.test.begun(subject, lambda: check(subject._about, missing.claim))
    return subject
