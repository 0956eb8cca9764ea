"""The assertion DSL: a subject, then claims about it, in the words of the domain.

The functions here are the entry points. ``result`` is a ``TestResult``; ``fail`` is the exception that a failure
raises, in a test case its ``failureException``.
"""

from __future__ import annotations

from durabletest.assertions.check import About, Claim, check
from durabletest.assertions.execution_subject import ExecutionSubject, execution_story, execution_subject
from durabletest.assertions.operation_subject import OperationSubject, operation_story, operation_subject
from durabletest.model.enums import ExecutionStatus
from durabletest.model.lookup import why_not_found
from durabletest.model.result import TestResult
from durabletest.model.titles import title
from durabletest.model.view import ExecutionView, execution_title

__all__ = ["ExecutionSubject", "OperationSubject", "execution", "no_operation", "operation"]

__unittest = True
__tracebackhide__ = True


def execution(result: TestResult | ExecutionView, fail: type[AssertionError] = AssertionError) -> ExecutionSubject:
    """The execution, to make claims about."""
    return execution_subject(_view(result), fail)


def operation(
    result: TestResult | ExecutionView, path: str, index: int = 0, fail: type[AssertionError] = AssertionError
) -> OperationSubject:
    """An operation, to make claims about; that it exists is the first claim."""
    view = _view(result)
    found = view.history().find_all(path)
    if not -len(found) <= index < len(found):
        asked = f"operation {path!r}" + (f" (index {index})" if index else "")
        check(About(f"{asked} of {execution_title(view.arn)}", view, fail), _missing(view, path, index, len(found)))
    return operation_subject(view, found[index], fail)


def no_operation(result: TestResult | ExecutionView, path: str, fail: type[AssertionError] = AssertionError) -> None:
    """The claim that no operation has this name or path."""
    view = _view(result)
    history = view.history()
    found = history.find_all(path)
    stories = "\n".join(f"{title(history, record)}: {operation_story(record)}" for record in found)
    about = About(f"operation {path!r} of {execution_title(view.arn)}", view, fail)
    check(about, Claim(not found, "does not exist", stories))


def _view(result: TestResult | ExecutionView) -> ExecutionView:
    return result.view if isinstance(result, TestResult) else result


def _missing(view: ExecutionView, path: str, index: int, found: int) -> Claim:
    """An execution that failed on the way is the likeliest reason why an operation is missing, so it is told too."""
    execution = view.history().execution
    succeeded = execution.status is ExecutionStatus.SUCCEEDED
    remedy = "" if succeeded else f"The execution is {execution_story(view)}"
    trace = execution.error.stack_trace if execution.error else ()
    return Claim(False, "exists", why_not_found(view.history(), path, index, found), remedy, trace)
