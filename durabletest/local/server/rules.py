"""The rules for checkpoints that the service model does not hold: batches, parents, identity, transitions, sizes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from durabletest.local.server.modelled import modelled_error
from durabletest.local.server.operations import TERMINAL

Update: TypeAlias = Mapping[str, Any]
Operations: TypeAlias = Mapping[str, Mapping[str, Any]]

MAX_PAYLOAD = 262_144
"""Bytes of a step's, context's or callback's payload (service quota)."""
MAX_ERROR = 32 * 1024
"""Bytes of an error object as JSON (service quota)."""
MAX_INVOKE_PAYLOAD = 1_048_576
"""Bytes of a chained invoke's input and result, and of a callback's result (service quota)."""
MAX_EXECUTION_PAYLOAD = 6_291_456
"""Bytes of an execution's input and result (service quota)."""

_ACTIONS = {
    "STEP": ("START", "SUCCEED", "FAIL", "RETRY"),
    "CONTEXT": ("START", "SUCCEED", "FAIL"),
    "WAIT": ("START", "CANCEL"),
    "CALLBACK": ("START", "CANCEL"),
    "CHAINED_INVOKE": ("START", "CANCEL"),
    "EXECUTION": ("SUCCEED", "FAIL"),
}
_NEEDED_OPTIONS = {
    ("STEP", "RETRY"): ("StepOptions", "NextAttemptDelaySeconds"),
    ("WAIT", "START"): ("WaitOptions", "WaitSeconds"),
    ("CHAINED_INVOKE", "START"): ("ChainedInvokeOptions", "FunctionName"),
}
_MAX_PAYLOADS = {"CHAINED_INVOKE": MAX_INVOKE_PAYLOAD, "EXECUTION": MAX_EXECUTION_PAYLOAD}
_REMEDY = "Keep what is larger elsewhere, in S3 for example, and hand on where it is"
_IDENTITY = ("Type", "SubType", "Name", "ParentId")
_MAY_COME_TWICE = frozenset({"STEP", "CONTEXT"})


def check_batch(operations: Operations, updates: Sequence[Update]) -> None:
    """Raise ``InvalidParameterValueException``, naming operation and rule, for a batch that the service refuses.

    ``operations`` is the state before the batch, by id. A batch is refused whole, so nothing is changed here.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for position, update in enumerate(updates, start=1):
        earlier = known.get(update["Id"])
        current = earlier or operations.get(update["Id"])
        for rule in _RULES:
            rule(update, current)
        _check_parent(update, known, operations)
        _check_repetition(update, earlier)
        if update["Type"] == "EXECUTION" and position < len(updates):
            _refuse(update, "an EXECUTION update must be the only one and the last one of its batch")
        known[update["Id"]] = {**(current or {}), **update, "Status": _STATUS_AFTER[update["Action"]]}


def callback_result(raw: Any) -> str | None:
    """The text that a callback's result is, whichever kind of blob it came as; refused beyond 1 MiB, or if no text.

    An empty one is none: it is the body of the request, and the wire cannot tell the two apart.
    """
    if hasattr(raw, "read"):
        raw = raw.read()
    if isinstance(raw, bytes | bytearray):
        raw = _decoded(raw)
    if raw is not None and size(raw) > MAX_INVOKE_PAYLOAD:
        _refuse_result(f"it has {size(raw)} bytes, and a callback's result may have {MAX_INVOKE_PAYLOAD}")
    text: str | None = raw or None
    return text


def _decoded(raw: bytes | bytearray) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return _refuse_result(f"it must be UTF-8, {error}")


def _refuse_result(reason: str) -> NoReturn:
    raise modelled_error(
        "InvalidParameterValueException", f"Result is refused: {reason}", "SendDurableExecutionCallbackSuccess"
    )


def check_input_size(payload: str | None) -> None:
    """Refuse an execution's input of more than 6 MB."""
    if payload is not None and size(payload) > MAX_EXECUTION_PAYLOAD:
        raise modelled_error(
            "RequestTooLargeException",
            f"the payload has {size(payload)} bytes: an execution's input may have {MAX_EXECUTION_PAYLOAD}",
            "Invoke",
        )


def too_large_result(result: str, limit: int) -> dict[str, str] | None:
    """The error of an execution or function whose result is larger than ``limit`` bytes; None if it is not."""
    if (found := size(result)) <= limit:
        return None
    message = f"the result has {found} bytes: at most {limit} are allowed. {_REMEDY}"
    return {"ErrorType": "InvalidParameterValueException", "ErrorMessage": message}


def check_error_size(error: Mapping[str, Any] | None, api_operation: str) -> None:
    """Refuse an error object of more than 32 KiB."""
    if error is not None and _error_size(error) > MAX_ERROR:
        raise modelled_error(
            "InvalidParameterValueException",
            f"Error has {_error_size(error)} bytes as JSON: an error may have {MAX_ERROR}",
            api_operation,
        )


# --- one rule, one function ---

_STATUS_AFTER = {
    "START": "STARTED",
    "SUCCEED": "SUCCEEDED",
    "FAIL": "FAILED",
    "RETRY": "PENDING",
    "CANCEL": "CANCELLED",
}


def _check_action(update: Update, _current: Update | None) -> None:
    allowed = _ACTIONS[update["Type"]]
    if update["Action"] not in allowed:
        _refuse(update, f"{update['Type']} takes only {', '.join(allowed)}")


def _check_identity(update: Update, current: Update | None) -> None:
    if current is None:
        return
    for member in _IDENTITY:
        before, after = current.get(member), update.get(member)
        if after not in (None, before):
            _refuse(update, f"{member} of an existing operation cannot change from {before!r} to {after!r}")


def _check_transition(update: Update, current: Update | None) -> None:
    action, status = update["Action"], None if current is None else current["Status"]
    if status in TERMINAL:
        _refuse(update, f"the operation is already {status}; nothing may follow a terminal status")
    if action == "START" and status is not None and not (update["Type"] == "STEP" and status == "READY"):
        _refuse(update, f"START needs an operation that does not exist, or a READY step; this one is {status}")
    if action in {"SUCCEED", "FAIL", "RETRY"} and status not in {None, "STARTED", "READY"}:
        _refuse(update, f"{action} needs an operation that is new, STARTED or READY; this one is {status}")
    if action == "CANCEL" and status != "STARTED":
        _refuse(update, f"CANCEL needs an operation that is STARTED; this one is {status or 'unknown'}")


def _check_options(update: Update, _current: Update | None) -> None:
    options, member = _NEEDED_OPTIONS.get((update["Type"], update["Action"]), ("", ""))
    if options and member not in update.get(options, {}):
        _refuse(update, f"{update['Action']} of a {update['Type']} needs {options}.{member}")


def _check_outcome(update: Update, _current: Update | None) -> None:
    action, payload, error = update["Action"], "Payload" in update, "Error" in update
    if action == "FAIL" and payload:
        _refuse(update, "FAIL takes an Error and no Payload")
    if action == "SUCCEED" and error:
        _refuse(update, "SUCCEED takes a Payload and no Error")
    if action == "RETRY" and payload and error:
        _refuse(update, "RETRY takes a Payload or an Error, not both")


def _check_sizes(update: Update, _current: Update | None) -> None:
    limit = _MAX_PAYLOADS.get(update["Type"], MAX_PAYLOAD)
    if "Payload" in update and (found := size(update["Payload"])) > limit:
        _refuse(update, f"Payload has {found} bytes: {update['Type']} may have {limit}. {_REMEDY}")
    if "Error" in update and (found := _error_size(update["Error"])) > MAX_ERROR:
        _refuse(update, f"Error has {found} bytes as JSON: an error may have {MAX_ERROR}")


_RULES: tuple[Callable[[Update, Update | None], None], ...] = (
    _check_action,
    _check_identity,
    _check_transition,
    _check_options,
    _check_outcome,
    _check_sizes,
)


def _check_parent(update: Update, known: Operations, operations: Operations) -> None:
    parent_id = update.get("ParentId")
    if parent_id is None:
        return
    parent = known.get(parent_id) or operations.get(parent_id)
    if parent is None:
        _refuse(
            update, f"its parent {parent_id!r} does not exist: it must come earlier in the batch or be in the state"
        )
    elif parent["Type"] != "CONTEXT":
        _refuse(update, f"its parent {parent_id!r} is a {parent['Type']}: only a CONTEXT has children")


def _check_repetition(update: Update, earlier: Update | None) -> None:
    """An id comes twice only as START followed by one other update of a STEP or CONTEXT."""
    if earlier is None:
        return
    allowed = earlier["Action"] == "START" and update["Action"] != "START"
    if not allowed or update["Type"] not in _MAY_COME_TWICE:
        _refuse(update, "an id may come twice in a batch only as START and then one other update of a STEP or CONTEXT")


def _refuse(update: Update, rule: str) -> NoReturn:
    name = f" {update['Name']!r}" if "Name" in update else ""
    raise modelled_error(
        "InvalidParameterValueException",
        f"{update['Action']} of {update['Type']}{name} (id {update['Id']}): {rule}",
        "CheckpointDurableExecution",
    )


def size(text: str) -> int:
    """How many bytes a text has on the wire; half of a surrogate pair counts, though UTF-8 has no place for it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _error_size(error: Mapping[str, Any]) -> int:
    return size(json.dumps(error, ensure_ascii=False))
