"""What a history means, without what differs from run to run: the form in which histories are compared and stored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias

from durabletest.model.details import ErrorDetails
from durabletest.model.enums import SIDE_BY_SIDE, OperationType
from durabletest.model.history import History
from durabletest.model.records import OperationRecord
from durabletest.model.times import plain

Canonical: TypeAlias = dict[str, Any]
"""JSON-able: an execution, or one operation; see :func:`canonical`."""
Decode: TypeAlias = Callable[[str | None, OperationRecord | None], Any]
"""The value behind a payload; without a record it is the execution's own (``ExecutionView.decode``)."""

_NUMBER = re.compile(r"(\d+)")


class Branch(Protocol):
    """What orders the branches of a map or parallel."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...


def json_or_text(payload: str | None, record: OperationRecord | None = None) -> Any:  # noqa: ARG001 - a Decode
    """Decodes payloads without the SDK: as JSON where it is JSON, else as the text that it is."""
    try:
        return None if payload is None else json.loads(payload)
    except ValueError:
        return payload


def canonical(history: History, decode: Decode = json_or_text) -> Canonical:
    """The execution as nested dictionaries and lists that ``json.dumps`` can write; equal runs give equal ones.

    ``status``, ``input``, ``result``, ``error`` (its type, message and data) and ``operations``: those outside of any
    context in execution order, each with ``name``, ``type``, ``sub_type``, ``status``, and where they mean something
    ``attempts``, ``seconds`` (of a wait), ``timeout`` and ``heartbeat_timeout`` (seconds, of a callback), ``function``
    (the bare name), ``input``, ``result``, ``error`` and again ``operations``. What has no value is left out. The
    branches of a map or parallel are ordered by their names.

    It holds no times, ids, ARNs, tokens, stack traces or numbers of invocations: they differ between two runs, or
    between the local server and the service, of a workflow that does the same.
    """
    execution = history.execution
    return _known(
        status=str(execution.status),
        input=_jsonable(decode(execution.input, None)),
        result=_jsonable(decode(execution.result, None)),
        error=_error(execution.error),
        operations=_operations(history, _roots(history), decode),
    )


def _roots(history: History) -> list[OperationRecord]:
    return [record for record in history.operations if history.parent(record) is None]


def _operations(history: History, records: Iterable[OperationRecord], decode: Decode) -> list[Canonical]:
    return [_operation(history, record, decode) for record in records]


def _operation(history: History, record: OperationRecord, decode: Decode) -> Canonical:
    return _known(
        name=record.name,
        type=str(record.type),
        sub_type=record.sub_type,
        status=str(record.status),
        attempts=record.attempts if record.type is OperationType.STEP else None,
        seconds=record.wait_seconds,
        timeout=record.timeout or None,
        heartbeat_timeout=record.heartbeat_timeout or None,
        function=None if record.function_name is None else bare_name(record.function_name),
        input=_jsonable(decode(record.input, record)),
        result=_jsonable(decode(record.result, record)),
        error=_error(record.error),
        operations=_operations(history, _children(history, record), decode),
    )


def _children(history: History, record: OperationRecord) -> list[OperationRecord]:
    children = history.children(record)
    return sorted(children, key=by_name) if record.sub_type in SIDE_BY_SIDE else children


def by_name(branch: Branch) -> tuple[list[tuple[int, str]], str]:
    """Numbers in names count as numbers: ``branch-2`` comes before ``branch-10``; then the id, which is stable."""
    parts = _NUMBER.split(branch.name or "")
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)], branch.id


def bare_name(function: str) -> str:
    """A function's name without account, region, version and alias: ``orders`` of ``orders:live`` or of its ARN."""
    parts = function.split(":")
    return parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[0]


def _error(error: ErrorDetails | None) -> Canonical | None:
    return None if error is None else _known(type=error.type, message=error.message, data=error.data)


def _known(**facts: Any) -> Canonical:
    return {name: value for name, value in facts.items() if value is not None and (name != "operations" or value)}


def _jsonable(value: Any) -> Any:
    """JSON as it is, the SDK's batch results field by field, and any other value as its ``repr``.

    So ``Decimal('1')`` and ``'1'`` stay two things.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if is_dataclass(value):
        return _known(**{field.name: _jsonable(getattr(value, field.name)) for field in fields(value)})
    return value if value is None or isinstance(value, str | int | float) else repr(plain(value))
