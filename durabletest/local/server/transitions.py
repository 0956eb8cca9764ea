"""What each update does to its operation, and which event it leaves: one small function for each type and action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

from durabletest.local.server.callbacks import CallbackManager
from durabletest.local.server.events import EventProcessor, Operation, error_of, result_of
from durabletest.local.server.messages import Announce, Timer, TimerCancelled, TimerKind
from durabletest.local.server.operations import OperationTable

Update: TypeAlias = Mapping[str, Any]


class InvokeStarter(Protocol):
    """Starts what a chained invoke asks for, and records the event of it."""

    def __call__(self, operation: Operation, update: Update) -> None: ...


@dataclass(frozen=True, slots=True)
class Transitions:
    """Applies updates that are known to be allowed to one execution's operations (R10.2, R12.1)."""

    arn: str
    operations: OperationTable
    events: EventProcessor
    callbacks: CallbackManager
    now: Callable[[], datetime]
    announce: Announce
    start_invoke: InvokeStarter

    def apply(self, update: Update) -> None:
        """Change the operation as the update says, and record the event that the service records."""
        _ACTIONS[update["Type"], update["Action"]](self, update)

    # --- STEP ---

    def start_step(self, update: Update) -> None:
        operation = self.operations.ensure(update, self.now())
        attempts = operation["StepDetails"].get("Attempt", 0)
        details = {"Attempt": attempts, "NextAttemptTimestamp": None}
        self.events.record("StepStarted", {}, self.operations.change(operation["Id"], "STARTED", details))

    def succeed_step(self, update: Update) -> None:
        attempt = self._attempt(update)
        details = {"Attempt": attempt, "Result": update.get("Payload"), "Error": None}
        operation = self.operations.change(update["Id"], "SUCCEEDED", details, self.now())
        self._step_event("StepSucceeded", operation, {"Result": result_of(update.get("Payload"))}, attempt)

    def fail_step(self, update: Update) -> None:
        attempt = self._attempt(update)
        details = {"Attempt": attempt, "Error": update.get("Error"), "Result": None}
        operation = self.operations.change(update["Id"], "FAILED", details, self.now())
        self._step_event("StepFailed", operation, {"Error": error_of(update.get("Error"))}, attempt)

    def retry_step(self, update: Update) -> None:
        attempt = self._attempt(update)
        delay = update["StepOptions"]["NextAttemptDelaySeconds"]
        due = self.now() + timedelta(seconds=delay)
        failed = "Error" in update
        details = {
            "Attempt": attempt,
            "NextAttemptTimestamp": due,
            "Error": update.get("Error"),
            "Result": update.get("Payload"),
        }
        operation = self.operations.change(update["Id"], "PENDING", details)
        outcome = {"Error": error_of(update["Error"])} if failed else {"Result": result_of(update.get("Payload"))}
        self._step_event("StepFailed" if failed else "StepSucceeded", operation, outcome, attempt, delay)
        self.announce(Timer(due, TimerKind.STEP_RETRY, self.arn, update["Id"]))

    def _attempt(self, update: Update) -> int:
        operation = self.operations.ensure(update, self.now())
        attempt: int = operation["StepDetails"].get("Attempt", 0) + 1
        return attempt

    def _step_event(
        self, event_type: str, operation: Operation, outcome: dict[str, Any], attempt: int, delay: int | None = None
    ) -> None:
        retry = {"CurrentAttempt": attempt} | ({} if delay is None else {"NextAttemptDelaySeconds": delay})
        self.events.record(event_type, {**outcome, "RetryDetails": retry}, operation)

    # --- CONTEXT ---

    def start_context(self, update: Update) -> None:
        self.events.record("ContextStarted", {}, self.operations.ensure(update, self.now()))

    def succeed_context(self, update: Update) -> None:
        self.operations.ensure(update, self.now())
        details = {
            "Result": update.get("Payload"),
            "ReplayChildren": update.get("ContextOptions", {}).get("ReplayChildren") or None,
        }
        operation = self.operations.change(update["Id"], "SUCCEEDED", details, self.now())
        self.events.record("ContextSucceeded", {"Result": result_of(update.get("Payload"))}, operation)

    def fail_context(self, update: Update) -> None:
        self.operations.ensure(update, self.now())
        operation = self.operations.change(update["Id"], "FAILED", {"Error": update.get("Error")}, self.now())
        self.events.record("ContextFailed", {"Error": error_of(update.get("Error"))}, operation)

    # --- WAIT ---

    def start_wait(self, update: Update) -> None:
        seconds = update["WaitOptions"]["WaitSeconds"]
        due = self.now() + timedelta(seconds=seconds)
        self.operations.ensure(update, self.now())
        operation = self.operations.change(update["Id"], "STARTED", {"ScheduledEndTimestamp": due})
        self.events.record("WaitStarted", {"Duration": seconds, "ScheduledEndTimestamp": due}, operation)
        self.announce(Timer(due, TimerKind.WAIT, self.arn, update["Id"]))

    def cancel_wait(self, update: Update) -> None:
        operation = self.operations.change(update["Id"], "CANCELLED", {}, self.now())
        details = {"Error": error_of(update["Error"])} if "Error" in update else {}
        self.events.record("WaitCancelled", details, operation)
        self.announce(TimerCancelled(TimerKind.WAIT, self.arn, update["Id"]))

    # --- CALLBACK ---

    def start_callback(self, update: Update) -> None:
        options = update.get("CallbackOptions", {})
        operation = self.operations.ensure(update, self.now())
        record = self.callbacks.create(
            self.arn,
            update["Id"],
            self._callback_names(operation),
            options.get("TimeoutSeconds"),
            options.get("HeartbeatTimeoutSeconds"),
        )
        details = {
            "CallbackId": record.callback_id,
            "Timeout": record.timeout,
            "HeartbeatTimeout": record.heartbeat_timeout,
        }
        operation = self.operations.change(update["Id"], "STARTED", {"CallbackId": record.callback_id})
        self.events.record("CallbackStarted", {k: v for k, v in details.items() if v is not None}, operation)

    def cancel_callback(self, update: Update) -> None:
        """The service model has no event for this; the operation's state tells."""
        operation = self.operations.change(update["Id"], "CANCELLED", {}, self.now())
        self.callbacks.close(operation["CallbackDetails"]["CallbackId"], "it was cancelled")

    def _callback_names(self, operation: Operation) -> tuple[str, ...]:
        parent = self.operations.by_id.get(operation.get("ParentId", ""), {})
        outer = parent.get("Name") if parent.get("SubType") == "WaitForCallback" else None
        return tuple(name for name in (outer, operation.get("Name")) if name is not None)

    # --- CHAINED_INVOKE ---

    def begin_invoke(self, update: Update) -> None:
        self.start_invoke(self.operations.ensure(update, self.now()), update)

    def cancel_invoke(self, update: Update) -> None:
        """The service model has no event for this; the operation's state tells."""
        self.operations.change(update["Id"], "CANCELLED", {}, self.now())


_ACTIONS: Mapping[tuple[str, str], Callable[[Transitions, Update], None]] = {
    ("STEP", "START"): Transitions.start_step,
    ("STEP", "SUCCEED"): Transitions.succeed_step,
    ("STEP", "FAIL"): Transitions.fail_step,
    ("STEP", "RETRY"): Transitions.retry_step,
    ("CONTEXT", "START"): Transitions.start_context,
    ("CONTEXT", "SUCCEED"): Transitions.succeed_context,
    ("CONTEXT", "FAIL"): Transitions.fail_context,
    ("WAIT", "START"): Transitions.start_wait,
    ("WAIT", "CANCEL"): Transitions.cancel_wait,
    ("CALLBACK", "START"): Transitions.start_callback,
    ("CALLBACK", "CANCEL"): Transitions.cancel_callback,
    ("CHAINED_INVOKE", "START"): Transitions.begin_invoke,
    ("CHAINED_INVOKE", "CANCEL"): Transitions.cancel_invoke,
}
