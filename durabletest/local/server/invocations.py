"""``Invoke``, the one call of the API that names a function: it starts an execution of a durable one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from durabletest.errors import NotAvailableError
from durabletest.local.server.executions import Execution, StartRequest
from durabletest.local.server.functions import FunctionDirectory, FunctionSpec, executed_version, split_name
from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.rules import check_input_size
from durabletest.local.server.validation import validate_request

ACCEPTED = 202
_SUPPORTED = frozenset({"FunctionName", "InvocationType", "DurableExecutionName", "Payload", "Qualifier", "TenantId"})


@dataclass(frozen=True, slots=True)
class Caller:
    """The runner whose functions can be invoked: its number, its own function, and the size of pages of state."""

    scope: int
    own: FunctionSpec
    page_size: int | None


class Invocations:
    """Takes ``Invoke`` for durable functions and the type ``Event``, and hands the execution to be started on.

    The service invokes plain functions too, and waits for the result of a ``RequestResponse``. Neither fits a test: the
    caller, a step perhaps, would have to be over before another function can run. Both are refused.
    """

    def __init__(
        self, directories: Mapping[int, FunctionDirectory], start: Callable[[StartRequest], Execution]
    ) -> None:
        self._directories = directories
        self._start = start

    def invoke(self, caller: Caller, request: Mapping[str, Any]) -> dict[str, Any]:
        """Start the execution; the answer has the shape of the API's."""
        validate_request("Invoke", request)
        _check_supported(request)
        name, written = split_name(request["FunctionName"])
        qualifier = request.get("Qualifier", written)
        target, spec = self._find(caller, name, qualifier)
        _check_durable(spec, qualifier)
        version = executed_version(qualifier)
        execution = self._start(
            StartRequest(
                FunctionSpec(spec.name, version=version),
                _payload(request.get("Payload")),
                request.get("DurableExecutionName"),
                spec.timeout,
                request.get("TenantId"),
                page_size=caller.page_size,
                target=target,
                scope=caller.scope,
            )
        )
        return {
            "StatusCode": ACCEPTED,
            "ExecutedVersion": version,
            "DurableExecutionArn": execution.arn,
            "Payload": b"",
        }

    def _find(self, caller: Caller, name: str, qualifier: str | None) -> tuple[str | None, FunctionSpec]:
        """The registered name, None for the runner's own function, and the function."""
        found = self._directories[caller.scope].find(f"{name}:{qualifier}" if qualifier else name)
        if found is not None:
            return found
        if name == caller.own.name:
            return None, caller.own
        raise modelled_error(
            "ResourceNotFoundException",
            f"Function not found: {name}. Register it with register_durable_function({name!r}, handler)",
            "Invoke",
        )


def _check_supported(request: Mapping[str, Any]) -> None:
    left_over = sorted(set(request) - _SUPPORTED)
    if left_over:
        raise NotAvailableError(f"invoke(...) with {', '.join(left_over)} is not answered locally: leave it out")
    kind = request.get("InvocationType", "RequestResponse")
    if kind != "Event":
        raise NotAvailableError(
            f"invoke(...) with InvocationType={kind!r} is not answered locally: the caller would wait for a function "
            "that runs after it. Write InvocationType='Event', or context.invoke to wait for a result"
        )


def _check_durable(spec: FunctionSpec, qualifier: str | None) -> None:
    if not spec.durable:
        raise NotAvailableError(
            f"invoke(...) of {spec.name!r}, a plain function, is not answered locally: call it by context.invoke, or "
            "register it with register_durable_function if it is durable"
        )
    if qualifier is None:
        raise modelled_error(
            "InvalidParameterValueException",
            f"You cannot invoke a durable function using an unqualified ARN: write '{spec.name}:$LATEST', or a version "
            "or alias",
            "Invoke",
        )


def _payload(raw: Any) -> str | None:
    """The JSON text that the payload is, None without one."""
    raw = raw.read() if hasattr(raw, "read") else raw
    if not raw:
        return None
    try:
        text: str = raw if isinstance(raw, str) else bytes(raw).decode()
        json.loads(text)
    except ValueError as error:
        raise modelled_error(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", "Invoke"
        ) from error
    check_input_size(text)
    return text
