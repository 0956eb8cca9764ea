"""Soft mode: failures of claims are collected and raised together at the end of a ``with`` block."""

from __future__ import annotations

import unittest
from types import TracebackType
from typing import NoReturn

from durabletest.assertions.failing import CurrentTest, FailedClaim
from durabletest.assertions.formatting import counted
from durabletest.errors import UsageError

__unittest = True
__tracebackhide__ = True


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
            label = f"{number}. "
            indent = "\n" + " " * len(label)
            entries.append(label + f"{failed.text}\n(at {failed.location})".replace("\n", indent))
        return "\n\n".join(entries)


def _never_entered() -> NoReturn:
    raise UsageError("self.softly() was never entered: write with self.softly(): ...")
