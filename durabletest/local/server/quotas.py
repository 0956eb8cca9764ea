"""Limits: sizes of payloads, the longest executions, the quotas of one, and how many executions may come of one.

:mod:`durabletest.value_checks` checks the settings of a test against the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from durabletest.local.server.journal import ErrorObject, Journal, Operation, Update
from durabletest.local.server.service_model import RefusedError

# --- sizes of payloads ---

_MB = 1_048_576
MAX_PAYLOAD = _MB
"""Bytes of a payload of a STEP, CONTEXT, WAIT, CALLBACK or CHAINED_INVOKE (API model 1.44, ``OperationUpdate``), so of
a chained invoke's input and result; and of a callback's result (``BinaryOperationPayload``)."""
MAX_ERROR = _MB
"""Bytes of all fields of an error together (API model 1.44, ``OperationUpdate.Error``)."""
MAX_EXECUTION_PAYLOADS: Mapping[str, int] = {"Event": _MB, "RequestResponse": 6 * _MB, "DryRun": 6 * _MB}
"""Bytes of an execution's input and of its result, by the type of the invocation that started it (API model 1.44,
``InputPayload`` and ``Result`` of ``GetDurableExecution``)."""
LONGEST_TIMEOUTS: Mapping[str, int] = {"Event": 31_622_400, "RequestResponse": 900}
"""Seconds (366 days, 15 minutes): the longest that the service lets an execution run, by how it was started."""
REMEDY = "Keep what is larger elsewhere, in S3 for example, and hand on where it is"


def size(text: str) -> int:
    """The bytes of a text on the wire; half of a surrogate pair counts, though UTF-8 has no place for it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def error_size(error: Mapping[str, Any]) -> int:
    fields = (line for field in error.values() for line in ([field] if isinstance(field, str) else field))
    return sum(map(size, fields))


def check_input_size(payload: str | None, invocation_type: str) -> None:
    quota = MAX_EXECUTION_PAYLOADS[invocation_type]
    if payload is not None and size(payload) > quota:
        raise RefusedError(
            "RequestTooLargeException",
            f"the payload has {size(payload)} bytes: an execution's input may have {quota} if it is started with "
            f"InvocationType {invocation_type!r}",
        )


def check_error_size(error: Mapping[str, Any]) -> None:
    if (found := error_size(error)) > MAX_ERROR:
        text = f"Error has {found} bytes in its fields together: an error may have {MAX_ERROR}"
        raise RefusedError("InvalidParameterValueException", text)


def too_large_result(result: str, quota: int) -> dict[str, str] | None:
    """The error of an execution or function whose result is larger than ``quota`` bytes; None if it is not."""
    if (found := size(result)) <= quota:
        return None
    message = f"the result has {found} bytes: at most {quota} are allowed. {REMEDY}"
    return {"ErrorType": "InvalidParameterValueException", "ErrorMessage": message}


def callback_result(raw: Any) -> str | None:
    """The text of a callback's result, given as any kind of blob; refused beyond 1 MB, or if it is not UTF-8.

    An empty result is None: it is the body of the request, and the wire cannot tell the two apart.
    """
    if hasattr(raw, "read"):
        raw = raw.read()
    if isinstance(raw, bytes | bytearray):
        try:
            raw = raw.decode()
        except UnicodeDecodeError as error:
            raise RefusedError(
                "InvalidParameterValueException", f"Result is refused: it must be UTF-8, {error}"
            ) from error
    if raw is not None and size(raw) > MAX_PAYLOAD:
        reason = f"it has {size(raw)} bytes, and a callback's result may have {MAX_PAYLOAD}"
        raise RefusedError("InvalidParameterValueException", f"Result is refused: {reason}")
    text: str | None = raw or None
    return text


# --- quotas of one execution ---

MAX_OPERATIONS = 3_000
"""Operations of one execution (CloudWatch metric ``DurableExecutionOperations``)."""
MAX_STORAGE = 100 * _MB
"""Bytes written by one execution (CloudWatch metric ``DurableExecutionStorageWrittenBytes``)."""
MAX_FRUITLESS = 3_000
"""Invocations in a row in which no operation begins or ends. The service has no such quota, nor the next one."""
MAX_REPLAYED = 150_000
"""Operations replayed by all invocations together, five seconds of the SDK's time: a wait and a step a day for a year.

It holds unless the number of operations was set: 3,000 waits, one after the other, take the SDK minutes.
"""
INVOCATION_ATTEMPTS = 5
"""How often an invocation is tried that fails each time. The service does not document it, and accounts differ."""
RETENTION_DAYS = 14
"""Days that an execution is kept after its end (documentation of SAM's and CDK's ``DurableConfig``)."""
ERROR_TYPE = "DurableExecutionQuotaExceeded"
"""Not documented by the service; chosen here, once."""
_SHOWN = 5

Name: TypeAlias = tuple[str, str]
"""An operation's name and type."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """How many operations one execution may have, and how many bytes it may write; None is as many as the service's.

    ``invocation_attempts`` is how often an invocation is tried that fails each time, and ``retention_days`` how long an
    execution is kept after its end, which only its description tells.
    """

    operations: int | None = None
    storage: int | None = None
    invocation_attempts: int = INVOCATION_ATTEMPTS
    retention_days: int = RETENTION_DAYS


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
        quota = self._quotas.operations or MAX_OPERATIONS
        if len(known) - 1 + len(new) > quota:
            reached = f"the execution has reached its quota of {quota:,} operations (DurableExecutionOperations)"
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
        quota = self._quotas.storage or MAX_STORAGE
        if self._total <= quota:
            return None
        reached = f"the execution has reached its quota of {quota:,} bytes (DurableExecutionStorageWrittenBytes)"
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


# --- executions that come of one ---

MAX_EXECUTIONS = 5_000
"""Executions in one tree of chained invokes."""
MAX_DEPTH = 200
"""Chained invokes, one within the other."""


@dataclass(slots=True, eq=False)
class InvokeTree:
    """An execution and all those below it, each started by a chained invoke of one above."""

    executions: int = 0

    def add(self, depth: int) -> str | None:
        """Count one more execution, ``depth`` invokes below the first; gives the bound that is exceeded now."""
        self.executions += 1
        if depth > MAX_DEPTH:
            return f"a chain of more than {MAX_DEPTH:,} executions, each invoked by the one before"
        if self.executions > MAX_EXECUTIONS:
            return f"more than {MAX_EXECUTIONS:,} executions that came of one"
        return None
