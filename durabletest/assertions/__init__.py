"""The assertion DSL: a subject, then claims about it, in the words of the domain.

The functions here are the entry points. ``view`` is the execution, ``test`` the test in whose name claims are made.
"""

from __future__ import annotations

from durabletest.assertions.check import About
from durabletest.assertions.current import CurrentTest, SoftScope
from durabletest.assertions.subject import begun
from durabletest.assertions.subjects import ExecutionSubject, OperationSubject, execution_subject, operation_subject
from durabletest.model.view import ExecutionView, execution_title

__all__ = ["CurrentTest", "ExecutionSubject", "OperationSubject", "SoftScope", "execution", "operation"]

__unittest = True
__tracebackhide__ = True


def execution(view: ExecutionView, test: CurrentTest, note: object = None) -> ExecutionSubject:
    """The execution, to make claims about."""
    return begun(execution_subject(_about(view, test, note), view), "a check, for example .succeeded()")


def operation(
    view: ExecutionView, test: CurrentTest, path: str, index: int = 0, note: object = None
) -> OperationSubject:
    """An operation, to make claims about; that it exists is the first claim."""
    return operation_subject(_about(view, test, note), path, index)


def _about(view: ExecutionView, test: CurrentTest, note: object) -> About:
    return About(execution_title(view.arn), view, test, note)
