"""The assertions of a test case: where they begin, and how they fail."""

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
from durabletest.execution import Execution
from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.execution_view import ExecutionView
from durabletest.result import TestResult

__unittest = True
__tracebackhide__ = True


class DurableAssertions(unittest.TestCase):
    """What ``DurableTestCase`` can assert.

    Every method begins with a subject: the last execution of the test, or ``execution=``, or something in it.
    ``msg`` is unittest's: a note that is shown with the failure.
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
        """Assert on the operation of that name or path; it fails if there is none, unless it was ``never_started``.

        Of several by that name or path, ``index`` says which; without it, each check fails.
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
        """Assert on the calls of the handler."""
        return assertions.invocations(self.__view(execution), self.__test, msg)

    def assertHistory(
        self, *, execution: Execution | TestResult | None = None, msg: object = None
    ) -> assertions.HistorySubject:
        """Assert on the events that the service has recorded."""
        return assertions.history(self.__view(execution), self.__test, msg)

    def softly(self) -> assertions.SoftScope:
        """``with self.softly():`` lets every claim be made, and fails at the end with all that failed, numbered.

        It is about the claims that begin with this package's assertions; what else raises ends the block at once.
        """
        return assertions.SoftScope(self.__test)

    # --- for the test case ---

    def _durable_began(self) -> None:
        """A test begins."""
        self.__current = self.__last = None
        self.__started = []

    def _durable_last(self) -> Execution | None:
        return self.__last

    def _durable_executed(self, execution: Execution) -> Execution:
        """An execution was started, which assertions are about from now on."""
        self.__last = execution
        self.__started.append(execution)
        return execution

    def _durable_executions(self) -> list[TestResult]:
        """The executions that the test has started so far, as they stand."""
        return [execution.snapshot() for execution in self.__started]

    @contextmanager
    def _durable_reporting(self) -> Iterator[None]:
        """Failures in here carry a report of the last execution."""
        with self.__test.reporting(lambda: None if self.__last is None else self.__last.snapshot().view):
            yield

    def _durable_finish(self) -> None:
        """The test has passed so far: complain about assertions that claim nothing."""
        self.__test.finish()

    def __assert_records_equal(self, first: object, second: object, msg: Any = None) -> None:
        """What ``assertEqual`` does for our own records."""
        text = record_difference(first, second)
        if text:
            raise self.failureException(self._formatMessage(msg, text))

    @property
    def __test(self) -> assertions.CurrentTest:
        if self.__current is None:
            file = getattr(sys.modules.get(type(self).__module__), "__file__", None)
            folder = None if file is None else Path(file).parent
            self.__current = assertions.CurrentTest(self.__failure, self._formatMessage, folder)
        return self.__current

    @property
    def __failure(self) -> type[AssertionError]:
        """What a failed assertion raises; unittest's own declaration is wider than what it can report as a failure."""
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
