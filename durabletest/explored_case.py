"""``@explore``, and the test case class whose tests are run by many schedules."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import os
import re
import sys
import unittest
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, Self, TypeVar, overload

from durabletest import sdk_threads
from durabletest.durable_methods import DurableMethods
from durabletest.errors import ConfigurationError, RunnerClosedError, UsageError
from durabletest.exploration import Exploration, ExploreOptions, Finding, Trial
from durabletest.failure_pages import FailurePage, page_for
from durabletest.generated_cases import CaseSearch, GeneratedCase, Observed, checked_strategies, simplest_case
from durabletest.local.schedules import Schedule, read, written
from durabletest.result import TestResult
from durabletest.value_checks import is_count

__unittest = True
__tracebackhide__ = True

SCHEDULES_VARIABLE = "DURABLETEST_SCHEDULES"
SHARD_VARIABLE = "DURABLETEST_SHARD"
_MARK = "__durabletest_explore__"

Method = TypeVar("Method", bound=Callable[..., Any])


@overload
def explore(method: Method, /) -> Method: ...


@overload
def explore(
    *, schedules: int = 200, seed: int = 0, schedule: str | None = None, same_result: bool = True
) -> Callable[[Method], Method]: ...


@overload
def explore(
    *,
    payloads: Any,
    answers: Mapping[str, Any] | None = None,
    failures: Mapping[str, Any] | None = None,
    crashes: bool = True,
    schedules: int = 200,
    seed: int = 0,
) -> Callable[[Method], Method]: ...


def explore(
    method: Any = None,
    /,
    *,
    schedules: int = 200,
    seed: int = 0,
    schedule: str | None = None,
    same_result: bool = True,
    payloads: Any = None,
    answers: Mapping[str, Any] | None = None,
    failures: Mapping[str, Any] | None = None,
    crashes: bool = True,
) -> Any:
    """Run a test method of a ``DurableTestCase`` by many schedules: orders in which its branches can go on.

    Each run has the test's own ``setUp`` and cleanups. The first one is by the default schedule, the others differ in
    who goes on next, in when checkpoints are sent, in which of several timers due at one instant comes first, and in
    the SDK's jitter: all schedules while there are few, else those that differ in little from the default one, and
    random ones drawn from ``seed``. A failure is reduced to the fewest choices that differ from the default, and told
    in words with the ``schedule`` that repeats just this run.

    With ``same_result`` the test fails, too, if the status or the result of one of its executions is not the same
    under every schedule. In real time, in the cloud, and with an SDK whose threads cannot be scheduled the test is run
    once, and a line on stderr says why.

    With ``payloads``, a strategy of hypothesis, the method takes a payload, and each of the runs has one of them, a
    schedule, and, unless ``crashes`` is False, maybe one crash. ``answers`` maps callbacks by name to strategies: they
    are answered with such a value, or failed if that is an exception, at times near those of the workflow's own timers
    and at others. ``failures`` maps steps by name to the exceptions that they may raise, up to three times. The first
    case that fails the test's own assertions is made smaller, and told as a test method to paste.
    """
    _check_count(schedules, "schedules", 1)
    _check_count(seed, "seed", 0)
    if not isinstance(same_result, bool):
        raise UsageError(f"@explore(same_result={same_result!r}): give True or False")
    if method is not None and not callable(method):
        raise _no_test_method(repr(method))
    cases = checked_strategies(payloads, answers, failures, crashes)
    if cases is not None and (schedule is not None or not same_result):
        raise UsageError("@explore(payloads=...) takes neither schedule= nor same_result=: each case has its own")
    options = ExploreOptions(schedules, seed, None if schedule is None else read(schedule), same_result, cases=cases)

    def mark(function: Any) -> Any:
        if isinstance(function, type):
            raise _no_test_method(f"class {function.__name__}")
        setattr(function, _MARK, options)
        return function

    return mark if method is None else mark(method)


def _no_test_method(given: str) -> UsageError:
    return UsageError(f"@explore({given}): write @explore(schedules=200) above a test method")


def options_of(method: object) -> ExploreOptions | None:
    """The options of a test method; None if it is not explored. ``DURABLETEST_SCHEDULES`` explores every test."""
    options: ExploreOptions | None = getattr(method, _MARK, None)
    count = os.environ.get(SCHEDULES_VARIABLE)
    if options is None and not count:
        return None
    options = options or ExploreOptions()
    if count and options.only is None:
        options = replace(options, schedules=_number(count))
    return replace(options, shard=_shard())


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(f"the environment variable {SCHEDULES_VARIABLE} is {text!r}: write a number from 1 on")
    return int(text)


def _shard() -> tuple[int, int]:
    text = os.environ.get(SHARD_VARIABLE)
    if not text:
        return 1, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigurationError(
            f"the environment variable {SHARD_VARIABLE} is {text!r}: write which part of how many, like '3/8'"
        )
    return int(match[1]), int(match[2])


def _check_count(value: object, name: str, least: int) -> None:
    if not is_count(value, least):
        raise UsageError(f"@explore({name}={value!r}): give a number from {least} on")


class ExploredTestCase(DurableMethods, unittest.TestCase):
    """A test case that runs copies of itself by many schedules, and then itself by the one that is to be reported."""

    __trial = False
    __finding = Finding()
    __failed = False
    """Whether a part of the test (``setUp``, the method, a cleanup) has failed in this run, or skipped it."""
    __page: FailurePage | None = None
    __outcomes: tuple[str, ...] = ()
    _durable_schedule: Schedule | None = None
    """The schedule of the current run; None is the default one."""
    __case: GeneratedCase | None = None
    """The case of the current run; None if the test takes none, or has not been explored."""
    __seen = Observed()

    def _durable_explore(self, options: ExploreOptions, why_not: str | None) -> None:
        """Find the schedule to run this test by: the default one, unless another one fails it.

        ``why_not`` is the reason if the test cannot be explored.
        """
        self.__failed = False
        if self.__trial:
            return
        self.__finding, self._durable_schedule, self.__case = Finding(), None, None
        if why_not is None and not sdk_threads.can_take_turns():
            why_not = "this version of the AWS SDK has no place at which its threads could be ordered"
        if why_not is not None:
            self.__say(f"is run once, and not explored: {why_not}")
            return
        if options.cases is None:
            finding = Exploration(options, self.__run, self.id()).find()
        else:
            name = self._testMethodName
            is_async = inspect.iscoroutinefunction(getattr(self, name))
            finding = CaseSearch(options, self.__run_case, name, self.id(), is_async).find()
        self.__finding, self.__case = finding, finding.case
        self._durable_schedule = Schedule(finding.differences) if finding.differences else None
        if finding.failure is not None:
            self.addCleanup(self.__fail_again)
        which, parts = options.shard
        if parts > 1 and finding.count:
            of = f"by {finding.count} of {options.schedules} schedules"
            if options.cases is not None:
                of = f"with {finding.count} of {options.schedules} generated cases (seed={options.seed})"
            self.__say(f"was run {of}, part {which} of {parts}")

    def _durable_given(self, method: Callable[..., Any]) -> Callable[[], Any]:
        """A test method that takes a payload, with that of the current case and all else that the case says."""
        options = getattr(method, _MARK, None)
        if options is None or options.cases is None:
            return method
        case = self.__case or simplest_case(options.cases)
        crashes = self.__case is not None and options.cases.crashes

        @contextmanager
        def applied() -> Iterator[Any]:
            with case.applied(self, crashes) as self.__seen:
                yield deepcopy(case.payload)

        @functools.wraps(method)
        def given() -> Any:
            with applied() as payload:
                return method(payload)

        @functools.wraps(method)
        async def given_async() -> Any:
            with applied() as payload:
                return await method(payload)

        return given_async if inspect.iscoroutinefunction(method) else given

    def __run_case(self, case: GeneratedCase) -> Trial:
        return self.__run(Schedule(case.differences), None, case)

    def __run(self, schedule: Schedule, expected: tuple[str, ...] | None, case: GeneratedCase | None = None) -> Trial:
        copy = self._durable_copy()
        copy._durable_schedule, copy.__finding, copy.__case = schedule, Finding(expected=expected), case
        result = unittest.TestResult()
        with contextlib.redirect_stdout(io.StringIO()):
            copy.run(result)
        failures = [text for _, text in (*result.failures, *result.errors, *result.expectedFailures)]
        failure = failures[0] if failures else None
        return Trial(failure, bool(result.skipped), copy.__outcomes, schedule, copy.__seen)

    def _durable_began(self) -> None:
        super()._durable_began()
        self.__page = None if self.__trial else page_for(self)

    def _durable_ended(self) -> None:
        if self.__page is not None:
            self.__page.ended()

    def _durable_failed(self, error: BaseException) -> None:
        if self.__page is not None and type(error).__module__ != "unittest.case":
            self.__page.failed(error, self._durable_executions)

    def _durable_copy(self) -> Self:
        """A test of the same method and attributes, to be run by itself, and not explored."""
        copy = type(self)(self._testMethodName)
        known = {*vars(copy), self._testMethodName}
        vars(copy).update((name, value) for name, value in vars(self).items() if name not in known)
        copy.__trial, copy.__finding, copy.__failed = True, Finding(), False
        return copy

    @contextmanager
    def _durable_by_schedule(self) -> Iterator[None]:
        """Around each part of a test: a failure names the schedule that it takes, and is shown on the test's page."""
        try:
            yield
        except unittest.SkipTest:
            self.__failed = True
            raise
        except Exception as error:
            if not self.__failed:
                _put_above(error, self.__finding.preface)
            self.__failed = True
            self._durable_failed(error)
            raise
        except BaseException as error:
            if isinstance(error, getattr(sys.modules.get("_pytest.outcomes"), "Failed", ())):  # of pytest.fail()
                self._durable_failed(error)
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
        """Fail the test unless its executions end as they do by the default schedule."""
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
        """The last cleanup: fail the test if it has passed, though this schedule has failed it before."""
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
    """Put the preface above the message of a failed assertion; any other error gets it as a note."""
    if not preface:
        return
    if isinstance(error, AssertionError):
        error.args = (f"{preface}\n\n{error}",)
    else:
        error.add_note(preface)


def _outcomes(results: list[TestResult]) -> Iterator[str]:
    """The outcome of each execution, except those that a reset has ended before they were read."""
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
