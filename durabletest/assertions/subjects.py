"""Executions and operations, which lead to one another."""

from __future__ import annotations

from typing import Self

from durabletest.assertions import operation_claims as claims
from durabletest.assertions.check import About, check
from durabletest.assertions.facts import ExecutionFacts, OperationFacts
from durabletest.assertions.outcome import UNSET
from durabletest.assertions.subject import Missing
from durabletest.assertions.time_checks import TimedOperation, TimedSubject
from durabletest.errors import UsageError
from durabletest.model.enums import OperationType
from durabletest.model.suggest import member
from durabletest.model.titles import title
from durabletest.model.view import ExecutionView, execution_title

__unittest = True
__tracebackhide__ = True


class ExecutionSubject(TimedSubject[ExecutionFacts]):
    """One execution: it ``succeeded``, ``failed``, ``timed_out`` or was ``stopped``, or is still ``running``."""

    def running(self) -> Self:
        """It has not ended."""
        return self._has_status("RUNNING")

    def operation(self, path: str, index: int = 0) -> OperationSubject:
        """Go on to an operation of this execution."""
        view = self._reach(lambda facts: facts.view)
        if isinstance(view, Missing):
            return OperationSubject(self._about, view)
        return operation_subject(self._about, path, index)


class OperationSubject(TimedOperation):
    """One operation. Claims that mean nothing for its type fail, and say of which type it is."""

    def cancelled(self) -> Self:
        """It was CANCELLED."""
        return self._has_status("CANCELLED")

    def started(self) -> Self:
        """It is STARTED: in progress, and neither pending nor ended."""
        return self._has_status("STARTED")

    def pending(self) -> Self:
        """It is PENDING: between two attempts."""
        return self._has_status("PENDING")

    def never_started(self) -> Self:
        """There is no such operation: the workflow never got there."""
        about = self._about
        if about.negated:
            raise UsageError(
                f"{about.title}: .never.never_started() says nothing; leave it out, or write another check"
            )
        about.test.claimed(self)
        if not isinstance(self._facts, Missing):
            check(about, claims.never_started(self._facts))
        return self

    def attempts(self, number: object) -> Self:
        """A step took that many attempts, a running one included; of a ``wait_for_condition``, that many polls."""
        return self._check(lambda facts: claims.attempts(facts, number))

    def of_type(self, type: OperationType | str) -> Self:
        """It is a STEP, WAIT, CALLBACK, CHAINED_INVOKE or CONTEXT."""
        wanted = member(OperationType, type, "operation type")
        return self._check(lambda facts: claims.is_of_type(facts, wanted))

    def inside(self, context: str, index: int | None = None) -> Self:
        """It is inside a context of that name or path, directly or deeper; ``index`` picks one of several."""
        return self._check(lambda facts: claims.is_inside(facts, context, index))

    def callback_id(self, value: object = UNSET) -> Self:
        """A callback was created and has an id, and this one if a value is given."""
        return self._check(lambda facts: claims.has_callback_id(facts, value))

    def heartbeats(self, number: object) -> Self:
        """The callback was sent that many heartbeats; they leave no event, so in the cloud nobody can tell."""
        return self._check(lambda facts: claims.has_heartbeats(facts, number))

    def invoked(self, function_name: object, payload: object = UNSET) -> Self:
        """A chained invoke called this function, by the name that the workflow used, and with this payload."""
        return self._check(lambda facts: claims.has_invoked(facts, function_name, payload))

    def child(self) -> ExecutionSubject:
        """Go on to the execution that a chained invoke has started."""
        found = self._reach(claims.child_of)
        if isinstance(found, Missing):
            return ExecutionSubject(self._about, found)
        return execution_subject(self._about, found)


def execution_subject(about: About, view: ExecutionView) -> ExecutionSubject:
    return ExecutionSubject(about.of(execution_title(view.arn), view), ExecutionFacts(view))


def operation_subject(about: About, path: str, index: int) -> OperationSubject:
    """The operation of that name or path.

    One that does not exist fails with the first check; if no check comes, at the end of the test.
    """
    view = about.view
    where = execution_title(view.arn)
    found, there = claims.found_all(view.history(), path, index)
    if there:
        name = title(view.history(), found[index])
        return OperationSubject(about.of(f"{name} of {where}"), OperationFacts(view, found[index]))
    missing = claims.exists(view, path, index, len(found))
    subject = OperationSubject(about.of(f"{claims.asked(path, index)} of {where}"), Missing(missing))
    about.test.begun(subject, lambda: check(subject._about, missing))
    return subject
