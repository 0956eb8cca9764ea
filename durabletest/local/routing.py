"""boto3 clients whose requests end here: their own serialiser, parser and exceptions, and no connection."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import cache
from typing import Any
from uuid import UUID
from weakref import WeakSet

import botocore
import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from durabletest.errors import NotAvailableError, RunnerClosedError, UsageError
from durabletest.local.server.naming import REGION
from durabletest.local.wire import answer, members_of, refusal
from durabletest.routes import Route

API_OPERATIONS = (
    "CheckpointDurableExecution",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "GetDurableExecutionState",
    "Invoke",
    "ListDurableExecutionsByFunction",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "StopDurableExecution",
)
"""What the local server answers."""
_REQUEST_SPACE = 3 << 96
_SEND = "before-send.lambda"
_SIGN = "choose-signer.lambda"

_routed: WeakSet[Any] = WeakSet()


class Router:
    """Routes clients to one runner; ``target`` has a method for each operation, named as on a client of boto3.

    Requests are taken where boto3 would send them, and not signed before: everything else is boto3's own.
    """

    def __init__(self, target: Any) -> None:
        self._target = target
        self._routes: list[Route] = []
        self._own: Any = None
        self._closed = False
        self._request_ids = (str(UUID(int=_REQUEST_SPACE + number)) for number in itertools.count(1))

    def client(self) -> Any:
        """A client of boto3's that was made for this purpose, the same each time; nothing has to be configured."""
        if self._own is None:
            self._own = _offline_client()
            self._register(self._own)
        return self._own

    def route(self, client: Any) -> Route:
        """Route an existing client, until the route is closed."""
        _check(client)
        self._register(client)
        _routed.add(client)
        route = Route(client, lambda: self._unregister(client))
        self._routes.append(route)
        return route

    def close(self) -> None:
        """Put back every client that was routed; the one that was made here stays off the network for ever."""
        self._closed = True
        for route in self._routes:
            route.close()

    def _register(self, client: Any) -> None:
        client.meta.events.register_first(_SIGN, _unsigned)
        client.meta.events.register_first(_SEND, self._answer)

    def _unregister(self, client: Any) -> None:
        client.meta.events.unregister(_SIGN, _unsigned)
        client.meta.events.unregister(_SEND, self._answer)
        _routed.discard(client)

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_details: Any) -> AWSResponse:
        """Called by boto3 in place of a connection; what it raises other than refusals reaches the caller as it is."""
        if self._closed:
            raise RunnerClosedError("this Lambda client belongs to a closed runner: get one from a runner that is open")
        api_operation = event_name.rpartition(".")[2]
        method = self._method(api_operation)
        request_id = next(self._request_ids)
        try:
            members = method(**members_of(api_operation, request))
        except ClientError as error:
            return refusal(error, request_id)
        return answer(api_operation, members, request_id)

    def _method(self, api_operation: str) -> Callable[..., Any]:
        name = xform_name(api_operation)
        if api_operation not in API_OPERATIONS:
            raise NotAvailableError(
                f"{name} is not answered locally: of Lambda's API there is what concerns durable executions (to read, "
                "list and stop them, to answer their callbacks) and invoke. Replace this call in the test"
            )
        method: Callable[..., Any] = getattr(self._target, name)
        return method


def _unsigned(**_details: Any) -> Any:
    return botocore.UNSIGNED


def _check(client: Any) -> None:
    service = getattr(getattr(getattr(client, "meta", None), "service_model", None), "service_name", None)
    if service is None:
        raise UsageError(f"route({client!r}): give a client of boto3, such as boto3.client('lambda')")
    if service != "lambda":
        raise UsageError(f"route(client): this is a client for {service}; only clients for lambda can be routed")
    if client in _routed:
        raise UsageError("route(client): this client is routed already; close its route before you route it anew")


# --- a client that needs nothing ---


@cache
def _session() -> Any:
    """A session that reads neither environment variables nor files, kept because it holds the service model."""
    known = botocore.session.Session.SESSION_VARIABLES
    variables = {name: (None, None, default, convert) for name, (_, _, default, convert) in known.items()}
    nowhere = (None, None, os.devnull, None)
    return botocore.session.Session(session_vars={**variables, "config_file": nowhere, "credentials_file": nowhere})


def _offline_client() -> Any:
    return _session().create_client(
        "lambda", region_name=REGION, aws_access_key_id="durabletest", aws_secret_access_key="durabletest"
    )
