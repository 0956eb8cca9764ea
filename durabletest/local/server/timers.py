"""What happens to an execution when one of its timers is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from durabletest.local.server.callbacks import CallbackManager
from durabletest.local.server.events import error_of
from durabletest.local.server.executions import Execution, ExecutionManager
from durabletest.local.server.messages import Announce, InvocationDue, Timer, TimerKind

CALLBACK_TIMEOUTS: Mapping[TimerKind, tuple[str, str]] = {
    TimerKind.CALLBACK_TIMEOUT: ("Callback.Timeout", "Callback timed out"),
    TimerKind.HEARTBEAT_TIMEOUT: ("Callback.Heartbeat", "Callback timed out on heartbeat"),
}
"""Error type and message by kind of timeout, as the service words them."""


class TimerActions:
    """Fires timers. One whose operation is not waiting any more changes nothing."""

    def __init__(
        self,
        executions: ExecutionManager,
        callbacks: CallbackManager,
        now: Callable[[], datetime],
        announce: Announce,
        end_stubbed_invoke: Callable[[Timer], None],
    ) -> None:
        self._executions = executions
        self._callbacks = callbacks
        self._now = now
        self._announce = announce
        self._actions: Mapping[TimerKind, Callable[[Execution, Timer], None]] = {
            TimerKind.WAIT: self._end_wait,
            TimerKind.STEP_RETRY: self._ready_step,
            TimerKind.CALLBACK_TIMEOUT: self._time_out_callback,
            TimerKind.HEARTBEAT_TIMEOUT: self._time_out_callback,
            TimerKind.EXECUTION_TIMEOUT: self._time_out_execution,
            TimerKind.INVOCATION_RETRY: self._repeat_invocation,
            TimerKind.STUBBED_INVOKE: lambda _, timer: end_stubbed_invoke(timer),
        }

    def fire(self, timer: Timer) -> None:
        """Do what is due; nothing, if its execution has ended."""
        execution = self._executions.get(timer.arn, "CheckpointDurableExecution")
        if execution.running:
            self._actions[timer.kind](execution, timer)

    def _end_wait(self, execution: Execution, timer: Timer) -> None:
        checkpoints, operation_id = execution.checkpoints, timer.operation_id or ""
        wait = checkpoints.operations[operation_id]
        if wait["Status"] != "STARTED":
            return
        duration = wait["WaitDetails"]["ScheduledEndTimestamp"] - wait["StartTimestamp"]
        operation = checkpoints.operations.change(operation_id, "SUCCEEDED", {}, self._now())
        checkpoints.events.record("WaitSucceeded", {"Duration": round(duration.total_seconds())}, operation)
        checkpoints.changed_outside(operation_id)

    def _ready_step(self, execution: Execution, timer: Timer) -> None:
        """The service records no event for this; the next attempt's StepStarted tells."""
        checkpoints, operation_id = execution.checkpoints, timer.operation_id or ""
        if checkpoints.operations[operation_id]["Status"] == "PENDING":
            checkpoints.operations.change(operation_id, "READY", {})
            checkpoints.changed_outside(operation_id)

    def _time_out_callback(self, execution: Execution, timer: Timer) -> None:
        checkpoints, operation_id = execution.checkpoints, timer.operation_id or ""
        callback = checkpoints.operations[operation_id]
        if callback["Status"] != "STARTED":
            return
        error_type, message = CALLBACK_TIMEOUTS[timer.kind]
        error = {"ErrorType": error_type, "ErrorMessage": message}
        self._callbacks.close(callback["CallbackDetails"]["CallbackId"], "it has timed out")
        operation = checkpoints.operations.change(operation_id, "TIMED_OUT", {"Error": error}, self._now())
        checkpoints.events.record("CallbackTimedOut", {"Error": error_of(error)}, operation)
        checkpoints.changed_outside(operation_id)

    def _time_out_execution(self, execution: Execution, _timer: Timer) -> None:
        self._executions.time_out(execution)

    def _repeat_invocation(self, execution: Execution, _timer: Timer) -> None:
        self._announce(InvocationDue(execution.arn))
