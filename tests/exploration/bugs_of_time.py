"""Workflows whose result or history depends on what comes first at one instant; each passes by default."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import (
    CallbackTimeoutError,
    DurableContext,
    ParallelBranch,
    durable_execution,
)
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    JitterStrategy,
    ParallelConfig,
    StepConfig,
    WaitForCallbackConfig,
)
from aws_durable_execution_sdk_python.retries import RetryStrategyConfig, create_retry_strategy

from durabletest import DurableTestCase, explore

FIRST = ParallelConfig(completion_config=CompletionConfig.first_successful())


def after(seconds: int, jitter: JitterStrategy = JitterStrategy.NONE) -> StepConfig:
    return StepConfig(
        retry_strategy=create_retry_strategy(
            RetryStrategyConfig(max_attempts=3, initial_delay=Duration.from_seconds(seconds), jitter_strategy=jitter)
        )
    )


def _busy_once(step: Any, answer: str) -> str:
    if step.attempt == 1:
        raise ConnectionError("busy")
    return answer


@durable_execution
def expense(event: Any, context: DurableContext) -> str:
    try:
        answer: str = context.wait_for_callback(
            lambda _id, _: None, name="approval", config=WaitForCallbackConfig(timeout=Duration.from_hours(1))
        )
    except CallbackTimeoutError:
        return "escalated"
    return answer


class AnswerAtTheTimeout(DurableTestCase):
    handler = expense

    @explore(schedules=500)
    def test(self) -> None:
        self.on_callback("approval", optional=True).succeed("approved", after=timedelta(hours=1))
        self.execute()


@durable_execution
def subscription(event: Any, context: DurableContext) -> str:
    def month(branch: DurableContext) -> str:
        branch.wait(Duration.from_days(30), name="paid for")
        return "billed again"

    def customer(branch: DurableContext) -> str:
        return branch.wait_for_callback(lambda _id, _: None, name="cancel")

    branches = [ParallelBranch(month, name="month"), ParallelBranch(customer, name="customer")]
    return context.parallel(branches, name="first", config=FIRST).get_results()[0]


class AnswerAtTheEndOfAWait(DurableTestCase):
    handler = subscription

    @explore(schedules=500)
    def test(self) -> None:
        self.on_callback("cancel", optional=True).succeed("cancelled", after=timedelta(days=30))
        self.execute()
        self.assertExecution().succeeded("billed again")


@durable_execution
def wake_up(event: Any, context: DurableContext) -> list[str]:
    order: list[str] = []

    def alarm(name: str, duration: Duration) -> ParallelBranch[None]:
        def ring(branch: DurableContext) -> None:
            branch.wait(duration, name=f"until {name}")
            order.append(name)

        return ParallelBranch(ring, name=name)

    alarms = [alarm("coffee", Duration.from_minutes(1)), alarm("egg", Duration.from_seconds(60))]
    context.parallel(alarms, name="alarms").throw_if_error()
    return order


class TwoWaits(DurableTestCase):
    handler = wake_up

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()


@durable_execution
def report(event: Any, context: DurableContext) -> str:
    def build(branch: DurableContext) -> str:
        return branch.step(lambda step: _busy_once(step, "report"), name="build report", config=after(30))

    def patience(branch: DurableContext) -> str:
        branch.wait(Duration.from_seconds(30), name="half a minute")
        return "try later"

    branches = [ParallelBranch(build, name="report"), ParallelBranch(patience, name="patience")]
    return context.parallel(branches, name="first", config=FIRST).get_results()[0]


class AWaitAndARetry(DurableTestCase):
    handler = report

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded("try later")


@durable_execution
def ledger(event: Any, context: DurableContext) -> list[str]:
    lines: list[str] = []

    def write(line: str) -> ParallelBranch[None]:
        def entry(branch: DurableContext) -> None:
            lines.append(branch.step(lambda step: _busy_once(step, line), name=f"write {line}", config=after(5)))

        return ParallelBranch(entry, name=line)

    context.parallel([write("debit"), write("credit")], name="entries").throw_if_error()
    return lines


class RetriesOvertake(DurableTestCase):
    """Both fail once, and are tried again at one instant."""

    handler = ledger

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["debit", "credit"])


seats: list[str] = []


def _sit_down(step: Any, guest: str) -> int:
    seats.append(_busy_once(step, guest))
    return len(seats)


@durable_execution
def booking(event: Any, context: DurableContext) -> list[int]:
    def book(guest: str, delay: int) -> ParallelBranch[int]:
        config = after(delay, JitterStrategy.FULL)
        return ParallelBranch(
            lambda branch: branch.step(lambda step: _sit_down(step, guest), name=f"book {guest}", config=config),
            name=guest,
        )

    return context.parallel([book("ann", 4), book("bob", 60)], name="guests").get_results()


class Jitter(DurableTestCase):
    """Both retries draw their delays, and usually the shorter one comes first."""

    handler = booking

    def setUp(self) -> None:
        seats.clear()

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()


shelf: list[str] = []


@durable_execution
def reserve(event: str, context: DurableContext) -> str:
    context.wait(Duration.from_hours(1), name=f"cart of {event}")
    return context.step(lambda _: shelf.pop() if shelf else "sold out", name=f"take for {event}")


class TwoExecutions(DurableTestCase):
    """Two customers whose hour ends at one instant want the last lamp."""

    handler = reserve

    def setUp(self) -> None:
        shelf[:] = ["lamp"]

    @explore(schedules=500)
    def test(self) -> None:
        orders = [self.start(customer) for customer in ("ann", "bob")]
        for order in orders:
            order.result()


drawer: list[str] = []


@durable_execution
def stamp(event: str, context: DurableContext) -> str:
    return context.step(lambda _: f"{event} is number {drawer.append(event) or len(drawer)}", name=f"stamp {event}")


@durable_execution
def post(event: Any, context: DurableContext) -> list[str]:
    def send(letter: str) -> ParallelBranch[str]:
        return ParallelBranch(lambda branch: branch.invoke("stamp", letter, name=f"send {letter}"), name=letter)

    return context.parallel([send("bill"), send("card")], name="letters").get_results()


class Children(DurableTestCase):
    """Two executions that branches have invoked share a table."""

    handler = post
    durable_functions = {"stamp": stamp}

    def setUp(self) -> None:
        drawer.clear()

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertExecution().succeeded(["bill is number 1", "card is number 2"])


@durable_execution
def review(event: Any, context: DurableContext) -> str:
    decision = {"by": "nobody"}

    def ask(person: str) -> ParallelBranch[None]:
        def asked(branch: DurableContext) -> None:
            answer = branch.wait_for_callback(lambda _id, _: None, name=f"ask {person}")
            decision["by"] = branch.step(lambda _: f"{person} says {answer}", name=f"note {person}")

        return ParallelBranch(asked, name=person)

    context.parallel([ask("ann"), ask("bob")], name="reviewers").throw_if_error()
    return decision["by"]


class TwoAnswers(DurableTestCase):
    """Two answers at one instant; the last one that is noted counts."""

    handler = review

    @explore(schedules=500)
    def test(self) -> None:
        self.on_callback("ask ann").succeed("no", after=timedelta(hours=2))
        self.on_callback("ask bob").succeed("yes", after=timedelta(hours=2))
        self.execute()
        self.assertExecution().succeeded("bob says yes")


@durable_execution
def thermostat(event: Any, context: DurableContext) -> list[str]:
    state = {"heating": False}
    seen: list[str] = []

    def boiler(branch: DurableContext) -> None:
        branch.wait(Duration.from_minutes(10), name="warm up")
        state["heating"] = True

    def display(branch: DurableContext) -> None:
        branch.wait(Duration.from_minutes(10), name="blank screen")
        shown = "heating" if state["heating"] else "off"
        seen.append(branch.step(lambda _: shown, name="show state"))

    context.parallel([ParallelBranch(boiler, name="boiler"), ParallelBranch(display, name="display")], name="house")
    return seen


class FlagAtOneInstant(DurableTestCase):
    handler = thermostat

    @explore(schedules=500)
    def test(self) -> None:
        self.execute()
        self.assertOperation("show state").result("heating")
