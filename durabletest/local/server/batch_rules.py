"""The rules for a batch of updates that the service model does not hold; a batch that breaks one is refused whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from durabletest.local.server.journal import TERMINAL, Update
from durabletest.local.server.limits import (
    MAX_ERROR,
    MAX_EXECUTION_PAYLOADS,
    MAX_PAYLOAD,
    REMEDY,
    error_size,
    size,
)
from durabletest.local.server.operation_events import CHANGES
from durabletest.local.server.service_model import modelled_error

Operations: TypeAlias = Mapping[str, Mapping[str, Any]]

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
_IDENTITY = ("Type", "SubType", "Name", "ParentId")
_MAY_COME_TWICE = frozenset({"STEP", "CONTEXT"})


def check_batch(operations: Operations, updates: Sequence[Update], invocation_type: str) -> None:
    """Raise ``InvalidParameterValueException`` with operation and rule for a batch that the service refuses.

    ``operations`` are those before the batch, by id; nothing is changed here. ``invocation_type`` is the one with which
    the execution was started.
    """
    known: dict[str, Mapping[str, Any]] = {}
    for position, update in enumerate(updates, start=1):
        earlier = known.get(update["Id"])
        current = earlier or operations.get(update["Id"])
        for rule in _RULES:
            rule(update, current)
        _check_sizes(update, invocation_type)
        _check_parent(update, known, operations)
        _check_repetition(update, earlier)
        if update["Type"] == "EXECUTION" and position < len(updates):
            _refuse(update, "an EXECUTION update must be the only one and the last one of its batch")
        known[update["Id"]] = {**(current or {}), **update, "Status": CHANGES[update["Type"], update["Action"]].status}


# --- one rule, one function ---


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


_RULES: tuple[Callable[[Update, Update | None], None], ...] = (
    _check_action,
    _check_identity,
    _check_transition,
    _check_options,
    _check_outcome,
)


def _check_sizes(update: Update, invocation_type: str) -> None:
    limit = MAX_EXECUTION_PAYLOADS[invocation_type] if update["Type"] == "EXECUTION" else MAX_PAYLOAD
    if "Payload" in update and (found := size(update["Payload"])) > limit:
        _refuse(update, f"Payload has {found} bytes: {update['Type']} may have {limit}. {REMEDY}")
    if "Error" in update and (found := error_size(update["Error"])) > MAX_ERROR:
        _refuse(update, f"Error has {found} bytes in its fields together: an error may have {MAX_ERROR}")


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
