"""Workflows that are right whichever branch goes on first: no schedule may fail their tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import CallbackTimeoutError, DurableContext, ParallelBranch, durable_execution
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    JitterStrategy,
    MapConfig,
    ParallelConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryPresets, RetryStrategyConfig, create_retry_strategy

from durabletest import DurableTestCase, WaitingStatus, explore

FIRST = ParallelConfig(completion_config=CompletionConfig.first_successful())
Work = Callable[[DurableContext], Any]


def retrying(seconds: int, jitter: JitterStrategy = JitterStrategy.NONE) -> StepConfig:
    return StepConfig(
        retry_strategy=create_retry_strategy(
            RetryStrategyConfig(max_attempts=3, initial_delay=Duration.from_seconds(seconds), jitter_strategy=jitter)
        )
    )


def busy_once(step: Any, answer: Any) -> Any:
    if step.attempt == 1:
        raise ConnectionError("busy")
    return answer


def both(context: DurableContext, one: Work, other: Work, **options: Any) -> list[Any]:
    return context.parallel(
        [ParallelBranch(one, name="one"), ParallelBranch(other, name="other")], **options
    ).get_results()


@durable_execution
def harvest(event: Any, context: DurableContext) -> list[str]:
    return both(
        context,
        lambda one: one.step(lambda _: "peas", name="peas"),
        lambda other: other.step(lambda _: "corn", name="corn"),
    )


class ResultsInsteadOfASharedList(DurableTestCase):
    handler = harvest

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["peas", "corn"])


@durable_execution
def settle(event: Any, context: DurableContext) -> list[str]:
    methods = both(
        context,
        lambda one: one.step(lambda _: "card", name="look for a card"),
        lambda other: other.step(lambda _: "account", name="look for an account"),
    )
    return [context.step(lambda _: methods[0], name="charge")]


class OneActAfterAllChecks(DurableTestCase):
    handler = settle

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertOperations(name="charge").count(1)


@durable_execution
def fetch(event: Any, context: DurableContext) -> str:
    answers = both(
        context,
        lambda one: one.step(lambda _: 42, name="ask Oslo"),
        lambda other: other.step(lambda _: 42, name="ask Rome"),
        config=FIRST,
    )
    return f"it is {answers[0]}"


class MirrorsThatAgree(DurableTestCase):
    handler = fetch

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()


@durable_execution
def count_visits(event: Any, context: DurableContext) -> int:
    gates = ["east", "west", "north"]
    return sum(context.map(gates, lambda branch, gate, _i, _a: branch.step(lambda _: 1, name=gate)).get_results())


class SumOfResults(DurableTestCase):
    handler = count_visits

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(3)


accounts: dict[str, int] = {}


def move(amount: int) -> None:
    accounts["ann"] = accounts.get("ann", 0) - amount
    accounts["bob"] = accounts.get("bob", 0) + amount


@durable_execution
def transfer_or_quote(event: Any, context: DurableContext) -> None:
    def quote(branch: DurableContext) -> None:
        branch.step(lambda _: "market", name="ask the market")
        branch.step(lambda _: "offer", name="write the offer")

    both(context, lambda one: one.step(lambda _: move(10), name="transfer"), quote, config=FIRST)


class WholeTransactionInAStep(DurableTestCase):
    handler = transfer_or_quote

    def setUp(self) -> None:
        accounts.clear()

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertEqual(sum(accounts.values()), 0)


@durable_execution
def convert(event: Any, context: DurableContext) -> list[str]:
    rate = context.step(lambda _: 1.1, name="rate")
    return context.map(
        ["tea", "salt"], lambda branch, item, _i, _a: branch.step(lambda _: f"{item} at {rate}", name=item)
    ).get_results()


class CacheFilledBefore(DurableTestCase):
    handler = convert

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()


@durable_execution
def cheapest(event: Any, context: DurableContext) -> str:
    offers: dict[str, int] = {}

    def ask(branch: DurableContext, shop: str, _index: int, _shops: Any) -> None:
        offers[shop] = branch.step(lambda _: 100, name=f"ask {shop}")

    context.map(["Ann's", "Bob's", "Cid's"], ask, name="shops")
    return min(sorted(offers), key=offers.__getitem__)


class SortedBeforeUse(DurableTestCase):
    handler = cheapest

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded("Ann's")


@durable_execution
def catalogue(event: Any, context: DurableContext) -> list[list[str]]:
    def region(outer: DurableContext, name: str, number: int, _regions: Any) -> list[str]:
        def product(inner: DurableContext, item: str, place: int, _items: Any) -> str:
            return inner.step(lambda _: f"{name}/{item} on page {2 * number + place + 1}", name=item)

        return outer.map(["tea", "salt"], product, name="products").get_results()

    return context.map(["north", "south"], region, name="regions").get_results()


class NestedMapByIndex(DurableTestCase):
    handler = catalogue

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertOperation("regions/map-item-1/products/map-item-1/salt").result("south/salt on page 4")


@durable_execution
def provision(event: Any, context: DurableContext) -> list[str]:
    bucket = context.step(lambda _: "bucket-1", name="create bucket")
    return both(
        context,
        lambda one: one.step(lambda _: f"uploaded to {bucket}", name="upload"),
        lambda other: other.step(lambda _: f"listed {bucket}", name="list"),
    )


class OrderByTheHandler(DurableTestCase):
    handler = provision

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertOperation("upload").after("create bucket")


@durable_execution
def invoices(event: Any, context: DurableContext) -> list[str]:
    def invoice(branch: DurableContext, customer: str, index: int, _customers: Any) -> str:
        number = branch.step(lambda _: index + 1, name=f"number for {customer}")
        branch.wait(Duration.from_days(1), name=f"review for {customer}")
        return branch.step(lambda _: f"{customer}: {number}", name=f"send to {customer}")

    return context.map(["ann", "bob"], invoice, name="invoices").get_results()


class NumbersByIndex(DurableTestCase):
    handler = invoices

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["ann: 1", "bob: 2"])


@durable_execution
def prices(event: Any, context: DurableContext) -> str:
    quotes = both(context, lambda one: one.step(lambda _: 1, name="a"), lambda other: other.step(lambda _: 2, name="b"))
    feeds = dict(zip(("Reuters", "Bloomberg"), quotes, strict=True))
    return f"{feeds['Bloomberg']}"


class WriterChosenByName(DurableTestCase):
    handler = prices

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()


@durable_execution
def expense(event: Any, context: DurableContext) -> str:
    try:
        return context.wait_for_callback(
            lambda _id, _: None, name="approval", config=WaitForCallbackConfig(timeout=Duration.from_hours(1))
        )
    except CallbackTimeoutError:
        return "escalated"


class AnswerBeforeTheTimeout(DurableTestCase):
    handler = expense

    @explore(schedules=200)
    def test_in_time(self) -> None:
        self.on_callback("approval").succeed("approved", after=timedelta(minutes=59))
        self.execute()
        self.assertExecution().succeeded("approved")

    @explore(schedules=200)
    def test_too_late(self) -> None:
        self.on_callback("approval", optional=True).succeed("approved", after=timedelta(minutes=61))
        self.execute()
        self.assertExecution().succeeded("escalated")

    @explore(schedules=200)
    def test_answered_by_hand(self) -> None:
        execution = self.start()
        execution.operation("approval").wait_for_data(WaitingStatus.SUBMITTED).result(timeout=5)
        execution.operation("approval").send_callback_success("yes")
        self.assertEqual(execution.result(timeout=5).get_result(), "yes")


class HeartbeatsBeforeTheAnswer(DurableTestCase):
    handler = expense

    @explore(schedules=200)
    def test(self) -> None:
        self.on_callback("approval").heartbeat(every=timedelta(minutes=5), times=3).succeed("kept alive")
        self.execute()
        self.assertOperation("approval").succeeded("kept alive").waited(minutes=15).heartbeats(3)


@durable_execution
def subscription(event: Any, context: DurableContext) -> str:
    def month(branch: DurableContext) -> str:
        branch.wait(Duration.from_days(30), name="paid for")
        return "billed again"

    branches = [month, lambda branch: branch.wait_for_callback(lambda _id, _: None, name="cancel")]
    return both(context, *branches, config=FIRST)[0]


class AnswerBeforeTheEnd(DurableTestCase):
    handler = subscription

    @explore(schedules=200)
    def test(self) -> None:
        self.on_callback("cancel").succeed("cancelled", after=timedelta(days=29))
        self.execute()
        self.assertExecution().succeeded("cancelled").took(days=29)


@durable_execution
def wake_up(event: Any, context: DurableContext) -> list[str]:
    def alarm(branch: DurableContext, minutes: int, _index: int, _all: Any) -> str:
        branch.wait(Duration.from_minutes(minutes), name=f"{minutes} minutes")
        return branch.step(lambda _: f"rang after {minutes}", name=f"ring {minutes}")

    return context.map([1, 1, 2], alarm, name="alarms").get_results()


class WaitsAtOneInstant(DurableTestCase):
    handler = wake_up

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().took(minutes=2)


@durable_execution
def report(event: Any, context: DurableContext) -> list[str]:
    def patience(branch: DurableContext) -> str:
        branch.wait(Duration.from_seconds(30), name="half a minute")
        return "waited"

    build = lambda branch: branch.step(lambda step: busy_once(step, "built"), name="build", config=retrying(30))  # noqa: E731
    return both(context, build, patience)


class AWaitAndARetryTogether(DurableTestCase):
    handler = report

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertOperation("build").attempts(2).retried_after(seconds=30)
        self.assertExecution().succeeded(["built", "waited"])


@durable_execution
def ledger(event: Any, context: DurableContext) -> list[str]:
    def entry(branch: DurableContext, line: str, _index: int, _lines: Any) -> str:
        return branch.step(lambda step: busy_once(step, line), name=line, config=retrying(5))

    return context.map(["debit", "credit"], entry, name="entries").get_results()


class RetriesTogether(DurableTestCase):
    handler = ledger

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertOperations(type="STEP").each.attempts(2)


@durable_execution
def seats(event: Any, context: DurableContext) -> list[int]:
    def book(branch: DurableContext, guest: str, index: int, _guests: Any) -> int:
        config = retrying(60, JitterStrategy.FULL)
        return branch.step(lambda step: busy_once(step, index), name=f"book {guest}", config=config)

    return context.map(["ann", "bob"], book, name="guests").get_results()


class JitterOfNoConsequence(DurableTestCase):
    handler = seats

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded([0, 1])


shelf: dict[str, str] = {}


@durable_execution
def reserve(event: str, context: DurableContext) -> str:
    context.wait(Duration.from_hours(1), name="cart")
    return context.step(lambda _: shelf[event], name="take")


class TwoExecutionsWithTheirOwn(DurableTestCase):
    handler = reserve

    def setUp(self) -> None:
        shelf.update(ann="lamp", bob="chair")

    @explore(schedules=200)
    def test(self) -> None:
        orders = [self.start(customer) for customer in ("ann", "bob")]
        self.assertEqual([order.result().get_result() for order in orders], ["lamp", "chair"])


@durable_execution
def stamp(event: str, context: DurableContext) -> str:
    context.wait(Duration.from_minutes(1), name="dry")
    return context.step(lambda _: f"{event} is stamped", name="stamp")


@durable_execution
def post(event: Any, context: DurableContext) -> list[str]:
    def send(branch: DurableContext, letter: str, _index: int, _letters: Any) -> str:
        return branch.invoke("stamp", letter, name=f"send {letter}")

    return context.map(["bill", "card"], send, name="letters").get_results()


class ChildrenOfTheirOwn(DurableTestCase):
    handler = post
    durable_functions = {"stamp": stamp}

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["bill is stamped", "card is stamped"])
        self.assertOperation("send bill").child().succeeded("bill is stamped")


class ChildrenStubbed(DurableTestCase):
    handler = post

    @explore(schedules=200)
    def test(self) -> None:
        stub = self.stub_invoke("stamp").succeeds("stamped", after=timedelta(minutes=1))
        self.execute()
        self.assertEqual(sorted(call.payload for call in stub.received), ["bill", "card"])


@durable_execution
def review(event: Any, context: DurableContext) -> str:
    def ask(branch: DurableContext, person: str, _index: int, _people: Any) -> str:
        return branch.wait_for_callback(lambda _id, _: None, name=f"ask {person}")

    answers = context.map(["ann", "bob"], ask, name="reviewers").get_results()
    return "yes" if set(answers) == {"yes"} else "no"


class TwoAnswersBothCounted(DurableTestCase):
    handler = review

    @explore(schedules=200)
    def test(self) -> None:
        self.on_callback("ask ann").succeed("no", after=timedelta(hours=2))
        self.on_callback("ask bob").succeed("yes", after=timedelta(hours=2))
        self.execute()
        self.assertExecution().succeeded("no")


@durable_execution
def archive(event: Any, context: DurableContext) -> int:
    lock = threading.Lock()

    def store(branch: DurableContext, page: str, _index: int, _pages: Any) -> str:
        with lock:
            return branch.step(lambda _: page, name=f"store {page}")

    return len(context.map(["a", "b", "c"], store, name="pages", config=MapConfig(max_concurrency=2)).get_results())


class ALockAcrossASteps(DurableTestCase):
    handler = archive

    @explore(schedules=50)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(3)


@durable_execution
def poll(event: Any, context: DurableContext) -> list[str]:
    def slow(branch: DurableContext, seconds: int, _index: int, _all: Any) -> str:
        def sleep(_: Any) -> str:
            time.sleep(seconds)
            return f"slept {seconds}"

        return branch.step(sleep, name=f"sleep {seconds}")

    return context.map([20, 10, 10], slow, name="polls").get_results()


class VirtualSleep(DurableTestCase):
    handler = poll
    skip_sleep = True

    @explore(schedules=100)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["slept 20", "slept 10", "slept 10"]).took(seconds=20)


@durable_execution
def tolerant(event: Any, context: DurableContext) -> list[str]:
    once = StepConfig(retry_strategy=RetryPresets.none())

    def render(branch: DurableContext, image: str, _index: int, _images: Any) -> str:
        return branch.step(lambda _: _thumbnail(image), name=f"render {image}", config=once)

    config = MapConfig(completion_config=CompletionConfig(tolerated_failure_count=1))
    batch = context.map(["a", "b", "c"], render, name="images", config=config)
    return [item.result or "-" for item in batch.all]


def _thumbnail(image: str) -> str:
    if image == "b":
        raise ValueError(f"{image} is broken")
    return image


class ToleratedFailure(DurableTestCase):
    handler = tolerant

    @explore(schedules=200)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["a", "-", "c"])


class StubbedSteps(DurableTestCase):
    handler = harvest

    @explore(schedules=200)
    def test(self) -> None:
        self.stub_step("peas").raises(ConnectionError("down"), times=1).then_returns("beans")
        self.execute()
        self.assertExecution().succeeded(["beans", "corn"])
