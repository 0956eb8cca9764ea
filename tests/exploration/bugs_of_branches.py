"""Workflows whose result or history depends on which of their branches goes on first; each passes by default."""

from __future__ import annotations

import itertools
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, durable_execution
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, MapConfig, ParallelConfig

from durabletest import DurableTestCase, explore

FIRST = ParallelConfig(completion_config=CompletionConfig.first_successful())


@durable_execution
def harvest(event: Any, context: DurableContext) -> list[str]:
    basket: list[str] = []

    def field(crop: str) -> ParallelBranch[None]:
        def pick(branch: DurableContext) -> None:
            basket.append(branch.step(lambda _: crop, name=f"pick {crop}"))

        return ParallelBranch(pick, name=crop)

    context.parallel([field("peas"), field("corn")], name="fields").throw_if_error()
    return basket


class SharedList(DurableTestCase):
    handler = harvest

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["peas", "corn"])


@durable_execution
def settle(event: Any, context: DurableContext) -> int:
    paid: set[str] = set()
    charges: list[str] = []

    def pay(branch: DurableContext, how: str) -> None:
        if "order-42" not in paid:
            charges.append(branch.step(lambda _: how, name=f"charge {how}"))
            paid.add("order-42")

    def at_once(branch: DurableContext) -> None:
        pay(branch, "card")

    def reminded(branch: DurableContext) -> None:
        branch.step(lambda _: "mail", name="send reminder")
        pay(branch, "account")

    context.parallel([ParallelBranch(at_once), ParallelBranch(reminded)], name="ways to pay").throw_if_error()
    return len(charges)


class CheckThenAct(DurableTestCase):
    """An order that is paid already is looked at before the payment is recorded."""

    handler = settle

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(1)


@durable_execution
def fetch(event: Any, context: DurableContext) -> str:
    def mirror(host: str) -> ParallelBranch[str]:
        return ParallelBranch(lambda branch: branch.step(lambda _: f"{host}: 42", name=f"ask {host}"), name=host)

    return context.parallel([mirror("Oslo"), mirror("Rome")], name="mirrors", config=FIRST).get_results()[0]


class FirstSuccessful(DurableTestCase):
    handler = fetch

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()


@durable_execution
def count_visits(event: Any, context: DurableContext) -> int:
    visits = {"count": 0}

    def record(branch: DurableContext, gate: str) -> None:
        seen = visits["count"]
        branch.step(lambda _: gate, name=f"record {gate}")
        visits["count"] = seen + 1

    def west(branch: DurableContext) -> None:
        branch.step(lambda _: "ok", name="open west")
        record(branch, "west")

    gates = [lambda branch: record(branch, "east"), west]
    context.parallel(gates, name="gates").throw_if_error()
    return visits["count"]


class Counter(DurableTestCase):
    """Read, a step in between, written: a count that another branch has written meanwhile is lost."""

    handler = count_visits

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()


accounts: dict[str, int] = {}


def _book(account: str, amount: int) -> int:
    accounts[account] = accounts.get(account, 0) + amount
    return accounts[account]


@durable_execution
def transfer_or_quote(event: Any, context: DurableContext) -> None:
    def transfer(branch: DurableContext) -> None:
        branch.step(lambda _: _book("ann", -10), name="debit ann")
        branch.step(lambda _: _book("bob", +10), name="credit bob")

    def quote(branch: DurableContext) -> None:
        branch.step(lambda _: "market", name="ask the market")
        branch.step(lambda _: "rate", name="ask for a rate")
        branch.step(lambda _: "offer", name="write the offer")

    context.parallel([ParallelBranch(transfer), ParallelBranch(quote)], name="either", config=FIRST)


class HalfATransaction(DurableTestCase):
    """One branch ends the parallel, while another has debited an account and not yet credited the other one."""

    handler = transfer_or_quote

    def setUp(self) -> None:
        accounts.clear()

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertEqual(sum(accounts.values()), 0, f"money is lost: {accounts}")


@durable_execution
def convert(event: Any, context: DurableContext) -> list[str]:
    rates: dict[str, str] = {}

    def price(item: str) -> ParallelBranch[str]:
        def converted(branch: DurableContext) -> str:
            stock = branch.step(lambda _: 3, name=f"look {item} up")
            if "EUR" not in rates:
                rates["EUR"] = f"rate for {item}"
            return f"{stock} {item} at the {rates['EUR']}"

        return ParallelBranch(converted, name=item)

    return context.parallel([price("tea"), price("salt")], name="prices").get_results()


class Cache(DurableTestCase):
    """What the first branch has put into a cache is good for that branch only."""

    handler = convert

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()


@durable_execution
def cheapest(event: Any, context: DurableContext) -> str:
    offers: dict[str, int] = {}

    def ask(branch: DurableContext, shop: str, _index: int, _shops: Any) -> None:
        offers[shop] = branch.step(lambda _: 100, name=f"ask {shop}")

    context.map(["Ann's", "Bob's", "Cid's"], ask, name="shops")
    return min(offers, key=offers.__getitem__)


class InsertionOrder(DurableTestCase):
    """Of equal offers the first one in a dictionary wins, so the one that came first."""

    handler = cheapest

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded("Ann's")


@durable_execution
def catalogue(event: Any, context: DurableContext) -> dict[str, int]:
    pages: list[str] = []

    def region(outer: DurableContext, name: str, _index: int, _regions: Any) -> dict[str, int]:
        def product(inner: DurableContext, item: str, _index: int, _items: Any) -> int:
            inner.step(lambda _: item, name=f"describe {item} for {name}")
            pages.append(f"{name}/{item}")
            return len(pages)

        numbers = outer.map(["tea", "salt"], product, name=f"products of {name}").get_results()
        return {f"{name}/{item}": number for item, number in zip(["tea", "salt"], numbers, strict=True)}

    regions = context.map(["north", "south"], region, name="regions").get_results()
    return {item: number for numbers in regions for item, number in numbers.items()}


class NestedMap(DurableTestCase):
    handler = catalogue

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded({"north/tea": 1, "north/salt": 2, "south/tea": 3, "south/salt": 4})


@durable_execution
def provision(event: Any, context: DurableContext) -> str:
    created = {"bucket": False}

    def bucket(branch: DurableContext) -> None:
        def create(_: Any) -> str:
            created["bucket"] = True
            return "bucket-1"

        branch.step(create, name="create bucket")

    def upload(branch: DurableContext) -> str:
        there = created["bucket"]
        return branch.step(lambda _: "uploaded" if there else "no such bucket", name="upload")

    return context.parallel([ParallelBranch(bucket), ParallelBranch(upload)], name="site").get_results()[1]


class FlagBeforeTheRecord(DurableTestCase):
    """A branch reads what a step of another one has set, and nothing says that the other one has begun."""

    handler = provision

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertOperation("upload").result("uploaded")


@durable_execution
def invoices(event: Any, context: DurableContext) -> list[str]:
    numbers = itertools.count(1)

    def invoice(customer: str) -> ParallelBranch[str]:
        def write(branch: DurableContext) -> str:
            number = next(numbers)
            branch.step(lambda _: f"draft {number}", name=f"draft for {customer}")
            branch.wait(Duration.from_days(1), name=f"review for {customer}")
            return branch.step(lambda _: f"invoice {number}", name=f"send to {customer}")

        return ParallelBranch(write, name=customer)

    return context.parallel([invoice("ann"), invoice("bob")], name="invoices").get_results()


class Allocator(DurableTestCase):
    """A number that is drawn outside of a step is drawn again in each invocation."""

    handler = invoices

    @explore(schedules=500)
    def test(self) -> None:
        result = self.execute()
        for customer in ("ann", "bob"):
            number = result.get_operation(f"draft for {customer}").get_step_details().result.split()[-1]
            self.assertOperation(f"send to {customer}").result(f"invoice {number}")


@durable_execution
def poll_prices(event: Any, context: DurableContext) -> str:
    latest: dict[str, str] = {}

    def feed(branch: DurableContext, source: str, _index: int, _sources: Any) -> None:
        latest["price"] = branch.step(lambda _: f"price of {source}", name=f"read {source}")

    context.map(["Reuters", "Bloomberg"], feed, name="feeds", config=MapConfig(max_concurrency=2))
    return latest["price"]


class LastWriter(DurableTestCase):
    handler = poll_prices

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
