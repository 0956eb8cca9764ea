"""The one function through which every check goes: it decides, words the failure, and has it raised."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, TypeAlias

from durabletest.assertions.current import CurrentTest
from durabletest.model.execution_view import ExecutionView

__unittest = True
__tracebackhide__ = True


@dataclass(frozen=True)
class About:
    """What all checks of one subject share: its name, the run to show, and the test in whose name it is spoken.

    ``negated`` turns the next claim into its opposite; ``note`` is the ``msg`` of the test's author; ``operation`` is
    the id of the operation that is spoken of.
    """

    title: str
    view: ExecutionView
    test: CurrentTest
    note: object = None
    negated: bool = False
    operation: str | None = None

    def of(self, title: str, view: ExecutionView | None = None, operation: str | None = None) -> Self:
        """The same for another subject, which was reached from this one."""
        return replace(self, title=title, view=view or self.view, negated=False, operation=operation)


Text: TypeAlias = str | Callable[[], str]
"""A text, or what makes it: most claims hold, and then nobody reads it."""


class Told(NamedTuple):
    """The texts of a claim, made."""

    expected: str
    actual: str
    instead: str
    remedy: str


@dataclass(frozen=True)
class Claim:
    """One statement about a subject. ``actual`` says what is, whether the statement holds or not.

    ``expected`` and ``actual`` may have several lines, which then belong together one by one. ``instead`` is the check
    that would hold, ``remedy`` whatever else there is to do; one of them is given. ``trace`` is the stack trace of the
    user's error. With ``granted`` the statement is what a check takes for granted, so that its negation wants it too.
    """

    holds: bool
    expected: Text
    actual: Text
    instead: Text = ""
    remedy: Text = ""
    trace: tuple[str, ...] = ()
    granted: bool = False

    def told(self) -> Told:
        """The claim in words, for a message."""
        return Told(*map(text_of, (self.expected, self.actual, self.instead, self.remedy)))


def text_of(text: Text) -> str:
    """The text, made if it was not yet."""
    return text if isinstance(text, str) else text()


def check(about: About, claim: Claim) -> None:
    """Fail unless the claim holds, or if it does where the subject is negated."""
    negated = about.negated and not claim.granted
    if claim.holds is negated:
        about.test.fail(_message(about, claim, negated), about.view, about.note, about.operation)


def _message(about: About, claim: Claim, negated: bool) -> str:
    told = claim.told()
    parts = [
        about.title,
        _aligned("Expected: ", "not " * negated + told.expected),
        _aligned("     but: ", told.actual),
        _remedy(told, negated),
    ]
    if claim.trace:
        parts.extend(["Stack trace:", *_indented(claim.trace)])
    return "\n".join(parts)


def _remedy(told: Told, negated: bool) -> str:
    if negated:
        return "If that is right, take .never away."
    return told.remedy or f"If that is right, write {told.instead}"


def _aligned(label: str, text: str) -> str:
    return label + text.replace("\n", "\n" + " " * len(label))


def _indented(trace: Iterable[str]) -> Iterable[str]:
    return (f"  {line}" for entry in trace for line in entry.rstrip().splitlines())
