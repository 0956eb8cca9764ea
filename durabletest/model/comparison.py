"""Comparing two histories: their canonical form, without what differs from run to run, its differences, and what a
snapshot leaves out (the arguments ``without`` and ``ignore`` of a comparison)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import SequenceMatcher
from enum import Enum
from typing import Any, TypeAlias

from durabletest.errors import UsageError
from durabletest.model.history import History, word_for
from durabletest.model.lookup import unknown
from durabletest.model.payloads import json_or_text
from durabletest.model.records import SIDE_BY_SIDE, ErrorDetails, OperationRecord, OperationType
from durabletest.model.times import plain

Canonical: TypeAlias = dict[str, Any]
"""An execution or operation that can be written as JSON; see :func:`canonical`."""
Decode: TypeAlias = Callable[[str | None, OperationRecord | None], Any]
"""Decodes a payload of an operation, or of the execution itself; see ``ExecutionView.decode``."""

_NUMBER = re.compile(r"(\d+)")
_ABSENT: Any = object()
_NOT_FACTS = ("name", "operations")
"""Keys of an operation that are not compared as values: operations are matched by name, and compared one by one."""


def canonical(history: History, decode: Decode = json_or_text) -> Canonical:
    """The canonical form of a history.

    It has ``status``, ``input``, ``result``, ``error`` (its type, message and data) and ``operations``: those outside
    of any context in execution order, each with ``name``, ``type``, ``sub_type``, ``status``, and depending on the type
    ``attempts``, ``seconds`` (of a wait), ``timeout`` and ``heartbeat_timeout`` (seconds, of a callback), ``function``
    (the bare name), ``input``, ``result``, ``error`` and again ``operations``. Keys without a value are left out. The
    branches of a map or parallel are sorted by name.

    It has no times, ids, ARNs, tokens, stack traces or numbers of invocations, because these differ between two runs of
    the same workflow, or between the local server and the service.
    """
    execution = history.execution
    outermost = [record for record in history.operations if history.parent(record) is None]
    return _known(
        status=str(execution.status),
        input=_jsonable(decode(execution.input, None)),
        result=_jsonable(decode(execution.result, None)),
        error=_error(execution.error),
        operations=[_operation(history, record, decode) for record in outermost],
    )


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
        operations=[_operation(history, child, decode) for child in in_stable_order(record, history.children(record))],
    )


def in_stable_order(parent: OperationRecord, children: list[OperationRecord]) -> list[OperationRecord]:
    """Sort the branches of a map or parallel, which start in any order; other children stay in execution order."""
    return sorted(children, key=_natural_name) if parent.sub_type in SIDE_BY_SIDE else children


def _natural_name(record: OperationRecord) -> tuple[list[tuple[int, str]], str]:
    """A key for natural sorting, ``branch-2`` before ``branch-10``; the same names are sorted by their ids."""
    parts = _NUMBER.split(record.name or "")
    return [(int(part), "") if index % 2 else (-1, part) for index, part in enumerate(parts)], record.id


def bare_name(function: str) -> str:
    """A function's name without account, region, version and alias: ``orders`` of ``orders:live`` or of its ARN."""
    parts = function.split(":")
    return parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[0]


def _error(error: ErrorDetails | None) -> Canonical | None:
    return None if error is None else _known(type=error.type, message=error.message, data=error.data)


def _known(**facts: Any) -> Canonical:
    return {name: value for name, value in facts.items() if value is not None and (name != "operations" or value)}


def _jsonable(value: Any) -> Any:
    """Convert the SDK's batch results field by field, and other values that are not JSON to their ``repr``.

    So ``Decimal('1')`` and ``'1'`` remain different. A set is in the order of its items' texts: its own differs between
    two processes.
    """
    if isinstance(value, Enum):
        return _jsonable(value.value)
    if isinstance(value, set | frozenset):
        return f"{{{', '.join(sorted(repr(plain(item)) for item in value))}}}"
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if is_dataclass(value):
        return _known(**{field.name: _jsonable(getattr(value, field.name)) for field in fields(value)})
    return value if value is None or isinstance(value, str | int | float) else repr(plain(value))


def differences(expected: Canonical, actual: Canonical, ignoring: Collection[str] = ()) -> list[str]:
    """Sentences such as ``step 'order/charge': attempts: 2 instead of 3``; an empty list if the two are equal.

    Both are canonical forms, possibly read from JSON. The operations of a context are matched by name and in order, so
    that one more or less does not make all that follow it differ. Facts whose names are in ``ignoring``, for example
    ``"function"``, are not compared.
    """
    ignored = Omission((), tuple(map(Fact.parse, ignoring)))
    return list(_compared(ignored.left(expected), ignored.left(actual), _EXECUTION, ""))


def _compared(expected: Canonical, actual: Canonical, title: str, prefix: str) -> Iterator[str]:
    """The differences of the execution or one operation, and those inside it."""
    for name in dict.fromkeys((*expected, *actual)):
        if name not in _NOT_FACTS:
            for path, one, other in _value_differences(expected.get(name, _ABSENT), actual.get(name, _ABSENT), name):
                yield f"{title}: {path}: {_shown(other)} instead of {_shown(one)}"
    inside = f"{prefix}{expected['name']}/" if expected.get("name") else prefix
    yield from _operation_differences(expected, actual, inside)


def _operation_differences(expected: Canonical, actual: Canonical, prefix: str) -> Iterator[str]:
    """``prefix`` is the path of the contexts around the operations, ``order/`` for example."""
    ours, theirs = expected.get("operations", []), actual.get("operations", [])
    names, other_names = _titles(ours, prefix), _titles(theirs, prefix)
    before, after = ({title: place for place, title in enumerate(titles)} for titles in (names, other_names))
    moved = before.keys() & after.keys()
    for tag, i, i_end, j, j_end in SequenceMatcher(None, names, other_names, autojunk=False).get_opcodes():
        if tag == "equal":
            for one, other, title in zip(ours[i:i_end], theirs[j:j_end], names[i:i_end], strict=True):
                yield from _compared(one, other, title, prefix)
            continue
        yield from (f"{title} is missing" for title in names[i:i_end] if title not in moved)
        for title, other in zip(other_names[j:j_end], theirs[j:j_end], strict=True):
            if title not in moved:
                yield f"{title} is not expected: it is {other['status']}"
                continue
            now, then = _after(other_names, after[title]), _after(names, before[title])
            yield f"{title} is in another place: {now} instead of {then}"
            yield from _compared(ours[before[title]], other, title, prefix)


def _titles(operations: list[Canonical], prefix: str) -> list[str]:
    """``step 'order/charge'``, unique among siblings: the second of that name is ``step 'order/charge' (index 1)``."""
    inside = f" in {prefix.rstrip('/')!r}" if prefix else ""
    seen: Counter[str] = Counter()
    titles = []
    for operation in operations:
        kind = word_for(operation.get("sub_type"), operation["type"])
        name = operation.get("name")
        title = f"unnamed {kind}{inside}" if name is None else f"{kind} {prefix + name!r}"
        titles.append(title + (f" (index {seen[title]})" if seen[title] else ""))
        seen[title] += 1
    return titles


def _after(titles: list[str], index: int) -> str:
    return f"after {titles[index - 1]}" if index else "first"


def _value_differences(expected: Any, actual: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """The innermost places at which two JSON values differ, with the two values there."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in dict.fromkeys((*expected, *actual)):
            yield from _value_differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{path}[{key!r}]")
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from _value_differences(one, other, f"{path}[{index}]")
    elif not _is_same(expected, actual):
        yield path, expected, actual


def _is_same(expected: Any, actual: Any) -> bool:
    """Whether two values that are not looked into are the same: True is not 1, and NaN is NaN."""
    if isinstance(expected, float) and isinstance(actual, float) and math.isnan(expected):
        return math.isnan(actual)
    return bool(expected == actual) and isinstance(expected, bool) is isinstance(actual, bool)


def same_value(expected: Any, actual: Any) -> bool:
    """Whether two values are equal; NaN, which does not equal itself, is the same at the same place."""
    return bool(expected == actual) or not any(_value_differences(expected, actual, ""))


def _shown(value: Any) -> str:
    """Statuses and types are shown without quotes."""
    if value is _ABSENT:
        return "nothing"
    is_word = isinstance(value, str) and value.isupper() and value.replace("_", "").isalpha()
    return str(value) if is_word else repr(value)


Key: TypeAlias = str | int | None
"""A key or index in a value; ``None`` stands for all of them, as ``[*]`` does in the argument."""

FACTS = ("input", "result", "error", "attempts", "seconds", "timeout", "heartbeat_timeout", "function")
"""The facts that can be left out; see :func:`canonical`."""
_EXECUTION = "execution"
_KEY = r"""\[(?:'([^']*)'|"([^"]*)"|(\d+)|\*)\]"""
_FACT = re.compile(rf"(?:(?P<of>.+): )?(?P<name>\w+)(?P<place>(?:{_KEY})*)", re.DOTALL)


@dataclass(frozen=True)
class Fact:
    """One ``ignore`` argument, ``"charge: result['at']"``.

    ``text`` is the argument itself; ``of`` the name or path of an operation, ``None`` for all; ``place`` the keys that
    lead to the part of the fact that is left out.
    """

    text: str
    of: str | None
    name: str
    place: tuple[Key, ...]

    @classmethod
    def parse(cls, text: str) -> Fact:
        found = _FACT.fullmatch(text)
        if found is None:
            raise UsageError(
                f"ignore={text!r}: write a fact, 'attempts', a place in it, \"result['at']\" or \"result[*]['id']\", "
                "or one of an operation, \"charge: result['at']\""
            )
        if found["name"] not in FACTS:
            raise unknown(found["name"], FACTS, "fact of a snapshot that can be left out")
        return cls(text, found["of"], found["name"], tuple(map(_key, re.finditer(_KEY, found["place"]))))


@dataclass
class Omission:
    """Leaves operations and facts out of snapshots, and records which arguments matched something."""

    operations: tuple[str, ...]
    facts: tuple[Fact, ...]
    _used: set[str] = field(default_factory=set)

    @classmethod
    def given(cls, without: str | Iterable[str], ignore: str | Iterable[str]) -> Omission:
        """Parse the two arguments of a check, each a string or several; raises ``UsageError``."""
        return cls(_texts("without", without), tuple(map(Fact.parse, _texts("ignore", ignore))))

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Each argument that matched nothing so far, as it was written, and the name in it."""
        given = [(f"without={name!r}", name) for name in self.operations]
        given += [(f"ignore={fact.text!r}", fact.of or fact.name) for fact in self.facts]
        return [(argument, name) for argument, name in given if argument not in self._used]

    def left(self, snapshot: Canonical) -> Canonical:
        """A copy of a snapshot without what is left out."""
        return self._rest(snapshot, _EXECUTION, "")

    def _rest(self, snapshot: Canonical, own_path: str | None, prefix: str) -> Canonical:
        """The rest of the execution or one operation; ``prefix`` is the path of the contexts around its operations."""
        rest = dict(snapshot)
        for fact in self.facts:
            matches = fact.of is None or _is_at(own_path, fact.of)
            if matches and _remove(rest, (fact.name, *fact.place)):
                self._used.add(f"ignore={fact.text!r}")
        if "operations" in rest:
            rest["operations"] = list(self._operations(rest["operations"], prefix))
        return {key: value for key, value in rest.items() if key != "operations" or value}

    def _operations(self, operations: Iterable[Canonical], prefix: str) -> Iterator[Canonical]:
        for operation in operations:
            name = operation.get("name")
            path = f"{prefix}{name}" if name else None  # paths skip unnamed contexts
            left_out = [wanted for wanted in self.operations if _is_at(path, wanted)]
            self._used.update(f"without={wanted!r}" for wanted in left_out)
            if not left_out:
                yield self._rest(operation, path, prefix if path is None else f"{path}/")


def _texts(argument: str, given: str | Iterable[str]) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else tuple(given)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{argument}={text!r}: give a string, or several")
    return texts


def _is_at(path: str | None, wanted: str) -> bool:
    return path is not None and f"/{path}".endswith(f"/{wanted}")


def _key(found: re.Match[str]) -> Key:
    one, other, index = found.groups()
    return int(index) if index else other if one is None else one


def _remove(container: Any, place: tuple[Key, ...]) -> bool:
    """Remove the value at a place, and return whether there was one; an item of a list becomes ``None``.

    The containers on the way there are replaced by copies, because they belong to the original snapshot.
    """
    key, *further = place
    if isinstance(container, dict):
        keys: list[Any] = list(container) if key is None else [key] if key in container else []
    else:
        indexes = range(len(container)) if isinstance(container, list) else ()
        keys = list(indexes) if key is None else [key] if key in indexes else []
    removed = False
    for at in keys:
        if further:
            inner = container[at]
            container[at] = inner.copy() if isinstance(inner, dict | list) else inner
            removed |= _remove(container[at], tuple(further))
            continue
        removed = True
        if isinstance(container, dict):
            del container[at]
        else:
            container[at] = None
    return removed
