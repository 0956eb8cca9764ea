"""One claim about several things at once: about each of them, or about any one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from durabletest.assertions.check import Claim, text_of

__unittest = True
__tracebackhide__ = True

FactsT = TypeVar("FactsT")

_SHOWN = 20


class Quantifier(Enum):
    """Of how many of them a claim has to hold."""

    EACH = "each"
    ANY = "any"


@dataclass(frozen=True)
class Verdict:
    """What a claim says of one of them; ``title`` is its name among the others."""

    title: str
    claim: Claim
    holds: bool

    def line(self, expected: str) -> str:
        """Its part of the message; what is expected is repeated only where it is not the same for all."""
        told = self.claim.told()
        indented = told.actual.replace("\n", "\n  ")
        return f"{self.title}: {indented}" + ("" if told.expected == expected else f" ({told.expected})")


@dataclass(frozen=True)
class Several(Generic[FactsT]):
    """Stands for the facts of several; ``narrow`` says how to choose fewer, ``none`` claims that there are any."""

    quantifier: Quantifier
    members: Sequence[tuple[str, FactsT]]
    narrow: str
    none: Claim

    def judge(self, claim: Callable[[FactsT], Claim], negated: bool) -> Claim:
        """The claim about all of them, in which a negation is already contained.

        Of none nothing can be claimed: a misspelt name must not make a test pass.
        """
        if not self.members:
            return self.none
        verdicts = [_verdict(title, claim(facts), negated) for title, facts in self.members]
        held = [verdict.holds for verdict in verdicts]
        holds = all(held) if self.quantifier is Quantifier.EACH else any(held)
        wrong = [verdict for verdict in verdicts if not verdict.holds] or verdicts
        first = wrong[0].claim
        not_ = "not " * (negated and not first.granted)
        return Claim(
            holds,
            lambda: not_ + text_of(first.expected),
            lambda: self._listed(wrong, text_of(first.expected)),
            remedy=lambda: self._remedy(wrong),
            granted=True,
        )

    def _listed(self, wrong: Sequence[Verdict], expected: str) -> str:
        lines = [verdict.line(expected) for verdict in wrong[:_SHOWN]]
        rest = [f"... and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
        return "\n".join([self._head(len(wrong)), *lines, *rest])

    def _head(self, wrong: int) -> str:
        if self.quantifier is Quantifier.ANY:
            return f"not so for any of {len(self.members)}"
        return f"not so for {wrong} of {len(self.members)}"

    def _remedy(self, wrong: Sequence[Verdict]) -> str:
        remedies = (text_of(verdict.claim.remedy) for verdict in wrong)
        return next((remedy for remedy in remedies if remedy), self.narrow)


def _verdict(title: str, claim: Claim, negated: bool) -> Verdict:
    return Verdict(title, claim, claim.holds is not (negated and not claim.granted))
