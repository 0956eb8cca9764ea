"""The operation table: one line an operation, each context followed by the operations inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from durabletest.model.comparison import in_stable_order
from durabletest.model.lookup import unknown
from durabletest.model.records import OperationRecord
from durabletest.model.times import precision, span, utc

DEFAULT_COLUMNS = ("name", "type", "status", "started", "ended", "duration", "attempts")
_PADDING = "\ue000"
"""A character for private use in place of leading blanks, which tabulate would strip."""
_WIDEST_NAME = 60


@dataclass(frozen=True)
class Row:
    """An operation and the contexts around it, the outermost first."""

    operation: OperationRecord
    ancestors: tuple[OperationRecord, ...]


def tree_order(operations: Iterable[OperationRecord]) -> list[Row]:
    """Arrange operations, given in execution order, as a tree that is the same in every run.

    The branches of a parallel or map, which start in any order, are sorted by name. An operation whose context is not
    among the operations is at the outermost level.
    """
    known = {operation.id: operation for operation in operations}
    children: dict[str | None, list[OperationRecord]] = {}
    for operation in known.values():
        parent_id = operation.parent_id if operation.parent_id in known else None
        children.setdefault(parent_id, []).append(operation)
    rows: list[Row] = []
    stack = [Row(operation, ()) for operation in reversed(children.get(None, []))]
    while stack:  # no recursion: contexts may be nested deeply
        row = stack.pop()
        rows.append(row)
        ordered = in_stable_order(row.operation, children.get(row.operation.id, []))
        stack.extend(Row(child, (*row.ancestors, row.operation)) for child in reversed(ordered))
    return rows


_CELLS: dict[str, Callable[[Row, str], str]] = {
    "name": lambda row, _: _PADDING * 2 * len(row.ancestors) + one_line(row.operation.name),
    "path": lambda row, _: "/".join(one_line(operation.name) for operation in [*row.ancestors, row.operation]),
    "type": lambda row, _: row.operation.type,
    "sub_type": lambda row, _: row.operation.sub_type or "",
    "status": lambda row, _: row.operation.status,
    "started": lambda row, timespec: _time(row.operation.started_at, timespec),
    "ended": lambda row, timespec: _time(row.operation.ended_at, timespec),
    "duration": lambda row, _: "" if row.operation.duration is None else span(row.operation.duration),
    "attempts": lambda row, _: str(row.operation.attempts or ""),
    "error": lambda row, _: one_line(str(row.operation.error)) if row.operation.error else "",
    "id": lambda row, _: row.operation.id,
    "parent": lambda row, _: row.operation.parent_id or "",
}
"""The text of each cell, by column: a function of its row and the ``timespec`` of all times."""

COLUMNS = tuple(_CELLS)
"""The columns there are: name (indented by nesting), path, type, sub_type, status, started and ended (UTC), duration,
attempts (of steps), error, id, and parent (its id)."""


def operation_table(operations: Iterable[OperationRecord], columns: Sequence[str] | None = None) -> str:
    """The table as text; it does not depend on the terminal's width or the local time zone."""
    from tabulate import tabulate  # it is slow to import, and tests that pass need no table

    names = DEFAULT_COLUMNS if columns is None else [columns] if isinstance(columns, str) else columns
    for name in names:
        if name not in _CELLS:
            raise unknown(name, COLUMNS, "column of the operation table")
    rows = tree_order(operations)
    if not rows:
        return "(no operations)"
    times = [time for row in rows for time in (row.operation.started_at, row.operation.ended_at) if time is not None]
    timespec = precision(*times)
    cells = [[_CELLS[name](row, timespec) for name in names] for row in rows]
    text = tabulate(cells, headers=names, tablefmt="simple", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.replace(_PADDING, " ").splitlines())


def _time(moment: datetime | None, timespec: str) -> str:
    return "" if moment is None else utc(moment).replace(tzinfo=None).isoformat(" ", timespec)


def one_line(text: str | None) -> str:
    """A name as tables show it: on one line, and cut if it is long."""
    if text is None:
        return "(unnamed)"
    line = text if text.isprintable() else repr(text)[1:-1]
    return line if len(line) <= _WIDEST_NAME else f"{line[: _WIDEST_NAME - 3]}..."
