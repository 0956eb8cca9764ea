"""Workflows with a bug that a clean run does not show."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import Duration, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.retries import RetryDecision

world: dict[str, Any] = {}
"""The world outside, which the tests empty before each run."""

ONCE = StepConfig(step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY)
NEVER_AGAIN = StepConfig(
    step_semantics=StepSemantics.AT_MOST_ONCE_PER_RETRY, retry_strategy=lambda _error, _count: RetryDecision.no_retry()
)


def happen(what: str) -> int:
    """Something that happens in the world, and how often it has by now."""
    world[what] = world.get(what, 0) + 1
    count: int = world[what]
    return count


@durable_execution
def mutated_closure(event: Any, context: DurableContext) -> int:
    """A list is filled inside of a step, which does not run again in a replay."""
    receipts: list[str] = []
    context.step(lambda _: receipts.append("paid"), name="charge")
    context.step(lambda _: "sent", name="send receipt")
    return len(receipts)


@durable_execution
def nonlocal_total(event: Any, context: DurableContext) -> int:
    total = 0

    def add(step: StepContext) -> None:
        nonlocal total
        total += 10

    for item in ("tea", "salt"):
        context.step(add, name=f"price {item}")
    return total


@durable_execution
def effect_in_the_body(event: Any, context: DurableContext) -> int:
    """A mail is sent outside of any step: every replay sends it again."""
    mails = happen("mail")
    context.step(lambda _: "packed", name="pack")
    return mails


@durable_execution
def not_idempotent(event: Any, context: DurableContext) -> int:
    """The stock is lowered by one, each time that the step runs."""
    return context.step(lambda _: 100 - happen("lowered"), name="lower stock")


@durable_execution
def already_seen(event: Any, context: DurableContext) -> str:
    """Duplicates are recognised by the memory of the process, and a replay looks like one."""
    if "order-42" in world:
        return "duplicate"
    world["order-42"] = True
    context.step(lambda _: "packed", name="pack")
    return "shipped"


@durable_execution
def name_from_a_counter(event: Any, context: DurableContext) -> str:
    context.step(lambda _: "packed", name="pack")
    return context.step(lambda _: "shipped", name=f"ship {happen('name')}")


@durable_execution
def warm_cache(event: Any, context: DurableContext) -> str:
    """A step is left out when the process knows the answer from an earlier invocation."""
    if "rate" not in world:
        world["rate"] = context.step(lambda _: "1.1", name="fetch rate")
    return context.step(lambda _: f"at {world['rate']}", name="convert")


@durable_execution
def swallowed_interruption(event: Any, context: DurableContext) -> str:
    """A payment that was interrupted is taken for one that was refused."""
    try:
        return context.step(lambda _: "paid", name="charge", config=NEVER_AGAIN)
    except Exception:
        return "refused"


@durable_execution
def not_interruptible(event: Any, context: DurableContext) -> str:
    """A step that must not run twice, and no plan for its interruption: the execution fails."""
    return context.step(lambda _: "paid", name="charge", config=NEVER_AGAIN)


@durable_execution
def first_invocation_only(event: Any, context: DurableContext) -> str:
    """The greeting depends on how many invocations there were."""
    number = happen("invocation")
    context.wait(Duration.from_seconds(1), name="pause")
    context.step(lambda _: "ok", name="greet")
    return "hello" if number <= 2 else "hello again"


@durable_execution
def rejected_twice(event: Any, context: DurableContext) -> str:
    """The world refuses to do a thing twice, and the step does not ask whether it is done already."""

    def reserve(step: StepContext) -> str:
        return "reserved" if happen("seat 7") == 1 else "seat taken"

    return context.step(reserve, name="reserve")


@durable_execution
def half_written(event: Any, context: DurableContext) -> int:
    """Two things are done in one step, of which the first is done again."""

    def book(step: StepContext) -> int:
        return happen("debit") - world.setdefault("credit", 0)

    context.step(book, name="book")
    return context.step(lambda _: world["debit"], name="audit")


CRASHES = {
    mutated_closure: "step 'send receipt'",
    nonlocal_total: "step 'price salt'",
    effect_in_the_body: "step 'pack'",
    not_idempotent: "step 'lower stock'",
    already_seen: "step 'pack'",
    name_from_a_counter: "step 'ship 1'",
    warm_cache: "checkpoint='fetch rate' current='convert'",
    swallowed_interruption: "step 'charge'",
    not_interruptible: "step 'charge'",
    first_invocation_only: "wait 'pause'",
    rejected_twice: "step 'reserve'",
    half_written: "step 'book'",
}
"""The workflows that do not survive crashes, and what the report names."""


# --- side effects: the workflow gets what happens as ``world["effect"]`` ---


def charge(**arguments: Any) -> str:
    """The call of the payment service, which a test records."""
    world["effect"](**arguments)
    return "paid"


@durable_execution
def key_by_chance(event: Any, context: DurableContext) -> str:
    """A new idempotency key in each run of the step: the service cannot know that it is the same payment."""
    return context.step(lambda _: charge(key=str(uuid.uuid4())), name="charge")


@durable_execution
def key_of_the_attempt(event: Any, context: DurableContext) -> str:
    def pay(step: StepContext) -> str:
        charge(key=f"order-42-{step.attempt}")
        if step.attempt == 1:
            raise ConnectionError("the answer was lost")
        return "paid"

    return context.step(pay, name="charge")


@durable_execution
def key_of_the_time(event: Any, context: DurableContext) -> str:
    return context.step(lambda _: charge(key=datetime.now(UTC).isoformat()), name="charge")


@durable_execution
def charge_in_the_body(event: Any, context: DurableContext) -> str:
    """The charge is outside of any step."""
    charge(key="order-42")
    return context.step(lambda _: "sent", name="send receipt")


@durable_execution
def charged_twice(event: Any, context: DurableContext) -> str:
    """A step that runs at least once, and charges without a key."""
    return context.step(lambda _: charge(), name="charge")


@durable_execution
def left_out(event: Any, context: DurableContext) -> str:
    """Only the first invocation of the process charges; one that is interrupted before never does."""
    first = "seen" not in world
    world["seen"] = True
    context.step(lambda _: charge(key="order-42") if first else "paid before", name="charge")
    return "paid"


EFFECTS = {
    key_by_chance: "the key of side effect 'charge-card' in step 'charge' was",
    key_of_the_attempt: "'order-42-1', and 'order-42-2' when the step ran again",
    key_of_the_time: "the key of side effect 'charge-card' in step 'charge' was '2026-01-01T00:00:00+00:00', and",
    charge_in_the_body: "'charge-card' happened 2 times instead of 1 outside of any step",
    charged_twice: "'charge-card' may happen at most once in step 'charge', and happened 2 times",
    left_out: "side effect 'charge-card' happened 0 times instead of 1",
}
"""The workflows whose side effects show it, and what the report says."""


# --- what a handler must not do outside of steps ---


@durable_execution
def chance_decides(event: Any, context: DurableContext) -> str:
    if random.random() < event.get("share", 0.5):
        context.step(lambda _: "gift", name="add a gift")
    return context.step(lambda _: "packed", name="pack")


@durable_execution
def uuid_for_a_step(event: Any, context: DurableContext) -> int:
    order_id = str(uuid.uuid4())
    return context.step(lambda _: len(order_id), name="create order")


@durable_execution
def uuid_as_a_partial(event: Any, context: DurableContext) -> int:
    def create(order_id: str, _: StepContext) -> int:
        return len(order_id)

    return context.step(partial(create, str(uuid.uuid4())), name="create order")


@durable_execution
def now_for_a_step(event: Any, context: DurableContext) -> int:
    due = datetime.now(UTC) + timedelta(days=14)
    return context.step(lambda _: due.month * 0, name="write invoice")


@durable_execution
def now_in_the_result(event: Any, context: DurableContext) -> str:
    context.step(lambda _: "packed", name="pack")
    return datetime.now(UTC).isoformat()


@durable_execution
def now_in_a_name(event: Any, context: DurableContext) -> str:
    return context.step(lambda _: "packed", name=f"pack at {datetime.now(UTC):%H:%M:%S}")


@durable_execution
def random_wait(event: Any, context: DurableContext) -> None:
    context.wait(Duration.from_seconds(random.randint(1, 10**6)), name="spread")


@durable_execution
def random_default(event: Any, context: DurableContext) -> int:
    return context.step(lambda _, weight=random.random(): int(weight), name="weigh")  # noqa: B008 - that is the bug


@durable_execution
def random_payload(event: Any, context: DurableContext) -> Any:
    return context.invoke("plain", {"id": random.random()}, name="ask")


@durable_execution
def random_items(event: Any, context: DurableContext) -> int:
    items = [random.random() for _ in range(3)]
    return len(context.map(items, lambda branch, item, *_: branch.step(lambda _: 1, name="look")).get_results())


@durable_execution
def module_counter(event: Any, context: DurableContext) -> int:
    number = happen("invoice number")
    return context.step(lambda _: number * 0, name="write invoice")


@durable_execution
def cached_config(event: Any, context: DurableContext) -> str:
    """A step comes in the first invocation of a process only, and last."""
    context.step(lambda _: "packed", name="pack")
    if "config" not in world:
        world["config"] = context.step(lambda _: "blue", name="read configuration")
    return "done"


@durable_execution
def retyped(event: Any, context: DurableContext) -> None:
    if happen("visit") == 1:
        context.wait(Duration.from_seconds(1), name="pause")
    else:
        context.step(lambda _: None, name="pause")


@durable_execution
def changed_argument(event: Any, context: DurableContext) -> int:
    """A step changes a dictionary that a later step is given."""
    order = {"items": ["tea"]}
    context.step(lambda _: order["items"].append("gift"), name="add a gift")
    return context.step(lambda _: len(order["items"]), name="count")


@durable_execution
def error_of_the_memory(event: Any, context: DurableContext) -> str:
    context.step(lambda _: "packed", name="pack")
    if happen("visit") > 1:
        raise RuntimeError("seen before")
    return "shipped"


DETERMINISM = {
    chance_decides: ("step 'pack'", "add a gift"),
    uuid_for_a_step: ("order_id of step 'create order'", "uuid4()"),
    uuid_as_a_partial: ("argument 1 of step 'create order'", "uuid4()"),
    now_for_a_step: ("due of step 'write invoice'", "datetime.now()"),
    now_in_the_result: ("its result was another one", "datetime.now()"),
    now_in_a_name: ("step 'pack at 00:00:00' was another operation", "datetime.now()"),
    random_wait: ("seconds of wait 'spread'", "take it in a step"),
    random_default: ("weight of step 'weigh'", "random()"),
    random_payload: ("payload of invoke 'ask'", "random()"),
    random_items: ("inputs of an unnamed map", "random()"),
    module_counter: ("number of step 'write invoice'", "first run: 1\n   replay: 2"),
    cached_config: ("step 'read configuration' was left out", "memory of the process"),
    retyped: ("wait 'pause' was another operation", "step 'pause'"),
    changed_argument: ("order of step 'count'", "'gift'"),
    error_of_the_memory: ("its status was another one", "seen before"),
    mutated_closure: ("its result was another one", "first run: 1\n   replay: 0"),
    nonlocal_total: ("total of step 'price salt'", "first run: 10\n   replay: 0"),
    effect_in_the_body: ("its result was another one", "memory of the process"),
    already_seen: ("step 'pack' was left out", "memory of the process"),
    name_from_a_counter: ("step 'ship 1' was another operation", "step 'ship 2'"),
    warm_cache: ("step 'fetch rate' was another operation", "step 'convert'"),
    first_invocation_only: ("its result was another one", "hello again"),
}
"""The workflows that are not deterministic, and two texts of the report: what differs, and a value or the cure."""
