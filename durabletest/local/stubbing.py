"""How stubs get into the executions of their runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durabletest import sdk
from durabletest.stubs import StepCall, StubBook


def replacing(book: StubBook, arn: str) -> sdk.Replace:
    """What the stubs replace in this execution."""

    def replace(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
        stub = book.for_step(path)
        if stub is None:
            return function

        def stubbed(*arguments: Any) -> Any:
            act = stub.stand_in(StepCall(path, arguments[-1].attempt, arn))
            return (act or function)(*arguments)

        return stubbed

    return replace
