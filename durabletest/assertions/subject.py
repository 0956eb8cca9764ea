"""What all subjects have in common: claims are made about facts, one at a time, and can be negated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from durabletest.assertions.check import About, Claim, check
from durabletest.assertions.several import Several
from durabletest.errors import UsageError

__unittest = True
__tracebackhide__ = True

FactsT = TypeVar("FactsT")
OtherT = TypeVar("OtherT")


@dataclass(frozen=True)
class Missing:
    """Stands for the facts of something that does not exist; ``claim`` is that it does."""

    claim: Claim


@dataclass(frozen=True, repr=False, eq=False)
class Subject(Generic[FactsT]):
    """Something to make claims about. Each check returns the subject, so that claims can be chained."""

    _about: About
    _facts: FactsT | Missing | Several[FactsT]

    @property
    def never(self) -> Self:
        """The opposite of the next check, and of that one only: ``.never.failed().attempts(1)``.

        What a check takes for granted it still does: ``never.attempts(2)`` is about a step.
        """
        if self._about.negated:
            raise UsageError(f"{self._about.title}: .never.never says nothing; leave both out")
        self._about.test.claimed(self)
        return begun(replace(self, _about=replace(self._about, negated=True)), "a check, for example .never.failed()")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._about.title}>"

    def _check(self, claim: Callable[[FactsT], Claim]) -> Self:
        """Every check goes through here."""
        about = self._about
        about.test.claimed(self)
        check(about, self._judged(claim))
        return replace(self, _about=replace(about, negated=False)) if about.negated else self

    def _judged(self, claim: Callable[[FactsT], Claim]) -> Claim:
        if isinstance(self._facts, Missing):
            return self._facts.claim
        if isinstance(self._facts, Several):
            return self._facts.judge(claim, self._about.negated)
        return claim(self._facts)

    def _reach(self, find: Callable[[FactsT], OtherT | Missing]) -> OtherT | Missing:
        """Every navigation goes through here; what does not exist fails, and softly is all that follows lost."""
        about = self._about
        if about.negated:
            raise UsageError(f"{about.title}: .never belongs before a check, not before a step to another subject")
        about.test.claimed(self)
        assert not isinstance(self._facts, Several), "each and any have checks only"
        found = self._facts if isinstance(self._facts, Missing) else find(self._facts)
        if isinstance(found, Missing):
            check(about, found.claim)
        return found


def number_given(check: str, number: object) -> object:
    """How many a check was given: a number, or a matcher for one. True is a number to Python, and a slip here."""
    if isinstance(number, bool) or (isinstance(number, int) and number < 0):
        raise UsageError(f"{check}({number!r}) is no number of anything: give 0, 1, 2, ...")
    return number


SubjectT = TypeVar("SubjectT", bound=Subject)  # type: ignore[type-arg]


def begun(subject: SubjectT, missing: str) -> SubjectT:
    """A subject that claims nothing as it stands: the test is told if it stays so."""
    about = subject._about

    def complain() -> None:
        raise UsageError(f"nothing was claimed about {about.title}: add {missing}")

    about.test.begun(subject, complain)
    return subject
