"""The server object without its thread: a clock that the test moves, and a record of what the server announces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple

from botocore import xform_name
from botocore.exceptions import ClientError

from durabletest.local.client import API_OPERATIONS
from durabletest.local.server.announcements import Announcements, CallbackCreated, FunctionCallDue, TimerKind
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import FunctionSpec
from durabletest.local.server.service_model import service_model

KNOWN_OPERATIONS = [name for name in API_OPERATIONS if name in service_model().operation_names]
"""Those of the API's operations that the installed botocore knows."""

START = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENT = 1


def response_members(api_operation: str) -> set[str]:
    """The members of an answer that the installed botocore knows."""
    model: Any = service_model().operation_model(api_operation)
    return set(model.output_shape.members)


class Timer(NamedTuple):
    """A timer that the server has announced."""

    arn: str
    kind: TimerKind
    due: datetime
    operation_id: str | None


class Recorder(Announcements):
    """Keeps what the server announces: ``all`` of it as tuples, and by its kind what tests ask for."""

    def __init__(self) -> None:
        self.all: list[tuple[Any, ...]] = []
        self.timers: dict[tuple[str, str, str | None], Timer] = {}
        self.service_timeouts: list[datetime] = []
        self.invocations_due: list[str] = []
        self.ends: list[str] = []

    def timer_armed(self, arn: str, /, kind: TimerKind, due: datetime, operation_id: str | None = None) -> None:
        self.timer_cancelled(arn, kind, operation_id)
        self.timers[kind.value, arn, operation_id] = Timer(arn, kind, due, operation_id)

    def timer_cancelled(self, arn: str, /, kind: TimerKind, operation_id: str | None = None) -> None:
        self.all.append(("timer", arn, kind, operation_id))
        self.timers.pop((kind.value, arn, operation_id), None)

    def service_timeout_armed(self, arn: str, /, due: datetime) -> None:
        self.all.append(("service timeout", arn, due))
        self.service_timeouts.append(due)

    def invocation_due(self, arn: str, /) -> None:
        self.all.append(("invocation due", arn))
        self.invocations_due.append(arn)

    def function_call_due(self, arn: str, /, call: FunctionCallDue) -> None:
        self.all.append(("function call due", arn, call))

    def function_unknown(self, arn: str, /, function: str) -> None:
        self.all.append(("function unknown", arn, function))

    def callback_created(self, arn: str, /, callback: CallbackCreated) -> None:
        self.all.append(("callback created", arn, callback))

    def endless(self, arn: str, /, bound: str) -> None:
        self.all.append(("endless", arn, bound))

    def changed(self, arn: str, /) -> None:
        self.all.append(("changed", arn))

    def deleted(self, arn: str, /) -> None:
        self.all.append(("deleted", arn))

    def ended(self, arn: str, /) -> None:
        self.all.append(("ended", arn))
        self.ends.append(arn)


class Harness:
    """One server with one runner's deployment; ``now`` is its clock."""

    def __init__(self) -> None:
        self.now = START
        self.announced = Recorder()
        self.server = CheckpointServer(lambda: self.now, self.announced)
        self.server.deploy(DEPLOYMENT, FunctionSpec("orders"))

    def start(self, payload: str | None = "{}", function: str = "orders", **more: Any) -> Started:
        """Start an execution, and invoke it for the first time."""
        given = {"deployment": DEPLOYMENT, "function": function, "payload": payload, **more}
        started = Started(self, self.server.start(**given))
        started.begin()
        return started

    @property
    def api(self) -> SimpleNamespace:
        """The operations of the API, as a client's methods; functions are invoked as by the runner of ``orders``."""
        methods = {name: getattr(self.server, name) for name in map(xform_name, API_OPERATIONS)}
        return SimpleNamespace(**{**methods, "invoke": partial(methods["invoke"], deployment=DEPLOYMENT)})

    def child_of(self, arn: str, operation_id: str) -> Started:
        """The execution that a chained invoke has started, invoked for the first time."""
        events = self.server.events_after(arn, 0)
        (details,) = [
            event["ChainedInvokeStartedDetails"]
            for event in events
            if event["EventType"] == "ChainedInvokeStarted" and event["Id"] == operation_id
        ]
        child = Started(self, details["DurableExecutionArn"])
        child.begin()
        return child

    def timers(self) -> dict[tuple[str, str, str | None], Timer]:
        """The timers that are armed, by kind, ARN and operation."""
        return dict(self.announced.timers)

    def fire_next(self, *, kind: str | None = None) -> Timer:
        """Move the clock to the earliest timer (of that kind), and let it fire."""
        timers = [timer for timer in self.timers().values() if kind in (None, timer.kind.value)]
        timer = min(timers, key=lambda timer: timer.due)
        self.now = max(self.now, timer.due)
        self.fire(timer)
        return timer

    def fire(self, timer: Timer) -> None:
        """Let a timer fire, whether it is armed or not."""
        self.announced.timers.pop((timer.kind.value, timer.arn, timer.operation_id), None)
        self.server.fire(timer.arn, timer.kind, timer.operation_id)

    def pass_time(self, **duration: float) -> None:
        """Move the clock, and nothing else."""
        self.now += timedelta(**duration)


class Started:
    """One execution of the harness, from its handler's point of view: it holds the token."""

    def __init__(self, harness: Harness, arn: str) -> None:
        self.harness = harness
        self.arn = arn
        self.token = ""
        self.event: dict[str, Any] = {}

    @property
    def execution_id(self) -> str:
        return self.arn.rpartition("/")[2]

    def begin(self) -> dict[str, Any]:
        """Invoke the handler; the event is given."""
        event = self.harness.server.begin_invocation(self.arn)
        assert event is not None, "the execution has ended"
        self.event, self.token = event, event["CheckpointToken"]
        return event

    def request(self, *updates: dict[str, Any], **more: Any) -> dict[str, Any]:
        """The arguments of a checkpoint."""
        return {"DurableExecutionArn": self.arn, "CheckpointToken": self.token, "Updates": list(updates), **more}

    def checkpoint(self, *updates: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Send a batch; the answer is given, and its token is kept."""
        answer: dict[str, Any] = self.harness.server.checkpoint_durable_execution(**self.request(*updates, **more))
        self.token = answer.get("CheckpointToken", "")
        return answer

    def answer(self, status: str, **output: Any) -> None:
        """Let the handler return."""
        self.harness.server.invocation_answered(self.arn, {"Status": status, **output})

    def crash(self, error_type: str = "Runtime.ExitError") -> None:
        """Let the invocation fail."""
        self.harness.server.invocation_failed(self.arn, {"ErrorType": error_type, "ErrorMessage": "gone"})

    def stop(self, **error: str) -> datetime:
        """Stop the execution; when it stopped is given."""
        more = {"Error": error} if error else {}
        stopped: datetime = self.harness.server.stop_durable_execution(DurableExecutionArn=self.arn, **more)[
            "StopTimestamp"
        ]
        return stopped

    # --- what is seen ---

    def operations(self) -> dict[str, dict[str, Any]]:
        """The operations by id, as a state request shows them; only for the holder of the token."""
        found: dict[str, dict[str, Any]] = {}
        marker: dict[str, str] = {}
        while True:
            page = self.harness.server.get_durable_execution_state(
                DurableExecutionArn=self.arn, CheckpointToken=self.token, MaxItems=1000, **marker
            )
            found |= {operation["Id"]: operation for operation in page["Operations"]}
            if "NextMarker" not in page:
                return found
            marker = {"Marker": page["NextMarker"]}

    def kept(self) -> dict[str, dict[str, Any]]:
        """The operations by id, as the server keeps them; for executions whose token is gone."""
        return dict(self.harness.server._executions.get(self.arn).checkpoints.journal.operations)

    def history(self, **request: Any) -> list[dict[str, Any]]:
        """The events, with execution data."""
        return self.harness.server.get_durable_execution_history(
            **{"DurableExecutionArn": self.arn, "IncludeExecutionData": True, "MaxItems": 1000, **request}
        )["Events"]

    def event_types(self) -> list[str]:
        """The types of the events, in order."""
        return [event["EventType"] for event in self.history()]

    def details(self, event_type: str) -> dict[str, Any]:
        """The details of the last event of that type."""
        events = [event for event in self.history() if event["EventType"] == event_type]
        details: dict[str, Any] = events[-1][f"{event_type}Details"]
        return details

    def description(self, **request: Any) -> dict[str, Any]:
        """What ``get_durable_execution`` says."""
        return self.harness.server.get_durable_execution(DurableExecutionArn=self.arn, **request)

    @property
    def status(self) -> str:
        status: str = self.description()["Status"]
        return status


def code_of(error: ClientError) -> str:
    """The error code of a refusal."""
    code: str = error.response["Error"]["Code"]
    return code


# --- updates ---


def update(action: str, operation_type: str, operation_id: str, **more: Any) -> dict[str, Any]:
    """One update; what the model's rules require of this kind is filled in."""
    filled = dict(_NEEDED.get((operation_type, action), {}))
    return {"Id": operation_id, "Type": operation_type, "Action": action, **filled, **more}


def start(operation_type: str, operation_id: str, **more: Any) -> dict[str, Any]:
    return update("START", operation_type, operation_id, **more)


def succeed(operation_type: str, operation_id: str, **more: Any) -> dict[str, Any]:
    return update("SUCCEED", operation_type, operation_id, **more)


def fail(operation_type: str, operation_id: str, **more: Any) -> dict[str, Any]:
    return update("FAIL", operation_type, operation_id, **more)


def retry(operation_id: str, **more: Any) -> dict[str, Any]:
    return update("RETRY", "STEP", operation_id, **more)


def cancel(operation_type: str, operation_id: str, **more: Any) -> dict[str, Any]:
    return update("CANCEL", operation_type, operation_id, **more)


_NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("WAIT", "START"): {"WaitOptions": {"WaitSeconds": 60}},
    ("STEP", "RETRY"): {"StepOptions": {"NextAttemptDelaySeconds": 5}},
    ("CHAINED_INVOKE", "START"): {"ChainedInvokeOptions": {"FunctionName": "child"}},
}
