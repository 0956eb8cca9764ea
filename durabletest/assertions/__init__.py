"""The assertion DSL: subjects, and claims about them.

The functions are the entry points. ``view`` is the execution to make claims about, ``test`` the test that makes them,
``note`` the ``msg`` of the assertion. A new claim is a method in the ``..._checks`` module of its subject, or of
``ExecutionSubject``.
"""

from __future__ import annotations

from durabletest.assertions.check import CheckContext, SoftScope
from durabletest.assertions.failing import CurrentTest
from durabletest.assertions.history_checks import HistorySubject
from durabletest.assertions.invocation_checks import EachInvocation, InvocationsSubject, InvocationSubject
from durabletest.assertions.subjects import (
    EachOperation,
    ExecutionSubject,
    OperationFilter,
    OperationSetFacts,
    OperationsSubject,
    OperationSubject,
    execution_subject,
    operation_subject,
)
from durabletest.model.execution_view import ExecutionView
from durabletest.model.history import execution_title

__all__ = [
    "CurrentTest",
    "EachInvocation",
    "EachOperation",
    "ExecutionSubject",
    "HistorySubject",
    "InvocationSubject",
    "InvocationsSubject",
    "OperationSubject",
    "OperationsSubject",
    "SoftScope",
    "execution",
    "history",
    "invocations",
    "operation",
    "operations",
]

__unittest = True
__tracebackhide__ = True


def execution(view: ExecutionView, test: CurrentTest, note: object = None) -> ExecutionSubject:
    return execution_subject(_context("", view, test, note), view)._awaiting_check(".succeeded()")


def operation(
    view: ExecutionView, test: CurrentTest, path: str, index: int | None = None, note: object = None
) -> OperationSubject:
    """An operation. That it exists is a claim in itself, so no check has to follow."""
    return operation_subject(_context("", view, test, note), path, index)


def operations(
    view: ExecutionView,
    test: CurrentTest,
    name: str | None = None,
    status: str | None = None,
    type: str | None = None,
    note: object = None,
) -> OperationsSubject:
    """All operations, or those of a name or path, status and type."""
    chosen = OperationFilter.given(name, status, type)
    subject = OperationsSubject(_context(f"operations{chosen} of ", view, test, note), OperationSetFacts(view, chosen))
    return subject._awaiting_check(".count(2) or .each.succeeded()")


def invocations(view: ExecutionView, test: CurrentTest, note: object = None) -> InvocationsSubject:
    return InvocationsSubject(_context("invocations of ", view, test, note), view)._awaiting_check(".count(2)")


def history(view: ExecutionView, test: CurrentTest, note: object = None) -> HistorySubject:
    subject = HistorySubject(_context("history of ", view, test, note), view)
    return subject._awaiting_check(".contains('ExecutionSucceeded')")


def _context(part: str, view: ExecutionView, test: CurrentTest, note: object) -> CheckContext:
    """``part`` is the beginning of the title, before that of the execution: ``"history of "``."""
    return CheckContext(part + execution_title(view.arn), view, test, note)
