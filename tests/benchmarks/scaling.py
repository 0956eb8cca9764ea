"""How time grows: ``python -m tests.benchmarks.scaling`` measures each spot at n, 2n, 4n and 8n in one run.

The ratio is that of the last doubling: about 2 where time is linear in what is looked at, 4 where it is quadratic.
These are no tests: times depend on the machine. Words after the command choose the spots whose titles contain one.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import timedelta
from itertools import pairwise
from threading import Thread
from typing import Any
from unittest.mock import Mock

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration

from durabletest import LocalDurableTestRunner, WaitingStatus, assertions
from durabletest.assertions import CurrentTest, SoftScope
from durabletest.local.server.checkpoint_server import CheckpointServer
from durabletest.local.server.identifiers import FunctionSpec
from durabletest.local.server.journal import Journal
from durabletest.local.server.quotas import Quotas
from durabletest.local.timers import QueueScheduler, VirtualClock
from durabletest.local.waiting import Wait, Waiters
from durabletest.model.comparison import canonical, differences
from durabletest.model.history import History
from durabletest.model.wait_for_data import OpenWatches, Watch
from durabletest.report.failure_report import failure_report
from durabletest.report.table import operation_table
from durabletest.report.timeline import timeline
from durabletest.result import TestResult
from durabletest.stub_registry import StubRegistry
from tests.local.server.harness import DEPLOYMENT, Harness, start, succeed
from tests.model.histories import START, Script, View

SIZES = (500, 1000, 2000, 4000)
ROUNDS = 3
LONG = 1.5
"""Seconds: what takes as long is measured once, and at no larger size."""
WIDTH = 58

Measured = Callable[[], object]
Prepare = Callable[[int], Measured]
"""Makes ready for that many; the call that it gives is what is timed."""

SPOTS: dict[str, Prepare] = {}
RUNS: dict[str, Prepare] = {}
"""Whole runs, which take longer and are measured at the two smallest sizes only."""


def spot(title: str, among: dict[str, Prepare] = SPOTS) -> Callable[[Prepare], Prepare]:
    def add(prepare: Prepare) -> Prepare:
        among[title] = prepare
        return prepare

    return add


# --- the server ---


def roomy() -> Harness:
    """A server whose executions may have more operations than those of the service."""
    harness = Harness()
    harness.server.deploy(DEPLOYMENT, FunctionSpec("orders"), quotas=Quotas(operations=50_000))
    return harness


def executed(count: int) -> Any:
    """An execution with that many steps."""
    execution = roomy().start()
    for number in range(0, count, 100):
        execution.checkpoint(*(succeed("STEP", f"s{number + i}", Name="s", Payload="1") for i in range(100)))
    return execution


@spot("server: n checkpoints of a step")
def checkpoints(count: int) -> Measured:
    execution = roomy().start()

    def send() -> None:
        for number in range(count):
            execution.checkpoint(start("STEP", f"s{number}"), succeed("STEP", f"s{number}", Payload="1"))

    return send


@spot("server: 100 invocations with n operations")
def invocations(count: int) -> Measured:
    execution = executed(count)

    def invoke() -> None:
        for _ in range(100):
            execution.begin()

    return invoke


@spot("server: n changes from outside, then n updates")
def unconsumed(count: int) -> Measured:
    execution = roomy().start()
    for number in range(count):
        execution.checkpoint(start("CONTEXT", f"c{number}"), start("WAIT", f"w{number}", ParentId=f"c{number}"))
    execution.harness.pass_time(hours=1)
    for timer in list(execution.harness.timers().values()):
        execution.harness.fire(timer)

    def update() -> None:
        for number in range(count):
            execution.checkpoint(start("STEP", f"s{number}"))

    return update


@spot("server: all pages of a history")
def history_pages(count: int) -> Measured:
    execution = executed(count)

    def read() -> None:
        marker: dict[str, str] = {}
        while True:
            page = execution.harness.server.get_durable_execution_history(
                DurableExecutionArn=execution.arn, ReverseOrder=True, **marker
            )
            if "NextMarker" not in page:
                return
            marker = {"Marker": page["NextMarker"]}

    return read


@spot("server: n executions start")
def starts(count: int) -> Measured:
    harness = roomy()
    return lambda: [harness.server.start(DEPLOYMENT, "orders", "{}") for _ in range(count)]


@spot("server: all pages of n executions")
def execution_pages(count: int) -> Measured:
    harness = roomy()
    for _ in range(count):
        harness.server.start(DEPLOYMENT, "orders", "{}")

    def read() -> None:
        marker: dict[str, str] = {}
        while True:
            page = harness.server.list_durable_executions_by_function(
                FunctionName="orders", StartedAfter="2025-01-01T00:00:00Z", **marker
            )
            if "NextMarker" not in page:
                return
            marker = {"Marker": page["NextMarker"]}

    return read


@spot("server: n executions are forgotten")
def forgotten(count: int) -> Measured:
    harness = roomy()
    for _ in range(count):
        harness.server.start(DEPLOYMENT, "orders", "{}")
    return lambda: harness.server.forget(DEPLOYMENT)


# --- the orchestrator ---


@spot("scheduler: n timers, each replaced ten times")
def timers(count: int) -> Measured:
    def run() -> None:
        scheduler = QueueScheduler(VirtualClock(START))
        for round_ in range(10):
            for number in range(count):
                scheduler.schedule(number, START + timedelta(seconds=number + round_), lambda: None)
        while scheduler.run_due():
            pass

    return run


@spot("scheduler: n executions end, each with a timer")
def flushes(count: int) -> Measured:
    scheduler = QueueScheduler(VirtualClock(START))
    for number in range(count):
        scheduler.schedule(("wait", f"arn-{number}", "1"), START, lambda: None, f"arn-{number}")

    def run() -> None:
        for number in range(count):
            scheduler.drop(f"arn-{number}")

    return run


@spot("waiters: n threads wait for n executions")
def waits(count: int) -> Measured:
    server: Any = Mock(call=lambda _method, _arn, _seen: [])
    waiters = Waiters(server)
    deployment: Any = object()
    waits = [Wait(deployment, f"arn-{number}", Thread()) for number in range(count)]

    def run() -> None:
        for wait in waits:
            waiters.add(wait)
        for wait in waits:
            waiters.end(wait.arn or "", None)
            waiters.withdraw(wait)

    return run


@spot("stubs: n stubs, n steps")
def stubs(count: int) -> Measured:
    registry = StubRegistry()
    for number in range(count):
        registry.stub_step(f"step-{number}").returns(1)
    return lambda: [registry.for_step(f"order/step-{number}") for number in range(count)]


# --- the model ---


def steps(count: int, name: Callable[[int], str], ended: bool = True) -> Script:
    """That many steps in a context."""
    script = Script().context("0", name="order")
    for number in range(count):
        script.step(str(number + 1), name=name(number), parent="0")
    return script.succeeded() if ended else script


class Ended(View):
    """An execution that has ended: its history is read once."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._read = History(script.events)

    def history(self) -> History:
        return self._read


def alike(count: int) -> Script:
    return steps(count, lambda _: "charge")


def distinct(count: int) -> Script:
    return steps(count, "step-{}".format)


@spot("model: a history, event by event")
def folding(count: int) -> Measured:
    events = distinct(count).events

    def run() -> None:
        history = History()
        for event in events:
            history.extend([event])

    return run


@spot("model: n look-ups by path and index")
def look_ups(count: int) -> Measured:
    history = History(alike(count).events)
    return lambda: [history.find("order/charge", number) for number in range(count)]


@spot("model: n look-ups by name while it grows")
def growing(count: int) -> Measured:
    events = alike(count).events

    def run() -> None:
        history = History()
        for number, event in enumerate(events):
            history.extend([event])
            if number > 3:
                history.find_all("order/charge")

    return run


def watching(watches: Iterable[Watch], script: Script) -> Measured:
    def run() -> None:
        history, open_ = History(), OpenWatches()
        for watch in watches:
            open_.add(watch, history, False)
        for event in script.events:
            open_.settle(history, False, history.extend([event]))

    return run


@spot("model: a watch on the last of n operations")
def watched_last(count: int) -> Measured:
    return watching([Watch(f"step-{count - 1}", 0, WaitingStatus.COMPLETED)], distinct(count))


@spot("model: a watch on the last of n namesakes")
def watched_namesake(count: int) -> Measured:
    return watching([Watch("order/charge", count - 1, WaitingStatus.COMPLETED)], alike(count))


@spot("model: n watches on n operations")
def watched_all(count: int) -> Measured:
    watches = [Watch(f"step-{number}", 0, WaitingStatus.COMPLETED) for number in range(count)]
    return watching(watches, distinct(count))


@spot("model: repr of n namesakes")
def titles(count: int) -> Measured:
    operations = TestResult(Ended(alike(count))).get_operations()
    return lambda: [repr(operation) for operation in operations]


@spot("model: status of n operations")
def statuses(count: int) -> Measured:
    result = TestResult(Ended(distinct(count)))
    return lambda: [operation.status for operation in result.get_operations()]


@spot("model: a name that none of n has")
def misspelt(count: int) -> Measured:
    from durabletest.errors import OperationNotFoundError

    history = History(distinct(count).events)

    def run() -> None:
        with contextlib.suppress(OperationNotFoundError):
            history.find("nothing of the kind")

    return run


@spot("model: canonical form")
def canonical_form(count: int) -> Measured:
    history = History(distinct(count).events)
    return lambda: canonical(history)


@spot("model: differences, none")
def no_differences(count: int) -> Measured:
    form = canonical(History(distinct(count).events))
    return lambda: differences(form, form)


@spot("model: differences, all in reverse order")
def reversed_(count: int) -> Measured:
    form = canonical(History(distinct(count).events))
    turned = canonical(History(steps(count, lambda number: f"step-{count - number - 1}").events))
    return lambda: differences(form, turned)


# --- reports ---


@spot("report: table")
def table(count: int) -> Measured:
    history = History(distinct(count).events)
    return lambda: operation_table(history.operations)


@spot("report: timeline")
def drawn(count: int) -> Measured:
    history = History(distinct(count).events)
    return lambda: timeline(history)


@spot("report: contexts in contexts")
def nested(count: int) -> Measured:
    script = Script()
    for number in range(count):
        script.context(str(number), name=f"c{number}", **({"parent": str(number - 1)} if number else {}))
    history = History(script.succeeded().events)
    return lambda: operation_table(history.operations)


@spot("report: of a failure")
def failure(count: int) -> Measured:
    history = History(distinct(count).events)
    return lambda: failure_report(history, "execution 'order-42'", [], None)


# --- claims ---


@spot("claims: of each of n namesakes")
def each(count: int) -> Measured:
    view = Ended(alike(count))
    return lambda: assertions.operations(view, CurrentTest(), name="charge").each.succeeded()


@spot("claims: of each of n namesakes, one by one")
def one_by_one(count: int) -> Measured:
    view = Ended(alike(count))
    return lambda: [assertions.operation(view, CurrentTest(), "charge", n).attempts(1) for n in range(count)]


@spot("claims: count of n namesakes")
def counted(count: int) -> Measured:
    view = Ended(alike(count))
    return lambda: assertions.operations(view, CurrentTest()).count(count + 1)


@spot("claims: n operations in order")
def in_order(count: int) -> Measured:
    view = Ended(distinct(count))
    names = [f"step-{number}" for number in range(count)]
    return lambda: assertions.operations(view, CurrentTest()).in_order(*names)


@spot("claims: n events in order")
def events_in_order(count: int) -> Measured:
    view = Ended(distinct(count))
    return lambda: assertions.history(view, CurrentTest()).in_order(*["StepStarted", "StepSucceeded"] * (count // 10))


@spot("claims: n failures in a soft scope")
def softly(count: int) -> Measured:
    view = Ended(distinct(count))

    def run() -> None:
        test = CurrentTest()
        try:
            with SoftScope(test):
                for number in range(count):
                    assertions.operation(view, test, f"step-{number}").failed()
        except AssertionError:
            return

    return run


@spot("claims: a result of 10 n items is as expected")
def equal(count: int) -> Measured:
    script = steps(1, str, ended=False)
    script.succeeded(str([{"number": number, "even": number % 2} for number in range(10 * count)]).replace("'", '"'))
    view = Ended(script)
    expected = [{"number": number, "even": number % 2} for number in range(10 * count)]
    return lambda: assertions.execution(view, CurrentTest()).succeeded(expected)


@spot("claims: == of 10 n items, for comparison")
def bare_equal(count: int) -> Measured:
    ones = [{"number": number, "even": number % 2} for number in range(10 * count)]
    others = [{"number": number, "even": number % 2} for number in range(10 * count)]
    return lambda: ones == others


# --- whole runs ---


def run(handler: Callable[..., Any], watched: str | None = None) -> object:
    with LocalDurableTestRunner(handler, watchdog=120, operation_limit=50_000) as runner:
        execution = runner.start({})
        future: Future[Any] | None = None
        if watched is not None:
            future = execution.operation(watched).wait_for_data(WaitingStatus.COMPLETED)
        result = execution.result()
        return result if future is None else future.result(timeout=60)


def sequence(count: int) -> Callable[..., Any]:
    @durable_execution
    def handler(_event: Any, context: DurableContext) -> int:
        for number in range(count):
            context.step(lambda _, number=number: number, name=f"step-{number}")
        return count

    return handler


@spot("run: n/5 steps", RUNS)
def run_of_steps(count: int) -> Measured:
    return lambda: run(sequence(count // 5))


@spot("run: n/5 steps, the last one watched", RUNS)
def watched_run(count: int) -> Measured:
    return lambda: run(sequence(count // 5), f"step-{count // 5 - 1}")


@spot("run: n/10 branches with n/10 waits (quadratic in the SDK)", RUNS)
def run_of_branches(count: int) -> Measured:
    items = list(range(count // 10))

    def wait(context: DurableContext, item: int, *_: Any) -> None:
        context.wait(Duration.from_seconds(item + 1))

    @durable_execution
    def handler(_event: Any, context: DurableContext) -> int:
        return context.map(items, wait, name="all").success_count

    return lambda: run(handler)


# --- measuring ---


def seconds(prepare: Prepare, count: int) -> float:
    """Of CPU time, the best of some rounds, each made ready anew; garbage is collected before, not meanwhile."""
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < LONG:
        call = prepare(count)
        gc.collect()
        gc.disable()
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
        gc.enable()
    return min(times)


def measure(title: str, prepare: Prepare, sizes: Iterable[int]) -> None:
    """Print one line; sizes that would take too long are left out."""
    times: list[float] = []
    for count in sizes:
        times.append(seconds(prepare, count))
        if times[-1] > LONG:
            break
    *_, (before, after) = pairwise(times) if len(times) > 1 else [(times[0], times[0])]
    shown = "".join(f"{1000 * took:10.1f}" for took in times)
    print(f"{title:{WIDTH}}{shown:{10 * len(SIZES)}}{after / before:8.1f}", flush=True)


def leave_the_guard_out() -> None:
    """Importing the tests has every answer and event checked against the service model, which takes its own time."""
    for owner in (CheckpointServer, Journal):
        for name, member in list(vars(owner).items()):
            if hasattr(member, "__wrapped__"):
                setattr(owner, name, member.__wrapped__)


def main(words: list[str]) -> None:
    leave_the_guard_out()
    print(f"{'milliseconds at n =':{WIDTH}}" + "".join(f"{size:10}" for size in SIZES) + "   ratio", flush=True)
    for spots, sizes in ((SPOTS, SIZES), (RUNS, SIZES[:2])):
        for title, prepare in spots.items():
            if not words or any(word in title for word in words):
                measure(title, prepare, sizes)


if __name__ == "__main__":
    main(sys.argv[1:])
