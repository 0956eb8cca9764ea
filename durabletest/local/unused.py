"""What is said of stubs that nothing has used: what exists instead, and what to write."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from durabletest.model.enums import OperationType
from durabletest.model.history import History
from durabletest.model.records import OperationRecord
from durabletest.stubs import StepStub, StubBook

_LISTED = 20


def unused(book: StubBook, histories: Sequence[History]) -> str | None:
    """Why each stub was not used, ``histories`` being those of all executions so far; None if all were used."""
    stubs = [stub for stub in book.steps.values() if not stub.received and not stub.optional]
    return "\n\n".join(_unused_step(stub, histories) for stub in stubs) or None


def _unused_step(stub: StepStub, histories: Sequence[History]) -> str:
    if not histories:
        return f"{stub} was never used: nothing was executed"
    namesakes = [(history, record) for history in histories for record in _at(history, stub.name)]
    if not namesakes:
        return f"{stub} was never used: {_no_such_step(stub, histories)}"
    history, record = namesakes[0]
    return f"{stub} was never used: {_REMEDIES[_kind(record)].format(name=record.name, path=history.path_of(record))}"


def _at(history: History, path: str) -> list[OperationRecord]:
    return [record for record in history.operations if record.name and _ends(history.path_of(record), path)]


def _ends(path: str, stub: str) -> bool:
    return f"/{path}".endswith(f"/{stub}")


def _kind(record: OperationRecord) -> str:
    if record.is_wait_for_callback:
        return "wait_for_callback"
    return str(record.type)


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
    paths = list(dict.fromkeys(history.path_of(record) for history in histories for record in _steps(history)))
    near = get_close_matches(stub.name, [*(path.rsplit("/", 1)[-1] for path in paths), *paths], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(map(repr, paths[:_LISTED])) + (", ..." if len(paths) > _LISTED else "")
    return (
        f"no step has that name{hint}\n"
        f"The steps of the test's executions: {listed or 'none has a name'}\n"
        f"If it need not be used, write stub_step({stub.name!r}, optional=True)"
    )


def _steps(history: History) -> list[OperationRecord]:
    return [record for record in history.operations if record.type is OperationType.STEP and record.name]
