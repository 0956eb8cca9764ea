"""Forced replays: the invocation ends after each operation, and the final answer is held back once.

What the handler asks of the SDK is noted in each invocation, and compared with what it asked before for the same
operation of the same execution.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from types import CellType, FunctionType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from durabletest.errors import UsageError
from durabletest.local.faults import FaultInjector
from durabletest.model.history import execution_title, word_for
from durabletest.model.times import plain
from durabletest.result import TestResult
from durabletest.sdk_operations import Asked, Identity, OperationListener

if TYPE_CHECKING:
    from durabletest.local.repeating import RepeatingRunner

_PLAIN = (str, bytes, int, float, complex, Decimal, UUID, date, time, timedelta, Enum)
_DEEPEST = 6
_UNKNOWN: Any = object()


class ReplayForced(SystemExit):
    """The end of an invocation that is repeated to see whether it does the same again."""


@dataclass(frozen=True, slots=True)
class _Noted:
    """An operation as the handler has asked for it; ``cells`` are the closure's, by variable."""

    kind: str
    name: str | None
    parent: str | None
    inputs: Mapping[str, Any]
    cells: Mapping[str, CellType]

    @property
    def title(self) -> str:
        return _titled(self.kind, self.name)


@dataclass(slots=True, eq=False)
class ReplayProbe(FaultInjector, OperationListener):
    """Has an execution replay: after each operation if ``each``, and when it has its outcome.

    ``difference`` is the report of the first thing that was not as before; None if there is none.
    """

    each: bool = False
    difference: str | None = None
    _noted: dict[tuple[str, str], _Noted] = field(default_factory=dict)
    _visited: set[tuple[str, str]] = field(default_factory=set)
    _answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)

    def checkpoint(self, send: Callable[..., dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
        """Send a checkpoint; if an operation ends with it, the invocation ends, too, unless a step is running."""
        answer = send(**request)
        updates = request.get("Updates", ())
        for update in updates:
            if update["Type"] == "STEP":
                (self._running.add if update["Action"] == "START" else self._running.discard)(update["Id"])
        ended = any(update["Action"] != "START" and update["Type"] != "EXECUTION" for update in updates)
        if self.each and ended and not self._running:
            raise self._gone(ReplayForced())
        return answer

    def judged(self, arn: str, answer: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Hold the final answer of an invocation back, so that the handler replays; once an execution."""
        if answer.get("Status") == "PENDING":
            return answer
        self._running.clear()
        before = self._answers.setdefault(arn, answer)
        if before is answer:
            self._visited.clear()
            return None
        self._compare_answers(arn, before, answer)
        return answer

    def asked(self, asked: Asked) -> None:
        key = asked.arn, asked.operation_id
        inputs, cells = _inputs(asked)
        kind = word_for(asked.sub_type, asked.type)
        noted = _Noted(kind, asked.name, asked.parent_id, inputs, cells)
        with self._lock:
            self._visited.add(key)
            before = self._noted.setdefault(key, noted)
            if before is not noted and self.difference is None:
                self.difference = _compared(before, noted)

    def mismatched(self, recorded: Identity, asked: Identity) -> None:
        before, after = (_titled(word_for(sub_type, kind), name) for kind, sub_type, name in (recorded, asked))
        self.difference = self.difference or _another_operation(before, after)

    def _compare_answers(self, arn: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if self.difference is not None:
            return
        for key, noted in self._noted.items():
            if key[0] == arn and noted.parent is None and key not in self._visited:
                self.difference = _left_out(noted.title)
                return
        for what in ("Status", "Result", "Error"):
            if before.get(what) != after.get(what):
                self.difference = _another_outcome(what.lower(), _shown(before), _shown(after))
                return


def _shown(answer: Mapping[str, Any]) -> str:
    if answer.get("Status") == "SUCCEEDED":
        return str(answer.get("Result"))
    error = answer.get("Error") or {}
    return f"{answer.get('Status')} with {error.get('ErrorType')}: {error.get('ErrorMessage')}"


def _titled(kind: str, name: str | None) -> str:
    return f"{kind} {name!r}" if name else f"an unnamed {kind}"


def _compared(before: _Noted, after: _Noted) -> str | None:
    if (before.kind, before.name) != (after.kind, after.name):
        return _another_operation(before.title, after.title)
    for name, value in before.inputs.items():
        other = after.inputs.get(name, value)
        outside = name in before.cells and before.cells[name] is after.cells.get(name)
        if not outside and repr(other) != repr(value):
            return _another_value(before.title, name, value, other)
    return None


def _inputs(asked: Asked) -> tuple[dict[str, Any], dict[str, CellType]]:
    """The values that an operation is asked for with, as far as they can be compared, and the cells of its closure."""
    values: dict[str, Any] = dict(asked.arguments)
    cells: dict[str, CellType] = {}
    function = asked.function
    while isinstance(function, functools.partial):
        values |= {f"argument {place}": value for place, value in enumerate(function.args, 1)} | function.keywords
        function = function.func
    if isinstance(function, FunctionType):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        values |= dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for name, cell in cells.items():
            try:
                values[name] = cell.cell_contents
            except ValueError:  # a variable that has no value yet
                continue
    found = {name: _copied(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not _UNKNOWN}, cells


def _copied(value: Any, depth: int = 0) -> Any:
    """A copy of plain data, which a step may change afterwards; _UNKNOWN for what cannot be compared."""
    if value is None or isinstance(value, _PLAIN):
        return plain(value)
    if depth >= _DEEPEST:
        return _UNKNOWN
    if isinstance(value, dict):
        copied: Any = {key: _copied(item, depth + 1) for key, item in value.items()}
        items = list(copied.values())
    elif type(value) in (list, tuple, set, frozenset):
        items = [_copied(item, depth + 1) for item in value]
        copied = sorted(items, key=repr) if isinstance(value, set | frozenset) else items
    elif is_dataclass(value) and not isinstance(value, type):
        copied = {one.name: _copied(getattr(value, one.name), depth + 1) for one in fields(value)}
        items = list(copied.values())
    else:
        return _UNKNOWN
    return _UNKNOWN if any(item is _UNKNOWN for item in items) else copied


# --- the check that a handler does the same in each replay, and its words ---

_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d")
_IN_A_STEP = "take it in a step: what a step returns is the same in each replay"


def compared_replays(
    runner: RepeatingRunner, execute: Callable[[], TestResult], each: bool
) -> tuple[TestResult, str | None]:
    """Execute with forced replays: the result, and the report of the first thing that was not as before, if any.

    With ``each`` the handler replays after each operation, else once, from the state that its execution leaves.
    """
    with runner.replaying(each) as probe:
        result = execute()
    if not result.get_status().is_terminal:
        raise UsageError(f"{execution_title(result.arn)} has not ended: there is nothing to compare")
    return result, probe.difference


def _left_out(operation: str) -> str:
    return _told(
        f"{operation} was left out",
        operation,
        "the handler ended without it",
        "Something that is not in the history decides whether the operation comes: the memory of the process, the "
        f"time, chance. If it is a value, {_IN_A_STEP}",
    )


def _another_operation(before: str, after: str) -> str:
    cure = f"Its value is not in the history{_likely_source(before)}: {_IN_A_STEP}"
    return _told(f"{before} was another operation", before, after, cure)


def _another_value(operation: str, name: str, before: Any, after: Any) -> str:
    cure = f"Its value is not in the history{_likely_source(before)}: {_IN_A_STEP}"
    return _told(f"{name} of {operation} was another value", repr(before), repr(after), cure)


def _another_outcome(what: str, before: str, after: str) -> str:
    return _told(
        f"its {what} was another one",
        before,
        after,
        "A variable that a step changes, or the memory of the process, is not as it was before: in a replay, the "
        f"functions of steps do not run again. Use what steps return{_likely_source(before)}",
    )


def _told(subject: str, before: str, after: str, cure: str) -> str:
    return (
        f"the handler does not do the same in each replay: {subject}\nfirst run: {before}\n   replay: {after}\n{cure}"
    )


def _likely_source(value: Any) -> str:
    text = str(value)
    guess = None
    if _UUID.search(text):
        guess = "uuid4()"
    elif isinstance(value, date | time) or _TIME.search(text):
        guess = "datetime.now()"
    elif isinstance(value, float) or re.search(r"\b0\.\d{6,}", text):
        guess = "random() or time()"
    return "" if guess is None else f" (it looks like {guess} outside of a step)"
