"""The table of all changes to operations: which status each gives, which event it records, and what else it does.

A change has the shape of the API's ``OperationUpdate``, wherever it comes from: a checkpoint, a timer, the answer to a
callback, the end of an invoked function, or that of the execution. Besides the API's actions there are READY (the next
attempt of a step is due), TIME_OUT, STOP, and POLL (a RETRY without an error: a condition that does not hold yet).
A batch of updates that breaks a rule, of those that the service model does not hold, is refused whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn, TypeAlias

from durabletest.local.server.announcements import Announcements, TimerKind
from durabletest.local.server.callback_registry import CallbackRegistry
from durabletest.local.server.journal import TERMINAL, Journal, Operation, Update, error_of, new_operation, result_of
from durabletest.local.server.quotas import MAX_ERROR, MAX_EXECUTION_PAYLOADS, MAX_PAYLOAD, REMEDY, error_size, size
from durabletest.local.server.service_model import RefusedError

Details: TypeAlias = tuple[dict[str, Any], dict[str, Any]]
"""The details that a change gives its operation, and those of its event."""


@dataclass(frozen=True, slots=True)
class OperationChanges:
    """Changes the operations of one execution. Updates are checked before: each is allowed."""

    arn: str
    journal: Journal
    callbacks: CallbackRegistry
    now: Callable[[], datetime]
    announcements: Announcements

    def apply(self, update: Update, recorded: Mapping[str, Any] | None = None) -> Operation:
        """Change the operation as the table says; ``recorded`` are further details of the event."""
        if update["Action"] == "RETRY" and "Error" not in update:
            update = {**update, "Action": "POLL"}
        status, event_type, make_details = CHANGES[update["Type"], update["Action"]]
        now = self.now()
        operation = self.journal.operations.get(update["Id"]) or new_operation(update, now)
        details, event = make_details(self, operation, update)
        operation = self.journal.put(operation, status, details, now if status in TERMINAL else None)
        if event_type is not None:
            shown = None if update["Type"] == "EXECUTION" else operation
            self.journal.record(event_type, {**event, **recorded} if recorded else event, shown)
        return operation

    def end_open(self, status: str) -> None:
        """Give every open operation the status with which the execution has ended; the service records no events."""
        for operation in list(self.journal.operations.values()):
            if operation["Status"] not in TERMINAL:
                self.journal.put(operation, status, {}, self.now())

    # --- one method for each kind of change ---

    def no_details(self, _operation: Operation, _update: Update) -> Details:
        return {}, {}

    def outcome(self, _operation: Operation, update: Update) -> Details:
        return {"Result": update.get("Payload"), "Error": update.get("Error")}, _outcome(update)

    def start_step(self, operation: Operation, _update: Update) -> Details:
        attempts = operation["StepDetails"].get("Attempt", 0)
        return {"Attempt": attempts, "NextAttemptTimestamp": None}, {}

    def end_attempt(self, operation: Operation, update: Update) -> Details:
        attempt = operation["StepDetails"].get("Attempt", 0) + 1
        details = {"Attempt": attempt, "Result": update.get("Payload"), "Error": update.get("Error")}
        return details, {**_outcome(update), "RetryDetails": {"CurrentAttempt": attempt}}

    def retry_step(self, operation: Operation, update: Update) -> Details:
        delay = update["StepOptions"]["NextAttemptDelaySeconds"]
        due = self.now() + timedelta(seconds=delay)
        self.announcements.timer_armed(self.arn, TimerKind.STEP_RETRY, due, update["Id"])
        details, event = self.end_attempt(operation, update)
        event["RetryDetails"]["NextAttemptDelaySeconds"] = delay
        return {**details, "NextAttemptTimestamp": due}, event

    def succeed_context(self, _operation: Operation, update: Update) -> Details:
        replay_children = update.get("ContextOptions", {}).get("ReplayChildren") or None
        return {"Result": update.get("Payload"), "ReplayChildren": replay_children}, _outcome(update)

    def start_wait(self, _operation: Operation, update: Update) -> Details:
        seconds = update["WaitOptions"]["WaitSeconds"]
        due = self.now() + timedelta(seconds=seconds)
        self.announcements.timer_armed(self.arn, TimerKind.WAIT, due, update["Id"])
        return {"ScheduledEndTimestamp": due}, {"Duration": seconds, "ScheduledEndTimestamp": due}

    def end_wait(self, operation: Operation, _update: Update) -> Details:
        duration = operation["WaitDetails"]["ScheduledEndTimestamp"] - operation["StartTimestamp"]
        return {}, {"Duration": round(duration.total_seconds())}

    def cancel_wait(self, _operation: Operation, update: Update) -> Details:
        self.announcements.timer_cancelled(self.arn, TimerKind.WAIT, update["Id"])
        return {}, {"Error": error_of(update["Error"])} if "Error" in update else {}

    def start_callback(self, operation: Operation, update: Update) -> Details:
        options = update.get("CallbackOptions", {})
        parent = self.journal.operations.get(operation.get("ParentId", ""), {})
        outer = parent.get("Name") if parent.get("SubType") == "WaitForCallback" else None
        callback = self.callbacks.create(
            self.arn,
            update["Id"],
            tuple(name for name in (outer, operation.get("Name")) if name is not None),
            options.get("TimeoutSeconds"),
            options.get("HeartbeatTimeoutSeconds"),
        )
        timeouts = {"Timeout": callback.timeout, "HeartbeatTimeout": callback.heartbeat_timeout}
        details = {"CallbackId": callback.callback_id}
        return details, details | {name: seconds for name, seconds in timeouts.items() if seconds is not None}

    def end_callback(self, operation: Operation, update: Update) -> Details:
        answered = f"it has {CHANGES['CALLBACK', update['Action']].status}, and the first answer stands"
        how = {"TIME_OUT": "it has timed out", "CANCEL": "it was cancelled"}.get(update["Action"], answered)
        self.callbacks.close(operation["CallbackDetails"]["CallbackId"], how)
        return self.outcome(operation, update)

    def start_invoke(self, _operation: Operation, update: Update) -> Details:
        options = update["ChainedInvokeOptions"]
        named = {name: options[name] for name in ("FunctionName", "TenantId") if name in options}
        return {}, {**named, "Input": result_of(update.get("Payload"))}

    def start_execution(self, _operation: Operation, update: Update) -> Details:
        return {"InputPayload": update["Payload"]}, {"Input": result_of(update["Payload"])}

    def end_execution(self, _operation: Operation, update: Update) -> Details:
        return {}, _outcome(update)


def _outcome(update: Update) -> dict[str, Any]:
    if update["Action"] in ("SUCCEED", "POLL"):
        return {"Result": result_of(update.get("Payload"))}
    return {"Error": error_of(update.get("Error"))}


class Change(NamedTuple):
    """A row of the table; ``event_type`` is None where the service records no event."""

    status: str
    event_type: str | None
    details: Callable[[OperationChanges, Operation, Update], Details]


CHANGES: Mapping[tuple[str, str], Change] = {
    ("STEP", "START"): Change("STARTED", "StepStarted", OperationChanges.start_step),
    ("STEP", "SUCCEED"): Change("SUCCEEDED", "StepSucceeded", OperationChanges.end_attempt),
    ("STEP", "FAIL"): Change("FAILED", "StepFailed", OperationChanges.end_attempt),
    ("STEP", "RETRY"): Change("PENDING", "StepFailed", OperationChanges.retry_step),
    ("STEP", "POLL"): Change("PENDING", "StepSucceeded", OperationChanges.retry_step),
    ("STEP", "READY"): Change("READY", None, OperationChanges.no_details),  # StepStarted of the next attempt tells
    ("CONTEXT", "START"): Change("STARTED", "ContextStarted", OperationChanges.no_details),
    ("CONTEXT", "SUCCEED"): Change("SUCCEEDED", "ContextSucceeded", OperationChanges.succeed_context),
    ("CONTEXT", "FAIL"): Change("FAILED", "ContextFailed", OperationChanges.outcome),
    ("WAIT", "START"): Change("STARTED", "WaitStarted", OperationChanges.start_wait),
    ("WAIT", "SUCCEED"): Change("SUCCEEDED", "WaitSucceeded", OperationChanges.end_wait),
    ("WAIT", "CANCEL"): Change("CANCELLED", "WaitCancelled", OperationChanges.cancel_wait),
    ("CALLBACK", "START"): Change("STARTED", "CallbackStarted", OperationChanges.start_callback),
    ("CALLBACK", "SUCCEED"): Change("SUCCEEDED", "CallbackSucceeded", OperationChanges.end_callback),
    ("CALLBACK", "FAIL"): Change("FAILED", "CallbackFailed", OperationChanges.end_callback),
    ("CALLBACK", "TIME_OUT"): Change("TIMED_OUT", "CallbackTimedOut", OperationChanges.end_callback),
    ("CALLBACK", "CANCEL"): Change("CANCELLED", None, OperationChanges.end_callback),
    ("CHAINED_INVOKE", "START"): Change("STARTED", "ChainedInvokeStarted", OperationChanges.start_invoke),
    ("CHAINED_INVOKE", "SUCCEED"): Change("SUCCEEDED", "ChainedInvokeSucceeded", OperationChanges.outcome),
    ("CHAINED_INVOKE", "FAIL"): Change("FAILED", "ChainedInvokeFailed", OperationChanges.outcome),
    ("CHAINED_INVOKE", "TIME_OUT"): Change("TIMED_OUT", "ChainedInvokeTimedOut", OperationChanges.outcome),
    ("CHAINED_INVOKE", "STOP"): Change("STOPPED", "ChainedInvokeStopped", OperationChanges.outcome),
    ("CHAINED_INVOKE", "CANCEL"): Change("CANCELLED", None, OperationChanges.no_details),
    ("EXECUTION", "START"): Change("STARTED", "ExecutionStarted", OperationChanges.start_execution),
    ("EXECUTION", "SUCCEED"): Change("SUCCEEDED", "ExecutionSucceeded", OperationChanges.end_execution),
    ("EXECUTION", "FAIL"): Change("FAILED", "ExecutionFailed", OperationChanges.end_execution),
    ("EXECUTION", "TIME_OUT"): Change("TIMED_OUT", "ExecutionTimedOut", OperationChanges.end_execution),
    ("EXECUTION", "STOP"): Change("STOPPED", "ExecutionStopped", OperationChanges.end_execution),
}
"""By the operation's type and the update's action. The model has no events for cancelled callbacks and invokes."""


# --- rules ---

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
    quota = MAX_EXECUTION_PAYLOADS[invocation_type] if update["Type"] == "EXECUTION" else MAX_PAYLOAD
    if "Payload" in update and (found := size(update["Payload"])) > quota:
        _refuse(update, f"Payload has {found} bytes: {update['Type']} may have {quota}. {REMEDY}")
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
    text = f"{update['Action']} of {update['Type']}{name} (id {update['Id']}): {rule}"
    raise RefusedError("InvalidParameterValueException", text)
