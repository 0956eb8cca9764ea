"""The operations that handler code asks of the AWS SDK: with what it asks for each, and whose function runs here."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from types import FrameType
from typing import Any, TypeAlias

from durabletest.model.outcomes import Noted
from durabletest.patches import PatchGroup
from durabletest.sdk import folder, module

_EXECUTORS = itertools.count(1)
_ARGUMENTS = ("seconds", "payload", "function_name")
"""Attributes of the SDK's executors that hold arguments of the author's."""
_SUMMARIES = ('{"type": "MapResult"', '{"type": "ParallelResult"')


@dataclass(frozen=True, slots=True)
class RunningStep:
    """A step that runs; ``run`` is another value in each run of its function."""

    operation_id: str
    name: str | None
    at_most_once: bool
    run: tuple[int, object]

    def __str__(self) -> str:
        return f"step {self.name!r}" if self.name else f"the unnamed step {self.operation_id!r}"


def running_step() -> RunningStep | None:
    """The step whose function runs in the calling thread, or is about to; None outside of any step.

    It is found in the frame of the SDK's executor, which has the step's identifier (since 2.0).
    """
    frame: FrameType | None = sys._getframe(1)
    sdk_folder = folder()
    while frame is not None:
        # Only frames of the SDK are looked into: a dictionary of all local variables is made for that.
        executor = frame.f_locals.get("self") if frame.f_code.co_filename.startswith(sdk_folder) else None
        identifier = getattr(executor, "operation_identifier", None)
        if identifier is not None:
            if identifier.type.value != "STEP":
                return None
            semantics = getattr(getattr(executor, "config", None), "step_semantics", None)
            once = getattr(semantics, "name", "").startswith("AT_MOST_ONCE")
            run = vars(executor).setdefault("_durabletest_run", next(_EXECUTORS)), frame.f_locals.get("attempt")
            return RunningStep(identifier.operation_id, identifier.name, once, run)
        frame = frame.f_back
    return None


def is_summary(payload: str | None) -> bool:
    """Whether the SDK has recorded a context's result as a summary, since it was too large; children replay then.

    That of a child context is empty, that of a map or parallel an object with counts. Histories do not say it.
    """
    if not payload:
        return payload == ""
    return payload.startswith(_SUMMARIES) and '"totalCount"' in payload


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation as handler code asks for it: ``function`` is that of a step, condition or context.

    ``make_again`` is there if a recorded result may be a summary of the author's own: called, it has the SDK make the
    result of a context again, of what is recorded inside.
    """

    arn: str
    operation_id: str
    type: str
    sub_type: str | None
    name: str | None
    parent_id: str | None
    function: Callable[..., Any] | None
    arguments: Mapping[str, Any]
    retries: bool = False
    """Whether it is a step with a retry strategy of its own, other than the SDK's for no retry."""
    make_again: Callable[[], None] | None = None


Identity: TypeAlias = tuple[str, str | None, str | None]
"""Type, sub-type and name of an operation."""


class OperationListener:
    """Is told of operations."""

    def asked(self, asked: Asked) -> None:
        """Handler code asks for an operation, for the first time or in a replay."""

    def mismatched(self, recorded: Identity, asked: Identity) -> None:
        """Handler code asks for another operation than the one that is recorded in its place; the SDK refuses it."""

    def branched(self, arn: str, operation_id: str, sub_type: str, names: tuple[str, ...]) -> None:
        """A map or parallel goes on: ``names`` and type of all its branches, of which some may never begin."""


class AskedNotes(OperationListener):
    """Keeps what executions ask for, and what their histories do not have."""

    def __init__(self) -> None:
        self._retrying: dict[str, set[str]] = {}
        self._branches: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {}

    def asked(self, asked: Asked) -> None:
        if asked.retries:
            self._retrying.setdefault(asked.arn, set()).add(asked.operation_id)

    def branched(self, arn: str, operation_id: str, sub_type: str, names: tuple[str, ...]) -> None:
        self._branches.setdefault(arn, {})[operation_id] = sub_type, names

    def of(self, arn: str) -> Noted:
        """The notes on one execution."""
        return Noted(frozenset(self._retrying.get(arn, ())), dict(self._branches.get(arn, {})))


class OperationPatches(PatchGroup):
    """While installed, tells of each operation that handler code asks for, also in replays.

    ``listeners`` returns who is told, for the calling thread.
    """

    def __init__(self, listeners: Callable[[], Sequence[OperationListener]]) -> None:
        self._listeners = listeners
        super().__init__()

    def install(self) -> None:
        # Every operation is an executor of the SDK's, whose ``process`` is called once when handler code asks for it,
        # replayed or not. Since 2.0.
        if hasattr(module("operation.base"), "OperationExecutor"):
            self._patches.wrap(module("operation.base").OperationExecutor, "process", self._patched_process)
        # Whether what is asked for is what is recorded, is looked at before that. Since 3.0.
        if hasattr(module("identifier").OperationIdentifier, "validate_checkpoint"):
            self._patches.wrap(module("identifier").OperationIdentifier, "validate_checkpoint", self._patched_validate)
        # Maps and parallels have the names of all their branches, also of those that never begin. Since 2.0.
        if hasattr(module("concurrency.executor").ConcurrentExecutor, "get_iteration_name"):
            self._patches.wrap(module("concurrency.executor").ConcurrentExecutor, "execute", self._patched_execute)

    def _patched_process(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def process(executor: Any) -> Any:
            for listener in self._listeners():
                listener.asked(_asked(executor))
            return original(executor)

        return process

    def _patched_execute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def execute(executor: Any, execution_state: Any, executor_context: Any) -> Any:
            for listener in self._listeners():
                if executor.nesting_type.name == "NESTED":  # flat branches are no operations
                    names = tuple(executor.get_iteration_name(one.index) for one in executor.executables)
                    arn, parent = execution_state.durable_execution_arn, executor_context._parent_id
                    listener.branched(arn, parent, _plain(executor.sub_type_iteration), names)
            return original(executor, execution_state, executor_context)

        return execute

    def _patched_validate(self, original: Callable[..., None]) -> Callable[..., None]:
        @wraps(original)
        def validate_checkpoint(identifier: Any, recorded: Any) -> None:
            try:
                original(identifier, recorded)
            except Exception:
                for listener in self._listeners():
                    listener.mismatched(_identity(recorded), _identity(identifier))
                raise

        return validate_checkpoint


def suspension(reason: str) -> BaseException:
    """What the SDK raises where handler code waits: its branch, or the invocation, ends for now."""
    error: BaseException = module("exceptions").SuspendExecution(reason)
    return error


def _identity(operation: Any) -> Identity:
    """Of the SDK's identifier, or of an operation that it has recorded."""
    return operation.operation_type.value, _plain(operation.sub_type), operation.name


def _plain(sub_type: Any) -> Any:
    """A sub-type as a string; version 2 has an enum that is none."""
    return getattr(sub_type, "value", sub_type)


def _asked(executor: Any) -> Asked:
    identifier = executor.operation_identifier
    own = vars(executor)
    arguments = {name: own[name] for name in _ARGUMENTS if name in own}
    return Asked(
        executor.state.durable_execution_arn,
        identifier.operation_id,
        identifier.type.value,
        _plain(identifier.sub_type),
        identifier.name,
        identifier.parent_id,
        own.get("func") or own.get("check"),
        arguments,
        identifier.type.value == "STEP" and _may_retry(getattr(own.get("config"), "retry_strategy", None)),
        _make_again(executor),
    )


def _may_retry(strategy: Any) -> bool:
    """Whether there is a strategy; those that the SDK makes have the most attempts in a closure, one for no retry."""
    if strategy is None:
        return False
    names = getattr(getattr(strategy, "__code__", None), "co_freevars", ())
    inside: dict[str, Any] = dict(zip(names, getattr(strategy, "__closure__", None) or (), strict=True))
    return "config" not in inside or getattr(inside["config"].cell_contents, "max_attempts", None) != 1


def _make_again(executor: Any) -> Callable[[], None] | None:
    """See ``Asked``; a map or parallel marks its summaries, which ``is_summary`` knows. Since 2.0."""
    identifier = executor.operation_identifier
    generator = getattr(getattr(executor, "config", None), "summary_generator", None)
    if generator is None or _plain(identifier.sub_type) in ("Map", "Parallel"):
        return None

    def make_again() -> None:
        details = executor.state.get_checkpoint_result(identifier.operation_id).operation.context_details
        object.__setattr__(details, "replay_children", True)  # it is frozen

    return make_again
