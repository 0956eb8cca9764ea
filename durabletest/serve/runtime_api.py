"""Lambda's runtime API: a process of any language asks for the invocations of a function, and answers them, by HTTP."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from durabletest.local.invocations import ExternalHandler, InvocationFailedError, LambdaContext

PATH = "/2018-06-01/runtime"
MAX_PAYLOAD = 6_291_556
"""Bytes of an answer, as Lambda's own error for larger ones says."""
_MAX_READ = 4 * MAX_PAYLOAD
"""Bytes of an answer that are read before it is refused: a client sees the refusal once it has sent all."""
_SERVER_ENDED = "the server has ended"
_ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
_RESPONSE_MODE = "Lambda-Runtime-Function-Response-Mode"


@dataclass(eq=False)
class RuntimeInvocation:
    """One invocation on its way to a runtime and back; ``outcome`` gets the answer, or what the handler's call raises.

    ``headers`` are those of the runtime API, ``event`` is JSON.
    """

    request_id: str
    headers: dict[str, str]
    event: bytes
    outcome: Future[Any] = field(default_factory=Future)

    def fail(self, error_type: str, message: str, stack: list[str] | None = None) -> None:
        """Let the invocation fail with this error object."""
        error = {"ErrorType": error_type, "ErrorMessage": message, **({"StackTrace": stack} if stack else {})}
        self.outcome.set_exception(InvocationFailedError(error))

    def exited(self, reason: str) -> None:
        """The process has ended without an answer: ``exit status 1``, or ``signal: killed``."""
        message = f"RequestId: {self.request_id} Error: Runtime exited with error: {reason}"
        self.fail("Runtime.ExitError", message)


class ForeignFunction(ExternalHandler):
    """A function whose handler runs in another process, its runtime, which asks for one invocation after the other.

    ``now`` is the clock that the other process sees, the real one: its deadlines are by that clock. What handler
    threads call apart, everything belongs to the thread of the event loop that serves the routes. The hooks ``wanted``
    and ``given_up`` are called there, when an invocation waits for a runtime and when a runtime works in vain.

    Every runtime is known to be alive if ``supervised``: then it gets the same invocation again if it asks for the next
    one instead of answering, as in Lambda. Else that is a new runtime, and the one before has crashed.
    """

    def __init__(self, name: str, now: Callable[[], datetime], supervised: bool = False) -> None:
        self.name = self.__qualname__ = name
        self.supervised = supervised
        self.wanted: Callable[[], None] = lambda: None
        self.given_up: Callable[[], None] = lambda: None
        self._now = now
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unanswered: set[RuntimeInvocation] = set()
        self._waiting: deque[RuntimeInvocation] = deque()
        self._polls: deque[asyncio.Future[RuntimeInvocation | None]] = deque()
        self._running: RuntimeInvocation | None = None
        self._answered: str | None = None
        self._initialised = False
        self._doomed = False
        self._closed = False

    # --- for the threads that call handlers ---

    def __call__(self, event: Any, context: LambdaContext) -> Any:
        """Hand the invocation to the runtime, and wait for the end of it."""
        headers = _headers(context, self._now())
        invocation = RuntimeInvocation(context.aws_request_id, headers, json.dumps(event).encode())
        self._unanswered.add(invocation)
        invocation.outcome.add_done_callback(lambda _: self._unanswered.discard(invocation))
        if not self._tell(self._offer, invocation):
            self.loop_closed()
        return invocation.outcome.result()

    def loop_closed(self) -> None:
        """Let all invocations fail that are left, such as those that the event loop has not got to any more."""
        for invocation in list(self._unanswered):
            with suppress(InvalidStateError):  # the invocation's own thread does it, too
                invocation.exited(_SERVER_ENDED)

    def give_up(self, request_id: str) -> None:
        """Refuse a later answer, and have a runtime that is at it ended."""
        self._tell(self._withdraw, request_id)

    def progress(self) -> str:
        if self.has_work:
            return "no process has asked for its invocation at AWS_LAMBDA_RUNTIME_API"
        return "its process has the invocation, and has neither answered it nor sent a checkpoint"

    def _tell(self, method: Callable[..., None], *arguments: Any) -> bool:
        """Call a method in the thread of the event loop; tell whether there is one."""
        try:
            assert self._loop is not None, "it is served before it is called"
            self._loop.call_soon_threadsafe(method, *arguments)
        except RuntimeError:  # the loop is closed
            return False
        return True

    # --- in the thread of the event loop ---

    def serve(self) -> None:
        """Take invocations from now on, in the running event loop."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """End all that waits: invocations fail, and runtimes are told to exit."""
        self._closed, self._doomed = True, False
        self.process_ended(_SERVER_ENDED)
        while self._polls:
            self._polls.popleft().set_result(None)

    def process_started(self) -> None:
        """A supervised process begins: it may report that it cannot."""
        self._initialised, self._doomed, self._answered = False, False, None

    def process_ended(self, reason: str) -> None:
        """The supervised process has ended; what it was to answer has crashed.

        One that was given up, or has reported that it cannot begin, has ended for that: what came since waits for the
        next process.
        """
        if self._running is not None:
            self._running.exited(reason)
            self._running = None
        while self._waiting and not self._doomed:
            self._waiting.popleft().exited(reason)

    @property
    def has_work(self) -> bool:
        """Whether an invocation waits for a runtime."""
        return bool(self._waiting)

    def _offer(self, invocation: RuntimeInvocation) -> None:
        if self._closed:
            invocation.exited(_SERVER_ENDED)
            return
        self._waiting.append(invocation)
        self.wanted()
        self._hand_out()

    def _withdraw(self, request_id: str) -> None:
        for invocation in [one for one in self._waiting if one.request_id == request_id]:
            self._waiting.remove(invocation)
            invocation.exited("given up")
        if self._running is not None and self._running.request_id == request_id:
            self._running.exited("given up")
            self._running, self._doomed = None, self.supervised
            self.given_up()

    def _hand_out(self) -> None:
        if self._waiting and self._polls and self._running is None:
            self._running = self._waiting.popleft()
            self._polls.popleft().set_result(self._running)

    # --- the API ---

    def routes(self) -> list[Route]:
        """The API for the runtime of this function."""
        invocation = f"{PATH}/invocation"
        following = Route(f"{invocation}/next", self._next, methods=["GET"])
        assert following.methods is not None
        following.methods.discard("HEAD")  # which starlette adds, and which would take an invocation
        return [
            following,
            Route(f"{invocation}/{{request_id}}/response", self._response, methods=["POST"]),
            Route(f"{invocation}/{{request_id}}/error", self._error, methods=["POST"]),
            Route(f"{PATH}/init/error", self._init_error, methods=["POST"]),
        ]

    async def _next(self, request: Request) -> Response:
        """Wait for the next invocation, for as long as the client does."""
        if self._running is not None:
            if self.supervised:
                return _rendered(self._running)
            self._running.exited("it asked for the next invocation without an answer to this one")
            self._running = None
        self._initialised, self._answered = True, None
        if self._closed:
            return refusal(500, "InternalServerError", _SERVER_ENDED)
        poll: asyncio.Future[RuntimeInvocation | None] = asyncio.get_running_loop().create_future()
        self._polls.append(poll)
        self._hand_out()
        gone = asyncio.create_task(_disconnection(request))
        awaited: list[asyncio.Future[Any]] = [poll, gone]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not poll.done():
            self._polls.remove(poll)
            return Response(status_code=499)
        invocation = poll.result()
        return refusal(500, "InternalServerError", _SERVER_ENDED) if invocation is None else _rendered(invocation)

    async def _response(self, request: Request) -> Response:
        body = await _body(request)
        refused = self._refused(request, "InvocationResponse")
        if refused is not None:
            return refused
        invocation = self._answer()
        if body is None:
            return _too_large(invocation)
        if request.headers.get(_RESPONSE_MODE, "streaming").lower() != "streaming":
            message = "Invalid function response mode"
            invocation.fail("Runtime.InvalidResponseModeHeader", message)
            return refusal(400, "InvalidFunctionResponseMode", message)
        invocation.outcome.set_result(_decoded(body))
        return _accepted()

    async def _error(self, request: Request) -> Response:
        body = await _body(request)
        refused = self._refused(request, "InvocationErrorResponse")
        if refused is not None:
            return refused
        invocation = self._answer()
        if body is None:
            return _too_large(invocation)
        invocation.fail(*_reported(request, body))
        return _accepted()

    async def _init_error(self, request: Request) -> Response:
        """The runtime cannot begin: every invocation that waits for it fails of that."""
        body = await _body(request)
        if self._initialised and (self.supervised or self._polls):
            return self._not_allowed("InitError")
        if body is None:
            return refusal(413, "RequestEntityTooLarge", _LIMIT)
        for invocation in self._waiting:
            invocation.fail(*_reported(request, body))
        self._waiting.clear()
        self._doomed = self.supervised
        return _accepted()

    def _refused(self, request: Request, state: str) -> Response | None:
        """The refusal of an answer that is not for the invocation that runs."""
        request_id = request.path_params["request_id"]
        if self._running is not None and self._running.request_id == request_id:
            return None
        if request_id == self._answered:
            return self._not_allowed(state)
        return refusal(400, "InvalidRequestID", "Invalid request ID")

    def _not_allowed(self, state: str) -> Response:
        running = "Running" if self._running is not None else "Ready" if self._polls else "RuntimeResponseSentState"
        message = (
            f"State transition from {running} to {state} failed for runtime. Error: State transition is not allowed"
        )
        return refusal(403, "InvalidStateTransition", message)

    def _answer(self) -> RuntimeInvocation:
        """The invocation that is answered now."""
        invocation = self._running
        assert invocation is not None, "checked before"
        self._running, self._answered = None, invocation.request_id
        return invocation


# --- requests and responses ---


def _headers(context: LambdaContext, real_now: datetime) -> dict[str, str]:
    deadline = real_now + (context.deadline - context.now())
    name = context.aws_request_id.replace("-", "")
    headers = {
        "Lambda-Runtime-Aws-Request-Id": context.aws_request_id,
        "Lambda-Runtime-Deadline-Ms": str(round(deadline.timestamp() * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": context.invoked_function_arn,
        "Lambda-Runtime-Trace-Id": f"Root=1-{int(context.started.timestamp()):08x}-{name[-24:]};Sampled=0",
    }
    return headers | ({"Lambda-Runtime-Aws-Tenant-Id": context.tenant_id} if context.tenant_id is not None else {})


def _rendered(invocation: RuntimeInvocation) -> Response:
    return Response(invocation.event, headers=invocation.headers, media_type="application/json")


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes | None:
    """The body; None if it is larger than Lambda allows. What is too large is read, for a while, and not kept."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= MAX_PAYLOAD:
            chunks.append(chunk)
        elif size > _MAX_READ:
            break
    return b"".join(chunks) if size <= MAX_PAYLOAD else None


def _decoded(body: bytes) -> Any:
    """The value of a JSON text; any other text as it is, which is no answer of a durable function."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _reported(request: Request, body: bytes) -> tuple[str, str, list[str] | None]:
    """Type, message and stack trace of an error report; a text that is none is the message.

    The runtime of Node.js calls the stack trace ``trace``.
    """
    report, named = _decoded(body), request.headers.get(_ERROR_TYPE)
    if not isinstance(report, dict):
        return named or "Runtime.Unknown", report if isinstance(report, str) else json.dumps(report), None
    stack = report.get("stackTrace") or report.get("trace")
    lines = [str(line) for line in stack] if isinstance(stack, list) else None
    return str(report.get("errorType") or named or "Runtime.Unknown"), str(report.get("errorMessage", "")), lines


_LIMIT = f"Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."


def _too_large(invocation: RuntimeInvocation) -> Response:
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
    invocation.fail("Function.ResponseSizeTooLarge", message)
    return refusal(413, "RequestEntityTooLarge", _LIMIT)


def _accepted() -> Response:
    return JSONResponse({"status": "OK"}, 202)


def refusal(status: int, error_type: str, message: str) -> Response:
    """An error as the runtime API answers with it."""
    return JSONResponse({"errorMessage": message, "errorType": error_type}, status)
