"""The routes of the pages: executions as they go on, one of them in full, and the button that moves time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from durabletest.serve.lambda_endpoint import LambdaEndpoint
from durabletest.serve.overview import Overview
from durabletest.serve.rest_json import RequestRefusedError

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
)
_NO_FRAMES = "form-action 'none'; frame-ancestors 'none'"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_FILES = {
    "/": ("durabletest.serve", "static/live.html", "text/html"),
    "/durabletest/live.js": ("durabletest.serve", "static/live.js", "text/javascript"),
    "/durabletest/live.css": ("durabletest.serve", "static/live.css", "text/css"),
    "/durabletest/page.css": ("durabletest.report", "templates/page.css", "text/css"),
}
"""All files that are served, by their paths."""
_SECONDS_BETWEEN_CHANGES = 0.1
"""Real seconds for which changes are collected before the page is told."""
_LONGEST = timedelta(days=366)


def routes(endpoint: LambdaEndpoint) -> list[BaseRoute]:
    """The routes of the pages."""
    overview = Overview(endpoint)

    async def execution_page(request: Request) -> Response:
        page = await asyncio.to_thread(overview.page, request.path_params["execution"])
        if page is None:
            raise RequestRefusedError(404, "ResourceNotFoundException", "There is no execution of this id")
        return HTMLResponse(page, headers={**_HEADERS, "Content-Security-Policy": _NO_FRAMES})

    async def changes(_request: Request) -> Response:
        return StreamingResponse(_changes(endpoint, overview), media_type="text/event-stream", headers=_HEADERS)

    async def time(request: Request) -> Response:
        delta = _delta(await request.body())
        moved = await endpoint.unless_closing(endpoint.move_time(delta))
        return JSONResponse({"moved": moved, "now": endpoint.runner.now.isoformat()}, headers=_HEADERS)

    return [
        *(Route(path, _file) for path in _FILES),
        Route("/durabletest/executions/{execution}", execution_page),
        Route("/durabletest/changes", changes),
        Route("/durabletest/time", time, methods=["POST"]),
    ]


async def _file(request: Request) -> Response:
    package, name, kind = _FILES[request.url.path]
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY + _NO_FRAMES}
    return Response(_text(package, name), media_type=kind, headers=headers)


@cache
def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


async def _changes(endpoint: LambdaEndpoint, overview: Overview) -> AsyncIterator[str]:
    """Server-sent events: the whole state, again whenever it has changed."""
    sent = ""
    while not endpoint.closing.is_set():
        change = endpoint.change
        state = json.dumps(await asyncio.to_thread(overview.state))
        if state != sent:
            sent = state
            yield f"data: {state}\n\n"
            await asyncio.sleep(_SECONDS_BETWEEN_CHANGES)
        with suppress(ClientError):  # the endpoint closes
            await endpoint.unless_closing(change.wait())


def _delta(body: bytes) -> timedelta | None:
    """The time to let pass: ``{"seconds": 60}``; None, until a timer is due, for ``{}``."""
    try:
        wanted: Any = json.loads(body or b"{}")
        if wanted == {}:
            return None
        [(key, seconds)] = wanted.items()
        delta = timedelta(seconds=seconds)
        if key != "seconds" or isinstance(seconds, bool) or not timedelta(0) < delta <= _LONGEST:
            raise ValueError(wanted)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise RequestRefusedError(
            400,
            "InvalidParameterValueException",
            'how far time should move is {"seconds": NUMBER}, at most 366 days, or {} for the next timer',
        ) from error
    return delta
