"""What runners tell of their executions before they forget them: to coverage, and to pages of failing tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from durabletest.errors import DurableTestError
from durabletest.model.execution_view import ExecutionView
from durabletest.model.outcomes import Noted

COVERAGE_VARIABLE = "DURABLETEST_COVERAGE"


@dataclass(frozen=True)
class Ending:
    """The executions of a runner, invoked ones included, in the order in which they started.

    ``workflow`` is the name of what the runner executes: the function's name if the test gives one, or else the
    handler's, with its module. ``function`` is the name that this function has in ARNs. ``noted`` returns what the
    execution with that ARN has asked the SDK for.
    """

    workflow: str
    function: str
    views: Sequence[ExecutionView]
    runner: object = None
    noted: Callable[[str], Noted] = lambda _: Noted()

    def roots(self) -> list[ExecutionView]:
        """The executions that none of the others has invoked."""
        invoked = {record.child_arn for view in self.views for record in view.history().operations}
        return [view for view in self.views if view.arn not in invoked]

    def workflow_of(self, view: ExecutionView) -> str:
        """The name of the workflow of one of the executions: one that was invoked has the name of its function."""
        invoked = view.arn.partition(":function:")[2].partition(":")[0]
        return self.workflow if invoked in ("", self.function) else invoked


Listener: TypeAlias = Callable[[Ending | DurableTestError], None]
"""Is given the executions of a runner, or the reason why they cannot be read."""

_listeners: list[Listener] = []
_suite: ContextVar[str] = ContextVar("durabletest_suite", default="")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell this listener of the executions that are forgotten during the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def in_suite(name: str) -> Iterator[None]:
    """In the block, executions belong to this test class or file."""
    token = _suite.set(name)
    try:
        yield
    finally:
        _suite.reset(token)


def current_suite() -> str:
    """The test class or file that is running; empty outside of tests that are known."""
    return _suite.get()


def are_wanted() -> bool:
    """Whether coverage or pages of failures are asked for, so that executions have to be reported."""
    return bool(_listeners or os.environ.get(COVERAGE_VARIABLE))


def tell(describe: Callable[[], Ending]) -> None:
    """Tell all listeners of executions that are about to be forgotten."""
    if not are_wanted():
        return
    try:
        ending: Ending | DurableTestError = describe()
    except DurableTestError as refusal:
        ending = refusal
    for listener in _listeners:
        listener(ending)
    if os.environ.get(COVERAGE_VARIABLE):
        from durabletest import coverage_parts  # few runs ask for it

        coverage_parts.record(current_suite(), ending)
