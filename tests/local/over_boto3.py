"""The SDK in handlers as it is in Lambda: it talks to the server through a client of boto3, not through ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest import mock

from durabletest import sdk
from durabletest.local.client import Router


@contextmanager
def sdk_over_boto3() -> Iterator[list[Any]]:
    """Give each invocation a client of boto3 that is routed to the client it would have had; they are all listed."""
    original = sdk.HandlerEvent
    given: list[Any] = []

    def handler_event(event: Mapping[str, Any], client: object, *more: Any) -> sdk.HandlerEvent:
        given.append(Router(client).client())
        return original(event, given[-1], *more)

    with mock.patch.object(sdk, "HandlerEvent", handler_event):
        yield given


class WentToAws(Exception):
    """A request was about to leave the process."""


class NoNetwork:
    """In place of a client's connections, it makes sure that no test of ours talks to AWS."""

    def send(self, request: Any) -> None:
        raise WentToAws(request.url)
