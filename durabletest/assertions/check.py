"""Claims, the one function that checks them, and the base class of all subjects.

A check of a subject is ``self._check(lambda facts: Claim(...))``: negation, ``each`` and ``any``, soft scopes and the
layout of messages come with it.
"""

from __future__ import annotations

import re
import unittest
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Generic, Literal, NoReturn, Self, TypeAlias, TypeVar

from durabletest.assertions.failing import CurrentTest, FailedClaim
from durabletest.errors import UsageError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.records import ErrorDetails
from durabletest.model.times import plain, units_of

__unittest = True
__tracebackhide__ = True

FactsT = TypeVar("FactsT")
OtherT = TypeVar("OtherT")

LazyText: TypeAlias = str | Callable[[], str]
"""A text, or a function that returns it: most claims hold, and their texts are never needed."""


def evaluate(text: LazyText) -> str:
    return text if isinstance(text, str) else text()


@dataclass(frozen=True)
class Claim:
    """One statement about a subject. ``actual`` describes the facts, whether the statement holds or not.

    ``expected`` and ``actual`` may have several lines, which then correspond to each other. ``instead`` is the check
    that would pass, as code; ``remedy`` is advice in a sentence, and takes precedence. ``trace`` is the stack trace of
    the handler's error. A ``precondition`` of a check has to hold even if the check is negated: ``never.attempts(2)``
    still needs a step.
    """

    holds: bool
    expected: LazyText
    actual: LazyText
    instead: LazyText = ""
    remedy: LazyText = ""
    trace: tuple[str, ...] = ()
    precondition: bool = False

    def passes(self, negated: bool) -> bool:
        return self.holds is not (negated and not self.precondition)

    def texts(self) -> tuple[str, str, str, str]:
        """``expected``, ``actual``, ``instead`` and ``remedy``, evaluated."""
        return evaluate(self.expected), evaluate(self.actual), evaluate(self.instead), evaluate(self.remedy)


def unmet(expected: LazyText, actual: LazyText, remedy: LazyText, trace: tuple[str, ...] = ()) -> Claim:
    """A precondition that does not hold."""
    return Claim(False, expected, actual, remedy=remedy, trace=trace, precondition=True)


@dataclass(frozen=True)
class CheckContext:
    """The context that all checks of one subject share.

    ``title`` names the subject in messages, ``view`` is the execution that the report shows, ``note`` is the ``msg`` of
    the assertion. ``negated`` is true between ``never`` and the check after it. ``operation`` is the id of the
    operation that the subject is, if it is one.
    """

    title: str
    view: ExecutionView
    test: CurrentTest
    note: object = None
    negated: bool = False
    operation: str | None = None

    def of(self, title: str, view: ExecutionView | None = None, operation: str | None = None) -> Self:
        """The context of another subject, reached from this one."""
        return replace(self, title=title, view=view or self.view, negated=False, operation=operation)


def check(context: CheckContext, claim: Claim) -> None:
    """Fail the test unless the claim holds; if the subject is negated, unless it does not."""
    if not claim.passes(context.negated):
        context.test.fail(_message(context, claim), context.view, context.note, context.operation)


def _message(context: CheckContext, claim: Claim) -> str:
    expected, actual, instead, remedy = claim.texts()
    negated = context.negated and not claim.precondition
    if negated:
        remedy = "If that is right, take .never away."
    lines = [
        context.title,
        _aligned("Expected: ", "not " * negated + expected),
        _aligned("     but: ", actual),
        remedy or f"If that is right, write {instead}",
    ]
    if claim.trace:
        lines += ["Stack trace:", *(f"  {line}" for entry in claim.trace for line in entry.rstrip().splitlines())]
    return "\n".join(lines)


def _aligned(label: str, text: str) -> str:
    return label + text.replace("\n", "\n" + " " * len(label))


@dataclass(frozen=True)
class Missing:
    """Takes the place of the facts about something that does not exist; ``claim`` is the unmet claim that it does."""

    claim: Claim


@dataclass(frozen=True)
class Members(Generic[FactsT]):
    """Takes the place of the facts about one subject if claims are about each, or any, of several.

    ``facts`` holds the title and the facts of each one. ``remedy`` is the advice if a claim about them fails, ``empty``
    the claim that fails if there are none.
    """

    quantifier: Literal["each", "any"]
    facts: Sequence[tuple[str, FactsT]]
    remedy: str
    empty: Claim

    def judge(self, claim: Callable[[FactsT], Claim], negated: bool) -> Claim:
        """One claim about all of them, with the negation already applied to each.

        Every claim about no members fails: a misspelt name must not make a test pass.
        """
        if not self.facts:
            return self.empty
        claims = [(title, claim(facts)) for title, facts in self.facts]
        failed = [(title, one) for title, one in claims if not one.passes(negated)]
        holds = not failed if self.quantifier == "each" else len(failed) < len(claims)
        shown = failed or claims
        first = shown[0][1]
        prefix = "not " * (negated and not first.precondition)
        return Claim(
            holds,
            lambda: prefix + evaluate(first.expected),
            lambda: self._listed(shown, evaluate(first.expected)),
            remedy=lambda: next(filter(None, (evaluate(one.remedy) for _, one in shown)), self.remedy),
            precondition=True,
        )

    def _listed(self, claims: Sequence[tuple[str, Claim]], expected: str) -> str:
        """The members whose claims failed. The expectation is repeated only where it differs from that of the first."""
        some = "any" if self.quantifier == "any" else len(claims)
        lines = []
        for title, claim in claims:
            own, actual, *_ = claim.texts()
            indented = actual.replace("\n", "\n  ")
            lines.append(f"{title}: {indented}" + ("" if own == expected else f" ({own})"))
        return "\n".join([f"not so for {some} of {len(self.facts)}", *shortened(lines)])


@dataclass(frozen=True, repr=False, eq=False)
class Subject(Generic[FactsT]):
    """The base of everything that claims are about. Each check returns its subject, so that checks can be chained."""

    _context: CheckContext
    _facts: FactsT | Missing | Members[FactsT]

    @property
    def never(self) -> Self:
        """Negates the next check, and only that one: ``.never.failed().attempts(1)``.

        Preconditions are not negated: ``.never.attempts(2)`` still fails if the operation is no step.
        """
        if self._context.negated:
            raise UsageError(f"{self._context.title}: .never.never says nothing; leave both out")
        self._context.test.claimed(self)
        return replace(self, _context=replace(self._context, negated=True))._awaiting_check(".never.failed()")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._context.title}>"

    def _awaiting_check(self, example: str) -> Self:
        """This subject, about which nothing is claimed yet: the test fails if that is still so at its end."""
        title = self._context.title

        def complain() -> None:
            raise UsageError(f"nothing was claimed about {title}: add a check, for example {example}")

        self._context.test.expect_claim(self, complain)
        return self

    def _check(self, claim: Callable[[FactsT], Claim]) -> Self:
        """Check a claim about the facts; every check goes through here."""
        context = self._context
        context.test.claimed(self)
        if isinstance(self._facts, Missing):
            check(context, self._facts.claim)
        elif isinstance(self._facts, Members):
            check(context, self._facts.judge(claim, context.negated))
        else:
            check(context, claim(self._facts))
        return replace(self, _context=replace(context, negated=False)) if context.negated else self

    def _navigate(self, find: Callable[[FactsT], OtherT | Missing]) -> OtherT | Missing:
        """Find the facts for another subject; every navigation goes through here.

        Fails if they are missing. In a soft scope the test goes on, and each check of the other subject fails.
        """
        context = self._context
        if context.negated:
            raise UsageError(f"{context.title}: .never belongs before a check, not before a step to another subject")
        context.test.claimed(self)
        assert not isinstance(self._facts, Members), "each and any have checks only"
        found = self._facts if isinstance(self._facts, Missing) else find(self._facts)
        if isinstance(found, Missing):
            check(context, found.claim)
        return found


def valid_number(check: str, number: object) -> object:
    """The number of things that a check was given, or a matcher for it; a bool, text or negative number is an error."""
    if isinstance(number, bool | str) or (isinstance(number, int) and number < 0):
        raise UsageError(f"{check}({number!r}) is no number of anything: give 0, 1, 2, ...")
    return number


class SoftScope:
    """``with self.softly():`` collects the failures of claims and raises them at its end, numbered, in one error.

    An exception that ends the block early is raised unchanged, with a note that lists the failures so far; a
    ``SkipTest`` does not hide them. A nested scope hands its failures to the outer one.
    """

    def __init__(self, test: CurrentTest) -> None:
        self._test = test
        self._failed: dict[str, FailedClaim] = {}
        test.expect_claim(self, _never_entered)

    def __enter__(self) -> None:
        self._test.claimed(self)
        self._test.collectors.append(self._collect)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._test.collectors.remove(self._collect)
        if not self._failed:
            return
        if exc is not None and not isinstance(exc, unittest.SkipTest):
            exc.add_note(f"\nBefore that, {self._listed()}")
        elif self._test.collectors:
            for failed in self._failed.values():
                self._test.collectors[-1](failed)
        else:
            raise self._test.error(self._listed(), list(self._failed.values())) from None

    def _collect(self, failed: FailedClaim) -> None:
        """Keep a failure, unless one with the same text is there already."""
        self._failed.setdefault(failed.text, failed)

    def _listed(self) -> str:
        entries = [f"{counted(len(self._failed), 'claim')} failed"]
        for number, failed in enumerate(self._failed.values(), 1):
            entries.append(_aligned(f"{number}. ", f"{failed.text}\n(at {failed.location})"))
        return "\n\n".join(entries)


def _never_entered() -> NoReturn:
    raise UsageError("self.softly() was never entered: write with self.softly(): ...")


# --- values, counts and checks as text for messages, the same in every run ---

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST = 2000
_LONGEST_CODE = 60


def show(value: object) -> str:
    """The ``repr``, without memory addresses and freezegun's datetimes. One that raises must not hide the failure."""
    try:
        text = _ADDRESS.sub("", repr(plain(value)))
    except Exception as error:
        return f"<{type(value).__qualname__} whose repr raised {type(error).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


def short_type(recorded: str) -> str:
    """The type of a recorded error without its module, which only some versions of the SDK record."""
    return recorded.rpartition(".")[2]


def brief(error: ErrorDetails) -> str:
    """An error in one line, ``CardDeclined: card expired``."""
    return str(error if error.type is None else replace(error, type=short_type(error.type)))


def counted(number: int, noun: str) -> str:
    """``1 attempt``, ``2 attempts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shortened(texts: Sequence[str], most: int = 20, noun: str = "") -> list[str]:
    """The first ``most`` texts, then ``... and 3 more``, or ``... and 3 more differences`` with a ``noun``."""
    more = len(texts) - most
    if more <= 0:
        return list(texts)
    return [*texts[:most], f"... and {counted(more, f'more {noun}') if noun else f'{more} more'}"]


def listed(texts: Sequence[str]) -> str:
    """``a, b, c``"""
    return ", ".join(shortened(texts, 12))


def call(check: str, *arguments: object) -> str:
    """A check as code, ``.failed('CardDeclined', 'card expired')``; long arguments become ``...``."""
    texts = [show(argument) for argument in arguments]
    while not _fit(texts):
        texts[-1:] = [] if texts[-1] == "..." else ["..."]
    return f".{check}({', '.join(texts)})"


def are_short(*arguments: object) -> bool:
    """Whether none of these becomes ``...`` in the code of a check."""
    return _fit([show(argument) for argument in arguments])


def _fit(texts: Sequence[str]) -> bool:
    return len(", ".join(texts)) <= _LONGEST_CODE


def arguments_of(duration: timedelta) -> str:
    """A duration as the keyword arguments of a check: ``hours=1, minutes=30``."""
    return ", ".join(f"{unit}={number}" for unit, number in units_of(duration).items())
