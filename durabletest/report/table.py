"""The operation table: one line an operation, each context followed by what is inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tabulate import tabulate

from durabletest.model.suggest import unknown
from durabletest.model.times import precision, span, utc
from durabletest.report.tree import tree_order

DEFAULT_COLUMNS = ("name", "type", "status", "started", "ended", "duration", "attempts")
_INDENT = "\ue000\ue000"
_WIDEST = 60


class TableRow(Protocol):
    """What the table needs to know of an operation; a record and a ``DurableOperation`` both know it."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def type(self) -> str: ...
    @property
    def sub_type(self) -> str | None: ...
    @property
    def status(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def duration(self) -> timedelta | None: ...
    @property
    def attempts(self) -> int: ...
    @property
    def error(self) -> object: ...


@dataclass(frozen=True)
class _Line:
    """One operation with what its cells need from the rest of the table."""

    row: TableRow
    ancestors: Sequence[TableRow]
    timespec: str

    def time(self, moment: datetime | None) -> str:
        return "" if moment is None else utc(moment).replace(tzinfo=None).isoformat(" ", self.timespec)


_CELLS: dict[str, Callable[[_Line], str]] = {
    "name": lambda line: _INDENT * len(line.ancestors) + _name(line.row),
    "path": lambda line: "/".join(map(_name, [*line.ancestors, line.row])),
    "type": lambda line: line.row.type,
    "sub_type": lambda line: line.row.sub_type or "",
    "status": lambda line: line.row.status,
    "started": lambda line: line.time(line.row.started_at),
    "ended": lambda line: line.time(line.row.ended_at),
    "duration": lambda line: "" if line.row.duration is None else span(line.row.duration),
    "attempts": lambda line: str(line.row.attempts or ""),
    "error": lambda line: one_line(str(line.row.error)) if line.row.error else "",
    "id": lambda line: line.row.id,
    "parent": lambda line: line.row.parent_id or "",
}

COLUMNS = tuple(_CELLS)
"""The columns there are: name (indented by nesting), path, type, sub_type, status, started and ended (UTC), duration,
attempts (of steps), error, id, and parent (its id)."""


def operation_table(operations: Iterable[TableRow], columns: Sequence[str] | None = None) -> str:
    """The table as text. It depends on nothing but the operations: no terminal width, no local time zone."""
    names = DEFAULT_COLUMNS if columns is None else _checked(columns)
    lines = _lines(operations)
    if not lines:
        return "(no operations)"
    cells = [[_CELLS[name](line) for name in names] for line in lines]
    text = tabulate(cells, headers=names, tablefmt="simple", disable_numparse=True)
    # tabulate strips leading blanks; a private character that nobody uses keeps their place.
    return "\n".join(line.rstrip() for line in text.replace("\ue000", " ").splitlines())


def print_operations(operations: Iterable[TableRow], columns: Sequence[str] | None = None) -> None:
    print(operation_table(operations, columns))


def _lines(operations: Iterable[TableRow]) -> list[_Line]:
    placed = tree_order(operations)
    times = [time for row in placed for time in (row.node.started_at, row.node.ended_at) if time is not None]
    timespec = precision(*times)
    return [_Line(row.node, row.ancestors, timespec) for row in placed]


def _checked(columns: Sequence[str]) -> Sequence[str]:
    names = [columns] if isinstance(columns, str) else columns
    for name in names:
        if name not in _CELLS:
            raise unknown(name, COLUMNS, "column of the operation table")
    return names


def _name(row: TableRow) -> str:
    return one_line(row.name)


def one_line(text: str | None) -> str:
    """A name as tables show it."""
    if text is None:
        return "(unnamed)"
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."
