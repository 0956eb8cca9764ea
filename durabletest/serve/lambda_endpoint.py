"""The Lambda API for durable executions, answered in an event loop by one runner, and the pace of its time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from enum import Enum
from threading import Thread
from typing import Any, TypeVar

from botocore import xform_name

from durabletest.errors import ConfigurationError, DurableTestError, NotAvailableError
from durabletest.local.invocations import LambdaContext, invocation_error
from durabletest.local.invoker_thread import Raised
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.function_invokes import ACCEPTED, PlainInvoke
from durabletest.local.server.service_model import modelled_error
from durabletest.model.history import execution_title
from durabletest.model.payloads import encode
from durabletest.model.records import ExecutionStatus
from durabletest.serve.rest_json import ApiCall
from durabletest.serve.served_runner import ServedRunner

AnswerT = TypeVar("AnswerT")
_LOGGER = logging.getLogger("durabletest.serve")
_OK = 200
_LIVENESS_CHECK_SECONDS = 1.0
"""Real seconds after which a wait for an end looks whether the server is still there: asking a dead one is an error."""
_READS = ("Get", "List")
_FOLLOWING = ("GetDurableExecution", "GetDurableExecutionHistory")
_ERROR_KEYS = {"ErrorType": "errorType", "ErrorMessage": "errorMessage", "StackTrace": "stackTrace"}
"""The fields of an error in the payload of a failed ``Invoke``, which Lambda writes in its own way."""


class Pace(Enum):
    """How the time of the endpoint passes.

    Real, or virtual: skipped whenever nothing runs and no callback waits for an answer from outside, or moved by hand.
    """

    SKIP = "skip"
    MANUAL = "manual"
    REAL = "real"


class LambdaEndpoint:
    """Serves the functions of one runner; all methods belong to the thread of one event loop.

    ``closing`` is set when the endpoint is about to stop: whatever waits for longer than a moment ends then. With a
    ``patience``, time that stands still for callbacks moves on to the next timer when clients have read each of the
    executions that they follow so often, and nothing has changed meanwhile.
    """

    def __init__(self, runner: ServedRunner, pace: Pace, patience: int | None = None) -> None:
        if patience is not None and patience < 1:
            raise ConfigurationError(f"patience is {patience}: it is a number of reads, 1 or more")
        self.runner = runner
        self.pace = pace
        self._patience = patience
        self._reads: Counter[str] = Counter()
        self.closing = asyncio.Event()
        self.change = asyncio.Event()
        """Set, and replaced by another one, with the next change: take it before looking at what may change."""
        self._ends: dict[str, asyncio.Event] = {}
        self._plain_calls = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """In the block, time passes, and changes of executions are noticed."""
        loop = asyncio.get_running_loop()

        def observe(arn: str, ended: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing listens any more
                loop.call_soon_threadsafe(self._noted, arn, ended)

        self.runner.observers.append(observe)
        keeper = asyncio.create_task(self._keep_time()) if self.pace is Pace.SKIP else None
        try:
            yield
        finally:
            self.closing.set()
            self.runner.observers.remove(observe)
            if keeper is not None:
                keeper.cancel()
                await asyncio.wait([keeper])

    # --- the API ---

    async def answer(self, call: ApiCall) -> dict[str, Any]:
        """The members of the answer, as boto3 gives them; refusals of the service are ``ClientError`` as in boto3."""
        if call.operation == "Invoke":
            return await self._invoke(call.members)
        answer = await self._ask(xform_name(call.operation), call.members)
        if call.operation in _FOLLOWING:
            self._has_read(call.members["DurableExecutionArn"])
        elif not call.operation.startswith(_READS):
            self._tell()
        return answer

    async def _ask(self, method: str, members: dict[str, Any]) -> dict[str, Any]:
        return await asyncio.wrap_future(self.runner.request(getattr(CheckpointServer, method), members))

    async def _invoke(self, members: dict[str, Any]) -> dict[str, Any]:
        started = await asyncio.wrap_future(self.runner.invoke(members))
        self._tell()
        waits = members.get("InvocationType", "RequestResponse") == "RequestResponse"
        if isinstance(started, PlainInvoke):
            return await self._invoke_plain(started, waits)
        return await self._outcome(started) if waits else started

    async def _outcome(self, started: dict[str, Any]) -> dict[str, Any]:
        """The answer to a ``RequestResponse``, at the end of the execution."""
        arn = started["DurableExecutionArn"]
        ended = self._ends.setdefault(arn, asyncio.Event())
        execution = await self._ask("get_durable_execution", {"DurableExecutionArn": arn})
        while not ExecutionStatus(execution["Status"]).is_terminal:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.unless_closing(ended.wait()), _LIVENESS_CHECK_SECONDS)
            execution = await self._ask("get_durable_execution", {"DurableExecutionArn": arn})
        answer = {**started, "StatusCode": _OK}
        if execution["Status"] == ExecutionStatus.SUCCEEDED:
            return {**answer, "Payload": execution.get("Result", "null").encode()}
        failure = self.runner.failure(arn)
        error = execution.get("Error") or {}
        if failure is not None:
            error = {"ErrorType": type(failure).__name__, "ErrorMessage": str(failure)}
        return {**answer, "FunctionError": "Unhandled", "Payload": _error_payload(error)}

    # --- plain functions ---

    async def _invoke_plain(self, invoke: PlainInvoke, waits: bool) -> dict[str, Any]:
        request_id = await asyncio.wrap_future(self.runner.request_id())
        function, context = self.runner.plain_call(invoke, request_id)
        loop, outcome = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def call() -> None:
            try:
                event = None if invoke.payload is None else json.loads(invoke.payload)
                text = encode(function(event, context), f"the result of {invoke.spec.name}")
                answer = {"Payload": text.encode()}
            except BaseException as error:
                answer = _failed(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next), context)
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._plain_ended, outcome, answer)

        self._plain_calls += 1
        Thread(target=call, name=f"durabletest-invoke-{invoke.spec.name}", daemon=True).start()
        answer = {"ExecutedVersion": invoke.spec.version}
        if not waits:
            return {"StatusCode": ACCEPTED, **answer, "Payload": b""}
        return {"StatusCode": _OK, **answer, **await self.unless_closing(outcome)}

    def _plain_ended(self, outcome: asyncio.Future[dict[str, Any]], answer: dict[str, Any]) -> None:
        self._plain_calls -= 1
        if not outcome.done():
            outcome.set_result(answer)
        self._tell()

    # --- time ---

    async def move_time(self, delta: timedelta | None) -> bool:
        """Let that much virtual time pass, or, with None, until a timer is due; tell whether there was one."""
        if self.pace is Pace.REAL:
            raise NotAvailableError("time is real here, and passes by itself")
        if delta is None:
            moved = await asyncio.wrap_future(self.runner.move_time())
        else:
            await asyncio.wrap_future(self.runner.move_time_to(self.runner.now + delta))
            moved = True
        await asyncio.wrap_future(self.runner.next_due())  # for everything to come to rest
        self._tell()
        return moved

    async def _keep_time(self) -> None:
        while True:
            change = self.change
            try:
                moved = await asyncio.wrap_future(self.runner.move_time(unless=self._holds))
            except DurableTestError as error:
                _LOGGER.error("time cannot pass: %s", error)
                moved = False
            if not moved:
                await change.wait()

    def _holds(self, server: CheckpointServer) -> bool:
        """Whether time stands still: for callbacks that wait for an answer, and while a plain function runs."""
        return self._plain_calls > 0 or (server.has_open_callbacks() and not self._out_of_patience)

    @property
    def _out_of_patience(self) -> bool:
        reads = list(self._reads.values())
        return self._patience is not None and bool(reads) and min(reads) >= self._patience

    def _has_read(self, arn: str) -> None:
        self._reads[arn] += 1
        if self._out_of_patience:
            self._wake()

    # --- changes ---

    async def unless_closing(self, awaited: Awaitable[AnswerT]) -> AnswerT:
        """Wait, but not longer than until the endpoint closes, which is an error of the service."""
        task, closing = asyncio.ensure_future(awaited), asyncio.ensure_future(self.closing.wait())
        try:
            await asyncio.wait([task, closing], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise modelled_error("ServiceException", "durabletest serve was stopped", "Invoke")
            return task.result()
        finally:
            for each in (task, closing):
                each.cancel()

    def _noted(self, arn: str, ended: bool) -> None:
        if ended and (failure := self.runner.failure(arn)) is not None:
            _LOGGER.error("%s was given up: %s", execution_title(arn), failure)
        if ended and arn in self._ends:
            self._ends.pop(arn).set()
        self._tell()

    def _tell(self) -> None:
        self._reads.clear()
        self._wake()

    def _wake(self) -> None:
        self.change.set()
        self.change = asyncio.Event()


def _failed(error: BaseException, context: LambdaContext) -> dict[str, Any]:
    raised = Raised(error, crashed=not isinstance(error, Exception))
    return {"FunctionError": "Unhandled", "Payload": _error_payload(invocation_error(raised, context))}


def _error_payload(error: dict[str, Any]) -> bytes:
    return json.dumps({key: error[name] for name, key in _ERROR_KEYS.items() if name in error}).encode()
