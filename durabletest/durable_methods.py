"""The methods with which a test of any framework runs a durable function, and asserts on its executions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack
from unittest import SkipTest

from durabletest import assertions
from durabletest.checkpoint_stubs import CheckpointStub
from durabletest.errors import DurableTestError, UsageError
from durabletest.execution_handle import Execution
from durabletest.model.execution_view import ExecutionView
from durabletest.model.records import OperationStatus, OperationType
from durabletest.result import TestResult
from durabletest.scripts import CallbackScript
from durabletest.stubs import InvokeStub, StepStub

if TYPE_CHECKING:
    from durabletest.cloud.runner import CloudDurableTestRunner
    from durabletest.local.deployment import SettingsOfTarget
    from durabletest.local.runner import LocalDurableTestRunner

__unittest = True
__tracebackhide__ = True


class DurableMethods:
    """The methods of :class:`durabletest.DurableTestCase` and :class:`durabletest.DurableTest`.

    Each assert method returns a subject to make claims about: the last execution of the test, or that of
    ``execution=``, or something in it. ``msg`` is a note that is shown with the failure.
    """

    runner: LocalDurableTestRunner | CloudDurableTestRunner

    __current: assertions.CurrentTest | None = None
    __last: Execution | None = None
    __started: tuple[Execution, ...] = ()

    def execute(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> TestResult:
        """Run the handler with a JSON-able payload until the execution ends; the arguments are as for ``start``."""
        options = {"name": name, "tenant_id": tenant_id}
        given = {key: value for key, value in options.items() if value is not None}
        return self.start(payload, **given).result()  # a subclass may have a start that knows the payload only

    def start(self, payload: Any = None, *, name: str | None = None, tenant_id: str | None = None) -> Execution:
        """Start an execution in the background; see :class:`durabletest.Execution`.

        ``name`` is the execution's name: one that was used before, with the same payload, means the same execution.
        ``tenant_id`` is the tenant of the invocation.
        """
        return self._durable_started(self.runner.start(payload, name=name, tenant_id=tenant_id))

    @property
    def now(self) -> datetime:
        """The test's virtual time; in the cloud the real time."""
        return self.runner.now

    def lambda_client(self) -> Any:
        """A Lambda client of boto3 that the local server answers, for code under test that takes one.

        In cloud mode it is the client with which the test talks to AWS. For a client that exists already see
        :func:`durabletest.route`.
        """
        return self.runner.lambda_client()

    def on_callback(self, name: str, *, optional: bool = False) -> CallbackScript:
        """Script the answers to callbacks of that name; see :class:`durabletest.CallbackScript`.

        An answer that no callback gets fails the test at the end, unless the script is ``optional``.
        """
        return self.runner.on_callback(name, optional=optional)

    def stub_step(self, name: str, *, optional: bool = False) -> StepStub:
        """Stub the function of the steps of that name or path; see :class:`durabletest.StepStub`.

        A stub that the test never uses fails it at the end, unless the stub is ``optional``.
        """
        return self.runner.stub_step(name, optional=optional)

    def stub_invoke(self, name: str, *, optional: bool = False) -> InvokeStub:
        """Stub a target of ``context.invoke``, registered or not; see :class:`durabletest.InvokeStub`.

        A stub that the test never uses fails it at the end, unless the stub is ``optional``.
        """
        return self.runner.stub_invoke(name, optional=optional)

    def stub_checkpoints(self, *, optional: bool = False) -> CheckpointStub:
        """Have checkpoints refused for a while; see :class:`durabletest.CheckpointStub`.

        A stub by which no checkpoint is refused fails the test at the end, unless it is ``optional``.
        """
        return self.runner.stub_checkpoints(optional=optional)

    def register_durable_function(
        self, name: str, handler: Callable[..., Any], **settings: Unpack[SettingsOfTarget]
    ) -> None:
        """Register a durable target of ``context.invoke`` for this test.

        ``function_timeout``, ``memory_size`` and ``environment`` mean what they do as settings of the class.
        """
        self.runner.register_durable_function(name, handler, **settings)

    def register_function(self, name: str, handler: Callable[..., Any], **settings: Unpack[SettingsOfTarget]) -> None:
        """Register a plain target of ``context.invoke`` for this test, with settings as for a durable one."""
        self.runner.register_function(name, handler, **settings)

    def assertExecution(
        self, execution: Execution | TestResult | None = None, *, msg: object = None
    ) -> assertions.ExecutionSubject:
        """Assert on the last execution of the test, or on another one."""
        return assertions.execution(self.__view(execution), self.__test, msg)

    def assertOperation(
        self,
        path: str,
        index: int | None = None,
        *,
        execution: Execution | TestResult | None = None,
        msg: object = None,
    ) -> assertions.OperationSubject:
        """Assert on the operation of that name or path; without one, every check but ``never_started`` fails.

        ``index`` chooses one of several of that name or path; without it, each check fails if there are several.
        """
        return assertions.operation(self.__view(execution), self.__test, path, index, msg)

    def assertNoOperation(
        self, path: str, *, execution: Execution | TestResult | None = None, msg: object = None
    ) -> None:
        """Assert that there is no operation of that name or path."""
        self.assertOperation(path, execution=execution, msg=msg).never_started()

    def assertOperations(
        self,
        *,
        name: str | None = None,
        status: OperationStatus | str | None = None,
        type: OperationType | str | None = None,
        execution: Execution | TestResult | None = None,
        msg: object = None,
    ) -> assertions.OperationsSubject:
        """Assert on all operations, or on those of that name or path, status and type."""
        return assertions.operations(self.__view(execution), self.__test, name, status, type, msg)

    def assertInvocations(
        self, *, execution: Execution | TestResult | None = None, msg: object = None
    ) -> assertions.InvocationsSubject:
        """Assert on the invocations of the handler."""
        return assertions.invocations(self.__view(execution), self.__test, msg)

    def assertHistory(
        self, *, execution: Execution | TestResult | None = None, msg: object = None
    ) -> assertions.HistorySubject:
        """Assert on the events of the execution's history."""
        return assertions.history(self.__view(execution), self.__test, msg)

    def softly(self) -> assertions.SoftScope:
        """``with self.softly():`` collects the failures of its claims, and fails at the end with all of them, numbered.

        Only the claims of this package's subjects are collected; any other exception ends the block at once.
        """
        return assertions.SoftScope(self.__test)

    # --- for what has these methods ---

    def _durable_current(self) -> assertions.CurrentTest:
        """How the test fails; it is asked for once in a test."""
        raise NotImplementedError

    def _durable_began(self) -> None:
        """Forget the executions and assertions of an earlier run of this test."""
        self.__current = self.__last = None
        self.__started = ()

    def _durable_last(self) -> Execution | None:
        return self.__last

    def _durable_started(self, execution: Execution) -> Execution:
        """Make an execution that was started the one that assertions are about."""
        self.__last = execution
        self.__started = (*self.__started, execution)
        return execution

    def _durable_executions(self) -> list[TestResult]:
        """Snapshots of the executions that the test has started so far."""
        return [execution.snapshot() for execution in self.__started]

    @contextmanager
    def _durable_reporting(self) -> Iterator[None]:
        """Add a report of the last execution to failures in this block."""
        with self.__test.reporting(self.__last_view):
            yield

    def _durable_report(self, error: BaseException) -> str | None:
        """The report that a failure is to be shown with, taken out of its message; None if it was shown before."""
        return self.__test.take_report(error, self.__last_view())

    @contextmanager
    def _durable_noting_unused(self) -> Iterator[None]:
        """Add a note on unused stubs and scripted answers to a failure."""
        try:
            yield
        except SkipTest:
            raise
        except Exception as error:
            with suppress(DurableTestError):  # the failure counts, even if the runner is broken
                unused = None if self.__last is None else self.runner.unused()
                if unused is not None:
                    error.add_note(f"\n{unused}")
            raise

    def _durable_finish(self) -> None:
        """At the end of a test that has passed so far: fail it for what it has not used, and for empty assertions.

        Not used are stubs and scripted answers; empty are assertions without a claim.
        """
        complaint = self.runner.unused()
        if complaint is not None:
            raise self.__test.failure(complaint)
        self.__test.finish()

    @property
    def __test(self) -> assertions.CurrentTest:
        if self.__current is None:
            self.__current = self._durable_current()
        return self.__current

    def __last_view(self) -> ExecutionView | None:
        return None if self.__last is None else self.__last.snapshot().view

    def __view(self, execution: Execution | TestResult | None) -> ExecutionView:
        chosen = self.__last if execution is None else execution
        if chosen is None:
            raise UsageError("there is no execution to assert on: call execute(payload) or start(payload) first")
        if not isinstance(chosen, Execution | TestResult):
            raise UsageError(f"execution={chosen!r}: give what execute(payload) or start(payload) has returned")
        return chosen.view if isinstance(chosen, TestResult) else chosen.snapshot().view
