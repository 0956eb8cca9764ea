"""The one function through which every check goes: it decides, words the failure, and raises."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from durabletest.model.view import ExecutionView
from durabletest.report.table import operation_table

__unittest = True
__tracebackhide__ = True


@dataclass(frozen=True)
class About:
    """What all checks of one subject share: its name, the run to show, and how to fail.

    ``negated`` turns a claim into its opposite. What a claim takes for granted is claimed with :func:`require`.
    """

    title: str
    view: ExecutionView
    fail: type[AssertionError] = AssertionError
    negated: bool = False


@dataclass(frozen=True)
class Claim:
    """One statement about a subject. ``actual`` says what is, whether the statement holds or not.

    ``expected`` and ``actual`` may have several lines, which then belong together one by one. ``remedy`` is what to do
    about it, ``trace`` the stack trace of the user's error.
    """

    holds: bool
    expected: str
    actual: str
    remedy: str = ""
    trace: tuple[str, ...] = ()


def check(about: About, claim: Claim) -> None:
    """Fail unless the claim holds, or if it does where the subject is negated."""
    if claim.holds is about.negated:
        raise about.fail(_message(about, claim, about.negated))


def require(about: About, claim: Claim) -> None:
    """Fail unless the claim holds: a negated check takes the same things for granted."""
    if not claim.holds:
        raise about.fail(_message(about, claim, negated=False))


def _message(about: About, claim: Claim, negated: bool) -> str:
    parts = [
        about.title,
        _aligned("Expected: ", "not " * negated + claim.expected),
        _aligned("     but: ", claim.actual),
    ]
    if claim.remedy:
        parts.append(claim.remedy)
    if claim.trace:
        parts.append("\n".join(["Stack trace:", *_indented(claim.trace)]))
    return "\n".join([*parts, "", operation_table(about.view.history().operations)])


def _aligned(label: str, text: str) -> str:
    return label + text.replace("\n", "\n" + " " * len(label))


def _indented(trace: Iterable[str]) -> Iterable[str]:
    return (f"  {line}" for entry in trace for line in entry.rstrip().splitlines())
