"""The ASGI application: the Lambda API, pages about it, and what a request has to be to be served at all."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

from botocore.exceptions import ClientError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from durabletest.errors import DurableTestError, UsageError
from durabletest.serve import pages
from durabletest.serve.lambda_endpoint import LambdaEndpoint
from durabletest.serve.rest_json import (
    HttpAnswer,
    HttpRequest,
    RequestRefusedError,
    decode,
    encode,
    refusal,
    refusal_of,
)

MAX_BODY = 16 * 1_048_576
"""Bytes of a request's body: the largest payload of the service, 6 MB, can more than double inside of a JSON text."""
_READ_AT_MOST = 8 * MAX_BODY
"""Bytes of a larger body that are read and thrown away, so that its sender gets to read the refusal."""
_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?", re.IGNORECASE)
_FROM_HERE = frozenset({"same-origin", "none"})
_ANSWERED = (RequestRefusedError, ClientError, DurableTestError, ClientDisconnect, Exception)
"""Errors that have an answer; any other one, for which ``Exception`` stands, is logged by uvicorn as well."""


def application(endpoint: LambdaEndpoint, routes: Iterable[BaseRoute] = ()) -> Starlette:
    """The application; ``routes`` come before the Lambda API, which answers all that no other route does."""

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with endpoint.open():
            yield

    return Starlette(
        routes=[*pages.routes(endpoint), *routes, Route("/{path:path}", LambdaApi(endpoint))],
        middleware=[Middleware(Guard)],
        exception_handlers=dict.fromkeys(_ANSWERED, _refused),
        lifespan=lifespan,
    )


class LambdaApi:
    """Decodes requests, has the endpoint answer them, and encodes the answers."""

    def __init__(self, endpoint: LambdaEndpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        call = decode(HttpRequest(request.method, target, dict(request.headers), await request.body()))
        await _response(encode(call.operation, await self._endpoint.answer(call)))(scope, receive, send)


def _response(answer: HttpAnswer) -> Response:
    return Response(answer.body, answer.status, {**answer.headers, "x-amzn-RequestId": str(uuid4())})


async def _refused(_request: Request, error: Exception) -> Response:
    """The answer of the service that stands for an exception; one that nothing explains is an error of the service."""
    match error:
        case RequestRefusedError():
            answer = refusal(error.status, error.code, error.message)
        case ClientError():
            answer = refusal_of(error)
        case UsageError():
            answer = refusal(400, "InvalidParameterValueException", str(error))
        case _:
            answer = refusal(500, "ServiceException", f"{type(error).__name__}: {error}")
    return _response(answer)


class Guard:
    """Refuses requests that come by another name than the loopback's, or from pages of another origin; bounds bodies.

    A page on the internet can make a browser send requests to this machine. It cannot hide where they come from: in
    ``Origin`` and ``Sec-Fetch-Site``, or, after its name was bound to this machine's address, in ``Host``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        try:
            check_origin(request)
        except RequestRefusedError as refused:
            await (await _refused(request, refused))(scope, receive, send)
            return
        await self._app(scope, _bounded(receive), send)


def check_origin(request: Request) -> None:
    """Raise :class:`RequestRefusedError` for a request that a page of another origin may have sent."""
    host = request.headers.get("host", "")
    if _HOST.fullmatch(host) is None:
        raise _forbidden(f"the Host is {host!r}: only localhost, 127.0.0.1 and [::1] are served")
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "none")
    if origin is not None and origin != f"http://{host}":
        raise _forbidden(f"the Origin is {origin!r}: pages of other origins are not served")
    is_link = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
    if site not in _FROM_HERE and not (is_link and request.url.path == "/"):
        raise _forbidden(f"the request comes from a page of another site (Sec-Fetch-Site: {site})")


def _forbidden(message: str) -> RequestRefusedError:
    return RequestRefusedError(403, "AccessDeniedException", message)


def _bounded(receive: Receive) -> Receive:
    """Such a ``receive`` that raises :class:`RequestRefusedError` when the body is larger than allowed."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            while message.get("more_body") and size < _READ_AT_MOST:
                message = await receive()
                size += len(message.get("body", b""))
            raise RequestRefusedError(
                413, "RequestTooLargeException", f"the body has more than {MAX_BODY:,} bytes, the most that is served"
            )
        return message

    return bounded
