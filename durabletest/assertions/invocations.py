"""The calls of the handler: how many there were, which of them failed, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from durabletest.assertions.check import About, Claim
from durabletest.assertions.error_pattern import ErrorPattern, ErrorType, Message
from durabletest.assertions.facts import ExecutionFacts, error_check
from durabletest.assertions.several import Quantifier, Several
from durabletest.assertions.subject import Missing, Subject, begun, number_given
from durabletest.assertions.text import brief, call, counted, listed, show
from durabletest.assertions.time_checks import TimedSubject
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.naming import execution_title
from durabletest.model.records import Invocation
from durabletest.model.times import stamp

__unittest = True
__tracebackhide__ = True

_NARROW = "If that is right, claim it of one of them: assertInvocations().invocation(1)"


@dataclass(frozen=True)
class InvocationFacts:
    """One completed call of the handler."""

    view: ExecutionView
    invocation: Invocation

    @property
    def started_at(self) -> datetime:
        return self.invocation.started_at

    @property
    def ended_at(self) -> datetime:
        return self.invocation.ended_at

    @property
    def duration(self) -> timedelta:
        return self.invocation.duration

    @property
    def story(self) -> str:
        error = self.invocation.error
        return f"completed {stamp(self.ended_at)}" if error is None else f"failed with {brief(error)}"

    @property
    def remedy(self) -> str:
        return ""

    @property
    def instead(self) -> str:
        error = self.invocation.error
        return ".never.failed()" if error is None else error_check("failed", error)


class InvocationChecks(TimedSubject[InvocationFacts]):
    """Calls of the handler, once they have ended."""

    def failed(self, error: ErrorType | None = None, message: Message | None = None, *, data: object = None) -> Self:
        """The call itself failed: its process crashed, it timed out, or what it answered was refused.

        A handler that raises ends the execution, and that call of it has not failed: claim ``assertExecution().failed``
        of it. The arguments are those there.
        """
        pattern = ErrorPattern(error, message, data)
        return self._check(lambda facts: _failed(facts, pattern))


class InvocationSubject(InvocationChecks):
    """One call of the handler."""


class EachInvocation(InvocationChecks):
    """Each of several calls, or any one of them: a check holds if it holds of each or of any."""


class InvocationsSubject(Subject[ExecutionView]):
    """All completed calls of the handler, crashed ones included."""

    @property
    def each(self) -> EachInvocation:
        """Every check that follows has to hold of each of them."""
        return self._some(Quantifier.EACH)

    @property
    def any(self) -> EachInvocation:
        """Every check that follows has to hold of one of them at least, not always of the same."""
        return self._some(Quantifier.ANY)

    def count(self, number: object) -> Self:
        """The handler was called that many times."""
        wanted = number_given("count", number)
        return self._check(lambda view: _count(view, wanted))

    def invocation(self, number: int) -> InvocationSubject:
        """Go on to one of them, counted from 1."""
        if not isinstance(number, int) or isinstance(number, bool):
            raise UsageError(f"invocation({number!r}): give the number of one, counted from 1")
        found = self._reach(lambda view: _find(view, number))
        name = f"invocation {number} of {execution_title(self._about.view.arn)}"
        facts = found if isinstance(found, Missing) else InvocationFacts(self._about.view, found)
        return begun(InvocationSubject(self._about.of(name), facts), "a check, for example .took(seconds=0)")

    def _some(self, quantifier: Quantifier) -> EachInvocation:
        view = self._about.view
        self._reach(lambda facts: facts)
        members = [(_name(one), InvocationFacts(view, one)) for one in view.history().invocations]
        none = Claim(False, "at least one invocation", "none has completed", remedy=_running(view), granted=True)
        about = self._about.of(f"{quantifier.value} of the {self._about.title}")
        subject = EachInvocation(about, Several(quantifier, members, _NARROW, none))
        return begun(subject, "a check, for example .never.failed()")


def invocations_subject(about: About, view: ExecutionView) -> InvocationsSubject:
    subject = InvocationsSubject(about.of(f"invocations of {execution_title(view.arn)}", view), view)
    return begun(subject, "a check, for example .count(2)")


def _failed(facts: InvocationFacts, pattern: ErrorPattern) -> Claim:
    error = facts.invocation.error
    holds = error is not None and pattern.matches(error)
    trace = () if error is None else error.stack_trace
    return Claim(holds, f"failed{pattern}", facts.story + pattern.details(error), facts.instead, trace=trace)


def _count(view: ExecutionView, number: object) -> Claim:
    calls = view.history().invocations
    expected = counted(number, "invocation") if isinstance(number, int) else f"count == {show(number)}"
    return Claim(
        bool(number == len(calls)),
        expected,
        lambda: f"{counted(len(calls), 'invocation')}, started {_starts(calls)}" if calls else "none has completed",
        call("count", len(calls)),
        _running(view),
    )


def _find(view: ExecutionView, number: int) -> Invocation | Missing:
    calls = view.history().invocations
    if 1 <= number <= len(calls):
        return calls[number - 1]
    story = f"there are {len(calls)}, counted from 1"
    return Missing(Claim(False, "exists", story, remedy=_running(view) or _choose(len(calls)), granted=True))


def _choose(number: int) -> str:
    return f"Choose one from 1 to {number}."


def _starts(calls: Sequence[Invocation]) -> str:
    return listed([stamp(one.started_at).removesuffix(" UTC") for one in calls])


def _running(view: ExecutionView) -> str:
    return ExecutionFacts(view).remedy


def _name(invocation: Invocation) -> str:
    return f"invocation {invocation.index}"
