"""How stubs get into the executions of their runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durabletest import sdk
from durabletest.local.server.function_invokes import Decide, FunctionDirectory, StubbedEnd, StubbedInvoke
from durabletest.serialisers import decode
from durabletest.stubs import InvokeCall, InvokeStub, StepCall, StubRegistry


def replacing(book: StubRegistry, arn: str) -> sdk.Replace:
    """What the stubs replace in the steps of this execution."""

    def replace(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
        stub = book.for_step(path)
        if stub is None:
            return function

        def stubbed(*arguments: Any) -> Any:
            act = stub.respond(StepCall(path, arguments[-1].attempt, arn))
            return (act or function)(*arguments)

        return stubbed

    return replace


def deciding(book: StubRegistry) -> Decide:
    """How the stubs let chained invokes end."""

    def decide(invoke: StubbedInvoke) -> StubbedEnd | None:
        stub = stub_for(book, invoke.target)
        if stub is None:
            return None
        end = stub.respond(InvokeCall(invoke.target, decode(invoke.payload, None), invoke.arn))
        return None if end is None else StubbedEnd(end.status, end.after, end.result, end.error)

    return decide


def stub_for(book: StubRegistry, target: str) -> InvokeStub | None:
    """The stub for a function as the workflow names it; qualified names and ARNs find it as registered ones do."""
    directory, stubs = FunctionDirectory(), book.invokes
    for name in stubs:
        directory.register(name, durable=False)
    found = directory.find(target)
    return None if found is None else stubs[found[0]]
