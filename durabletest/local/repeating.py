"""The part of a runner that runs a workflow: once, again, with faults, with replays, or from a history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from durabletest import endings
from durabletest.crashes import PAIRS, CrashMatrix, CrashRun, Injections, observed
from durabletest.errors import NotAvailableError, RunnerClosedError
from durabletest.execution_handle import Execution, Runner
from durabletest.histories import recorded_operations
from durabletest.local.deployment import Deployment, name_of, workflow_name
from durabletest.local.environment import LocalEnvironment
from durabletest.local.execution import LocalExecution
from durabletest.local.faults import FaultInjector, read_injections
from durabletest.local.fresh_modules import place_of
from durabletest.local.process_environment import RunnerSession, process_environment
from durabletest.local.replays import ReplayProbe
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import split_name
from durabletest.local.stubbing import stubbed_end
from durabletest.model.history import History, title, word_for
from durabletest.model.payloads import encode
from durabletest.model.records import SIDE_BY_SIDE, OperationRecord, OperationStatus, OperationType
from durabletest.model.times import Duration, duration
from durabletest.result import TestResult
from durabletest.sdk_operations import Asked, AskedNotes, Identity, OperationListener, suspension


class RepeatingRunner(Runner):
    """The base of the local runner: its session, and what runs a workflow, once or again."""

    _session: RunnerSession
    _environment: LocalEnvironment
    _deployment: Deployment
    _function_name: str
    _given_name: str | None
    """The function's name, None if the runner was given none."""
    _restored: set[str]
    """The ARNs of executions that were made from recorded histories."""
    _faulty: dict[str, LocalExecution]
    """The executions that were started with faults in them, by ARN."""
    _timeout: int | None
    _invocation_type: str

    def run(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Execute the handler with a JSON-able payload until the execution ends (R1.2).

        ``name`` is the execution's name (a second run with the same name and payload is the same execution).
        """
        return self.start(payload, name=name, tenant_id=tenant_id).result()

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution in the background; virtual time stands still until a thread waits for something."""
        self._check_open()
        self._environment.check_clock()
        self._environment.orchestrator.await_rest(self._deployment.lease.use())
        with self._deployment.lease.use():
            arn = self._start(encode(payload), name, tenant_id)
            self._last = execution = LocalExecution(arn, self._session)
            if self._deployment.faults is not None:
                self._faulty[arn] = execution
        return Execution(execution)

    def with_fault(self, fault: str | None = None, *, keeps_logs: bool = True) -> AbstractContextManager[FaultInjector]:
        """In the block, put one fault into what is run, ``"answer lost 7"`` for example; None only numbers the points.

        Several come one after the other, ``"answer lost 7 + killed 9"``. What is given has ``points``, those that were
        met, and ``happened``, whether all faults have come. Without ``keeps_logs``, what is logged is lost.
        """
        self._check_open()
        if not self._environment.can_take_turns:
            raise NotAvailableError("faults need virtual time and version 3 of the AWS SDK, which number checkpoints")
        injections = () if fault is None else read_injections(fault)
        environment = self._environment
        return self._deployment.intercepted(
            FaultInjector(environment.crash, injections, keeps_logs, environment.clock.now)
        )

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
            arn = self._start(history.execution.input, operations=recorded_operations(history))
            self._restored.add(arn)
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
        matrix = CrashMatrix(payload, faults, operations, key, depth, pairs, seed, cold)

        def again(injections: Injections) -> CrashRun:
            self.rewind()
            reset()
            return observed(self, partial(self.run, payload), injections)

        schedule = self._deployment.schedule
        with self.cold(cold):
            if schedule is not None and not schedule.is_default:  # its places are those of a single execution
                again(())
                return
            complaint = matrix.complaint(again)
        if complaint is not None:
            raise AssertionError(complaint)

    @contextmanager
    def cold(self, wanted: bool = True) -> Iterator[None]:
        """In the block, each invocation has freshly imported modules, as in a new sandbox of Lambda.

        Raises :class:`UsageError` if the handler cannot be imported again.
        """
        self._check_open()
        if wanted:
            place_of(self._deployment.handler)
        before, self._deployment.cold = self._deployment.cold, wanted
        try:
            yield
        finally:
            self._deployment.cold = before

    @contextmanager
    def afresh(self) -> Iterator[None]:
        """In the block there are no executions, scripts and stubs; afterwards scripts and stubs are as they were."""
        self._forget()
        with self._deployment.set_aside():
            self._decide_invokes()
            try:
                yield
            finally:
                self._forget()
        self._decide_invokes()

    def rewind(self) -> None:
        """Forget all executions; scripts and stubs begin with their first answers again."""
        self._check_open()
        self._forget()
        self._deployment.scripts.rewind()
        self._deployment.stubs.rewind()
        self._last = None

    def _forget(self) -> None:
        endings.tell(self._durable_ending)
        process_environment.reset(self._session)
        self._restored.clear()
        self._faulty.clear()
        self._deployment.notes = AskedNotes() if endings.are_wanted() else None

    def _durable_ending(self) -> endings.Ending:
        """All executions of this runner but those that were made from recorded histories."""
        arns = self._environment.server.call(CheckpointServer.executions_of, self._deployment.number)
        views = [
            self._faulty.get(arn) or LocalExecution(arn, self._session) for arn in arns if arn not in self._restored
        ]
        function = split_name(self._function_name)[0]
        noted = (self._deployment.notes or AskedNotes()).of
        workflow = workflow_name(self._deployment.handler, self._given_name)
        return endings.Ending(workflow, function, views, self, noted)

    def _start(
        self,
        payload: str | None,
        name: str | None = None,
        tenant_id: str | None = None,
        operations: Sequence[dict[str, Any]] = (),
    ) -> str:
        """Have the server start an execution, which has recorded ``operations`` already; returns its ARN."""
        return self._environment.server.call(
            CheckpointServer.start,
            self._deployment.number,
            self._function_name,
            payload,
            name,
            self._timeout,
            tenant_id,
            self._deployment.page_size,
            self._invocation_type,
            operations,
        )

    def _decide_invokes(self) -> None:
        """Have the stubs of this runner decide its chained invokes."""
        self._environment.server.call(
            CheckpointServer.stub_invokes, self._deployment.number, partial(stubbed_end, self._deployment.stubs)
        )

    def _check_open(self) -> None:
        if self._session.closed:
            raise RunnerClosedError(
                f"this runner for {name_of(self._deployment.handler)} is closed: make a new one, or stay in its "
                "with block"
            )


def timeout_seconds(timeout: Duration | None) -> int | None:
    return None if timeout is None else round(duration(timeout, "execution_timeout").total_seconds())


# --- the replay of a recorded execution ---

_STOPS = (OperationType.STEP, OperationType.WAIT, OperationType.CHAINED_INVOKE)
"""Operations at which the handler cannot go on while they are open; a callback's result suspends by itself."""


@dataclass(slots=True, eq=False)
class RecordedReplay(FaultInjector, OperationListener):
    """Compares what the handler asks for with a history; ``difference`` says in words what is not as recorded."""

    history: History = field(default_factory=History)
    may_fail: bool = False
    difference: str | None = None
    _visited: set[str] = field(default_factory=set)
    _records: Mapping[str, OperationRecord] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._records = {record.id: record for record in self.history.operations}

    def asked(self, asked: Asked) -> None:
        """Let the handler have what is recorded, and stop it at anything else."""
        self._visited.add(asked.operation_id)
        record = self._records.get(asked.operation_id)
        if record is None:
            raise suspension("beyond what is recorded")
        self._compare(record, (asked.type, asked.sub_type, asked.name))
        if asked.make_again is not None and record.status is OperationStatus.SUCCEEDED:
            asked.make_again()
        if record.type in _STOPS and not record.status.is_terminal:
            raise suspension("in flight")

    def mismatched(self, recorded: Identity, asked: Identity) -> None:
        """The SDK refuses an operation; which one is recorded in its place is found by name and type."""
        for record in self.history.operations:
            if (str(record.type), record.sub_type, record.name) == recorded and record.id not in self._visited:
                self._compare(record, asked)
                return

    def judged(self, arn: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:  # noqa: ARG002 - one execution
        """Whatever the handler answers, the execution is over, once the rest was compared."""
        if self.difference is None:
            self.difference = self._left_out() or self._failure(answer)
        return {"Status": "SUCCEEDED", "Result": "null"}

    def _compare(self, record: OperationRecord, asked: Identity) -> None:
        kind, sub_type, name = asked
        same = (str(record.type), record.name or None) == (kind, name or None) and record.sub_type in (None, sub_type)
        if not same and self.difference is None:
            word, before = word_for(sub_type, kind), title(self.history, record)
            now = f"{word} {name!r}" if name else f"an unnamed {word}"
            if (word, name or None) == (word_for(record.sub_type, record.type), record.name or None):
                before, now = f"{before} ({record.sub_type})", f"{now} ({sub_type})"
            self.difference = f"operation {self._number(record)} was {before}, is now {now}"

    def _left_out(self) -> str | None:
        for record in self.history.operations:
            around = self.history.ancestors(record)
            if record.id in self._visited or any(one.status.is_terminal for one in around):
                continue
            if not any(self._may_be_left_behind(one) for one in (record, *around)):
                return f"operation {self._number(record)} was {title(self.history, record)}, and does not come any more"
        return None

    def _may_be_left_behind(self, record: OperationRecord) -> bool:
        """Whether it is a branch that was not entered, beside one that has ended: that may be enough for the whole."""
        parent = next(iter(self.history.ancestors(record)), None)
        if record.id in self._visited or parent is None or parent.sub_type not in SIDE_BY_SIDE:
            return False
        return any(one.status.is_terminal for one in self.history.children(parent) if one is not record)

    def _failure(self, answer: Mapping[str, Any]) -> str | None:
        if answer.get("Status") != "FAILED" or self.may_fail:
            return None
        error = answer.get("Error") or {}
        return f"the handler fails with {error.get('ErrorType')}: {error.get('ErrorMessage')}"

    def _number(self, record: OperationRecord) -> int:
        return self.history.operations.index(record) + 1
