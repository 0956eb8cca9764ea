"""All executions of an environment: how they start, go on and end."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from durabletest.local.server.bounds import Family
from durabletest.local.server.callbacks import CallbackManager
from durabletest.local.server.checkpoints import CheckpointManager
from durabletest.local.server.events import ErrorObject, EventProcessor, Operation, error_of, result_of
from durabletest.local.server.functions import FunctionSpec
from durabletest.local.server.ids import IdSource
from durabletest.local.server.messages import Announce, Changed, Ended, InvocationDue, Limit, Timer, TimerKind
from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.operations import TERMINAL, OperationTable
from durabletest.local.server.transitions import InvokeStarter, Transitions

DEFAULT_EXECUTION_TIMEOUT = 31_622_400
"""Seconds (366 days): what the service allows at most. When nobody set a timeout, it is a limit, and no timer."""


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What an execution is started with; ``payload`` is JSON text, ``timeout`` seconds or None.

    ``parent`` is the invoking execution's ARN and operation, ``target`` the name under which the function was
    registered; both are None for an execution that a test started. ``scope`` is the runner's number: each runner
    stands for a deployment of its own, in which execution names are unique.
    """

    function: FunctionSpec
    payload: str | None
    name: str | None = None
    timeout: int | None = None
    tenant_id: str | None = None
    parent: tuple[str, str] | None = None
    page_size: int | None = None
    target: str | None = None
    scope: int = 0


@dataclass(slots=True, eq=False)
class Execution:
    """One durable execution and where it stands; ``failures`` counts failed invocations in a row."""

    execution_id: str
    name: str
    arn: str
    request: StartRequest
    started_at: datetime
    checkpoints: CheckpointManager
    status: str = "RUNNING"
    result: str | None = None
    error: ErrorObject | None = None
    ended_at: datetime | None = None
    failures: int = 0
    empty_pendings: int = 0
    children: list[str] = field(default_factory=list)
    family: Family = field(default_factory=Family)
    depth: int = 0

    @property
    def running(self) -> bool:
        """Whether no terminal status is reached yet."""
        return self.status == "RUNNING"

    @property
    def timeout(self) -> int:
        """Seconds; what the service allows at most if nobody set any."""
        return self.request.timeout or DEFAULT_EXECUTION_TIMEOUT


@dataclass(frozen=True, slots=True)
class Services:
    """What all parts of the server share."""

    now: Callable[[], datetime]
    announce: Announce
    ids: IdSource


class ExecutionManager:
    """Creates executions, each with a checkpoint manager of its own (R9.3, R10.1), and ends them."""

    def __init__(self, services: Services, callbacks: CallbackManager) -> None:
        self._services = services
        self._callbacks = callbacks
        self._by_arn: dict[str, Execution] = {}
        self._by_name: dict[tuple[int, str, str], Execution] = {}
        self._by_function: defaultdict[str, dict[str, Execution]] = defaultdict(dict)
        self.on_ended: Callable[[Execution], None] = lambda _execution: None
        self.invoke_starter: Callable[[Execution], InvokeStarter]

    def get(self, arn: str, api_operation: str) -> Execution:
        """The execution of that ARN; an unknown one is refused with the service's own error."""
        execution = self.find(arn)
        if execution is None:
            raise modelled_error("ResourceNotFoundException", f"Durable execution not found: {arn}", api_operation)
        return execution

    def find(self, arn: str) -> Execution | None:
        """The execution of that ARN, if there is one."""
        return self._by_arn.get(arn)

    def of_function(self, name: str) -> list[Execution]:
        """Every execution of the function of that bare name, in the order in which they started."""
        return list(self._by_function[name].values())

    def drop(self, arn: str) -> None:
        """Forget an execution."""
        execution = self._by_arn.pop(arn)
        del self._by_function[execution.request.function.name][arn]
        del self._by_name[_identity(execution.request, execution.name)]

    # --- start ---

    def start(self, request: StartRequest) -> Execution:
        """Start an execution; with the name and input of one that exists, that one is answered (idempotent)."""
        existing = None if request.name is None else self._by_name.get(_identity(request, request.name))
        if existing is not None:
            return self._same_or_refused(existing, request)
        execution_id = self._services.ids.execution()
        name = request.name or self._new_name(request)
        arn = f"{request.function.qualified_arn}/durable-execution/{name}/{execution_id}"
        execution = self._create(execution_id, name, arn, request)
        self._by_arn[arn] = self._by_name[_identity(request, name)] = execution
        self._by_function[request.function.name][arn] = execution
        self._record_start(execution)
        self._services.announce(InvocationDue(arn))
        if request.parent is not None:
            parent = self._by_arn[request.parent[0]]
            execution.family, execution.depth = parent.family, parent.depth + 1
        execution.family.joined(execution.depth, execution.checkpoints.bounds)
        return execution

    def _new_name(self, request: StartRequest) -> str:
        names = (f"execution-{number}" for number in itertools.count(len(self._by_arn) + 1))
        return next(name for name in names if _identity(request, name) not in self._by_name)

    def _same_or_refused(self, existing: Execution, request: StartRequest) -> Execution:
        if existing.request.payload == request.payload:
            return existing
        raise modelled_error(
            "DurableExecutionAlreadyStartedException",
            f"Durable execution {existing.name!r} was already started with another input",
            "Invoke",
        )

    def _create(self, execution_id: str, name: str, arn: str, request: StartRequest) -> Execution:
        services = self._services
        operations = OperationTable()
        events = EventProcessor(services.now)
        execution: Execution

        def start_invoke(operation: Operation, update: Mapping[str, Any]) -> None:
            self.invoke_starter(execution)(operation, update)

        transitions = Transitions(
            arn, operations, events, self._callbacks, services.now, services.announce, start_invoke
        )
        checkpoints = CheckpointManager(
            execution_id,
            arn,
            operations=operations,
            events=events,
            transitions=transitions,
            ids=services.ids,
            now=services.now,
            announce=services.announce,
            page_size=request.page_size,
        )
        execution = Execution(execution_id, name, arn, request, services.now(), checkpoints)
        return execution

    def _record_start(self, execution: Execution) -> None:
        request, checkpoints = execution.request, execution.checkpoints
        checkpoints.events.record(
            "ExecutionStarted", {"Input": result_of(request.payload), "ExecutionTimeout": execution.timeout}
        )
        operation_id = execution.execution_id
        checkpoints.operations.ensure({"Id": operation_id, "Type": "EXECUTION"}, execution.started_at)
        checkpoints.operations.change(operation_id, "STARTED", {"InputPayload": request.payload})
        if request.timeout is not None:
            due = execution.started_at + timedelta(seconds=request.timeout)
            self._services.announce(Timer(due, TimerKind.EXECUTION_TIMEOUT, execution.arn))
        else:
            self._services.announce(Limit(execution.started_at + timedelta(seconds=execution.timeout), execution.arn))

    # --- end ---

    def succeed(self, execution: Execution, result: str | None) -> None:
        """End with SUCCEEDED; ``result`` is JSON text."""
        execution.result = result
        self._end(execution, "SUCCEEDED", "ExecutionSucceeded", {"Result": result_of(result)})

    def fail(self, execution: Execution, error: ErrorObject) -> None:
        """End with FAILED."""
        execution.error = error
        self._end(execution, "FAILED", "ExecutionFailed", {"Error": error_of(error)})

    def time_out(self, execution: Execution) -> None:
        """End with TIMED_OUT. Error type and text are not documented by the service; chosen here, once."""
        execution.error = {"ErrorType": "ExecutionTimedOut", "ErrorMessage": "Execution timed out"}
        self._end(execution, "TIMED_OUT", "ExecutionTimedOut", {"Error": error_of(execution.error)})
        self._end_what_is_open(execution)

    def stop(self, execution: Execution, error: ErrorObject | None) -> None:
        """End with STOPPED; ``error`` is what the caller of the API gave as the reason."""
        execution.error = error or {"ErrorType": "ExecutionStopped", "ErrorMessage": "Execution stopped"}
        self._end(execution, "STOPPED", "ExecutionStopped", {"Error": error_of(execution.error)})
        self._end_what_is_open(execution)

    def _end_what_is_open(self, execution: Execution) -> None:
        """Operations in progress end as their execution did, without events of their own; its children are stopped."""
        operations = execution.checkpoints.operations
        for operation in [operation for operation in operations if operation["Status"] not in TERMINAL]:
            operations.change(operation["Id"], execution.status, {}, execution.ended_at)
        reason = {"ErrorType": "ExecutionStopped", "ErrorMessage": f"its invoking execution is {execution.status}"}
        for child in [self._by_arn[arn] for arn in execution.children]:
            if child.running:
                self.stop(child, reason)

    def _end(self, execution: Execution, status: str, event_type: str, details: Mapping[str, Any]) -> None:
        checkpoints = execution.checkpoints
        checkpoints.release()
        checkpoints.end_invocation()
        execution.status = status
        execution.ended_at = self._services.now()
        checkpoints.operations.change(execution.execution_id, status, {}, execution.ended_at)
        checkpoints.events.record(event_type, details)
        self._callbacks.close_all(execution.arn, f"its execution is {status}")
        self._services.announce(Changed(execution.arn))
        self._services.announce(Ended(execution.arn))
        self.on_ended(execution)


def _identity(request: StartRequest, name: str) -> tuple[int, str, str]:
    """Within what an execution's name means one execution: the runner and the function."""
    return request.scope, request.function.name, name
