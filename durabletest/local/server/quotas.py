"""The quotas of one execution: its operations, the bytes that it writes, and the invocations that get it no further."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from durabletest.local.server.journal import ErrorObject, Journal, Operation, Update
from durabletest.local.server.limits import error_size, size

MAX_OPERATIONS = 3_000
"""Operations of one execution (CloudWatch metric ``DurableExecutionOperations``)."""
MAX_STORAGE = 100 * 1_048_576
"""Bytes written by one execution (CloudWatch metric ``DurableExecutionStorageWrittenBytes``)."""
MAX_FRUITLESS = 3_000
"""Invocations in a row in which no operation begins or ends. The service has no such quota, nor the next one."""
MAX_REPLAYED = 150_000
"""Operations replayed by all invocations together, five seconds of the SDK's time: a wait and a step a day for a year.

It holds unless the number of operations was set: 3,000 waits, one after the other, take the SDK minutes.
"""
INVOCATION_ATTEMPTS = 5
"""How often an invocation is tried that fails each time. The service does not document it, and accounts differ."""
ERROR_TYPE = "DurableExecutionQuotaExceeded"
"""Not documented by the service; chosen here, once."""
_SHOWN = 5

Name: TypeAlias = tuple[str, str]
"""An operation's name and type."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many operations one execution may have, and how many bytes it may write; None is as many as the service's.

    ``invocation_attempts`` is how often an invocation is tried that fails each time.
    """

    operations: int | None = None
    storage: int | None = None
    invocation_attempts: int = INVOCATION_ATTEMPTS


SERVICE_QUOTAS = Quotas()


class Usage:
    """How much of its quotas one execution has used.

    Its methods give the error with which the execution has to end, None while the quotas hold. What the service answers
    beyond them is not documented: here the batch that would exceed a quota is not recorded, and the execution fails.
    """

    def __init__(self, quotas: Quotas, journal: Journal) -> None:
        self._quotas = quotas
        self._journal = journal
        self._written: Counter[Name] = Counter()
        self._total = 0
        self._invocations = 0
        self._replayed = 0
        self._fruitless = 0

    def checkpointed(self, updates: Sequence[Update]) -> ErrorObject | None:
        """Count the updates of a batch that is about to be recorded."""
        known = self._journal.operations
        new = {update["Id"] for update in updates if update["Type"] != "EXECUTION" and update["Id"] not in known}
        limit = self._quotas.operations or MAX_OPERATIONS
        if len(known) - 1 + len(new) > limit:
            reached = f"the execution has reached its quota of {limit:,} operations (DurableExecutionOperations)"
            return self._error(reached, "operation_limit on the test class raises or lowers the quota")
        if new or any(update["Action"] in ("SUCCEED", "FAIL", "CANCEL") for update in updates):
            self._fruitless = 0
        return self._count_bytes(updates)

    def changed(self, update: Update) -> ErrorObject | None:
        """Count a change that the handler did not send."""
        if update["Action"] != "READY":
            self._fruitless = 0
        return self._count_bytes([update])

    def invoked(self) -> ErrorObject | None:
        """Count an invocation, which replays all operations."""
        operations = len(self._journal.operations) - 1
        self._invocations += 1
        self._fruitless += 1
        self._replayed += operations
        most = max(MAX_FRUITLESS, self._quotas.operations or 0)
        if self._fruitless > most:
            reached = f"the execution was invoked {most:,} times in a row, and no operation began or ended meanwhile"
            return self._error(reached, "operation_limit on the test class, if it is larger, raises that number")
        if self._replayed > MAX_REPLAYED and self._quotas.operations is None:
            reached = (
                f"the execution is on its way to the quota of {MAX_OPERATIONS:,} operations "
                f"(DurableExecutionOperations), and each of its {self._invocations:,} invocations replays those "
                f"before, {operations:,} by now: that would take minutes"
            )
            return self._error(
                reached,
                f"operation_limit = {MAX_OPERATIONS:_} on the test class lets it go on until the quota is reached",
            )
        return None

    def _count_bytes(self, updates: Sequence[Update]) -> ErrorObject | None:
        for update in updates:
            written = size(update.get("Payload") or "") + error_size(update.get("Error") or {})
            if written:
                self._total += written
                self._written[_name(self._journal.operations.get(update["Id"], update))] += written
        limit = self._quotas.storage or MAX_STORAGE
        if self._total <= limit:
            return None
        reached = f"the execution has reached its quota of {limit:,} bytes (DurableExecutionStorageWrittenBytes)"
        return self._error(reached, "storage_limit on the test class raises or lowers the quota", by_bytes=True)

    def _error(self, reached: str, setting: str, by_bytes: bool = False) -> ErrorObject:
        operations = [one for one in self._journal.operations.values() if one["Type"] != "EXECUTION"]
        counted = Counter(map(_name, operations))
        attempts: Counter[Name] = Counter()
        for one in operations:
            attempts[_name(one)] += max(1, one.get("StepDetails", {}).get("Attempt", 0))
        order = self._written if by_bytes else counted
        names = sorted(order, key=lambda name: (order[name], attempts[name]), reverse=True)[:_SHOWN]
        lines = [
            f"\n  {name!r}, {kind}: {counted[name, kind]:,} operations, {attempts[name, kind]:,} attempts, "
            f"{self._written[name, kind]:,} bytes"
            for name, kind in names
        ]
        step = next((repr(name) for name, kind in names if kind == "STEP"), "name")
        message = (
            f"{reached}{'. Most of what it does is' if lines else ''}{''.join(lines)}\n"
            "If a stub or a script answers in a way that keeps a loop going, let it answer otherwise in the end: "
            f"stub_step({step}).returns(..., times=3).then_returns(...). If the function is meant to go on for ever, "
            "test a part of it: set execution_timeout and assert timed_out(), or write start(), advance(...) and "
            f"stop(). {setting}"
        )
        return {"ErrorType": ERROR_TYPE, "ErrorMessage": message}


def _name(operation: Operation | Update) -> Name:
    return operation.get("Name", "(unnamed)"), operation["Type"]
