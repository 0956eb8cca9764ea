"""How large payloads may be, and how many executions may come of one before they are taken for a family without end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from durabletest.local.server.service_model import modelled_error

_MB = 1_048_576
MAX_PAYLOAD = _MB
"""Bytes of a payload of a STEP, CONTEXT, WAIT, CALLBACK or CHAINED_INVOKE (API model 1.44, ``OperationUpdate``), so of
a chained invoke's input and result; and of a callback's result (``BinaryOperationPayload``)."""
MAX_ERROR = _MB
"""Bytes of all fields of an error together (API model 1.44, ``OperationUpdate.Error``)."""
MAX_EXECUTION_PAYLOADS: Mapping[str, int] = {"Event": _MB, "RequestResponse": 6 * _MB, "DryRun": 6 * _MB}
"""Bytes of an execution's input and of its result, by the type of the invocation that started it (API model 1.44,
``InputPayload`` and ``Result`` of ``GetDurableExecution``)."""
REMEDY = "Keep what is larger elsewhere, in S3 for example, and hand on where it is"

MAX_EXECUTIONS = 5_000
"""Executions in one tree of chained invokes."""
MAX_DEPTH = 200
"""Chained invokes, one within the other."""


def size(text: str) -> int:
    """The bytes of a text on the wire; half of a surrogate pair counts, though UTF-8 has no place for it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def error_size(error: Mapping[str, Any]) -> int:
    """The bytes of all fields of an error object together."""
    fields = (line for field in error.values() for line in ([field] if isinstance(field, str) else field))
    return sum(map(size, fields))


def check_input_size(payload: str | None, invocation_type: str) -> None:
    """Refuse an execution's input that is larger than this type of invocation allows."""
    limit = MAX_EXECUTION_PAYLOADS[invocation_type]
    if payload is not None and size(payload) > limit:
        raise modelled_error(
            "RequestTooLargeException",
            f"the payload has {size(payload)} bytes: an execution's input may have {limit} if it is started with "
            f"InvocationType {invocation_type!r}",
            "Invoke",
        )


def check_error_size(error: Mapping[str, Any] | None, api_operation: str) -> None:
    """Refuse an error object of more than 1 MB."""
    if error is not None and (found := error_size(error)) > MAX_ERROR:
        raise modelled_error(
            "InvalidParameterValueException",
            f"Error has {found} bytes in its fields together: an error may have {MAX_ERROR}",
            api_operation,
        )


def too_large_result(result: str, limit: int) -> dict[str, str] | None:
    """The error of an execution or function whose result is larger than ``limit`` bytes; None if it is not."""
    if (found := size(result)) <= limit:
        return None
    message = f"the result has {found} bytes: at most {limit} are allowed. {REMEDY}"
    return {"ErrorType": "InvalidParameterValueException", "ErrorMessage": message}


def callback_result(raw: Any) -> str | None:
    """The text of a callback's result, given as any kind of blob; refused beyond 1 MB, or if it is not UTF-8.

    An empty result is None: it is the body of the request, and the wire cannot tell the two apart.
    """
    if hasattr(raw, "read"):
        raw = raw.read()
    if isinstance(raw, bytes | bytearray):
        try:
            raw = raw.decode()
        except UnicodeDecodeError as error:
            _refuse_result(f"it must be UTF-8, {error}")
    if raw is not None and size(raw) > MAX_PAYLOAD:
        _refuse_result(f"it has {size(raw)} bytes, and a callback's result may have {MAX_PAYLOAD}")
    text: str | None = raw or None
    return text


def _refuse_result(reason: str) -> NoReturn:
    raise modelled_error(
        "InvalidParameterValueException", f"Result is refused: {reason}", "SendDurableExecutionCallbackSuccess"
    )


# --- families that never end ---


@dataclass(slots=True, eq=False)
class InvokeTree:
    """An execution and all those below it, each started by a chained invoke of one above."""

    executions: int = 0

    def add(self, depth: int) -> str | None:
        """Count one more execution, ``depth`` invokes below the first; gives the bound that is exceeded now."""
        self.executions += 1
        if depth > MAX_DEPTH:
            return f"a chain of more than {MAX_DEPTH:,} executions, each invoked by the one before"
        if self.executions > MAX_EXECUTIONS:
            return f"more than {MAX_EXECUTIONS:,} executions that came of one"
        return None
