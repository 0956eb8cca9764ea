"""A workflow with every kind of operation, and what later versions of it change: what breaks executions, what does not.

Versions are made of *lines*, functions that ask a context for one operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, durable_execution
from aws_durable_execution_sdk_python.config import (
    CallbackConfig,
    Duration,
    StepConfig,
    StepSemantics,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python.waits import WaitForConditionConfig, WaitForConditionDecision

Line = Callable[[DurableContext], Any]


def step(name: str | None, value: object = 1, config: StepConfig | None = None) -> Line:
    return lambda context: context.step(lambda _: value, name=name, config=config)


def wait(name: str, seconds: int = 60) -> Line:
    return lambda context: context.wait(Duration.from_seconds(seconds), name=name)


def inner(name: str, *lines: Line) -> Line:
    return lambda context: context.run_in_child_context(lambda child: [line(child) for line in lines][-1], name=name)


def parallel(name: str, **branches: tuple[Line, ...]) -> Line:
    def branch(lines: tuple[Line, ...]) -> Line:
        return lambda context: [line(context) for line in lines][-1]

    made: list[Any] = [ParallelBranch(branch(lines), name=key) for key, lines in branches.items()]
    return lambda context: len(context.parallel(made, name=name).get_results())


def mapped(name: str, items: list[int], *lines: Line) -> Line:
    def each(context: DurableContext, *_: Any) -> Any:
        return [line(context) for line in lines][-1]

    return lambda context: len(context.map(items, each, name=name).get_results())


def flaky(name: str) -> Line:
    def run(step: Any) -> int:
        if step.attempt < 3:
            raise OSError("busy")
        return 1

    config = StepConfig(retry_strategy=lambda *_: RetryDecision.retry(Duration.from_seconds(5)))
    return lambda context: context.step(run, name=name, config=config)


def condition(name: str, seconds: int = 5) -> Line:
    def decide(state: int, attempt: int) -> WaitForConditionDecision:
        if state >= 3:
            return WaitForConditionDecision.stop_polling()
        return WaitForConditionDecision.continue_waiting(Duration.from_seconds(seconds))

    config = WaitForConditionConfig(wait_strategy=decide, initial_state=0)
    return lambda context: context.wait_for_condition(lambda state, _: state + 1, config, name=name)


def callback(name: str) -> Line:
    return lambda context: context.create_callback(name=name).result()


def approval(name: str, hours: int = 24) -> Line:
    config = WaitForCallbackConfig(timeout=Duration.from_hours(hours))
    return lambda context: context.wait_for_callback(lambda _id, _: None, name=name, config=config)


def patient_callback(name: str) -> Line:
    config = CallbackConfig(timeout=Duration.from_days(7))
    return lambda context: context.create_callback(name=name, config=config).result()


def invoke(name: str, payload: object = 1) -> Line:
    return lambda context: context.invoke("plain", payload, name=name)


def workflow(*lines: Line) -> Any:
    @durable_execution
    def handler(event: Any, context: DurableContext) -> Any:
        return [line(context) for line in lines][-1]

    return handler


SHIPPING = step("pack"), wait("truck"), step("ship")
CUSTOMER = step("write"), wait("night"), step("send")
SELLER = step("note"), wait("day")
OLD = (
    step("reserve"),
    wait("cool-down"),
    flaky("charge"),
    inner("shipping", *SHIPPING),
    parallel("mails", customer=CUSTOMER, seller=SELLER),
    mapped("parcels", [1, 2], step("label"), wait("pickup")),
    condition("arrived"),
    callback("upload"),
    approval("approval"),
    invoke("account"),
    step("close"),
    step("close"),
)
"""The lines that executions have begun with; a change names one by its place."""


def changed(place: int, *lines: Line, until: int = 1) -> Any:
    """The workflow with other lines in place of ``until`` old ones."""
    return workflow(*OLD[:place], *lines, *OLD[place + until :])


@dataclass(frozen=True)
class Break:
    """A version that breaks executions, and what is said about it.

    ``since`` is the title of the first recorded operation that it leaves without its place: executions that have it
    break, unless the context ``until`` has succeeded, which is not entered again. ``once_over`` means that they break
    when that operation has succeeded, not before.
    """

    handler: Any
    words: str
    since: str
    until: str | None = None
    once_over: bool = False


def _at(place: int, since: str, now: str, *lines: Line, until: int = 1) -> Break:
    return Break(changed(place, *lines, until=until), f"was {since}, is now {now}", since)


def _inside(place: int, since: str, words: str, line: Line, until: str) -> Break:
    return Break(changed(place, line), words, since, until)


INCOMPATIBLE = {
    "renamed step": _at(0, "step 'reserve'", "step 'book'", step("book")),
    "renamed wait": _at(1, "wait 'cool-down'", "wait 'pause'", wait("pause")),
    "renamed context": _at(3, "context 'shipping'", "context 'delivery'", inner("delivery", *SHIPPING)),
    "renamed parallel": _at(4, "parallel 'mails'", "parallel 'letters'", parallel("letters", customer=CUSTOMER)),
    "renamed map": _at(5, "map 'parcels'", "map 'boxes'", mapped("boxes", [1, 2], step("label"))),
    "renamed condition": _at(6, "condition 'arrived'", "condition 'there'", condition("there")),
    "renamed callback": _at(7, "callback 'upload'", "callback 'file'", callback("file")),
    "renamed wait for a callback": _at(8, "callback 'approval'", "callback 'consent'", approval("consent")),
    "renamed invoke": _at(9, "invoke 'account'", "invoke 'ledger'", invoke("ledger")),
    "without its name": _at(0, "step 'reserve'", "an unnamed step", step(None)),
    "step to wait": _at(0, "step 'reserve'", "wait 'reserve'", wait("reserve")),
    "wait to step": _at(1, "wait 'cool-down'", "step 'cool-down'", step("cool-down")),
    "step to condition": _at(2, "step 'charge'", "condition 'charge'", condition("charge")),
    "context to step": _at(3, "context 'shipping'", "step 'shipping'", step("shipping")),
    "parallel to map": _at(4, "parallel 'mails'", "map 'mails'", mapped("mails", [1, 2], step("write"))),
    "map to context": _at(5, "map 'parcels'", "context 'parcels'", inner("parcels", step("label"))),
    "condition to callback": _at(6, "condition 'arrived'", "callback 'arrived'", callback("arrived")),
    "callback to invoke": _at(7, "callback 'upload'", "invoke 'upload'", invoke("upload")),
    "wait for a callback to callback": Break(
        changed(8, callback("approval")),
        "was callback 'approval' (WaitForCallback), is now callback 'approval' (Callback)",
        "callback 'approval'",
    ),
    "invoke to step": _at(9, "invoke 'account'", "step 'account'", step("account")),
    "reordered": _at(0, "step 'reserve'", "wait 'cool-down'", OLD[1], OLD[0], until=2),
    "reordered contexts": _at(3, "context 'shipping'", "parallel 'mails'", OLD[4], OLD[3], until=2),
    "inserted step": _at(1, "wait 'cool-down'", "step 'check'", step("check"), until=0),
    "inserted wait": _at(2, "step 'charge'", "wait 'pause'", wait("pause"), until=0),
    "inserted context": _at(0, "step 'reserve'", "context 'checks'", inner("checks", step("check")), until=0),
    "inserted callback": _at(9, "invoke 'account'", "callback 'receipt'", callback("receipt"), until=0),
    "removed step": _at(0, "step 'reserve'", "wait 'cool-down'"),
    "removed wait": _at(1, "wait 'cool-down'", "step 'charge'"),
    "removed context": _at(3, "context 'shipping'", "parallel 'mails'"),
    "removed map": _at(5, "map 'parcels'", "condition 'arrived'"),
    "removed invoke": _at(9, "invoke 'account'", "step 'close'"),
    "removed at the end": Break(
        changed(11), "was step 'close' (index 1), and does not come any more", "step 'close' (index 1)"
    ),
    "moved into a context": _at(0, "step 'reserve'", "context 'begin'", inner("begin", OLD[0])),
    "moved out of a context": _at(3, "context 'shipping'", "step 'pack'", *SHIPPING),
    "renamed in a context": _inside(
        3,
        "step 'shipping/pack'",
        "was step 'shipping/pack', is now step 'wrap'",
        inner("shipping", step("wrap"), *SHIPPING[1:]),
        "context 'shipping'",
    ),
    "inserted in a context": _inside(
        3,
        "wait 'shipping/truck'",
        "was wait 'shipping/truck', is now step 'weigh'",
        inner("shipping", SHIPPING[0], step("weigh"), *SHIPPING[1:]),
        "context 'shipping'",
    ),
    "removed in a context": _inside(
        3,
        "wait 'shipping/truck'",
        "was wait 'shipping/truck', is now step 'ship'",
        inner("shipping", SHIPPING[0], SHIPPING[2]),
        "context 'shipping'",
    ),
    "renamed branch": _inside(
        4,
        "branch 'mails/customer'",
        "was branch 'mails/customer', is now branch 'buyer'",
        parallel("mails", buyer=CUSTOMER, seller=SELLER),
        "parallel 'mails'",
    ),
    "reordered branches": _inside(
        4,
        "branch 'mails/customer'",
        "was branch 'mails/customer', is now branch 'seller'",
        parallel("mails", seller=SELLER, customer=CUSTOMER),
        "parallel 'mails'",
    ),
    "renamed in a branch": _inside(
        4,
        "step 'mails/customer/write'",
        "was step 'mails/customer/write', is now step 'draft'",
        parallel("mails", customer=(step("draft"), *CUSTOMER[1:]), seller=SELLER),
        "branch 'mails/customer'",
    ),
    "removed branch": _inside(
        4,
        "branch 'mails/seller'",
        "was branch 'mails/seller', and does not come any more",
        parallel("mails", customer=CUSTOMER),
        "branch 'mails/customer'",
    ),
    "removed in a branch": _inside(
        4,
        "wait 'mails/customer/night'",
        "was wait 'mails/customer/night', is now step 'send'",
        parallel("mails", customer=(CUSTOMER[0], CUSTOMER[2]), seller=SELLER),
        "branch 'mails/customer'",
    ),
    "removed at the end of a branch": _inside(
        4,
        "wait 'mails/seller/day'",
        "was wait 'mails/seller/day', and does not come any more",
        parallel("mails", customer=CUSTOMER, seller=SELLER[:1]),
        "branch 'mails/seller'",
    ),
    "fewer items": _inside(
        5,
        "map iteration 'parcels/map-item-1'",
        "was map iteration 'parcels/map-item-1', and does not come any more",
        mapped("parcels", [1], step("label"), wait("pickup")),
        "map iteration 'parcels/map-item-0'",
    ),
    "retyped in an item": _inside(
        5,
        "step 'parcels/map-item-0/label'",
        "/label', is now wait 'label'",
        mapped("parcels", [1, 2], wait("label"), wait("pickup")),
        "map iteration 'parcels/map-item-1'",
    ),
    "fails": Break(
        workflow(*OLD, lambda _: 1 // 0),
        "the handler fails with ZeroDivisionError",
        "step 'close' (index 1)",
        once_over=True,
    ),
}
COMPATIBLE = {
    "the same": workflow(*OLD),
    "appended step": workflow(*OLD, step("thank")),
    "appended wait": workflow(*OLD, wait("a while")),
    "appended context": workflow(*OLD, inner("thanks", step("thank"))),
    "another value": changed(0, step("reserve", "other")),
    "another function of a step": changed(0, lambda context: context.step(lambda _: 1 // 1, name="reserve")),
    "another semantics": changed(
        0, step("reserve", config=StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY))
    ),
    "a longer wait": changed(1, wait("cool-down", 3600)),
    "another retry strategy": changed(2, step("charge")),
    "appended in a context": changed(3, inner("shipping", *SHIPPING, step("scan"))),
    "appended in a branch": changed(4, parallel("mails", customer=(*CUSTOMER, step("file")), seller=SELLER)),
    "appended branch": changed(4, parallel("mails", customer=CUSTOMER, seller=SELLER, printer=(step("print"),))),
    "more items": changed(5, mapped("parcels", [1, 2, 3], step("label"), wait("pickup"))),
    "another wait strategy": changed(6, condition("arrived", 600)),
    "another timeout": changed(7, patient_callback("upload")),
    "another timeout of an approval": changed(8, approval("approval", 48)),
    "another payload": changed(9, invoke("account", {"id": 7})),
    "code between operations": changed(1, lambda _: 42, OLD[1]),
}
