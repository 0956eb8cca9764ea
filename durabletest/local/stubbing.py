"""Puts the stubs of a runner into its executions, and says why a stub was not used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NoReturn

from durabletest import sdk
from durabletest.checkpoint_stubs import CheckpointStub
from durabletest.local.faults import FaultInjector, refusal
from durabletest.local.server.function_invokes import FunctionDirectory, StubbedEnd
from durabletest.local.server.identifiers import split_name
from durabletest.model.history import History
from durabletest.model.lookup import listed, means, nearest
from durabletest.model.records import OperationType
from durabletest.serialisers import decode
from durabletest.stub_registry import StubRegistry
from durabletest.stubs import InvokeCall, InvokeStub, StepCall, StepStub, timing_out


def step_replacement(
    registry: StubRegistry, faults: FaultInjector | None, arn: str, time_out: Callable[[], NoReturn]
) -> sdk.Replace | None:
    """A function that replaces the functions of an execution's steps by their stubs, with faults around them.

    ``time_out`` lets the invocation time out.
    """

    def respond(path: str, attempt: int) -> Callable[..., Any] | None:
        """The stub's response to this attempt of a step; None if the step's own function has to run."""
        stub = registry.for_step(path)
        response = None if stub is None else stub.respond(StepCall(path, attempt, arn))
        return (lambda *_: time_out()) if response is timing_out else response

    def replace(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if faults is not None:
            return faults.around(path, function, partial(respond, path))
        if registry.for_step(path) is None:
            return function
        return lambda *arguments: (respond(path, arguments[-1].attempt) or function)(*arguments)

    return replace if faults is not None or registry.has_steps else None


def checkpoint_refusal(registry: StubRegistry, now: Callable[[], datetime]) -> Exception | None:
    """The error with which a stub has the next checkpoint refused; None if it is accepted."""
    stub = registry.checkpoints
    fault = None if stub is None else stub.respond(now())
    return None if fault is None else refusal(fault)


def stubbed_end(registry: StubRegistry, arn: str, target: str, payload: str | None) -> StubbedEnd | None:
    """The end of a chained invoke, of the execution with that ARN, by its stub; None if no stub replaces it."""
    stub = stub_for(registry, target)
    end = None if stub is None else stub.respond(InvokeCall(target, decode(payload, None), arn))
    return None if end is None else StubbedEnd(end.status, end.after, end.result, end.error)


def stub_for(registry: StubRegistry, target: str) -> InvokeStub | None:
    """The stub for a function as the workflow names it: qualified names and ARNs match as for registered functions."""
    directory, stubs = FunctionDirectory(), registry.invokes
    for name in stubs:
        directory.register(name, durable=False)
    found = directory.find(target)
    return None if found is None else stubs[found[0]]


def unused(registry: StubRegistry, histories: Sequence[History]) -> str | None:
    """The unused stubs, each with the reason that the histories of all executions give; None if all were used."""
    complaints = [f"{stub} was never used: {_why(stub, histories)}" for stub in registry.all() if stub.is_unused]
    return "\n\n".join(complaints) or None


def _why(stub: StepStub | InvokeStub | CheckpointStub, histories: Sequence[History]) -> str:
    if not isinstance(stub, CheckpointStub) and stub.is_silent:
        word = "returns" if isinstance(stub, StepStub) else "succeeds"
        return f"it says nothing; write what happens, {stub}.{word}(...) for example"
    if not histories:
        return "nothing was executed"
    if isinstance(stub, StepStub):
        return _why_step(stub, histories)
    if isinstance(stub, InvokeStub):
        return _why_invoke(stub, histories)
    return (
        "no checkpoint was refused; say what happens to them before self.execute(...), .throttled(times=3) for "
        "example, and let no more be accepted before than the workflow sends"
    )


# --- steps ---


def _why_step(stub: StepStub, histories: Sequence[History]) -> str:
    namesakes = [
        (history, record) for history in histories for record in history.operations if means(history, record, stub.name)
    ]
    if not namesakes:
        return _no_such_step(stub, histories)
    history, record = namesakes[0]
    kind = "wait_for_callback" if record.is_wait_for_callback else str(record.type)
    return _REMEDIES[kind].format(name=record.name, path=history.path_of(record))


_REMEDIES = {
    "STEP": (
        "the step {path!r} ran before it was there, or had succeeded already; write stub_step(...) before "
        "self.execute(...)"
    ),
    "wait_for_callback": (
        "{path!r} is a wait_for_callback, not a step: write on_callback({name!r}) for its answer, and "
        "stub_step('{name} submitter') for its submitter"
    ),
    "CONTEXT": "{path!r} is a CONTEXT, not a step: stub the steps inside it, stub_step('{name}/...')",
    "WAIT": "{path!r} is a WAIT, not a step: it passes by itself, in virtual time",
    "CALLBACK": "{path!r} is a CALLBACK, not a step: write on_callback({name!r}) for its answer",
    "CHAINED_INVOKE": (
        "{path!r} is a CHAINED_INVOKE, not a step: write stub_invoke(...) with the name of the function it invokes"
    ),
}


def _no_such_step(stub: StepStub, histories: Sequence[History]) -> str:
    steps = [(history, one) for history in histories for one in history.operations if one.type is OperationType.STEP]
    paths = list(dict.fromkeys(history.path_of(record) for history, record in steps if record.name))
    near = nearest(stub.name, [*(path.rsplit("/", 1)[-1] for path in paths), *paths])
    return (
        f"no step has that name{near}\n"
        f"The steps of the test's executions: {listed(paths) or 'none has a name'}\n"
        f"If it need not be used, write stub_step({stub.name!r}, optional=True)"
    )


# --- chained invokes ---


def _why_invoke(stub: InvokeStub, histories: Sequence[History]) -> str:
    invokes = [record for history in histories for record in history.operations if record.function_name]
    functions = list(dict.fromkeys(str(record.function_name) for record in invokes))
    if any(split_name(function)[0] == split_name(stub.name)[0] for function in functions):
        return f"{listed(functions)} was invoked before it was there: write stub_invoke(...) before self.execute(...)"
    namesake = next((record for record in invokes if record.name == stub.name), None)
    if namesake is not None:
        return (
            f"{stub.name!r} is the name of an operation; the function that it invokes is {namesake.function_name!r}: "
            f"write stub_invoke({namesake.function_name!r})"
        )
    return (
        f"no function of that name was invoked{nearest(stub.name, functions)}\n"
        f"The functions that the test's executions invoked: {listed(functions) or 'none'}\n"
        f"If it need not be used, write stub_invoke({stub.name!r}, optional=True)"
    )
