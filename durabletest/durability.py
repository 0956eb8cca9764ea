"""The test case class whose assertions run a workflow many times: with crashes, for example."""

from __future__ import annotations

import contextlib
import io
import unittest
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from durabletest.crashes import CrashMatrix, CrashRun, Run, observed, observed_anew
from durabletest.errors import UsageError
from durabletest.explored_case import ExploredTestCase
from durabletest.local.faults import Injection
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.result import TestResult
from durabletest.side_effects import SideEffect, SideEffects

__unittest = True
__tracebackhide__ = True


class _RunIsOverError(unittest.SkipTest):
    """Ends the test method of a copy once its run was observed."""


class DurabilityTestCase(ExploredTestCase):
    """A test case that can run a part of itself again: a copy of it, from ``setUp`` to the assertion.

    The copy uses the runner of the test, which begins again for each.
    """

    runner: Any
    _durable_shared: LocalDurableTestRunner | None = None
    """The runner of the test whose copy this is; None if it is no copy."""
    __injection: Injection | None = None
    __wanted = 0
    __asserted = 0
    __observed: CrashRun | None = None
    __effects: SideEffects

    def side_effect(self, name: str) -> SideEffect:
        """A recorder of something that happens in the world outside; see :class:`durabletest.SideEffect`."""
        self.__local_runner()
        return self.__effects.named(name)

    def _durable_began(self) -> None:
        super()._durable_began()
        self.__effects = SideEffects(self.__fail)

    def _durable_finish(self) -> None:
        super()._durable_finish()
        complaints = self.__effects.complaints()
        if complaints:
            self.__fail("\n".join(complaints))

    def __fail(self, text: str) -> NoReturn:
        raise self.failureException(text)

    def assertSurvivesCrashes(
        self,
        payload: Any = None,
        *,
        faults: Iterable[str] | str | None = None,
        operations: Iterable[str] | str | None = None,
        reset: Callable[[], object] | None = None,
        key: Callable[[Any], Any] | None = None,
        msg: Any = None,
    ) -> TestResult:
        """Run the workflow cleanly, then once for each fault at each point, and compare: nothing may differ.

        ``faults`` are of ``"request lost"``, ``"answer lost"``, ``"throttled"``, ``"service error"`` (each at each
        checkpoint), ``"killed"``, ``"timed out"`` (in each run of a step's function) and ``"state read"`` (at each page
        of the state that is fetched); all of them by default. With a number, ``"answer lost 7"``, only that point is
        tried. ``operations`` are names or paths: only what is about these is tried.

        Compared are the status, the value, the operations (identity, type, name, parent), and the runs of at-most-once
        steps. ``key`` makes of a value what has to be equal.

        Each run is that of a copy of this test, from its ``setUp`` to this line and then its cleanups. With ``reset``
        no copies are made: it is called before each run, and has to make the test's fakes begin again. Scripts and
        stubs begin with their first answers in each run. Executions that the test has started before are forgotten;
        the results of those that have ended can be read.

        Returns the result of a clean run, which the assertions that follow are about.
        """
        matrix = CrashMatrix(payload, faults, operations, key)
        self.__asserted += 1
        if self._durable_shared is not None:
            return self.__run_in_copy(payload)
        runner = self.__local_runner()
        if reset is None and isinstance(self, unittest.IsolatedAsyncioTestCase):
            raise UsageError(
                "assertSurvivesCrashes in an async test needs reset=: the test cannot be run again while its event "
                "loop runs; give a function that makes its fakes begin again"
            )

        if reset is None:
            return self.__compare_copies(matrix, runner, payload, msg)

        def again(injection: Injection | None) -> CrashRun:
            self.__effects.clear()
            return self.__with_effects(observed_anew(runner, partial(runner.run, payload), reset, injection))

        self.__report_crashes(matrix, again, msg)
        self.__effects.clear()
        runner.rewind()
        reset()
        return self.__execute(payload)

    def __compare_copies(
        self, matrix: CrashMatrix, runner: LocalDurableTestRunner, payload: Any, msg: Any
    ) -> TestResult:
        """The clean run is that of this test, whose fakes are as it has made them; all others are those of copies."""
        results: list[TestResult] = []

        def again(injection: Injection | None) -> CrashRun:
            if injection is not None:
                return self.__observe_copy(runner, injection)
            self.__effects.clear()
            return self.__with_effects(observed(runner, lambda: keep(self.__execute(payload)), None))

        def keep(result: TestResult) -> TestResult:
            results.append(result)
            return result

        self.__report_crashes(matrix, again, msg)
        return results[0]

    def __report_crashes(self, matrix: CrashMatrix, run: Run, msg: Any) -> None:
        complaint = matrix.complaint(run)
        if complaint is not None:
            raise self.failureException(self._formatMessage(msg, complaint))

    def __local_runner(self) -> LocalDurableTestRunner:
        runner = self.runner
        return runner if isinstance(runner, LocalDurableTestRunner) else runner.with_fault()

    def __execute(self, payload: Any) -> TestResult:
        return self._durable_executed(self.runner.start(payload)).result()

    def __run_in_copy(self, payload: Any) -> TestResult:
        """In a copy, at the assertion that it was made for: one run, and the end of the copy."""
        if self.__asserted < self.__wanted:
            return self.__execute(payload)
        self.__effects.clear()
        self.__observed = self.__with_effects(
            observed(self.runner, partial(self.runner.run, payload), self.__injection)
        )
        raise _RunIsOverError("the copy of the test has done its run")

    def __with_effects(self, run: CrashRun) -> CrashRun:
        return replace(run, effects=self.__effects.counts(), complaints=self.__effects.complaints())

    def __observe_copy(self, runner: LocalDurableTestRunner, injection: Injection) -> CrashRun:
        """Run a copy of this test until the assertion that has been reached."""
        copy = self._durable_copy()
        copy.__become_copy(runner, injection, self.__asserted)
        result = unittest.TestResult()
        with runner.afresh(), contextlib.redirect_stdout(io.StringIO()):
            copy.run(result)
        run = copy.__observed
        if run is None or result.failures or result.errors:
            texts = [text for _, text in (*result.errors, *result.failures, *result.skipped)]
            raise self.failureException(
                f"the test fails when it is run again with the fault {str(injection)!r}, outside of the workflow: give "
                f"reset= a function that makes its fakes begin again, if it cannot be run twice\n\n{''.join(texts[:1])}"
            )
        return run

    def __become_copy(self, runner: LocalDurableTestRunner, injection: Injection | None, wanted: int) -> None:
        self._durable_shared, self.__injection = runner, injection
        self.__wanted, self.__asserted, self.__observed = wanted, 0, None
