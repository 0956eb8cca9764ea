"""The cost of an execution: durable operations, data and compute, metered from its history.

Operations and data are metered as "How durable operations are metered" in the Lambda developer guide says. Chained
invokes are not in its table: here each counts as one operation, with its input and its result.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from durabletest.errors import PayloadError
from durabletest.model.history import History, details_of, title
from durabletest.model.times import stamp

_WHEN_STARTED = frozenset({"WaitStarted", "CallbackStarted", "ChainedInvokeStarted"})
_WHEN_ATTEMPTED = frozenset({"StepSucceeded", "StepFailed"})
_INVOCATION = "InvocationCompleted"
_CHILD_CONTEXT = "RunInChildContext"
_DATA = ("Input", "Result", "Error")
_GB = 1 << 30
_MILLION = 1_000_000
_MONTH = timedelta(hours=730)
_MILLISECOND = timedelta(milliseconds=1)
_CENTS = Decimal("0.00000001")


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars, by default those of US East (N. Virginia), x86, without the free tier.

    ``operations`` and ``requests`` are for a million, ``written`` for a GB, ``retained`` for a GB and month, and
    ``compute`` for a GB of memory and second.
    """

    operations: Decimal = Decimal("8.00")
    written: Decimal = Decimal("0.25")
    retained: Decimal = Decimal("0.15")
    requests: Decimal = Decimal("0.20")
    compute: Decimal = Decimal("0.0000166667")


@dataclass(frozen=True, slots=True)
class Cost:
    """The bill of one execution; those that it has invoked are billed separately.

    ``operations`` are durable operations, ``bytes_written`` the payloads and errors that were persisted, and
    ``invocations`` the requests. ``gb_months`` is the data kept while the execution runs and for its retention, and
    ``gb_seconds`` the memory while its function runs. The amounts are in US dollars.
    """

    operations: int
    bytes_written: int
    invocations: int
    gb_months: Decimal
    gb_seconds: Decimal
    prices: Prices = field(default_factory=Prices)

    @property
    def amounts(self) -> dict[str, Decimal]:
        """The amount for each dimension: operations, written, retained, requests and compute."""
        return {
            "operations": self.prices.operations * self.operations / _MILLION,
            "written": self.prices.written * self.bytes_written / _GB,
            "retained": self.prices.retained * self.gb_months,
            "requests": self.prices.requests * self.invocations / _MILLION,
            "compute": self.prices.compute * self.gb_seconds,
        }

    @property
    def total(self) -> Decimal:
        return sum(self.amounts.values(), Decimal(0))

    def __str__(self) -> str:
        quantities = (
            f"{self.operations:,} durable operations",
            f"{self.bytes_written:,} bytes written",
            f"{self.gb_months:.3g} GB-months retained",
            f"{self.invocations:,} requests",
            f"{self.gb_seconds:.3g} GB-seconds of compute",
        )
        rows = [*zip(quantities, self.amounts.values(), strict=True), ("total", self.total)]
        return "\n".join(f"{quantity:<32} ${amount.quantize(_CENTS):.8f}" for quantity, amount in rows)


def cost_of(
    history: History, memory: int, retention_days: int, invocation_duration: timedelta | None, prices: Prices
) -> Cost:
    """The cost of an execution; ``invocation_duration`` takes the place of the recorded durations.

    Each invocation is billed by the millisecond, and at least for one.
    """
    recorded = [one.duration for one in history.invocations]
    durations = recorded if invocation_duration is None else [invocation_duration] * len(recorded)
    milliseconds = sum(max(1, math.ceil(duration / _MILLISECOND)) for duration in durations)
    written = sum(_bytes(history))
    started_at = history.events[0]["EventTimestamp"]
    ended_at = history.execution.ended_at or history.events[-1]["EventTimestamp"]
    kept = ended_at - started_at + timedelta(days=retention_days)
    return Cost(
        operations=sum(operations_of(history).values()),
        bytes_written=written,
        invocations=len(history.invocations),
        gb_months=Decimal(written) / _GB * Decimal(kept / _MONTH),
        gb_seconds=Decimal(memory) / 1024 * milliseconds / 1000,
        prices=prices,
    )


def operations_of(history: History) -> Counter[str]:
    """The durable operations that are billed, by what they are billed for: ``step 'charge'``, ``the start``."""
    billed: Counter[str] = Counter()
    if repeated := _repeated(history):
        billed["repeated invocations"] = len(repeated)
    for event in history.events:
        kind, record = event["EventType"], history.operation_of(event)
        if kind == "ExecutionStarted":
            billed["the start"] += 1
        elif record is not None and _is_billed(kind, record.sub_type):
            billed[title(history, record)] += 1
    return billed


def _is_billed(kind: str, sub_type: str | None) -> bool:
    if kind in _WHEN_STARTED or kind in _WHEN_ATTEMPTED:
        return True
    if sub_type == _CHILD_CONTEXT:
        return kind in ("ContextSucceeded", "ContextFailed")
    return kind == "ContextStarted"


def _repeated(history: History) -> list[int]:
    """The event ids of failed invocations after which there was another one."""
    ended = [event for event in history.events if event["EventType"] == _INVOCATION]
    return [event["EventId"] for event in ended[:-1] if details_of(event).get("Error")]


def _bytes(history: History) -> Iterator[int]:
    repeated = set(_repeated(history))
    for event in history.events:
        if event["EventType"] == _INVOCATION and event["EventId"] not in repeated:
            continue
        details = details_of(event)
        for name in _DATA:
            wrapper: Mapping[str, Any] = details.get(name) or {}
            if wrapper.get("Truncated"):
                raise PayloadError(
                    f"the service has truncated the {name} of {event['EventType']} at {stamp(event['EventTimestamp'])} "
                    "in its history: how many bytes were written is not known"
                )
            payload = wrapper.get("Payload")
            if payload is not None:
                text = payload if isinstance(payload, str) else json.dumps(payload)
                yield len(text.encode(errors="surrogatepass"))
