"""The test case class whose assertions run a workflow many times: with crashes, for example."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import unittest
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from durabletest.crashes import PAIRS, CrashMatrix, CrashRun, Injections, Run, observed, written
from durabletest.errors import UsageError
from durabletest.explored_case import ExploredTestCase
from durabletest.failure_pages import RECORDED
from durabletest.histories import files_of, replay_report
from durabletest.local.replays import compared_replays
from durabletest.local.runner import LocalDurableTestRunner
from durabletest.result import TestResult
from durabletest.side_effects import SideEffect, SideEffects

if TYPE_CHECKING:
    from durabletest.cloud.runner import CloudDurableTestRunner

__unittest = True
__tracebackhide__ = True


Task: TypeAlias = "Callable[[DurabilityTestCase], Any]"
_Target: TypeAlias = tuple[str, int, Task]
"""A method, which call of it (counted from 1), and what the copy does there."""


class _RunIsOverError(unittest.SkipTest):
    """Ends the test method of a copy once its run was observed."""


class DurabilityTestCase(ExploredTestCase):
    """A test case that can run a part of itself again: a copy of it, from ``setUp`` to the assertion.

    The copy uses the runner of the test, which begins again for each.
    """

    runner: LocalDurableTestRunner | CloudDurableTestRunner
    _durable_shared: LocalDurableTestRunner | None = None
    """The runner of the test whose copy this is; None if it is no copy."""
    check_determinism: bool

    __effects: SideEffects
    __counts: Counter[str]
    """How often each of the methods was called that a copy may be run for."""
    __executed: list[Any]
    """The payloads of the calls of ``execute`` that have ended."""
    __target: _Target | None = None
    __observed: tuple[Any] | None = None

    def side_effect(self, name: str) -> SideEffect:
        """A recorder of something that happens in the world outside; see :class:`durabletest.SideEffect`."""
        self.__local_runner()
        return self.__effects.named(name)

    def _durable_began(self) -> None:
        super()._durable_began()
        self.__effects = SideEffects(self.__fail)
        self.__counts, self.__executed = Counter(), []

    def _durable_finish(self) -> None:
        super()._durable_finish()
        complaints = self.__effects.complaints()
        if complaints:
            self.__fail("\n".join(complaints))
        if self.check_determinism and self._durable_shared is None and self._durable_schedule is None:
            self.__check_executed()

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
        depth: int = 1,
        pairs: int = PAIRS,
        seed: int = 0,
        cold: bool = False,
        msg: Any = None,
    ) -> TestResult:
        """Run the workflow cleanly, then once for each fault at each point, and compare: nothing may differ.

        ``faults`` are of ``"request lost"``, ``"answer lost"``, ``"throttled"``, ``"service error"`` (each at each
        checkpoint), ``"killed"``, ``"timed out"`` (in each run of a step's function) and ``"state read"`` (at each page
        of the state that is fetched); all of them by default. With a number, ``"answer lost 7"``, only that point is
        tried; ``"answer lost 7 + killed 9"`` is one run with two faults. ``operations`` are names or paths: only what
        is about these is tried. With ``depth=2``, a workflow that survives each fault has to survive pairs, too: at
        most as many as ``pairs``, sampled with ``seed``, which the report names. With ``cold=True`` each invocation has
        freshly imported modules, as in a new sandbox of Lambda.

        Compared are the status, the value, the operations (identity, type, name, parent), and the runs of at-most-once
        steps. ``key`` makes of a value what has to be equal.

        Each run is that of a copy of this test, from its ``setUp`` to this line and then its cleanups. With ``reset``
        no copies are made: it is called before each run, and has to make the test's fakes begin again. Scripts and
        stubs begin with their first answers in each run. Executions that the test has started before are forgotten;
        the results of those that have ended can be read.

        Returns the result of a clean run, which the assertions that follow are about; ``self.now``, heartbeats and
        executions of children are those of the last run, or gone.
        """
        matrix = CrashMatrix(payload, faults, operations, key, depth, pairs, seed, cold)
        if self.__arrive("assertion"):
            return self.__execute(payload)
        runner = self.__local_runner()
        if reset is None and isinstance(self, unittest.IsolatedAsyncioTestCase):
            raise UsageError(
                "assertSurvivesCrashes in an async test needs reset=: the test cannot be run again while its event "
                "loop runs; give a function that makes its fakes begin again"
            )
        with runner.cold(cold):
            if reset is None:
                return self.__compare_copies(matrix, runner, payload, msg)
            return self.__compare_resets(matrix, runner, payload, reset, msg)

    def __compare_resets(
        self, matrix: CrashMatrix, runner: LocalDurableTestRunner, payload: Any, reset: Callable[[], object], msg: Any
    ) -> TestResult:
        """Each run begins with ``reset``; the last one, which is clean, is that of the assertions that follow."""

        def begin_again() -> None:
            self.__effects.clear()
            runner.rewind()
            reset()

        def again(injections: Injections) -> CrashRun:
            begin_again()
            return self.__observed_run(partial(runner.run, payload), injections)

        if self.__is_by_default:
            self.__report_crashes(matrix, again, msg)
        begin_again()
        return self.__execute(payload)

    def __compare_copies(
        self, matrix: CrashMatrix, runner: LocalDurableTestRunner, payload: Any, msg: Any
    ) -> TestResult:
        """The clean run is that of this test, whose fakes are as it has made them; all others are those of copies."""
        if not self.__is_by_default:
            return self.__execute(payload)

        def again(injections: Injections) -> CrashRun:
            if not injections:
                return self.__observed_run(lambda: self.__execute(payload), ())

            def task(copy: DurabilityTestCase) -> CrashRun:
                return copy.__observed_run(partial(copy.runner.run, payload), injections)

            target: _Target = "assertion", self.__counts["assertion"], task
            run: CrashRun = self.__observe_copy(runner, target, f" with the fault {written(injections)!r}")
            return run

        self.__report_crashes(matrix, again, msg)
        assert matrix.clean.result is not None, "without an outcome there is no matrix"
        return matrix.clean.result

    @property
    def __is_by_default(self) -> bool:
        """Whether the test runs by the default schedule: the places of another one are those of a single execution."""
        return self._durable_schedule is None or self._durable_schedule.is_default

    def __report_crashes(self, matrix: CrashMatrix, run: Run, msg: Any) -> None:
        complaint = matrix.complaint(run)
        if complaint is not None:
            error = self.failureException(self._formatMessage(msg, complaint))
            setattr(error, RECORDED, matrix.recorded())
            raise error

    def __local_runner(self) -> LocalDurableTestRunner:
        runner = self.runner
        return runner if isinstance(runner, LocalDurableTestRunner) else runner.with_fault()

    def __execute(self, payload: Any) -> TestResult:
        return self._durable_started(self.runner.start(payload)).result()

    def __observed_run(self, execute: Callable[[], TestResult], injections: Injections) -> CrashRun:
        self.__effects.clear()
        run = observed(self.__local_runner(), execute, injections)
        return replace(run, effects=self.__effects.counts(), complaints=self.__effects.complaints())

    # --- determinism ---

    def assertDeterministic(self, payload: Any = None, *, cold: bool = False, msg: Any = None) -> TestResult:
        """Run the workflow with forced replays: the handler has to do the same in each.

        The handler replays once when the execution has its outcome; then, in a copy of this test, after each operation.
        Compared are the operations in their order, by type and name; what they are asked for with, the variables of a
        step's function included, where that is plain data; and the outcome. The report names the first that differs.
        With ``cold=True`` each replay has freshly imported modules, as in a new sandbox of Lambda.

        Returns the result of the first execution, which the assertions that follow are about.
        """
        if self.__arrive("assertion"):
            return self.__execute(payload)
        runner = self.__local_runner()
        with runner.cold(cold):
            result, complaint = compared_replays(runner, partial(self.__execute, payload), each=False)
            if complaint is None:
                target = "assertion", self.__counts["assertion"], partial(_complaint_of_copy, payload, (True,))
                complaint = self.__observe_copy(runner, target)
        if complaint is not None:
            raise self.failureException(self._formatMessage(msg, complaint))
        return result

    def execute(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Run the handler with a JSON-able payload until the execution ends; the arguments are as for ``start``."""
        self.__arrive("execute")
        result = super().execute(payload, name=name, tenant_id=tenant_id)
        self.__executed.append(payload)  # for the check at the end of the test
        return result

    def __check_executed(self) -> None:
        runner = self.runner
        if not isinstance(runner, LocalDurableTestRunner):
            return
        for number, payload in enumerate(self.__executed, 1):
            target = "execute", number, partial(_complaint_of_copy, payload, (False, True))
            complaint = self.__observe_copy(runner, target)
            if complaint is not None:
                self.__fail(f"check_determinism: {complaint}")

    # --- recorded histories ---

    def assertReplays(self, pattern: str | os.PathLike[str], *, msg: Any = None) -> None:
        """Replay recorded histories, whole and cut after each event, against the handler of today.

        ``pattern`` names files that ``result.save_history`` or the AWS CLI has written, from the folder of the test's
        module; no file is an error. Nothing that is not recorded runs: the handler is stopped there. Found are
        operations that were renamed, retyped, reordered, inserted or removed, and handlers that fail with what is
        recorded.
        """
        complaint = replay_report(self.__local_runner(), str(pattern), files_of(pattern, self._durable_folder))
        if complaint is not None:
            raise self.failureException(self._formatMessage(msg, complaint))

    @property
    def _durable_folder(self) -> Path | None:
        """The folder of the test's module; None if that is no file."""
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
        return None if file is None else Path(file).parent

    # --- copies ---

    def __arrive(self, method: str) -> bool:
        """Count a call; in a copy that was made for it, do its task and end. Tell whether this is another copy."""
        self.__counts[method] += 1
        if self.__target is None:
            return False
        wanted, number, task = self.__target
        if (wanted, number) == (method, self.__counts[method]):
            self.__observed = (task(self),)
            raise _RunIsOverError("the copy of the test has done its task")
        return True

    def __observe_copy(self, runner: LocalDurableTestRunner, target: _Target, how: str = "") -> Any:
        """Run a copy of this test until it has done its task; what that returns."""
        if isinstance(self, unittest.IsolatedAsyncioTestCase):  # it cannot be run again while its loop runs
            runner.rewind()
            return target[2](self)
        copy = self._durable_copy()
        copy._durable_shared, copy.__target = runner, target
        result = unittest.TestResult()
        with runner.afresh(), contextlib.redirect_stdout(io.StringIO()):
            copy.run(result)
        observed = copy.__observed
        if observed is None or result.failures or result.errors:
            texts = [text for _, text in (*result.errors, *result.failures, *result.skipped)]
            raise self.failureException(
                f"the test fails when it is run again{how}, outside of the workflow: it leaves something behind. Undo "
                f"it by a cleanup; assertSurvivesCrashes takes a function that does so, reset=\n\n{''.join(texts[:1])}"
            )
        return observed[0]


def _complaint_of_copy(payload: Any, modes: tuple[bool, ...], test: DurabilityTestCase) -> str | None:
    """Executions with forced replays, one for each of the modes, in a copy of a test: the first complaint."""
    runner = test.runner
    assert isinstance(runner, LocalDurableTestRunner), "only local runs are repeated"
    for number, each in enumerate(modes):
        if number:
            runner.rewind()
        _, complaint = compared_replays(runner, partial(runner.run, payload), each)
        if complaint is not None:
            return complaint
    return None
