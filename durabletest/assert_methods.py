"""The assert methods of a test case, which begin the chains of :mod:`durabletest.assertions`."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from durabletest import assertions
from durabletest.assertions.compare import RECORDS, record_difference
from durabletest.errors import ConfigurationError, UsageError
from durabletest.execution_handle import Execution
from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.result import TestResult

__unittest = True
__tracebackhide__ = True


class DurableAssertions(unittest.TestCase):
    """The assert methods of ``DurableTestCase``.

    Each returns a subject to make claims about: the last execution of the test, or that of ``execution=``, or something
    in it. ``msg`` is unittest's: a note that is shown with the failure.
    """

    __current: assertions.CurrentTest | None = None
    __last: Execution | None = None
    __started: list[Execution]

    def __init__(self, methodName: str = "runTest") -> None:  # noqa: N803 - unittest's own name
        super().__init__(methodName)
        self.__started = []
        for record in RECORDS:
            self.addTypeEqualityFunc(record, self.__assert_records_equal)

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

    # --- for the test case ---

    def _durable_began(self) -> None:
        """Forget the executions and assertions of an earlier run of this test."""
        self.__current = self.__last = None
        self.__started = []

    def _durable_last(self) -> Execution | None:
        return self.__last

    def _durable_executed(self, execution: Execution) -> Execution:
        """Make an execution that was started the one that assertions are about."""
        self.__last = execution
        self.__started.append(execution)
        return execution

    def _durable_executions(self) -> list[TestResult]:
        """Snapshots of the executions that the test has started so far."""
        return [execution.snapshot() for execution in self.__started]

    @contextmanager
    def _durable_reporting(self) -> Iterator[None]:
        """Add a report of the last execution to failures in this block."""
        with self.__test.reporting(lambda: None if self.__last is None else self.__last.snapshot().view):
            yield

    def _durable_finish(self) -> None:
        """At the end of a test that has passed so far: fail it for assertions that claim nothing."""
        self.__test.finish()

    def __assert_records_equal(self, first: object, second: object, msg: Any = None) -> None:
        """The type equality function of this package's records, for ``assertEqual``."""
        text = record_difference(first, second)
        if text:
            raise self.failureException(self._formatMessage(msg, text))

    @property
    def __test(self) -> assertions.CurrentTest:
        if self.__current is None:
            self.__current = assertions.CurrentTest(self.__failure, self._formatMessage, self._durable_folder)
        return self.__current

    @property
    def _durable_folder(self) -> Path | None:
        """The folder of the test's module; None if that is no file."""
        file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
        return None if file is None else Path(file).parent

    @property
    def __failure(self) -> type[AssertionError]:
        """``failureException``, if unittest reports it as a failure; its declared type is wider."""
        failure: type[BaseException] = self.failureException
        if not issubclass(failure, AssertionError):
            raise ConfigurationError(f"failureException is {failure!r}: give a subclass of AssertionError")
        return failure

    def __view(self, execution: Execution | TestResult | None) -> ExecutionView:
        chosen = self.__last if execution is None else execution
        if chosen is None:
            raise UsageError(
                "there is no execution to assert on: call self.execute(payload) or self.start(payload) first"
            )
        if not isinstance(chosen, Execution | TestResult):
            raise UsageError(
                f"execution={chosen!r}: give what self.execute(payload) or self.start(payload) has returned"
            )
        return chosen.view if isinstance(chosen, TestResult) else chosen.snapshot().view
