"""Test cases whose tests are run by many schedules; see :mod:`durabletest.exploring`."""

from __future__ import annotations

import contextlib
import io
import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from durabletest import sdk_threads
from durabletest.asserting import DurableAssertions
from durabletest.errors import RunnerClosedError
from durabletest.exploring import Exploration, Finding, Plan, Trial
from durabletest.local.schedules import Schedule, written
from durabletest.result import TestResult

__unittest = True
__tracebackhide__ = True


class ExploredTestCase(DurableAssertions):
    """Runs copies of itself, each by another schedule, before it runs itself by the one that is to be reported."""

    __trial = False
    __finding = Finding()
    __failed = False
    """Whether a part of the test has failed in this run, or skipped it."""
    __outcomes: tuple[str, ...] = ()
    _durable_schedule: Schedule | None = None
    """The schedule of the current run; None is the default one."""

    def _durable_explore(self, plan: Plan, why_not: str | None) -> None:
        """Find the schedule that this test is to be run by; the default one, if it cannot be explored."""
        self.__failed = False
        if self.__trial:
            return
        self.__finding, self._durable_schedule = Finding(), None
        if why_not is None and not sdk_threads.can_take_turns():
            why_not = "this version of the AWS SDK has no place at which its threads could be ordered"
        if why_not is not None:
            self.__say(f"is run once, and not explored: {why_not}")
            return
        self.__finding = finding = Exploration(plan, self.__run).find()
        self._durable_schedule = Schedule(finding.differences) if finding.differences else None
        if finding.failure is not None:
            self.addCleanup(self.__fail_again)
        which, parts = plan.shard
        if parts > 1 and finding.count:
            self.__say(f"was run by {finding.count} of {plan.schedules} schedules, part {which} of {parts}")

    def __run(self, schedule: Schedule, expected: tuple[str, ...] | None) -> Trial:
        copy = type(self)(self._testMethodName)
        known = {*vars(copy), self._testMethodName}
        vars(copy).update((name, value) for name, value in vars(self).items() if name not in known)
        copy.__trial, copy._durable_schedule = True, schedule
        copy.__finding = Finding(expected=expected)
        result = unittest.TestResult()
        with contextlib.redirect_stdout(io.StringIO()):
            copy.run(result)
        failures = [text for _, text in (*result.failures, *result.errors, *result.expectedFailures)]
        return Trial(failures[0] if failures else None, bool(result.skipped), copy.__outcomes)

    @contextmanager
    def _durable_by_schedule(self) -> Iterator[None]:
        """Around each part of a test: a failure tells which schedule it takes."""
        try:
            yield
        except unittest.SkipTest:
            self.__failed = True
            raise
        except Exception as error:
            if not self.__failed:
                _put_above(error, self.__finding.preface)
            self.__failed = True
            raise

    def _callSetUp(self) -> Any:
        with self._durable_by_schedule():
            return super()._callSetUp()  # type: ignore[misc]

    def _callTearDown(self) -> Any:
        with self._durable_by_schedule():
            return super()._callTearDown()  # type: ignore[misc]

    def _callCleanup(self, *arguments: Any, **named: Any) -> Any:
        with self._durable_by_schedule():
            return super()._callCleanup(*arguments, **named)  # type: ignore[misc]

    def _durable_compare_outcomes(self) -> None:
        """The executions of the test have to end as they do by the default schedule."""
        if not self.__trial and self.__finding.expected is None:
            return
        self.__outcomes = tuple(_outcomes(self._durable_executions()))
        expected = self.__finding.expected
        if expected is not None and self.__outcomes != expected:
            raise self.failureException(
                "status and result of an execution depend on the order in which branches go on\n"
                f"Expected: {_listed(expected)}, as by the default schedule\n"
                f"     but: {_listed(self.__outcomes)}\n"
                "If that is as it should be, write @explore(same_result=False)"
            )

    def __fail_again(self) -> None:
        """The last cleanup: what has failed by this schedule before has to have failed again."""
        finding = self.__finding
        if self.__failed or finding.failure is None:
            return
        self.__failed = True  # so that nothing is put above what follows
        which = f"the schedule {written(finding.differences)!r}" if finding.differences else "the default schedule"
        raise self.failureException(
            f"It failed by {which}, and passes when just that schedule is run again: something else decides, such as a "
            "thread that the code has started, chance, the order of a set, or what an earlier run has left behind.\n"
            f"It failed like this:\n\n{finding.failure}"
        )

    def __say(self, text: str) -> None:
        sys.stderr.write(f"explore: {type(self).__qualname__}.{self._testMethodName} {text}\n")


def _put_above(error: Exception, preface: str) -> None:
    """Put the preface above the message of a failure; any other error gets it as a note."""
    if not preface:
        return
    if isinstance(error, AssertionError):
        error.args = (f"{preface}\n\n{error}",)
    else:
        error.add_note(preface)


def _outcomes(results: list[TestResult]) -> Iterator[str]:
    """How each execution has ended; what a reset has ended before anybody read it is forgotten."""
    for result in results:
        with contextlib.suppress(RunnerClosedError):
            yield _outcome(result)


def _outcome(result: TestResult) -> str:
    """Status and raw result or error of an execution, as one line."""
    record: Any = result.view.history().execution
    if record.error is not None:
        return f"{record.status} with {record.error.type}: {record.error.message}"
    return f"{record.status} with {record.result}" if record.result is not None else str(record.status)


def _listed(outcomes: tuple[str, ...]) -> str:
    return "; ".join(outcomes) or "no execution"
