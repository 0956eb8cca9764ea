"""Checks of the invocations of the handler: their number, which of them failed, and how long they took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

from durabletest.assertions.check import Claim, Members, Missing, Subject, brief, counted, listed, unmet, valid_number
from durabletest.assertions.compare import counts
from durabletest.assertions.outcome_checks import ErrorPattern, ErrorType, ExecutionFacts, Message, error_check
from durabletest.assertions.time_checks import TimedSubject
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import execution_title
from durabletest.model.records import Invocation
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True


@dataclass(frozen=True)
class InvocationFacts:
    """The facts about one invocation, which has ended."""

    view: ExecutionView
    record: Invocation
    remedy: str = ""

    @property
    def story(self) -> str:
        error = self.record.error
        return f"completed {stamp(self.record.ended_at)}" if error is None else f"failed with {brief(error)}"

    @property
    def instead(self) -> str:
        return ".never.failed()" if self.record.error is None else error_check("failed", self.record.error)


class InvocationChecks(TimedSubject[InvocationFacts]):
    """One invocation of the handler, or each or any of several."""

    def failed(self, error: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """The invocation itself failed: its process crashed, it timed out, or its response was rejected.

        A handler that raises an exception ends the execution and not the invocation: use ``assertExecution().failed``
        for that. The arguments are as there.
        """
        pattern = ErrorPattern(error, message, data)
        return self._check(lambda facts: _failed(facts, pattern))


class InvocationSubject(InvocationChecks):
    """One invocation of the handler."""


class EachInvocation(InvocationChecks):
    """Each of several invocations, or any of them."""


class InvocationsSubject(Subject[ExecutionView]):
    """All completed invocations of the handler, including those that crashed."""

    @property
    def each(self) -> EachInvocation:
        """Each check that follows has to hold for every one of them. With no invocations it fails."""
        return self._members("each")

    @property
    def any(self) -> EachInvocation:
        """Each check that follows has to hold for at least one of them, not always the same. With none it fails."""
        return self._members("any")

    def count(self, number: object) -> Self:
        """The handler was invoked this many times."""
        expected = valid_number("count", number)
        return self._check(lambda view: _count(view, expected))

    def invocation(self, number: int) -> InvocationSubject:
        """Go on to one invocation, counted from 1."""
        if not isinstance(number, int) or isinstance(number, bool):
            raise UsageError(f"invocation({number!r}): give the number of one, counted from 1")
        view = self._context.view
        facts = self._navigate(lambda view: _find(view, number))
        context = self._context.of(f"invocation {number} of {execution_title(view.arn)}")
        return InvocationSubject(context, facts)._awaiting_check(".took(seconds=0)")

    def _members(self, quantifier: Literal["each", "any"]) -> EachInvocation:
        view = self._context.view
        self._navigate(lambda view: view)
        members = Members(
            quantifier,
            [(f"invocation {one.index}", InvocationFacts(view, one)) for one in view.history().invocations],
            "If that is right, claim it of one of them: assertInvocations().invocation(1)",
            empty=unmet("at least one invocation", "none has completed", ExecutionFacts(view).remedy),
        )
        context = self._context.of(f"{quantifier} of the {self._context.title}")
        return EachInvocation(context, members)._awaiting_check(".never.failed()")


def _failed(facts: InvocationFacts, pattern: ErrorPattern) -> Claim:
    error = facts.record.error
    holds = error is not None and pattern.matches(error)
    trace = () if error is None else error.stack_trace
    return Claim(holds, f"failed{pattern}", facts.story + pattern.details(error), facts.instead, trace=trace)


def _count(view: ExecutionView, expected: object) -> Claim:
    invocations = view.history().invocations

    def story() -> str:
        if not invocations:
            return "none has completed"
        starts = listed([stamp(one.started_at).removesuffix(" UTC") for one in invocations])
        return f"{counted(len(invocations), 'invocation')}, started {starts}"

    return counts("count", "invocation", expected, len(invocations), story, ExecutionFacts(view).remedy)


def _find(view: ExecutionView, number: int) -> InvocationFacts | Missing:
    invocations = view.history().invocations
    if 1 <= number <= len(invocations):
        return InvocationFacts(view, invocations[number - 1])
    remedy = ExecutionFacts(view).remedy or f"Choose one from 1 to {len(invocations)}."
    return Missing(unmet("exists", f"there are {len(invocations)}, counted from 1", remedy))
