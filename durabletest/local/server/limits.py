"""How large payloads may be, and how much one execution may do before it is taken for one that never ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from durabletest.local.server.announcements import Announce, Endless
from durabletest.local.server.service_model import modelled_error

MAX_PAYLOAD = 262_144
"""Bytes of a step's, context's or callback's payload (service quota)."""
MAX_ERROR = 32 * 1024
"""Bytes of an error object as JSON (service quota)."""
MAX_INVOKE_PAYLOAD = 1_048_576
"""Bytes of a chained invoke's input and result, and of a callback's result (service quota)."""
MAX_EXECUTION_PAYLOAD = 6_291_456
"""Bytes of an execution's input and result (service quota)."""
REMEDY = "Keep what is larger elsewhere, in S3 for example, and hand on where it is"

MAX_OPERATIONS = 10_000
MAX_INVOCATIONS = 5_000
MAX_REPLAYED = 5_000_000
"""Operations replayed by all invocations of one execution together: minutes of the SDK's time."""
MAX_EXECUTIONS = 5_000
"""Executions in one tree of chained invokes."""
MAX_DEPTH = 200
"""Chained invokes, one within the other."""


# --- sizes ---


def size(text: str) -> int:
    """The bytes of a text on the wire; half of a surrogate pair counts, though UTF-8 has no place for it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def error_size(error: Mapping[str, Any]) -> int:
    """The bytes of an error object as JSON."""
    return size(json.dumps(error, ensure_ascii=False))


def check_input_size(payload: str | None) -> None:
    """Refuse an execution's input of more than 6 MB."""
    if payload is not None and size(payload) > MAX_EXECUTION_PAYLOAD:
        raise modelled_error(
            "RequestTooLargeException",
            f"the payload has {size(payload)} bytes: an execution's input may have {MAX_EXECUTION_PAYLOAD}",
            "Invoke",
        )


def check_error_size(error: Mapping[str, Any] | None, api_operation: str) -> None:
    """Refuse an error object of more than 32 KiB."""
    if error is not None and (found := error_size(error)) > MAX_ERROR:
        raise modelled_error(
            "InvalidParameterValueException",
            f"Error has {found} bytes as JSON: an error may have {MAX_ERROR}",
            api_operation,
        )


def too_large_result(result: str, limit: int) -> dict[str, str] | None:
    """The error of an execution or function whose result is larger than ``limit`` bytes; None if it is not."""
    if (found := size(result)) <= limit:
        return None
    message = f"the result has {found} bytes: at most {limit} are allowed. {REMEDY}"
    return {"ErrorType": "InvalidParameterValueException", "ErrorMessage": message}


def callback_result(raw: Any) -> str | None:
    """The text of a callback's result, given as any kind of blob; refused beyond 1 MiB, or if it is not UTF-8.

    An empty result is None: it is the body of the request, and the wire cannot tell the two apart.
    """
    if hasattr(raw, "read"):
        raw = raw.read()
    if isinstance(raw, bytes | bytearray):
        try:
            raw = raw.decode()
        except UnicodeDecodeError as error:
            _refuse_result(f"it must be UTF-8, {error}")
    if raw is not None and size(raw) > MAX_INVOKE_PAYLOAD:
        _refuse_result(f"it has {size(raw)} bytes, and a callback's result may have {MAX_INVOKE_PAYLOAD}")
    text: str | None = raw or None
    return text


def _refuse_result(reason: str) -> NoReturn:
    raise modelled_error(
        "InvalidParameterValueException", f"Result is refused: {reason}", "SendDurableExecutionCallbackSuccess"
    )


# --- executions that never end ---


class Bounds:
    """Counts what one execution does, and announces :class:`Endless` once, when it exceeds a bound.

    The bounds are far beyond what the service allows.
    """

    def __init__(self, arn: str, announce: Announce) -> None:
        self._arn = arn
        self._announce = announce
        self._invocations = 0
        self._replayed = 0
        self._announced = False

    def invoked(self, operations: int) -> None:
        """Count an invocation that replays so many operations."""
        self._invocations += 1
        self._replayed += operations
        if self._invocations > MAX_INVOCATIONS:
            self.exceeded(f"more than {MAX_INVOCATIONS:,} invocations")
        elif self._replayed > MAX_REPLAYED:
            self.exceeded(f"{operations:,} operations, which each of {self._invocations:,} invocations replays")

    def grew(self, operations: int) -> None:
        """Check the number of operations."""
        if operations > MAX_OPERATIONS:
            self.exceeded(f"more than {MAX_OPERATIONS:,} operations")

    def exceeded(self, bound: str) -> None:
        """Announce that the execution is endless, unless it was announced before."""
        if not self._announced:
            self._announced = True
            self._announce(Endless(self._arn, bound))


@dataclass(slots=True, eq=False)
class InvokeTree:
    """An execution and all those below it, each started by a chained invoke of one above."""

    executions: int = 0

    def add(self, depth: int, bounds: Bounds) -> None:
        """Count one more execution, ``depth`` invokes below the first."""
        self.executions += 1
        if depth > MAX_DEPTH:
            bounds.exceeded(f"a chain of more than {MAX_DEPTH:,} executions, each invoked by the one before")
        elif self.executions > MAX_EXECUTIONS:
            bounds.exceeded(f"more than {MAX_EXECUTIONS:,} executions that came of one")
