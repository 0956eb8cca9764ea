"""Histories at the border of claims: in each, some claims only just hold and others only just do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from durabletest.model.records import OperationRecord
from tests.model.histories import ARN, Script, View, error, payload, retry, seconds

CHILD = f"{ARN}-child"
HEARTBEATS = {"answered": 2, "approval create callback id": 1}


class NearView(View):
    """An execution in virtual time."""

    exact_time = True

    def heartbeats(self, record: OperationRecord) -> int:
        return HEARTBEATS.get(record.name or "", 0)

    def delay_left_out(self, record: OperationRecord) -> timedelta:
        return timedelta(0)

    def sibling(self, arn: str) -> NearView:
        assert arn == CHILD
        return NearView(Script().step("1", '"settled"', name="settle").at(5).succeeded('{"charged": 10}'))


def shop() -> Script:
    """A charge that is retried after five minutes, an hour of waiting, two boxes packed one after the other."""
    script = Script().op("StepStarted", "1", name="charge")
    script.op("StepFailed", "1", {"Error": error(), "RetryDetails": retry(1, 300)}).invocation(0)
    script.at(300).op("StepStarted", "1")
    script.op("StepSucceeded", "1", {"Result": payload('"receipt"'), "RetryDetails": retry(2)})
    script.wait("2", 3600, name="cool-down").invocation(300, "r-2")
    script.at(3900).op("WaitSucceeded", "2", {"Duration": 3600})
    script.context("3", name="box").op("StepStarted", "3-1", name="pack", parent="3")
    script.at(3960).op("StepSucceeded", "3-1", {"Result": payload('{"parcels": [1, 2]}'), "RetryDetails": retry(1)})
    script.op("ContextSucceeded", "3", {"Result": payload("[1, 2]")})
    script.context("4", name="box").step("4-1", '"label"', name="label", parent="4").op("ContextSucceeded", "4")
    script.step("5", "null", name="recharge").invocation(3900, "r-3")
    return script.succeeded('{"status": "shipped", "count": 2}')


def letters() -> Script:
    """Steps named a, c, b and again c."""
    return Script().step("1", name="a").step("2", name="c").step("3", name="b").step("4", name="c").succeeded()


def going_on() -> Script:
    """Everything is in progress: a running attempt, a pending one, a wait, callbacks with and without an id."""
    script = Script().context("p", "Parallel", name="all")
    script.op("StepStarted", "1", name="running", parent="p").op("StepStarted", "2", name="retrying", parent="p")
    script.op("StepFailed", "2", {"Error": error(), "RetryDetails": retry(1, 300)})
    script.wait("3", 3600, name="wait", parent="p")
    script.context("4", "WaitForCallback", name="no id yet", parent="p")
    script.context("5", "WaitForCallback", name="timing out", parent="p")
    script.callback("5-1", "cb-5", name="timing out create callback id", parent="5")
    return script.at(60).op("CallbackTimedOut", "5-1")


def broken() -> Script:
    """A charge that failed with data, an invoke that was stopped and a wait that was cancelled."""
    script = Script().op("StepStarted", "1", name="charge")
    details = error("shop.CardDeclined", "no funds", ErrorData='{"code": 7}')
    script.op("StepFailed", "1", {"Error": details, "RetryDetails": retry(1)})
    script.op("ChainedInvokeStarted", "2", {"FunctionName": "f"}, name="stopped").op("ChainedInvokeStopped", "2")
    script.wait("3", 60, name="cancelled").op("WaitCancelled", "3")
    return script.failed(type_="StepError", message="no funds")


def stopped() -> Script:
    return Script().wait("1", 60, name="wait").at(30).add("ExecutionStopped", {"Error": error("Operator", "enough")})


def paused() -> Script:
    script = Script().wait("1", 60, name="wait").at(30)
    return script.add("ExecutionPaused", {"PauseRequestTimestamp": seconds(30), "ExecutionTimeoutPaused": True})


def resumed() -> Script:
    script = paused().at(45)
    return script.add("ExecutionResumed", {"ResumeRequestTimestamp": seconds(45)})


def timed_out() -> Script:
    return Script().wait("1", 90, name="wait").at(60).add("ExecutionTimedOut", {})


def callbacks() -> Script:
    """One was answered after 20 minutes, the one inside a ``wait_for_callback`` timed out after two hours."""
    script = Script().callback("1", "cb-1", name="answered").at(1200)
    script.op("CallbackSucceeded", "1", {"Result": payload('"yes"')})
    script.wait_for_callback("2", "approval").submitted("2").at(8400).op("CallbackTimedOut", "2-1")
    script.op("ContextFailed", "2", {"Error": error("CallbackError", "timed out")})
    script.op("CallbackStarted", "3", {"CallbackId": "cb-3"}, name="refused")
    return script.op("CallbackFailed", "3", {"Error": error("Refused", "too expensive")}).succeeded()


def branches() -> Script:
    """Two branches, which pause for one and two minutes; the work of the first ends when that of the second starts."""
    script = Script().context("p", "Parallel", name="fields")
    script.context("a", "ParallelBranch", name="peas", parent="p").context(
        "b", "ParallelBranch", name="corn", parent="p"
    )
    script.wait("a-1", 60, name="rest", parent="a").wait("b-1", 120, name="ripen", parent="b")
    script.at(60).op("WaitSucceeded", "a-1").op("StepStarted", "a-2", name="pick", parent="a")
    script.at(120).op("StepSucceeded", "a-2", {"Result": payload("1"), "RetryDetails": retry(1)})
    script.op("ContextSucceeded", "a").op("WaitSucceeded", "b-1").op("StepStarted", "b-2", name="grind", parent="b")
    script.at(180).op("StepSucceeded", "b-2", {"Result": payload("2"), "RetryDetails": retry(1)})
    return script.op("ContextSucceeded", "b").op("ContextSucceeded", "p").succeeded()


def invokes() -> Script:
    script = Script()
    for id_, name, function, child in (("1", "locate", "geo", None), ("2", "pay", "charge-card:prod", CHILD)):
        details = {"FunctionName": function, "Input": payload('{"amount": 10}')}
        script.op("ChainedInvokeStarted", id_, {**details, "DurableExecutionArn": child}, name=name)
        script.op("ChainedInvokeSucceeded", id_, {"Result": payload("1")})
    return script.succeeded()


def polled() -> Script:
    """A condition that held at the third poll, after delays of ten and twenty minutes."""
    script = Script().op("StepStarted", "1", name="ready", sub_type="WaitForCondition")
    for attempt, (now, delay) in enumerate(((0, 600), (600, 1200)), 1):
        script.at(now).op("StepSucceeded", "1", {"RetryDetails": retry(attempt, delay)})
    return script.at(1800).op("StepSucceeded", "1", {"RetryDetails": retry(3)}).succeeded()


def crashed() -> Script:
    """The first of two invocations failed after ten seconds."""
    script = Script().at(10).invocation(0, "r-1", Error=error("Runtime.ExitError", "exit status 3"))
    return script.step("1", name="a").invocation(10, "r-2").succeeded()


HISTORIES: dict[str, Callable[[], Script]] = {
    one.__name__: one
    for one in (
        shop, letters, going_on, broken, stopped, paused, resumed, timed_out, callbacks, branches, invokes, polled,
        crashed,
    )
}  # fmt: skip
