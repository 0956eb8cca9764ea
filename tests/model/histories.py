"""Histories written by hand, and an execution view on them: what the model is tested with, no runner needed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from durabletest.errors import NotAvailableError
from durabletest.model.history import History
from durabletest.model.records import ErrorDetails, Injected, LogEntry, OperationRecord, WaitingStatus
from durabletest.model.wait_for_data import Watch, resolve

START = datetime(2026, 1, 1, tzinfo=UTC)
ARN = "arn:aws:lambda:us-east-1:123456789012:function:orders:$LATEST/durable-execution/order-42/e-1"


def seconds(after: float) -> datetime:
    """The moment so many seconds after the start."""
    return START + timedelta(seconds=after)


def error(type_: str | None = "PaymentDeclined", message: str | None = "card expired", **more: Any) -> dict[str, Any]:
    """The Error part of an event's details."""
    fields = {"ErrorType": type_, "ErrorMessage": message, **more}
    return {"Payload": {key: value for key, value in fields.items() if value is not None}, "Truncated": False}


def payload(value: str) -> dict[str, Any]:
    """The Result or Input part of an event's details."""
    return {"Payload": value, "Truncated": False}


def retry(attempt: int, delay: int | None = None) -> dict[str, Any]:
    """The RetryDetails part of an event's details."""
    return (
        {"CurrentAttempt": attempt} if delay is None else {"CurrentAttempt": attempt, "NextAttemptDelaySeconds": delay}
    )


class Script:
    """Writes a history event by event; ``now`` is the time of the next one, in seconds after the start."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = 0.0
        self._open: dict[str, dict[str, Any]] = {}
        self.add("ExecutionStarted", {"Input": payload("{}"), "ExecutionTimeout": 60}, Id="e-1", Name="order-42")

    def add(self, kind: str, details: dict[str, Any] | None = None, **fields: Any) -> Script:
        event = {"EventType": kind, "EventId": len(self.events) + 1, "EventTimestamp": seconds(self.now), **fields}
        self.events.append({**event, f"{kind}Details": details or {}})
        return self

    def at(self, now: float) -> Script:
        self.now = now
        return self

    def op(self, kind: str, id_: str, details: dict[str, Any] | None = None, **fields: Any) -> Script:
        """An event of an operation; what its first event said (name, parent, sub-type) need not be repeated."""
        keys = {"name": "Name", "parent": "ParentId", "sub_type": "SubType"}
        given = {keys[key]: value for key, value in fields.items()}
        known = self._open.setdefault(id_, {"SubType": kind.removesuffix("Started"), **given})
        return self.add(kind, details, Id=id_, **known)

    def step(self, id_: str, result: str = "null", **fields: Any) -> Script:
        """A step that succeeds at once."""
        self.op("StepStarted", id_, **fields)
        return self.op("StepSucceeded", id_, {"Result": payload(result), "RetryDetails": retry(1)})

    def wait(self, id_: str, duration: int, **fields: Any) -> Script:
        """A wait that has started and is not over."""
        end = seconds(self.now + duration)
        return self.op("WaitStarted", id_, {"Duration": duration, "ScheduledEndTimestamp": end}, **fields)

    def context(self, id_: str, sub_type: str = "RunInChildContext", **fields: Any) -> Script:
        return self.op("ContextStarted", id_, sub_type=sub_type, **fields)

    def callback(self, id_: str, callback_id: str = "cb-1", **fields: Any) -> Script:
        return self.op("CallbackStarted", id_, {"CallbackId": callback_id}, **fields)

    def wait_for_callback(self, id_: str, name: str) -> Script:
        """A ``wait_for_callback`` as far as its submitter, which is running."""
        self.context(id_, "WaitForCallback", name=name)
        self.callback(f"{id_}-1", name=f"{name} create callback id", parent=id_)
        return self.op("StepStarted", f"{id_}-2", name=f"{name} submitter", parent=id_)

    def submitted(self, id_: str) -> Script:
        return self.op("StepSucceeded", f"{id_}-2", {"Result": payload("null"), "RetryDetails": retry(1)})

    def invocation(self, start: float = 0, request_id: str = "r-1", **details: Any) -> Script:
        times = {"StartTimestamp": seconds(start), "EndTimestamp": seconds(self.now)}
        return self.add("InvocationCompleted", {**times, "RequestId": request_id, **details})

    def succeeded(self, result: str = "null") -> Script:
        return self.add("ExecutionSucceeded", {"Result": payload(result)})

    def failed(self, **details: Any) -> Script:
        return self.add("ExecutionFailed", {"Error": error(**details)})


class LambdaClient:
    """Records the answers to callbacks, and refuses them with ``refusal`` if there is one."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusal: str | None = None

    def send_durable_execution_callback_success(self, **arguments: Any) -> None:
        self._record("success", arguments)

    def send_durable_execution_callback_failure(self, **arguments: Any) -> None:
        self._record("failure", arguments)

    def send_durable_execution_callback_heartbeat(self, **arguments: Any) -> None:
        self._record("heartbeat", arguments)

    def _record(self, action: str, arguments: dict[str, Any]) -> None:
        if self.refusal is not None:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "refused"}}, "SendCallback")
        self.calls.append((action, arguments))


class View:
    """An execution whose history is what a script has written by now."""

    arn = ARN

    def __init__(self, script: Script) -> None:
        self.script = script
        self.client = LambdaClient()
        self.watches: list[Watch] = []
        self._history = History()
        self.logged: list[LogEntry] | None = []
        self.put_in: list[Injected] = []

    def logs(self) -> list[LogEntry] | None:
        return self.logged

    def injected(self) -> list[Injected]:
        return self.put_in

    def unavailable(self, what: str) -> NotAvailableError:
        return NotAvailableError(what)

    def history(self) -> History:
        self._history.extend(self.script.events)
        return self._history

    def decode(self, payload: str | None, record: OperationRecord | None) -> Any:
        return None if payload is None else json.loads(payload)

    def refused_place(self, error: ErrorDetails) -> str | None:
        """Nothing was refused."""

    def watch(self, path: str, index: int, status: WaitingStatus) -> Future[OperationRecord]:
        watch = Watch(path, index, status)
        self.watches.append(watch)
        return watch.future

    def blocking(self, future: Any = None) -> AbstractContextManager[object]:
        """Nobody looks."""
        return nullcontext()

    def resolve(self) -> None:
        """What a runner does after each batch of events."""
        history = self.history()
        self.watches = resolve(self.watches, history, history.execution.ended)


def history_of(events: Iterable[dict[str, Any]] | Script) -> History:
    return History(events.events if isinstance(events, Script) else events)


def order(script: Script | None = None) -> Script:
    """A whole order: a charge that is retried inside a context, an hour of waiting, an approval, a result."""
    script = script or Script()
    script.context("1", name="order")
    script.op("StepStarted", "1-1", name="charge", parent="1")
    script.op("StepFailed", "1-1", {"Error": error(), "RetryDetails": retry(1, 5)}).invocation()
    script.at(5).op("StepStarted", "1-1").op("StepSucceeded", "1-1", {"Result": payload("7"), "RetryDetails": retry(2)})
    script.op("ContextSucceeded", "1", {"Result": payload("7")}).wait("2", 3600, name="cool-down").invocation(5, "r-2")
    script.at(3605).op("WaitSucceeded", "2", {"Duration": 3600})
    script.wait_for_callback("3", "approval").submitted("3").invocation(3605, "r-3")
    script.at(7205).op("CallbackSucceeded", "3-1", {"Result": payload('"yes"')})
    script.op("ContextSucceeded", "3", {"Result": payload('"yes"')}).invocation(7205, "r-4")
    return script.succeeded('{"status": "shipped", "total": 7}')
