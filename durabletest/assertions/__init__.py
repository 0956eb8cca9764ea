"""The assertion DSL: a subject, then claims about it, in the words of the domain.

The functions here are the entry points. ``view`` is the execution, ``test`` the test in whose name claims are made.
"""

from __future__ import annotations

from durabletest.assertions.check import About
from durabletest.assertions.current import CurrentTest, SoftScope
from durabletest.assertions.events import HistorySubject, history_subject
from durabletest.assertions.invocations import (
    EachInvocation,
    InvocationsSubject,
    InvocationSubject,
    invocations_subject,
)
from durabletest.assertions.operations import EachOperation, Filter, OperationsSubject, operations_subject
from durabletest.assertions.subject import begun
from durabletest.assertions.subjects import ExecutionSubject, OperationSubject, execution_subject, operation_subject
from durabletest.model.execution_view import ExecutionView
from durabletest.model.naming import execution_title

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
    """The execution, to make claims about."""
    return begun(execution_subject(_about(view, test, note), view), "a check, for example .succeeded()")


def operation(
    view: ExecutionView, test: CurrentTest, path: str, index: int | None = None, note: object = None
) -> OperationSubject:
    """An operation, to make claims about; that it exists is the first claim."""
    return operation_subject(_about(view, test, note), path, index)


def operations(
    view: ExecutionView,
    test: CurrentTest,
    name: str | None = None,
    status: str | None = None,
    type: str | None = None,
    note: object = None,
) -> OperationsSubject:
    """The operations of that name or path, status and type, to make claims about."""
    return operations_subject(_about(view, test, note), view, Filter.given(name, status, type))


def invocations(view: ExecutionView, test: CurrentTest, note: object = None) -> InvocationsSubject:
    """The calls of the handler, to make claims about."""
    return invocations_subject(_about(view, test, note), view)


def history(view: ExecutionView, test: CurrentTest, note: object = None) -> HistorySubject:
    """The events, to make claims about."""
    return history_subject(_about(view, test, note), view)


def _about(view: ExecutionView, test: CurrentTest, note: object) -> About:
    return About(execution_title(view.arn), view, test, note)
