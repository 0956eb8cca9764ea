"""The part of a runner that runs a workflow again: from the beginning, with faults, with replays, from a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from durabletest.crash_runs import observed_anew
from durabletest.crashes import PAIRS, CrashChoices, CrashMatrix
from durabletest.errors import NotAvailableError, RunnerClosedError
from durabletest.execution_handle import Execution, OperationLookups
from durabletest.histories import recorded_operations
from durabletest.local.deployment import Deployment, name_of
from durabletest.local.environment import LocalEnvironment
from durabletest.local.execution import LocalExecution
from durabletest.local.faults import FaultInjector, read_injections
from durabletest.local.fresh_modules import check_can_be_fresh
from durabletest.local.process_environment import RunnerSession, process_environment
from durabletest.local.recorded import RecordedReplay
from durabletest.local.replays import ReplayProbe
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.stubbing import deciding
from durabletest.model.history import History
from durabletest.model.times import Duration, duration
from durabletest.result import TestResult


class RepeatingRunner(OperationLookups):
    """The base of the local runner: its session, and what runs a workflow more than once."""

    _session: RunnerSession
    _environment: LocalEnvironment
    _deployment: Deployment
    _function_name: str
    _timeout: int | None
    _invocation_type: str

    def run(self, payload: Any = None) -> TestResult:
        """Execute the handler with a JSON-able payload until the execution ends."""
        raise NotImplementedError

    def with_fault(self, fault: str | None = None, *, keeps_logs: bool = True) -> AbstractContextManager[FaultInjector]:
        """In the block, put one fault into what is run, ``"answer lost 7"`` for example; None only numbers the points.

        Several come one after the other, ``"answer lost 7 + killed 9"``. What is given has ``points``, those that were
        met, and ``happened``, whether all faults have come. Without ``keeps_logs``, what is logged is lost.
        """
        self._check_open()
        if not self._environment.can_take_turns:
            raise NotAvailableError("faults need virtual time and version 3 of the AWS SDK, which number checkpoints")
        injections = () if fault is None else read_injections(fault)
        return self._deployment.intercepted(FaultInjector(self._environment.crash, injections, keeps_logs))

    def replaying(self, each: bool = False) -> AbstractContextManager[ReplayProbe]:
        """In the block, have executions replay when they have their outcome; with ``each`` after each operation, too.

        What is given has the first ``difference`` between what the handler did and what it did when it replayed.
        """
        self._check_open()
        return self._deployment.intercepted(ReplayProbe(self._environment.crash, each=each))

    def replay_history(self, history: History, may_fail: bool = False) -> str | None:
        """Replay the recorded operations with the handler of today: what is not as recorded, None if all is.

        ``may_fail`` means that the execution has failed, or that this is a part of the history of one that has.
        """
        self._check_open()
        recorded = RecordedReplay(self._environment.crash, history=history, may_fail=may_fail)
        with self._deployment.intercepted(recorded) as replay:
            request = self._request(history.execution.input)
            restore = partial(CheckpointServer.restore, operations=recorded_operations(history))
            arn: str = self._environment.server.call(restore, **request)
            Execution(LocalExecution(arn, self._session)).result()
        return replay.difference

    def verify_crashes(
        self,
        payload: Any = None,
        *,
        faults: Iterable[str] | str | None = None,
        operations: Iterable[str] | str | None = None,
        reset: Callable[[], object] = lambda: None,
        key: Callable[[Any], Any] | None = None,
        depth: int = 1,
        pairs: int = PAIRS,
        seed: int = 0,
        cold: bool = False,
    ) -> None:
        """As :meth:`durabletest.DurableTestCase.assertSurvivesCrashes` with ``reset``; raises ``AssertionError``."""
        matrix = CrashMatrix(payload, CrashChoices(faults, operations, key, depth, pairs, seed, cold))
        run = partial(observed_anew, self, partial(self.run, payload), reset)
        with self.cold(cold):
            complaint = matrix.complaint(run)
        if complaint is not None:
            raise AssertionError(complaint)

    @contextmanager
    def cold(self, wanted: bool = True) -> Iterator[None]:
        """In the block, each invocation has freshly imported modules, as in a new sandbox of Lambda.

        Raises :class:`UsageError` if the handler cannot be imported again.
        """
        self._check_open()
        if wanted:
            check_can_be_fresh(self._deployment.handler)
        before, self._deployment.cold = self._deployment.cold, wanted
        try:
            yield
        finally:
            self._deployment.cold = before

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """In the block there are no executions, scripts and stubs; afterwards scripts and stubs are as they were."""
        process_environment.reset(self._session)
        with self._deployment.set_aside():
            self._decide_invokes()
            try:
                yield
            finally:
                process_environment.reset(self._session)
        self._decide_invokes()

    def rewind(self) -> None:
        """Forget all executions; scripts and stubs begin with their first answers again."""
        self._check_open()
        process_environment.reset(self._session)
        self._deployment.scripts.rewind()
        self._deployment.stubs.rewind()
        self._last = None

    def _request(self, payload: str | None) -> dict[str, Any]:
        """The arguments with which the server starts an execution of this runner."""
        return {
            "deployment": self._deployment.number,
            "function": self._function_name,
            "payload": payload,
            "timeout": self._timeout,
            "page_size": self._deployment.page_size,
            "invocation_type": self._invocation_type,
        }

    def _decide_invokes(self) -> None:
        """Have the stubs of this runner decide its chained invokes."""
        self._environment.server.call(
            CheckpointServer.stub_invokes, self._deployment.number, deciding(self._deployment.stubs)
        )

    def _check_open(self) -> None:
        if self._session.closed:
            raise RunnerClosedError(
                f"this runner for {name_of(self._deployment.handler)} is closed: make a new one, or stay in its "
                "with block"
            )


def timeout_seconds(timeout: Duration | None) -> int | None:
    return None if timeout is None else round(duration(timeout, "execution_timeout").total_seconds())
